//! Which endpoint an attempt goes to: the rules of a balancer in the order in which they are asked.
//!
//! ```text
//! 0 probe    one that is due where no call would be drawn to, so that what was lost as a whole comes back
//! 1 locality of several priorities one by the health of each; of several zones the near one mostly; for a call that two
//!            endpoints of it have failed, another one
//! 2 slot     the algorithm proposes one of that locality, by its table where it has one
//! 3 admits   in rotation or this attempt's to probe, below its limit, not tried yet, warm: or the next proposal
//! ```
//!
//! Where no endpoint meets all of that, the demands are dropped in turn: an endpoint that warms up gets its full
//! share, the locality need not be the drawn one, an attempt that leaves probes to others makes one, and an endpoint
//! that was tried may be tried again. A user's function that was shown candidates and names none of them has decided, and is not asked
//! again.

use std::cell::Cell;
use std::ops::ControlFlow::{self, Break, Continue};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use rand::{Rng, RngExt};

use super::attempted::Attempted;
use super::constraints::PickConstraints;
use super::pick_state::PickState;
use super::picker_table::InFlight;
use crate::balancer::hot_state::HotState;
use crate::balancer::member::{Availability, Member, ProbeDue};
use crate::balancer::roster::Locality;
use crate::config::{Algorithm, BalancerConfig};
use crate::policy::balance::{Random, RoundRobin};
use crate::policy::{self, OverduePolicy, P2c, ProbeEligibility, SlowStartGate, Tick};
use crate::runtime::entropy::Entropy;

/// What one attempt asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PickContext<'a> {
    pub(crate) attempted: &'a Attempted,
    /// What keyed algorithms go by; drawn where the call has none.
    pub(crate) key: Option<u64>,
    pub(crate) constraints: PickConstraints,
    pub(crate) now: Instant,
    pub(crate) tick: Tick,
    /// The caller, as far as it tells callers at the same time apart.
    pub(crate) caller: usize,
}

/// One choice among a snapshot's endpoints.
pub(crate) struct Picker<'a, 'w> {
    pub(crate) config: &'a BalancerConfig,
    pub(crate) round_robin: &'a RoundRobin,
    pub(crate) snapshot: &'a PickState,
    /// Borrowed: a copy of what was written a moment ago makes the processor wait.
    pub(crate) context: &'w PickContext<'w>,
}

/// What a choice came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Picked<'a> {
    pub(crate) member: &'a Arc<Member>,
    /// Its priority level panics: all of its endpoints serve.
    pub(crate) panic: bool,
    /// It was picked by a call that passes over endpoints that hang, so a risk has to be claimed.
    pub(crate) passes_over: bool,
}

/// Goes on where no endpoint admits; ends with the one picked, or with none.
type Search<'a> = ControlFlow<Option<Picked<'a>>>;

/// What is asked of a candidate.
#[derive(Clone, Copy)]
struct Criteria {
    unattempted: bool,
    probing: ProbeEligibility,
    overdue: OverduePolicy,
    /// Probes keep to their pace.
    paced: bool,
    gate: Option<SlowStartGate>,
    /// Take any endpoint that may answer at all.
    panic: bool,
}

impl<'a> Picker<'a, '_> {
    /// The member to try; none where none admits.
    pub(crate) fn make(&self, rng: &mut Entropy) -> Option<Picked<'a>> {
        self.at_once(rng).or_else(|| self.search(rng).break_value().flatten())
    }

    /// An endpoint whose probe is due, for a call that would be held back. It takes nothing from those that are back, and
    /// the sooner the others are known to be, the fewer calls are refused. Its pace is that of the open wait alone, as
    /// where no endpoint admits: a caller of one call a second would be refused half of them for 10 s, although all
    /// endpoints are well.
    #[cold]
    pub(crate) fn choose_due(&self) -> Option<Picked<'a>> {
        let &PickContext { attempted, constraints, now, .. } = self.context;
        let spares = constraints.overdue == OverduePolicy::PassOver;
        let is_due = |member: &&Arc<Member>| match member.availability(now) {
            Availability::Probe(due) => {
                let barred = attempted.contains(member) || due.hangs && spares;
                !barred && self.has_room(member.hot(), member.slot())
            }
            _ => false,
        };
        let member = self.snapshot.roster.members().find(is_due)?;
        Some(Picked { member, panic: false, passes_over: false })
    }

    /// Most picks: there is one locality, all of its endpoints are in rotation and owe nothing, and no setting asks for
    /// more. Then the first proposal will do. Looked at one after the other, the conditions cost half of a pick.
    #[inline]
    fn at_once(&self, rng: &mut Entropy) -> Option<Picked<'a>> {
        let (locality, None) = self.snapshot.locality(0)? else { return None };
        let is_plain = self.snapshot.roster.localities.len() == 1
            && self.config.takes_any_in_rotation()
            && self.context.attempted.is_empty();
        if !is_plain || !locality.is_calm() {
            return None;
        }
        let PickConstraints { probing, overdue } = self.context.constraints;
        let (slots, len) = (&locality.slots, locality.slots.len());
        let rotates = |slot: usize| slots.hot(slot).is_some_and(|hot| hot.is_rotating(slot));
        let cost = |slot: usize| {
            slots.hot(slot).map_or(f32::MAX, |hot| hot.cost(slot, probing, self.context.tick))
        };
        let slot = match &self.config.algorithm {
            Algorithm::RoundRobin => self.round_robin.pick(self.context.caller, len, rotates),
            Algorithm::Random => Random::uniform().pick(len, rotates, rng),
            Algorithm::P2c { rule, .. } if locality.uneven.is_none() => {
                rule.pick(len, rotates, cost, rng)
            }
            _ => None,
        };
        let passes_over = overdue == OverduePolicy::PassOver;
        Some(Picked { member: slots.get(slot?)?, panic: false, passes_over })
    }

    /// Looks by criteria that are ever less strict: in the locality that is drawn, anywhere, at endpoints that slow start
    /// holds back, at circuits whose probe is due, at endpoints that owe an answer, at those that were tried before.
    fn search(&self, rng: &mut Entropy) -> Search<'a> {
        let gate = self.config.slow_start.map(|_| SlowStartGate::draw(rng));
        let roster = &self.snapshot.roster;
        let first = self.snapshot.priority_load.draw(roster, self.config, self.context.key, rng);
        let unattempted = !self.context.attempted.is_empty();
        let PickConstraints { probing, overdue } = self.context.constraints;
        let panic = first.panic || self.panics(first.locality);
        let strict = Criteria { unattempted, probing, overdue, paced: true, gate, panic };
        self.probe_lost(first.locality, Criteria { panic: false, ..strict }, rng)?;
        if self.has_failed_call(first.locality) {
            self.in_others(first.locality, strict, rng)?;
        }
        self.within(first.locality, strict, rng)?;
        let cold = Criteria { gate: None, ..strict };
        self.anywhere(first.locality, cold, rng)?;
        if overdue == OverduePolicy::Avoid {
            // The attempt that it would go beside may still be answered.
            return Continue(());
        }
        let probes = Criteria { probing: ProbeEligibility::Due, paced: false, ..cold };
        if probing != ProbeEligibility::Due || self.is_any_out() {
            self.anywhere(first.locality, probes, rng)?;
        }
        let probes = Criteria { overdue: OverduePolicy::Take, ..probes };
        if overdue == OverduePolicy::PassOver {
            self.anywhere(first.locality, probes, rng)?;
        }
        if !unattempted {
            return Continue(());
        }
        self.anywhere(first.locality, Criteria { unattempted: false, ..probes }, rng)
    }

    /// A probe that is due in a locality that no call is drawn to, since too few there are well. It comes first: a
    /// priority or a zone that was lost as a whole would stay lost for as long as another one serves. What stands behind
    /// the drawn one is a reserve that is not needed, and is not probed.
    fn probe_lost(&self, drawn: usize, criteria: Criteria, rng: &mut Entropy) -> Search<'a> {
        let PickState { roster, priority_load, .. } = self.snapshot;
        let Some(serving) = roster.localities.get(drawn) else {
            return Continue(());
        };
        let is_lost = |&(index, locality): &(usize, &Arc<Locality>)| {
            index != drawn
                && locality.locality_key.priority <= serving.locality_key.priority
                && (locality.shared.well() == 0
                    || priority_load.passes_over(roster, self.config, index))
        };
        let mut lost = roster.localities.iter().enumerate().filter(is_lost);
        lost.try_for_each(|(_, locality)| self.probe_within(locality, criteria, rng))
    }

    /// A few are looked at, from a random one on: each call that comes meanwhile does so.
    fn probe_within(
        &self,
        locality: &'a Locality,
        criteria: Criteria,
        rng: &mut Entropy,
    ) -> Search<'a> {
        let len = locality.slots.len();
        if len == 0 {
            return Continue(());
        }
        let start = rng.random_range(0..len);
        let is_due = |&slot: &usize| {
            let member = locality.slots.get(slot);
            let availability = member.map(|member| member.availability(self.context.now));
            matches!(availability, Some(Availability::Probe(_)))
                && self.admits(locality, slot, criteria)
        };
        let slot = (start..start + len.min(LOOKED_AT)).map(|slot| slot % len).find(is_due);
        match slot.and_then(|slot| locality.slots.get(slot)) {
            Some(member) => {
                let passes_over = criteria.overdue == OverduePolicy::PassOver;
                Break(Some(Picked { member, panic: false, passes_over }))
            }
            None => Continue(()),
        }
    }

    /// Whether the call was at so many endpoints of a locality that it is rather lost than unlucky. A zone, or a
    /// priority, fails as a whole now and then, and all tries would be spent there before any circuit has opened.
    fn has_failed_call(&self, locality: usize) -> bool {
        let localities = &self.snapshot.roster.localities;
        let Some(locality) = localities.get(locality).filter(|_| localities.len() > 1) else {
            return false;
        };
        let stands_there = |member: &Member| Arc::ptr_eq(member.hot().shared(), &locality.shared);
        self.context.attempted.count(stands_there) >= UNLUCKY
    }

    /// In the localities but the drawn one that the call has not been at as often.
    fn in_others(&self, first: usize, criteria: Criteria, rng: &mut Entropy) -> Search<'a> {
        let mut others =
            self.near_first(first, rng.next_u64()).skip(1).filter(|it| !self.has_failed_call(*it));
        others.try_for_each(|locality| {
            let panic = self.panics(locality);
            self.within(locality, Criteria { panic, ..criteria }, rng)
        })
    }

    /// Whether all endpoints of a locality serve.
    fn panics(&self, locality: usize) -> bool {
        let PickState { roster, priority_load, .. } = self.snapshot;
        priority_load.panics(roster, self.config, locality, self.context.now)
    }

    /// Whether a probe may have been held back by its pace.
    fn is_any_out(&self) -> bool {
        self.snapshot.roster.well() < self.snapshot.roster.len()
    }

    /// In every locality, the drawn one first; each knows for itself whether it panics.
    fn anywhere(&self, first: usize, criteria: Criteria, rng: &mut Entropy) -> Search<'a> {
        self.near_first(first, rng.next_u64()).try_for_each(|locality| {
            let panic = self.panics(locality);
            self.within(locality, Criteria { panic, ..criteria }, rng)
        })
    }

    /// The drawn locality, and then the others by priority. Those of one priority begin with one that is drawn by how many
    /// there are well: as they stand, all that the drawn one cannot take fell on the zone whose name comes first.
    fn near_first(&self, first: usize, drawn: u64) -> impl Iterator<Item = usize> {
        let localities = &self.snapshot.roster.localities;
        let mut end = 0;
        let same = |a: &Arc<Locality>, b: &Arc<Locality>| {
            a.locality_key.priority == b.locality_key.priority
        };
        let levels = localities.chunk_by(same).map(move |level| {
            end += level.len();
            end - level.len()..end
        });
        let others = levels.flat_map(move |level| {
            let start = self.one_of(level.clone(), first, drawn);
            (start..level.end).chain(level.start..start)
        });
        std::iter::once(first).chain(others.filter(move |locality| *locality != first))
    }

    /// The locality but `first` that a number falls on, each as wide as it has endpoints that are well.
    fn one_of(&self, level: Range<usize>, first: usize, drawn: u64) -> usize {
        let localities = &self.snapshot.roster.localities;
        let well = |it: usize| if it == first { 0 } else { localities[it].shared.well() as u64 };
        let mut left = drawn % level.clone().map(well).sum::<u64>().max(1);
        let falls_on = |it: &usize| {
            let here = left < well(*it);
            left = left.saturating_sub(well(*it));
            here
        };
        level.clone().find(falls_on).unwrap_or(level.start)
    }

    fn within(&self, locality: usize, criteria: Criteria, rng: &mut Entropy) -> Search<'a> {
        let Some((locality, table)) = self.snapshot.locality(locality) else {
            return Continue(());
        };
        let overdue = match criteria.overdue {
            OverduePolicy::PassOver if !may_pass_over(locality) => OverduePolicy::Take,
            towards => towards,
        };
        let criteria = Criteria { overdue, ..criteria };
        let any = Cell::new(false);
        let admits = |slot: usize| {
            let admits = self.admits(locality, slot, criteria);
            any.set(any.get() || admits);
            admits
        };
        let slot = match table {
            Some(table) => {
                let key = self.context.key.unwrap_or_else(|| rng.next_u64());
                table.pick(key, &Loads(locality), admits, rng)
            }
            None => self.propose(locality, admits, criteria.probing, rng),
        };
        // A slot that an endpoint took since this roster was made is empty in it.
        let anyone = || locality.slots.members().find(|member| member.admits(self.context.now));
        match slot.and_then(|slot| locality.slots.get(slot).or_else(anyone)) {
            Some(member) => {
                let passes_over = criteria.overdue == OverduePolicy::PassOver;
                Break(Some(Picked { member, panic: criteria.panic, passes_over }))
            }
            None if any.get() && self.config.algorithm.is_users() => Break(None),
            None => Continue(()),
        }
    }

    /// By an algorithm that needs no table.
    fn propose(
        &self,
        locality: &Locality,
        admits: impl Fn(usize) -> bool,
        probing: ProbeEligibility,
        rng: &mut Entropy,
    ) -> Option<usize> {
        let len = locality.slots.len();
        match &self.config.algorithm {
            Algorithm::Random => Random::uniform().pick(len, admits, rng),
            Algorithm::RandomBy(random) => random.pick(len, admits, rng),
            Algorithm::Custom(custom) => custom.pick(len, admits),
            Algorithm::LeastRequest(rule) => {
                let active = |slot: usize| Loads(locality).at(slot);
                match locality.uneven {
                    None => rule.pick(len, admits, active, rng),
                    Some(most) => {
                        rule.pick_weighted(len, most, |it| locality.weight(it), admits, active, rng)
                    }
                }
            }
            Algorithm::P2c { rule, .. } => self.by_cost(rule, locality, admits, probing, rng),
            Algorithm::Prequal(_) => {
                let (well, now) = (locality.shared.well(), self.context.now);
                let pool = locality.shared.pool.as_ref();
                let told = pool.and_then(|pool| pool.pick(well, &admits, now, rng));
                told.or_else(|| self.by_cost(&P2c::new(), locality, admits, probing, rng))
            }
            _ => self.round_robin.pick(self.context.caller, len, admits),
        }
    }

    fn by_cost(
        &self,
        rule: &P2c,
        locality: &Locality,
        admits: impl Fn(usize) -> bool,
        probing: ProbeEligibility,
        rng: &mut Entropy,
    ) -> Option<usize> {
        let len = locality.slots.len();
        let cost = |slot: usize| locality.cost(slot, probing, self.context.tick);
        match locality.uneven {
            None => rule.pick(len, admits, cost, rng),
            Some(most) => {
                rule.pick_weighted(len, most, |it| locality.weight(it), admits, cost, rng)
            }
        }
    }

    fn admits(&self, locality: &Locality, slot: usize, criteria: Criteria) -> bool {
        let Some(hot) = locality.slots.hot(slot) else {
            return false;
        };
        // In rotation, so it is there: the member itself would be one more wait for memory.
        if !self.takes(hot, slot, criteria.overdue) {
            return false;
        }
        if hot.is_rotating(slot) && !criteria.unattempted {
            return self.has_room(hot, slot);
        }
        let Some(member) = locality.slots.get(slot) else {
            return false;
        };
        (hot.is_rotating(slot) || self.is_eligible(member, slot, criteria))
            && self.has_room(hot, slot)
            && !(criteria.unattempted && self.context.attempted.contains(member))
    }

    /// Whether a member that is not simply in rotation may be tried.
    fn is_eligible(&self, member: &Member, slot: usize, criteria: Criteria) -> bool {
        match member.availability(self.context.now) {
            Availability::In => true,
            Availability::Probe(due) => criteria.panic || self.may_probe(member, due, criteria),
            Availability::Warming(since) => {
                let factor = self.config.slow_start.map_or(1.0, |rule| rule.factor(since));
                if factor >= 1.0 {
                    member.end_warming();
                }
                criteria.gate.is_none_or(|gate| gate.accepts(slot, factor))
            }
            Availability::Tripped => criteria.panic,
            Availability::Out => false,
        }
    }

    /// What may not be repeated cannot go on elsewhere from an endpoint that hangs.
    fn may_probe(&self, member: &Member, due: ProbeDue, criteria: Criteria) -> bool {
        let (hot, slot, now) = (member.hot(), member.slot(), self.context.now);
        let passes = due.hangs && criteria.overdue == OverduePolicy::PassOver;
        criteria.probing.takes(due.since)
            && (!passes || hot.may_be_risked(slot, now))
            && (!criteria.paced || !due.is_first || hot.may_probe(slot, now))
    }

    #[inline]
    fn takes(&self, hot: &HotState, slot: usize, overdue: OverduePolicy) -> bool {
        match overdue {
            OverduePolicy::Take => true,
            OverduePolicy::PassOver => {
                !hot.is_overdue(slot) || hot.may_be_risked(slot, self.context.now)
            }
            OverduePolicy::Avoid => !hot.is_late(slot),
        }
    }

    fn has_room(&self, hot: &HotState, slot: usize) -> bool {
        self.config.max_in_flight.is_none_or(|most| hot.in_flight(slot) < most)
    }
}

/// Endpoints of one locality that fail a call by bad luck. With 3 tries the last one goes elsewhere.
const UNLUCKY: usize = 2;

/// How many endpoints a call looks at in a locality that it does not go to: it is not to wait for that.
const LOOKED_AT: usize = 8;

/// Where most owe an answer the service is slow, and to pass over them would overload the others. A locality of which
/// most do is passed over where the service as a whole is not slow: the endpoints of a zone, or of a priority, may hang
/// together, and the others are there for that.
fn may_pass_over(locality: &Locality) -> bool {
    let (overdue, cluster) = (locality.shared.overdue(), &locality.shared.cluster);
    policy::may_pass_over(overdue, locality.count) || overdue > 0 && cluster.few_are_overdue()
}

/// What is in flight to a locality.
struct Loads<'a>(&'a Locality);

impl InFlight for Loads<'_> {
    fn at(&self, slot: usize) -> u32 {
        self.0.slots.in_flight(slot)
    }

    fn all(&self) -> u32 {
        self.0.shared.in_flight()
    }
}
