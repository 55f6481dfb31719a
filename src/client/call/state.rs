//! A call between its attempts: what was tried, what is left to try, and what came of it. Its methods are the steps
//! that [`attempt`](super::attempt) and the [`race`](super::race) both walk.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::call::Call;
use super::done::AttemptDone;
use super::limits::OUTLASTS_LOST_SYN;
use super::record::{CallEnd, CallRecord};
use super::send::Attempt;
use super::settle::{AttemptEnd, AttemptSeen, Cost, settle, tell_address};
use crate::balancer::lease::Lease;
use crate::balancer::pick::attempted::Attempted;
use crate::balancer::pick::constraints::PickConstraints;
use crate::balancer::pick::error::PickError;
use crate::body_source::BodyReader;
use crate::client::admission::admission::AdmittedCall;
use crate::client::admission::limit::Refused;
use crate::client::observe::meter::CallMeter;
use crate::error::ErrorKind;
use crate::outcome::Class;
use crate::policy::{
    AttemptOutcome, Decision, Facts, OverduePolicy, ProbeEligibility, Pushback, RaceEnd, Retry,
    RetryAfter, StopReason, class,
};
use crate::runtime::{clock, entropy};
use crate::statistics::Counter;

/// A call under way.
pub(crate) struct CallState<'a> {
    pub(crate) call: &'a Call<'a>,
    pub(crate) admitted: AdmittedCall<'a>,
    pub(crate) record: CallRecord<'a>,
    pub(crate) retry: Retry<'a>,
    pub(crate) attempted: Attempted,
    /// How often the provider may still be asked.
    pub(super) updates: u32,
    /// How often it may still look for an endpoint that came back while it looked.
    pub(super) second_looks: u32,
    /// It has drawn on the stock of extra attempts for one that failed.
    drew: bool,
    /// It has for one that is late: a failure before must not leave it at an endpoint that hangs.
    pub(crate) drew_late: bool,
    /// The addresses over which its attempts have failed.
    pub(crate) met: Vec<SocketAddr>,
}

/// What an attempt's end says of the call.
#[derive(Clone, Copy)]
pub(crate) struct Judged {
    outcome: AttemptOutcome,
    pub(crate) class: Class,
    first_on_endpoint: bool,
    in_outage: bool,
    /// The error's kind where the attempt was ended from outside.
    pub(crate) asked: Option<ErrorKind>,
    hint: ServerHint,
}

/// What a server says about repeating the call.
#[derive(Clone, Copy)]
struct ServerHint {
    retry_after: Option<RetryAfter>,
    pushback: Option<Pushback>,
}

impl<'a> CallState<'a> {
    pub(crate) fn new(
        call: &'a Call<'a>,
        admitted: AdmittedCall<'a>,
        record: CallRecord<'a>,
    ) -> Self {
        let config = &call.core.config;
        Self {
            call,
            admitted,
            record,
            retry: Retry::new(call.retry()),
            attempted: Attempted::default(),
            updates: config.endpoint_updates,
            second_looks: SECOND_LOOKS,
            drew: false,
            drew_late: false,
            met: Vec::new(),
        }
    }

    /// Steps 1 and 2: the next attempt, ready to be sent.
    pub(crate) fn next_attempt(&mut self) -> Result<Attempt, CallEnd> {
        let now = clock::now();
        let lease = self.lease(now)?;
        let (tries_left, number) = (self.retry.tries_left(), self.record.attempt_count() + 1);
        let attempt = Attempt::new(self.call, lease, &mut self.attempted, tries_left, number, now);
        let attempt = attempt.map_err(CallEnd::Refused)?;
        self.record.meter.attempt_begins();
        Ok(self.after_wait(attempt).apart_from(self.met.clone()))
    }

    /// The next attempt, for which the call has waited since the one before has ended, or since its own beginning.
    pub(crate) fn after_wait(&self, attempt: Attempt) -> Attempt {
        let since = self.record.meter.last().unwrap_or(self.call.started);
        let waited = attempt.began.saturating_duration_since(since);
        attempt.after(waited)
    }

    /// An endpoint of the list that is known.
    fn lease(&self, now: Instant) -> Result<Lease, CallEnd> {
        let call = self.call;
        if call.is_over(now) {
            return Err(CallEnd::Deadline);
        }
        let (attempted, constraints) = (&self.attempted, self.constraints());
        let lease = call.causing(|| call.target.lease(attempted, call.key, constraints, now));
        lease.or_else(|none| self.lease_in_outage(none, now))
    }

    /// A newer list is worth more than a probe that comes early.
    #[cold]
    fn lease_in_outage(&self, none: PickError, now: Instant) -> Result<Lease, CallEnd> {
        // The more are asked now, the later it is well again.
        if none.held_back {
            return Err(CallEnd::Overloaded(Refused::Recovering));
        }
        let call = self.call;
        let is_last = !none.some_admit && self.may_update(&none).is_none();
        let balancer = call.target.balancer().filter(|_| is_last);
        let early = balancer.and_then(|it| call.causing(|| it.lease_early(now)));
        early.ok_or(CallEnd::NoEndpoints(none))
    }

    fn constraints(&self) -> PickConstraints {
        // Nor is what cannot be repeated to find out that an endpoint still fails, while others come.
        let copied = self.call.may_hedge() || !self.call.is_repeatable();
        let retries = !self.attempted.is_empty();
        let overdue = match self.call.can_look_elsewhere() {
            true => OverduePolicy::Take,
            false => OverduePolicy::PassOver,
        };
        PickConstraints { probing: ProbeEligibility::of_attempt(retries, copied), overdue }
    }

    pub(crate) fn class(&self, outcome: &AttemptOutcome) -> Class {
        class(outcome, self.call.retry())
    }

    /// Steps 4 and 5: all that learn from attempts are told how this one ended.
    pub(crate) fn judge(&mut self, done: AttemptDone) -> Judged {
        let call = self.call;
        let (now, outcome) = (clock::now(), done.outcome);
        let (class, seen) = (self.class(&outcome), done.seen());
        let elapsed = now.saturating_duration_since(done.began).saturating_sub(done.body_wait);
        if done.race_end == RaceEnd::Ended {
            self.observe(&seen, self.class(&seen), elapsed, now);
        }
        let hint = ServerHint {
            retry_after: done.asked_wait(call.retry().retry_after_cap),
            pushback: done.pushback(call),
        };
        let (asked, first_on_endpoint) = (done.asked(), done.first_on_endpoint);
        let in_outage = done.lease.is_probe_in_outage();
        let AttemptDone { lease, began, race_end, facts, lacks_body, result, .. } = done;
        let late = facts.late_after.is_some() && !lacks_body;
        if let Some(address) = facts.connection.as_ref().and_then(|it| it.ends.remote) {
            tell_address(
                lease.endpoint(),
                address,
                &AttemptSeen { outcome: seen, race_end, late },
                now,
            );
            if class != Class::Success {
                self.met.push(address);
            }
        }
        let cost = Cost::Until(call.deadline);
        let is_share = call.core.config.connect_timeout.is_none();
        let hurried = is_share && elapsed < OUTLASTS_LOST_SYN;
        let end = AttemptEnd { outcome: seen, race_end, late, began, now, elapsed, cost, hurried };
        let (settled, blamed) = call.causing(|| settle(lease, &end, hint.retry_after));
        match result {
            Err(mut failure) if race_end != RaceEnd::Ended => {
                // The client's limits see a hang as what it is.
                self.observe(&blamed, Class::Final, elapsed, now);
                if race_end != RaceEnd::Cancelled {
                    FASTER.clone_into(&mut failure.detail);
                }
                self.record.add_cancelled(settled, failure, facts);
            }
            result => self.record.add(settled, result, facts),
        }
        Judged { outcome, class, first_on_endpoint, in_outage, asked, hint }
    }

    /// The client's limits learn how an attempt ended.
    pub(crate) fn observe(
        &mut self,
        outcome: &AttemptOutcome,
        class: Class,
        elapsed: Duration,
        now: Instant,
    ) {
        self.admitted.observe(outcome, class, elapsed, now);
    }

    /// Step 6: stop, or try again after a wait.
    pub(crate) fn decide(&mut self, judged: Judged) -> Decision {
        let decision = self.decide_beside(judged);
        count_decision(&self.record.meter, &decision);
        decision
    }

    /// The same while other attempts are under way: it does not end the call, and the retry may be late.
    pub(crate) fn decide_beside(&mut self, judged: Judged) -> Decision {
        let Judged { outcome, class, first_on_endpoint, in_outage, hint, .. } = judged;
        // The rest is looked for only where it matters: the first circuit in the list would be asked by every caller.
        if class == Class::Success {
            return Decision::Stop(StopReason::Success);
        }
        let (call, now) = (self.call, clock::now());
        let facts = Facts {
            ended: outcome,
            idempotent: call.request.is_idempotent(),
            resendable: call.body_reader.as_ref().is_none_or(BodyReader::can_repeat),
            untried: call.target.has_unattempted(&self.attempted, now),
            first_on_endpoint,
            in_outage,
            retry_after: hint.retry_after,
            pushback: hint.pushback,
            time_left: call.deadline.map(|at| at.saturating_duration_since(now)),
            p50: call.timing.usual(now),
        };
        let (drew, attempted) = (&mut self.drew, &self.attempted);
        let is_free = || call.target.fail_alone(attempted, now);
        let budget = || is_free() || call.causing(|| call.core.may_retry(drew, now));
        entropy::with_rng(|rng| self.retry.decide(&facts, rng, budget))
    }
}

/// What the retry policy says is counted, but for good answers.
fn count_decision(meter: &CallMeter<'_>, decision: &Decision) {
    let counter = match decision {
        Decision::Retry { .. } => Counter::RetryGranted,
        Decision::Stop(reason) => match reason {
            StopReason::Success => return,
            StopReason::Final => Counter::StoppedFinal,
            StopReason::NotIdempotent => Counter::StoppedNotIdempotent,
            StopReason::BodyGone => Counter::StoppedBodyGone,
            StopReason::Tries => Counter::StoppedTries,
            StopReason::RetryAfter => Counter::StoppedRetryAfter,
            StopReason::Deadline => Counter::StoppedDeadline,
            StopReason::Pushback => Counter::StoppedPushback,
            StopReason::Budget => {
                meter.count(Counter::RetryOverBudget);
                Counter::StoppedBudget
            }
        },
    };
    meter.count(counter);
}

/// How often a call looks again at once for an endpoint that came back while it looked. Once is mostly enough; an endpoint
/// that leaves and comes back all the time is not to hold a processor.
const SECOND_LOOKS: u32 = 3;

/// Of an attempt that lost its race.
const FASTER: &str = "cancelled, another attempt answered first";
