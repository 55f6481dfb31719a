//! A completion queue: calls end on it, and one descriptor tells an event loop that some have.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::completion::Outcome;
use crate::client::observe::event_record::EventRecord;
use crate::error::{Error, ErrorKind};
use crate::runtime::readiness::{PendingRaise, Readiness};
use crate::runtime::socket::Descriptor;
use crate::runtime::stop::{Reason, Stop};
use crate::runtime::sync::{Mutex, MutexGuard};

/// Bound on calls in flight plus outcomes not yet read: a host that submits and never reads must not take all
/// memory.
const MOST: usize = 65_536;

/// Bound on events not yet read, beside the other one: some minutes of trouble of a large service. About 300 KB.
const MOST_EVENTS: usize = 1_024;

/// What comes on a queue.
#[derive(Debug)]
pub struct QueueEvent {
    /// The number that the host gave with what has ended.
    pub tag: u64,
    /// What it is.
    pub event: QueueEventKind,
}

/// What the host is told of.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are calls, which a box would only slow down"
)]
pub enum QueueEventKind {
    /// A call has ended with this outcome.
    Call(Outcome),
    /// There is something to read of a streamed body.
    Readable,
    /// The reader freed the streamed body first.
    Freed,
}

/// The duty to tell a queue once that there is something to read.
#[derive(Debug)]
pub struct ReadableNotice {
    queue: Arc<Queue>,
    tag: u64,
    stop: Arc<Stop>,
    told: bool,
}

impl ReadableNotice {
    /// Tells the queue that there is something to read, or that the reader freed the body.
    pub fn tell(mut self, readable: bool) {
        self.told = true;
        let event = if readable { QueueEventKind::Readable } else { QueueEventKind::Freed };
        self.queue.complete(self.tag, &self.stop, event);
    }
}

impl Drop for ReadableNotice {
    fn drop(&mut self) {
        if !self.told {
            self.queue.retract(self.tag, &self.stop);
        }
    }
}

/// Calls in flight, and those that have ended and wait to be read.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    readiness: Readiness,
}

#[derive(Debug, Default)]
struct State {
    ended: VecDeque<QueueEvent>,
    running: HashMap<u64, Vec<Arc<Stop>>>,
    running_count: usize,
    /// Freed: what ends from now on is discarded.
    discarding: bool,
    /// Events that wait to be read, the oldest first.
    events: VecDeque<EventRecord>,
    /// How many were lost since nobody read them.
    lost: u64,
}

impl Queue {
    /// An empty queue.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub fn new() -> io::Result<Self> {
        Ok(Self { state: Mutex::default(), readiness: Readiness::new()? })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Readable while an ended call waits to be read.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        self.readiness.descriptor()
    }

    /// Notes a call that will end here.
    ///
    /// # Errors
    /// The bound on calls in flight plus unread outcomes is reached.
    pub(crate) fn enter(&self, tag: u64, stop: Arc<Stop>) -> Result<(), Error> {
        let mut state = self.lock();
        if state.running_count + state.ended.len() >= MOST {
            let message = format!("queue: {MOST} calls are in flight or unread");
            return Err(Error::new(ErrorKind::Overloaded, message));
        }
        state.running_count += 1;
        state.running.entry(tag).or_default().push(stop);
        Ok(())
    }

    /// Notes that a streamed body, which `stop` ends, will be readable.
    ///
    /// # Errors
    /// The bound on calls in flight plus unread outcomes is reached.
    pub fn expect_readable(
        self: &Arc<Self>,
        tag: u64,
        stop: &Arc<Stop>,
    ) -> Result<ReadableNotice, Error> {
        self.enter(tag, Arc::clone(stop))?;
        Ok(ReadableNotice { queue: Arc::clone(self), tag, stop: Arc::clone(stop), told: false })
    }

    /// A call that was noted has ended.
    pub(crate) fn finish(&self, tag: u64, stop: &Arc<Stop>, outcome: Outcome) {
        self.complete(tag, stop, QueueEventKind::Call(outcome));
    }

    fn complete(&self, tag: u64, stop: &Arc<Stop>, event: QueueEventKind) {
        let mut state = self.lock();
        // It has left the queue before.
        if !state.leave(tag, stop) || state.discarding {
            return;
        }
        let raise = state.is_empty().then(|| self.readiness.begin_raise());
        state.ended.push_back(QueueEvent { tag, event });
        drop(state);
        self.raise(raise);
    }

    fn raise(&self, begun: Option<PendingRaise>) {
        if let Some(begun) = begun {
            self.readiness.raise(begun);
        }
    }

    /// An event has come; where too many wait, the oldest one is lost.
    pub(crate) fn push_event(&self, event: EventRecord) {
        let mut state = self.lock();
        if state.discarding {
            return;
        }
        let raise = state.is_empty().then(|| self.readiness.begin_raise());
        let oldest = match state.events.len() < MOST_EVENTS {
            true => None,
            false => state.events.pop_front(),
        };
        state.lost += u64::from(oldest.is_some());
        state.events.push_back(event);
        drop(state);
        self.raise(raise);
    }

    /// The oldest event; none when the time is up, or a call has ended first.
    #[must_use]
    pub fn next_event(&self, timeout: Duration) -> Option<EventRecord> {
        self.wait_for(timeout, || self.take_event())
    }

    fn take_event(&self) -> Option<EventRecord> {
        let mut state = self.lock();
        let event = state.events.pop_front();
        if event.is_some() && state.is_empty() {
            self.readiness.lower();
        }
        event
    }

    /// How many events were lost since nobody read them.
    #[must_use]
    pub fn events_lost(&self) -> u64 {
        self.lock().lost
    }

    /// A call that was noted never began.
    pub(crate) fn retract(&self, tag: u64, stop: &Arc<Stop>) {
        self.lock().leave(tag, stop);
    }

    /// Asks every unfinished call with `tag` to end; each still completes, once.
    pub fn cancel(&self, tag: u64) {
        let stops = self.lock().running.get(&tag).cloned().unwrap_or_default();
        stops.iter().for_each(|stop| stop.ask(Reason::Cancelled));
    }

    /// Asks every unfinished call to end and discards all outcomes.
    pub fn discard(&self) {
        let mut state = self.lock();
        state.discarding = true;
        let stops: Vec<_> = state.running.values().flatten().cloned().collect();
        let unread = std::mem::take(&mut state.ended);
        let events = std::mem::take(&mut state.events);
        drop(state);
        drop((unread, events));
        stops.iter().for_each(|stop| stop.ask(Reason::Cancelled));
    }

    /// Up to `most` ended calls, in the order in which they ended; none when the time is up, or an event came first.
    #[must_use]
    pub fn next(&self, most: usize, timeout: Duration) -> Vec<QueueEvent> {
        let take = || {
            let batch = self.take(most);
            (!batch.is_empty() || most == 0).then_some(batch)
        };
        self.wait_for(timeout, take).unwrap_or_default()
    }

    /// What `take` finds; none when the time is up, or something else is there.
    fn wait_for<T>(&self, timeout: Duration, take: impl Fn() -> Option<T>) -> Option<T> {
        let until = Instant::now().checked_add(timeout);
        loop {
            let found = take();
            if found.is_some() {
                return found;
            }
            let left = until
                .map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
            // Another reader may be faster: then look and wait again. Entries of the other kind stay until they are
            // read: a wait for them to go would only spin.
            if left.is_zero() || !self.lock().is_empty() || !self.readiness.wait(left) {
                return take();
            }
        }
    }

    fn take(&self, most: usize) -> Vec<QueueEvent> {
        let mut state = self.lock();
        let count = most.min(state.ended.len());
        let batch: Vec<QueueEvent> = state.ended.drain(..count).collect();
        if count > 0 && state.is_empty() {
            self.readiness.lower();
        }
        batch
    }
}

impl State {
    /// Whether there is nothing to read.
    fn is_empty(&self) -> bool {
        self.ended.is_empty() && self.events.is_empty()
    }

    /// Takes a call out; whether it was there.
    fn leave(&mut self, tag: u64, stop: &Arc<Stop>) -> bool {
        let Some(stops) = self.running.get_mut(&tag) else {
            return false;
        };
        let before = stops.len();
        stops.retain(|other| !Arc::ptr_eq(other, stop));
        let left = before - stops.len();
        self.running_count -= left;
        if stops.is_empty() {
            self.running.remove(&tag);
        }
        left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome {
        Err(Error::new(ErrorKind::Cancelled, "x"))
    }

    fn entered(queue: &Queue, tag: u64) -> Arc<Stop> {
        let stop = Arc::new(Stop::default());
        queue.enter(tag, Arc::clone(&stop)).unwrap();
        stop
    }

    #[test]
    fn readable_while_unread() {
        let queue = Queue::new().unwrap();
        let (a, b) = (entered(&queue, 1), entered(&queue, 2));
        assert!(queue.next(9, Duration::ZERO).is_empty());
        queue.finish(2, &b, outcome());
        queue.finish(1, &a, outcome());
        assert!(queue.readiness.wait(Duration::ZERO));
        let first = queue.next(1, Duration::MAX);
        assert_eq!(first[0].tag, 2);
        assert!(queue.readiness.wait(Duration::ZERO), "one is left");
        assert_eq!(queue.next(9, Duration::MAX)[0].tag, 1);
        assert!(!queue.readiness.wait(Duration::ZERO));
    }

    #[test]
    fn cancel_reaches_every_call_of_the_tag_and_no_other() {
        let queue = Queue::new().unwrap();
        let stops = [entered(&queue, 1), entered(&queue, 1), entered(&queue, 2)];
        queue.cancel(1);
        queue.cancel(7);
        let asked = stops.map(|stop| format!("{stop:?}").contains("reason: 1"));
        assert_eq!(asked, [true, true, false]);
    }

    #[test]
    fn in_flight_plus_unread_is_bounded() {
        let queue = Queue::new().unwrap();
        let stops: Vec<_> = (0..MOST as u64).map(|tag| entered(&queue, tag)).collect();
        let one_more = || queue.enter(0, Arc::default()).map_err(|error| error.kind());
        assert_eq!(one_more(), Err(ErrorKind::Overloaded));
        queue.finish(0, &stops[0], outcome());
        assert_eq!(one_more(), Err(ErrorKind::Overloaded), "unread counts");
        assert_eq!(queue.next(1, Duration::ZERO).len(), 1);
        assert_eq!(one_more(), Ok(()));
    }

    #[test]
    fn a_freed_queue_discards() {
        let queue = Queue::new().unwrap();
        let stop = entered(&queue, 1);
        queue.discard();
        queue.finish(1, &stop, outcome());
        assert!(queue.next(1, Duration::ZERO).is_empty());
    }
}

/// Every order in which tasks end, a reader reads and the host cancels or frees. The pipe itself is real: a
/// byte that is on its way is waited for under the lock.
#[cfg(all(test, ahoy_loom))]
mod loom_tests {
    use super::*;
    use loom::thread;

    fn outcome() -> Outcome {
        Err(Error::new(ErrorKind::Cancelled, "x"))
    }

    fn entered(queue: &Queue, tag: u64) -> Arc<Stop> {
        let stop = Arc::new(Stop::default());
        queue.enter(tag, Arc::clone(&stop)).unwrap();
        stop
    }

    fn is_readable(queue: &Queue) -> bool {
        queue.readiness.wait(Duration::ZERO)
    }

    /// A task that ends its call.
    fn ends(queue: &Arc<Queue>, tag: u64, stop: &Arc<Stop>) -> thread::JoinHandle<()> {
        let (queue, stop) = (Arc::clone(queue), Arc::clone(stop));
        thread::spawn(move || queue.finish(tag, &stop, outcome()))
    }

    #[test]
    fn loom_each_end_is_read_once_and_the_descriptor_tells_what_is_left() {
        loom::model(|| {
            let queue = Arc::new(Queue::new().unwrap());
            let stops = [entered(&queue, 0), entered(&queue, 1)];
            let tasks = [ends(&queue, 0, &stops[0]), ends(&queue, 1, &stops[1])];
            let mut read = queue.take(1);
            for task in tasks {
                task.join().unwrap();
            }
            assert_eq!(is_readable(&queue), read.len() < 2);
            read.extend(queue.take(9));
            let mut tags: Vec<_> = read.iter().map(|ended| ended.tag).collect();
            tags.sort_unstable();
            assert_eq!(tags, [0, 1]);
            assert!(!is_readable(&queue));
            assert_eq!(queue.lock().running_count, 0);
        });
    }

    #[test]
    fn loom_a_cancel_that_races_the_end_changes_no_count() {
        loom::model(|| {
            let queue = Arc::new(Queue::new().unwrap());
            let stops = [entered(&queue, 7), entered(&queue, 7)];
            let task = ends(&queue, 7, &stops[0]);
            queue.cancel(7);
            assert!(stops[1].was_asked(), "the one in flight is reached");
            queue.finish(7, &stops[1], outcome());
            task.join().unwrap();
            assert_eq!(queue.take(9).len(), 2);
            assert_eq!(queue.lock().running_count, 0);
        });
    }

    #[test]
    fn loom_a_queue_that_is_freed_as_calls_end_keeps_nothing() {
        loom::model(|| {
            let queue = Arc::new(Queue::new().unwrap());
            let stops = [entered(&queue, 0), entered(&queue, 1)];
            let task = ends(&queue, 0, &stops[0]);
            queue.discard();
            task.join().unwrap();
            assert!(stops[1].was_asked());
            queue.finish(1, &stops[1], outcome());
            assert!(queue.take(9).is_empty());
            assert_eq!(queue.lock().running_count, 0);
        });
    }
}
