//! A few library threads for work that blocks and cannot be cut short.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::host::panics;
use super::signal;

/// Threads that start when there is work, up to a number, and end when there was none for a while.
#[derive(Clone)]
pub struct Workers(Arc<Shared>);

struct Shared {
    /// What the threads are called, before their number.
    name: &'static str,
    most: usize,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

type Job = Box<dyn FnOnce() + Send>;

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers").finish_non_exhaustive()
    }
}

impl Workers {
    /// At most `most` threads called `name`.
    #[must_use]
    pub fn new(name: &'static str, most: usize) -> Self {
        Self(Arc::new(Shared { name, most, state: Mutex::default(), work: Condvar::new() }))
    }

    /// Has `job` done by one of the threads, after those that were given before.
    ///
    /// # Errors
    /// There is no thread and none can be made, or [`MOST_WAITING`] jobs wait; the job is dropped.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = self.0.lock();
        if state.queue.len() >= MOST_WAITING {
            return Err(io::Error::other("too many jobs wait"));
        }
        if state.idle <= state.queue.len() && state.threads < self.0.most {
            match self.start(state.threads) {
                Ok(()) => state.threads += 1,
                Err(error) if state.threads == 0 => return Err(error),
                Err(_) => {}
            }
        }
        state.queue.push_back(Box::new(job));
        drop(state);
        self.0.work.notify_one();
        Ok(())
    }

    fn start(&self, number: usize) -> io::Result<()> {
        let shared = Arc::clone(&self.0);
        let builder = std::thread::Builder::new().name(format!("{}-{number}", self.0.name));
        let builder = builder.stack_size(STACK_BYTES);
        signal::with_all_blocked(|| builder.spawn(move || shared.work())).map(drop)
    }
}

impl Shared {
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                drop(state);
                let _ = panics::caught(job);
                state = self.lock();
                continue;
            }
            state.idle += 1;
            let waited = self.work.wait_timeout(state, IDLE);
            let (next, time) = waited.unwrap_or_else(PoisonError::into_inner);
            state = next;
            state.idle -= 1;
            if time.timed_out() && state.queue.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }

    /// No job runs under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// More names at once than a client of many services asks for.
const MOST_WAITING: usize = 1024;

/// A thread that is needed once a minute is not kept.
const IDLE: Duration = Duration::from_secs(10);

/// Name service modules are the system's and may want more than our own frames.
const STACK_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    const MOST_THREADS: usize = 8;

    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn jobs_are_done_by_a_bounded_number_of_threads() {
        let (workers, (ended, end)) = (Workers::new("ahoy-test", MOST_THREADS), channel());
        let gate = Arc::new(Mutex::new(()));
        let held = gate.lock().unwrap();
        for number in 0..3 * MOST_THREADS {
            let (gate, ended) = (Arc::clone(&gate), ended.clone());
            workers
                .run(move || {
                    drop(gate.lock().unwrap_or_else(PoisonError::into_inner));
                    ended.send(number).unwrap();
                })
                .unwrap();
        }
        assert_eq!(workers.0.lock().threads, MOST_THREADS);
        drop(held);
        let mut all: Vec<_> = (0..3 * MOST_THREADS).map(|_| end.recv().unwrap()).collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..3 * MOST_THREADS));
    }

    #[test]
    fn beyond_the_bound_jobs_are_refused() {
        let workers = Workers::new("ahoy-test", MOST_THREADS);
        let gate = Arc::new(Mutex::new(()));
        let held = gate.lock().unwrap();
        let job = |gate: Arc<Mutex<()>>| move || drop(gate.lock());
        let accepted =
            (0..2 * MOST_WAITING).filter(|_| workers.run(job(Arc::clone(&gate))).is_ok());
        let accepted = accepted.count();
        assert!((MOST_WAITING..=MOST_WAITING + MOST_THREADS).contains(&accepted), "{accepted}");
        drop(held);
    }

    #[test]
    fn a_job_that_panics_takes_no_thread_with_it() {
        let (workers, (ended, end)) = (Workers::new("ahoy-test", MOST_THREADS), channel());
        for _ in 0..2 * MOST_THREADS {
            workers.run(|| panic!("a job's own")).unwrap();
        }
        workers.run(move || ended.send(()).unwrap()).unwrap();
        end.recv_timeout(Duration::from_secs(10)).unwrap();
    }
}
