//! An outage: no endpoint takes calls. Since when that is so, and the calls that wait for its end.
//!
//! A call that may wait does so only while the outage is young, as linkerd2's proxy has it (`failfast`, after three
//! seconds): a restart costs no call then, and a service that stays away holds none up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// The outage of one balancer's endpoints, if there is one.
#[derive(Debug)]
pub(crate) struct Outage {
    origin: Instant,
    /// Since when, in microseconds after the origin, plus one; zero where there is none.
    since: AtomicU64,
    /// When an endpoint was probed last before its wait was over, in microseconds after the origin.
    probed: AtomicU64,
    over: Notify,
}

impl Outage {
    pub(crate) fn new(origin: Instant) -> Self {
        Self { origin, since: AtomicU64::new(0), probed: AtomicU64::new(0), over: Notify::new() }
    }

    /// A call found no endpoint; for how long that has been so.
    pub(crate) fn note(&self, now: Instant) -> Duration {
        let at = self.micros(now);
        let noted = self.since.compare_exchange(0, at + 1, Ordering::SeqCst, Ordering::SeqCst);
        let since = noted.map_or_else(|since| since - 1, |_| at);
        Duration::from_micros(at.saturating_sub(since))
    }

    /// Whether an early probe may go, `wait` after the last one at least. One caller gets it.
    pub(crate) fn take_probe(&self, wait: Duration, now: Instant) -> bool {
        let (at, last) = (self.micros(now), self.probed.load(Ordering::SeqCst));
        let is_due = last == 0 || at.saturating_sub(last) >= wait.as_micros() as u64;
        let swap = || self.probed.compare_exchange(last, at, Ordering::SeqCst, Ordering::SeqCst);
        is_due && swap().is_ok()
    }

    /// When the next early probe may go, `wait` after the last one.
    pub(crate) fn next_probe(&self, wait: Duration) -> Instant {
        match self.probed.load(Ordering::SeqCst) {
            0 => self.origin,
            last => self.origin + Duration::from_micros(last) + wait,
        }
    }

    fn micros(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.origin).as_micros() as u64
    }

    /// Whether a call has found none since an endpoint took calls last.
    pub(crate) fn is_noted(&self) -> bool {
        self.since.load(Ordering::SeqCst) != 0
    }

    /// An endpoint takes calls: those that wait are woken. Costs a load where nobody noted an outage.
    pub(crate) fn end(&self) {
        if self.is_noted() && self.since.swap(0, Ordering::SeqCst) != 0 {
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
    use super::*;
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    fn is_ready(future: Pin<&mut impl Future<Output = ()>>) -> bool {
        future.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn it_begins_with_the_first_call_that_finds_none() {
        let now = Instant::now();
        let outage = Outage::new(now);
        assert_eq!(outage.note(now), Duration::ZERO);
        let second = Duration::from_secs(1);
        assert_eq!(outage.note(now + second), second);
        outage.end();
        assert_eq!(outage.note(now + second), Duration::ZERO);
    }

    #[test]
    fn early_probes_keep_apart() {
        let origin = Instant::now();
        let (outage, wait) = (Outage::new(origin), Duration::from_millis(25));
        let start = origin + Duration::from_secs(1);
        assert!(outage.take_probe(wait, start));
        assert!(!outage.take_probe(wait, start + wait / 2));
        assert_eq!(outage.next_probe(wait), start + wait);
        assert!(outage.take_probe(wait, start + wait));
        assert!(!outage.take_probe(wait, start + wait));
    }

    #[test]
    fn its_end_wakes_all_that_wait() {
        let outage = Outage::new(Instant::now());
        outage.note(Instant::now());
        let (mut first, mut second) = (pin!(outage.over()), pin!(outage.over()));
        assert!(!is_ready(first.as_mut()) && !is_ready(second.as_mut()));
        outage.end();
        assert!(is_ready(first) && is_ready(second));
    }
}
