//! The gate that every call into the host passes: how many are under way, and whether more may begin.
//!
//! Each thread has a count of its own, so that a callback writes to no memory that other threads write to. A callback
//! counts itself first and then looks whether the gate is shut. A shut sets its flag first and then looks at the counts.
//! So at least one of the two sees the other.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::super::process::{self, PerProcess};

static GATE: PerProcess<Gate> = PerProcess::new();

thread_local! {
    static OWN: RefCell<Option<Arc<Count>>> = const { RefCell::new(None) };
    static LOST: Cell<bool> = const { Cell::new(false) };
}

/// How often a wait looks whether callbacks are over. The end of a callback wakes no waiter, which keeps it cheap.
const LOOKS_EVERY: Duration = Duration::from_millis(1);

#[derive(Default)]
struct Gate {
    shut: AtomicBool,
    threads: Mutex<Vec<Weak<Count>>>,
}

/// How many calls into the host one thread is inside of, one within another.
struct Count {
    generation: u32,
    under_way: AtomicU32,
}

/// A call into the host that may be made; counted until this drops.
pub(in crate::runtime) struct HostCallGuard(());

impl HostCallGuard {
    /// `None` where no callback may begin any more.
    pub(in crate::runtime) fn begin() -> Option<Self> {
        if LOST.get() {
            return None;
        }
        let gate = GATE.get();
        let counted = with_own(gate, |own| {
            let before = own.under_way.load(Ordering::Relaxed);
            own.under_way.swap(before + 1, Ordering::SeqCst);
        });
        if !counted {
            // A thread that is about to end, in its destructors: it cannot be waited for.
            return (!gate.shut.load(Ordering::SeqCst)).then_some(Self(()));
        }
        let guard = Self(());
        (!gate.shut.load(Ordering::SeqCst)).then_some(guard)
    }
}

impl Drop for HostCallGuard {
    fn drop(&mut self) {
        let _ = OWN.try_with(|own| {
            if let Some(own) = &*own.borrow() {
                let before = own.under_way.load(Ordering::Relaxed);
                own.under_way.store(before.saturating_sub(1), Ordering::Release);
            }
        });
    }
}

/// Lets the callbacks of this thread count as over, and lets it make no more.
pub(in crate::runtime) fn leave_for_good() {
    LOST.set(true);
    let _ = OWN.try_with(|own| {
        if let Some(own) = &*own.borrow() {
            own.under_way.store(0, Ordering::Release);
        }
    });
}

/// Whether no callback may begin any more.
#[must_use]
pub fn is_shut() -> bool {
    GATE.get().shut.load(Ordering::Relaxed)
}

/// Shuts the gate for the rest of this process, and waits up to `timeout` for the callbacks under way. False where one of
/// them lasts longer.
#[must_use]
pub(in crate::runtime) fn shut(timeout: Duration) -> bool {
    let until = Instant::now().checked_add(timeout);
    let gate = GATE.get();
    gate.shut.store(true, Ordering::SeqCst);
    while gate.is_passed() {
        if until.is_some_and(|until| Instant::now() >= until) {
            return false;
        }
        std::thread::sleep(LOOKS_EVERY);
    }
    true
}

impl Gate {
    fn is_passed(&self) -> bool {
        let counts: Vec<_> = self.threads().iter().filter_map(Weak::upgrade).collect();
        counts.iter().any(|count| count.under_way.load(Ordering::SeqCst) > 0)
    }

    fn threads(&self) -> MutexGuard<'_, Vec<Weak<Count>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self) -> Arc<Count> {
        let count =
            Arc::new(Count { generation: process::generation(), under_way: AtomicU32::new(0) });
        let mut threads = self.threads();
        if threads.len() == threads.capacity() {
            threads.retain(|thread| thread.strong_count() > 0);
        }
        threads.push(Arc::downgrade(&count));
        count
    }
}

/// Runs `act` with this thread's count, which is made at its first callback in this process. False where the thread has
/// none any more.
fn with_own(gate: &Gate, act: impl FnOnce(&Count)) -> bool {
    let run = |own: &RefCell<Option<Arc<Count>>>| {
        let mut own = own.borrow_mut();
        match &*own {
            Some(own) if own.generation == process::generation() => act(own),
            _ => act(own.insert(gate.enter())),
        }
    };
    OWN.try_with(run).is_ok()
}
