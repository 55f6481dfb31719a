//! Makes the next roster of a list, and finds members by identity.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashTable;

use super::locality_state::Rules;
use super::member::Member;
use super::roster::{LocalityIndex, LocalityKey, Roster};
use crate::discovery::{Listing, difference};
use crate::endpoint::{Endpoint, Host, Identity};

/// Finds members by identity, and makes the next roster; only updates use it.
#[derive(Debug, Default)]
pub(crate) struct Register {
    members: HashTable<Arc<Member>>,
    hasher: RandomState,
    /// The number of the last list, by which members are told apart from those that left; all bear it.
    list: u8,
    indexes: BTreeMap<LocalityKey, LocalityIndex>,
    /// The list that the members are those of, where none stands in it twice and no hand has changed them since.
    followed: Option<Arc<Listing>>,
    /// How many members joined and left since this was last asked.
    changes: (usize, usize),
    /// Those that the change under way takes out.
    gone: Vec<Arc<Member>>,
    /// Those to which it gives a weight of 0.
    drained: Vec<Arc<Member>>,
}

impl Register {
    /// The endpoints of a balancer that takes over from that of `before`, under other rules.
    pub(crate) fn adopting(before: &Roster, rules: &Rules) -> (Self, Roster) {
        let (mut register, mut roster) = (Self::default(), Roster::default());
        for member in before.members() {
            let endpoint = member.endpoint();
            let locality_key = locality_key(&endpoint, rules);
            let index = register.indexes.entry(locality_key.clone()).or_default();
            let locality = roster.locality(locality_key, rules);
            let adopt = |run, slot| Member::succeeding(member, run, slot);
            let adopted = locality.place(endpoint.weight(), index, adopt);
            register.insert(adopted);
        }
        (register, roster)
    }

    /// The roster where `hosts` are all there is: an identity that stays keeps its member, and its connections
    /// unless the host's properties changed. Of equal identities the first counts. Hosts that are given away go one by
    /// one, so that their memory is used for the members.
    pub(crate) fn replace<H: Borrow<Host>>(
        &mut self,
        before: &Roster,
        hosts: impl IntoIterator<Item = H>,
        rules: &Rules,
        now: Instant,
    ) -> Roster {
        let mut next = before.clone();
        let warming = warming(before, rules, now);
        self.followed = None;
        self.list = self.list.wrapping_add(1);
        for host in hosts {
            let host = host.borrow();
            let known = self.find(&host.identity());
            if known.is_none_or(|known| !known.enlist(self.list)) {
                self.list(&mut next, host, rules, warming);
            }
        }
        let list = self.list;
        let gone: Vec<_> = self.members.extract_if(|member| !member.is_listed(list)).collect();
        for gone in gone {
            self.remove(&mut next, gone, rules);
        }
        self.prune(&mut next);
        next
    }

    /// The same of a list that a provider's watch told. After another one of that watch, only what differs is looked at.
    pub(crate) fn follow(
        &mut self,
        before: &Roster,
        listing: &Arc<Listing>,
        rules: &Rules,
        now: Instant,
    ) -> Roster {
        let next = match self.step(before, &listing.hosts, rules, now) {
            Some(next) => next,
            None => self.replace(before, listing.hosts.iter().map(|host| &**host), rules, now),
        };
        let is_exact = self.members.len() == listing.hosts.len();
        self.followed = is_exact.then(|| Arc::clone(listing));
        next
    }

    /// The roster of `hosts`, by what differs from the list before; none where that is too much, or an identity stands
    /// twice, of which the first counts.
    fn step(
        &mut self,
        before: &Roster,
        hosts: &[Arc<Host>],
        rules: &Rules,
        now: Instant,
    ) -> Option<Roster> {
        let followed = self.followed.take()?;
        let (gone, new) = difference(&followed.hosts, hosts);
        if new.len() > MOST_STEPS.max(hosts.len() / 8) {
            return None;
        }
        let goes: HashSet<_> = gone.iter().map(|host| host.identity()).collect();
        let comes: HashSet<_> = new.iter().map(|host| host.identity()).collect();
        let stands_elsewhere = |it: &Identity<'_>| !goes.contains(it) && self.find(it).is_some();
        if comes.len() < new.len() || comes.iter().any(stands_elsewhere) {
            return None;
        }
        let mut next = before.clone();
        let warming = warming(before, rules, now);
        for host in new {
            self.list(&mut next, host, rules, warming);
        }
        for identity in goes.difference(&comes) {
            let gone = self.take(identity);
            gone.into_iter().for_each(|gone| self.remove(&mut next, gone, rules));
        }
        self.prune(&mut next);
        Some(next)
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
        self.followed = None;
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
        self.followed = None;
        self.remove(&mut next, gone, rules);
        self.prune(&mut next);
        Some(next)
    }

    /// Takes `host` of the list under way into `next`.
    fn list(&mut self, next: &mut Roster, host: &Host, rules: &Rules, warming: Option<Instant>) {
        let known = self.find(&host.identity()).cloned();
        if known.as_ref().is_some_and(|known| known.is_of(host)) {
            return;
        }
        let endpoint = Endpoint::new(host.clone());
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
            let index = self.indexes.entry(locality_key.clone()).or_default();
            let weights = (Some(before.weight()), Some(endpoint.weight()));
            next.locality(locality_key, rules).weigh(index, weights.0, weights.1);
            if endpoint.weight() == 0 {
                self.drained.push(Arc::clone(&kept));
            }
            kept.set_endpoint(endpoint);
            return kept;
        }
        let moved = self.add(next, endpoint, rules);
        moved.inherit(&kept);
        self.remove(next, kept, rules);
        // The endpoint is the same.
        self.changes = (self.changes.0 - 1, self.changes.1 - 1);
        moved
    }

    fn add(&mut self, next: &mut Roster, endpoint: Endpoint, rules: &Rules) -> Arc<Member> {
        let locality_key = locality_key(&endpoint, rules);
        let index = self.indexes.entry(locality_key.clone()).or_default();
        self.changes.0 += 1;
        next.locality(locality_key, rules).join(endpoint, index)
    }

    fn remove(&mut self, next: &mut Roster, gone: Arc<Member>, rules: &Rules) {
        let locality_key = locality_key(&gone.endpoint(), rules);
        let index = self.indexes.entry(locality_key.clone()).or_default();
        self.changes.1 += 1;
        next.locality(locality_key, rules).leave(&gone, index);
        self.gone.push(gone);
    }

    /// Picks go by the next roster now: what it has not, or has with a weight of 0, gets nothing more. Before that picks
    /// have nothing else, and to work out a table takes milliseconds.
    pub(crate) fn let_go(&mut self, rules: &Rules) {
        for gone in std::mem::take(&mut self.gone) {
            gone.depart();
            // There is no index where the locality went with its last member.
            if let Some(index) = self.indexes.get_mut(&locality_key(&gone.endpoint(), rules)) {
                index.note_free_slot(gone.slot());
            }
        }
        std::mem::take(&mut self.drained).iter().for_each(|member| member.drain_by_weight());
    }

    /// Forgets localities without members.
    fn prune(&mut self, next: &mut Roster) {
        let indexes = &mut self.indexes;
        next.localities.retain(|locality| {
            if locality.count == 0 {
                indexes.remove(&locality.locality_key);
            }
            locality.count > 0
        });
    }

    /// How many members joined and left since this was last asked. One that moved did neither.
    pub(crate) fn take_changes(&mut self) -> (usize, usize) {
        std::mem::take(&mut self.changes)
    }

    /// Whether members joined or left since then.
    pub(crate) fn has_changed(&self) -> bool {
        self.changes != (0, 0)
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

/// How many differences are looked at one by one in a short list; in a long one, an eighth of it.
const MOST_STEPS: usize = 64;

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
        let hosts: Vec<Host> = ports.iter().map(|port| host(*port)).collect();
        let next = register.replace(before, &hosts, &rules(), t0());
        register.let_go(&rules());
        next
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
        let second = register.replace(&first, &[host(3), host(2)], &rules(), t0());
        assert!(member(&first, 1).admits(t0()), "until picks go by the next one");
        register.let_go(&rules());
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
        let second = register.replace(&first, &[heavy], &rules(), t0());
        assert!(member(&second, 1).force_open().is_err(), "open already");
        assert_eq!(member(&second, 1).endpoint().weight(), 5);
        assert!(!before.has_departed());
        let elsewhere = Host { authority: Some("b".to_owned()), ..host(1) };
        let third = register.replace(&second, &[elsewhere], &rules(), t0());
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
        let second = register.replace(&first, &[host(2), moved], &rules(), t0());
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
        let hosts = [weighed(1, 2), weighed(2, 7), weighed(3, 7)];
        let roster = register.replace(&Roster::default(), &hosts, &rules(), t0());
        assert_eq!(roster.localities[0].uneven, Some(7));
        let even = register.replace(&roster, &[weighed(2, 7), weighed(3, 7)], &rules(), t0());
        assert_eq!(even.localities[0].uneven, None);
    }

    /// Port, weight and priority of each member.
    fn described(roster: &Roster) -> Vec<(u16, u32, u32)> {
        let endpoints = roster.members().map(|member| member.endpoint());
        let mut all: Vec<_> = endpoints.map(|it| (it.port(), it.weight(), it.priority())).collect();
        all.sort_unstable();
        all
    }

    fn listing(before: Option<&Listing>, hosts: &[Host]) -> Arc<Listing> {
        let hosts = hosts.iter().cloned().map(Arc::new).collect();
        Arc::new(Listing::after(before, hosts, t0()))
    }

    #[test]
    fn a_list_that_is_followed_takes_hands_back_and_counts_the_first_of_two() {
        let (mut register, nothing) = (Register::default(), Roster::default());
        let first = listing(None, &[host(1), host(2)]);
        let roster = register.follow(&nothing, &first, &rules(), t0());
        let roster = register.join(&roster, host(9), &rules(), t0());
        let same = listing(Some(&first), &[host(1), host(2)]);
        let roster = register.follow(&roster, &same, &rules(), t0());
        assert_eq!(ports(&roster), [1, 2], "the list counts again");
        let heavy = Host { weight: 5, ..host(1) };
        let twice = listing(Some(&same), &[host(1), host(2), heavy.clone()]);
        let roster = register.follow(&roster, &twice, &rules(), t0());
        assert_eq!(member(&roster, 1).endpoint().weight(), 1);
        let once = listing(Some(&twice), &[host(2), heavy]);
        let roster = register.follow(&roster, &once, &rules(), t0());
        assert_eq!((member(&roster, 1).endpoint().weight(), roster.len()), (5, 2));
    }

    proptest! {
        #[test]
        fn following_lists_leads_where_each_of_them_would_alone(
            lists in prop::collection::vec(prop::collection::vec((1_u16..12, 0_u32..3), 0..12), 1..12),
        ) {
            let (mut register, mut whole) = (Register::default(), Register::default());
            let (mut roster, mut expected) = (Roster::default(), Roster::default());
            let mut before: Option<Arc<Listing>> = None;
            for list in lists {
                let hosts: Vec<Host> = list
                    .into_iter()
                    .map(|(port, kind)| Host { weight: 1 + kind % 2, priority: kind / 2, ..host(port) })
                    .collect();
                let told = listing(before.as_deref(), &hosts);
                roster = register.follow(&roster, &told, &rules(), t0());
                expected = whole.replace(&expected, &hosts, &rules(), t0());
                prop_assert_eq!(described(&roster), described(&expected));
                prop_assert_eq!(register.take_changes(), whole.take_changes());
                prop_assert_eq!(roster.len(), expected.len());
                register.let_go(&rules());
                whole.let_go(&rules());
                before = Some(told);
            }
        }

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
                register.let_go(&rules());
                let mut present = ports(&roster);
                present.sort_unstable();
                prop_assert_eq!(&present, &listed.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(roster.well(), listed.len());
                prop_assert_eq!(roster.len(), listed.len());
            }
        }
    }
}
