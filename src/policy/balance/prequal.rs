//! Prequal (NSDI'24): picks by the load that endpoints report in answers to probes.
//!
//! Endpoints are asked, beside the calls, how many requests they have in flight and how long their
//! answers take. That sees the load of all clients, where [`HostLoad`](crate::policy::Load) sees only this
//! one's. The answers wait in a small pool, so that no call waits for a probe, and each serves a few
//! calls before it is too old. Endpoints that are busier than most others are hot: a cold one with the
//! least latency is taken, and if all are hot, the one with the least in flight. Latency alone would
//! follow yesterday's queue, and requests in flight alone a slow machine.
//!
//! With few endpoints the pool would hold most of them and send everyone to the same one: then, as
//! whenever it has nothing to choose from, it picks none and the caller's other balancer does.
//!
//! An endpoint that fails at once looks idle and quick: the circuits must take it out.

use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

use crate::policy::circuit::window::Ratio;

/// How many probes go out, and how long their answers are of use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrequalConfig {
    /// Answers kept, at most half of the endpoints if there are few; default 16.
    pub pool: usize,
    /// How long an answer is kept; default 1 s.
    pub max_age: Duration,
    /// Probes sent for each call, parts of one by chance; default 3. Below 0 or no number counts as
    /// none, and more than 100 as 100.
    pub probes_per_call: f64,
    /// Answers removed by each call beside those used up, in turn the oldest and the worst; default 1,
    /// with the same bounds.
    pub removals_per_call: f64,
    /// An endpoint is hot if it has more in flight than this share of the recent answers; default
    /// 0.84.
    pub hot: Ratio,
    /// How long the caller waits for the answer to a probe; default 3 ms.
    pub timeout: Duration,
}

impl Default for PrequalConfig {
    fn default() -> Self {
        // All as in the paper. Probes are cheap beside the calls they are for, and one that is not
        // answered within a few milliseconds says enough by that.
        Self {
            pool: 16,
            max_age: Duration::from_secs(1),
            probes_per_call: 3.0,
            removals_per_call: 1.0,
            hot: Ratio::new(0.84).unwrap_or(Ratio::HALF),
            timeout: Duration::from_millis(3),
        }
    }
}

/// The pool of answers. A key names an endpoint, by its position or by whatever outlives a new roster.
#[derive(Clone, Debug)]
pub struct Prequal<K> {
    config: PrequalConfig,
    endpoints: usize,
    /// The oldest first.
    answers: Vec<Answer<K>>,
    recent: Recent,
    /// Whose turn the next removal is.
    worst_next: bool,
}

#[derive(Clone, Copy, Debug)]
struct Answer<K> {
    key: K,
    in_flight: u32,
    latency: Duration,
    at: Instant,
    uses_left: u32,
}

impl<K: Copy + Eq> Prequal<K> {
    /// An empty pool over this many endpoints.
    #[must_use]
    pub fn new(config: PrequalConfig, endpoints: usize) -> Self {
        let (answers, recent) = (Vec::new(), Recent { ring: [0; RECENT], next: 0, known: 0 });
        Self { config, endpoints, answers, recent, worst_next: false }
    }

    /// Takes note of how many endpoints there are now.
    pub fn set_endpoints(&mut self, endpoints: usize) {
        self.endpoints = endpoints;
    }

    /// Whether there are endpoints enough for a pool.
    #[must_use]
    pub fn is_of_use(&self) -> bool {
        self.capacity() > 0
    }

    /// Drops what an endpoint had answered: it has left, or a probe of it failed.
    pub fn forget(&mut self, key: K) {
        self.answers.retain(|answer| answer.key != key);
    }

    /// How many random endpoints are to be probed for this many calls; none if there are too few
    /// endpoints for a pool.
    #[must_use]
    pub fn wants_probes(&self, calls: u32, rng: &mut impl Rng) -> usize {
        if self.capacity() == 0 {
            return 0;
        }
        let wanted = rounded(rate(self.config.probes_per_call) * f64::from(calls), rng) as usize;
        wanted.min(self.endpoints)
    }

    /// Takes in what an endpoint answered to a probe: its requests in flight and its latency with
    /// about as many. A newer answer takes the place of an older one.
    pub fn add(
        &mut self,
        key: K,
        in_flight: u32,
        latency: Duration,
        now: Instant,
        rng: &mut impl Rng,
    ) {
        self.recent.add(in_flight);
        self.forget(key);
        let capacity = self.capacity();
        if capacity == 0 {
            return;
        }
        let surplus = (self.answers.len() + 1).saturating_sub(capacity);
        self.answers.drain(..surplus);
        let uses_left = rounded(self.uses(capacity), rng);
        self.answers.push(Answer { key, in_flight, latency, at: now, uses_left });
    }

    /// The best of the endpoints in the pool that admit. None if that is not even two, as there is
    /// nothing to choose then.
    pub fn pick(
        &mut self,
        admits: impl Fn(K) -> bool,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<K> {
        let max_age = self.config.max_age;
        self.answers.retain(|answer| now.saturating_duration_since(answer.at) <= max_age);
        let limit = self.recent.quantile(self.config.hot);
        let admitted = || self.answers.iter().enumerate().filter(|(_, answer)| admits(answer.key));
        // Of equally good ones the newest.
        let (index, best) = admitted().rev().min_by_key(|(_, answer)| answer.badness(limit))?;
        let key = best.key;
        admitted().nth(FEWEST - 1)?;
        self.use_up(index);
        for _ in 0..rounded(rate(self.config.removals_per_call), rng) {
            self.remove_one(limit);
        }
        Some(key)
    }

    /// An answer was used for a pick: its endpoint has one more in flight than it told.
    fn use_up(&mut self, index: usize) {
        let answer = &mut self.answers[index];
        answer.in_flight = answer.in_flight.saturating_add(1);
        answer.uses_left = answer.uses_left.saturating_sub(1);
        if answer.uses_left == 0 {
            self.answers.remove(index);
        }
    }

    fn remove_one(&mut self, limit: u32) {
        let worst = self.answers.iter().enumerate().max_by_key(|(_, answer)| answer.badness(limit));
        let Some((worst, _)) = worst else { return };
        self.answers.remove(if self.worst_next { worst } else { 0 });
        self.worst_next = !self.worst_next;
    }

    /// The answers that the pool may hold. Where that number would come in too slowly, as most probes find
    /// an endpoint that is in the pool already, half of the endpoints; none if that does not do.
    fn capacity(&self) -> usize {
        let sizes = [self.config.pool, self.config.pool.min(self.endpoints / 2)];
        let fits = |size: &usize| *size >= FEWEST && self.income(*size) > ROUNDING;
        sizes.into_iter().find(fits).unwrap_or(0)
    }

    /// New answers for each call that neither replace one of a pool of this size nor are removed
    /// unused.
    fn income(&self, pool: usize) -> f64 {
        let fresh = 1.0 - pool as f64 / self.endpoints.max(1) as f64;
        fresh * rate(self.config.probes_per_call) - rate(self.config.removals_per_call)
    }

    /// How many calls an answer serves, so that the pool does not run dry.
    fn uses(&self, pool: usize) -> f64 {
        ((1.0 + GROWTH) / self.income(pool)).clamp(1.0, MOST_USES)
    }
}

impl<K> Answer<K> {
    /// Orders the answers by the hot-cold rule, the best first: all cold ones by latency, then all hot
    /// ones by what they have in flight.
    fn badness(&self, limit: u32) -> (bool, Duration, u32) {
        if self.in_flight > limit {
            (true, Duration::ZERO, self.in_flight)
        } else {
            (false, self.latency, 0)
        }
    }
}

/// The requests in flight that the last answers told. The pool itself would be a biased sample, as its
/// worst are removed.
#[derive(Clone, Debug)]
struct Recent {
    ring: [u32; RECENT],
    next: usize,
    known: usize,
}

impl Recent {
    fn add(&mut self, in_flight: u32) {
        self.ring[self.next] = in_flight;
        self.next = (self.next + 1) % RECENT;
        self.known = (self.known + 1).min(RECENT);
    }

    fn quantile(&self, share: Ratio) -> u32 {
        let mut sorted = self.ring;
        let known = &mut sorted[..self.known];
        if known.is_empty() {
            return 0;
        }
        let rank = (share.value() * known.len() as f64).ceil() as usize;
        *known.select_nth_unstable(rank.clamp(1, known.len()) - 1).1
    }
}

/// The whole part, and one more with the chance of the rest.
fn rounded(number: f64, rng: &mut impl Rng) -> u32 {
    let whole = number.floor();
    (whole as u32).saturating_add(u32::from(rng.random::<f64>() < number - whole))
}

fn rate(configured: f64) -> f64 {
    if configured > 0.0 { configured.min(100.0) } else { 0.0 }
}

/// With 24 endpoints, nothing comes in but what floating point makes of it.
const ROUNDING: f64 = 1e-9;

/// Two are the least to choose from.
const FEWEST: usize = 2;

/// By how much more comes in than is used: the paper's delta.
const GROWTH: f64 = 1.0;

/// An answer that served as many calls is worth nothing, whatever the formula says.
const MOST_USES: f64 = 16.0;

/// Twenty calls' worth of probes: enough for a quantile, and gone within moments.
const RECENT: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::{ms, rng, t0};

    /// Keeps what it is given: nothing is removed but by use or age.
    const KEEPING: PrequalConfig = PrequalConfig {
        pool: 16,
        max_age: Duration::from_secs(1),
        probes_per_call: 3.0,
        removals_per_call: 0.0,
        hot: Ratio::HALF,
        timeout: Duration::from_millis(3),
    };

    /// A pool over a hundred endpoints with these answers, of requests in flight and milliseconds.
    fn pool(config: PrequalConfig, answers: &[(u32, u64)], now: Instant) -> Prequal<usize> {
        let mut pool = Prequal::new(config, 100);
        for (key, (in_flight, latency)) in answers.iter().enumerate() {
            pool.add(key, *in_flight, ms(*latency), now, &mut rng());
        }
        pool
    }

    fn keys(pool: &Prequal<usize>) -> Vec<usize> {
        pool.answers.iter().map(|answer| answer.key).collect()
    }

    #[test]
    fn the_quickest_of_the_cold_is_picked() {
        // Half of the answers tell more than two in flight: the quickest of all is hot.
        let mut pool = pool(KEEPING, &[(9, 1), (2, 30), (1, 20), (3, 5), (2, 10)], t0());
        pool.recent = Recent { ring: [2; RECENT], next: 0, known: RECENT };
        assert_eq!(pool.pick(|_| true, t0(), &mut rng()), Some(4));
    }

    #[test]
    fn of_the_hot_the_least_busy_is_picked() {
        let mut pool = pool(KEEPING, &[(9, 1), (5, 90), (7, 20)], t0());
        pool.recent = Recent { ring: [2; RECENT], next: 0, known: RECENT };
        assert_eq!(pool.pick(|_| true, t0(), &mut rng()), Some(1));
    }

    #[test]
    fn a_pick_makes_an_endpoint_busier() {
        let mut pool = pool(KEEPING, &[(1, 10), (1, 20), (1, 30)], t0());
        pool.answers.iter_mut().for_each(|answer| answer.uses_left = 9);
        let picks: Vec<_> = (0..6).map(|_| pool.pick(|_| true, t0(), &mut rng())).collect();
        assert_eq!(picks[..4], [Some(0), Some(1), Some(2), Some(2)], "hot after one, then in turn");
        assert!(picks[4..].contains(&Some(0)) && picks[4..].contains(&Some(1)));
    }

    #[test]
    fn what_does_not_admit_is_passed_over() {
        let mut pool = pool(KEEPING, &[(1, 10), (1, 20), (1, 30)], t0());
        assert_eq!(pool.pick(|key| key != 0, t0(), &mut rng()), Some(1));
        assert_eq!(pool.pick(|key| key == 0, t0(), &mut rng()), None, "no choice");
        assert_eq!(pool.pick(|_| false, t0(), &mut rng()), None);
    }

    #[test]
    fn an_answer_is_gone_after_a_second() {
        let t0 = t0();
        let mut pool = pool(KEEPING, &[(1, 10), (1, 20)], t0);
        pool.answers.iter_mut().for_each(|answer| answer.uses_left = 9);
        assert!(pool.pick(|_| true, t0 + ms(1000), &mut rng()).is_some());
        pool.add(7, 1, ms(30), t0 + ms(1000), &mut rng());
        assert_eq!(pool.pick(|_| true, t0 + ms(1001), &mut rng()), None);
        assert_eq!(keys(&pool), [7]);
    }

    #[test]
    fn a_newer_answer_takes_the_place_of_an_older_one() {
        let mut pool = pool(KEEPING, &[(1, 10), (1, 20), (1, 30)], t0());
        pool.add(0, 8, ms(40), t0(), &mut rng());
        assert_eq!(keys(&pool), [1, 2, 0]);
        pool.forget(2);
        assert_eq!(keys(&pool), [1, 0]);
    }

    #[test]
    fn a_full_pool_drops_the_oldest() {
        let mut pool = pool(KEEPING, &[(1, 10); 20], t0());
        assert_eq!(keys(&pool), (4..20).collect::<Vec<_>>());
        pool.set_endpoints(8);
        pool.add(99, 1, ms(10), t0(), &mut rng());
        assert_eq!(keys(&pool), [17, 18, 19, 99]);
    }

    #[test]
    fn the_oldest_and_the_worst_are_removed_in_turn() {
        let answers = [(1, 10), (1, 90), (1, 20), (9, 5), (1, 30), (1, 40)];
        let mut pool = pool(KEEPING, &answers, t0());
        let removed = [vec![1, 2, 3, 4, 5], vec![1, 2, 4, 5], vec![2, 4, 5], vec![2, 4]];
        for left in removed {
            pool.remove_one(2);
            assert_eq!(keys(&pool), left);
        }
        (0..9).for_each(|_| pool.remove_one(2));
        assert!(keys(&pool).is_empty());
    }

    #[test]
    fn an_answer_serves_as_many_calls_as_the_pool_can_spare() {
        // The endpoints, the size of the pool, and how often an answer is used.
        let cases = [
            (1_000_000, 16, 1.0),
            (100, 16, 2.0 / 1.52),
            (32, 16, 4.0),
            (25, 16, MOST_USES),
            (24, 12, 4.0),
            (10, 5, 4.0),
            (4, 2, 4.0),
        ];
        for (endpoints, size, uses) in cases {
            let pool = Prequal::<usize>::new(PrequalConfig::default(), endpoints);
            assert_eq!(pool.capacity(), size, "{endpoints}");
            assert!((pool.uses(size) - uses).abs() < 0.01, "{endpoints}: {}", pool.uses(size));
        }
    }

    #[test]
    fn with_too_few_endpoints_or_probes_it_stands_aside() {
        let few_probes = PrequalConfig { probes_per_call: 1.0, ..PrequalConfig::default() };
        for (config, endpoints) in [(PrequalConfig::default(), 3), (few_probes, 100)] {
            let mut pool = Prequal::new(config, endpoints);
            assert!(!pool.is_of_use());
            assert_eq!(pool.wants_probes(100, &mut rng()), 0);
            (0..3).for_each(|key| pool.add(key, 1, ms(10), t0(), &mut rng()));
            assert_eq!(pool.pick(|_| true, t0(), &mut rng()), None);
        }
    }

    #[test]
    fn parts_of_a_probe_are_sent_by_chance() {
        let config = PrequalConfig { probes_per_call: 1.25, ..KEEPING };
        let (pool, mut rng) = (Prequal::<usize>::new(config, 100), rng());
        let sent: usize = (0..10_000).map(|_| pool.wants_probes(1, &mut rng)).sum();
        assert!((12_300..12_700).contains(&sent), "{sent}");
        assert_eq!(pool.wants_probes(4, &mut rng), 5);
        assert_eq!(pool.wants_probes(u32::MAX, &mut rng), 100, "no more than there are");
    }

    #[test]
    fn rates_that_are_no_numbers_are_none() {
        for (configured, expected) in
            [(f64::NAN, 0.0), (-1.0, 0.0), (f64::INFINITY, 100.0), (0.5, 0.5)]
        {
            assert_eq!(rate(configured), expected);
        }
    }

    /// Fifty endpoints that serve as quickly as they are idle, one of them ten times slower.
    #[test]
    fn a_slow_endpoint_gets_little_and_the_others_alike() {
        let (mut rng, t0) = (rng(), t0());
        let mut pool = Prequal::new(PrequalConfig::default(), 50);
        let (mut in_flight, mut counts) = ([0_u32; 50], [0_u32; 50]);
        let mut ends = std::collections::BTreeMap::<u64, Vec<usize>>::new();
        let latency = |key: usize, in_flight: u32| {
            ms(u64::from(10 + in_flight) * if key == 0 { 10 } else { 1 })
        };
        for call in 0..50_000 {
            let now = call / 3;
            while let Some(end) = ends.first_entry().filter(|end| *end.key() <= now) {
                end.remove().into_iter().for_each(|key| in_flight[key] -= 1);
            }
            for _ in 0..pool.wants_probes(1, &mut rng) {
                let key = rng.random_range(0..50);
                let told = (in_flight[key], latency(key, in_flight[key]));
                pool.add(key, told.0, told.1, t0 + ms(now), &mut rng);
            }
            let Some(key) = pool.pick(|_| true, t0 + ms(now), &mut rng) else { continue };
            (in_flight[key], counts[key]) = (in_flight[key] + 1, counts[key] + 1);
            let took = latency(key, in_flight[key]).as_millis() as u64;
            ends.entry(now + took).or_default().push(key);
        }
        let picked: u32 = counts.iter().sum();
        assert!(picked > 49_000, "{picked}");
        assert!(counts[0] < 100, "{counts:?}");
        assert!(counts[1..].iter().all(|count| (700..1400).contains(count)), "{counts:?}");
    }

    fn steps() -> impl Strategy<Value = Vec<(u8, u8, u32, u64)>> {
        prop::collection::vec((0_u8..5, 0_u8..40, 0_u32..50, 0_u64..500), 1..200)
    }

    proptest! {
        #[test]
        fn a_pick_was_told_lately_and_admits(
            steps in steps(),
            endpoints in 0_usize..60,
            removals in -1.0_f64..4.0,
            out in any::<u64>(),
        ) {
            let config = PrequalConfig { removals_per_call: removals, ..PrequalConfig::default() };
            let (mut pool, mut rng, mut now) = (Prequal::new(config, endpoints), rng(), t0());
            let admits = |key: u8| out >> key & 1 == 0;
            let mut told = std::collections::HashMap::new();
            for (step, key, in_flight, number) in steps {
                match step {
                    0 => pool.set_endpoints(number as usize % 60),
                    1 => pool.forget(key),
                    2 | 3 => {
                        pool.add(key, in_flight, ms(number), now, &mut rng);
                        told.insert(key, now);
                    }
                    _ => {
                        now += ms(number);
                        if let Some(picked) = pool.pick(admits, now, &mut rng) {
                            prop_assert!(admits(picked));
                            prop_assert!(now - told[&picked] <= config.max_age);
                        }
                    }
                }
                prop_assert!(pool.answers.len() <= 16);
            }
        }
    }
}
