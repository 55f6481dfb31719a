//! One client: its endpoints, and what its calls share.
//!
//! It does what `client/` of the library does around the policies, in the same order: a pick is a
//! proposal that needs a permit, an endpoint that was tried comes last, and answers never open the last closed
//! circuit. Locks and atomics fall away, as nothing happens at the same time.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use ahoy::outcome::Verdict;
use ahoy::policy::{
    BreakerConfig, Budget, CopyRecord, FAILURE_REMEMBERED, Latencies, LatencyEstimate,
    LeastRequest, Limiter, LoadModel, LoadOutcome, MOST_ASKED, Observation, P2c, Permit,
    ProbeEligibility, Random, Ratio, RoundRobin, Throttle, Watched, may_pass_over,
};
use rand::Rng;

use crate::attempt::End;
use crate::contestant::{Balance, Checks, Contestant};
use crate::draws::Draws;
use crate::member::Member;
use crate::time::{Clock, MS, Nanos, nanos};

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    /// All endpoints that it ever had.
    pub(crate) members: Vec<Member>,
    /// Those on its list.
    places: Vec<u32>,
    rotating: usize,
    rule: Rule,
    pub(crate) model: Option<LoadModel>,
    breaker: Option<Arc<BreakerConfig>>,
    checks: Checks,
    pub(crate) budget: Option<Budget>,
    pub(crate) limiter: Option<Limiter>,
    pub(crate) throttle: Option<Throttle>,
    pub(crate) times: Option<Times>,
    answers: Latencies,
    p99: Watched,
    usual: Watched,
    pub(crate) copies: CopyRecord,
    pub(crate) hedges: CopyRecord,
    /// Attempts that were made while not all endpoints were in rotation.
    in_trouble: u64,
    pub(crate) draws: Draws,
}

#[derive(Debug)]
enum Rule {
    RoundRobin(RoundRobin),
    Random,
    LeastRequest(LeastRequest),
    P2c(P2c),
}

/// How long its attempts took lately.
#[derive(Debug)]
pub(crate) struct Times {
    latencies: Latencies,
    half: Watched,
    most: Option<Watched>,
}

/// The right to send once.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) member: u32,
    pub(crate) permit: Option<Permit>,
    pub(crate) began: Nanos,
    /// Its attempt has passed its limit.
    pub(crate) late: bool,
}

impl Client {
    pub(crate) fn new(rules: &Contestant, mut draws: Draws, clock: Clock) -> Self {
        let start = clock.at(0);
        let rule = match rules.balance {
            Balance::RoundRobin => Rule::RoundRobin(RoundRobin::new(draws.next_u64() as usize)),
            Balance::Random => Rule::Random,
            Balance::LeastRequest => Rule::LeastRequest(LeastRequest::new()),
            Balance::P2c { choices, .. } => Rule::P2c(choices.map_or(P2c::new(), p2c)),
        };
        let hedges = rules.hedge.map(|hedge| hedge.max_extra);
        Self {
            members: Vec::new(),
            places: Vec::new(),
            rotating: 0,
            rule,
            model: rules.balance.model(),
            breaker: rules.breaker.map(Arc::new),
            checks: rules.checks,
            budget: rules.budget.as_ref().map(|budget| Budget::new(budget, hedges, start)),
            limiter: rules.limit.map(Limiter::new),
            throttle: rules.throttle.as_ref().map(Throttle::new),
            times: rules.hedge.map(|hedge| Times {
                latencies: Latencies::new(start),
                half: Watched::new(Ratio::HALF),
                most: hedge.quantile().and_then(Ratio::new).map(Watched::new),
            }),
            answers: Latencies::new(start),
            p99: Watched::new(Ratio::NINETY_NINE),
            usual: Watched::new(Ratio::HALF),
            copies: CopyRecord::new(start),
            hedges: CopyRecord::of_hedges(start),
            in_trouble: 0,
            draws,
        }
    }

    /// What is known of how long answers take.
    pub(crate) fn known(&self, (now, clock): (Nanos, Clock)) -> LatencyEstimate {
        LatencyEstimate::new(self.p99.read_any(&self.answers, clock.at(now)))
    }

    /// What half of the answers take.
    pub(crate) fn usual(&self, (now, clock): (Nanos, Clock)) -> Option<Duration> {
        self.usual.read(&self.answers, clock.at(now))
    }

    /// Whether its endpoint may hang.
    pub(crate) fn may_hang(&self, lease: &Lease) -> bool {
        let member = &self.members[lease.member as usize];
        member.is_tripped_by_hang() || member.is_overdue && self.few_are_overdue()
    }

    /// Whether each of them fails and the service does not, as the library's members say of themselves.
    pub(crate) fn all_fail_alone(&self, tried: &[u32], now: Nanos) -> bool {
        let most_are_well = self.rotating * 2 >= self.places.len();
        let others_answer = most_are_well || self.well_ones_answer(now);
        tried.iter().all(|place| {
            let member = &self.members[*place as usize];
            let is_silent = member.is_overdue && member.overdue.is_silent(now / MS);
            is_silent && (self.few_are_overdue() || member.is_tripped_by_hang())
                || others_answer && !member.rotating
        })
    }

    /// Whether some are well, and none of them has failed lately.
    fn well_ones_answer(&self, now: Nanos) -> bool {
        let lately = now.saturating_sub(nanos(FAILURE_REMEMBERED));
        let mut well =
            self.places.iter().map(|it| &self.members[*it as usize]).filter(|it| it.rotating);
        self.places.len() <= MOST_ASKED
            && self.rotating > 0
            && !well.any(|member| member.has_failed_since(lately))
    }

    fn few_are_overdue(&self) -> bool {
        let overdue = self.places.iter().filter(|it| self.members[**it as usize].is_overdue);
        may_pass_over(overdue.count(), self.places.len())
    }

    /// Whether an endpoint that is not in `tried` admits, and owes no answer beyond its limit.
    pub(crate) fn has_elsewhere(&self, tried: &[u32], now: Nanos, clock: Clock) -> bool {
        self.places.iter().any(|place| {
            let member = &self.members[*place as usize];
            !tried.contains(place)
                && !member.overdue.is_late()
                && self.may_send(member, ProbeEligibility::Due, (now, clock))
        })
    }

    /// An endpoint for an attempt beside a late one.
    pub(crate) fn lease_beside(
        &mut self,
        tried: &[u32],
        now: Nanos,
        clock: Clock,
    ) -> Option<Lease> {
        let late = |place: &&u32| self.members[**place as usize].overdue.is_late();
        let mut passed = tried.to_vec();
        passed.extend(self.places.iter().filter(late));
        if !self.has_untried(&passed, now, clock) {
            return None;
        }
        self.lease(&passed, ProbeEligibility::Due, now, clock)
    }

    /// Takes over a list of servers; those that it had keep their state.
    pub(crate) fn replace(&mut self, servers: impl Iterator<Item = u32>) {
        self.members.iter_mut().for_each(|member| member.listed = false);
        let mut known: Vec<(u32, u32)> =
            self.members.iter().enumerate().map(|(at, it)| (it.server, at as u32)).collect();
        known.sort_unstable();
        self.places.clear();
        for server in servers {
            let found = known.binary_search_by_key(&server, |(server, _)| *server);
            let at = found.map_or(self.members.len(), |found| known[found].1 as usize);
            if at == self.members.len() {
                self.members.push(Member::new(server));
            }
            self.members[at].listed = true;
            self.places.push(at as u32);
        }
        let rotates = |place: &&u32| self.members[**place as usize].rotating;
        self.rotating = self.places.iter().filter(rotates).count();
    }

    /// An endpoint and the right to send to it; one not yet tried while there is any.
    pub(crate) fn lease(
        &mut self,
        tried: &[u32],
        probing: ProbeEligibility,
        now: Nanos,
        clock: Clock,
    ) -> Option<Lease> {
        if self.rotating < self.places.len() {
            self.in_trouble += 1;
        }
        // Alone as it is, nobody takes the permit between the choice and the grab.
        let member = self.choose(tried, probing, (now, clock))?;
        let permit = match &self.breaker {
            Some(config) => {
                let config = Arc::clone(config);
                let permit = {
                    let calls = self.in_trouble;
                    self.change(member, |it, _| it.acquire(&config, calls, now, clock))?
                };
                Some(permit)
            }
            None => None,
        };
        if self.model.is_some() {
            self.members[member as usize].start(now);
        }
        Some(Lease { member, permit, began: now, late: false })
    }

    /// Where no endpoint admits, a probe that is left to others is allowed, and then an endpoint that was tried.
    fn choose(
        &mut self,
        tried: &[u32],
        probing: ProbeEligibility,
        at: (Nanos, Clock),
    ) -> Option<u32> {
        // Both are kept apart so that the pick can draw while it looks.
        let mut draws = self.draws.clone();
        let due = ProbeEligibility::Due;
        let ways = [(tried, probing, true), (tried, due, false), (&[], due, false)];
        let chosen = ways.into_iter().find_map(|way| self.pick(way, at, &mut draws));
        self.draws = draws;
        chosen
    }

    fn pick(
        &self,
        (tried, probing, paced): (&[u32], ProbeEligibility, bool),
        (now, clock): (Nanos, Clock),
        rng: &mut Draws,
    ) -> Option<u32> {
        let at = |place: usize| &self.members[self.places[place] as usize];
        let admits = |place: usize| {
            let is_tried = || tried.contains(&self.places[place]);
            let keeps = || at(place).keeps_pace(self.in_trouble, self.places.len(), now);
            self.may_send(at(place), probing, (now, clock)) && !is_tried() && (!paced || keeps())
        };
        let len = self.places.len();
        let cost =
            |place: usize| self.model.map_or(0.0, |model| at(place).cost(probing, now, &model));
        let place = match &self.rule {
            Rule::RoundRobin(rule) => rule.pick(0, len, admits),
            Rule::Random => Random::uniform().pick(len, admits, rng),
            Rule::LeastRequest(rule) => rule.pick(len, admits, |place| at(place).pending(), rng),
            Rule::P2c(rule) => rule.pick(len, admits, cost, rng),
        }?;
        Some(self.places[place])
    }

    /// Where the client checks by itself, no call is a probe.
    fn may_send(
        &self,
        member: &Member,
        probing: ProbeEligibility,
        (now, clock): (Nanos, Clock),
    ) -> bool {
        let alone = matches!(self.checks, Checks::Alone(_));
        member.rotating || !alone && member.admits(probing, now, clock)
    }

    /// Whether an endpoint that is not in `tried` admits.
    pub(crate) fn has_untried(&self, tried: &[u32], now: Nanos, clock: Clock) -> bool {
        let admits = |place: &u32| {
            let member = &self.members[*place as usize];
            !tried.contains(place) && self.may_send(member, ProbeEligibility::Due, (now, clock))
        };
        self.rotating > tried.len() || self.places.iter().any(admits)
    }

    /// Tells load and circuit how an attempt ended that might have taken up to `limit`.
    pub(crate) fn settle(
        &mut self,
        lease: Lease,
        observation: &Observation,
        limit: Nanos,
        at: (Nanos, Clock),
    ) {
        self.finish(&lease, at.0, ending(observation, limit));
        let Some(permit) = lease.permit else { return };
        let wants_trip =
            self.change(lease.member, |it, draws| it.settle(permit, observation, at, draws));
        let floor = self.breaker.as_ref().map_or(0, |config| config.min_closed as usize);
        if wants_trip && self.rotating > floor {
            self.change(lease.member, |it, draws| it.trip(observation, at, draws));
        }
    }

    /// Takes back a lease that showed nothing, or that another attempt of its call was faster.
    pub(crate) fn release(&mut self, lease: Lease, overtaken: bool, now: Nanos) {
        self.finish(&lease, now, LoadOutcome::Neutral);
        if overtaken && self.model.is_some() {
            self.members[lease.member as usize].overtaken(lease.began, now);
        }
        if let Some(permit) = lease.permit {
            self.change(lease.member, |member, _| member.release(permit));
        }
    }

    fn finish(&self, lease: &Lease, now: Nanos, ending: LoadOutcome) {
        let member = &self.members[lease.member as usize];
        if let Some(model) = &self.model {
            member.finish(lease.began, now, ending, model);
        }
        if lease.late {
            member.overdue.late_ends();
        }
    }

    /// Learns how an attempt ended after so long, as far as the whole service is concerned.
    pub(crate) fn observe(
        &mut self,
        took: Nanos,
        end: End,
        in_flight: Option<u32>,
        at: (Nanos, Clock),
    ) {
        if let (Some(limiter), Some(in_flight)) = (&self.limiter, in_flight) {
            match end {
                End::Good => limiter.record(Duration::from_nanos(took), in_flight),
                End::Cut => limiter.record_cut(in_flight),
                _ => {}
            }
        }
        if end == End::Good {
            self.answers.record(Duration::from_nanos(took), at.1.at(at.0));
            self.budget.iter().for_each(Budget::note_success);
        }
        if let (Some(times), End::Good) = (&self.times, end) {
            times.record(took, at);
        }
        if let Some(throttle) = &mut self.throttle {
            throttle.record(end == End::Good, at.1.at(at.0));
        }
    }

    /// A check of an endpoint that is out of rotation; `well` is what it finds.
    pub(crate) fn check(&mut self, member: u32, well: bool, at: (Nanos, Clock)) {
        if let Checks::Early(_) = self.checks {
            if well {
                self.change(member, |it, _| it.half_open_early(at));
            }
            return;
        }
        let Some(config) = self.breaker.clone() else { return };
        let calls = self.in_trouble;
        let Some(permit) = self.change(member, |it, _| it.acquire(&config, calls, at.0, at.1))
        else {
            return;
        };
        let verdict = if well { Verdict::Success } else { Verdict::Failure };
        let observation = Observation::new(verdict, Duration::ZERO);
        let _ = self.change(member, |it, draws| it.settle(permit, &observation, at, draws));
    }

    /// Changes a member, and the count of those in rotation with it.
    fn change<R>(&mut self, member: u32, to: impl FnOnce(&mut Member, &mut Draws) -> R) -> R {
        let member = &mut self.members[member as usize];
        let before = member.rotating;
        let result = to(member, &mut self.draws);
        if member.listed && before != member.rotating {
            self.rotating = if before { self.rotating - 1 } else { self.rotating + 1 };
        }
        result
    }
}

impl Times {
    pub(crate) fn record(&self, took: Nanos, at: (Nanos, Clock)) {
        self.latencies.record(Duration::from_nanos(took), at.1.at(at.0));
    }

    /// What half of the attempts take.
    pub(crate) fn half(&self, at: (Nanos, Clock)) -> Option<Duration> {
        self.half.read(&self.latencies, at.1.at(at.0))
    }

    /// What all but those worth a copy take.
    pub(crate) fn most(&self, at: (Nanos, Clock)) -> Option<Duration> {
        self.most.as_ref()?.read(&self.latencies, at.1.at(at.0))
    }
}

/// Maps a verdict to a load update, as the library's leases do.
fn ending(observation: &Observation, limit: Nanos) -> LoadOutcome {
    match observation.verdict {
        Verdict::Success => LoadOutcome::Success,
        Verdict::Neutral => LoadOutcome::Neutral,
        Verdict::Failure | Verdict::Throttled | Verdict::Unreachable => LoadOutcome::Failure {
            limit: Duration::from_nanos(limit),
            hint: observation.retry_after,
        },
    }
}

const fn p2c(choices: NonZeroUsize) -> P2c {
    P2c::with_choices(choices)
}
