//! Traffic that grows, for an endpoint that has just come.
//!
//! Caches are cold, code is not compiled yet, connections are not open: a newcomer that gets its
//! full share at once answers late or not at all. So its share grows over a window, from a tenth,
//! in a curve whose bend is called aggression; the formula is Envoy's. It starts when an endpoint
//! joins, becomes healthy again, or has its circuit reset.
//!
//! Envoy multiplies the weight by the factor, so only its weighted algorithms know a slow start.
//! Here an endpoint that is warming up is taken with a chance of that factor and passed over
//! otherwise. Whatever order or draw an algorithm makes, it goes on from an endpoint that does not
//! admit, and the share is thinned by about that factor; no table is rebuilt while the factor
//! rises. Under a hash, the keys come home in the same growing part. What is passed over must not
//! be lost: if no other endpoint admits, the caller picks again without the gate.

use std::time::Duration;

use rand::Rng;

use super::splitmix64;
use crate::policy::circuit::window::Ratio;

/// How an endpoint warms up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowStart {
    /// How long it takes; default 2 s, in which a server has seen what it serves most. As the
    /// formula counts its first second as a whole one, a window of up to 1 s has no effect.
    pub window: Duration,
    /// The share to start from; default 0.1, enough for the caches to fill.
    pub min_ratio: Ratio,
    /// The bend, above 0; default 1, in a straight line. Above 1 the share grows fast at first and
    /// slowly later, below 1 the other way round.
    pub aggression: f64,
}

impl Default for SlowStart {
    fn default() -> Self {
        Self { window: Duration::from_secs(2), min_ratio: Ratio::TENTH, aggression: 1.0 }
    }
}

impl SlowStart {
    /// The part of its full share that an endpoint gets, this time after it came: between `min_ratio`
    /// and 1, and 1 from the end of the window on.
    #[must_use]
    pub fn factor(&self, since: Duration) -> f64 {
        if since >= self.window {
            return 1.0;
        }
        // The window is longer than nothing here.
        let passed = since.max(FIRST_STEP).as_secs_f64() / self.window.as_secs_f64();
        passed.powf(1.0 / self.aggression).max(self.min_ratio.value()).min(1.0)
    }
}

/// The draws by which a pick judges the endpoints that it asks: one for each of them.
///
/// With a draw for each question, an algorithm that asks again, as one that guesses does, would get
/// a yes in the end; here an endpoint's answer stays for the whole pick. With one draw for all,
/// equally warm endpoints would be in or out together: a round robin would always take the first of
/// them behind the last one that is warm, and the others would starve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowStartGate {
    drawn: u64,
}

impl SlowStartGate {
    /// Draws for one pick.
    pub fn draw(rng: &mut impl Rng) -> Self {
        Self { drawn: rng.next_u64() }
    }

    /// Whether the endpoint at `index` with this factor is in, which happens with just that chance.
    #[must_use]
    pub fn accepts(self, index: usize, factor: f64) -> bool {
        let mut state = self.drawn ^ index as u64;
        // The upper bits, as many as a number between 0 and 1 holds.
        let drawn = (splitmix64(&mut state) >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < factor
    }
}

/// Whether an endpoint is taken that has this factor, by a draw of its own; with a factor of 1
/// always, and without a draw. For a question that is put once; see [`SlowStartGate`] for more.
pub fn accepts(factor: f64, rng: &mut impl Rng) -> bool {
    factor >= 1.0 || SlowStartGate::draw(rng).accepts(0, factor)
}

/// The formula counts in whole seconds, of which the first has passed from the start.
const FIRST_STEP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::policy::balance::{Alias, RoundRobin};
    use crate::policy::test_inputs::{ms, rng};

    fn over(window_ms: u64, aggression: f64) -> SlowStart {
        SlowStart { window: ms(window_ms), aggression, ..SlowStart::default() }
    }

    #[test]
    fn the_share_grows_in_a_line_from_a_tenth() {
        let start = over(20_000, 1.0);
        let factors = [0, 1000, 2000, 5000, 10_000, 19_000, 20_000, 90_000]
            .map(|since| start.factor(ms(since)));
        assert_eq!(factors, [0.1, 0.1, 0.1, 0.25, 0.5, 0.95, 1.0, 1.0]);
    }

    #[test]
    fn the_first_second_counts_as_a_whole_one() {
        let start = over(4000, 1.0);
        assert_eq!(
            [0, 500, 1000, 2000].map(|since| start.factor(ms(since))),
            [0.25, 0.25, 0.25, 0.5]
        );
    }

    #[test]
    fn aggression_bends_the_line() {
        assert_eq!(over(16_000, 2.0).factor(ms(4000)), 0.5);
        assert_eq!(over(16_000, 0.5).factor(ms(8000)), 0.25);
    }

    #[test]
    fn without_a_window_everyone_is_warm() {
        assert_eq!(over(0, 1.0).factor(Duration::ZERO), 1.0);
        assert_eq!(over(700, 1.0).factor(Duration::ZERO), 1.0);
    }

    #[test]
    fn settings_that_make_no_sense_stay_within_bounds() {
        for aggression in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE] {
            let factor = over(10_000, aggression).factor(ms(5000));
            assert!((0.1..=1.0).contains(&factor), "{aggression}: {factor}");
        }
    }

    #[test]
    fn a_warm_endpoint_is_accepted_without_a_draw() {
        let (mut used, mut fresh) = (rng(), rng());
        assert!(accepts(1.0, &mut used));
        assert_eq!(used.random::<u64>(), fresh.random::<u64>());
    }

    #[test]
    fn acceptance_follows_the_factor() {
        let mut rng = rng();
        let accepted = (0..10_000).filter(|_| accepts(0.3, &mut rng)).count();
        assert!((2850..3150).contains(&accepted), "{accepted}");
    }

    /// The share of a newcomer with this factor, the third of four, in percent.
    fn share(
        factor: f64,
        pick: impl Fn(&dyn Fn(usize) -> bool, &mut StdRng) -> Option<usize>,
    ) -> f64 {
        let (mut rng, mut count) = (rng(), 0.0);
        for _ in 0..20_000 {
            let gate = SlowStartGate::draw(&mut rng);
            let picked = pick(&|index| index != 2 || gate.accepts(index, factor), &mut rng);
            count += if picked == Some(2) { 1.0 } else { 0.0 };
        }
        count / 200.0
    }

    #[test]
    fn thinning_works_for_draws_and_for_turns() {
        let (alias, robin) = (Alias::new(&[1; 4]), RoundRobin::new(0));
        for factor in [0.1, 0.5, 0.9] {
            let drawn = share(factor, |admits, rng| alias.pick(admits, rng));
            assert!((drawn - 25.0 * factor).abs() < 1.5, "{factor}: {drawn}");
            // It loses turns, and a round without it is shorter.
            let in_turn = share(factor, |admits, _| robin.pick(0, 4, admits));
            assert!((in_turn - 100.0 * factor / (3.0 + factor)).abs() < 1.5, "{factor}: {in_turn}");
        }
    }

    #[test]
    fn equally_warm_endpoints_get_equal_turns() {
        let (robin, mut rng, mut counts) = (RoundRobin::new(0), rng(), [0; 4]);
        for _ in 0..20_000 {
            let gate = SlowStartGate::draw(&mut rng);
            let admits = |index| index == 1 || gate.accepts(index, 0.1);
            counts[robin.pick(0, 4, admits).unwrap()] += 1;
        }
        let newcomers = [counts[0], counts[2], counts[3]];
        assert!(newcomers.iter().all(|count| (1100..2000).contains(count)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn a_factor_lies_between_its_bounds_and_never_falls(
            window_ms in 0_u64..100_000,
            min in 0.0_f64..1.0,
            aggression in 0.1_f64..5.0,
            (a, b) in (0_u64..200_000, 0_u64..200_000),
        ) {
            let min_ratio = Ratio::new(min).unwrap();
            let start = SlowStart { window: ms(window_ms), min_ratio, aggression };
            let (early, late) = (start.factor(ms(a.min(b))), start.factor(ms(a.max(b))));
            prop_assert!(min <= early && early <= late && late <= 1.0);
        }

        #[test]
        fn an_answer_stays_for_the_whole_pick(
            factor in 0.0_f64..1.0,
            seed in any::<u64>(),
            index in any::<usize>(),
        ) {
            let gate = SlowStartGate::draw(&mut StdRng::seed_from_u64(seed));
            prop_assert_eq!(gate.accepts(index, factor), gate.accepts(index, factor));
            prop_assert!(gate.accepts(index, 1.0) && !gate.accepts(index, 0.0));
        }
    }
}
