//! What is known of a provider's list, and which takers are to be told of it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::listing::Listing;
use crate::endpoint::Host;
use crate::runtime::process::PerProcess;
use crate::runtime::{clock, io_thread};

/// A balancer, or another that goes by a provider's list.
pub trait Taker: Send + Sync {
    /// There is news: a list, or of the source's health. To be looked up.
    fn look(&self);

    /// Whether looking may call the host, as for its log. Then it is not done on the first I/O thread.
    fn calls_host(&self) -> bool;
}

/// A provider's newest list, and what is known of its source.
#[derive(Default)]
pub struct Board {
    /// The newest list, also for forked children.
    latest: ArcSwapOption<Listing>,
    here: PerProcess<Here>,
}

/// What belongs to one process.
#[derive(Default)]
struct Here {
    state: Mutex<State>,
    takers: Mutex<Takers>,
    /// Rises with everything that a taker may want to know.
    news: AtomicU64,
}

#[derive(Default)]
struct Takers {
    next: u64,
    all: Vec<(u64, Weak<dyn Taker>)>,
}

/// What is known of the source.
#[derive(Clone, Debug, Default)]
pub struct State {
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
    /// Whether the list is that of a snapshot, and nobody confirmed it so far.
    pub is_kept: bool,
    /// Whether the last list was taken away for its age.
    pub is_stale: bool,
}

impl Board {
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
    pub fn state(&self) -> State {
        self.state_here().clone()
    }

    /// How long ago the source last said that its list holds.
    #[must_use]
    pub fn age(&self, now: Instant) -> Option<Duration> {
        let inherited = || self.latest.load().as_ref().map(|listing| listing.since);
        let told = self.state_here().confirmed.or_else(inherited);
        told.map(|at| now.saturating_duration_since(at))
    }

    /// A number that rises with all news.
    #[must_use]
    pub fn news(&self) -> u64 {
        self.here.get().news.load(Ordering::Acquire)
    }

    /// `hosts` is the newest list from now on; its takers are still to be told.
    pub(super) fn publish(&self, hosts: Vec<Arc<Host>>) {
        let listing = Listing::after(self.latest().as_deref(), hosts, clock::now());
        self.latest.store(Some(Arc::new(listing)));
    }

    /// Changes what is known of the source.
    pub(super) fn note(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state_here());
        self.here.get().news.fetch_add(1, Ordering::Release);
    }

    /// Tells `taker` too from now on; by what number it leaves.
    pub(super) fn join(&self, taker: Weak<dyn Taker>) -> u64 {
        let mut takers = lock(&self.here.get().takers);
        let number = takers.next;
        takers.next += 1;
        takers.all.push((number, taker));
        number
    }

    /// Whether nobody is left to be told.
    pub(super) fn leave(&self, number: u64) -> bool {
        let Some(here) = self.here.existing() else { return false };
        let mut takers = lock(&here.takers);
        takers.all.retain(|(other, _)| *other != number);
        takers.all.is_empty()
    }

    /// Lets the takers of the list look: on this thread, or on one that may call the host.
    pub(super) fn tell(&self) {
        let takers = self.takers();
        if !takers.iter().any(|taker| taker.calls_host()) {
            takers.into_iter().for_each(|taker| taker.look());
            return;
        }
        let look = async move { takers.into_iter().for_each(|taker| taker.look()) };
        match io_thread::least_busy() {
            Ok(thread) => drop(thread.handle().spawn(look)),
            Err(_) => drop(tokio::spawn(look)),
        }
    }

    /// The same, on this thread.
    pub(super) fn tell_here(&self) {
        self.takers().into_iter().for_each(|taker| taker.look());
    }

    fn takers(&self) -> Vec<Arc<dyn Taker>> {
        let takers = lock(&self.here.get().takers);
        takers.all.iter().filter_map(|(_, taker)| taker.upgrade()).collect()
    }

    fn state_here(&self) -> MutexGuard<'_, State> {
        lock(&self.here.get().state)
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("version", &self.version()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
