//! Which calls are turned away first when the limit is reached, and which wait.
//!
//! Not all requests matter alike. When there is room for half of them, a page that somebody waits
//! for should not fail because a nightly report got there first. So each request has a criticality,
//! and each class may fill a share of the limit only: the rest is kept free for those above it. The
//! four classes and their names are those of Google's SRE book. Two would do for one service, but a
//! request keeps its class over many, and four is what that turned out to need. The word is not
//! priority, which here ranks endpoints.
//!
//! A call that finds no room may wait a little, if a queue is configured. The wait and the length are
//! bounded: a queue that is long adds its length to every answer and saves nobody. Served first is the
//! more important, then the call that came first. Serving the last first would favour the fresh ones, but
//! with a wait this short nobody grows stale.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::criticality::Criticality;
use crate::policy::circuit::window::Ratio;

/// Which share of the limit is whose, and how many may wait for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SheddingConfig {
    /// The share of the limit that each class may fill, in the order of the classes; default all, all,
    /// three quarters and one half. A client that never names a class thus has the whole limit.
    pub shares: [Ratio; 4],
    /// How many may wait; default none, as waiting is worth it only if room comes soon.
    pub queue_length: usize,
    /// How long they may wait at most; default 100 ms, in which a limit of 20 has room for hundreds
    /// of requests of 10 ms.
    pub queue_wait: Duration,
}

impl Default for SheddingConfig {
    fn default() -> Self {
        Self {
            shares: [Ratio::ONE, Ratio::ONE, Ratio::THREE_QUARTERS, Ratio::HALF],
            queue_length: 0,
            queue_wait: Duration::from_millis(100),
        }
    }
}

impl SheddingConfig {
    /// How many requests may be in flight for one more of this class to be sent. Rounded up, so that
    /// a small limit does not shut a class out; a share of nothing does.
    #[must_use]
    pub fn ceiling(&self, class: Criticality, limit: u32) -> u32 {
        (self.shares[class as usize].value() * f64::from(limit)).ceil() as u32
    }
}

/// The calls that wait for room. What they are is the caller's.
#[derive(Debug)]
pub struct WaitQueue<T> {
    length: usize,
    wait: Duration,
    /// By class, in the order of arrival, and so of the ends of their waits.
    lines: [VecDeque<Waiter<T>>; 4],
    next_ticket: u64,
}

/// A place in the queue, by which a waiter can be found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    class: Criticality,
    number: u64,
}

/// What became of a call that wanted to wait.
#[must_use = "the call that lost its place must be told"]
#[derive(Debug, PartialEq, Eq)]
pub enum Entered<T> {
    /// It waits.
    Waiting(Ticket),
    /// It waits in the place of another, which is turned away.
    InPlaceOf(Ticket, T),
    /// The queue is full of others that matter as much: it is turned away itself.
    Full(T),
}

#[derive(Debug)]
struct Waiter<T> {
    number: u64,
    until: Instant,
    item: T,
}

impl<T> WaitQueue<T> {
    /// An empty queue.
    #[must_use]
    pub fn new(config: &SheddingConfig) -> Self {
        Self {
            length: config.queue_length,
            wait: config.queue_wait.min(FAR),
            lines: [const { VecDeque::new() }; 4],
            next_ticket: 0,
        }
    }

    /// How many wait, with those whose wait is over and that were not expired yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.iter().map(VecDeque::len).sum()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(VecDeque::is_empty)
    }

    /// Whether a call waits that a newcomer of this class must not pass: one that matters as much, or more. Those
    /// below it wait for room that is not theirs.
    #[must_use]
    pub fn comes_before(&self, class: Criticality) -> bool {
        self.lines[..=class as usize].iter().any(|line| !line.is_empty())
    }

    /// Lines up. In a full queue somebody gives way whose wait is over, or else the last of the least
    /// important if that is less important than this one.
    pub fn enter(&mut self, class: Criticality, item: T, now: Instant) -> Entered<T> {
        if self.len() < self.length {
            return Entered::Waiting(self.line_up(class, item, now));
        }
        match self.give_way(class, now) {
            Some(other) => Entered::InPlaceOf(self.line_up(class, item, now), other),
            None => Entered::Full(item),
        }
    }

    /// Takes out the next call: the first of the most important whose wait is not over and whose class gets `room`. A
    /// class is asked about only where one of its calls waits, which then has the room.
    pub fn next<R>(
        &mut self,
        now: Instant,
        mut room: impl FnMut(Criticality) -> Option<R>,
    ) -> Option<(T, R)> {
        Criticality::ALL.into_iter().find_map(|class| {
            let line = &mut self.lines[class as usize];
            let first = line.partition_point(|waiter| waiter.until <= now);
            let room = if first < line.len() { room(class)? } else { return None };
            line.remove(first).map(|waiter| (waiter.item, room))
        })
    }

    /// Takes out one whose wait is over; to be repeated until there is none. They are to be turned
    /// away.
    pub fn expire(&mut self, now: Instant) -> Option<T> {
        let over = |line: &mut VecDeque<Waiter<T>>| {
            line.pop_front_if(|waiter| waiter.until <= now).map(|waiter| waiter.item)
        };
        self.lines.iter_mut().find_map(over)
    }

    /// When the next wait is over.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Instant> {
        self.lines.iter().filter_map(|line| line.front()).map(|waiter| waiter.until).min()
    }

    /// Takes out one that gave up waiting; none if it is out already.
    pub fn remove(&mut self, ticket: Ticket) -> Option<T> {
        let line = &mut self.lines[ticket.class as usize];
        let at = line.binary_search_by_key(&ticket.number, |waiter| waiter.number).ok()?;
        line.remove(at).map(|waiter| waiter.item)
    }

    fn line_up(&mut self, class: Criticality, item: T, now: Instant) -> Ticket {
        let line = &mut self.lines[class as usize];
        // Callers read the clock before they take the lock: one that was overtaken on the way there
        // counts as having come when the last one did.
        let until = line.back().map_or(now + self.wait, |last| last.until.max(now + self.wait));
        let number = self.next_ticket;
        self.next_ticket += 1;
        line.push_back(Waiter { number, until, item });
        Ticket { class, number }
    }

    fn give_way(&mut self, to: Criticality, now: Instant) -> Option<T> {
        self.expire(now).or_else(|| {
            let less_important = Criticality::ALL.into_iter().rev().take_while(|class| *class > to);
            let mut lines = less_important.map(|class| class as usize);
            let line = lines.find(|line| !self.lines[*line].is_empty())?;
            self.lines[line].pop_back().map(|waiter| waiter.item)
        })
    }
}

/// Longer than anybody waits, and short enough to be added to any instant.
const FAR: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Criticality::*;
    use super::*;
    use crate::policy::test_inputs::{ms, t0};

    fn queue(length: usize) -> WaitQueue<u32> {
        let config = SheddingConfig { queue_length: length, ..SheddingConfig::default() };
        WaitQueue::new(&config)
    }

    fn ticket(entered: Entered<u32>) -> Ticket {
        match entered {
            Entered::Waiting(ticket) | Entered::InPlaceOf(ticket, _) => ticket,
            Entered::Full(_) => panic!("there was room"),
        }
    }

    fn next(queue: &mut WaitQueue<u32>, now: Instant) -> Option<u32> {
        queue.next(now, |_| Some(())).map(|(item, ())| item)
    }

    /// All that are served now, in order.
    fn served(queue: &mut WaitQueue<u32>, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| next(queue, now)).collect()
    }

    #[test]
    fn classes_have_names_numbers_and_an_order() {
        for (number, class) in Criticality::ALL.into_iter().enumerate() {
            assert_eq!(Criticality::from_number(number as u32), Some(class));
            assert_eq!(class as usize, number);
        }
        assert_eq!(Criticality::from_number(4), None);
        assert_eq!(Criticality::from_number(u32::MAX), None);
        assert_eq!(Criticality::default(), Critical);
        assert!(CriticalPlus < Sheddable);
    }

    #[test]
    fn the_less_important_leave_room_for_the_others() {
        let config = SheddingConfig::default();
        let ceilings = |limit| Criticality::ALL.map(|class| config.ceiling(class, limit));
        assert_eq!(ceilings(100), [100, 100, 75, 50]);
        assert_eq!(ceilings(1), [1; 4], "a small limit shuts nobody out");
        assert_eq!(ceilings(3), [3, 3, 3, 2]);
        assert_eq!(ceilings(u32::MAX)[0], u32::MAX);
        let strict = SheddingConfig { shares: [Ratio::ZERO; 4], ..config };
        assert_eq!(strict.ceiling(Critical, 100), 0);
    }

    #[test]
    fn without_a_queue_nobody_waits() {
        let mut queue = WaitQueue::new(&SheddingConfig::default());
        assert_eq!(queue.enter(CriticalPlus, 1, t0()), Entered::Full(1));
    }

    #[test]
    fn the_more_important_are_served_first_and_equals_in_order() {
        let (mut queue, now) = (queue(10), t0());
        for (item, class) in [(1, Sheddable), (2, Critical), (3, CriticalPlus), (4, Critical)] {
            let _ = ticket(queue.enter(class, item, now));
        }
        assert_eq!(served(&mut queue, now), [3, 2, 4, 1]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_class_without_room_is_passed_over() {
        let (mut queue, now) = (queue(10), t0());
        let _ = ticket(queue.enter(Sheddable, 1, now));
        assert_eq!(queue.next(now, |class| (class < Sheddable).then_some(())), None);
        assert_eq!(next(&mut queue, now), Some(1));
    }

    #[test]
    fn who_waits_comes_before_its_like_and_those_below() {
        let mut queue = queue(3);
        assert!(!queue.comes_before(Sheddable), "nobody waits");
        let _ = queue.enter(SheddablePlus, 1, t0());
        let passes = |class| !queue.comes_before(class);
        assert!(passes(CriticalPlus) && passes(Critical));
        assert!(!passes(SheddablePlus) && !passes(Sheddable));
    }

    #[test]
    fn in_a_full_queue_the_last_of_the_least_important_gives_way() {
        let (mut queue, now) = (queue(3), t0());
        for (item, class) in [(1, Sheddable), (2, SheddablePlus), (3, Sheddable)] {
            let _ = ticket(queue.enter(class, item, now));
        }
        assert_eq!(queue.enter(Sheddable, 4, now), Entered::Full(4), "no more important than they");
        assert!(matches!(queue.enter(Critical, 5, now), Entered::InPlaceOf(_, 3)));
        assert!(matches!(queue.enter(Critical, 6, now), Entered::InPlaceOf(_, 1)));
        assert!(matches!(queue.enter(Critical, 7, now), Entered::InPlaceOf(_, 2)));
        assert_eq!(queue.enter(Critical, 8, now), Entered::Full(8));
        assert_eq!(served(&mut queue, now), [5, 6, 7]);
    }

    #[test]
    fn a_wait_that_is_over_gives_way_to_anybody() {
        let (mut queue, now) = (queue(1), t0());
        let _ = ticket(queue.enter(CriticalPlus, 1, now));
        assert_eq!(queue.enter(Sheddable, 2, now + ms(99)), Entered::Full(2));
        assert!(matches!(queue.enter(Sheddable, 3, now + ms(100)), Entered::InPlaceOf(_, 1)));
    }

    #[test]
    fn a_wait_that_is_over_is_not_served() {
        let (mut queue, now) = (queue(10), t0());
        let _ = ticket(queue.enter(Critical, 1, now));
        let _ = ticket(queue.enter(Sheddable, 2, now + ms(10)));
        let _ = ticket(queue.enter(Critical, 3, now + ms(50)));
        assert_eq!(queue.next_expiry(), Some(now + ms(100)));
        assert_eq!(next(&mut queue, now + ms(100)), Some(3));
        assert_eq!(queue.len(), 2, "the first must still be told");
        assert_eq!(queue.expire(now + ms(109)), Some(1));
        assert_eq!(queue.expire(now + ms(109)), None);
        assert_eq!(queue.expire(now + ms(110)), Some(2));
        assert_eq!((queue.next_expiry(), queue.len()), (None, 0));
    }

    #[test]
    fn one_that_gave_up_is_out_and_the_others_keep_their_order() {
        let (mut queue, now) = (queue(10), t0());
        let tickets: Vec<_> = (0..4).map(|item| ticket(queue.enter(Critical, item, now))).collect();
        assert_eq!(queue.remove(tickets[1]), Some(1));
        assert_eq!(queue.remove(tickets[1]), None);
        assert_eq!(served(&mut queue, now), [0, 2, 3]);
        assert_eq!(queue.remove(tickets[3]), None, "served already");
    }

    #[test]
    fn one_that_was_overtaken_on_the_way_does_not_mix_up_the_order() {
        let (mut queue, now) = (queue(10), t0());
        let _ = ticket(queue.enter(Critical, 1, now + ms(20)));
        let _ = ticket(queue.enter(Critical, 2, now));
        assert_eq!(queue.expire(now + ms(119)), None);
        assert_eq!(queue.expire(now + ms(120)), Some(1));
        assert_eq!(queue.expire(now + ms(120)), Some(2));
    }

    #[test]
    fn a_wait_without_end_is_borne() {
        let config = SheddingConfig {
            queue_length: 1,
            queue_wait: Duration::MAX,
            ..SheddingConfig::default()
        };
        let mut queue = WaitQueue::new(&config);
        let _ = ticket(queue.enter(Critical, 1, t0()));
        assert_eq!(next(&mut queue, t0() + ms(1_000_000)), Some(1));
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Enter(u32),
        Next,
        Expire,
        Remove(usize),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0_u32..4).prop_map(Step::Enter),
            2 => Just(Step::Next),
            1 => Just(Step::Expire),
            1 => (0_usize..40).prop_map(Step::Remove),
        ]
    }

    proptest! {
        /// The queue against one list that is searched and sorted anew at each step.
        #[test]
        fn agrees_with_a_list_and_loses_nobody(
            steps in prop::collection::vec((0_u64..60, any_step()), 1..150),
            length in 0_usize..8,
        ) {
            let (t0, mut at, mut queue) = (t0(), 0, queue(length));
            // (class, arrival, until), the arrival being the item as well.
            let (mut list, mut tickets): (Vec<(u32, u32, u64)>, Vec<_>) = (Vec::new(), Vec::new());
            for (arrival, (pause, step)) in (0_u32..).zip(steps) {
                at += pause;
                let now = t0 + ms(at);
                match step {
                    Step::Enter(class) => {
                        let entered = queue.enter(Criticality::from_number(class).unwrap(), arrival, now);
                        let over = list.iter().filter(|w| w.2 <= at).min_by_key(|w| (w.0, w.1));
                        let least = list.iter().max_by_key(|w| (w.0, w.1)).filter(|w| w.0 > class);
                        let out = over.or(least).map(|w| w.1);
                        let fits = list.len() < length;
                        match entered {
                            Entered::Waiting(ticket) => {
                                prop_assert!(fits);
                                tickets.push((ticket, arrival));
                            }
                            Entered::InPlaceOf(ticket, other) => {
                                prop_assert!(!fits && out == Some(other));
                                list.retain(|w| w.1 != other);
                                tickets.push((ticket, arrival));
                            }
                            Entered::Full(item) => {
                                prop_assert!(!fits && out.is_none() && item == arrival);
                                continue;
                            }
                        }
                        list.push((class, arrival, at + 100));
                    }
                    Step::Next => {
                        let waiting = list.iter().filter(|w| w.2 > at);
                        let first = waiting.min_by_key(|w| (w.0, w.1)).map(|w| w.1);
                        prop_assert_eq!(next(&mut queue, now), first);
                        list.retain(|w| Some(w.1) != first);
                    }
                    Step::Expire => {
                        while let Some(item) = queue.expire(now) {
                            prop_assert!(list.iter().any(|w| w.1 == item && w.2 <= at));
                            list.retain(|w| w.1 != item);
                        }
                        prop_assert!(list.iter().all(|w| w.2 > at));
                    }
                    Step::Remove(index) => {
                        if let Some((ticket, item)) = tickets.get(index).copied() {
                            let there = list.iter().any(|w| w.1 == item);
                            prop_assert_eq!(queue.remove(ticket), there.then_some(item));
                            list.retain(|w| w.1 != item);
                        }
                    }
                }
                prop_assert!(queue.len() == list.len() && queue.len() <= length);
            }
        }
    }
}
