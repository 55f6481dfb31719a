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
//! The loop does not know who drives it. Dropping it drops the exchange and gives the permit back.

use std::pin::pin;
use std::time::{Duration, Instant};

use super::call::Call;
use super::hedge::{self, Race};
use super::record::{CallEnd, CallRecord};
use super::send::{Attempt, AttemptDone};
use super::settle::settle;
use crate::balancer::attempted::Attempted;
use crate::balancer::lease::Lease;
use crate::client::admission::admission::AdmittedCall;
use crate::client::admission::limit::Refused;
use crate::client::body::streaming::{self, Body};
use crate::client::observe::log::Severity;
use crate::error::{Error, ErrorKind};
use crate::outcome::{Class, FailureKind};
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
    let admitted = match call.client.admission().admit_at_once(call.started) {
        Some(admitted) => admitted,
        // Boxed: calls without limits are not to carry its state.
        None => match Box::pin(admit(call)).await {
            Ok(admitted) => admitted,
            Err(ending) => return record.end(ending),
        },
    };
    let mut retry = Retry::new(&call.client.config.retry);
    let mut attempted = Attempted::default();
    let mut updates = call.client.config.endpoint_updates;
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
        let first_on_endpoint = done.first_on_endpoint;
        let ended = done.ended();
        if admitted.watches() {
            admitted.observe(&ended, class(&ended, &call.client.config.retry), done.elapsed());
        }
        if let Some(live) = done.take_stream() {
            let (settled, begun) = streaming::begin(call, done.lease, live, ended, done.began);
            *body = Some(begun.holding(admitted.into_permit()));
            record.add(settled, done.result, done.is_hedge);
            return record.end(CallEnd::Stopped(StopReason::Success));
        }
        let asked = done.asked();
        let wish = ServerHint::of(call, &done);
        let settled = settle(call, done.lease, &ended, wish.retry_after, done.began);
        record.add(settled, done.result, done.is_hedge);
        if let Some(kind) = asked {
            return record.end(CallEnd::Asked(kind));
        }
        match decide(call, &mut retry, &attempted, ended, first_on_endpoint, wish) {
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
    let admitted = pin!(call.client.admission().admit(call.request.criticality, patience));
    match call.cancellation.or(admitted).await {
        Ok(admitted) => admitted.map_err(CallEnd::Overloaded),
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
        let ended = done.ended();
        admitted.observe(&ended, class(&ended, &call.client.config.retry), done.elapsed());
        let wish = ServerHint::of(call, &done);
        let settled = settle(call, done.lease, &ended, wish.retry_after, done.began);
        record.add(settled, done.result, done.is_hedge);
    };
    // Boxed: calls without hedges are not to carry its state.
    let Race { last, dropped } =
        Box::pin(hedge::race(call, attempt, number, attempted, transport, failed)).await;
    let by_another = last.asked().is_none();
    let good = class(&last.ended(), &call.client.config.retry) == Class::Success;
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

/// What a server asked of whoever would repeat the call.
#[derive(Clone, Copy)]
struct ServerHint {
    retry_after: Option<RetryAfter>,
    pushback: Option<Pushback>,
}

impl ServerHint {
    fn of(call: &Call<'_>, done: &AttemptDone) -> Self {
        let retry_after = done.asked_wait(call.client.config.retry.retry_after_cap);
        Self { retry_after, pushback: done.pushback(call) }
    }
}

/// Step 6: stop, or try again after a wait.
fn decide(
    call: &Call<'_>,
    retry: &mut Retry<'_>,
    attempted: &Attempted,
    ended: AttemptOutcome,
    first_on_endpoint: bool,
    wish: ServerHint,
) -> Decision {
    let now = clock::now();
    // Looked for only where it matters: the first circuit in the list would be asked by every caller.
    let may_go_on = class(&ended, &call.client.config.retry) != Class::Success;
    let admission = call.client.admission();
    let facts = Facts {
        ended,
        idempotent: call.request.is_idempotent(),
        resendable: call.body_reader.as_ref().is_none_or(BodyReader::can_repeat),
        untried: may_go_on && call.target.has_unattempted(attempted, now),
        first_on_endpoint,
        retry_after: wish.retry_after,
        pushback: wish.pushback,
        time_left: call.deadline.map(|at| at.saturating_duration_since(now)),
        p50: if may_go_on { admission.usual_latency(now) } else { None },
    };
    entropy::with_rng(|rng| retry.decide(&facts, rng, || admission.may_retry(now)))
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
        call.client.log.write(Severity::Warn, "discovery", || error.message().to_owned());
    }
}

impl StopReason {
    /// What an error says of it beside the attempts.
    pub(crate) fn explanation(&self) -> &'static str {
        match self {
            Self::RetryAfter => "the server asked for a longer wait than is allowed",
            Self::NotIdempotent => "not repeated, for the request is not idempotent",
            Self::BodyGone => {
                "not repeated, for bytes of the body were taken from its source, which cannot rewind"
            }
            Self::Deadline => "the next attempt would come after the deadline",
            Self::Pushback => "the server said not to repeat the call",
            Self::Budget => "the client's retry budget is used up",
            Self::Success | Self::Final | Self::Tries => "",
        }
    }
}

/// The error's kind for a stop without any answer.
pub(crate) fn kind_of(last: Option<FailureKind>) -> ErrorKind {
    last.map_or(ErrorKind::NoEndpoints, ErrorKind::from)
}
