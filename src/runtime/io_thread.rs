//! I/O threads: they carry the calls that no caller drives.
//!
//! The first one starts with the first use of the library. It resolves names, has the timers of the background and visits
//! idle shards, and makes no call into the host: it cannot be lost. The carriers, up to one a processor, start with the
//! first asynchronous call and when calls keep the earlier ones busy.
//!
//! A carrier that its host ends inside a callback is replaced; what it carried ends a moment later.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::attachment::{Attachment, Attachments, Tenant};
use super::host::abortable_task::AbortableTask;
use super::host::lost::{self, ThreadCleanup};
use super::host::{panics, thread_cancel};
use super::process::PerProcess;
use super::racy_lazy::RacyLazy;
use super::stop::{SlotGuard, Stop, WorkSlot};
use super::{attachment, shard, signal, stop};

static THREADS: PerProcess<Threads> = PerProcess::new();

#[derive(Default)]
struct Threads {
    first: Mutex<Option<Arc<IoThread>>>,
    carriers: Mutex<Vec<Arc<IoThread>>>,
    /// Lost carriers whose calls have not ended yet.
    lost: Mutex<Vec<Arc<IoThread>>>,
    lost_count: AtomicUsize,
    /// Notified when a close waits for those calls to end.
    hurry: Notify,
}

/// How often attachments are visited: closed connections are noticed, and those of freed clients go.
const VISIT_INTERVAL: Duration = Duration::from_secs(1);

/// Between two steps of a visit to very many connections: calls go on meanwhile.
const STEP: Duration = Duration::from_millis(50);

/// A visit's steps take half of the interval at most.
const MOST_STEPS: usize = 10;

/// So many places without a task are kept: as many as keep a thread busy, twice.
const FREE_SLOTS: usize = 2 * BUSY_CALLS;

/// Room for hooks and completion callbacks of the host, beside our own shallow frames.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// From this number of calls in flight on, a thread is busy enough that another one pays.
const BUSY_CALLS: usize = 32;

/// A host that ends more carriers than this is about to end, or ends every thread that calls it: new threads would only
/// be ended too. Each one that is lost keeps its stack and its connections.
const MOST_LOST: usize = 16;

/// When the calls of a lost carrier end. A host that ends its threads is mostly about to end itself: callbacks at once
/// would come into the middle of that. A second is longer than hosts take, and short beside a call's limit of 30 s.
const GIVES_UP_AFTER: Duration = Duration::from_secs(1);

/// One library thread with its runtime and its connections.
pub struct IoThread {
    handle: Handle,
    attachments: Mutex<Attachments>,
    slots: Mutex<TaskSlots>,
    in_flight: AtomicUsize,
}

/// Places for tasks; for a while as many as there were tasks at once.
#[derive(Default)]
struct TaskSlots {
    all: Vec<Arc<WorkSlot>>,
    free: Vec<Arc<WorkSlot>>,
}

impl TaskSlots {
    /// Lets go of what a crowd of tasks left. Each place lies among what else was made with its task, and would keep a
    /// page of memory from being given back.
    fn shrink(&mut self, tasks: usize) {
        let most = FREE_SLOTS.max(tasks);
        if self.free.len() > most {
            self.free.truncate(most);
            self.all.retain(|slot| Arc::strong_count(slot) > 1);
            stop::forget_gone();
        }
    }
}

impl std::fmt::Debug for IoThread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IoThread").field("in_flight", &self.in_flight).finish_non_exhaustive()
    }
}

thread_local! {
    static IS_HERE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is an I/O thread.
#[must_use]
pub fn is_here() -> bool {
    IS_HERE.get()
}

/// The first I/O thread, started with the first use in this process. Nothing that calls the host may run on it.
///
/// # Errors
/// The thread or its runtime could not be made: the process is out of threads or descriptors.
pub fn first() -> io::Result<Arc<IoThread>> {
    let mut first = lock(&THREADS.get().first);
    if let Some(first) = &*first {
        return Ok(Arc::clone(first));
    }
    Ok(Arc::clone(first.insert(start("ahoy-io-0", true)?)))
}

/// The carrier with the fewest calls in flight, or a new one where all are busy.
///
/// # Errors
/// No thread could be made.
pub fn least_busy() -> io::Result<Arc<IoThread>> {
    // The janitor comes with the first carrier: from here on there may be idle connections.
    first()?;
    let mut carriers = lock(&THREADS.get().carriers);
    let least = carriers.iter().min_by_key(|thread| thread.in_flight()).cloned();
    match least {
        Some(thread) if thread.in_flight() < BUSY_CALLS || carriers.len() >= most() => Ok(thread),
        Some(thread) => start_carrier(&mut carriers).or(Ok(thread)),
        None => start_carrier(&mut carriers),
    }
}

/// Ends what lost carriers carried now, for a close waits for it.
pub fn hurry_lost() {
    if let Some(threads) = THREADS.existing() {
        threads.hurry.notify_waiters();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One a processor; asked once, for it reads the control group's files each time.
fn most() -> usize {
    static MOST: RacyLazy<usize> =
        RacyLazy::new(|| std::thread::available_parallelism().map_or(1, usize::from));
    *MOST
}

fn start_carrier(carriers: &mut Vec<Arc<IoThread>>) -> io::Result<Arc<IoThread>> {
    let lost = THREADS.get().lost_count.load(Ordering::Relaxed);
    if lost > MOST_LOST {
        let message = format!("the host ended {lost} threads of the library inside callbacks");
        return Err(io::Error::other(message));
    }
    let carrier = start(&format!("ahoy-io-{}", carriers.len() + 1), false)?;
    carriers.push(Arc::clone(&carrier));
    Ok(carrier)
}

fn start(name: &str, is_janitor: bool) -> io::Result<Arc<IoThread>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let thread = Arc::new(IoThread {
        handle: runtime.handle().clone(),
        attachments: Mutex::default(),
        slots: Mutex::default(),
        in_flight: AtomicUsize::new(0),
    });
    let builder = std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
    let itself = Arc::clone(&thread);
    signal::with_all_blocked(|| builder.spawn(move || itself.work(&runtime, is_janitor)))?;
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

    /// Runs `task` here; until it ends the tenant's close finds `stop`. Where this thread is lost the task is dropped, or
    /// left as it is where the host was called by it, and `given_up` runs first.
    pub fn spawn(
        self: &Arc<Self>,
        tenant: &Tenant,
        stop: Arc<Stop>,
        given_up: impl Fn() + Send + Sync + 'static,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let _ = self.spawn_where(|| Ok::<_, Infallible>(()), tenant, stop, given_up, task);
    }

    /// The same where `may_begin`, which is asked when the tenant's close finds the task: a close that comes later waits for
    /// it.
    ///
    /// # Errors
    /// The task may not begin, and is dropped.
    pub fn spawn_where<E>(
        self: &Arc<Self>,
        may_begin: impl FnOnce() -> Result<(), E>,
        tenant: &Tenant,
        stop: Arc<Stop>,
        given_up: impl Fn() + Send + Sync + 'static,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), E> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let slot = self.free_slot();
        let abortable = AbortableTask::new(task, given_up);
        let cleanup: Arc<dyn ThreadCleanup> = Arc::clone(&abortable) as _;
        let occupied = Some(slot.enter_abortable(tenant, stop, cleanup));
        let guard = TaskGuard { occupied, slot, thread: Arc::clone(self) };
        may_begin()?;
        self.handle.spawn(async move {
            let _guard = guard;
            poll_fn(|cx| abortable.poll(cx)).await;
        });
        Ok(())
    }

    fn free_slot(&self) -> Arc<WorkSlot> {
        let mut slots = lock(&self.slots);
        slots.free.pop().unwrap_or_else(|| {
            let slot = WorkSlot::new();
            slots.all.push(Arc::clone(&slot));
            slot
        })
    }

    /// The tenant's attachment on this thread, made by `attach` where there is none that `fits`; to be called by a task
    /// that runs here.
    pub fn attachment<T: Attachment>(
        &self,
        tenant: &Tenant,
        fits: impl FnOnce(&T) -> bool,
        attach: impl FnOnce() -> T,
    ) -> Arc<T> {
        if let Some(kept) = lock(&self.attachments).get(tenant, fits) {
            return kept;
        }
        let value = Arc::new(attach());
        let before = lock(&self.attachments).attach(tenant, &value);
        drop(before);
        value
    }

    /// Never ends: the thread lives as long as its process, and holds nothing that an exit would wait for.
    fn work(self: Arc<Self>, runtime: &Runtime, is_janitor: bool) {
        thread_cancel::ignore_here();
        IS_HERE.set(true);
        let _cleanup = lost::push_cleanup(Arc::clone(&self) as Arc<dyn ThreadCleanup>);
        loop {
            let driven = panics::caught(|| runtime.block_on(self.interval()));
            // Between two drives, for a shard cannot be driven from inside another runtime.
            let visited = panics::caught(|| {
                if is_janitor {
                    attachment::close_all_departed();
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
        let departed = lock(&self.attachments).take_departed();
        drop(departed);
        lock(&self.slots).shrink(self.in_flight());
        for _ in 0..MOST_STEPS {
            let kept = lock(&self.attachments).all();
            let is_any_left =
                kept.iter().fold(false, |left, attachment| attachment.maintain() | left);
            drop(kept);
            if !is_any_left {
                break;
            }
            tokio::time::sleep(STEP).await;
        }
    }

    /// Ends what a lost thread carried, and closes its connections.
    fn give_up(&self) {
        let slots = lock(&self.slots).all.clone();
        slots.iter().for_each(|slot| slot.thread_is_lost());
        let attachments = std::mem::take(&mut *lock(&self.attachments));
        drop(attachments);
    }
}

/// Another one takes its place, so that new calls are carried at once.
impl ThreadCleanup for IoThread {
    fn thread_is_lost(&self) {
        let threads = THREADS.get();
        threads.lost_count.fetch_add(1, Ordering::Relaxed);
        let mut carriers = lock(&threads.carriers);
        // From here on: a close may come before the heir runs.
        let hurried = threads.hurry.notified();
        let Some(index) = carriers.iter().position(|thread| ptr::eq(&raw const **thread, self))
        else {
            return;
        };
        lock(&threads.lost).push(carriers.remove(index));
        let heir = start_carrier(&mut carriers);
        drop(carriers);
        match heir {
            Ok(heir) => drop(heir.handle.spawn(give_up_later(threads, hurried))),
            // Here no callback can be made: results that were to go to one are freed.
            Err(_) => threads.give_up_lost(),
        }
    }
}

/// Also for those before whose heir was lost as well.
async fn give_up_later(threads: &'static Threads, hurried: Notified<'static>) {
    let _ = tokio::time::timeout(GIVES_UP_AFTER, hurried).await;
    threads.give_up_lost();
}

impl Threads {
    fn give_up_lost(&self) {
        let lost = std::mem::take(&mut *lock(&self.lost));
        lost.iter().for_each(|thread| thread.give_up());
    }
}

/// What a task holds of its thread while it runs.
struct TaskGuard {
    occupied: Option<SlotGuard>,
    slot: Arc<WorkSlot>,
    thread: Arc<IoThread>,
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        drop(self.occupied.take());
        lock(&self.thread.slots).free.push(Arc::clone(&self.slot));
        self.thread.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
