//! Shards: current-thread runtimes, each with the connections that it opened, leased by blocking callers.
//!
//! The caller polls, waits in epoll and reads the answer on its own thread: one context switch a request.
//! A parked shard is driven by nobody. The transports therefore look at a kept connection before they use it
//! after a pause, and the janitor visits shards that stay idle.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use super::attachment::{Attachment, Attachments, Tenant};
use super::process::PerProcess;
use super::stop::{Slot, Stop};
use super::{interrupt, io_thread};

static SHARDS: PerProcess<Shards> = PerProcess::new();

/// A shard given back more recently than this is in use: the janitor leaves it to its callers.
const BUSY_FOR: Duration = Duration::from_millis(1);

/// A shard idle for this long is ended by the janitor; its connections are older than servers keep them.
const RETIRE_AFTER: Duration = Duration::from_secs(120);

/// Drives `work` on the calling thread with a leased shard; `attach` makes the tenant's attachment where this
/// one has none yet. The work is given the wish of others to end it.
///
/// # Errors
/// A new shard could not be made: the process is out of descriptors or threads.
pub fn drive<T, F, R>(
    tenant: &Tenant,
    attach: impl FnOnce() -> T,
    work: impl FnOnce(Arc<T>, Arc<Stop>) -> F,
) -> io::Result<R>
where
    T: Attachment,
    F: Future<Output = R>,
{
    let mut lease = Lease::take()?;
    let shard = lease.shard();
    let stop = shard.fresh_stop();
    let _occupied = shard.slot.enter(tenant, Arc::clone(&stop));
    let attachments = &mut shard.attachments;
    Ok(shard
        .runtime
        .block_on(async { work(attachments.get_or_attach(tenant, attach), stop).await }))
}

/// Drives `work` that has no tenant on the calling thread, such as a wait for work that an I/O thread does.
///
/// # Errors
/// A new shard could not be made.
pub fn wait<F: Future>(work: F) -> io::Result<F::Output> {
    let mut lease = Lease::take()?;
    Ok(lease.shard().runtime.block_on(work))
}

/// The janitor's round: lets idle shards notice closed connections, drops what freed clients left, and ends
/// shards that were idle for long.
pub(super) fn visit_idle() {
    // One at a time, in the order of the list and back into its place: callers find the others meanwhile,
    // and their own again afterwards.
    let mut visited = 0;
    while let Some(mut shard) = take_stale(visited) {
        if shard.parked_at.elapsed() > RETIRE_AFTER {
            // A plain drop would wait for the runtime's threads.
            shard.runtime.shutdown_background();
            continue;
        }
        shard.visit();
        let mut idle = idle_shards();
        let place = visited.min(idle.len());
        idle.insert(place, shard);
        visited += 1;
    }
}

/// Idle shards; the most recently used is last.
#[derive(Default)]
struct Shards {
    idle: Mutex<Vec<Shard>>,
}

fn idle_shards() -> MutexGuard<'static, Vec<Shard>> {
    SHARDS.get().idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes out the shard at `index`, unless somebody drove it just now.
fn take_stale(index: usize) -> Option<Shard> {
    let mut idle = idle_shards();
    let stale = idle.get(index).is_some_and(|shard| shard.parked_at.elapsed() >= BUSY_FOR);
    stale.then(|| idle.remove(index))
}

/// Something that only this thread has; a later thread may get the same.
fn this_thread() -> usize {
    thread_local! {
        static HERE: u8 = const { 0 };
    }
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

struct Shard {
    runtime: Runtime,
    attachments: Attachments,
    slot: Arc<Slot>,
    stop: Arc<Stop>,
    parked_at: Instant,
    /// Who used it last.
    thread: usize,
}

impl Shard {
    fn new() -> io::Result<Self> {
        // The janitor comes with the first shard: from here on there may be idle connections.
        io_thread::first()?;
        Ok(Self {
            runtime: interrupt::noticed_by(&mut Builder::new_current_thread())
                .enable_all()
                .build()?,
            attachments: Attachments::default(),
            slot: Slot::new(),
            stop: Arc::default(),
            parked_at: Instant::now(),
            thread: this_thread(),
        })
    }

    /// One without a wish in it; the last call's does where nobody used it.
    fn fresh_stop(&mut self) -> Arc<Stop> {
        if self.stop.was_asked() {
            self.stop = Arc::default();
        }
        Arc::clone(&self.stop)
    }

    fn visit(&mut self) {
        let departed = self.attachments.take_departed();
        let kept = self.attachments.all();
        self.runtime.block_on(async {
            drop(departed);
            // Twice: once to see what happened to the sockets, once to act on it.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            kept.iter().for_each(|attachment| attachment.tend());
        });
    }
}

/// A shard out of the idle list; given back on drop, also when the work panics.
struct Lease {
    shard: Option<Shard>,
}

impl Lease {
    fn take() -> io::Result<Self> {
        let shard = Self::idle().map_or_else(Shard::new, Ok)?;
        Ok(Self { shard: Some(shard) })
    }

    /// The one that this thread used last, whose connections and memory are warm; else the one used last at
    /// all, whose connections are the freshest.
    fn idle() -> Option<Shard> {
        let mut idle = idle_shards();
        let here = this_thread();
        match idle.iter().rposition(|shard| shard.thread == here) {
            Some(own) => Some(idle.remove(own)),
            None => idle.pop(),
        }
    }

    fn shard(&mut self) -> &mut Shard {
        self.shard
            .as_mut()
            .unwrap_or_else(|| unreachable!("a lease holds its shard until it drops"))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(mut shard) = self.shard.take() {
            drop(shard.attachments.take_departed());
            shard.parked_at = Instant::now();
            shard.thread = this_thread();
            idle_shards().push(shard);
        }
    }
}
