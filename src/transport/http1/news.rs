//! What happened to connections at rest, as their runtime tells it.
//!
//! No exchange waits for a connection at rest. To ask each of ten thousand in turn means as many waits for memory, for
//! hardly any has changed. So a waker is left with each where the runtime is driven always: it notes the endpoint whose
//! connections are to be looked at.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// The keys of endpoints at whose resting connections something happened.
#[derive(Debug, Default)]
pub(super) struct News(Mutex<Vec<usize>>);

impl News {
    /// What happened since this was last asked.
    pub(super) fn take(&self) -> Vec<usize> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, key: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(key);
    }
}

/// Woken by the connections of one endpoint.
#[derive(Debug)]
pub(super) struct Listener {
    key: usize,
    has_told: AtomicBool,
    news: Arc<News>,
}

impl Listener {
    pub(super) fn new(key: usize, news: &Arc<News>) -> Arc<Self> {
        Arc::new(Self { key, has_told: AtomicBool::new(false), news: Arc::clone(news) })
    }

    /// A waker for connections that are looked at now: what happens from here on is told.
    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        self.has_told.store(false, Ordering::SeqCst);
        Waker::from(Arc::clone(self))
    }
}

impl Wake for Listener {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.has_told.swap(true, Ordering::SeqCst) {
            self.news.tell(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_told_once_until_it_is_looked_at() {
        let news = Arc::new(News::default());
        let (one, other) = (Listener::new(1, &news), Listener::new(2, &news));
        let wakers = [one.waker(), one.waker(), other.waker()];
        wakers.iter().for_each(Waker::wake_by_ref);
        assert_eq!(news.take(), [1, 2]);
        wakers[0].wake_by_ref();
        assert!(news.take().is_empty(), "not looked at yet");
        one.waker().wake();
        assert_eq!(news.take(), [1]);
    }
}
