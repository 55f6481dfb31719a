//! How a balancer's endpoints change: by the provider's word, by hand, by a new subset.
//!
//! Picks go on over the roster before the change, and observers are told once all locks are free.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::balancer::Balancer;
use super::cluster_state::Mode;
use super::list::{Change, List, Refresh, Unseen};
use super::pick::pick_state::PickState;
use super::roster::Roster;
use crate::discovery::{CustomProvider, Subscriber, Supply, Watch};
use crate::endpoint::{Endpoint, Host};
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::runtime::callback_mutex::CallbackGuard;
use crate::runtime::host::callback;
use crate::runtime::{clock, entropy};
use crate::single_line::single_line;
use crate::statistics::ClusterCounter;

impl Balancer {
    /// Sees to it that a list is known, or on its way from a provider that tells it by itself.
    ///
    /// # Errors
    /// The provider failed, or this is called from inside one of the host's callbacks.
    pub fn prepare(self: &Arc<Self>) -> Result<(), Error> {
        match &self.supply {
            _ if self.updates_done() > 0 => Ok(()),
            Supply::Custom(_) => self.update_since(0),
            Supply::Watched(_) => self.join(),
        }
    }

    /// Asks the provider for its list; live state survives by identity, and endpoints that are down stay
    /// down. A provider that tells its list by itself is told to look, and the list that it told last is taken again.
    ///
    /// # Errors
    /// The provider failed (the last good list stays), or this is called from inside one of the host's
    /// callbacks.
    pub fn update(self: &Arc<Self>) -> Result<(), Error> {
        match &self.supply {
            Supply::Custom(custom) => self.refresh(custom, self.live().list.turn()?),
            Supply::Watched(watch) => {
                self.join()?;
                let _ = watch.request_refresh(clock::now());
                // Also where it is no news: hands may have changed what is used of it.
                let turn = self.live().list.turn()?;
                turn.value().seen.version = 0;
                self.take(watch, turn);
                self.look_again();
                Ok(())
            }
        }
    }

    /// Like [`Self::update`] of a provider that is asked, unless another thread's update ended since `seen` was read.
    pub(crate) fn update_since(&self, seen: u64) -> Result<(), Error> {
        let Supply::Custom(custom) = &self.supply else { return Ok(()) };
        let turn = self.live().list.turn()?;
        if self.updates_done() > seen { Ok(()) } else { self.refresh(custom, turn) }
    }

    /// The same, unless another thread is at it.
    pub(crate) fn try_update_since(&self, seen: u64) -> Option<Result<(), Error>> {
        let Supply::Custom(custom) = &self.supply else { return Some(Ok(())) };
        let turn = self.live().list.try_turn()?;
        Some(if self.updates_done() > seen { Ok(()) } else { self.refresh(custom, turn) })
    }

    /// How many updates have ended well.
    pub(crate) fn updates_done(&self) -> u64 {
        self.live().list.updates_done()
    }

    fn refresh(
        &self,
        custom: &CustomProvider,
        turn: CallbackGuard<'_, Refresh>,
    ) -> Result<(), Error> {
        let live = self.live();
        let cells = &live.rules.cluster.cells;
        let hosts = custom.provider.discover().map_err(|reason| {
            let reason = single_line(reason);
            cells.count(ClusterCounter::RefreshFailed);
            self.source_fails(&reason);
            live.list.note_failure(&reason);
            no_list(&reason)
        })?;
        self.source_is_well();
        let hold = custom.freshness.empty_hold;
        // Where there is no list there is nothing to hold on to.
        let known = live.rules.cluster.known();
        let believed = known == 0 || turn.value().believes(hosts.len(), hold, clock::now());
        let age = self.list_age();
        let changed = match believed {
            true => self.change(turn, age, List::note_update, |it| Some(it.replace(hosts))),
            false => {
                live.list.note_update();
                false
            }
        };
        cells.count(if changed {
            ClusterCounter::RefreshChanged
        } else {
            ClusterCounter::RefreshSame
        });
        Ok(())
    }

    /// Takes what is new of the provider's watch.
    pub(super) fn take(&self, watch: &Watch, turn: CallbackGuard<'_, Refresh>) {
        let live = self.live();
        let (state, age) = (watch.state(), live.list.age(clock::now()));
        let unseen = turn.value().seen.advance(&state, watch.latest());
        let mut changed = false;
        if let Some(listing) = &unseen.listing {
            let note = |list: &List| {
                list.note_taken(listing.version);
                list.note_update();
            };
            changed = self.change(turn, age, note, |it| Some(it.follow(listing)));
        } else {
            drop(turn);
        }
        // The balancer that took over sees the same, and tells it.
        if !self.is_retired() {
            if let Some(reason) = state.skipped_for.as_deref().filter(|_| unseen.skipped > 0) {
                self.observers.emit(&Event::EntriesSkipped { count: unseen.skipped, reason });
            }
            self.note_snapshot(state.snapshot_problem.as_deref());
            self.count_refresh(&unseen, changed);
        }
        match &state.problem {
            Some(problem) => {
                self.source_fails(problem);
                if unseen.failures > 0 {
                    live.list.note_failure(problem);
                }
            }
            None if unseen.confirmations > 0 => self.source_is_well(),
            None => {}
        }
    }

    /// The list can be kept for the next start, or cannot for this reason.
    fn note_snapshot(&self, problem: Option<&str>) {
        if self.live().note_mode(Mode::SnapshotFails, problem.is_some()) {
            self.observers.emit(&match problem {
                Some(reason) => Event::SnapshotFailing { reason },
                None => Event::SnapshotWell,
            });
        }
    }

    fn count_refresh(&self, unseen: &Unseen, changed: bool) {
        let cells = &self.live().rules.cluster.cells;
        (0..unseen.failures).for_each(|_| cells.count(ClusterCounter::RefreshFailed));
        let told = unseen.confirmations.max(u64::from(unseen.listing.is_some()));
        let same = told.saturating_sub(u64::from(changed));
        (0..same).for_each(|_| cells.count(ClusterCounter::RefreshSame));
        if changed {
            cells.count(ClusterCounter::RefreshChanged);
        }
    }

    /// How long ago the provider last said that its list holds.
    #[must_use]
    pub fn list_age(&self) -> Option<Duration> {
        let now = clock::now();
        match &self.supply {
            Supply::Custom(_) => self.live().list.age(now),
            Supply::Watched(watch) => watch.age(now),
        }
    }

    fn source_is_well(&self) {
        if self.live().note_mode(Mode::SourceFails, false) {
            self.observers.emit(&Event::SourceWell);
        }
    }

    fn source_fails(&self, reason: &str) {
        let live = self.live();
        if live.note_mode(Mode::SourceFails, true) {
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
        self.change_unasked(self.live().list.turn()?, |it| {
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
        self.change_unasked(self.live().list.turn()?, |it| {
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
        if self.config.subset.is_none() {
            return;
        }
        // An update under way does the same.
        let Some(turn) = self.live().list.try_turn() else { return };
        self.change_unasked(turn, |it| {
            let next = it.relist(|_| ());
            // One priority may need more, and another one less of them.
            it.refresh.register.has_changed().then_some(next)
        });
    }

    /// A change that no answer of the provider brings.
    fn change_unasked(
        &self,
        turn: CallbackGuard<'_, Refresh>,
        next: impl FnOnce(&mut Change<'_>) -> Option<Roster>,
    ) {
        self.change(turn, self.list_age(), |_| (), next);
        self.look_again();
    }

    /// While another change had the turn, a list of the provider's watch was left to it.
    fn look_again(&self) {
        if let Supply::Watched(watch) = &self.supply
            && self.updates_done() > 0
            && watch.version() != self.live().list.taken()
        {
            self.on_update();
        }
    }

    /// Makes and publishes the next roster under the lock of updates, and tells the observers without it. Whether
    /// endpoints joined or left. What `note` does is done once the roster is there and before the lock goes, so that the
    /// thread that has the lock next sees that its question was answered.
    fn change(
        &self,
        turn: CallbackGuard<'_, Refresh>,
        age: Option<Duration>,
        note: impl FnOnce(&List),
        next: impl FnOnce(&mut Change<'_>) -> Option<Roster>,
    ) -> bool {
        let live = self.live();
        if live.retired.load(Ordering::Relaxed) {
            note(&live.list);
            return false;
        }
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
        let Some(next) = next else {
            note(&live.list);
            return false;
        };
        let known = next.len();
        live.rules.cluster.set_known(known);
        let algorithm = &config.algorithm;
        let next = entropy::with_rng(|rng| PickState::next(&before, next, algorithm, rng));
        let any_well = next.roster.well() > 0;
        live.pick_state.store(Arc::new(next));
        // Calls that were woken as an endpoint joined may have looked at the list before.
        if any_well {
            live.rules.cluster.outage.end();
        }
        refresh.register.let_go(&live.rules);
        drop(refresh);
        note(&live.list);
        drop(turn);
        if joined + left > 0 {
            self.observers.emit(&Event::ListChanged { known, joined, left, age });
        }
        joined + left > 0
    }
}

/// What is told where a provider fails for this reason.
pub(super) fn no_list(reason: &str) -> Error {
    let stopped = callback::are_stopped();
    let kind = if stopped { ErrorKind::Closed } else { ErrorKind::Discovery };
    Error::new(kind, format!("provider: {reason}"))
}

fn is_same(one: &Host, other: &Host) -> bool {
    Endpoint::new(one.clone()).identity() == Endpoint::new(other.clone()).identity()
}
