//! Whether a client is open, and what of it is under way: calls, and work beside them that calls its host.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::balancer::provider::HostCallScope;
use crate::error::{Error, ErrorKind};
use crate::runtime::attachment::Tenant;
use crate::runtime::host::{callback, caller_jobs};
use crate::runtime::process::PerProcess;
use crate::runtime::stop::{Reason, TrackedWork};
use crate::runtime::{io_thread, stop};

/// The life of one client.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    pub(crate) tenant: Tenant,
    closed: AtomicBool,
    /// A close has returned: no callback of the client runs any more.
    silent: AtomicBool,
    /// Tells a close that a call has ended. A forked child has its own: a thread of the parent may hold the lock.
    ended: PerProcess<(Mutex<()>, Condvar)>,
}

impl Lifecycle {
    pub(crate) fn new() -> Self {
        Self {
            tenant: Tenant::new(),
            closed: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            ended: PerProcess::new(),
        }
    }

    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::SeqCst) { Err(is_closed()) } else { Ok(()) }
    }

    /// Fails once a close has returned.
    pub(crate) fn check_not_silent(&self) -> Result<(), Error> {
        if self.silent.load(Ordering::SeqCst) { Err(is_closed()) } else { Ok(()) }
    }

    /// Lets a call in. One that `asks_host` before it has a place of its own is tracked on its way there.
    ///
    /// # Errors
    /// The client is closed.
    pub(crate) fn enter(&self, asks_host: bool) -> Result<CallEntry<'_>, Error> {
        let tracked = asks_host.then(|| TrackedWork::begin(&self.tenant));
        let entry = CallEntry { lifecycle: self, tracked };
        // Asked inside: a close sees this call, or this sees the close.
        self.check_open()?;
        Ok(entry)
    }

    /// A call has ended: a close may be waiting for it.
    pub(crate) fn note_end(&self) {
        if self.closed.load(Ordering::Relaxed) {
            self.ended.get().1.notify_all();
        }
    }

    /// Refuses new calls, waits up to `timeout` for those under way and ends the rest with `Closed`. Then no callback
    /// of this client runs, and none will.
    ///
    /// # Errors
    /// A callback outlasts the limit.
    pub(crate) fn close(&self, timeout: Duration) -> Result<(), Error> {
        self.closed.store(true, Ordering::SeqCst);
        let all_ended = self.waits_for_all(timeout) || {
            stop::ask_all(&self.tenant, Reason::Closed);
            io_thread::hurry_lost();
            self.waits_for_all(CALLS_END_WITHIN)
        };
        self.silent.fetch_or(all_ended, Ordering::SeqCst);
        // Once more: work beside a call saw that, or is seen here.
        if all_ended && self.waits_for_all(CALLS_END_WITHIN) {
            self.tenant.close();
            return Ok(());
        }
        let message = "client: is closed, and a callback still runs that its calls wait for";
        Err(Error::new(ErrorKind::Deadline, message))
    }

    /// Whether all that is under way ends in time.
    fn waits_for_all(&self, timeout: Duration) -> bool {
        let until = Instant::now().checked_add(timeout);
        loop {
            // A call under way may need a list that only a call of the host's own may ask for.
            caller_jobs::run_pending();
            let (lock, ended) = self.ended.get();
            let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
            if stop::count(&self.tenant) == 0 {
                return true;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return false;
            }
            let pause = left.unwrap_or(CLOSE_LOOKS_EVERY).min(CLOSE_LOOKS_EVERY);
            drop(ended.wait_timeout(guard, pause));
        }
    }

    /// Lets a close wait for a question to the host that outlasts the call which wants its answer.
    pub(crate) fn host_call_scope(this: &Arc<Self>) -> HostCallScope {
        let this = Arc::clone(this);
        // Also while a close waits: the calls that it waits for need the answer.
        Box::new(move |ask| this.tell(ask))
    }

    /// Tells the host by `work` what happened beside the client's calls; nothing once a close has returned.
    pub(crate) fn tell(&self, work: impl FnOnce()) {
        let tracked = TrackedWork::begin(&self.tenant);
        // Asked inside, as above.
        if !self.silent.load(Ordering::SeqCst) {
            work();
        }
        drop(tracked);
        self.note_end();
    }

    /// Asks the host by `should_stop` whether a blocking call or wait should end; no once a close has returned.
    pub(crate) fn ask(&self, should_stop: &(dyn Fn() -> bool + Send + Sync)) -> bool {
        let _tracked = TrackedWork::begin(&self.tenant);
        !self.silent.load(Ordering::SeqCst) && callback::run(should_stop)
    }
}

fn is_closed() -> Error {
    Error::new(ErrorKind::Closed, "client: is closed")
}

/// A call that was let in and has no place of its own yet.
#[derive(Debug)]
pub(crate) struct CallEntry<'a> {
    lifecycle: &'a Lifecycle,
    tracked: Option<TrackedWork>,
}

impl CallEntry<'_> {
    /// Whether the call may begin, asked once it has its place.
    ///
    /// # Errors
    /// The client is closed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match &self.tracked {
            None => self.lifecycle.check_open(),
            // A close that came meanwhile waits for it, and may have lost its patience.
            Some(tracked) if tracked.was_asked() => Err(is_closed()),
            Some(_) => Ok(()),
        }
    }
}

impl Drop for CallEntry<'_> {
    fn drop(&mut self) {
        if let Some(tracked) = self.tracked.take() {
            drop(tracked);
            self.lifecycle.note_end();
        }
    }
}

/// A call's end is told before its slot is free, so a close looks again a little later.
const CLOSE_LOOKS_EVERY: Duration = Duration::from_millis(5);

/// What calls need to end that were asked to, on a machine that is busy otherwise; mostly it is less than 1 ms. Only a
/// callback takes longer: 250 ms were too few once, on a machine whose disk was full.
const CALLS_END_WITHIN: Duration = Duration::from_secs(1);
