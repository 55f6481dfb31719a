//! The endpoints of a balancer at one moment: an immutable view, of which the next one shares what stays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::locality_state::{LocalityState, Rules};
use super::member::{Member, Run};
use super::slots::Slots;
use crate::endpoint::Endpoint;
use crate::policy::{ProbeEligibility, Tick};

/// Which endpoints are picked from together: those of one priority and, where zones matter, of one zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LocalityKey {
    /// 0 first.
    pub(crate) priority: u32,
    /// None where zones do not matter, or a host states none.
    pub(crate) zone: Option<Arc<str>>,
}

/// The endpoints of one locality.
#[derive(Clone, Debug)]
pub(crate) struct Locality {
    pub(crate) locality_key: LocalityKey,
    pub(crate) slots: Slots,
    pub(crate) shared: Arc<LocalityState>,
    /// How many there are.
    pub(crate) count: usize,
    /// How many of them are listed with a weight of 0.
    pub(crate) drained: usize,
    /// The largest weight, where they differ.
    pub(crate) uneven: Option<u32>,
}

/// An immutable view of a balancer's endpoints.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// In the order of their ranks.
    pub(crate) localities: Vec<Arc<Locality>>,
}

impl Locality {
    fn new(locality_key: LocalityKey, rules: &Rules) -> Self {
        let (slots, shared) = (Slots::default(), LocalityState::new(rules));
        Self { locality_key, slots, shared, count: 0, drained: 0, uneven: None }
    }

    pub(super) fn join(&mut self, endpoint: Endpoint, index: &mut LocalityIndex) -> Arc<Member> {
        let weight = endpoint.weight();
        self.place(weight, index, |run, slot| Arc::new(Member::new(endpoint, run, slot)))
    }

    /// Gives the member that `make` makes a place.
    pub(super) fn place(
        &mut self,
        weight: u32,
        index: &mut LocalityIndex,
        make: impl FnOnce(Arc<Run>, u32) -> Arc<Member>,
    ) -> Arc<Member> {
        let slot = self.free_slot(index);
        let run = self.slots.make_room(slot as usize, &self.shared);
        run.hot.forget(slot as usize);
        self.weigh(index, None, Some(weight));
        self.count += 1;
        let member = make(run, slot);
        self.slots.replace(slot as usize, Some(Arc::clone(&member)));
        member
    }

    /// A slot that an endpoint left, unless attempts are still under way from there: their ends would be taken
    /// for the newcomer's.
    fn free_slot(&self, index: &mut LocalityIndex) -> u32 {
        let idle = |free: &u32| self.slots.in_flight(*free as usize) == 0;
        match index.free_slots.iter().rev().take(FREE_SLOTS_LOOKED_AT).position(idle) {
            Some(from_end) => index.free_slots.swap_remove(index.free_slots.len() - 1 - from_end),
            None => self.slots.len() as u32,
        }
    }

    /// Whether all are in rotation, but for those that warm up, and none owes an answer.
    #[inline]
    pub(crate) fn is_calm(&self) -> bool {
        self.shared.well() == self.count && self.shared.overdue() == 0
    }

    /// What one more attempt at `slot` would cost.
    pub(crate) fn cost(&self, slot: usize, probing: ProbeEligibility, now: Tick) -> f32 {
        self.slots.hot(slot).map_or(f32::MAX, |hot| hot.cost(slot, probing, now))
    }

    /// The weight of the endpoint that `slot` was given last.
    pub(crate) fn weight(&self, slot: usize) -> u32 {
        self.slots.hot(slot).map_or(0, |hot| hot.weight(slot))
    }

    /// One weight goes, another comes.
    pub(super) fn weigh(
        &mut self,
        index: &mut LocalityIndex,
        goes: Option<u32>,
        comes: Option<u32>,
    ) {
        index.weigh(goes, comes);
        self.uneven = index.uneven();
        self.drained = index.weights.get(&0).copied().unwrap_or(0);
    }

    /// Takes `member` out. It departs, and its slot is free, once picks see that it is out.
    pub(super) fn leave(&mut self, member: &Member, index: &mut LocalityIndex) {
        self.slots.replace(member.slot(), None);
        self.weigh(index, Some(member.endpoint().weight()), None);
        self.count -= 1;
    }
}

/// What updates need of a locality, and picks do not: its free slots, and how often each weight occurs.
#[derive(Debug, Default)]
pub(super) struct LocalityIndex {
    /// Slots that endpoints left.
    free_slots: Vec<u32>,
    /// How many have which weight.
    weights: BTreeMap<u32, usize>,
}

impl LocalityIndex {
    /// The endpoint at `slot` has departed.
    pub(super) fn note_free_slot(&mut self, slot: usize) {
        self.free_slots.push(slot as u32);
    }

    fn weigh(&mut self, goes: Option<u32>, comes: Option<u32>) {
        if let Some(weight) = goes
            && let Some(count) = self.weights.get_mut(&weight)
        {
            *count -= 1;
            if *count == 0 {
                self.weights.remove(&weight);
            }
        }
        if let Some(weight) = comes {
            *self.weights.entry(weight).or_default() += 1;
        }
    }

    /// The largest weight, where they differ.
    fn uneven(&self) -> Option<u32> {
        let (largest, _) = self.weights.last_key_value()?;
        (self.weights.len() > 1).then_some(*largest)
    }
}

impl Roster {
    /// The members, by key and place.
    pub fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.localities.iter().flat_map(|locality| locality.slots.members())
    }

    /// The member that stands for the endpoint of one that departed: it came back, or has another priority or zone by now.
    #[must_use]
    pub fn successor_of(&self, departed: &Member) -> Option<&Arc<Member>> {
        let endpoint = departed.endpoint();
        self.members().find(|member| member.is(&endpoint.identity()))
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.localities.iter().map(|locality| locality.count).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many members are listed with a weight of 0.
    pub(crate) fn weightless(&self) -> usize {
        self.localities.iter().map(|locality| locality.drained).sum()
    }

    /// When the first open circuit lets a probe through; `None` where none will by itself.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.members().filter_map(|member| member.retry_at()).min()
    }

    /// The same in an outage of that `age`.
    pub(crate) fn next_probe(&self, age: Duration) -> Option<Instant> {
        self.members().filter_map(|member| member.probe_at(age)).min()
    }

    /// Of the endpoints that may be probed before their wait is over, in an outage of that `age`, the one that may
    /// soonest.
    pub(crate) fn early_probe(&self, age: Duration, now: Instant) -> Option<&Arc<Member>> {
        let due = |member: &&Arc<Member>| member.early_probe_at(age).filter(|at| *at <= now);
        self.members()
            .filter_map(|member| Some((due(&member)?, member)))
            .min_by_key(|it| it.0)
            .map(|it| it.1)
    }

    /// How many members are well.
    pub(crate) fn well(&self) -> usize {
        self.localities.iter().map(|locality| locality.shared.well()).sum()
    }

    pub(super) fn locality(&mut self, locality_key: LocalityKey, rules: &Rules) -> &mut Locality {
        let index = match self
            .localities
            .binary_search_by(|locality| locality.locality_key.cmp(&locality_key))
        {
            Ok(index) => index,
            Err(index) => {
                self.localities.insert(index, Arc::new(Locality::new(locality_key, rules)));
                index
            }
        };
        Arc::make_mut(&mut self.localities[index])
    }
}

/// Attempts end, so most slots that were left can be used again; a new slot is no harm either.
const FREE_SLOTS_LOOKED_AT: usize = 8;
