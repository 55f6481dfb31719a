//! Carries the body of a streamed answer, once its head was handed over, on the I/O thread of its call.
//!
//! The lease stays until the end of the body: an endpoint that breaks off has failed, one whose reader stopped
//! has not. Only a probe is settled by its head, for its circuit must not wait for the end of a long stream.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode, header};

use super::channel::BodyChannel;
use super::places::Places;
use super::source::{CarrierPoll, Source, late};
use super::stream::BodyStream;
use crate::balancer::lease::{Lease, OpenStream};
use crate::client::admission::limit::InFlightPermit;
use crate::client::call::call::Call;
use crate::client::call::settle::{AttemptEnd, AttemptRecord, settle};
use crate::config::{ClientConfig, DEFAULT_PIECE_TIMEOUT};
use crate::error::{CallReport, Error, ErrorKind};
use crate::event::Event;
use crate::event::loggable;
use crate::outcome::{AttemptLog, AttemptResult, Class, Failure, FailureKind};
use crate::phase::Phase;
use crate::policy::{AttemptOutcome, RetryConfig, class};
use crate::response::Response;
use crate::runtime::clock;
use crate::statistics::Counter;
use crate::transport::StreamedBody;

/// What a call hands over.
#[derive(Debug)]
pub struct Delivery {
    /// The answer; its body is empty where it is streamed. Boxed: it passes through many hands.
    pub response: Box<Response>,
    /// The body that is read piece by piece.
    pub stream: Option<BodyStream>,
}

impl From<Box<Response>> for Delivery {
    fn from(response: Box<Response>) -> Self {
        Self { response, stream: None }
    }
}

/// Whether an answer is handed over by its head. One that may be retried, or is made an error, is read whole
/// as a buffered one, for it may be handed over later, when its connection is long gone.
pub(crate) fn is_streamed(
    config: &ClientConfig,
    retry: &RetryConfig,
    status: StatusCode,
    may_repeat: impl FnOnce() -> bool,
) -> bool {
    let is_good =
        class(&AttemptOutcome::Answered { status: status.as_u16() }, retry) == Class::Success;
    !config.is_failure(status) && (is_good || !may_repeat())
}

/// A body under way, with the right to it.
#[derive(Debug)]
pub(crate) struct Body {
    live: StreamedBody,
    attempt: StreamedAttempt,
}

/// The attempt that brought a body's head.
#[derive(Debug)]
struct StreamedAttempt {
    lease: Option<Lease>,
    places: Places,
    url: Arc<str>,
    head: AttemptOutcome,
    began: Instant,
    /// So much later as the host had not brought the request's body.
    counts_from: Instant,
}

/// An answer's head is there: holds the lease for its body.
pub(crate) fn begin(
    mut lease: Lease,
    live: StreamedBody,
    head: AttemptOutcome,
    late: bool,
    began: Instant,
    body_wait: Duration,
) -> (AttemptRecord, Body) {
    let counts_from = began + body_wait;
    let stream = lease.open_stream();
    lease.answered(!late, &head, counts_from, clock::now());
    let url = Arc::clone(lease.endpoint().url());
    let (settled, lease) = match lease.probe_limit() {
        Some(_) => (settle(lease, &AttemptEnd::in_time(head, counts_from), None).0, None),
        None => {
            let (url, now) = (Arc::clone(&url), clock::now());
            let elapsed = now.saturating_duration_since(began);
            (AttemptRecord { url, transition: None, elapsed, now }, Some(lease))
        }
    };
    let places = Places { stream, permit: None };
    let attempt = StreamedAttempt { lease, places, url, head, began, counts_from };
    (settled, Body { live, attempt })
}

impl Body {
    /// Of an answer whose endpoint has learnt of it already.
    pub(crate) fn without_lease(
        live: StreamedBody,
        stream: Option<OpenStream>,
        url: Arc<str>,
        head: AttemptOutcome,
        began: Instant,
    ) -> Self {
        let places = Places { stream, permit: None };
        let (lease, counts_from) = (None, began);
        Self { live, attempt: StreamedAttempt { lease, places, url, head, began, counts_from } }
    }

    pub(crate) fn holding(mut self, permit: Option<InFlightPermit>) -> Self {
        self.attempt.places.permit = permit;
        self
    }

    /// Hands the answer over by `deliver`, with what is there of the body, and then carries the rest to its reader until it
    /// ends. What comes with its head is so handed over with it: its reader is woken once, and not twice.
    pub(crate) async fn carry(
        self,
        call: &mut Call<'_>,
        head: Result<Box<Response>, Error>,
        stream: BodyStream,
        deliver: impl FnOnce(Result<Delivery, Error>),
    ) {
        let response = match head {
            Ok(response) => response,
            Err(error) => return deliver(Err(error)),
        };
        let writer = Writer { channel: stream.channel(), ended: false };
        let idle = idle_limit(call, &response.headers);
        let Self { live, mut attempt } = self;
        writer.channel.open(Source::new(live, idle), std::mem::take(&mut attempt.places));
        let (attempts, attempt_count) = (response.attempts.clone(), response.attempt_count);
        let mut deliver = Some(|| deliver(Ok(Delivery { response, stream: Some(stream) })));
        let result = {
            let moved = pin!(move_pieces(&writer.channel, idle));
            let ended = pin!(call.cancellation.or(moved));
            call_once_pending(ended, &mut deliver).await
        };
        let result = match result {
            Ok(moved) => moved.map_err(|failure| call.by_source(failure)),
            Err(kind) => Err(Failure::sent(kind, "cancelled")),
        };
        // The connection is kept or closed before anybody learns of the end.
        let count = writer.channel.close();
        let (url, began) = (Arc::clone(&attempt.url), attempt.began);
        writer.channel.give_places_back();
        attempt.settle(call, &result);
        tell(call, &url, count, &result);
        let result = result.map_err(|failure| {
            let record = BodyReport { attempts, attempt_count, began, count };
            (failure.kind, record.error(call, failure))
        });
        // A reader that has seen the end may send the same request again at once.
        call.body_reader = None;
        writer.end(result);
        if let Some(deliver) = deliver {
            deliver();
        }
    }
}

impl StreamedAttempt {
    /// The body has ended: its endpoint learns how. That nothing came while the host had not brought the request's body says
    /// nothing of it.
    fn settle(self, call: &Call<'_>, result: &Result<(), Failure>) {
        let (ended, counter) = match result {
            Ok(()) => (self.head, Counter::StreamsComplete),
            Err(Failure { kind, .. }) => {
                let owes_body = *kind == FailureKind::Timeout && waits_for_host(call);
                let kind = if owes_body { FailureKind::Cancelled } else { *kind };
                (AttemptOutcome::Failed { kind, sent: true }, Counter::StreamsBroken)
            }
        };
        if let Some(lease) = self.lease {
            call.causing(|| settle(lease, &AttemptEnd::in_time(ended, self.counts_from), None));
        }
        call.stripe.count(counter, 1);
    }
}

fn waits_for_host(call: &Call<'_>) -> bool {
    call.body_reader.as_ref().is_some_and(|reader| reader.take_wait(clock::now()).goes_on)
}

/// Drives `work` to its end, and calls `then` once it has to wait.
async fn call_once_pending<T>(
    mut work: Pin<&mut impl Future<Output = T>>,
    then: &mut Option<impl FnOnce()>,
) -> T {
    poll_fn(|cx| {
        let result = work.as_mut().poll(cx);
        if result.is_pending()
            && let Some(then) = then.take()
        {
            then();
        }
        result
    })
    .await
}

/// Moves pieces until the end; each may take `idle`, but for the time in which the reader has no room. A reader that looks
/// for pieces itself keeps that limit itself, while it is there.
async fn move_pieces(channel: &BodyChannel, idle: Duration) -> Result<(), Failure> {
    loop {
        channel.has_room(idle).await;
        match clock::timeout(idle, poll_fn(|cx| channel.poll_move(cx))).await {
            Ok(CarrierPoll::Piece | CarrierPoll::LeftToReader) => {}
            Ok(CarrierPoll::Ended(result)) => return result,
            Err(_) if channel.is_left_to_reader() => {}
            Err(_) => return Err(late()),
        }
    }
}

fn idle_limit(call: &Call<'_>, headers: &HeaderMap) -> Duration {
    let config = &call.core.config;
    let stated = call.request.idle_timeout.or(config.body_idle_timeout);
    // How long an answer may take says nothing of how far apart events are.
    let of_attempts = || config.attempt_timeout.filter(|_| !is_of_events(headers));
    stated.or_else(of_attempts).unwrap_or_else(|| unset_idle_limit(call.deadline.is_some()))
}

/// A caller that lets a call take for ever means its body too.
const fn unset_idle_limit(has_deadline: bool) -> Duration {
    if has_deadline { DEFAULT_PIECE_TIMEOUT } else { Duration::MAX }
}

/// Whether the body is one of server-sent events.
fn is_of_events(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// The writing end: its reader learns of an end, whatever becomes of the carrier.
struct Writer {
    channel: Arc<BodyChannel>,
    ended: bool,
}

impl Writer {
    fn end(mut self, result: Result<(), (FailureKind, Error)>) {
        self.ended = true;
        match result {
            Ok(()) => self.channel.end(Ok(())),
            Err((kind, error)) if kind.asked().is_some() => self.channel.cut(error),
            Err((_, error)) => self.channel.end(Err(error)),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.channel.close();
        if !self.ended {
            let message = "a defect of libahoy: the carrier of a body ended without an outcome";
            self.channel.end(Err(Error::new(ErrorKind::Internal, message)));
        }
    }
}

/// What an error of a body tells.
struct BodyReport {
    attempts: Vec<AttemptLog>,
    attempt_count: usize,
    began: Instant,
    count: u64,
}

impl BodyReport {
    /// The last attempt brought the head and failed all the same.
    fn error(mut self, call: &Call<'_>, failure: Failure) -> Error {
        let now = clock::now();
        if let Some(last) = self.attempts.last_mut() {
            last.result = AttemptResult::Failed(failure.kind);
            last.detail = failure.detail;
            last.ambiguous = true;
            // Up to the head it was counted before.
            let elapsed = now.saturating_duration_since(self.began).max(last.elapsed);
            last.phases = last.phases.with(Phase::Body, elapsed - last.elapsed);
            last.elapsed = elapsed;
        }
        let record = CallReport {
            method: call.request.method.clone(),
            target: call.request.target.clone(),
            idempotent: call.request.is_idempotent(),
            attempts: self.attempts,
            attempt_count: self.attempt_count,
            elapsed: now.saturating_duration_since(call.started),
            response: None,
            user_data: call.request.user_data.clone(),
        };
        let reason = format!("the body broke off after {} bytes", self.count);
        Error::of_call(failure.kind.into(), &reason, record)
    }
}

fn tell(call: &Call<'_>, url: &str, count: u64, result: &Result<(), Failure>) {
    call.core.emit(&Event::Body {
        method: &call.request.method,
        target: loggable(&call.request.target),
        url,
        count,
        failure: result.as_ref().err().map(|failure| &*failure.detail),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_may_pause_for_a_minute_and_one_of_a_call_without_end_for_ever() {
        assert_eq!(unset_idle_limit(true), Duration::from_secs(60));
        assert_eq!(unset_idle_limit(false), Duration::MAX);
    }

    #[test]
    fn events_are_known_by_their_type_whatever_its_case_and_parameters() {
        let of = |kind: &'static str| {
            let kind = (header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
            is_of_events(&HeaderMap::from_iter([kind]))
        };
        assert!(of("text/event-stream") && of("Text/Event-Stream ; charset=utf-8"));
        assert!(!of("text/plain") && !of("text/event-stream2") && !is_of_events(&HeaderMap::new()));
    }
}
