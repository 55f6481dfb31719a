//! The way of one request, from the first pick to the last answer. READ THIS FIRST.
//!
//! ```text
//! 1 lease      the balancer picks an endpoint not yet tried whose circuit grants a permit
//! 2 prepare    limits from the deadline; the host's hook may change or refuse the attempt
//! 3 send       the transport carries it out
//! 4 judge      one ending, two views: the breaker's verdict and the retry's class
//! 5 settle     the circuit learns of it, the host's hooks and log are told
//! 6 decide     stop, or wait and go to 1
//! ```
//!
//! The loop does not know who drives it. Dropping it drops the exchange and gives the permit back.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header;

use super::call::{Call, Limits};
use super::lease::Lease;
use super::log::Level;
use super::story::{Ending, Story};
use super::tried::Tried;
use crate::error::{Error, ErrorKind};
use crate::outcome::{Class, Failure, FailureKind, Transition};
use crate::policy::{
    Decision, Ended, Evidence, Facts, Retry, RetryAfter, StopReason, class, retry_after, verdict,
};
use crate::request::Request;
use crate::response::Response;
use crate::runtime::{callback, clock, entropy};
use crate::transport::{Answer, Exchange, Progress, Transport};

/// Carries out `call` over `transport`.
pub(super) async fn run(call: &Call<'_>, transport: &impl Transport) -> Result<Response, Error> {
    let mut story = Story::new(call);
    let mut retry = Retry::new(&call.client.config.retry);
    let mut tried = Tried::default();
    let mut updates = call.client.config.endpoint_updates;
    loop {
        let now = clock::now();
        if call.time_left(now).is_zero() {
            return story.end(Ending::Deadline);
        }
        let updates_seen = call.way.balancer().map_or(0, |balancer| balancer.updates_done());
        let lease = match call.way.lease(&tried, call.key, now) {
            Ok(lease) => lease,
            Err(_) if updates > 0 => {
                updates -= 1;
                update_endpoints(call, updates_seen);
                continue;
            }
            Err(none) => return story.end(Ending::NoEndpoints(none)),
        };
        let limits = call.limits(now, retry.tries_left(), lease.probe_limit());
        let outgoing = match hooked(call, &lease) {
            Ok(outgoing) => outgoing,
            Err(refusal) => return story.end(Ending::Refused(refusal)),
        };
        let result = send(call, outgoing.as_ref(), &lease, limits, transport).await;
        let first_on_endpoint = lease.mark_tried(&mut tried);
        let retry_after = asked_wait(call, &result);
        let ended = ended(&result);
        let asked = result.as_ref().err().and_then(|failure| failure.kind.asked());
        story.add(settle(call, lease, &ended, retry_after, limits.attempt, now), result);
        if let Some(kind) = asked {
            return story.end(Ending::Asked(kind));
        }
        match decide(call, &mut retry, &tried, ended, first_on_endpoint, retry_after) {
            Decision::Stop(reason) => return story.end(Ending::Stopped(reason)),
            Decision::Retry { wait, .. } => {
                if let Err(kind) = call.control.or(pin!(pause(call, wait))).await {
                    return story.end(Ending::Asked(kind.into()));
                }
            }
        }
    }
}

/// Step 2: the attempt's own copy of the request where a hook may change it.
fn hooked(call: &Call<'_>, lease: &Lease) -> Result<Option<Request>, String> {
    let Some(hook) = &call.client.hooks.on_request else {
        return Ok(None);
    };
    let mut request = call.request.clone();
    request.target = call.way.path.clone().into_owned();
    request.headers = call.headers.clone().into_owned();
    callback::run(|| hook(&mut request, lease.endpoint().url()))?;
    Ok(Some(request))
}

/// Step 3: one exchange within its limits.
async fn send(
    call: &Call<'_>,
    outgoing: Option<&Request>,
    lease: &Lease,
    limits: Limits,
    transport: &impl Transport,
) -> Result<Answer, Failure> {
    let progress = Progress::default();
    let exchange = Exchange {
        endpoint: lease.endpoint(),
        method: &call.request.method,
        path: outgoing.map_or(&call.way.path, |changed| &changed.target),
        headers: outgoing.map_or(&call.headers, |changed| &changed.headers),
        body: &call.request.body,
        connect_timeout: limits.connect,
        max_body: call.client.config.max_body,
        gzip: call.client.config.gzip,
        progress: &progress,
    };
    let timed = pin!(tokio::time::timeout(limits.attempt, transport.send(&exchange)));
    match call.control.or(timed).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(cut(&progress, limits)),
        Err(kind) => Err(Failure { kind, sent: progress.is_sent(), detail: "given up".to_owned() }),
    }
}

/// What an attempt is called that its limit cut off.
fn cut(progress: &Progress, limits: Limits) -> Failure {
    if progress.is_waiting() {
        return Failure::unsent(FailureKind::Local, "all connections stayed in use");
    }
    let (kind, detail) = match (limits.by_deadline, progress.is_connected()) {
        (true, true) => (FailureKind::Deadline, "no answer"),
        (true, false) => (FailureKind::Deadline, "not connected"),
        (false, true) => (FailureKind::Timeout, "no answer"),
        (false, false) => (FailureKind::ConnectTimeout, "connect timed out"),
    };
    Failure { kind, sent: progress.is_sent(), detail: detail.to_owned() }
}

/// Step 4: the ending that both views judge.
fn ended(result: &Result<Answer, Failure>) -> Ended {
    match result {
        Ok(answer) => Ended::Answered { status: answer.status.as_u16() },
        Err(failure) => Ended::Failed { kind: failure.kind, sent: failure.sent },
    }
}

/// What the server asked for by Retry-After.
fn asked_wait(call: &Call<'_>, result: &Result<Answer, Failure>) -> Option<RetryAfter> {
    let answer =
        result.as_ref().ok().filter(|answer| retry_after::may_ask(answer.status.as_u16()))?;
    let value = answer.headers.get(header::RETRY_AFTER)?;
    retry_after::parse(
        value.as_bytes(),
        SystemTime::now(),
        call.client.config.retry.retry_after_cap,
    )
}

/// Step 5: the circuit learns how the attempt ended.
fn settle(
    call: &Call<'_>,
    lease: Lease,
    ended: &Ended,
    asked: Option<RetryAfter>,
    limit: Duration,
    began: Instant,
) -> Settled {
    let url = Arc::clone(lease.endpoint().url());
    let now = clock::now();
    let evidence = Evidence {
        verdict: verdict(ended),
        elapsed: now.saturating_duration_since(began),
        retry_after: asked.map(|asked| asked.wait),
    };
    let transition = lease.settle(&evidence, limit, now);
    if let Some(transition) = transition {
        call.client.log.write(Level::Info, "circuit", || match transition {
            Transition::Opened { retry_at } => {
                let wait = retry_at.saturating_duration_since(now);
                format!("{url} opened, next probe in {} ms", wait.as_millis())
            }
            Transition::HalfOpened => format!("{url} half-open"),
            Transition::Closed => format!("{url} closed"),
        });
    }
    Settled { url, transition, began, now }
}

/// What is known of an attempt once its circuit was told.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) url: Arc<str>,
    pub(super) transition: Option<Transition>,
    pub(super) began: Instant,
    pub(super) now: Instant,
}

/// Step 6: stop, or try again after a wait.
fn decide(
    call: &Call<'_>,
    retry: &mut Retry<'_>,
    tried: &Tried,
    ended: Ended,
    first_on_endpoint: bool,
    retry_after: Option<RetryAfter>,
) -> Decision {
    let now = clock::now();
    // Looked for only where it matters: the first circuit in the list would be asked by every caller.
    let may_go_on = class(&ended, &call.client.config.retry) != Class::Success;
    let facts = Facts {
        ended,
        idempotent: call.request.is_idempotent(),
        untried: may_go_on && call.way.has_untried(tried, now),
        first_on_endpoint,
        retry_after,
        pushback: None,
        time_left: call.deadline.map(|at| at.saturating_duration_since(now)),
        p50: None,
    };
    entropy::with_rng(|rng| retry.decide(&facts, rng, || true))
}

/// Waits before the next attempt, unless there is nothing to wait for.
async fn pause(call: &Call<'_>, wait: Duration) {
    if !wait.is_zero() && call.way.has_any(clock::now()) {
        tokio::time::sleep(wait).await;
    }
}

/// No endpoint is left: perhaps the provider knows more by now. An update by another call since the roster was
/// looked at does as well.
fn update_endpoints(call: &Call<'_>, updates_seen: u64) {
    let Some(balancer) = call.way.balancer() else {
        return;
    };
    if let Err(error) = balancer.update_since(updates_seen) {
        call.client.log.write(Level::Warn, "discovery", || error.message().to_owned());
    }
}

impl StopReason {
    /// What an error says of it beside the attempts.
    pub(super) fn explanation(&self) -> &'static str {
        match self {
            Self::RetryAfter => "the server asked for a longer wait than is allowed",
            Self::NotIdempotent => "not repeated, for the request is not idempotent",
            Self::Deadline => "the next attempt would come after the deadline",
            Self::Pushback => "the server said not to repeat the call",
            Self::Budget => "the client's retry budget is used up",
            Self::Success | Self::Final | Self::Tries => "",
        }
    }
}

/// The error's kind for a stop without any answer.
pub(super) fn kind_of(last: Option<FailureKind>) -> ErrorKind {
    last.map_or(ErrorKind::NoEndpoints, ErrorKind::from)
}
