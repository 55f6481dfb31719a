//! Publishes a provider's list, and what is known of its source, to the balancers that subscribed.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::listing::Listing;
use crate::endpoint::Host;
use crate::runtime::process::PerProcess;
use crate::runtime::{clock, io_thread};

/// A balancer, or another that follows a provider's list.
pub trait Subscriber: Send + Sync {
    /// The list or the state of its source has changed. What is new is read from the publisher.
    fn on_update(&self);

    /// Whether [`Self::on_update`] may call the host, as for its log. Then it does not run on the first I/O thread.
    fn calls_host(&self) -> bool;
}

/// A provider's newest list, and what is known of its source.
#[derive(Default)]
pub struct Publisher {
    /// The newest list, also for forked children.
    latest: ArcSwapOption<Listing>,
    process: PerProcess<ProcessState>,
}

/// What belongs to one process.
#[derive(Default)]
struct ProcessState {
    state: Mutex<SourceState>,
    subscribers: Mutex<Subscribers>,
    /// Rises with each change that a subscriber may want to know.
    change_count: AtomicU64,
}

#[derive(Default)]
struct Subscribers {
    next: u64,
    all: Vec<(u64, Weak<dyn Subscriber>)>,
}

/// What is known of the source.
#[derive(Clone, Debug, Default)]
pub struct SourceState {
    /// When the source last said that its list holds.
    pub confirmed: Option<Instant>,
    /// How often it did.
    pub confirmations: u64,
    /// How often it failed.
    pub failures: u64,
    /// Why it fails now.
    pub problem: Option<Arc<str>>,
    /// Whether that is a refusal, which hurry does not mend.
    pub is_refused: bool,
    /// Why the list that it told last is empty, where it says so.
    pub empty_for: Option<Arc<str>>,
    /// How many entries of its lists were passed over.
    pub skipped: u64,
    /// What was wrong with the last of them.
    pub skipped_for: Option<Arc<str>>,
    /// Why the last list could not be kept in its snapshot.
    pub snapshot_problem: Option<Arc<str>>,
    /// Whether the list is that of a snapshot, and nobody confirmed it so far.
    pub is_from_snapshot: bool,
    /// Whether the last list was taken away for its age.
    pub is_stale: bool,
}

impl Publisher {
    /// The newest list; none where none was told yet.
    #[must_use]
    pub fn latest(&self) -> Option<Arc<Listing>> {
        self.latest.load_full()
    }

    /// The number of the newest list; 0 where none was told yet.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.latest.load().as_ref().map_or(0, |listing| listing.version)
    }

    /// What is known of the source in this process.
    #[must_use]
    pub fn state(&self) -> SourceState {
        self.state_here().clone()
    }

    /// How long ago the source last said that its list holds.
    #[must_use]
    pub fn age(&self, now: Instant) -> Option<Duration> {
        let inherited = || self.latest.load().as_ref().map(|listing| listing.since);
        let told = self.state_here().confirmed.or_else(inherited);
        told.map(|at| now.saturating_duration_since(at))
    }

    /// A number that rises with each change of the list or the state.
    #[must_use]
    pub fn change_count(&self) -> u64 {
        self.process.get().change_count.load(Ordering::Acquire)
    }

    /// `hosts` is the newest list from now on; its subscribers are still to be notified.
    pub(super) fn publish(&self, hosts: Vec<Arc<Host>>) {
        let listing = Listing::after(self.latest().as_deref(), hosts, clock::now());
        self.latest.store(Some(Arc::new(listing)));
    }

    /// Changes what is known of the source.
    pub(super) fn note(&self, change: impl FnOnce(&mut SourceState)) {
        change(&mut self.state_here());
        self.process.get().change_count.fetch_add(1, Ordering::Release);
    }

    /// Notifies `subscriber` too from now on; its number unsubscribes it.
    pub(super) fn subscribe(&self, subscriber: Weak<dyn Subscriber>) -> u64 {
        let mut subscribers = lock(&self.process.get().subscribers);
        let number = subscribers.next;
        subscribers.next += 1;
        subscribers.all.push((number, subscriber));
        number
    }

    /// Removes a subscriber; whether none is left.
    pub(super) fn unsubscribe(&self, number: u64) -> bool {
        let Some(process) = self.process.existing() else { return false };
        let mut subscribers = lock(&process.subscribers);
        subscribers.all.retain(|(other, _)| *other != number);
        subscribers.all.is_empty()
    }

    /// Notifies the subscribers: on this thread, or on one that may call the host.
    pub(super) fn notify(&self) {
        let subscribers = self.subscribers();
        if !subscribers.iter().any(|subscriber| subscriber.calls_host()) {
            subscribers.into_iter().for_each(|subscriber| subscriber.on_update());
            return;
        }
        let update =
            async move { subscribers.into_iter().for_each(|subscriber| subscriber.on_update()) };
        match io_thread::least_busy() {
            Ok(thread) => drop(thread.handle().spawn(update)),
            Err(_) => drop(tokio::spawn(update)),
        }
    }

    /// The same, on this thread.
    pub(super) fn notify_here(&self) {
        self.subscribers().into_iter().for_each(|subscriber| subscriber.on_update());
    }

    fn subscribers(&self) -> Vec<Arc<dyn Subscriber>> {
        let subscribers = lock(&self.process.get().subscribers);
        subscribers.all.iter().filter_map(|(_, subscriber)| subscriber.upgrade()).collect()
    }

    fn state_here(&self) -> MutexGuard<'_, SourceState> {
        lock(&self.process.get().state)
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("version", &self.version()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
