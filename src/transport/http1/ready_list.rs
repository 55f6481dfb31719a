//! Which idle connections have something to read, as their runtime tells it: as epoll's ready list does of sockets.
//!
//! No exchange waits for an idle connection. To ask each of ten thousand in turn means as many waits for memory, for
//! hardly any has changed. So a waker is left with each where the runtime is driven always: it notes the endpoint whose
//! connections are to be looked at.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// The keys of endpoints with an idle connection that its peer has closed, or has sent something over.
#[derive(Debug, Default)]
pub(super) struct ReadyList(Mutex<Vec<usize>>);

impl ReadyList {
    /// What happened since this was last asked.
    pub(super) fn take(&self) -> Vec<usize> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, key: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(key);
    }
}

/// Woken by the idle connections of one endpoint, which it puts on the list.
#[derive(Debug)]
pub(super) struct EndpointWaker {
    key: usize,
    is_listed: AtomicBool,
    ready_list: Arc<ReadyList>,
}

impl EndpointWaker {
    pub(super) fn new(key: usize, ready_list: &Arc<ReadyList>) -> Arc<Self> {
        Arc::new(Self {
            key,
            is_listed: AtomicBool::new(false),
            ready_list: Arc::clone(ready_list),
        })
    }

    /// A waker for connections that are looked at now: what happens from here on is told.
    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        self.is_listed.store(false, Ordering::SeqCst);
        Waker::from(Arc::clone(self))
    }
}

impl Wake for EndpointWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_listed.swap(true, Ordering::SeqCst) {
            self.ready_list.tell(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_told_once_until_it_is_looked_at() {
        let ready_list = Arc::new(ReadyList::default());
        let (one, other) = (EndpointWaker::new(1, &ready_list), EndpointWaker::new(2, &ready_list));
        let wakers = [one.waker(), one.waker(), other.waker()];
        wakers.iter().for_each(Waker::wake_by_ref);
        assert_eq!(ready_list.take(), [1, 2]);
        wakers[0].wake_by_ref();
        assert!(ready_list.take().is_empty(), "not looked at yet");
        one.waker().wake();
        assert_eq!(ready_list.take(), [1]);
    }
}
