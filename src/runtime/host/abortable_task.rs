//! Work that an I/O thread drives, held so that it can be given up where its thread is lost.

#![allow(unsafe_code, reason = "the work is polled where it lies, in memory that is shared")]

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use super::lost::ThreadCleanup;

/// A piece of work, and the function that is told when it is given up.
///
/// Locked while the work is polled. A thread that is lost inside a poll never unlocks it: that one piece stays as it is.
pub(in crate::runtime) struct AbortableTask<W, T> {
    work: Mutex<Option<W>>,
    tell: T,
}

impl<W, T> AbortableTask<W, T> {
    pub(in crate::runtime) fn new(work: W, tell: T) -> Arc<Self> {
        Arc::new(Self { work: Mutex::new(Some(work)), tell })
    }

    fn lock(&self) -> MutexGuard<'_, Option<W>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W, T> AbortableTask<W, T>
where
    W: Future<Output = ()>,
{
    /// Drives the work until it ends or is given up.
    pub(in crate::runtime) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut work = self.lock();
        let Some(own) = work.as_mut() else {
            return Poll::Ready(());
        };
        // SAFETY: the work stays at its place, inside of what an `Arc` owns, until it drops there.
        let polled = unsafe { Pin::new_unchecked(own) }.poll(cx);
        if polled.is_ready() {
            *work = None;
        }
        polled
    }
}

impl<W: Send, T: Fn() + Send + Sync> ThreadCleanup for AbortableTask<W, T> {
    /// Tells that the work ends here, and drops it where it is not being polled.
    fn thread_is_lost(&self) {
        (self.tell)();
        if let Ok(mut work) = self.work.try_lock() {
            *work = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Waker;

    #[test]
    fn work_that_is_given_up_is_told_and_dropped() {
        let told = Arc::new(AtomicUsize::new(0));
        let (held, tell) = (Arc::new(()), Arc::clone(&told));
        let kept = Arc::clone(&held);
        let work = async move {
            pending::<()>().await;
            drop(kept);
        };
        let abortable = AbortableTask::new(work, move || {
            tell.fetch_add(1, Ordering::Relaxed);
        });
        let mut cx = Context::from_waker(Waker::noop());
        assert!(abortable.poll(&mut cx).is_pending());
        assert_eq!(Arc::strong_count(&held), 2);
        abortable.thread_is_lost();
        assert_eq!((Arc::strong_count(&held), told.load(Ordering::Relaxed)), (1, 1));
        assert!(abortable.poll(&mut cx).is_ready());
    }
}
