//! Ctrl-C in a blocking call: a signal that the host caught while its thread waited for the network.
//!
//! tokio hides EINTR, but its park hooks run right around the wait: one clears errno, the other sees what the
//! wait left there, remembers it and wakes the call that this thread drives.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::Instant;

thread_local! {
    static SEEN: Cell<bool> = const { Cell::new(false) };
    static DRIVER: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// How often a call asks whether it should stop although no signal came to this thread.
const ASK_INTERVAL: Duration = Duration::from_millis(50);

/// Lets a runtime notice signals while it waits.
pub(super) fn noticed_by(builder: &mut Builder) -> &mut Builder {
    builder.on_thread_park(platform::clear).on_thread_unpark(|| {
        if platform::was_interrupted() {
            SEEN.set(true);
            DRIVER.with_borrow(|waker| {
                if let Some(waker) = waker {
                    waker.wake_by_ref();
                }
            });
        }
    })
}

/// What one blocking call remembers between its waits.
#[derive(Debug)]
pub struct SignalWatch {
    /// When to ask next, however short each wait is; `None` where only signals are asked about. Then nothing
    /// but the network and signals wakes the thread: a signal that comes while it runs leaves no trace.
    ask_at: Option<Mutex<Instant>>,
}

impl SignalWatch {
    /// Begins to watch on this thread, also by the clock where `asks`; signals that came before do not count.
    #[must_use]
    pub fn begin(asks: bool) -> Self {
        SEEN.set(false);
        Self { ask_at: asks.then(|| Mutex::new(Instant::now() + ASK_INTERVAL)) }
    }

    /// Runs `work`, which the caller has pinned and drops, until it ends or `should_stop` says yes, which is
    /// asked after each caught signal (then with `true`) and by the clock at least every 50 ms. `None` where
    /// it was stopped.
    pub async fn over<W: Future + Unpin>(
        &self,
        mut work: W,
        should_stop: impl Fn(bool) -> bool,
    ) -> Option<W::Output> {
        let _registered = Registered;
        let mut alarm = pin!(self.ask_at().map(tokio::time::sleep_until));
        poll_fn(|cx| {
            DRIVER.set(Some(cx.waker().clone()));
            let signalled = SEEN.replace(false);
            if (signalled || self.is_due()) && should_stop(signalled) {
                return Poll::Ready(None);
            }
            if let (Some(mut alarm), Some(at)) = (alarm.as_mut().as_pin_mut(), self.ask_at()) {
                alarm.as_mut().reset(at);
                let _ = alarm.poll(cx);
            }
            Pin::new(&mut work).poll(cx).map(Some)
        })
        .await
    }

    fn ask_at(&self) -> Option<Instant> {
        self.ask_at.as_ref().map(|at| *at.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the clock says to ask; the next time is an interval later.
    fn is_due(&self) -> bool {
        let Some(at) = &self.ask_at else {
            return false;
        };
        let (mut at, now) = (at.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        let due = now >= *at;
        if due {
            *at = now + ASK_INTERVAL;
        }
        due
    }
}

struct Registered;

impl Drop for Registered {
    fn drop(&mut self) {
        DRIVER.set(None);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    fn run<F: Future>(work: F) -> F::Output {
        let mut builder = Builder::new_current_thread();
        noticed_by(&mut builder).enable_time().build().unwrap().block_on(work)
    }

    #[test]
    fn a_wait_that_no_signal_ends_is_asked_about_by_the_clock() {
        let watch = SignalWatch::begin(true);
        assert_eq!(run(watch.over(pending::<()>(), |signalled| !signalled)), None);
    }

    #[test]
    fn nobody_is_asked_where_only_signals_count_and_none_came() {
        let watch = SignalWatch::begin(false);
        assert_eq!(run(watch.over(ready(7), |_| true)), Some(7));
    }
}
