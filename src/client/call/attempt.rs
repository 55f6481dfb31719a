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
use super::flight::{Flight, Landed};
use super::hedge::{self, Race};
use super::settled::settle;
use super::story::{Ending, Story};
use crate::balancer::lease::Lease;
use crate::balancer::tried::Tried;
use crate::client::admission::limit::Refused;
use crate::client::admission::overload::Admitted;
use crate::client::body::streaming::{self, Body};
use crate::client::observe::log::Level;
use crate::error::{Error, ErrorKind};
use crate::outcome::{Class, FailureKind};
use crate::policy::{
    Decision, Ended, Facts, Probing, Pushback, Retry, RetryAfter, StopReason, class,
};
use crate::response::Response;
use crate::runtime::{clock, entropy};
use crate::source::Draw;
use crate::transport::Transport;

/// Carries out `call` over `transport`.
///
/// Where the answer is streamed, `body` gets what is still to come of it.
pub(crate) async fn run(
    call: &Call<'_>,
    transport: &impl Transport,
    body: &mut Option<Body>,
) -> Result<Response, Error> {
    let mut story = Story::new(call);
    let admitted = match call.client.overload().admit_at_once(call.started) {
        Some(admitted) => admitted,
        // Boxed: calls without limits are not to carry its state.
        None => match Box::pin(admit(call)).await {
            Ok(admitted) => admitted,
            Err(ending) => return story.end(ending),
        },
    };
    let mut retry = Retry::new(&call.client.config.retry);
    let mut tried = Tried::default();
    let mut updates = call.client.config.endpoint_updates;
    loop {
        let now = clock::now();
        let lease = match lease(call, &tried, &mut updates, now) {
            Ok(lease) => lease,
            Err(ending) => return story.end(ending),
        };
        let number = story.attempt_count() + 1;
        let tries_left = retry.tries_left();
        let flight = match Flight::new(call, lease, &mut tried, tries_left, number, now) {
            Ok(flight) => flight,
            Err(refusal) => return story.end(Ending::Refused(refusal)),
        };
        let mut landed = send(call, flight, &mut tried, &mut story, &admitted, transport).await;
        let first_on_endpoint = landed.first_on_endpoint;
        let ended = landed.ended();
        if admitted.watches() {
            admitted.observe(&ended, class(&ended, &call.client.config.retry), landed.elapsed());
        }
        if let Some(live) = landed.take_stream() {
            let (settled, begun) = streaming::begin(call, landed.lease, live, ended, landed.began);
            *body = Some(begun.holding(admitted.into_seat()));
            story.add(settled, landed.result, landed.is_hedge);
            return story.end(Ending::Stopped(StopReason::Success));
        }
        let asked = landed.asked();
        let wish = Wish::of(call, &landed);
        let settled = settle(call, landed.lease, &ended, wish.retry_after, landed.began);
        story.add(settled, landed.result, landed.is_hedge);
        if let Some(kind) = asked {
            return story.end(Ending::Asked(kind));
        }
        match decide(call, &mut retry, &tried, ended, first_on_endpoint, wish) {
            Decision::Stop(reason) => return story.end(Ending::Stopped(reason)),
            Decision::Retry { wait, .. } => {
                if let Err(kind) = call.control.or(pin!(pause(call, wait))).await {
                    return story.end(Ending::Asked(kind.into()));
                }
            }
        }
    }
}

/// Step 0, where limits are set: mostly at once; where calls may wait for room, not beyond the deadline.
async fn admit<'a>(call: &'a Call<'_>) -> Result<Admitted<'a>, Ending> {
    let patience = call.time_left(clock::now());
    let admitted = pin!(call.client.overload().admit(call.request.criticality, patience));
    match call.control.or(admitted).await {
        Ok(admitted) => admitted.map_err(Ending::Overloaded),
        Err(kind) => Err(Ending::Asked(kind.into())),
    }
}

/// Step 1: an endpoint, of a list that is asked for again where none is left.
fn lease(
    call: &Call<'_>,
    tried: &Tried,
    updates: &mut u32,
    mut now: Instant,
) -> Result<Lease, Ending> {
    loop {
        if call.time_left(now).is_zero() {
            return Err(Ending::Deadline);
        }
        let updates_seen = call.way.balancer().map_or(0, |balancer| balancer.updates_done());
        let probing = Probing::of_attempt(!tried.is_empty(), call.may_hedge());
        match call.way.lease(tried, call.key, probing, now) {
            Ok(lease) => return Ok(lease),
            // The more are asked now, the later it is well again.
            Err(none) if none.held_back => return Err(Ending::Overloaded(Refused::Recovering)),
            // A list of the same endpoints gives no room either.
            Err(none) if *updates == 0 || none.full => return Err(Ending::NoEndpoints(none)),
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
    flight: Flight,
    tried: &mut Tried,
    story: &mut Story<'_>,
    admitted: &Admitted<'_>,
    transport: &impl Transport,
) -> Landed {
    if !call.may_hedge() {
        return flight.fly(call, transport).await;
    }
    let number = story.attempt_count() + 1;
    let failed = |landed: Landed| {
        let ended = landed.ended();
        admitted.observe(&ended, class(&ended, &call.client.config.retry), landed.elapsed());
        let wish = Wish::of(call, &landed);
        let settled = settle(call, landed.lease, &ended, wish.retry_after, landed.began);
        story.add(settled, landed.result, landed.is_hedge);
    };
    // Boxed: calls without hedges are not to carry its state.
    let Race { last, dropped } =
        Box::pin(hedge::race(call, flight, number, tried, transport, failed)).await;
    let by_another = last.asked().is_none();
    let good = class(&last.ended(), &call.client.config.retry) == Class::Success;
    for dropped in dropped {
        if good {
            dropped.tell_overtaken();
        }
        if good && dropped.began < last.began {
            admitted.overtaken(dropped.began);
        }
        story.add_dropped(dropped, by_another);
    }
    last
}

/// What a server asked of whoever would repeat the call.
#[derive(Clone, Copy)]
struct Wish {
    retry_after: Option<RetryAfter>,
    pushback: Option<Pushback>,
}

impl Wish {
    fn of(call: &Call<'_>, landed: &Landed) -> Self {
        let retry_after = landed.asked_wait(call.client.config.retry.retry_after_cap);
        Self { retry_after, pushback: landed.pushback(call) }
    }
}

/// Step 6: stop, or try again after a wait.
fn decide(
    call: &Call<'_>,
    retry: &mut Retry<'_>,
    tried: &Tried,
    ended: Ended,
    first_on_endpoint: bool,
    wish: Wish,
) -> Decision {
    let now = clock::now();
    // Looked for only where it matters: the first circuit in the list would be asked by every caller.
    let may_go_on = class(&ended, &call.client.config.retry) != Class::Success;
    let overload = call.client.overload();
    let facts = Facts {
        ended,
        idempotent: call.request.is_idempotent(),
        resendable: call.draw.as_ref().is_none_or(Draw::can_repeat),
        untried: may_go_on && call.way.has_untried(tried, now),
        first_on_endpoint,
        retry_after: wish.retry_after,
        pushback: wish.pushback,
        time_left: call.deadline.map(|at| at.saturating_duration_since(now)),
        p50: if may_go_on { overload.usual_latency(now) } else { None },
    };
    entropy::with_rng(|rng| retry.decide(&facts, rng, || overload.may_retry(now)))
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
