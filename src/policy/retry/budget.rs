//! How many extra attempts the client as a whole may make.
//!
//! A call that fails asks for another attempt, and when a service is down, all calls do. Three
//! attempts a call then mean three times the load on what is down already, and over five layers of
//! services three to the fifth. So extra attempts are a share of the calls: each call pays in, each
//! retry and each hedge draws, and in the long run no more is drawn than was paid. A share alone
//! would starve a client that calls seldom, hence the reserve.
//!
//! Retries and hedges draw on the same bucket, since a server does not care why it is asked again.
//! Hedges have to draw on one of their own besides: they are only ever a matter of speed and must not
//! use up what failed calls need.
//!
//! What surely never left the client burdens nobody, and does not count. Only the caller knows: it
//! asks for no budget then. [`Retry::decide`](super::Retry::decide) asks only after attempts of
//! which something was sent.
//!
//! Nor is it asked where an endpoint fails and the service does not: its circuit has opened while most
//! others are well, or while none of those that are well failed lately, or it hangs. What was in flight
//! there is repeated elsewhere, which brings the others no more than they would get if it had been
//! ejected before. Of 1,000 calls at once on a new client 100 waited for one of three hosts that hung,
//! until their deadlines, for want of budget, and 80 were answered 503 by one that failed; by two of
//! three, 212 of 600. Under an overload the ones that are left fail some calls, and the budget holds.
//!
//! Rejected: gRPC's token count, which lets a burst of retries pass before it reacts and says nothing
//! of the share, and a limit on the extra attempts under way, which lets quick failures pass without
//! end.
//!
//! A new client that begins with a burst has paid in nothing yet, and a circuit needs some failures to
//! open: of 200 calls at once, with one of three hosts answering 503, 70 would fail. So there is a
//! stock of 100 beside the window, drawn on when the window bears no more, by each call at most once
//! for a failed attempt and once for a late one. It is no part of the window's reserve, which comes
//! back every ten seconds and would be ten extra attempts a second for ever: ten successful calls put
//! one back. A forked child begins with 10, or else a thousand workers of one parent would have
//! 100,000.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::backoff::Factor;
use super::sliding_budget::{Prices, SlidingBudget};
use crate::policy::circuit::window::Ratio;

/// An endpoint that failed within this time is not taken for one that answers well: as long as a call pays by default.
pub const FAILURE_REMEMBERED: Duration = Duration::from_secs(10);

/// The longest list whose endpoints are each asked whether they failed: 64 locks take a few microseconds.
pub const MOST_ASKED: usize = 64;

/// How much the calls pay for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetConfig {
    /// Extra attempts per call; default 0.1, so that each layer of services multiplies the load by
    /// 1.1 at most. Above 1 is allowed; 0 leaves the floor alone.
    pub ratio: Factor,
    /// How long a call pays for, 1 s to 60 s; default 10 s.
    pub window: Duration,
    /// Extra attempts per second that are allowed without any call to pay; default 1. Every client
    /// of a fleet has it: above a thousand clients, 0 is better.
    pub floor_per_second: u32,
    /// Extra attempts in stock for when the window bears no more; default 100.
    pub stock: u32,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self {
            ratio: Factor::TENTH,
            window: Duration::from_secs(10),
            floor_per_second: 1,
            stock: STOCK,
        }
    }
}

/// The budget that all calls of a client share.
#[derive(Debug)]
pub struct Budget {
    /// None where retries are not bounded.
    extra: Option<SlidingBudget>,
    hedges: Option<SlidingBudget>,
    /// Tenths of extra attempts.
    stock: AtomicU32,
    /// What it does not exceed.
    full_stock: u32,
}

impl Budget {
    /// A budget that holds its reserve. `hedges` is the share of calls that may be hedged; none, and
    /// no hedge is granted.
    #[must_use]
    pub fn new(config: &BudgetConfig, hedges: Option<Ratio>, now: Instant) -> Self {
        let window = config.window.clamp(SHORTEST, LONGEST);
        let bucket = |prices| SlidingBudget::new(prices, window, now);
        Self {
            extra: Some(bucket(prices(config.ratio.value(), config.floor_per_second, window))),
            hedges: hedges.map(|ratio| bucket(prices(ratio.value(), 0, window))),
            stock: AtomicU32::new(config.stock.saturating_mul(TENTHS)),
            full_stock: config.stock.saturating_mul(TENTHS),
        }
    }

    /// The same in a forked child, whose parent may have a thousand of them.
    #[must_use]
    pub fn of_child(self) -> Self {
        let stock = self.full_stock.min(STOCK_OF_CHILD * TENTHS);
        Self { stock: AtomicU32::new(stock), ..self }
    }

    /// A budget that bounds the share of calls that may be hedged, and grants every retry.
    #[must_use]
    pub fn of_hedges(share: Ratio, now: Instant) -> Self {
        Self { extra: None, ..Self::new(&BudgetConfig::default(), Some(share), now) }
    }

    /// Pays in for a call. Once for each call, not for its attempts.
    pub fn deposit(&self, now: Instant) {
        if let Some(extra) = &self.extra {
            extra.deposit(now);
        }
        if let Some(hedges) = &self.hedges {
            hedges.deposit(now);
        }
    }

    /// Draws for a retry; false if the client cannot afford it.
    #[must_use = "a retry that was not granted must not be made"]
    pub fn try_retry(&self, now: Instant) -> bool {
        self.extra.as_ref().is_none_or(|extra| extra.withdraw(now).is_some())
    }

    /// Draws for an extra attempt of a call, in need on the stock: `drew` says whether the call did
    /// before, and is set if it does now. False if the client cannot afford it.
    #[must_use = "an attempt that was not granted must not be made"]
    pub fn try_extra(&self, drew: &mut bool, now: Instant) -> bool {
        if self.try_retry(now) {
            return true;
        }
        let less = |stock: u32| stock.checked_sub(TENTHS);
        let drawn = !*drew && self.stock.fetch_update(Relaxed, Relaxed, less).is_ok();
        *drew |= drawn;
        drawn
    }

    /// A call has ended well. Costs a load while the stock is full, as it mostly is.
    #[inline]
    pub fn note_success(&self) {
        if self.stock.load(Relaxed) < self.full_stock {
            self.restock();
        }
    }

    #[cold]
    fn restock(&self) {
        let more = |stock: u32| (stock < self.full_stock).then(|| stock + 1);
        let _ = self.stock.fetch_update(Relaxed, Relaxed, more);
    }

    /// Draws for a hedge; false if the client cannot afford it.
    #[must_use = "a hedge that was not granted must not be made"]
    pub fn try_hedge(&self, now: Instant) -> bool {
        let Some((hedges, drawn)) =
            self.hedges.as_ref().and_then(|it| Some((it, it.withdraw(now)?)))
        else {
            return false;
        };
        let granted = self.try_retry(now);
        if !granted {
            hedges.give_back(drawn);
        }
        granted
    }
}

/// A call pays a thousand, so that the price of an attempt is a whole number for all common ratios.
fn prices(ratio: f64, floor_per_second: u32, window: Duration) -> Prices {
    let (deposit, withdraw) = if ratio < LEAST_RATIO {
        (0, 1)
    } else {
        (CALL_PAYS, (f64::from(CALL_PAYS) / ratio).floor().max(1.0) as i32)
    };
    let floor = u128::from(floor_per_second) * window.as_millis() / 1000;
    let reserve = i64::try_from(floor * withdraw as u128).unwrap_or(i64::MAX);
    Prices { deposit, withdraw, reserve }
}

/// A burst of 200 calls with one of three hosts answering 5xx needs about 70 retries above the window's.
const STOCK: u32 = 100;
const STOCK_OF_CHILD: u32 = 10;
/// Ten successful calls put one extra attempt back.
const TENTHS: u32 = 10;

const CALL_PAYS: i32 = 1000;
/// Below one in a million a ratio is none: the price would not fit a slot.
const LEAST_RATIO: f64 = 1e-6;
/// With less than a second the slots would be as short as a call.
const SHORTEST: Duration = Duration::from_secs(1);
/// With more than a minute a quiet time would pay for a loud one.
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::{ms, t0};

    fn config(ratio: f64, floor_per_second: u32) -> BudgetConfig {
        let ratio = Factor::new(ratio).unwrap();
        BudgetConfig { ratio, floor_per_second, ..BudgetConfig::default() }
    }

    fn retries(budget: &Budget, now: Instant) -> usize {
        (0..10_000).take_while(|_| budget.try_retry(now)).count()
    }

    fn hedges(budget: &Budget, now: Instant) -> usize {
        (0..10_000).take_while(|_| budget.try_hedge(now)).count()
    }

    /// How many of `calls` get an extra attempt each.
    fn helped(budget: &Budget, calls: usize, now: Instant) -> usize {
        (0..calls).filter(|_| budget.try_extra(&mut false, now)).count()
    }

    #[test]
    fn a_burst_on_a_new_client_is_borne_once() {
        let now = t0();
        let budget = Budget::new(&BudgetConfig::default(), None, now);
        (0..200).for_each(|_| budget.deposit(now));
        assert_eq!(helped(&budget, 200, now), 10 + 20 + 100);
        assert_eq!(helped(&budget, 200, now + ms(60_000)), 10, "the window's reserve alone");
    }

    #[test]
    fn a_call_draws_on_the_stock_once() {
        let now = t0();
        let budget = Budget::new(&config(0.0, 0), None, now);
        let mut drew = false;
        assert!(budget.try_extra(&mut drew, now) && drew);
        assert!(!budget.try_extra(&mut drew, now));
        assert!(budget.try_extra(&mut false, now), "another call's");
    }

    #[test]
    fn ten_successes_put_one_back_up_to_the_full_stock() {
        let now = t0();
        let budget = Budget::new(&config(0.0, 0), None, now);
        assert_eq!(helped(&budget, 200, now), 100);
        (0..9).for_each(|_| budget.note_success());
        assert_eq!(helped(&budget, 1, now), 0);
        budget.note_success();
        assert_eq!(helped(&budget, 200, now), 1);
        (0..5000).for_each(|_| budget.note_success());
        assert_eq!(helped(&budget, 200, now), 100);
    }

    #[test]
    fn a_forked_child_has_less_in_stock_and_can_have_none() {
        let now = t0();
        let child = Budget::new(&config(0.0, 0), None, now).of_child();
        assert_eq!(helped(&child, 200, now), 10);
        let none = BudgetConfig { stock: 0, ..config(0.0, 0) };
        assert_eq!(helped(&Budget::new(&none, None, now).of_child(), 200, now), 0);
    }

    #[test]
    fn one_call_in_ten_pays_for_a_retry_above_the_reserve() {
        let now = t0();
        let budget = Budget::new(&BudgetConfig::default(), None, now);
        assert_eq!(retries(&budget, now), 10);
        (0..1000).for_each(|_| budget.deposit(now));
        assert_eq!(retries(&budget, now), 100);
    }

    #[test]
    fn without_a_floor_the_first_retry_must_be_earned() {
        let now = t0();
        let budget = Budget::new(&config(0.1, 0), None, now);
        (0..9).for_each(|_| budget.deposit(now));
        assert_eq!(retries(&budget, now), 0);
        budget.deposit(now);
        assert_eq!(retries(&budget, now), 1);
    }

    #[test]
    fn a_ratio_of_nothing_leaves_the_floor_alone() {
        for ratio in [0.0, 1e-9] {
            let now = t0();
            let budget = Budget::new(&config(ratio, 2), None, now);
            (0..1000).for_each(|_| budget.deposit(now));
            assert_eq!(retries(&budget, now), 20);
            assert_eq!(retries(&budget, now + ms(10_000)), 20);
        }
    }

    #[test]
    fn a_call_may_pay_for_more_than_one_retry() {
        let now = t0();
        let budget = Budget::new(&config(2.0, 0), None, now);
        (0..5).for_each(|_| budget.deposit(now));
        assert_eq!(retries(&budget, now), 10);
        let boundless = Budget::new(&config(f64::MAX, 0), None, now);
        boundless.deposit(now);
        assert_eq!(retries(&boundless, now), 1000, "a thousand for a call is the most");
    }

    #[test]
    fn the_window_is_one_to_sixty_seconds() {
        for (asked, reserve) in [(1, 1), (1500, 1), (2500, 2), (60_000, 60), (3_600_000, 60)] {
            let now = t0();
            let config = BudgetConfig { window: ms(asked), ..config(0.1, 1) };
            assert_eq!(retries(&Budget::new(&config, None, now), now), reserve, "{asked} ms");
        }
    }

    #[test]
    fn hedges_draw_on_both_and_leave_retries_their_share() {
        let now = t0();
        let budget = Budget::new(&BudgetConfig::default(), Some(Ratio::TWENTIETH), now);
        assert_eq!(hedges(&budget, now), 0, "they have no reserve");
        (0..1000).for_each(|_| budget.deposit(now));
        assert_eq!(hedges(&budget, now), 50);
        assert_eq!(retries(&budget, now), 60);
    }

    #[test]
    fn a_hedge_that_the_shared_bucket_refuses_costs_nothing() {
        let now = t0();
        let budget = Budget::new(&config(0.1, 0), Some(Ratio::TWENTIETH), now);
        (0..100).for_each(|_| budget.deposit(now));
        assert_eq!(retries(&budget, now), 10);
        assert_eq!(hedges(&budget, now), 0);
        (0..100).for_each(|_| budget.deposit(now));
        assert_eq!(hedges(&budget, now), 10, "twenty would be theirs, ten the shared bucket has");
    }

    #[test]
    fn without_hedging_no_hedge_is_granted() {
        let now = t0();
        let budget = Budget::new(&BudgetConfig::default(), None, now);
        (0..1000).for_each(|_| budget.deposit(now));
        assert!(!budget.try_hedge(now));
    }

    /// A call that fails at the last of the layers, each of which has three tries. Returns whether it
    /// may be repeated: a layer that gives up says no if `pass_on`.
    fn call(layers: &[Budget], now: Instant, attempts: &mut [u32], pass_on: bool) -> bool {
        let (Some((budget, below)), Some((own, rest))) =
            (layers.split_first(), attempts.split_first_mut())
        else {
            return true;
        };
        budget.deposit(now);
        *own += 1;
        for _ in 1..3 {
            if !call(below, now, rest, pass_on) || !budget.try_retry(now) {
                return !pass_on;
            }
            *own += 1;
        }
        call(below, now, rest, pass_on);
        !pass_on
    }

    #[test]
    fn a_budget_of_hedges_alone_grants_every_retry_and_the_share_of_hedges() {
        let now = t0();
        let budget = Budget::of_hedges(Ratio::TWENTIETH, now);
        assert!((0..100).all(|_| budget.try_retry(now)));
        assert!(!budget.try_hedge(now), "no call has paid for one");
        (0..100).for_each(|_| budget.deposit(now));
        assert_eq!((0..100).filter(|_| budget.try_hedge(now)).count(), 5);
        assert!(budget.try_retry(now));
    }

    /// Four clients one behind the other, so five layers, and the last one down: left to themselves
    /// their 20,000 calls would become 81 times as many.
    fn tower(pass_on: bool) -> [u32; 4] {
        let t0 = t0();
        let layers: Vec<_> = (0..4).map(|_| Budget::new(&config(0.1, 0), None, t0)).collect();
        let mut attempts = [0; 4];
        for at in 0..20_000 {
            call(&layers, t0 + ms(at), &mut attempts, pass_on);
        }
        attempts
    }

    #[test]
    fn a_tower_of_services_makes_a_tenth_more_at_each_layer() {
        let mut asked = 20_000;
        for made in tower(false) {
            assert!(f64::from(made) <= f64::from(asked) * 1.1, "{made} for {asked}");
            asked = made;
        }
    }

    #[test]
    fn with_a_no_that_is_passed_on_only_the_last_layer_repeats() {
        assert_eq!(tower(true), [20_000, 20_000, 20_000, 22_000]);
    }

    proptest! {
        #[test]
        fn no_setting_grants_more_than_it_says(
            ratio in prop_oneof![0.0..3.0, Just(0.0), Just(1e-9), Just(1e-6), Just(f64::MAX)],
            floor in prop_oneof![0_u32..20, Just(u32::MAX)],
            window in prop_oneof![Just(Duration::ZERO), Just(Duration::MAX), (0_u64..70_000).prop_map(ms)],
            calls in 0_u32..200,
        ) {
            let now = t0();
            let config = BudgetConfig { window, ..config(ratio, floor) };
            let budget = Budget::new(&config, None, now);
            (0..calls).for_each(|_| budget.deposit(now));
            let granted = (0..2000).filter(|_| budget.try_retry(now)).count() as f64;
            let seconds = window.clamp(SHORTEST, LONGEST).as_secs_f64();
            // A price is rounded down to a whole number, by less than one in 300 below a ratio of 3.
            let paid = f64::from(calls) * ratio.min(1000.0) * 1.004;
            prop_assert!(granted <= f64::from(floor) * seconds + paid + 1e-6);
        }
    }
}
