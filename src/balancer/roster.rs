//! The endpoints of a balancer at one moment: an immutable view, of which the next one shares what stays.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashTable;

use super::hot_state::HotState;
use super::locality_state::{LocalityState, Rules};
use super::member::Member;
use super::slots::Slots;
use crate::endpoint::{Endpoint, Host, Identity};
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

    fn join(&mut self, endpoint: Endpoint, book: &mut Book) -> Arc<Member> {
        let weight = endpoint.weight();
        self.place(weight, book, |hot, slot| Arc::new(Member::new(endpoint, hot, slot)))
    }

    /// Gives the member that `make` makes a place.
    fn place(
        &mut self,
        weight: u32,
        book: &mut Book,
        make: impl FnOnce(Arc<HotState>, u32) -> Arc<Member>,
    ) -> Arc<Member> {
        let slot = self.free_slot(book);
        let hot = self.slots.make_room(slot as usize, &self.shared);
        hot.forget(slot as usize);
        self.weigh(book, None, Some(weight));
        self.count += 1;
        let member = make(hot, slot);
        self.slots.replace(slot as usize, Some(Arc::clone(&member)));
        member
    }

    /// A slot that an endpoint left, unless attempts are still under way from there: their ends would be taken
    /// for the newcomer's.
    fn free_slot(&self, book: &mut Book) -> u32 {
        let idle = |hole: &u32| self.slots.in_flight(*hole as usize) == 0;
        match book.holes.iter().rev().take(HOLES_LOOKED_AT).position(idle) {
            Some(from_end) => book.holes.swap_remove(book.holes.len() - 1 - from_end),
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

    /// The weight of the member at `slot`.
    pub(crate) fn weight(&self, slot: usize) -> u32 {
        self.slots.get(slot).map_or(0, |member| member.weight())
    }

    /// One weight goes, another comes.
    fn weigh(&mut self, book: &mut Book, goes: Option<u32>, comes: Option<u32>) {
        book.weigh(goes, comes);
        self.uneven = book.uneven();
        self.drained = book.weights.get(&0).copied().unwrap_or(0);
    }

    fn leave(&mut self, member: &Member, book: &mut Book) {
        self.slots.replace(member.slot(), None);
        book.holes.push(member.slot() as u32);
        self.weigh(book, Some(member.endpoint().weight()), None);
        self.count -= 1;
        member.depart();
    }
}

/// What is known of a locality beside what picks need.
#[derive(Debug, Default)]
struct Book {
    /// Slots that endpoints left.
    holes: Vec<u32>,
    /// How many have which weight.
    weights: BTreeMap<u32, usize>,
}

impl Book {
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

    /// When the first open circuit lets a probe through; `None` where none will by itself.
    pub(crate) fn next_probe(&self) -> Option<Instant> {
        self.members().filter_map(|member| member.retry_at()).min()
    }

    /// How many members are well.
    pub(crate) fn well(&self) -> usize {
        self.localities.iter().map(|locality| locality.shared.well()).sum()
    }

    fn locality(&mut self, locality_key: LocalityKey, rules: &Rules) -> &mut Locality {
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

/// Finds members by identity, and makes the next roster; only updates use it.
#[derive(Debug, Default)]
pub(crate) struct Register {
    members: HashTable<Arc<Member>>,
    hasher: RandomState,
    /// The number of the last list, by which members are told apart from those that left; all bear it.
    list: u8,
    books: BTreeMap<LocalityKey, Book>,
    /// How many members joined and left since this was last asked.
    changes: (usize, usize),
}

impl Register {
    /// The endpoints of a balancer that takes over from that of `before`, under other rules.
    pub(crate) fn adopting(before: &Roster, rules: &Rules) -> (Self, Roster) {
        let (mut register, mut roster) = (Self::default(), Roster::default());
        for member in before.members() {
            let endpoint = member.endpoint();
            let locality_key = locality_key(&endpoint, rules);
            let book = register.books.entry(locality_key.clone()).or_default();
            let locality = roster.locality(locality_key, rules);
            let adopt = |hot, slot| Member::succeeding(member, hot, slot);
            let adopted = locality.place(endpoint.weight(), book, adopt);
            register.insert(adopted);
        }
        (register, roster)
    }

    /// The roster where `hosts` are all there is: an identity that stays keeps its member, and its connections
    /// unless the host's properties changed. Of equal identities the first counts.
    pub(crate) fn replace(
        &mut self,
        before: &Roster,
        hosts: Vec<Host>,
        rules: &Rules,
        now: Instant,
    ) -> Roster {
        let mut next = before.clone();
        let warming = warming(before, rules, now);
        self.list = self.list.wrapping_add(1);
        for host in hosts {
            self.list(&mut next, Endpoint::new(host), rules, warming);
        }
        let list = self.list;
        let gone: Vec<_> = self.members.extract_if(|member| !member.is_listed(list)).collect();
        for gone in gone {
            self.remove(&mut next, &gone, rules);
        }
        self.prune(&mut next);
        next
    }

    /// The roster with `host` in it.
    pub(crate) fn join(
        &mut self,
        before: &Roster,
        host: Host,
        rules: &Rules,
        now: Instant,
    ) -> Roster {
        let mut next = before.clone();
        let endpoint = Endpoint::new(host);
        let kept = self.take(&endpoint.identity());
        let warming = warming(before, rules, now);
        let member = self.keep(&mut next, kept, endpoint, rules, warming);
        let _ = member.enlist(self.list);
        self.insert(member);
        self.prune(&mut next);
        next
    }

    /// The roster without the endpoint of `identity`; none where it is not in it.
    pub(crate) fn leave(
        &mut self,
        before: &Roster,
        identity: &Identity<'_>,
        rules: &Rules,
    ) -> Option<Roster> {
        let gone = self.take(identity)?;
        let mut next = before.clone();
        self.remove(&mut next, &gone, rules);
        self.prune(&mut next);
        Some(next)
    }

    /// Takes `endpoint` from the list under way into `next`; one that stood in it already is passed over.
    fn list(
        &mut self,
        next: &mut Roster,
        endpoint: Endpoint,
        rules: &Rules,
        warming: Option<Instant>,
    ) {
        let known = self.find(&endpoint.identity()).cloned();
        if known.as_ref().is_some_and(|known| known.enlist(self.list)) {
            return;
        }
        let member = self.keep(next, known.clone(), endpoint, rules, warming);
        if known.as_ref().is_some_and(|known| Arc::ptr_eq(known, &member)) {
            return;
        }
        let _ = member.enlist(self.list);
        if known.is_some() {
            self.take(&member.endpoint().identity());
        }
        self.insert(member);
    }

    /// The member for `endpoint`: the one of the same identity that was there, or a new one.
    fn keep(
        &mut self,
        next: &mut Roster,
        kept: Option<Arc<Member>>,
        endpoint: Endpoint,
        rules: &Rules,
        warming: Option<Instant>,
    ) -> Arc<Member> {
        let Some(kept) = kept else {
            let member = self.add(next, endpoint, rules);
            warming.into_iter().for_each(|now| member.begin_warming(now));
            return member;
        };
        let before = kept.endpoint();
        if *before == endpoint {
            return kept;
        }
        let locality_key = locality_key(&endpoint, rules);
        if locality_key == self::locality_key(&before, rules) {
            let book = self.books.entry(locality_key.clone()).or_default();
            let weights = (Some(before.weight()), Some(endpoint.weight()));
            next.locality(locality_key, rules).weigh(book, weights.0, weights.1);
            kept.set_endpoint(endpoint);
            return kept;
        }
        let moved = self.add(next, endpoint, rules);
        moved.inherit(&kept);
        self.remove(next, &kept, rules);
        moved
    }

    fn add(&mut self, next: &mut Roster, endpoint: Endpoint, rules: &Rules) -> Arc<Member> {
        let locality_key = locality_key(&endpoint, rules);
        let book = self.books.entry(locality_key.clone()).or_default();
        self.changes.0 += 1;
        next.locality(locality_key, rules).join(endpoint, book)
    }

    fn remove(&mut self, next: &mut Roster, gone: &Member, rules: &Rules) {
        let locality_key = locality_key(&gone.endpoint(), rules);
        let book = self.books.entry(locality_key.clone()).or_default();
        self.changes.1 += 1;
        next.locality(locality_key, rules).leave(gone, book);
    }

    /// Forgets localities without members.
    fn prune(&mut self, next: &mut Roster) {
        let books = &mut self.books;
        next.localities.retain(|locality| {
            if locality.count == 0 {
                books.remove(&locality.locality_key);
            }
            locality.count > 0
        });
    }

    /// How many members joined and left since this was last asked. One that moved did both.
    pub(crate) fn take_changes(&mut self) -> (usize, usize) {
        std::mem::take(&mut self.changes)
    }

    /// The member of `identity`.
    pub(crate) fn find(&self, identity: &Identity<'_>) -> Option<&Arc<Member>> {
        self.members.find(self.hasher.hash_one(identity), |member| member.is(identity))
    }

    fn take(&mut self, identity: &Identity<'_>) -> Option<Arc<Member>> {
        let hash = self.hasher.hash_one(identity);
        Some(self.members.find_entry(hash, |member| member.is(identity)).ok()?.remove().0)
    }

    fn insert(&mut self, member: Arc<Member>) {
        let hash = |member: &Arc<Member>| self.hasher.hash_one(member.endpoint().identity());
        self.members.insert_unique(hash(&member), member, hash);
    }
}

/// Since when a joining endpoint warms up; `None` without slow start. Endpoints of the first list do not warm up:
/// all of them are new.
fn warming(before: &Roster, rules: &Rules, now: Instant) -> Option<Instant> {
    (rules.warms_up && !before.is_empty()).then_some(now)
}

/// Attempts end, so most holes are free; a new slot is no harm either.
const HOLES_LOOKED_AT: usize = 8;

fn locality_key(endpoint: &Endpoint, rules: &Rules) -> LocalityKey {
    let zone = endpoint.zone().filter(|_| rules.by_zone).cloned();
    LocalityKey { priority: endpoint.priority(), zone }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{Algorithm, BalancerConfig};
    use crate::runtime::clock::now as t0;

    fn host(port: u16) -> Host {
        Host::new("127.0.0.1", port)
    }

    fn rules() -> Rules {
        Rules {
            by_zone: true,
            ..Rules::new(&BalancerConfig::new(Algorithm::RoundRobin), Arc::default(), t0())
        }
    }

    fn roster(register: &mut Register, before: &Roster, ports: &[u16]) -> Roster {
        register.replace(before, ports.iter().map(|port| host(*port)).collect(), &rules(), t0())
    }

    fn ports(roster: &Roster) -> Vec<u16> {
        roster.members().map(|member| member.endpoint().port()).collect()
    }

    fn member(roster: &Roster, port: u16) -> Arc<Member> {
        let same = |member: &&Arc<Member>| member.endpoint().port() == port;
        Arc::clone(roster.members().find(same).unwrap())
    }

    #[test]
    fn what_stays_keeps_its_circuit_and_connections() {
        let mut register = Register::default();
        let first = roster(&mut register, &Roster::default(), &[1, 2]);
        let second = roster(&mut register, &first, &[3, 2]);
        assert!(Arc::ptr_eq(&member(&first, 2), &member(&second, 2)));
        assert!(member(&first, 1).endpoint().has_departed());
        assert_eq!(ports(&first), [1, 2], "a view that is in use does not change");
        assert_eq!(second.len(), 2);
    }

    #[test]
    fn who_joins_later_stands_behind_or_in_a_hole_and_the_others_keep_their_order() {
        let mut register = Register::default();
        let all = roster(&mut register, &Roster::default(), &[1, 2, 3, 4]);
        let without = roster(&mut register, &all, &[4, 3, 1]);
        assert_eq!(ports(&without), [1, 3, 4]);
        let again = register.join(&without, host(9), &rules(), t0());
        assert_eq!(ports(&again), [1, 9, 3, 4]);
        let more = register.join(&again, host(10), &rules(), t0());
        assert_eq!(ports(&more), [1, 9, 3, 4, 10]);
    }

    #[test]
    fn a_changed_property_keeps_the_circuit_and_a_changed_weight_the_connections_too() {
        let mut register = Register::default();
        let first = roster(&mut register, &Roster::default(), &[1]);
        let before = member(&first, 1).endpoint();
        member(&first, 1).force_open().unwrap();
        let heavy = Host { weight: 5, ..host(1) };
        let second = register.replace(&first, vec![heavy], &rules(), t0());
        assert!(member(&second, 1).force_open().is_err(), "open already");
        assert_eq!(member(&second, 1).endpoint().weight(), 5);
        assert!(!before.has_departed());
        let elsewhere = Host { authority: Some("b".to_owned()), ..host(1) };
        let third = register.replace(&second, vec![elsewhere], &rules(), t0());
        assert!(member(&third, 1).force_open().is_err(), "still open");
        assert_eq!(member(&third, 1).endpoint().weight(), 1);
        assert!(before.has_departed());
    }

    #[test]
    fn a_move_to_another_rank_takes_the_circuit_along() {
        let mut register = Register::default();
        let first = roster(&mut register, &Roster::default(), &[1, 2]);
        member(&first, 1).force_open().unwrap();
        assert_eq!(first.well(), 1);
        let moved = Host { priority: 3, ..host(1) };
        let second = register.replace(&first, vec![host(2), moved], &rules(), t0());
        assert_eq!(second.localities.len(), 2);
        assert_eq!(second.well(), 1);
        assert!(member(&second, 1).force_open().is_err(), "open already");
        member(&second, 1).force_close(t0()).unwrap();
        assert_eq!(second.well(), 2);
    }

    #[test]
    fn an_identity_stands_once() {
        let mut register = Register::default();
        assert_eq!(roster(&mut register, &Roster::default(), &[1, 1, 2]).len(), 2);
    }

    #[test]
    fn late_news_of_who_left_does_not_touch_who_took_its_place() {
        let mut register = Register::default();
        let first = roster(&mut register, &Roster::default(), &[1]);
        let gone = member(&first, 1);
        let second = roster(&mut register, &first, &[2]);
        let second = register.join(&second, host(3), &rules(), t0());
        gone.force_open().unwrap();
        assert_eq!(second.well(), 2);
        gone.force_close(t0()).unwrap();
        assert_eq!(second.well(), 2);
    }

    #[test]
    fn unequal_weights_are_known_by_their_largest() {
        let mut register = Register::default();
        let weighed = |port, weight| Host { weight, ..host(port) };
        let hosts = vec![weighed(1, 2), weighed(2, 7), weighed(3, 7)];
        let roster = register.replace(&Roster::default(), hosts, &rules(), t0());
        assert_eq!(roster.localities[0].uneven, Some(7));
        let even = register.replace(&roster, vec![weighed(2, 7), weighed(3, 7)], &rules(), t0());
        assert_eq!(even.localities[0].uneven, None);
    }

    proptest! {
        #[test]
        fn any_sequence_of_changes_leaves_the_list_that_it_says(
            changes in prop::collection::vec((any::<bool>(), 1_u16..200), 1..300),
        ) {
            let mut register = Register::default();
            let mut roster = Roster::default();
            let mut listed = std::collections::BTreeSet::new();
            for (joins, port) in changes {
                if joins {
                    listed.insert(port);
                    roster = register.join(&roster, host(port), &rules(), t0());
                } else {
                    let gone = Endpoint::new(host(port));
                    let left = register.leave(&roster, &gone.identity(), &rules());
                    prop_assert_eq!(left.is_some(), listed.remove(&port));
                    roster = left.unwrap_or(roster);
                }
                let mut present = ports(&roster);
                present.sort_unstable();
                prop_assert_eq!(&present, &listed.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(roster.well(), listed.len());
                prop_assert_eq!(roster.len(), listed.len());
            }
        }
    }
}
