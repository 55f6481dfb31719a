//! An outage: no endpoint takes calls. Since when that is so, and the calls that wait for its end.
//!
//! A call that may wait does so only while the outage is young, as linkerd2's proxy has it (`failfast`, after three
//! seconds): a restart costs no call then, and a service that stays away holds none up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// The outage of one balancer's endpoints, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    is_noted: AtomicBool,
    since: Mutex<Option<Instant>>,
    over: Notify,
}

impl Outage {
    /// A call that may wait found no endpoint; since when that has been so.
    pub(crate) fn note(&self, now: Instant) -> Instant {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_noted.store(true, Ordering::SeqCst);
        *since.get_or_insert(now)
    }

    /// An endpoint takes calls: those that wait are woken. Costs a load where nobody noted an outage.
    pub(crate) fn end(&self) {
        if self.is_noted.load(Ordering::SeqCst) {
            let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
            self.is_noted.store(false, Ordering::SeqCst);
            *since = None;
            self.over.notify_waiters();
        }
    }

    /// Ready once an endpoint takes calls, from the first poll on.
    pub(crate) fn over(&self) -> Notified<'_> {
        self.over.notified()
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use super::*;

    fn is_ready(future: Pin<&mut impl Future<Output = ()>>) -> bool {
        future.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn it_begins_with_the_first_call_that_finds_none() {
        let (outage, now) = (Outage::default(), Instant::now());
        assert_eq!(outage.note(now), now);
        let later = now + Duration::from_secs(1);
        assert_eq!(outage.note(later), now);
        outage.end();
        assert_eq!(outage.note(later), later);
    }

    #[test]
    fn its_end_wakes_all_that_wait() {
        let outage = Outage::default();
        outage.note(Instant::now());
        let (mut first, mut second) = (pin!(outage.over()), pin!(outage.over()));
        assert!(!is_ready(first.as_mut()) && !is_ready(second.as_mut()));
        outage.end();
        assert!(is_ready(first) && is_ready(second));
    }
}
