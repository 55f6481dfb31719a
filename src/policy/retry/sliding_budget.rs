//! Credit that calls pay in and extra attempts draw on, over the last stretch of time.
//!
//! Ten slots, each a tenth of the window, hold what came in less what went out; the balance is a
//! reserve plus the slots in the window. A withdrawal is counted in the slot in which it happens and
//! leaves with it, ten slot widths later. Finagle's retry budget does the same. A token bucket that
//! refills with time would know nothing of the calls, and one that never forgets would let a quiet
//! hour pay for one loud minute.
//!
//! Every call pays in, so there is no lock: a slot is one word, its number and its sum side by side,
//! and the first caller in a new stretch of time swaps the old word for a fresh one.
//!
//! # Why it is never overspent
//!
//! Ten words cannot be read and changed in one step. So a withdrawal looks, *claims* its price in
//! its slot, and then looks again behind a fence. Of two threads at least the one whose fence is
//! later sees the other's claim, and goes only if the balance bears both. If it does not, the claim
//! is undone. Two threads may thus both give up where one could have gone: the error is on the safe
//! side, and so are the others:
//!
//! - Nothing counts that a thread ahead could no longer see: the window ends at the newest slot.
//! - What was paid in after a withdrawal's own slot does not count for it, or else the claim would
//!   leave before the credit and the credit could be spent twice. What was drawn there does.
//! - A claim is undone only in its own slot. If that was reused, the claim left with it.
//! - A slot that is full of credit takes no more, and one that is full of debt refuses.

#[cfg(not(all(test, loom)))]
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicU64, Ordering, fence};

/// What a bucket is made for, in its own unit of credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prices {
    /// Paid in by each call.
    pub(crate) deposit: i32,
    /// Drawn by each extra attempt.
    pub(crate) withdraw: i32,
    /// The balance of an empty window.
    pub(crate) reserve: i64,
}

/// The bucket.
#[derive(Debug)]
pub(crate) struct SlidingBudget {
    prices: Prices,
    origin: Instant,
    /// The width of a slot in nanoseconds, at least 1.
    width: u64,
    slots: [AtomicU64; SLOTS],
}

/// A withdrawal, by the number of the slot it is counted in.
#[must_use = "credit that was not used can be given back"]
#[derive(Debug)]
pub(crate) struct Withdrawal(u64);

impl SlidingBudget {
    /// An empty window of this length, which begins now.
    pub(crate) fn new(prices: Prices, window: Duration, now: Instant) -> Self {
        Self {
            prices,
            origin: now,
            width: whole_nanos(window / SLOTS as u32).max(1),
            slots: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Pays in for one call.
    pub(crate) fn deposit(&self, now: Instant) {
        if self.prices.deposit > 0 {
            self.change(self.number(now), |net| Some(net.saturating_add(self.prices.deposit)));
        }
    }

    /// Draws the price of one extra attempt, if the balance bears it.
    pub(crate) fn withdraw(&self, now: Instant) -> Option<Withdrawal> {
        let (number, price) = (self.number(now), self.prices.withdraw);
        // Most refusals end here, and so disturb nobody by a claim that is undone again.
        if self.balance(number)? < i64::from(price) {
            return None;
        }
        let claim = Withdrawal(self.change(number, |net| net.checked_sub(price))?);
        fence(Ordering::SeqCst);
        if self.balance(claim.0).is_some_and(|balance| balance >= 0) {
            return Some(claim);
        }
        self.give_back(claim);
        None
    }

    /// Undoes a withdrawal that came to nothing. Without effect once its slot was reused.
    #[expect(clippy::needless_pass_by_value, reason = "what was given back cannot be used again")]
    pub(crate) fn give_back(&self, withdrawal: Withdrawal) {
        let Withdrawal(number) = withdrawal;
        let undone = |word| {
            let slot = Slot::unpack(word);
            let net = slot.net.saturating_add(self.prices.withdraw);
            (slot.age(number) == 0).then(|| Slot { net, ..slot }.pack())
        };
        let _ = self.slot(number).fetch_update(Ordering::Relaxed, Ordering::Relaxed, undone);
    }

    /// Changes the sum of a slot, or of the newer one in its place; none if `to` gives none.
    /// Returns the number of the slot that was changed.
    fn change(&self, number: u64, to: impl Fn(i32) -> Option<i32>) -> Option<u64> {
        let changed = |word| {
            let slot = Slot::unpack(word).brought_to(number);
            to(slot.net).map(|net| Slot { net, ..slot }.pack())
        };
        let slot = self.slot(number);
        let before = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed).ok()?;
        let ahead = Slot::unpack(before).age(number).min(0);
        Some(number.saturating_add_signed(-ahead))
    }

    /// The balance as a thread in this slot may count on it; none once the slot left the window.
    fn balance(&self, number: u64) -> Option<i64> {
        let slots: [Slot; SLOTS] =
            std::array::from_fn(|at| Slot::unpack(self.slots[at].load(Ordering::Relaxed)));
        let newest = slots.iter().map(|slot| slot.age(number)).min().unwrap_or(0).min(0);
        let in_window = |age: i64| age - newest < SLOTS as i64;
        let counted = slots.iter().filter(|slot| in_window(slot.age(number))).map(|slot| {
            let net = if slot.age(number) < 0 { slot.net.min(0) } else { slot.net };
            i64::from(net)
        });
        in_window(0).then(|| self.prices.reserve.saturating_add(counted.sum()))
    }

    fn slot(&self, number: u64) -> &AtomicU64 {
        &self.slots[(number % SLOTS as u64) as usize]
    }

    /// Slots are numbered from the bucket's first instant on.
    fn number(&self, now: Instant) -> u64 {
        whole_nanos(now.saturating_duration_since(self.origin)) / self.width
    }
}

/// The word of a slot: which stretch of time it stands for, and the sum.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The low half of the slot's number. At the shortest window it comes round after 13 years.
    tag: u32,
    net: i32,
}

impl Slot {
    const fn unpack(word: u64) -> Self {
        Self { tag: (word >> 32) as u32, net: word as u32 as i32 }
    }

    const fn pack(self) -> u64 {
        (self.tag as u64) << 32 | self.net as u32 as u64
    }

    /// How many slots this one lies behind the numbered one; negative if it is ahead.
    const fn age(self, number: u64) -> i64 {
        (number as u32).wrapping_sub(self.tag) as i32 as i64
    }

    /// The slot as it is at the numbered stretch: emptied if it stood for an earlier one.
    const fn brought_to(self, number: u64) -> Self {
        if self.age(number) > 0 { Self { tag: number as u32, net: 0 } } else { self }
    }
}

/// Nanoseconds in 64 bits, which last for 584 years of uptime.
fn whole_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Ten slots keep the edge of the window at a tenth of it and the words within two cache lines. The
/// model checker tries all orders of all loads: it gets by with two.
const SLOTS: usize = if cfg!(all(test, loom)) { 2 } else { 10 };

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::{ms, t0};

    /// A window of a second, so that a slot is 100 ms wide.
    const WINDOW: Duration = ms(1000);

    const fn prices(deposit: i32, withdraw: i32, reserve: i64) -> Prices {
        Prices { deposit, withdraw, reserve }
    }

    /// How many withdrawals in a row are granted, up to a thousand.
    fn drain(bucket: &SlidingBudget, now: Instant) -> usize {
        (0..1000).take_while(|_| bucket.withdraw(now).is_some()).count()
    }

    #[test]
    fn calls_pay_for_extra_attempts() {
        let now = t0();
        let bucket = SlidingBudget::new(prices(10, 100, 0), WINDOW, now);
        assert_eq!(drain(&bucket, now), 0);
        (0..25).for_each(|_| bucket.deposit(now));
        assert_eq!(drain(&bucket, now), 2);
        (0..5).for_each(|_| bucket.deposit(now));
        assert_eq!(drain(&bucket, now), 1);
    }

    #[test]
    fn credit_leaves_with_its_slot() {
        let t0 = t0();
        let bucket = SlidingBudget::new(prices(100, 100, 0), WINDOW, t0);
        bucket.deposit(t0 + ms(99));
        bucket.deposit(t0 + ms(100));
        assert_eq!(bucket.balance(9), Some(200));
        assert_eq!(bucket.balance(10), Some(100));
        assert_eq!(drain(&bucket, t0 + ms(1100)), 0);
    }

    #[test]
    fn the_reserve_comes_back_as_withdrawals_leave() {
        let t0 = t0();
        let bucket = SlidingBudget::new(prices(0, 100, 300), WINDOW, t0);
        assert_eq!(drain(&bucket, t0), 3);
        assert_eq!(drain(&bucket, t0 + ms(999)), 0);
        assert_eq!(drain(&bucket, t0 + ms(1000)), 3);
        assert_eq!(drain(&bucket, t0 + ms(1_000_000)), 3);
    }

    #[test]
    fn credit_that_left_after_it_was_used_leaves_a_debt() {
        let t0 = t0();
        let bucket = SlidingBudget::new(prices(100, 100, 0), WINDOW, t0);
        bucket.deposit(t0);
        assert_eq!(drain(&bucket, t0 + ms(900)), 1);
        bucket.deposit(t0 + ms(1000));
        assert_eq!(drain(&bucket, t0 + ms(1800)), 0, "this one pays for the one before");
        assert_eq!(bucket.balance(19), Some(100), "which has left by now");
    }

    #[test]
    fn what_is_given_back_can_be_used_again() {
        let t0 = t0();
        let bucket = SlidingBudget::new(prices(0, 100, 100), WINDOW, t0);
        let withdrawal = bucket.withdraw(t0).unwrap();
        bucket.give_back(withdrawal);
        assert_eq!(drain(&bucket, t0), 1);
    }

    #[test]
    fn what_is_given_back_too_late_is_no_gift() {
        let t0 = t0();
        let bucket = SlidingBudget::new(prices(0, 100, 100), WINDOW, t0);
        let early = bucket.withdraw(t0).unwrap();
        assert_eq!(drain(&bucket, t0 + ms(1000)), 1, "in the same place, one round later");
        bucket.give_back(early);
        assert_eq!(drain(&bucket, t0 + ms(1000)), 0);
    }

    #[test]
    fn a_thread_that_fell_behind_does_not_use_credit_of_later_slots() {
        let t0 = t0();
        let bucket = SlidingBudget::new(prices(100, 100, 0), WINDOW, t0);
        bucket.deposit(t0 + ms(500));
        assert_eq!(drain(&bucket, t0 + ms(300)), 0);
        assert_eq!(drain(&bucket, t0 + ms(500)), 1);
    }

    #[test]
    fn a_thread_that_fell_behind_sees_no_credit_that_has_left_for_others() {
        let t0 = t0();
        let bucket = SlidingBudget::new(prices(100, 100, 0), WINDOW, t0);
        bucket.deposit(t0);
        assert_eq!(drain(&bucket, t0 + ms(100)), 1);
        bucket.deposit(t0 + ms(1100));
        assert_eq!(drain(&bucket, t0 + ms(950)), 0, "the debt was overwritten, the credit not");
    }

    #[test]
    fn a_thread_a_whole_window_behind_is_refused() {
        let t0 = t0();
        let bucket = SlidingBudget::new(prices(100, 100, 1000), WINDOW, t0);
        bucket.deposit(t0 + ms(5000));
        assert!(bucket.withdraw(t0 + ms(3900)).is_none());
        assert!(bucket.withdraw(t0 + ms(4100)).is_some());
    }

    #[test]
    fn a_full_slot_takes_no_more_and_a_slot_in_debt_refuses() {
        let now = t0();
        let rich = SlidingBudget::new(prices(i32::MAX, 1, 0), WINDOW, now);
        (0..3).for_each(|_| rich.deposit(now));
        assert_eq!(rich.balance(0), Some(i64::from(i32::MAX)));
        let dear = SlidingBudget::new(prices(0, 1_000_000_000, i64::MAX), WINDOW, now);
        assert_eq!(drain(&dear, now), 2);
    }

    #[test]
    fn a_slots_word_holds_number_and_sum() {
        for (tag, net) in [(0, 0), (1, -1), (u32::MAX, i32::MIN), (7, i32::MAX)] {
            let slot = Slot::unpack(Slot { tag, net }.pack());
            assert_eq!((slot.tag, slot.net), (tag, net));
        }
        let last = Slot { tag: u32::MAX, net: 5 };
        let after = u64::from(u32::MAX) + 1;
        assert_eq!((last.age(after), last.age(after - 2)), (1, -1));
        assert_eq!(last.brought_to(after).net, 0);
    }

    #[test]
    fn odd_windows_and_instants_are_borne() {
        let t0 = t0();
        for window in [Duration::ZERO, Duration::MAX] {
            let bucket = SlidingBudget::new(prices(100, 100, 100), window, t0 + ms(1000));
            bucket.deposit(t0);
            assert_eq!(drain(&bucket, t0), 2);
            bucket.deposit(t0 + ms(1_000_000_000));
            assert!(bucket.withdraw(t0 + ms(1_000_000_000)).is_some());
        }
    }

    /// Runs the work on four threads at once.
    #[allow(clippy::disallowed_methods, reason = "the threads are what this tests")]
    fn on_four_threads(work: impl Fn(u64) + Sync) {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let work = &work;
                scope.spawn(move || work(thread));
            }
        });
    }

    #[test]
    fn threads_that_race_for_the_last_credit_never_overspend() {
        let now = t0();
        for round in 0..200 {
            let bucket = SlidingBudget::new(prices(10, 100, 250), WINDOW, now);
            let granted = AtomicU32::new(0);
            on_four_threads(|_| {
                for _ in 0..50 {
                    bucket.deposit(now);
                    if bucket.withdraw(now).is_some() {
                        granted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
            let racing = granted.into_inner();
            assert!(racing <= 22, "{racing} in round {round}");
            assert_eq!(racing as usize + drain(&bucket, now), 22, "nothing was lost either");
        }
    }

    #[test]
    fn threads_that_race_over_slots_never_overspend() {
        let t0 = t0();
        let bucket = SlidingBudget::new(prices(10, 100, 300), WINDOW, t0);
        let (clock, calls, granted) = (AtomicU64::new(0), AtomicU32::new(0), AtomicU32::new(0));
        on_four_threads(|thread| {
            for step in 0..20_000 {
                // A millisecond for every 20 steps, and one thread is late by up to four slots.
                let at = clock.fetch_add(50, Ordering::Relaxed) / 1000;
                let now = t0 + ms(if thread == 0 { at.saturating_sub(step % 400) } else { at });
                bucket.deposit(now);
                calls.fetch_add(1, Ordering::Relaxed);
                if bucket.withdraw(now).is_some() {
                    granted.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let windows = clock.into_inner() / 1000 / 1000 + 1;
        let paid = u64::from(calls.into_inner()) * 10 + windows * 300;
        let used = u64::from(granted.into_inner()) * 100;
        assert!(used <= paid, "{used} of {paid}");
        assert!(used >= paid * 9 / 10, "{used} of {paid}");
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Deposit,
        Withdraw,
    }

    fn any_steps(pause: u64) -> impl Strategy<Value = Vec<(u64, Step)>> {
        let step = prop::sample::select(vec![Step::Deposit, Step::Withdraw, Step::Withdraw]);
        prop::collection::vec((0..pause, step), 1..200)
    }

    proptest! {
        /// The slots against a plain list of everything that ever happened.
        #[test]
        fn agrees_with_a_list_of_all_events(
            steps in any_steps(150),
            deposit in 0_i32..300,
            withdraw in 1_i32..300,
            reserve in 0_i64..1000,
        ) {
            let t0 = t0();
            let bucket = SlidingBudget::new(prices(deposit, withdraw, reserve), WINDOW, t0);
            let (mut at, mut list) = (0, Vec::new());
            for (pause, step) in steps {
                at += pause;
                let now = t0 + ms(at);
                let in_window = |(slot, _): &&(u64, i64)| slot + 10 > at / 100;
                let sum: i64 = list.iter().filter(in_window).map(|(_, net)| net).sum();
                match step {
                    Step::Deposit => {
                        bucket.deposit(now);
                        list.push((at / 100, i64::from(deposit)));
                    }
                    Step::Withdraw => {
                        let enough = reserve + sum >= i64::from(withdraw);
                        prop_assert_eq!(bucket.withdraw(now).is_some(), enough);
                        if enough {
                            list.push((at / 100, -i64::from(withdraw)));
                        }
                    }
                }
            }
        }

        /// Each withdrawal is covered by the window that it ends.
        #[test]
        fn a_window_never_holds_more_than_the_reserve_and_its_deposits(
            steps in any_steps(60),
            withdraw in 1_i32..300,
            reserve in 0_i64..1000,
        ) {
            let t0 = t0();
            let bucket = SlidingBudget::new(prices(100, withdraw, reserve), WINDOW, t0);
            let (mut at, mut calls, mut granted) = (0, Vec::new(), Vec::new());
            for (pause, step) in steps {
                at += pause;
                match step {
                    Step::Deposit => {
                        bucket.deposit(t0 + ms(at));
                        calls.push(at / 100);
                    }
                    Step::Withdraw => {
                        granted.extend(bucket.withdraw(t0 + ms(at)).map(|_| at / 100));
                    }
                }
                if granted.last() == Some(&(at / 100)) {
                    let within = |list: &[u64]| {
                        list.iter().filter(|slot| **slot + 10 > at / 100).count() as i64
                    };
                    let used = within(&granted) * i64::from(withdraw);
                    prop_assert!(used <= reserve + within(&calls) * 100);
                }
            }
        }

        /// In the long run each deposit is used once and the reserve once in a window, also if
        /// callers come with instants that are up to three windows old.
        #[test]
        fn nothing_is_spent_twice_whoever_comes_late(
            steps in prop::collection::vec((0_u64..400, 0_u64..4000, 0_u8..3), 100..400),
            reserve in prop::sample::select(vec![0_i64, 100, 300]),
        ) {
            let (t0, start) = (t0(), 3000);
            let bucket = SlidingBudget::new(prices(100, 100, reserve), WINDOW, t0);
            let (mut at, mut earliest, mut calls, mut granted) = (start, start, 0, 0);
            for (pause, late, step) in steps {
                at += pause;
                // Half of the callers are on time, most of the others late by less than a window.
                let behind = if late < 2000 { 0 } else if late < 3700 { late % 1000 } else { late - 1000 };
                earliest = earliest.min(at - behind);
                let now = t0 + ms(at - behind);
                if step == 0 {
                    bucket.deposit(now);
                    calls += 1;
                } else {
                    granted += drain(&bucket, now) as i64;
                }
            }
            let slots = at / 100 - earliest / 100 + 1;
            let windows = slots.div_ceil(10) as i64;
            prop_assert!(granted * 100 <= calls * 100 + windows * reserve);
        }
    }
}

/// All orders of a few steps on two threads, tried one by one. `sh tests/model/run.sh`.
#[cfg(all(test, loom))]
#[allow(clippy::disallowed_methods, reason = "the model's threads stand for the client's")]
mod model {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::policy::test_inputs::{ms, t0};

    /// Two slots of 100 ms.
    const WINDOW: Duration = ms(200);
    const PRICES: Prices = Prices { deposit: 100, withdraw: 100, reserve: 100 };

    /// Withdraws at each of the times on a thread of its own; returns how many were granted.
    fn race(bucket: SlidingBudget, t0: Instant, times: [u64; 2]) -> (Arc<SlidingBudget>, usize) {
        let bucket = Arc::new(bucket);
        let threads = times.map(|at| {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || bucket.withdraw(t0 + ms(at)).is_some())
        });
        let granted = threads.map(|thread| usize::from(thread.join().unwrap())).iter().sum();
        (bucket, granted)
    }

    #[test]
    fn one_credit_is_not_spent_twice() {
        for times in [[0, 0], [0, 100], [100, 0]] {
            loom::model(move || {
                let t0 = t0();
                let (bucket, granted) = race(SlidingBudget::new(PRICES, WINDOW, t0), t0, times);
                assert!(granted <= 1, "{times:?}");
                let after = usize::from(bucket.withdraw(t0 + ms(100)).is_some());
                assert_eq!(granted + after, 1, "{times:?}: what was refused is still there");
            });
        }
    }

    #[test]
    fn a_reused_slot_does_not_lose_a_debt() {
        // At 100 ms one is withdrawn; at 200 ms the first slot is reused by a late and a timely one.
        loom::model(|| {
            let t0 = t0();
            let bucket = SlidingBudget::new(PRICES, WINDOW, t0);
            assert!(bucket.withdraw(t0 + ms(100)).is_some());
            let (_, granted) = race(bucket, t0, [0, 200]);
            assert_eq!(granted, 0);
        });
    }

    #[test]
    fn no_deposit_is_lost_when_a_slot_is_reused() {
        loom::model(|| {
            let t0 = t0();
            let bucket = Arc::new(SlidingBudget::new(Prices { reserve: 0, ..PRICES }, WINDOW, t0));
            bucket.deposit(t0);
            let threads = [200, 250].map(|at| {
                let bucket = Arc::clone(&bucket);
                thread::spawn(move || bucket.deposit(t0 + ms(at)))
            });
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(bucket.balance(2), Some(200));
        });
    }
}
