//! Whether a call goes on after an attempt, and after which wait.
//!
//! The attempt loop states facts; this decides, and keeps the count of one call. What it does not
//! know is the shared budget: whether the client as a whole can afford the retry is asked only
//! once the rules of this call want one, and only if something of the last attempt was sent. What
//! never left the client burdened nobody.
//!
//! An attempt that sent nothing is *free* while another endpoint stands by: going on costs neither a
//! try nor a wait. Two dead hosts out of three must not eat up the tries that are meant for bad
//! answers. Free attempts end by themselves, as each endpoint grants one per call.

use std::num::NonZeroU32;
use std::time::Duration;

use rand::Rng;

use super::backoff::{Backoff, between};
use super::classify::{AttemptOutcome, class};
use super::config::{RetryConfig, RetryOn};
use super::pushback::Pushback;
use super::retry_after::{RetryAfter, may_ask};
use crate::outcome::{Class, FailureKind};
use crate::policy::propagation::deadline::latest_start;

/// What the attempt loop knows after an attempt.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// How the attempt ended.
    pub ended: AttemptOutcome,
    /// Whether the request may be repeated: by its method, or because the user said so.
    pub idempotent: bool,
    /// Whether the body can be sent again: it is held, or its source was not touched or can rewind.
    pub resendable: bool,
    /// Whether an endpoint that this call has not tried yet would admit now.
    pub untried: bool,
    /// Whether this was the call's first attempt on its endpoint.
    pub first_on_endpoint: bool,
    /// Whether it was a probe while no endpoint took calls: the call may wait for the end of that.
    pub in_outage: bool,
    /// What the answer's `Retry-After` asked for.
    pub retry_after: Option<RetryAfter>,
    /// What the answer said about repeating the call.
    pub pushback: Option<Pushback>,
    /// What is left until the deadline; none without a deadline.
    pub time_left: Option<Duration>,
    /// What half of the attempts take at most; none while it is not known. An attempt is not begun
    /// that cannot be expected to end in time.
    pub p50: Option<Duration>,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Hand over what there is.
    Stop(StopReason),
    /// Try again, on an untried endpoint if there is one.
    Retry {
        /// How long to wait first.
        wait: Duration,
        /// Whether the last attempt cost no try; then the budget was not asked either.
        free: bool,
    },
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// There is an answer that is not to be repeated.
    Success,
    /// Repeating cannot help, or is not wanted.
    Final,
    /// The request may have been carried out and must not be twice.
    NotIdempotent,
    /// Bytes of the body were drawn from a source that cannot rewind.
    BodyGone,
    /// All tries are used up.
    Tries,
    /// The endpoint asked for a wait beyond the cap or the deadline, and no other is left.
    RetryAfter,
    /// The next attempt could not be expected to end before the deadline.
    Deadline,
    /// The server said that the call is not to be repeated.
    Pushback,
    /// The client as a whole makes too many extra attempts.
    Budget,
}

/// The retries of one call.
#[derive(Debug)]
pub struct Retry<'a> {
    config: &'a RetryConfig,
    backoff: Backoff,
    /// Attempts that cost a try and were followed by another, or had one beside them.
    used: u32,
    /// A server has refused an attempt of this call unprocessed.
    was_refused: bool,
}

impl<'a> Retry<'a> {
    /// A call before its first attempt.
    #[must_use]
    pub const fn new(config: &'a RetryConfig) -> Self {
        Self { config, backoff: Backoff::new(config.backoff), used: 0, was_refused: false }
    }

    /// The tries that remain, the one under way included; none for no limit.
    #[must_use]
    pub fn tries_left(&self) -> Option<u32> {
        let tries = self.config.tries?;
        Some(tries.get().saturating_sub(self.used))
    }

    /// Whether another attempt may start beside those under way.
    #[must_use]
    pub fn has_try(&self) -> bool {
        self.tries_left().is_none_or(|left| left > 1)
    }

    /// An attempt starts beside one that is late, at the price of a try.
    pub const fn start_beside(&mut self) {
        self.used = self.used.saturating_add(1);
    }

    /// What cost a try has sent nothing, or was not made after all.
    pub const fn give_back(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    /// Decides after an attempt. To be asked exactly once for each. `budget` draws on the client's
    /// budget and says whether it was granted; it is called once at most, when all else is settled.
    pub fn decide(
        &mut self,
        facts: &Facts,
        rng: &mut impl Rng,
        budget: impl FnOnce() -> bool,
    ) -> Decision {
        let decision = match self.wish(facts, rng) {
            Decision::Retry { free: false, .. } if self.has_price(facts) && !budget() => {
                Decision::Stop(StopReason::Budget)
            }
            wish => wish,
        };
        if matches!(decision, Decision::Retry { free: false, .. }) {
            self.used = self.used.saturating_add(1);
        }
        decision
    }

    /// Whether the attempt is the budget's concern: the server had something to bear. The first that it refused
    /// unprocessed costs nothing (gRFC A6); one that refuses on and on is in trouble.
    fn has_price(&mut self, facts: &Facts) -> bool {
        let refused = class(&facts.ended, self.config) == Class::Unprocessed;
        let first = refused && !self.was_refused;
        self.was_refused |= refused;
        was_sent(&facts.ended) && !first
    }

    /// What this call would do if it were alone.
    fn wish(&mut self, facts: &Facts, rng: &mut impl Rng) -> Decision {
        match class(&facts.ended, self.config) {
            Class::Success => Decision::Stop(StopReason::Success),
            Class::Final => Decision::Stop(StopReason::Final),
            _ if !facts.resendable => Decision::Stop(StopReason::BodyGone),
            Class::Unprocessed if self.is_free(facts) => retry(Duration::ZERO, true, facts),
            Class::Unprocessed => self.spend(facts, rng),
            Class::Ambiguous | Class::RetriableStatus if self.may_repeat(facts) => {
                self.spend(facts, rng)
            }
            Class::Ambiguous | Class::RetriableStatus => Decision::Stop(StopReason::NotIdempotent),
        }
    }

    const fn may_repeat(&self, facts: &Facts) -> bool {
        facts.idempotent || self.config.any_method
    }

    fn is_free(&self, facts: &Facts) -> bool {
        (facts.untried && facts.first_on_endpoint || facts.in_outage)
            && self.config.tries != Some(NonZeroU32::MIN)
            && self.config.on.contains(RetryOn::CONNECT)
            && can_be_free(&facts.ended)
    }

    /// Goes on at the price of a try and a wait.
    fn spend(&mut self, facts: &Facts, rng: &mut impl Rng) -> Decision {
        if !self.has_try() {
            return Decision::Stop(StopReason::Tries);
        }
        match (facts.pushback, asked_wait(facts)) {
            (Some(Pushback::Never), _) => Decision::Stop(StopReason::Pushback),
            (Some(Pushback::After(wait)), _) => self.obey_exactly(wait, facts),
            (None, Some(asked)) => self.obey(asked, facts, rng),
            (None, None) => retry(self.backoff.next(rng), false, facts),
        }
    }

    /// Waits as long as the server said for this call alone: it spreads its callers itself.
    fn obey_exactly(&mut self, wait: Duration, facts: &Facts) -> Decision {
        self.backoff.restart();
        match retry(wait, false, facts) {
            Decision::Stop(_) => Decision::Stop(StopReason::RetryAfter),
            wish => wish,
        }
    }

    /// Waits as long as the endpoint asked, and up to half as long again: all callers were asked
    /// for the same wait and must not come back together.
    fn obey(&mut self, asked: RetryAfter, facts: &Facts, rng: &mut impl Rng) -> Decision {
        let latest = latest_start(facts.time_left, facts.p50).unwrap_or(Duration::MAX);
        if asked.beyond_cap || asked.wait >= latest {
            return Decision::Stop(StopReason::RetryAfter);
        }
        self.backoff.restart();
        // The draw ends in time for the attempt, as the wait without jitter does.
        let longest = asked.wait.saturating_add(asked.wait / 2);
        let in_time = latest.saturating_sub(Duration::from_nanos(1));
        let wait = between(asked.wait, longest.min(in_time), rng);
        retry(wait, false, facts)
    }
}

fn retry(wait: Duration, free: bool, facts: &Facts) -> Decision {
    if latest_start(facts.time_left, facts.p50).is_some_and(|latest| wait >= latest) {
        return Decision::Stop(StopReason::Deadline);
    }
    Decision::Retry { wait, free }
}

/// The wait that the only endpoint left asked for. With an untried one at hand the wish does not
/// matter, as it speaks for the endpoint that sent it. A wish for no wait is none: it would let the
/// same endpoint be asked without pause.
fn asked_wait(facts: &Facts) -> Option<RetryAfter> {
    let honoured = match facts.ended {
        AttemptOutcome::Answered { status } | AttemptOutcome::Judged { status, .. } => {
            may_ask(status)
        }
        AttemptOutcome::Failed { .. } => false,
    };
    let asked = facts.retry_after.filter(|asked| !asked.wait.is_zero());
    asked.filter(|_| honoured && !facts.untried)
}

/// Whether the server had anything to bear.
const fn was_sent(ended: &AttemptOutcome) -> bool {
    match ended {
        AttemptOutcome::Answered { .. } | AttemptOutcome::Judged { .. } => true,
        AttemptOutcome::Failed { sent, .. } => *sent,
    }
}

/// Whether nothing was sent, through no fault of this host: without descriptors or ports, another
/// endpoint is no better.
const fn can_be_free(ended: &AttemptOutcome) -> bool {
    let AttemptOutcome::Failed { kind, sent } = ended else {
        return false;
    };
    match kind {
        FailureKind::NameNotFound
        | FailureKind::Resolve
        | FailureKind::Connect
        | FailureKind::ConnectTimeout
        | FailureKind::RefusedStream => true,
        FailureKind::ConnectionLost => !*sent,
        FailureKind::Local
        | FailureKind::Tls
        | FailureKind::ProxyCredentials
        | FailureKind::Timeout
        | FailureKind::Deadline
        | FailureKind::Protocol
        | FailureKind::Source
        | FailureKind::Unacceptable
        | FailureKind::BodyTooLarge
        | FailureKind::InvalidRequest
        | FailureKind::TooManyRedirects
        | FailureKind::Cancelled
        | FailureKind::Closed
        | FailureKind::Interrupted => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::policy::retry::backoff::BackoffConfig;
    use crate::policy::retry::backoff::{Factor, Jitter};
    use crate::policy::retry::config::StatusSet;
    use crate::policy::test_inputs::{ms, rng};

    const STEP: Duration = ms(10);

    /// A fixed wait of 10 ms, doubled each time, so that waits can be compared.
    fn config(tries: u32) -> RetryConfig {
        RetryConfig {
            tries: NonZeroU32::new(tries),
            backoff: BackoffConfig {
                delay: STEP,
                max_delay: ms(1000),
                backoff: Factor::DOUBLE,
                jitter: Jitter::Range { min: Duration::ZERO, max: Duration::ZERO },
            },
            ..RetryConfig::default()
        }
    }

    fn facts(ended: AttemptOutcome) -> Facts {
        Facts {
            ended,
            idempotent: true,
            resendable: true,
            untried: true,
            first_on_endpoint: true,
            in_outage: false,
            retry_after: None,
            pushback: None,
            time_left: Some(ms(10_000)),
            p50: None,
        }
    }

    fn answered(status: u16) -> Facts {
        facts(AttemptOutcome::Answered { status })
    }

    fn unsent(kind: FailureKind) -> Facts {
        facts(AttemptOutcome::Failed { kind, sent: false })
    }

    fn sent(kind: FailureKind) -> Facts {
        facts(AttemptOutcome::Failed { kind, sent: true })
    }

    /// A 503 of the last endpoint, asking for a wait.
    fn told_to_wait(wait: Duration) -> Facts {
        Facts {
            untried: false,
            retry_after: Some(RetryAfter { wait, beyond_cap: false }),
            ..answered(503)
        }
    }

    /// A budget with enough in it.
    fn granted() -> bool {
        true
    }

    /// A budget that must not be asked.
    fn not_asked() -> bool {
        panic!("nothing needs the budget here")
    }

    fn first(config: &RetryConfig, facts: &Facts) -> Decision {
        Retry::new(config).decide(facts, &mut rng(), granted)
    }

    fn paid(wait: Duration) -> Decision {
        Decision::Retry { wait, free: false }
    }

    const FREE: Decision = Decision::Retry { wait: Duration::ZERO, free: true };

    #[test]
    fn a_body_that_is_gone_is_not_sent_again() {
        let gone = |facts: Facts| Facts { resendable: false, ..facts };
        for facts in [unsent(FailureKind::Connect), sent(FailureKind::Timeout), answered(503)] {
            let decision = first(&config(3), &gone(facts));
            assert_eq!(decision, Decision::Stop(StopReason::BodyGone));
        }
        let decision = first(&config(3), &gone(answered(200)));
        assert_eq!(decision, Decision::Stop(StopReason::Success));
    }

    #[test]
    fn a_good_answer_ends_the_call() {
        for status in [200, 302, 404, 501] {
            let decision = first(&config(3), &answered(status));
            assert_eq!(decision, Decision::Stop(StopReason::Success));
        }
    }

    #[test]
    fn bad_answers_cost_tries_and_growing_waits() {
        let (config, mut rng) = (config(4), rng());
        let mut retry = Retry::new(&config);
        assert_eq!(retry.tries_left(), Some(4));
        for wait in [STEP, STEP * 2, STEP * 4] {
            assert_eq!(retry.decide(&answered(503), &mut rng, granted), paid(wait));
        }
        assert_eq!(retry.tries_left(), Some(1));
        let last = retry.decide(&answered(503), &mut rng, granted);
        assert_eq!(last, Decision::Stop(StopReason::Tries));
    }

    #[test]
    fn two_dead_hosts_leave_all_tries_to_the_third() {
        let (config, mut rng) = (config(2), rng());
        let mut retry = Retry::new(&config);
        assert_eq!(retry.decide(&unsent(FailureKind::NameNotFound), &mut rng, granted), FREE);
        assert_eq!(retry.decide(&unsent(FailureKind::Connect), &mut rng, granted), FREE);
        assert_eq!(retry.tries_left(), Some(2));
        assert_eq!(retry.decide(&answered(500), &mut rng, granted), paid(STEP));
    }

    #[test]
    fn these_are_free_once_per_endpoint() {
        let free = [
            unsent(FailureKind::Connect),
            unsent(FailureKind::NameNotFound),
            unsent(FailureKind::Resolve),
            unsent(FailureKind::ConnectTimeout),
            unsent(FailureKind::ConnectionLost),
            sent(FailureKind::RefusedStream),
        ];
        for facts in free {
            assert_eq!(first(&config(3), &facts), FREE, "{facts:?}");
            let again = Facts { first_on_endpoint: false, ..facts };
            assert_eq!(first(&config(3), &again), paid(STEP), "{facts:?}");
            let alone = Facts { untried: false, ..facts };
            assert_eq!(first(&config(3), &alone), paid(STEP), "{facts:?}");
        }
        for kind in [FailureKind::Local, FailureKind::Timeout, FailureKind::Protocol] {
            assert_eq!(first(&config(3), &unsent(kind)), paid(STEP), "{kind:?}");
        }
        let lost = sent(FailureKind::ConnectionLost);
        assert_eq!(first(&config(3), &lost), paid(STEP));
    }

    #[test]
    fn one_try_or_a_mask_without_connect_makes_nothing_free() {
        let dead = unsent(FailureKind::Connect);
        assert_eq!(first(&config(1), &dead), Decision::Stop(StopReason::Tries));
        let mask = RetryOn::from_bits(RetryOn::ALL.bits() - 1).unwrap();
        let no_connect = RetryConfig { on: mask, ..config(3) };
        assert_eq!(first(&no_connect, &dead), Decision::Stop(StopReason::Final));
        let slow = unsent(FailureKind::ConnectTimeout);
        assert_eq!(first(&no_connect, &slow), paid(STEP));
    }

    #[test]
    fn a_post_is_repeated_only_if_nothing_was_processed() {
        let post = |facts| Facts { idempotent: false, ..facts };
        let unsafe_to_repeat = [
            answered(503),
            sent(FailureKind::Timeout),
            sent(FailureKind::ConnectionLost),
            sent(FailureKind::Protocol),
        ];
        let any_method = RetryConfig { any_method: true, ..config(3) };
        for facts in unsafe_to_repeat.map(post) {
            let stop = Decision::Stop(StopReason::NotIdempotent);
            assert_eq!(first(&config(3), &facts), stop, "{facts:?}");
            assert_eq!(first(&any_method, &facts), paid(STEP), "{facts:?}");
        }
        assert_eq!(first(&config(3), &post(unsent(FailureKind::Connect))), FREE);
        assert_eq!(first(&config(3), &post(sent(FailureKind::RefusedStream))), FREE);
        assert_eq!(first(&config(3), &post(unsent(FailureKind::Timeout))), paid(STEP));
        assert_eq!(first(&config(3), &post(answered(400))), Decision::Stop(StopReason::Success));
    }

    #[test]
    fn some_failures_are_final() {
        for kind in [FailureKind::Tls, FailureKind::Deadline, FailureKind::BodyTooLarge] {
            assert_eq!(first(&config(3), &sent(kind)), Decision::Stop(StopReason::Final));
        }
    }

    #[test]
    fn without_a_limit_only_other_rules_end_the_call() {
        let (config, mut rng) = (config(0), rng());
        let mut retry = Retry::new(&config);
        assert_eq!(retry.tries_left(), None);
        for _ in 0..1000 {
            let decision = retry.decide(&answered(503), &mut rng, granted);
            assert!(matches!(decision, Decision::Retry { free: false, .. }));
        }
    }

    #[test]
    fn a_wait_that_reaches_the_deadline_is_not_started() {
        let left = |time_left, facts| Facts { time_left: Some(time_left), ..facts };
        let (bad, dead) = (answered(503), unsent(FailureKind::Connect));
        let stop = Decision::Stop(StopReason::Deadline);
        assert_eq!(first(&config(3), &left(STEP, bad)), stop);
        assert_eq!(first(&config(3), &left(STEP + ms(1), bad)), paid(STEP));
        assert_eq!(first(&config(3), &left(Duration::ZERO, dead)), stop);
        assert_eq!(first(&config(3), &left(ms(1), dead)), FREE);
        assert_eq!(first(&config(3), &Facts { time_left: None, ..bad }), paid(STEP));
    }

    #[test]
    fn an_attempt_that_could_not_end_in_time_is_not_begun() {
        let (bad, dead) = (answered(503), unsent(FailureKind::Connect));
        let with = |left, p50, facts| Facts { time_left: Some(left), p50: Some(p50), ..facts };
        let stop = Decision::Stop(StopReason::Deadline);
        assert_eq!(first(&config(3), &with(STEP + ms(20), ms(20), bad)), stop);
        assert_eq!(first(&config(3), &with(STEP + ms(21), ms(20), bad)), paid(STEP));
        assert_eq!(first(&config(3), &with(ms(20), ms(20), dead)), stop);
        assert_eq!(first(&config(3), &with(ms(21), ms(20), dead)), FREE);
        let waits = with(ms(1020), ms(20), told_to_wait(ms(1000)));
        assert_eq!(first(&config(3), &waits), Decision::Stop(StopReason::RetryAfter));
        let endless = Facts { time_left: None, p50: Some(Duration::MAX), ..bad };
        assert_eq!(first(&config(3), &endless), paid(STEP));
    }

    #[test]
    fn an_empty_budget_ends_the_call() {
        for facts in [answered(503), sent(FailureKind::Timeout), told_to_wait(ms(1000))] {
            let decision = Retry::new(&config(3)).decide(&facts, &mut rng(), || false);
            assert_eq!(decision, Decision::Stop(StopReason::Budget), "{facts:?}");
        }
    }

    #[test]
    fn the_budget_is_asked_only_once_all_else_is_settled() {
        let ask =
            |tries, facts: &Facts| Retry::new(&config(tries)).decide(facts, &mut rng(), not_asked);
        let late = Facts { time_left: Some(STEP), ..answered(503) };
        let post = Facts { idempotent: false, ..answered(503) };
        assert_eq!(ask(3, &late), Decision::Stop(StopReason::Deadline));
        assert_eq!(ask(3, &post), Decision::Stop(StopReason::NotIdempotent));
        assert_eq!(ask(3, &answered(200)), Decision::Stop(StopReason::Success));
        assert_eq!(ask(3, &sent(FailureKind::Tls)), Decision::Stop(StopReason::Final));
        assert_eq!(ask(1, &answered(503)), Decision::Stop(StopReason::Tries));
    }

    #[test]
    fn what_never_left_the_client_needs_no_budget() {
        let ask = |facts: &Facts| Retry::new(&config(3)).decide(facts, &mut rng(), not_asked);
        assert_eq!(ask(&unsent(FailureKind::Connect)), FREE);
        assert_eq!(ask(&sent(FailureKind::RefusedStream)), FREE);
        let alone = Facts { untried: false, ..unsent(FailureKind::Connect) };
        assert_eq!(ask(&alone), paid(STEP));
        assert_eq!(ask(&unsent(FailureKind::Local)), paid(STEP));
    }

    #[test]
    fn the_first_refusal_of_a_call_needs_no_budget_and_further_ones_do() {
        let again = Facts { first_on_endpoint: false, ..sent(FailureKind::RefusedStream) };
        let (config, mut rng) = (config(5), rng());
        let mut retry = Retry::new(&config);
        assert_eq!(retry.decide(&again, &mut rng, not_asked), paid(STEP));
        let refused = retry.decide(&again, &mut rng, || false);
        assert_eq!(refused, Decision::Stop(StopReason::Budget), "it did reach the server");
    }

    #[test]
    fn a_server_that_says_never_is_believed_for_all_endpoints() {
        let never = |facts| Facts { pushback: Some(Pushback::Never), ..facts };
        let stop = Decision::Stop(StopReason::Pushback);
        assert_eq!(first(&config(3), &never(answered(503))), stop);
        assert_eq!(first(&config(3), &never(told_to_wait(ms(10)))), stop);
        let any_method = RetryConfig { any_method: true, ..config(3) };
        let post = Facts { idempotent: false, ..never(answered(503)) };
        assert_eq!(first(&any_method, &post), stop);
        assert_eq!(first(&config(3), &never(answered(200))), Decision::Stop(StopReason::Success));
    }

    #[test]
    fn a_server_that_names_the_wait_gets_exactly_that() {
        let (config, mut rng) = (config(0), rng());
        let mut retry = Retry::new(&config);
        let after = |wait, facts| Facts { pushback: Some(Pushback::After(wait)), ..facts };
        let _ = retry.decide(&answered(500), &mut rng, granted);
        assert_eq!(retry.decide(&after(ms(70), answered(503)), &mut rng, granted), paid(ms(70)));
        assert_eq!(retry.decide(&answered(500), &mut rng, granted), paid(STEP), "starts over");
        let both = after(ms(70), told_to_wait(ms(5000)));
        assert_eq!(retry.decide(&both, &mut rng, granted), paid(ms(70)));
        let at_once = after(Duration::ZERO, answered(429));
        assert_eq!(retry.decide(&at_once, &mut rng, granted), paid(Duration::ZERO));
        let too_long = after(ms(10_000), answered(503));
        let stop = Decision::Stop(StopReason::RetryAfter);
        assert_eq!(retry.decide(&too_long, &mut rng, granted), stop);
    }

    #[test]
    fn retry_after_does_not_hold_back_an_untried_endpoint() {
        let facts = Facts { untried: true, ..told_to_wait(ms(5000)) };
        assert_eq!(first(&config(3), &facts), paid(STEP));
    }

    #[test]
    fn retry_after_is_obeyed_with_up_to_half_as_much_more() {
        let (config, mut rng) = (config(0), rng());
        let mut retry = Retry::new(&config);
        let waits: Vec<_> = (0..500)
            .map(|_| match retry.decide(&told_to_wait(ms(1000)), &mut rng, granted) {
                Decision::Retry { wait, free: false } => wait,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(waits.iter().all(|wait| (ms(1000)..=ms(1500)).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < ms(1020)));
        assert!(waits.iter().any(|wait| *wait > ms(1480)));
    }

    #[test]
    fn the_extra_wait_does_not_pass_the_deadline() {
        let (config, mut rng) = (config(0), rng());
        let facts = Facts { time_left: Some(ms(1100)), ..told_to_wait(ms(1000)) };
        let mut retry = Retry::new(&config);
        for _ in 0..200 {
            let Decision::Retry { wait, free: false } = retry.decide(&facts, &mut rng, granted)
            else {
                panic!("there is time for what was asked");
            };
            assert!((ms(1000)..ms(1100)).contains(&wait));
        }
    }

    #[test]
    fn after_an_obeyed_wait_the_backoff_starts_over() {
        let (config, mut rng) = (config(0), rng());
        let mut retry = Retry::new(&config);
        let _ = retry.decide(&answered(500), &mut rng, granted);
        assert_eq!(retry.decide(&answered(500), &mut rng, granted), paid(STEP * 2));
        let _ = retry.decide(&told_to_wait(ms(100)), &mut rng, granted);
        assert_eq!(retry.decide(&answered(500), &mut rng, granted), paid(STEP));
    }

    #[test]
    fn a_wait_beyond_cap_or_deadline_ends_the_call_at_once() {
        let stop = Decision::Stop(StopReason::RetryAfter);
        assert_eq!(first(&config(3), &told_to_wait(ms(10_000))), stop);
        let far = Some(RetryAfter { wait: ms(300), beyond_cap: true });
        let facts = Facts { retry_after: far, ..told_to_wait(ms(1)) };
        assert_eq!(first(&config(3), &facts), stop);
    }

    #[test]
    fn retry_after_counts_on_429_and_503_only_and_not_when_zero() {
        let ended = |status| AttemptOutcome::Answered { status };
        let with = |status| Facts { ended: ended(status), ..told_to_wait(ms(2000)) };
        for status in [500, 502, 504] {
            assert_eq!(first(&config(3), &with(status)), paid(STEP), "{status}");
        }
        for status in [429, 503] {
            assert_ne!(first(&config(3), &with(status)), paid(STEP), "{status}");
        }
        assert_eq!(first(&config(3), &told_to_wait(Duration::ZERO)), paid(STEP));
    }

    #[test]
    fn tries_end_before_retry_after_is_looked_at() {
        let decision = first(&config(1), &told_to_wait(ms(60_000)));
        assert_eq!(decision, Decision::Stop(StopReason::Tries));
    }

    #[test]
    fn a_mask_with_unknown_bits_is_refused() {
        assert_eq!(RetryOn::from_bits(127), Some(RetryOn::ALL));
        assert_eq!(RetryOn::from_bits(0).map(RetryOn::bits), Some(0));
        assert_eq!(RetryOn::from_bits(128), None);
        assert_eq!(RetryOn::from_bits(u32::MAX), None);
        let both = RetryOn::CONNECT | RetryOn::STATUS;
        assert_eq!(both.bits(), 33);
        assert!(both.contains(RetryOn::STATUS) && !both.contains(RetryOn::TIMEOUT));
    }

    #[test]
    fn a_status_set_holds_what_was_put_in() {
        let mut set = StatusSet::EMPTY;
        for status in 100..=599 {
            assert!(!set.contains(status) && set.insert(status) && set.contains(status));
        }
        set.remove(418);
        assert!(!set.contains(418) && set.contains(417) && set.contains(419));
        for outside in [0, 99, 600, u16::MAX] {
            set.remove(outside);
            assert!(!set.insert(outside) && !set.contains(outside));
        }
    }

    fn any_facts() -> impl Strategy<Value = Facts> {
        let kinds = prop::sample::select(vec![
            FailureKind::Connect,
            FailureKind::ConnectTimeout,
            FailureKind::Local,
            FailureKind::Timeout,
            FailureKind::ConnectionLost,
            FailureKind::RefusedStream,
            FailureKind::Protocol,
        ]);
        let ended = prop_oneof![
            prop::sample::select(vec![429_u16, 500, 503])
                .prop_map(|status| AttemptOutcome::Answered { status }),
            (kinds, any::<bool>()).prop_map(|(kind, sent)| AttemptOutcome::Failed { kind, sent }),
        ];
        let asked = (0_u64..3000, any::<bool>())
            .prop_map(|(wait, beyond_cap)| RetryAfter { wait: ms(wait), beyond_cap });
        let pushback = prop_oneof![
            8 => Just(None),
            1 => Just(Some(Pushback::Never)),
            3 => (0_u64..3000).prop_map(|wait| Some(Pushback::After(ms(wait)))),
        ];
        let left = prop::option::of((0_u64..4000).prop_map(ms));
        let p50 = prop::option::of((0_u64..400).prop_map(ms));
        let flags = (any::<bool>(), any::<bool>(), any::<bool>());
        (ended, flags, (prop::option::of(asked), pushback), (left, p50)).prop_map(
            |(ended, flags, (retry_after, pushback), (time_left, p50))| {
                let (untried, first_on_endpoint, in_outage) = flags;
                Facts {
                    ended,
                    idempotent: true,
                    resendable: true,
                    untried,
                    first_on_endpoint,
                    in_outage,
                    retry_after,
                    pushback,
                    time_left,
                    p50,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn a_call_never_exceeds_its_tries_its_deadline_or_the_budget(
            story in prop::collection::vec(any_facts(), 1..60),
            tries in 1_u32..6,
            budget in 0_u32..6,
            seed in any::<u64>(),
        ) {
            let (config, mut rng) = (config(tries), StdRng::seed_from_u64(seed));
            let (mut retry, mut attempts, mut drawn, mut burden) = (Retry::new(&config), 1, 0, 0);
            for facts in &story {
                let draw = || {
                    drawn += 1;
                    drawn <= budget
                };
                let Decision::Retry { wait, free } = retry.decide(facts, &mut rng, draw) else {
                    break;
                };
                attempts += u32::from(!free);
                burden += u32::from(!free && was_sent(&facts.ended));
                // The first that a server refused unprocessed is free of it.
                prop_assert!(attempts <= tries && burden <= budget + 1);
                let latest = latest_start(facts.time_left, facts.p50);
                prop_assert!(latest.is_none_or(|latest| wait < latest));
                let may_be = facts.untried && facts.first_on_endpoint || facts.in_outage;
                prop_assert!(!free || (may_be && tries > 1));
            }
        }
    }
}
