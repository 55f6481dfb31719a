//! What changes of a balancer's list of endpoints need. One change runs at a time.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::locality_state::Rules;
use super::register::Register;
use super::roster::Roster;
use super::subset::{self, HostHealth};
use crate::config::BalancerConfig;
use crate::discovery::Listing;
use crate::discovery::publisher::SourceState;
use crate::endpoint::{Endpoint, Host};
use crate::error::{Error, ErrorKind};
use crate::runtime::callback_mutex::{CallbackGuard, CallbackMutex};
use crate::runtime::clock;
use crate::runtime::host::callback;

/// What changes of the list need.
#[derive(Debug, Default)]
pub(crate) struct List {
    refresh: CallbackMutex<Refresh>,
    /// How many updates have ended well.
    updates: AtomicU64,
    /// How many have ended, well or not.
    ended: AtomicU64,
    /// The number of the list that a watch told and that was taken last.
    taken: AtomicU64,
    /// When the last one ended well.
    told_at: Mutex<Option<Instant>>,
    /// Why the last one failed, if it did.
    problem: Mutex<Option<String>>,
    /// Notified when an update ended.
    pub(crate) looked: Notify,
    /// Whether a thread was made to ask.
    pub(crate) is_asked: AtomicBool,
}

/// What updates remember; its lock lets one update run at a time.
#[derive(Debug, Default)]
pub(crate) struct Refresh {
    /// Since when a provider that is asked says that there is no endpoint.
    empty_since: Option<Instant>,
    /// What was last known of a watch.
    pub(crate) seen: Seen,
    pub(crate) register: Register,
    /// All that is listed, where only a part of it is used.
    listed: Vec<Host>,
}

/// What a balancer has seen of its watch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) version: u64,
    pub(crate) failures: u64,
    pub(crate) confirmations: u64,
    pub(crate) skipped: u64,
}

/// What a watch told since its balancer looked last.
#[derive(Debug)]
pub(crate) struct Unseen {
    pub(crate) listing: Option<Arc<Listing>>,
    pub(crate) failures: u64,
    pub(crate) confirmations: u64,
    pub(crate) skipped: u64,
}

impl Seen {
    /// What is new in `state` and `listing`; from here on it is seen.
    pub(crate) fn advance(&mut self, state: &SourceState, listing: Option<Arc<Listing>>) -> Unseen {
        let unseen = Unseen {
            listing: listing.filter(|listing| listing.version != self.version),
            failures: state.failures - self.failures,
            confirmations: state.confirmations - self.confirmations,
            skipped: state.skipped.saturating_sub(self.skipped),
        };
        let version = unseen.listing.as_ref().map_or(self.version, |listing| listing.version);
        let SourceState { failures, confirmations, skipped, .. } = *state;
        *self = Self { version, failures, confirmations, skipped };
        unseen
    }
}

impl List {
    /// How many updates have ended well.
    pub(crate) fn updates_done(&self) -> u64 {
        self.updates.load(Ordering::Acquire)
    }

    /// How long ago the provider told its list last.
    pub(crate) fn age(&self, now: Instant) -> Option<Duration> {
        let told_at = *locked(&self.told_at);
        told_at.map(|at| now.saturating_duration_since(at))
    }

    /// One more has ended well.
    pub(crate) fn note_update(&self) {
        self.note_answer();
        *locked(&self.told_at) = Some(clock::now());
        *locked(&self.problem) = None;
        self.updates.fetch_add(1, Ordering::Release);
        self.note_end();
    }

    /// One more has failed, for that reason.
    pub(crate) fn note_failure(&self, problem: &str) {
        self.note_answer();
        *locked(&self.problem) = Some(problem.to_owned());
        self.note_end();
    }

    /// One more was to be asked for, and was not.
    pub(crate) fn note_unasked(&self) {
        self.note_answer();
        self.note_end();
    }

    /// The thread that asks has its answer, and would give no other. It is told before the answer is: a call that finds
    /// no endpoint in the new list asks again, and would else wait for this thread in vain.
    fn note_answer(&self) {
        self.is_asked.store(false, Ordering::Release);
    }

    fn note_end(&self) {
        self.ended.fetch_add(1, Ordering::Release);
        self.looked.notify_waiters();
    }

    /// How many have ended, well or not.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Acquire)
    }

    /// Why the last one failed, if it did.
    pub(crate) fn problem(&self) -> Option<String> {
        locked(&self.problem).clone()
    }

    /// The number of the watch's list that was taken last.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }

    /// The watch's list of that number is taken.
    pub(crate) fn note_taken(&self, version: u64) {
        self.taken.store(version, Ordering::Release);
    }

    /// The turn to change the list. No lock is held with it, so that a callback that its host ends locks nothing.
    ///
    /// # Errors
    /// A callback that waits for an update may be what that update waits for.
    pub(crate) fn turn(&self) -> Result<CallbackGuard<'_, Refresh>, Error> {
        match self.refresh.try_lock() {
            Some(turn) => Ok(turn),
            None if callback::is_in_callback() => Err(Error::new(
                ErrorKind::WouldDeadlock,
                "balancer: an update is under way and this is inside a callback",
            )),
            None => Ok(self.refresh.lock()),
        }
    }

    /// The turn, unless another change is under way.
    pub(crate) fn try_turn(&self) -> Option<CallbackGuard<'_, Refresh>> {
        self.refresh.try_lock()
    }
}

impl Refresh {
    /// All that is listed where a subset is used, and else nothing.
    pub(crate) fn listed(&self) -> &[Host] {
        &self.listed
    }

    /// Whether a list of `count` hosts is to be believed: an empty one when it has stood for `hold`, since one answer may
    /// be a hiccup of the registry, and to obey it would turn a fault of discovery into an outage.
    pub(crate) fn believes(&mut self, count: usize, hold: Duration, now: Instant) -> bool {
        if count > 0 {
            self.empty_since = None;
            return true;
        }
        let since = *self.empty_since.get_or_insert(now);
        now.saturating_duration_since(since) >= hold
    }
}

/// One change of the list under way.
pub(crate) struct Change<'a> {
    pub(crate) config: &'a BalancerConfig,
    pub(crate) rules: &'a Rules,
    /// This process's own draw of a subset.
    pub(crate) seed: u64,
    pub(crate) refresh: &'a mut Refresh,
    pub(crate) before: &'a Roster,
}

impl Change<'_> {
    /// The roster where the provider's `listed` hosts, or this process's part of them, are all there is.
    pub(crate) fn replace(&mut self, listed: Vec<Host>) -> Roster {
        let hosts = self.used(listed);
        self.refresh.register.replace(self.before, hosts, self.rules, clock::now())
    }

    /// The same of a list that the provider's watch told.
    pub(crate) fn follow(&mut self, listing: &Arc<Listing>) -> Roster {
        if self.config.subset.is_some() {
            return self.replace(listing.hosts.iter().map(|host| Host::clone(host)).collect());
        }
        self.refresh.register.follow(self.before, listing, self.rules, clock::now())
    }

    /// The same after an `edit` of what was listed before.
    pub(crate) fn relist(&mut self, edit: impl FnOnce(&mut Vec<Host>)) -> Roster {
        let mut listed = std::mem::take(&mut self.refresh.listed);
        edit(&mut listed);
        self.replace(listed)
    }

    /// The part of the listed hosts that this process uses.
    fn used(&mut self, listed: Vec<Host>) -> Vec<Host> {
        let Some(rule) = self.config.subset else {
            return listed;
        };
        let (listed, now) = (each_once(listed), clock::now());
        let health = |host: &Host| {
            let endpoint = Endpoint::new(host.clone());
            let member = self.refresh.register.find(&endpoint.identity());
            // By the weight that is listed now: the member learns of it with the roster.
            match host.weight {
                0 => HostHealth::Ill,
                _ => member.map_or(HostHealth::Well, |member| member.health(now)),
            }
        };
        let used = subset::used(&listed, rule, self.seed, health);
        let take_calls = |hosts: &[Host]| hosts.iter().filter(|host| host.weight > 0).count();
        self.rules.cluster.set_spare(take_calls(&listed) - take_calls(&used));
        self.refresh.listed = listed;
        used
    }
}

/// The first of those of each identity: one that stands twice is to take one place of a part.
fn each_once(hosts: Vec<Host>) -> Vec<Host> {
    let mut known = HashSet::new();
    let is_first: Vec<bool> = hosts.iter().map(|host| known.insert(host.identity())).collect();
    hosts
        .into_iter()
        .zip(is_first)
        .filter_map(|(host, is_first)| is_first.then_some(host))
        .collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
