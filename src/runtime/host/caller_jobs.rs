//! Jobs that only the host's own library calls may run, as they ask its functions: see `callbacks = caller`.
//!
//! A host with one thread starts calls and then waits in the library for their end. The function that tells its list must
//! run on that thread, so that such a wait is cut into slices as long as there may be a job of that kind.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::process::PerProcess;
use super::callback;

static JOBS: PerProcess<CallerJobs> = PerProcess::new();

#[derive(Default)]
struct CallerJobs {
    pending: AtomicUsize,
    all: Mutex<Vec<CallerJob>>,
}

struct CallerJob {
    /// Whose it is: each has one.
    owner: usize,
    run: Box<dyn FnOnce() + Send>,
}

/// Whether there may be a job.
static IS_ENABLED: AtomicBool = AtomicBool::new(false);

/// There may be one, from now on.
pub fn enable() {
    IS_ENABLED.store(true, Ordering::Relaxed);
}

/// `owner` wants `run` to be done, in place of what it wanted before and is not done yet: that may have been answered
/// otherwise meanwhile, where this is not.
pub fn submit(owner: usize, run: impl FnOnce() + Send + 'static) {
    JOBS.get().put(CallerJob { owner, run: Box::new(run) });
}

impl CallerJobs {
    fn put(&self, job: CallerJob) {
        let mut all = self.lock();
        match all.iter_mut().find(|before| before.owner == job.owner) {
            Some(before) => *before = job,
            None => all.push(job),
        }
        self.pending.store(all.len(), Ordering::Release);
    }

    fn take(&self) -> Vec<CallerJob> {
        let mut all = self.lock();
        self.pending.store(0, Ordering::Release);
        std::mem::take(&mut *all)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<CallerJob>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the jobs that wait, on this thread, which is inside a library call of the host's.
pub fn run_pending() {
    let Some(jobs) = JOBS.existing() else { return };
    if jobs.pending.load(Ordering::Acquire) == 0 || callback::is_in_callback() {
        return;
    }
    jobs.take().into_iter().for_each(|job| (job.run)());
}

/// Waits up to `timeout` by `wait`, and runs jobs meanwhile where there may be any.
pub fn run_while_waiting<T>(timeout: Duration, wait: impl Fn(Duration) -> Option<T>) -> Option<T> {
    if !IS_ENABLED.load(Ordering::Relaxed) {
        return wait(timeout);
    }
    let until = Instant::now().checked_add(timeout);
    loop {
        run_pending();
        let left = until.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
        let begun = Instant::now();
        let found = wait(left.min(SLICE));
        // One that ends before its time found something else.
        if found.is_some() || left <= SLICE || begun.elapsed() < SLICE {
            return found;
        }
    }
}

/// As long as this a call waits for its list beside what its provider takes.
const SLICE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_last_job_of_an_owner_is_run() {
        let (jobs, done) = (CallerJobs::default(), Arc::new(Mutex::new(Vec::new())));
        for (owner, name) in [(1, "one, before"), (2, "two"), (1, "one")] {
            let done = Arc::clone(&done);
            jobs.put(CallerJob { owner, run: Box::new(move || done.lock().unwrap().push(name)) });
        }
        assert_eq!(jobs.pending.load(Ordering::Acquire), 2);
        jobs.take().into_iter().for_each(|job| (job.run)());
        assert_eq!(*done.lock().unwrap(), ["one", "two"]);
        assert!(jobs.take().is_empty());
    }
}
