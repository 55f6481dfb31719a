//! Stopping work from outside: a cancel, or the close of a client.
//!
//! Work is polled together with its [`Stop`]. Once a stop is asked for, the work is dropped, and the task that
//! drives it reports exactly one end. A close must find all work of its client: each place where work is driven
//! has a [`WorkSlot`] in one list, which shows the tenant whose work it holds. The lock of a slot is taken by its
//! own driver, and by a close.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;

use super::attachment::Tenant;
use super::host::lost::{CleanupGuard, ThreadCleanup, push_cleanup};
use super::process::PerProcess;
use super::sync::{AtomicU8, Notify};

static SLOTS: PerProcess<Mutex<WorkSlots>> = PerProcess::new();

/// Why work should end before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// Its caller cancelled it.
    Cancelled = 1,
    /// Its client is closed.
    Closed = 2,
    /// A signal ended the blocking call that waits for it.
    Interrupted = 3,
}

/// A request to end one piece of work; the first reason counts.
#[derive(Debug, Default)]
pub struct Stop {
    reason: AtomicU8,
    asked: Notify,
}

impl Stop {
    /// Asks the work to end.
    pub fn ask(&self, reason: Reason) {
        let (order, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        if self.reason.compare_exchange(0, reason as u8, order, failure).is_ok() {
            self.asked.notify_one();
        }
    }

    /// Whether an end was asked for.
    #[must_use]
    pub fn was_asked(&self) -> bool {
        self.reason().is_some()
    }

    fn reason(&self) -> Option<Reason> {
        match self.reason.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Reason::Cancelled),
            2 => Some(Reason::Closed),
            _ => Some(Reason::Interrupted),
        }
    }

    /// Runs `work`, which the caller has pinned and drops, until it ends or is asked to.
    ///
    /// Pinned outside, for a future that is handed on by value lies in memory once for each hand.
    ///
    /// # Errors
    /// The reason, where it was asked to end.
    pub async fn or<W: Future + Unpin>(&self, mut work: W) -> Result<W::Output, Reason> {
        let mut asked = pin!(self.asked.notified());
        std::future::poll_fn(|cx| {
            // A request from before the first poll left a permit in the notify.
            if asked.as_mut().poll(cx).is_ready()
                && let Some(reason) = self.reason()
            {
                return Poll::Ready(Err(reason));
            }
            Pin::new(&mut work).poll(cx).map(Ok)
        })
        .await
    }
}

/// A place where one piece of work at a time is driven.
#[derive(Debug)]
pub struct WorkSlot {
    occupant: Mutex<Option<Occupant>>,
}

#[derive(Clone)]
struct Occupant {
    tenant: u64,
    stop: Arc<Stop>,
    /// Work that its thread does not hold on its own stack.
    abortable: Option<Arc<dyn ThreadCleanup>>,
}

impl std::fmt::Debug for Occupant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Occupant").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

impl WorkSlot {
    /// A slot that closes can find.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let slot = Arc::new(Self { occupant: Mutex::default() });
        slots().push(Arc::downgrade(&slot));
        slot
    }

    /// Shows whose work is driven here until the return value drops.
    #[must_use]
    pub fn enter(self: &Arc<Self>, tenant: &Tenant, stop: Arc<Stop>) -> SlotGuard {
        *self.lock() = Some(Occupant { tenant: tenant.name(), stop, abortable: None });
        SlotGuard(Arc::clone(self))
    }

    /// The same for work that can be given up without its thread.
    pub(super) fn enter_abortable(
        self: &Arc<Self>,
        tenant: &Tenant,
        stop: Arc<Stop>,
        abortable: Arc<dyn ThreadCleanup>,
    ) -> SlotGuard {
        *self.lock() = Some(Occupant { tenant: tenant.name(), stop, abortable: Some(abortable) });
        SlotGuard(Arc::clone(self))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Occupant>> {
        self.occupant.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Its thread is lost: the work is given up, and a close waits for it no longer.
impl ThreadCleanup for WorkSlot {
    fn thread_is_lost(&self) {
        let abortable = self.lock().as_ref().and_then(|occupant| occupant.abortable.clone());
        if let Some(abortable) = abortable {
            abortable.thread_is_lost();
        }
        let occupant = self.lock().take();
        drop(occupant);
    }
}

/// Holds a slot until it drops.
#[derive(Debug)]
pub struct SlotGuard(Arc<WorkSlot>);

impl Drop for SlotGuard {
    fn drop(&mut self) {
        let occupant = self.0.lock().take();
        drop(occupant);
    }
}

/// Work of a tenant that is done at once, in a slot of its own, where a close finds it: it calls the host before or beside
/// a call.
#[derive(Debug)]
pub struct TrackedWork {
    stop: Arc<Stop>,
    _occupied: SlotGuard,
    _cleanup: CleanupGuard,
}

impl TrackedWork {
    /// Tracks it until the return value drops.
    #[must_use]
    pub fn begin(tenant: &Tenant) -> Self {
        let (slot, stop) = (WorkSlot::new(), Arc::<Stop>::default());
        let _occupied = slot.enter(tenant, Arc::clone(&stop));
        Self { stop, _occupied, _cleanup: push_cleanup(slot) }
    }

    /// Whether an end was asked for.
    #[must_use]
    pub fn was_asked(&self) -> bool {
        self.stop.was_asked()
    }
}

/// How many pieces of the tenant's work are driven now.
#[must_use]
pub fn count(tenant: &Tenant) -> usize {
    let mut count = 0;
    for_each(tenant, |_| count += 1);
    count
}

/// Asks all work of the tenant to end.
pub fn ask_all(tenant: &Tenant, reason: Reason) {
    for_each(tenant, |stop| stop.ask(reason));
}

fn for_each(tenant: &Tenant, mut act: impl FnMut(&Stop)) {
    let slots: Vec<_> = slots().list.iter().filter_map(Weak::upgrade).collect();
    for slot in slots {
        if let Some(occupant) = &*slot.lock()
            && occupant.tenant == tenant.name()
        {
            act(&occupant.stop);
        }
    }
}

/// Lets go of slots that are gone, which the list would keep in memory until it is full.
pub(super) fn forget_gone() {
    slots().forget_gone();
}

fn slots() -> MutexGuard<'static, WorkSlots> {
    SLOTS.get().lock().unwrap_or_else(PoisonError::into_inner)
}

/// All slots of the process.
#[derive(Debug, Default)]
struct WorkSlots {
    list: Vec<Weak<WorkSlot>>,
    /// The length at which slots that are gone are cleared away.
    full: usize,
}

impl WorkSlots {
    fn push(&mut self, slot: Weak<WorkSlot>) {
        if self.list.len() >= self.full {
            self.forget_gone();
        }
        self.list.push(slot);
    }

    fn forget_gone(&mut self) {
        self.list.retain(|slot| slot.strong_count() > 0);
        // At twice the number of live ones, so that a push costs the same on average at any number.
        self.full = (self.list.len() * 2).max(64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test]
    async fn the_first_reason_counts_and_ends_the_work() {
        let stop = Stop::default();
        assert_eq!(stop.or(ready(7)).await, Ok(7));
        stop.ask(Reason::Closed);
        stop.ask(Reason::Cancelled);
        assert_eq!(stop.or(pin!(pending::<()>())).await, Err(Reason::Closed));
    }

    #[tokio::test]
    async fn work_under_way_is_woken() {
        let stop = Arc::new(Stop::default());
        let asked = Arc::clone(&stop);
        let work = tokio::spawn(async move { asked.or(pin!(pending::<()>())).await });
        tokio::task::yield_now().await;
        stop.ask(Reason::Cancelled);
        assert_eq!(work.await.ok(), Some(Err(Reason::Cancelled)));
    }

    #[test]
    fn a_close_finds_its_own_work_only() {
        let (mine, other) = (Tenant::new(), Tenant::new());
        let (a, b) = (WorkSlot::new(), WorkSlot::new());
        let stops = [Arc::new(Stop::default()), Arc::new(Stop::default())];
        let held = a.enter(&mine, Arc::clone(&stops[0]));
        let _other = b.enter(&other, Arc::clone(&stops[1]));
        assert_eq!((count(&mine), count(&other)), (1, 1));
        ask_all(&mine, Reason::Closed);
        assert_eq!((stops[0].reason(), stops[1].reason()), (Some(Reason::Closed), None));
        drop(held);
        assert_eq!(count(&mine), 0);
    }
}

#[cfg(all(test, ahoy_loom))]
mod loom_tests {
    use super::*;
    use loom::future::block_on;
    use std::future::pending;

    #[test]
    fn loom_of_two_reasons_one_counts_and_the_work_ends() {
        loom::model(|| {
            let stop = Arc::new(Stop::default());
            let requests = [Reason::Cancelled, Reason::Closed].map(|reason| {
                let stop = Arc::clone(&stop);
                loom::thread::spawn(move || stop.ask(reason))
            });
            let ended = block_on(stop.or(pin!(pending::<()>())));
            for request in requests {
                request.join().unwrap();
            }
            assert_eq!(ended.err(), stop.reason(), "the first reason stays");
        });
    }
}
