//! How a balancer's endpoints change: by the provider's word, by hand, by a new subset.
//!
//! Picks go on over the roster before the change, and observers are told once all locks are free.

use std::sync::Arc;
use std::time::Duration;

use super::balancer::Balancer;
use super::cluster_state::Mode;
use super::list::{Change, Refresh};
use super::pick::pick_state::PickState;
use super::roster::Roster;
use crate::config::Subset;
use crate::endpoint::{Endpoint, Host};
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::runtime::exclusive::Turn;
use crate::runtime::host::callback;
use crate::runtime::{clock, entropy};
use crate::statistics::ClusterCounter;

impl Balancer {
    /// Asks the provider if no update has ended yet.
    ///
    /// # Errors
    /// The provider failed, or this is called from inside one of the host's callbacks.
    pub fn prepare(&self) -> Result<(), Error> {
        if self.updates_done() > 0 { Ok(()) } else { self.update_since(0) }
    }

    /// Asks the provider for its list; live state survives by identity, and endpoints that are down stay
    /// down.
    ///
    /// # Errors
    /// The provider failed (the last good list stays), or this is called from inside one of the host's
    /// callbacks.
    pub fn update(&self) -> Result<(), Error> {
        self.refresh(self.live().list.turn()?)
    }

    /// Like [`Self::update`], unless another thread's update ended since `seen` was read.
    pub(crate) fn update_since(&self, seen: u64) -> Result<(), Error> {
        let turn = self.live().list.turn()?;
        if self.updates_done() > seen { Ok(()) } else { self.refresh(turn) }
    }

    /// How many updates have ended well.
    pub(crate) fn updates_done(&self) -> u64 {
        self.live().list.updates_done()
    }

    fn refresh(&self, turn: Turn<'_, Refresh>) -> Result<(), Error> {
        let cluster = &self.live().rules.cluster;
        let cells = &cluster.cells;
        let hosts = self.provider.discover().map_err(|reason| {
            cells.count(ClusterCounter::RefreshFailed);
            self.source_fails(&reason);
            let stopped = callback::are_stopped();
            let kind = if stopped { ErrorKind::Closed } else { ErrorKind::Discovery };
            Error::new(kind, format!("provider: {reason}"))
        })?;
        if cluster.note_mode(Mode::SourceFails, false) {
            self.observers.emit(&Event::SourceWell);
        }
        let believed = turn.value().believes(hosts.len());
        let age = self.list_age();
        self.live().list.note_update();
        let changed = believed && self.change(turn, age, |it| Some(it.replace(hosts)));
        cells.count(if changed {
            ClusterCounter::RefreshChanged
        } else {
            ClusterCounter::RefreshSame
        });
        Ok(())
    }

    fn list_age(&self) -> Option<Duration> {
        self.live().list.age(clock::now())
    }

    fn source_fails(&self, reason: &str) {
        let live = self.live();
        if live.rules.cluster.note_mode(Mode::SourceFails, true) {
            let age = self.list_age();
            self.observers.emit(&Event::SourceFailing { reason, age });
        }
    }

    /// Takes `host` in beside those that the provider listed, in a time that does not grow with their number.
    /// The next update asks the provider again, whose word then counts.
    ///
    /// # Errors
    /// This is inside a callback while an update is under way.
    pub fn add_endpoint(&self, host: Host) -> Result<(), Error> {
        self.change(self.live().list.turn()?, self.list_age(), |it| {
            if it.config.subset.is_none() {
                let Change { refresh, before, rules, .. } = it;
                return Some(refresh.register.join(before, host, rules, clock::now()));
            }
            Some(it.relist(|listed| {
                listed.retain(|other| !is_same(other, &host));
                listed.push(host);
            }))
        });
        Ok(())
    }

    /// Takes the endpoint of `host` out, likewise. Whether there was one.
    ///
    /// # Errors
    /// As for [`Self::add_endpoint`].
    pub fn remove_endpoint(&self, host: Host) -> Result<bool, Error> {
        let mut found = false;
        self.change(self.live().list.turn()?, self.list_age(), |it| {
            if it.config.subset.is_none() {
                let Change { refresh, before, rules, .. } = it;
                let endpoint = Endpoint::new(host);
                let next = refresh.register.leave(before, &endpoint.identity(), rules);
                found = next.is_some();
                return next;
            }
            Some(it.relist(|listed| {
                let known = listed.len();
                listed.retain(|other| !is_same(other, &host));
                found = listed.len() < known;
            }))
        });
        Ok(found)
    }

    /// Draws the subset anew where too many of its endpoints are no longer well, or are well again.
    pub(crate) fn renew_subset(&self) {
        if !matches!(self.config.subset, Some(Subset::Rendezvous { .. })) {
            return;
        }
        // An update under way does the same.
        let Some(turn) = self.live().list.try_turn() else { return };
        self.change(turn, self.list_age(), |it| {
            let next = it.relist(|_| ());
            (next.len() != it.before.len()).then_some(next)
        });
    }

    /// Makes and publishes the next roster under the lock of updates, and tells the observers without it. Whether
    /// endpoints joined or left.
    fn change(
        &self,
        turn: Turn<'_, Refresh>,
        age: Option<Duration>,
        next: impl FnOnce(&mut Change<'_>) -> Option<Roster>,
    ) -> bool {
        let live = self.live();
        let mut refresh = turn.value();
        let before = live.pick_state.load();
        let config = &self.config;
        let mut change = Change {
            config,
            rules: &live.rules,
            seed: live.seed,
            refresh: &mut refresh,
            before: &before.roster,
        };
        let next = next(&mut change);
        let (joined, left) = refresh.register.take_changes();
        let Some(next) = next else { return false };
        let known = next.len();
        live.rules.cluster.set_known(known);
        let algorithm = &config.algorithm;
        let next = entropy::with_rng(|rng| PickState::next(&before, next, algorithm, rng));
        live.pick_state.store(Arc::new(next));
        drop(refresh);
        drop(turn);
        if joined + left > 0 {
            self.observers.emit(&Event::ListChanged { known, joined, left, age });
        }
        joined + left > 0
    }
}

fn is_same(one: &Host, other: &Host) -> bool {
    Endpoint::new(one.clone()).identity() == Endpoint::new(other.clone()).identity()
}
