//! Shards: current-thread runtimes, each with the connections that it opened, leased by blocking callers.
//!
//! The caller polls, waits in epoll and reads the answer on its own thread: one context switch a request.
//! No thread drives a parked shard. The transports therefore look at a kept connection before they use it
//! after a pause, and the janitor visits shards that stay idle.
//!
//! Idle shards lie in many lists, and each thread has its own among them: callers on different threads meet at no
//! lock, and a caller finds the shard that it used last. Only one that finds its list empty looks into the others.
//!
//! One that waits for more of a streamed body reads it with a shard as well: the body's socket follows its reader.
//!
//! There are as many shards as callers at once, up to a bound: each opens connections to every endpoint. Beyond it
//! an I/O thread carries the call while its caller waits. Waiting for a shard instead was rejected: a caller
//! may hold one for as long as a slow server takes.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};

use super::attachment::{Attachment, Attachments, Tenant};
use super::host::lost::{self, ThreadCleanup};
use super::process::PerProcess;
use super::stop::{Stop, WorkSlot};
use super::{descriptors, interrupt, io_thread, os_error};

static SHARDS: PerProcess<Shards> = PerProcess::new();

/// A shard given back more recently than this is in use: the janitor leaves it to its callers.
const BUSY_FOR: Duration = Duration::from_millis(1);

/// A shard idle for this long is ended by the janitor; its connections are older than servers keep them.
const RETIRE_AFTER: Duration = Duration::from_secs(120);

/// How many shards carry calls at most, unless [`limit`] says otherwise; see benches/README.md for what lies
/// beyond. Each takes three descriptors, and a connection to each endpoint: where this process may have few, there are fewer
/// shards.
const MOST_SHARDS: usize = 256;

/// What [`limit`] said; 0 where it was not asked.
static MOST: AtomicUsize = AtomicUsize::new(0);

/// The next shard's; a forked child goes on where its parent was, whose sockets it does not have.
static IDS: AtomicUsize = AtomicUsize::new(0);

/// So many shards are made for other work than calls: it is done without as well, and each takes three descriptors.
const MOST_FOR_WORK: usize = 64;

fn most() -> usize {
    match MOST.load(Ordering::Relaxed) {
        0 => descriptors::few().clamp(1, MOST_SHARDS),
        most => most,
    }
}

/// Changes how many shards carry calls at most; by default 256, or a sixteenth of the descriptors. Those that are there stay.
pub fn limit(most: usize) {
    MOST.store(most, Ordering::Relaxed);
}

/// How many shards carry calls now, leased and idle.
#[must_use]
pub fn count() -> usize {
    SHARDS.get().carrying.load(Ordering::Relaxed)
}

/// Whether the calling thread can drive a shard: not once the runtime's thread-locals are gone. A host's `atexit` functions,
/// destructors of static objects and of `pthread_key_create` run later than that.
#[must_use]
pub fn is_possible_here() -> bool {
    !Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed())
}

/// Drives `work` on the calling thread with a leased shard; `attach` makes the tenant's attachment where this
/// one has none yet that `fits`. The work is given the wish of others to end it. `None` where there are as many shards as
/// there may be, and all are in use, and where it is not possible here: then nothing was done.
///
/// # Errors
/// A new shard could not be made: the process is out of descriptors or threads.
pub fn drive<T, F, R>(
    tenant: &Tenant,
    (fits, attach): (impl FnOnce(&T) -> bool, impl FnOnce() -> T),
    work: impl FnOnce(Arc<T>, Arc<Stop>) -> F,
) -> io::Result<Option<R>>
where
    T: Attachment,
    F: Future<Output = R>,
{
    if !is_possible_here() {
        return Ok(None);
    }
    let Some(mut lease) = Lease::to_carry(most)? else {
        return Ok(None);
    };
    let shard = lease.shard();
    let stop = shard.fresh_stop();
    let _occupied = shard.call_slot.slot.enter(tenant, Arc::clone(&stop));
    let _cleanup = lost::push_cleanup(Arc::clone(&shard.call_slot) as Arc<dyn ThreadCleanup>);
    let attachments = &mut shard.attachments;
    // Lent: the runtime would move it twice, and it is large.
    let work = pin!(async {
        let kept = attachments.get(tenant, fits).unwrap_or_else(|| {
            let made = Arc::new(attach());
            drop(attachments.attach(tenant, &made));
            made
        });
        work(kept, stop).await
    });
    Ok(Some(shard.runtime.block_on(work)))
}

/// Which shard's runtime tells what happens to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardId(usize);

/// Drives on the calling thread `work`, which is told the shard that it is driven with. Mostly that is the one with which
/// this thread worked before. `None` where all shards are in use and there are enough of them, and where it is not possible
/// here: then nothing was done.
///
/// # Errors
/// A new shard could not be made.
pub fn work_at<F: Future>(work: impl FnOnce(ShardId) -> F) -> io::Result<Option<F::Output>> {
    if !is_possible_here() {
        return Ok(None);
    }
    let Some(mut lease) = Lease::to_carry(|| most().min(MOST_FOR_WORK))? else {
        return Ok(None);
    };
    let shard = lease.shard();
    let _cleanup = lost::push_cleanup(Arc::clone(&shard.call_slot) as Arc<dyn ThreadCleanup>);
    Ok(Some(shard.runtime.block_on(work(shard.id))))
}

/// Waits on the calling thread for `work` that an I/O thread does, and notices signals meanwhile: a shard waits in
/// epoll, which they end. Where they do not matter, [`super::waiter::wait`] costs less. To be asked for where
/// [`is_possible_here`].
///
/// # Errors
/// A new shard could not be made.
pub fn wait<F: Future>(work: F) -> io::Result<F::Output> {
    let mut lease = Lease::to_wait()?;
    Ok(lease.shard().runtime.block_on(work))
}

/// The janitor's round: lets idle shards notice closed connections, drops what freed clients left, and ends
/// shards that were idle for long.
pub(super) fn visit_idle() {
    let shards = SHARDS.get();
    shards.lists.iter().for_each(|list| list.visit(shards));
}

/// All shards of this process that are not leased.
struct Shards {
    lists: [List; LISTS],
    /// How many carry calls, leased ones included.
    carrying: AtomicUsize,
}

impl Default for Shards {
    fn default() -> Self {
        Self { lists: std::array::from_fn(|_| List::default()), carrying: AtomicUsize::new(0) }
    }
}

impl Shards {
    fn home(&self, thread: usize) -> &List {
        &self.lists[spread(thread) % LISTS]
    }

    /// A shard that fits: the calling thread's own, else one of its list, else one of any list.
    fn take(&self, fits: impl Fn(&Shard) -> bool) -> Option<Box<Shard>> {
        let here = this_thread();
        let own = spread(here) % LISTS;
        self.lists[own].take_for(here, &fits).or_else(|| {
            let others = (1..LISTS).map(|distance| &self.lists[(own + distance) % LISTS]);
            others.into_iter().find_map(|list| list.take_for(here, &fits))
        })
    }

    /// The right to one more shard that carries calls, where there are fewer than `most`.
    fn grant(&self, most: usize) -> bool {
        let one_more = |count| (count < most).then_some(count + 1);
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        self.carrying.fetch_update(success, failure, one_more).is_ok()
    }
}

/// One of the lists, on a cache line of its own; the most recently used shard is last.
#[derive(Default)]
#[repr(align(64))]
struct List {
    #[allow(clippy::vec_box, reason = "a shard is large, and moved in and out for every call")]
    idle: Mutex<Vec<Box<Shard>>>,
}

impl List {
    #[allow(clippy::vec_box, reason = "as above")]
    fn lock(&self) -> MutexGuard<'_, Vec<Box<Shard>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one that `thread` used last, whose connections and memory are warm; else the one used last at all,
    /// whose connections are the freshest.
    fn take_for(&self, thread: usize, fits: impl Fn(&Shard) -> bool) -> Option<Box<Shard>> {
        let mut idle = self.lock();
        let own = idle.iter().rposition(|shard| shard.thread == thread && fits(shard));
        let index = own.or_else(|| idle.iter().rposition(|shard| fits(shard)))?;
        Some(idle.remove(index))
    }

    /// One at a time, in the order of the list and back into its place: callers find the others meanwhile, and
    /// their own again afterwards.
    fn visit(&self, shards: &Shards) {
        let mut visited = 0;
        while let Some(mut shard) = self.take_stale(visited) {
            if shard.parked_at.elapsed() > RETIRE_AFTER {
                if shard.carries {
                    shards.carrying.fetch_sub(1, Ordering::Relaxed);
                }
                // A plain drop would wait for the runtime's threads.
                shard.runtime.shutdown_background();
                continue;
            }
            shard.visit();
            let mut idle = self.lock();
            let place = visited.min(idle.len());
            idle.insert(place, shard);
            visited += 1;
        }
    }

    /// Takes out the shard at `index`, unless it was driven less than [`BUSY_FOR`] ago.
    fn take_stale(&self, index: usize) -> Option<Box<Shard>> {
        let mut idle = self.lock();
        let stale = idle.get(index).is_some_and(|shard| shard.parked_at.elapsed() >= BUSY_FOR);
        stale.then(|| idle.remove(index))
    }
}

/// Something that only this thread has; a later thread may get the same.
fn this_thread() -> usize {
    thread_local! {
        static HERE: u8 = const { 0 };
    }
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

/// Threads differ in the middle of such addresses, which are a stack apart; Fibonacci hashing brings all bits up.
const fn spread(thread: usize) -> usize {
    ((thread as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
}

struct Shard {
    id: ShardId,
    runtime: Runtime,
    attachments: Attachments,
    call_slot: Arc<CallSlot>,
    stop: Arc<Stop>,
    parked_at: Instant,
    /// The thread that used it last.
    thread: usize,
    /// Whether it carries calls, and so has connections; others were only waited with.
    carries: bool,
}

impl Shard {
    fn new() -> io::Result<Box<Self>> {
        // The janitor comes with the first shard: from here on there may be idle connections.
        io_thread::first()?;
        Ok(Box::new(Self {
            id: ShardId(IDS.fetch_add(1, Ordering::Relaxed)),
            runtime: interrupt::noticed_by(&mut Builder::new_current_thread())
                .enable_all()
                .build()?,
            attachments: Attachments::default(),
            call_slot: Arc::new(CallSlot { slot: WorkSlot::new() }),
            stop: Arc::default(),
            parked_at: Instant::now(),
            thread: this_thread(),
            carries: false,
        }))
    }

    /// A stop that was not asked for: the last call's, unless it was.
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
            for attachment in &kept {
                // One caller's connections are few: none is left for another time.
                let _ = attachment.maintain();
            }
        });
    }
}

/// What others see of a shard that carries a call.
struct CallSlot {
    slot: Arc<WorkSlot>,
}

/// The shard stays with its thread: another may take its place.
impl ThreadCleanup for CallSlot {
    fn thread_is_lost(&self) {
        self.slot.thread_is_lost();
        SHARDS.get().carrying.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A shard out of the idle lists; given back on drop, also when the work panics.
struct Lease {
    shard: Option<Box<Shard>>,
}

impl Lease {
    /// One that may open connections; `None` where all are in use, and there are `most` of them or no descriptor for
    /// another.
    fn to_carry(most: impl FnOnce() -> usize) -> io::Result<Option<Self>> {
        let shards = SHARDS.get();
        if let Some(shard) = shards.take(|shard| shard.carries) {
            return Ok(Some(Self { shard: Some(shard) }));
        }
        if !shards.grant(most()) {
            return Ok(None);
        }
        let shard = shards.take(|_| true).map_or_else(Shard::new, Ok);
        let shard = shard.inspect_err(|_| {
            shards.carrying.fetch_sub(1, Ordering::Relaxed);
        });
        match shard {
            Ok(mut shard) => {
                shard.carries = true;
                Ok(Some(Self { shard: Some(shard) }))
            }
            // An I/O thread that is there needs none.
            Err(error) if os_error::shortage(&error).is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One to wait with; those that carry are left to the calls that need them, but for the thread's own.
    fn to_wait() -> io::Result<Self> {
        let here = this_thread();
        let kept = SHARDS.get().take(|shard| !shard.carries || shard.thread == here);
        Ok(Self { shard: Some(kept.map_or_else(Shard::new, Ok)?) })
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
            SHARDS.get().home(shard.thread).lock().push(shard);
        }
    }
}

/// More than processors run threads at once, so that few threads share a list; few enough to look through.
const LISTS: usize = 64;
