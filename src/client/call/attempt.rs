//! The way of one request, from the first pick to the last answer. READ THIS FIRST.
//!
//! ```text
//! 0 admit      the client's limits let the call in, or say at once why not
//! 1 lease      the balancer picks an endpoint not yet tried whose circuit grants a permit
//! 2 prepare    limits from what answers take; the host's hook may change or refuse the attempt
//! 3 send       the transport carries it out; past its limit it goes on, and another may race it elsewhere
//! 4 judge      one ending, two views: the breaker's verdict and the retry's class
//! 5 settle     the circuit and the client's limits learn of it, the host's hooks and log are told
//! 6 decide     stop, or wait and go to 1
//! ```
//!
//! Step 3 has the [`race`], and [`state`](super::state) has the others. The loop does not know which thread drives it.
//! Dropping it drops the exchange and gives the permit back.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::call::Call;
use super::done::AttemptDone;
use super::endpoints::ready;
use super::race::{self, Sent};
use super::record::{CallEnd, CallRecord};
use super::send::Attempt;
use super::settle::{AttemptSeen, tell_address};
use super::state::CallState;
use super::watch::AttemptWatch;
use crate::client::admission::admission::AdmittedCall;
use crate::client::body::streaming::{self, Body};
use crate::error::Error;
use crate::outcome::Class;
use crate::policy::{Decision, StopReason};
use crate::response::Response;
use crate::runtime::clock;
use crate::runtime::cold_path::cold_path;
use crate::transport::{StreamedBody, Transport};

/// Carries out `call` over `transport`.
///
/// Where the answer is streamed, `body` gets what is still to come of it.
pub(crate) async fn run<'a>(
    call: &'a Call<'a>,
    transport: &'a impl Transport,
    body: &mut Option<Body>,
) -> Result<Box<Response>, Error> {
    let mut record = CallRecord::new(call);
    let admitted = match call.core.admission().admit_at_once(call.timing, call.started) {
        Some(admitted) => admitted,
        // Boxed: calls without limits are not to carry its state.
        None => match cold_path(|| admit(call)).await {
            Ok(admitted) => admitted,
            Err(ending) => return record.end(ending),
        },
    };
    let mut state = CallState::new(call, admitted, record);
    loop {
        let attempt = match state.next_attempt() {
            Ok(attempt) => attempt,
            Err(ending) => match waits(&mut state, ending).await {
                Ok(()) => continue,
                Err(ending) => return state.record.end(ending),
            },
        };
        let mut done = match send(&mut state, attempt, transport).await {
            Sent::Ended(done) => done,
            Sent::Due(at) => {
                let wait = at.saturating_duration_since(clock::now());
                match call.cancellation.or(pin!(pause(call, wait))).await {
                    Ok(()) => continue,
                    Err(kind) => return state.record.end(CallEnd::Asked(kind.into())),
                }
            }
        };
        if let Some(live) = done.take_stream() {
            return match state.class(&done.outcome) {
                Class::Success => hand_over(state, done, live, body),
                _ => hand_over_failing(state, done, live, body),
            };
        }
        let judged = state.judge(done);
        if let Some(kind) = judged.asked {
            return state.record.end(CallEnd::Asked(kind));
        }
        match state.decide(judged) {
            Decision::Stop(reason) => return state.record.end(CallEnd::Stopped(reason)),
            Decision::Retry { wait, .. } => {
                if let Err(kind) = call.cancellation.or(pin!(pause(call, wait))).await {
                    return state.record.end(CallEnd::Asked(kind.into()));
                }
            }
        }
    }
}

/// No endpoint is left: perhaps the provider knows more by now, or one is ready soon.
async fn waits(state: &mut CallState<'_>, ending: CallEnd) -> Result<(), CallEnd> {
    let CallEnd::NoEndpoints(none) = &ending else { return Err(ending) };
    if state.looks_again(none) {
        return Ok(());
    }
    // Boxed: calls that find an endpoint are not to carry its state.
    if let Some(balancer) = state.may_update(none) {
        return cold_path(|| state.update(balancer, *none)).await;
    }
    match state.may_wait(none) {
        Some((balancer, left)) => cold_path(|| ready(state.call, balancer, *none, left)).await,
        None => Err(ending),
    }
}

/// Step 0, where limits are set: mostly at once; where calls may wait for room, not beyond the deadline.
async fn admit<'a>(call: &'a Call<'a>) -> Result<AdmittedCall<'a>, CallEnd> {
    let patience = call.time_left(clock::now());
    let class = call.request.criticality;
    let admitted = pin!(call.core.admission().admit(call.timing, class, patience));
    match call.cancellation.or(admitted).await {
        Ok(admitted) => {
            call.causing(|| call.core.note_admitted(&admitted));
            admitted.map_err(CallEnd::Overloaded)
        }
        Err(kind) => Err(CallEnd::Asked(kind.into())),
    }
}

/// Step 3: one exchange, or the best of a race; what else comes of a race is settled as it comes.
async fn send<'a>(
    state: &mut CallState<'a>,
    attempt: Attempt,
    transport: &'a impl Transport,
) -> Sent {
    let call = state.call;
    let watch = AttemptWatch::new(attempt.began);
    let mut first = pin!(attempt.send(call, transport, &watch));
    match race::until_slow(first.as_mut(), &watch, call.may_race()).await {
        Some(done) => Sent::Ended(done),
        // Boxed: calls that are answered in time are not to carry its state.
        None => cold_path(|| race::race(state, first, &watch, transport)).await,
    }
}

/// The end of a call whose answer is streamed: its body goes on.
fn hand_over(
    mut state: CallState<'_>,
    done: AttemptDone,
    live: StreamedBody,
    body: &mut Option<Body>,
) -> Result<Box<Response>, Error> {
    let (outcome, now) = (done.outcome, clock::now());
    let elapsed = now.saturating_duration_since(done.began).saturating_sub(done.body_wait);
    state.observe(&outcome, state.class(&outcome), elapsed, now);
    let late = done.facts.late_after.is_some();
    let address = done.facts.connection.as_ref().and_then(|connection| connection.ends.remote);
    if let Some(address) = address {
        let seen = AttemptSeen { outcome, race_end: done.race_end, late };
        tell_address(done.lease.endpoint(), address, &seen, now);
    }
    let begin = || streaming::begin(done.lease, live, outcome, late, done.began, done.body_wait);
    let (settled, begun) = state.call.causing(begin);
    *body = Some(begun.holding(state.admitted.into_permit()));
    state.record.add(settled, done.result, done.facts);
    state.record.end(CallEnd::Stopped(StopReason::Success))
}

/// The same where the answer speaks against its endpoint, which learns of it by the head, and could not be asked for anew.
#[cold]
fn hand_over_failing(
    mut state: CallState<'_>,
    done: AttemptDone,
    live: StreamedBody,
    body: &mut Option<Body>,
) -> Result<Box<Response>, Error> {
    let url = Arc::clone(done.lease.endpoint().url());
    let stream = done.lease.open_stream();
    let unleased = Body::without_lease(live, stream, url, done.outcome, done.began);
    let judged = state.judge(done);
    let reason = match state.decide(judged) {
        Decision::Stop(reason) => reason,
        // Not by what an answer is handed over for at its head.
        Decision::Retry { .. } => StopReason::Final,
    };
    *body = Some(unleased.holding(state.admitted.into_permit()));
    state.record.end(CallEnd::Stopped(reason))
}

/// Waits before the next attempt, unless there is nothing to wait for.
async fn pause(call: &Call<'_>, wait: Duration) {
    if !wait.is_zero() && call.target.has_any(clock::now()) {
        tokio::time::sleep(wait).await;
    }
}
