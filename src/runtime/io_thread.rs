//! I/O threads: they carry the calls that no caller drives.
//!
//! The first one starts with the first use of the library and also resolves names and visits idle shards.
//! Further ones, up to one a processor, start when asynchronous calls keep the earlier ones busy.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use super::attachment::{Attachment, Attachments, Tenant};
use super::process::PerProcess;
use super::stop::{Occupied, Slot, Stop};
use super::{attachment, panics, shard, signal};

static THREADS: PerProcess<Mutex<Vec<Arc<IoThread>>>> = PerProcess::new();

/// How often attachments are visited: closed connections are noticed, and those of freed clients go.
const VISIT_INTERVAL: Duration = Duration::from_secs(1);

/// Room for hooks and completion callbacks of the host, beside our own shallow frames.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// So many calls in flight keep a thread busy enough that another one pays.
const BUSY_CALLS: usize = 32;

/// One library thread with its runtime and its connections.
pub struct IoThread {
    handle: Handle,
    attachments: Mutex<Attachments>,
    /// Slots that no task holds; as many as there ever were tasks at once.
    slots: Mutex<Vec<Arc<Slot>>>,
    in_flight: AtomicUsize,
}

impl std::fmt::Debug for IoThread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IoThread").field("in_flight", &self.in_flight).finish_non_exhaustive()
    }
}

/// The first I/O thread, started with the first use in this process.
///
/// # Errors
/// The thread or its runtime could not be made: the process is out of threads or descriptors.
pub fn first() -> io::Result<Arc<IoThread>> {
    let mut threads = threads();
    if let Some(first) = threads.first() {
        return Ok(Arc::clone(first));
    }
    start(&mut threads)
}

/// The I/O thread with the fewest calls in flight, or a new one where all are busy.
///
/// # Errors
/// No thread could be made.
pub fn least_busy() -> io::Result<Arc<IoThread>> {
    let mut threads = threads();
    let least = threads.iter().min_by_key(|thread| thread.in_flight()).cloned();
    match least {
        Some(thread) if thread.in_flight() < BUSY_CALLS || threads.len() >= most() => Ok(thread),
        Some(thread) => start(&mut threads).or(Ok(thread)),
        None => start(&mut threads),
    }
}

/// Waits on the calling thread for `work` that another thread does; the first I/O thread has its timers. It costs no
/// descriptor, but a signal that the host catches ends no such wait: see [`shard::wait`].
///
/// # Errors
/// No thread could be made.
pub fn wait<F: Future>(work: F) -> io::Result<F::Output> {
    Ok(first()?.handle.block_on(work))
}

fn threads() -> MutexGuard<'static, Vec<Arc<IoThread>>> {
    THREADS.get().lock().unwrap_or_else(PoisonError::into_inner)
}

/// One a processor; asked once, for it reads the control group's files each time.
fn most() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    *MOST.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

fn start(threads: &mut Vec<Arc<IoThread>>) -> io::Result<Arc<IoThread>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let thread = Arc::new(IoThread {
        handle: runtime.handle().clone(),
        attachments: Mutex::default(),
        slots: Mutex::default(),
        in_flight: AtomicUsize::new(0),
    });
    let index = threads.len();
    let builder = std::thread::Builder::new().name(format!("ahoy-io-{index}"));
    let builder = builder.stack_size(STACK_BYTES);
    let itself = Arc::clone(&thread);
    signal::with_all_blocked(|| builder.spawn(move || itself.work(&runtime, index == 0)))?;
    threads.push(Arc::clone(&thread));
    Ok(thread)
}

impl IoThread {
    /// The runtime, for work without an attachment.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Runs `task` here; until it ends the tenant's close finds `stop`.
    pub fn spawn(
        self: &Arc<Self>,
        tenant: &Tenant,
        stop: Arc<Stop>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let slot = self.slots().pop().unwrap_or_else(Slot::new);
        let held =
            Held { occupied: Some(slot.enter(tenant, stop)), slot, thread: Arc::clone(self) };
        self.handle.spawn(async move {
            let _held = held;
            task.await;
        });
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tenant's attachment on this thread; to be called by a task that runs here.
    pub fn attachment<T: Attachment>(&self, tenant: &Tenant, attach: impl FnOnce() -> T) -> Arc<T> {
        self.lock().get_or_attach(tenant, attach)
    }

    fn lock(&self) -> MutexGuard<'_, Attachments> {
        self.attachments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never ends: the thread lives as long as its process, and holds nothing that an exit would wait for.
    fn work(&self, runtime: &Runtime, is_janitor: bool) {
        loop {
            let driven = panics::caught(|| runtime.block_on(self.interval()));
            // Between two drives, for a shard cannot be driven from inside another runtime.
            let visited = panics::caught(|| {
                if is_janitor {
                    attachment::let_all_go();
                    shard::visit_idle();
                }
            });
            if driven.is_none() || visited.is_none() {
                // A defect: go on, but never in a busy loop.
                std::thread::park_timeout(VISIT_INTERVAL);
            }
        }
    }

    /// Serves the tasks of this thread until the next visit is due, and visits its own attachments.
    async fn interval(&self) {
        tokio::time::sleep(VISIT_INTERVAL).await;
        let departed = self.lock().take_departed();
        drop(departed);
        let kept = self.lock().all();
        kept.iter().for_each(|attachment| attachment.tend());
    }
}

/// What a task holds of its thread while it runs.
struct Held {
    occupied: Option<Occupied>,
    slot: Arc<Slot>,
    thread: Arc<IoThread>,
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.occupied.take());
        self.thread.slots().push(Arc::clone(&self.slot));
        self.thread.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
