//! The way of one request, from the first pick to the last answer. READ THIS FIRST.
//!
//! ```text
//! 0 admit      the client's limits let the call in, or say at once why not
//! 1 lease      the balancer picks an endpoint not yet tried whose circuit grants a permit
//! 2 prepare    limits from the deadline; the host's hook may change or refuse the attempt
//! 3 send       the transport carries it out; where it takes long, a copy may race it elsewhere
//! 4 judge      one ending, two views: the breaker's verdict and the retry's class
//! 5 settle     the circuit and the client's limits learn of it, the host's hooks and log are told
//! 6 decide     stop, or wait and go to 1
//! ```
//!
//! The loop does not know which thread drives it. Dropping it drops the exchange and gives the permit back.

use std::pin::pin;
use std::time::{Duration, Instant};

use super::call::Call;
use super::hedge::{self, Race};
use super::record::{CallEnd, CallRecord};
use super::send::{Attempt, AttemptDone};
use super::settle::settle;
use crate::balancer::lease::Lease;
use crate::balancer::pick::attempted::Attempted;
use crate::client::admission::admission::AdmittedCall;
use crate::client::admission::limit::Refused;
use crate::client::body::streaming::{self, Body};
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::outcome::Class;
use crate::policy::{
    AttemptOutcome, Decision, Facts, ProbeEligibility, Pushback, Retry, RetryAfter, StopReason,
    class,
};
use crate::response::Response;
use crate::runtime::{clock, entropy};
use crate::source::BodyReader;
use crate::transport::Transport;

/// Carries out `call` over `transport`.
///
/// Where the answer is streamed, `body` gets what is still to come of it.
pub(crate) async fn run(
    call: &Call<'_>,
    transport: &impl Transport,
    body: &mut Option<Body>,
) -> Result<Response, Error> {
    let mut record = CallRecord::new(call);
    let admitted = match call.core.admission().admit_at_once(call.started) {
        Some(admitted) => admitted,
        // Boxed: calls without limits are not to carry its state.
        None => match Box::pin(admit(call)).await {
            Ok(admitted) => admitted,
            Err(ending) => return record.end(ending),
        },
    };
    let mut retry = Retry::new(&call.core.config.retry);
    let mut attempted = Attempted::default();
    let mut updates = call.core.config.endpoint_updates;
    loop {
        let now = clock::now();
        let lease = match lease(call, &attempted, &mut updates, now) {
            Ok(lease) => lease,
            Err(ending) => return record.end(ending),
        };
        let number = record.attempt_count() + 1;
        let tries_left = retry.tries_left();
        let attempt = match Attempt::new(call, lease, &mut attempted, tries_left, number, now) {
            Ok(attempt) => attempt,
            Err(refusal) => return record.end(CallEnd::Refused(refusal)),
        };
        let mut done = send(call, attempt, &mut attempted, &mut record, &admitted, transport).await;
        if let Some(live) = done.take_stream() {
            observe(call, &admitted, &done);
            let outcome = done.outcome();
            let (settled, begun) = streaming::begin(done.lease, live, outcome, done.began);
            *body = Some(begun.holding(admitted.into_permit()));
            record.add(settled, done.result, done.is_hedge);
            return record.end(CallEnd::Stopped(StopReason::Success));
        }
        let judged = judge(call, &admitted, &mut record, done);
        if let Some(kind) = judged.asked {
            return record.end(CallEnd::Asked(kind));
        }
        match decide(call, &mut retry, &attempted, judged) {
            Decision::Stop(reason) => return record.end(CallEnd::Stopped(reason)),
            Decision::Retry { wait, .. } => {
                if let Err(kind) = call.cancellation.or(pin!(pause(call, wait))).await {
                    return record.end(CallEnd::Asked(kind.into()));
                }
            }
        }
    }
}

/// Step 0, where limits are set: mostly at once; where calls may wait for room, not beyond the deadline.
async fn admit<'a>(call: &'a Call<'_>) -> Result<AdmittedCall<'a>, CallEnd> {
    let patience = call.time_left(clock::now());
    let admitted = pin!(call.core.admission().admit(call.request.criticality, patience));
    match call.cancellation.or(admitted).await {
        Ok(admitted) => {
            call.core.note_admitted(&admitted);
            admitted.map_err(CallEnd::Overloaded)
        }
        Err(kind) => Err(CallEnd::Asked(kind.into())),
    }
}

/// Step 1: an endpoint, of a list that is asked for again where none is left.
fn lease(
    call: &Call<'_>,
    attempted: &Attempted,
    updates: &mut u32,
    mut now: Instant,
) -> Result<Lease, CallEnd> {
    loop {
        if call.time_left(now).is_zero() {
            return Err(CallEnd::Deadline);
        }
        let updates_seen = call.target.balancer().map_or(0, |balancer| balancer.updates_done());
        let probing = ProbeEligibility::of_attempt(!attempted.is_empty(), call.may_hedge());
        match call.target.lease(attempted, call.key, probing, now) {
            Ok(lease) => return Ok(lease),
            // The more are asked now, the later it is well again.
            Err(none) if none.held_back => return Err(CallEnd::Overloaded(Refused::Recovering)),
            // A list of the same endpoints gives no room either.
            Err(none) if *updates == 0 || none.full => return Err(CallEnd::NoEndpoints(none)),
            Err(_) => {
                *updates -= 1;
                update_endpoints(call, updates_seen);
                now = clock::now();
            }
        }
    }
}

/// Step 3: one exchange, or the best of a race; what else comes of a race is settled as it comes.
async fn send(
    call: &Call<'_>,
    attempt: Attempt,
    attempted: &mut Attempted,
    record: &mut CallRecord<'_>,
    admitted: &AdmittedCall<'_>,
    transport: &impl Transport,
) -> AttemptDone {
    if !call.may_hedge() {
        return attempt.send(call, transport).await;
    }
    let number = record.attempt_count() + 1;
    let failed = |done: AttemptDone| {
        judge(call, admitted, record, done);
    };
    // Boxed: calls without hedges are not to carry its state.
    let Race { last, dropped } =
        Box::pin(hedge::race(call, attempt, number, attempted, transport, failed)).await;
    let by_another = last.asked().is_none();
    let good = class(&last.outcome(), &call.core.config.retry) == Class::Success;
    for dropped in dropped {
        if good {
            dropped.tell_overtaken();
        }
        if good && dropped.began < last.began {
            admitted.overtaken(dropped.began);
        }
        record.add_dropped(dropped, by_another);
    }
    last
}

/// What an attempt's end says of the call.
struct Judged {
    outcome: AttemptOutcome,
    first_on_endpoint: bool,
    /// The error's kind where the attempt was ended from outside.
    asked: Option<ErrorKind>,
    hint: ServerHint,
}

/// What a server says about repeating the call.
#[derive(Clone, Copy)]
struct ServerHint {
    retry_after: Option<RetryAfter>,
    pushback: Option<Pushback>,
}

/// Steps 4 and 5: all that learn from attempts are told how this one ended.
fn judge(
    call: &Call<'_>,
    admitted: &AdmittedCall<'_>,
    record: &mut CallRecord<'_>,
    done: AttemptDone,
) -> Judged {
    observe(call, admitted, &done);
    let hint = ServerHint {
        retry_after: done.asked_wait(call.core.config.retry.retry_after_cap),
        pushback: done.pushback(call),
    };
    let (outcome, asked, first_on_endpoint) =
        (done.outcome(), done.asked(), done.first_on_endpoint);
    let settled = settle(done.lease, &outcome, hint.retry_after, done.began);
    record.add(settled, done.result, done.is_hedge);
    Judged { outcome, first_on_endpoint, asked, hint }
}

/// The client's limits learn how an attempt ended.
fn observe(call: &Call<'_>, admitted: &AdmittedCall<'_>, done: &AttemptDone) {
    if admitted.watches() {
        let outcome = done.outcome();
        admitted.observe(&outcome, class(&outcome, &call.core.config.retry), done.elapsed());
    }
}

/// Step 6: stop, or try again after a wait.
fn decide(
    call: &Call<'_>,
    retry: &mut Retry<'_>,
    attempted: &Attempted,
    judged: Judged,
) -> Decision {
    let now = clock::now();
    let Judged { outcome, first_on_endpoint, hint, .. } = judged;
    // Looked for only where it matters: the first circuit in the list would be asked by every caller.
    let may_go_on = class(&outcome, &call.core.config.retry) != Class::Success;
    let admission = call.core.admission();
    let facts = Facts {
        ended: outcome,
        idempotent: call.request.is_idempotent(),
        resendable: call.body_reader.as_ref().is_none_or(BodyReader::can_repeat),
        untried: may_go_on && call.target.has_unattempted(attempted, now),
        first_on_endpoint,
        retry_after: hint.retry_after,
        pushback: hint.pushback,
        time_left: call.deadline.map(|at| at.saturating_duration_since(now)),
        p50: if may_go_on { admission.usual_latency(now) } else { None },
    };
    entropy::with_rng(|rng| retry.decide(&facts, rng, || call.core.may_retry(now)))
}

/// Waits before the next attempt, unless there is nothing to wait for.
async fn pause(call: &Call<'_>, wait: Duration) {
    if !wait.is_zero() && call.target.has_any(clock::now()) {
        tokio::time::sleep(wait).await;
    }
}

/// No endpoint is left: perhaps the provider knows more by now. An update by another call since the roster was
/// looked at does as well.
fn update_endpoints(call: &Call<'_>, updates_seen: u64) {
    let Some(balancer) = call.target.balancer() else {
        return;
    };
    if let Err(error) = balancer.update_since(updates_seen) {
        call.core.emit(&Event::DiscoveryFailed { reason: error.message() });
    }
}
