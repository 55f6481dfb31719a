//! Where exchanges wait for a connection while this process is short of what one takes: descriptors, mostly.
//!
//! HAProxy has such a queue as well, before the number of connections that it reckons from the process's limit. Here the
//! limit is the host's too, so that what it leaves is only known once it is reached.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, Notify};
use tokio::time::timeout;

/// The queue before one pool's connections.
#[derive(Debug, Default)]
pub(super) struct ShortageQueue {
    /// The first of those that wait has it.
    turn: Mutex<()>,
    waiting: AtomicUsize,
    /// A connection came back to the pool.
    returned: Notify,
}

impl ShortageQueue {
    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits until all that came before have a connection, or gave up.
    pub(super) async fn turn(&self) -> Turn<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(self);
        Turn { _first: self.turn.lock().await, _waiting: waiting }
    }

    /// Waits until a connection came back, or it is time to look whether something else came free.
    pub(super) async fn returned(&self) {
        let _ = timeout(LOOK_AGAIN, self.returned.notified()).await;
    }

    /// A connection came back.
    pub(super) fn note_returned(&self) {
        if self.waiting() > 0 {
            self.returned.notify_one();
        }
    }
}

/// The first place in the queue.
pub(super) struct Turn<'a> {
    _first: MutexGuard<'a, ()>,
    _waiting: Waiting<'a>,
}

struct Waiting<'a>(&'a ShortageQueue);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Connections that are closed after their use, and descriptors of others, come free unsaid. One exchange of a pool looks,
/// which takes some microseconds.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn is_ready<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
        match std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn those_that_wait_take_turns_in_their_order() {
        let queue = ShortageQueue::default();
        let first = queue.turn().await;
        let (mut second, mut third) = (pin!(queue.turn()), pin!(queue.turn()));
        assert!(is_ready(&mut second).is_none() && is_ready(&mut third).is_none());
        assert_eq!(queue.waiting(), 3);
        drop(first);
        assert!(is_ready(&mut third).is_none());
        let second = is_ready(&mut second).unwrap();
        assert_eq!(queue.waiting(), 2);
        drop(second);
        assert!(is_ready(&mut third).is_some());
        assert_eq!(queue.waiting(), 0);
    }

    #[tokio::test]
    async fn one_that_gives_up_makes_way() {
        let queue = ShortageQueue::default();
        let first = queue.turn().await;
        {
            let mut second = pin!(queue.turn());
            assert!(is_ready(&mut second).is_none());
        }
        assert_eq!(queue.waiting(), 1);
        drop(first);
        drop(queue.turn().await);
    }

    #[tokio::test]
    async fn a_return_is_told_to_the_one_that_waits_and_kept_for_the_next() {
        let queue = ShortageQueue::default();
        // Nobody waits: nothing is kept.
        queue.note_returned();
        let _turn = queue.turn().await;
        let mut returned = pin!(queue.returned());
        assert!(is_ready(&mut returned).is_none());
        queue.note_returned();
        assert!(is_ready(&mut returned).is_some());
    }
}
