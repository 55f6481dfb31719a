//! The ending of an asynchronous call: told by the one task that carries it, and handed out once.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::client::body::streaming::Delivery;
use crate::error::{Error, ErrorKind};
use crate::runtime::host::callback;
use crate::runtime::stop::{Reason, Stop};
use crate::runtime::sync::{Mutex, MutexGuard, Notify};

/// How a call ended.
pub type Outcome = Result<Delivery, Error>;

/// Takes a call's outcome on the I/O thread that finished it.
pub type OutcomeCallback = Box<dyn FnOnce(Outcome) + Send>;

/// The ending of one call.
#[derive(Default)]
pub struct Completion {
    state: Mutex<State>,
    finished: Notify,
    stop: Arc<Stop>,
}

#[derive(Default)]
#[allow(clippy::large_enum_variant, reason = "the large one is what every call comes to")]
enum State {
    #[default]
    Running,
    /// A callback waits for the outcome.
    Promised(OutcomeCallback),
    Finished(Outcome),
    Taken,
}

impl std::fmt::Debug for Completion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match &*self.lock() {
            State::Running => "running",
            State::Promised(_) => "promised",
            State::Finished(_) => "finished",
            State::Taken => "taken",
        };
        f.debug_tuple("Completion").field(&state).finish()
    }
}

impl Completion {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the call early.
    #[must_use]
    pub fn stop(&self) -> &Arc<Stop> {
        &self.stop
    }

    /// Asks the call, or the streamed body that it handed over, to end with `Cancelled`; a call still
    /// completes, once.
    pub fn cancel(&self) {
        self.stop.ask(Reason::Cancelled);
    }

    /// Whether only the call's own handle could get the outcome.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(*self.lock(), State::Running | State::Finished(_))
    }

    /// The call's end; only its task says so, and only once.
    pub(crate) fn finish(&self, outcome: Outcome) {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Promised(taker) => {
                drop(state);
                callback::run(|| taker(outcome));
            }
            State::Running => {
                *state = State::Finished(outcome);
                drop(state);
                self.finished.notify_waiters();
                self.finished.notify_one();
            }
            ended @ (State::Finished(_) | State::Taken) => *state = ended,
        }
    }

    /// Hands the outcome to `taker` when the call ends. Where it has ended, the outcome comes back with the
    /// taker, to be called on an I/O thread.
    ///
    /// # Errors
    /// The outcome was handed out, or promised, before.
    pub fn promise(
        &self,
        taker: OutcomeCallback,
    ) -> Result<Option<(OutcomeCallback, Outcome)>, Error> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Running => {
                *state = State::Promised(taker);
                Ok(None)
            }
            State::Finished(outcome) => Ok(Some((taker, outcome))),
            ended @ (State::Promised(_) | State::Taken) => {
                *state = ended;
                Err(taken())
            }
        }
    }

    /// Waits for the outcome; `None` when the time is up, and the call goes on.
    ///
    /// # Errors
    /// The outcome was handed out, or promised, before.
    pub async fn wait(&self, timeout: Duration) -> Result<Option<Outcome>, Error> {
        match tokio::time::timeout(timeout, self.outcome()).await {
            Ok(outcome) => outcome.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// The outcome, once the call has ended.
    ///
    /// # Errors
    /// As for [`Self::wait`].
    pub async fn outcome(&self) -> Result<Outcome, Error> {
        loop {
            // Before the look, or an end between the look and the wait would go unheard.
            let finished = self.finished.notified();
            if let Some(outcome) = self.poll()? {
                return Ok(outcome);
            }
            finished.await;
        }
    }

    /// The outcome, where the call has ended.
    ///
    /// # Errors
    /// The outcome was handed out, or promised, before.
    pub fn poll(&self) -> Result<Option<Outcome>, Error> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Finished(outcome) => Ok(Some(outcome)),
            State::Running => {
                *state = State::Running;
                Ok(None)
            }
            ended @ (State::Promised(_) | State::Taken) => {
                *state = ended;
                Err(taken())
            }
        }
    }
}

fn taken() -> Error {
    Error::new(
        ErrorKind::InUse,
        "call: its result is handed out once, and was or will be elsewhere",
    )
}

/// Makes sure that a call ends although its task panics or is dropped.
#[derive(Debug)]
pub(crate) struct Finisher<F: FnOnce(Outcome)>(Option<F>);

impl<F: FnOnce(Outcome)> Finisher<F> {
    pub(crate) fn new(finish: F) -> Self {
        Self(Some(finish))
    }

    pub(crate) fn finish(mut self, outcome: Outcome) {
        if let Some(finish) = self.0.take() {
            finish(outcome);
        }
    }
}

impl<F: FnOnce(Outcome)> Drop for Finisher<F> {
    fn drop(&mut self) {
        if let Some(finish) = self.0.take() {
            let message = "a defect of libahoy: the call's task ended without an outcome";
            finish(Err(Error::new(ErrorKind::Internal, message)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Outcome {
        Err(Error::new(ErrorKind::Connect, "x"))
    }

    #[tokio::test]
    async fn the_outcome_is_handed_out_once() {
        let completion = Completion::default();
        assert!(completion.wait(Duration::ZERO).await.unwrap().is_none());
        completion.finish(failed());
        assert!(completion.wait(Duration::MAX).await.unwrap().is_some());
        assert_eq!(completion.wait(Duration::MAX).await.unwrap_err().kind(), ErrorKind::InUse);
        assert!(completion.promise(Box::new(|_| {})).is_err());
    }

    #[tokio::test]
    async fn a_promise_is_kept_when_the_call_ends() {
        let completion = Completion::default();
        let (told, heard) = std::sync::mpsc::channel();
        let promised =
            completion.promise(Box::new(move |outcome| told.send(outcome.is_err()).unwrap()));
        assert!(promised.unwrap().is_none() && !completion.is_open());
        assert!(completion.wait(Duration::MAX).await.is_err());
        completion.finish(failed());
        completion.finish(failed());
        assert_eq!(heard.iter().collect::<Vec<_>>(), [true]);
    }

    #[tokio::test]
    async fn all_waiters_are_woken_and_one_takes() {
        let completion = Arc::new(Completion::default());
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let completion = Arc::clone(&completion);
                tokio::spawn(async move { completion.wait(Duration::MAX).await.is_ok() })
            })
            .collect();
        tokio::task::yield_now().await;
        completion.finish(failed());
        let mut takers = 0;
        for waiter in waiters {
            takers += usize::from(waiter.await.unwrap());
        }
        assert_eq!(takers, 1);
    }

    #[test]
    fn a_task_that_vanishes_still_ends_its_call() {
        let (told, heard) = std::sync::mpsc::channel();
        drop(Finisher::new(move |outcome: Outcome| {
            told.send(outcome.unwrap_err().kind()).unwrap()
        }));
        assert_eq!(heard.recv(), Ok(ErrorKind::Internal));
    }
}

/// Every order in which the task, its canceller and the takers of the outcome can meet.
#[cfg(all(test, ahoy_loom))]
mod loom_tests {
    use super::*;
    use loom::future::block_on;
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::thread;
    use std::future::pending;
    use std::pin::pin;

    fn failed() -> Outcome {
        Err(Error::new(ErrorKind::Connect, "x"))
    }

    /// Counts the outcomes that a callback was given.
    fn counter(told: &Arc<AtomicUsize>) -> OutcomeCallback {
        let told = Arc::clone(told);
        Box::new(move |_| {
            told.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn polled(completion: &Completion) -> usize {
        usize::from(matches!(completion.poll(), Ok(Some(_))))
    }

    /// As `ahoy_call_on_done` does it: on a call that has ended, the taker is called at once.
    fn promised(completion: &Completion, told: &Arc<AtomicUsize>) {
        if let Ok(Some((taker, outcome))) = completion.promise(counter(told)) {
            taker(outcome);
        }
    }

    #[test]
    fn loom_a_poll_a_promise_and_the_end_leave_one_taker() {
        loom::model(|| {
            let (completion, told) = (Arc::new(Completion::default()), Arc::default());
            let task = {
                let completion = Arc::clone(&completion);
                thread::spawn(move || completion.finish(failed()))
            };
            let poller = {
                let completion = Arc::clone(&completion);
                thread::spawn(move || polled(&completion))
            };
            promised(&completion, &told);
            task.join().unwrap();
            let polled = poller.join().unwrap();
            assert_eq!(polled + told.load(Ordering::Relaxed), 1);
            assert!(completion.poll().is_err(), "nothing is left");
        });
    }

    #[test]
    fn loom_of_two_promises_one_is_kept() {
        loom::model(|| {
            let (completion, told) = (Arc::new(Completion::default()), Arc::default());
            let task = {
                let completion = Arc::clone(&completion);
                thread::spawn(move || completion.finish(failed()))
            };
            let other = {
                let (completion, told) = (Arc::clone(&completion), Arc::clone(&told));
                thread::spawn(move || promised(&completion, &told))
            };
            promised(&completion, &told);
            task.join().unwrap();
            other.join().unwrap();
            assert_eq!(told.load(Ordering::Relaxed), 1);
        });
    }

    #[test]
    fn loom_two_waiters_are_woken_and_one_takes() {
        let mut model = loom::model::Builder::new();
        // Three threads that park have too many orders to run them all.
        model.preemption_bound = Some(2);
        model.check(|| {
            let completion = Arc::new(Completion::default());
            let task = {
                let completion = Arc::clone(&completion);
                thread::spawn(move || completion.finish(failed()))
            };
            let other = {
                let completion = Arc::clone(&completion);
                thread::spawn(move || usize::from(block_on(completion.outcome()).is_ok()))
            };
            let own = usize::from(block_on(completion.outcome()).is_ok());
            task.join().unwrap();
            assert_eq!(own + other.join().unwrap(), 1);
        });
    }

    #[test]
    fn loom_a_cancel_reaches_the_task_and_its_waiter() {
        loom::model(|| {
            let completion = Arc::new(Completion::default());
            let task = {
                let completion = Arc::clone(&completion);
                thread::spawn(move || {
                    let ended = block_on(completion.stop().or(pin!(pending::<()>())));
                    assert_eq!(ended, Err(Reason::Cancelled));
                    completion.finish(failed());
                })
            };
            completion.cancel();
            assert!(block_on(completion.outcome()).is_ok());
            task.join().unwrap();
        });
    }

    #[test]
    fn loom_a_cancel_that_races_the_end_leaves_one_outcome() {
        loom::model(|| {
            let completion = Arc::new(Completion::default());
            let task = {
                let completion = Arc::clone(&completion);
                thread::spawn(move || {
                    let work = async { thread::yield_now() };
                    let _ended = block_on(completion.stop().or(pin!(work)));
                    completion.finish(failed());
                })
            };
            completion.cancel();
            let early = polled(&completion);
            task.join().unwrap();
            assert_eq!(early + polled(&completion), 1);
        });
    }
}
