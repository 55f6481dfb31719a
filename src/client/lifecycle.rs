//! Whether a client is open, and what of it is under way: calls, and work beside them that calls its host.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::balancer::provider::HostCallScope;
use crate::error::{Error, ErrorKind};
use crate::runtime::attachment::Tenant;
use crate::runtime::host::{callback, caller_jobs};
use crate::runtime::stop::{Reason, TrackedWork};
use crate::runtime::{io_thread, stop};

/// The life of one client.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    pub(crate) tenant: Tenant,
    closed: AtomicBool,
    /// A close has returned: no callback of the client runs any more.
    silent: AtomicBool,
    /// Tells a close that a call has ended.
    ended: (Mutex<()>, Condvar),
}

impl Lifecycle {
    pub(crate) fn new() -> Self {
        Self {
            tenant: Tenant::new(),
            closed: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            ended: Default::default(),
        }
    }

    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Closed, "client: is closed"));
        }
        Ok(())
    }

    /// A call has ended: a close may be waiting for it.
    pub(crate) fn note_end(&self) {
        if self.closed.load(Ordering::Relaxed) {
            self.ended.1.notify_all();
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
            let guard = self.ended.0.lock().unwrap_or_else(PoisonError::into_inner);
            if stop::count(&self.tenant) == 0 {
                return true;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return false;
            }
            let pause = left.unwrap_or(CLOSE_LOOKS_EVERY).min(CLOSE_LOOKS_EVERY);
            drop(self.ended.1.wait_timeout(guard, pause));
        }
    }

    /// Lets a close wait for `work`, which calls the host outside of a call's own place.
    ///
    /// # Errors
    /// The client is closed, and nothing was done.
    pub(crate) fn track<R>(&self, work: impl FnOnce() -> R) -> Result<R, Error> {
        let tracked = TrackedWork::begin(&self.tenant);
        // Asked inside: a close sees this work, or this sees the close.
        self.check_open()?;
        let result = work();
        drop(tracked);
        self.note_end();
        Ok(result)
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

/// A call's end is told before its slot is free, so a close looks again a little later.
const CLOSE_LOOKS_EVERY: Duration = Duration::from_millis(5);

/// What calls need to end that were asked to, on a machine that is busy otherwise; mostly it is less than 1 ms. Only a
/// callback takes longer: 250 ms were too few once, on a machine whose disk was full.
const CALLS_END_WITHIN: Duration = Duration::from_secs(1);
