//! Whether a call is refused before it is sent, because the service has refused too many.
//!
//! A service that is overloaded spends work even on saying no. Google's SRE book lets each client
//! refuse for itself once the service takes less than half of its calls: with `req` calls over the
//! last two minutes of which `acc` were accepted, a call is refused with probability
//! `max(0, (req - K * acc) / (req + 1))`. Refused calls count as calls, so the service still sees about
//! `K` times what it accepts, and notices of recovery keep coming in.
//!
//! That is so where calls are many. Of a caller that sends one every few seconds the formula alone would refuse
//! half after the first failure, and after an outage nearly all for minutes. So go-zero's rule is taken too: one call a
//! second is sent whatever the formula says.
//!
//! It is off by default. It learns from whether calls were accepted, and calls that a deadline cuts
//! were not: a service that is slow is throttled like one that refuses, and stays so for a good part of
//! the two minutes. A limit on what is in flight ([`limit`](super::limit)) does better where it can be
//! had.
//!
//! A call counts when it ends. Counting at the start, as the formula could be read too, would take
//! the first hundred calls of a fresh client for a hundred refusals. Its attempts do not count one by one: refusals come
//! sooner than answers, so in a burst one endpoint that refuses would speak for a service that answers every call.
//!
//! Rejected: Envoy's admission control, the same with a milder curve and more knobs; and dropping by
//! a moving average of refusals, whose figure nobody can check by hand.

use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

use crate::policy::circuit::window::{OutcomeFlags, Window};
use crate::policy::retry::backoff::Factor;

/// How much the client lets through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThrottleConfig {
    /// How many calls are sent for one that is accepted; default 2: half of what arrives may be
    /// refused, which is what a recovering service bears. Below 1 it counts as 1.
    pub k: Factor,
    /// The time over which calls are counted; default 2 min.
    pub window: Duration,
}

/// How often one call is sent in any case: go-zero's number. A service that is down bears that of each client, and a
/// caller that is no quicker is never refused.
const SENT_EVERY: Duration = Duration::from_secs(1);

impl Default for ThrottleConfig {
    fn default() -> Self {
        Self { k: Factor::DOUBLE, window: Duration::from_secs(120) }
    }
}

/// The throttle of one service. Its counters belong together, so the caller locks it.
#[derive(Clone, Debug)]
pub struct Throttle {
    k: f64,
    /// A call that was not accepted counts as a failure.
    calls: Window,
    /// When a call was last sent.
    sent: Option<Instant>,
}

impl Throttle {
    /// A throttle that has seen no calls.
    #[must_use]
    pub fn new(config: &ThrottleConfig) -> Self {
        Self { k: config.k.value().max(1.0), calls: Window::new(config.window), sent: None }
    }

    /// Whether a call may be sent. One that may not is counted as refused, and done with; the outcome
    /// of one that may is to be told by [`Throttle::record`].
    #[must_use = "a refused call must not be sent"]
    pub fn admit(&mut self, now: Instant, rng: &mut impl Rng) -> bool {
        let chance = self.refusal(now);
        // Without need no number is drawn: this is on the way of every call.
        let refused = chance > 0.0 && rng.random::<f64>() < chance && !self.is_due(now);
        match refused {
            true => self.record(false, now),
            false => self.sent = Some(now),
        }
        !refused
    }

    /// Whether a call is sent whatever the chances are: none was for a while.
    fn is_due(&self, now: Instant) -> bool {
        self.sent.is_none_or(|sent| now.saturating_duration_since(sent) >= SENT_EVERY)
    }

    /// Counts a call that was sent: whether the service took it on. An answer that says to come
    /// later (429, 503) and no answer at all are not accepted; any other answer is, an error included.
    pub fn record(&mut self, accepted: bool, now: Instant) {
        self.calls.record(OutcomeFlags { failed: !accepted, slow: false }, now);
    }

    /// The probability with which a call is refused now: at least 0 and below 1.
    pub fn refusal(&mut self, now: Instant) -> f64 {
        let counts = self.calls.counts(now);
        let total = f64::from(counts.total);
        let accepted = total - f64::from(counts.failures);
        ((total - self.k * accepted) / (total + 1.0)).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::{ms, rng, t0};

    fn throttle() -> Throttle {
        Throttle::new(&ThrottleConfig::default())
    }

    fn record(throttle: &mut Throttle, count: usize, accepted: bool, now: Instant) {
        (0..count).for_each(|_| throttle.record(accepted, now));
    }

    #[test]
    fn a_fresh_client_refuses_nothing() {
        let (mut throttle, now, mut rng) = (throttle(), t0(), rng());
        assert!((0..1000).all(|_| throttle.admit(now, &mut rng)));
    }

    #[test]
    fn up_to_half_may_be_refused_by_the_service() {
        let (mut throttle, now) = (throttle(), t0());
        record(&mut throttle, 50, true, now);
        record(&mut throttle, 50, false, now);
        assert_eq!(throttle.refusal(now), 0.0);
        record(&mut throttle, 1, false, now);
        assert_eq!(throttle.refusal(now), 1.0 / 102.0);
        record(&mut throttle, 99, false, now);
        assert_eq!(throttle.refusal(now), 100.0 / 201.0);
    }

    #[test]
    fn one_call_a_second_is_sent_whatever_was_refused() {
        let (mut throttle, t0, mut rng) = (throttle(), t0(), rng());
        record(&mut throttle, 100_000, false, t0);
        let sent = (0..1000).filter(|tick| throttle.admit(t0 + ms(tick * 100), &mut rng));
        assert_eq!(sent.count(), 100);
    }

    #[test]
    fn a_lone_caller_is_not_refused_after_an_outage() {
        let (mut throttle, t0, mut rng) = (throttle(), t0(), rng());
        for second in 0..200 {
            let now = t0 + ms(second * 1000);
            assert!(throttle.admit(now, &mut rng), "after {second} s");
            throttle.record(second > 100, now);
        }
    }

    #[test]
    fn refused_calls_count_as_calls() {
        let (mut throttle, now, mut rng) = (throttle(), t0(), rng());
        record(&mut throttle, 100, false, now);
        let before = throttle.refusal(now);
        let refused = (0..1000).filter(|_| !throttle.admit(now, &mut rng)).count();
        assert!(refused > 980, "{refused}");
        assert!(throttle.refusal(now) > before);
        assert_eq!(throttle.calls.counts(now).total as usize, 100 + refused);
    }

    #[test]
    fn two_minutes_later_all_is_forgotten() {
        let (mut throttle, now) = (throttle(), t0());
        record(&mut throttle, 100, false, now);
        assert!(throttle.refusal(now + ms(119_999)) > 0.9);
        assert_eq!(throttle.refusal(now + ms(120_000)), 0.0);
    }

    #[test]
    fn a_service_at_its_limit_sees_about_twice_what_it_takes() {
        let (mut throttle, t0, mut rng) = (throttle(), t0(), rng());
        let (mut sent, mut taken) = (0, 0);
        // Ten calls in 10 ms for ten minutes, of which the service takes one; counted once settled.
        for tick in 0..60_000 {
            let now = t0 + ms(tick * 10);
            let mut room = 1;
            for _ in 0..10 {
                if !throttle.admit(now, &mut rng) {
                    continue;
                }
                throttle.record(room > 0, now);
                if tick > 12_000 {
                    sent += 1;
                    taken += room;
                }
                room = 0;
            }
        }
        let ratio = f64::from(sent) / f64::from(taken);
        assert!((1.8..2.2).contains(&ratio), "{ratio}");
    }

    #[test]
    fn a_k_below_one_would_refuse_what_is_accepted() {
        let config = ThrottleConfig { k: Factor::TENTH, ..ThrottleConfig::default() };
        let (mut throttle, now) = (Throttle::new(&config), t0());
        record(&mut throttle, 100, true, now);
        assert_eq!(throttle.refusal(now), 0.0);
    }

    proptest! {
        #[test]
        fn the_chance_is_a_probability_and_never_certainty(
            events in prop::collection::vec((0_u64..2000, any::<bool>()), 0..200),
            k in prop_oneof![0.0..5.0, Just(f64::MAX)],
            window in prop_oneof![Just(Duration::ZERO), Just(Duration::MAX), Just(ms(120_000))],
        ) {
            let k = Factor::new(k).unwrap();
            let (mut throttle, mut now) = (Throttle::new(&ThrottleConfig { k, window }), t0());
            for (pause, accepted) in events {
                now += ms(pause);
                throttle.record(accepted, now);
                let chance = throttle.refusal(now);
                prop_assert!((0.0..1.0).contains(&chance), "{chance}");
            }
        }
    }
}
