//! Waits on the calling thread for what another thread brings about, without a runtime: no timer of another thread is
//! needed, and no descriptor. A signal that the host catches ends no such wait: see [`super::shard::wait`].

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// Waits up to `timeout` for `work`, which a waker wakes; `None` when the time is up.
pub fn wait<F: Future>(work: F, timeout: Duration) -> Option<F::Output> {
    let mut work = pin!(work);
    let until = Instant::now().checked_add(timeout);
    let thread = Arc::new(ThreadWaker::default());
    let waker = Waker::from(Arc::clone(&thread));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = work.as_mut().poll(&mut cx) {
            return Some(output);
        }
        if !thread.wait(until) {
            return None;
        }
    }
}

/// Wakes the thread that waits.
#[derive(Default)]
struct ThreadWaker {
    is_woken: Mutex<bool>,
    woken: Condvar,
}

impl ThreadWaker {
    /// False when the time is up first.
    fn wait(&self, until: Option<Instant>) -> bool {
        let mut is_woken = self.is_woken.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_woken {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            is_woken = match left {
                Some(left) if left.is_zero() => return false,
                Some(left) => {
                    self.woken
                        .wait_timeout(is_woken, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self.woken.wait(is_woken).unwrap_or_else(PoisonError::into_inner),
            };
        }
        *is_woken = false;
        true
    }
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.is_woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.woken.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use tokio::sync::Notify;

    #[test]
    fn it_ends_with_the_work_or_with_the_time() {
        assert_eq!(wait(ready(7), Duration::ZERO), Some(7));
        assert_eq!(wait(pending::<()>(), Duration::from_millis(5)), None);
        let notify = Arc::new(Notify::new());
        let other = Arc::clone(&notify);
        let thread = std::thread::spawn(move || other.notify_one());
        assert_eq!(wait(notify.notified(), Duration::MAX), Some(()));
        thread.join().unwrap();
    }
}
