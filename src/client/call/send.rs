//! One attempt under way: its endpoint, its limits, and its own copy of the request where something changes it.

use std::pin::pin;
use std::time::{Duration, Instant, SystemTime};

use http::header;

use super::call::{Call, Limits};
use super::propagation;
use crate::balancer::lease::Lease;
use crate::balancer::pick::attempted::Attempted;
use crate::client::body::streaming;
use crate::error::ErrorKind;
use crate::outcome::{Failure, FailureKind};
use crate::policy::retry::retry_after;
use crate::policy::{AttemptOutcome, Pushback, RetryAfter};
use crate::request::Request;
use crate::runtime::{callback, clock};
use crate::source::BodyReader;
use crate::transport::{Answer, Exchange, Live, Progress, Transport};

/// An attempt that may be sent. Dropped under way, it drops its exchange and gives its permit back.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) lease: Lease,
    pub(crate) began: Instant,
    /// The call had not tried its endpoint before.
    pub(crate) first_on_endpoint: bool,
    /// It is a copy beside another attempt.
    pub(crate) is_hedge: bool,
    limits: Limits,
    /// The attempt's own copy, where a hook or a header of its own changes it.
    outgoing: Option<Box<Request>>,
}

/// An attempt that has ended.
#[derive(Debug)]
pub(crate) struct AttemptDone {
    pub(crate) lease: Lease,
    pub(crate) began: Instant,
    pub(crate) first_on_endpoint: bool,
    pub(crate) is_hedge: bool,
    pub(crate) result: Result<Answer, Failure>,
}

impl Attempt {
    /// Makes the `number`th attempt of a call ready, when `tries_left` remain with it; its endpoint counts as
    /// tried from here on.
    ///
    /// # Errors
    /// The host's hook refused, and said why.
    pub(crate) fn new(
        call: &Call<'_>,
        mut lease: Lease,
        attempted: &mut Attempted,
        tries_left: Option<u32>,
        number: usize,
        now: Instant,
    ) -> Result<Self, String> {
        let first_on_endpoint = lease.mark_attempted(attempted);
        let limits = call.limits(now, tries_left, lease.probe_limit());
        lease.limit_to(limits.attempt);
        let outgoing = outgoing(call, &lease, limits.attempt, number)?;
        Ok(Self { lease, began: now, first_on_endpoint, is_hedge: false, limits, outgoing })
    }

    /// The same, sent beside another attempt of its call.
    pub(crate) fn into_hedge(self) -> Self {
        Self { is_hedge: true, ..self }
    }

    /// Carries it out within its limits.
    pub(crate) async fn send(self, call: &Call<'_>, transport: &impl Transport) -> AttemptDone {
        let result = self.exchange(call, transport).await;
        if let Ok(answer) = &result {
            self.lease.report(&answer.headers);
        }
        let Self { lease, began, first_on_endpoint, is_hedge, .. } = self;
        AttemptDone { lease, began, first_on_endpoint, is_hedge, result }
    }

    async fn exchange(
        &self,
        call: &Call<'_>,
        transport: &impl Transport,
    ) -> Result<Answer, Failure> {
        let progress = Progress::default();
        let streams = |status| streaming::is_streamed(&call.core.config, status);
        let outgoing = self.outgoing.as_deref();
        let exchange = Exchange {
            endpoint: self.lease.endpoint(),
            method: &call.request.method,
            path: outgoing.map_or(&call.target.path, |changed| &changed.target),
            headers: outgoing.map_or(&call.headers, |changed| &changed.headers),
            body: &call.request.body,
            source: call.body_reader.as_ref(),
            connect_timeout: self.limits.connect,
            body_idle_timeout: call.core.config.body_idle_timeout,
            max_body: call.core.config.max_body,
            gzip: call.core.config.gzip,
            streams: call.request.streamed.then_some(&streams),
            progress: &progress,
        };
        let timed = pin!(tokio::time::timeout(self.limits.attempt, transport.send(&exchange)));
        match call.cancellation.or(timed).await {
            Ok(Ok(Err(failure))) => Err(by_source(call, failure)),
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(cut(&progress, self.limits)),
            Err(kind) => {
                Err(Failure { kind, sent: progress.is_sent(), detail: "cancelled".to_owned() })
            }
        }
    }
}

impl AttemptDone {
    /// The outcome that retry and circuit judge.
    pub(crate) fn outcome(&self) -> AttemptOutcome {
        match &self.result {
            Ok(answer) => AttemptOutcome::Answered { status: answer.status.as_u16() },
            Err(failure) => AttemptOutcome::Failed { kind: failure.kind, sent: failure.sent },
        }
    }

    /// From the pick to now.
    pub(crate) fn elapsed(&self) -> Duration {
        clock::now().saturating_duration_since(self.began)
    }

    /// The body that is still to come, where the answer is streamed.
    pub(crate) fn take_stream(&mut self) -> Option<Live> {
        self.result.as_mut().ok()?.live.take().map(|live| *live)
    }

    /// The error's kind where the attempt was ended from outside.
    pub(crate) fn asked(&self) -> Option<ErrorKind> {
        self.result.as_ref().err().and_then(|failure| failure.kind.asked())
    }

    /// What the server asked for by Retry-After.
    pub(crate) fn asked_wait(&self, cap: Duration) -> Option<RetryAfter> {
        let answer = self.result.as_ref().ok()?;
        if !retry_after::may_ask(answer.status.as_u16()) {
            return None;
        }
        let value = answer.headers.get(header::RETRY_AFTER)?;
        retry_after::parse(value.as_bytes(), SystemTime::now(), cap)
    }

    /// What the server says of repeating the call.
    pub(crate) fn pushback(&self, call: &Call<'_>) -> Option<Pushback> {
        let config = &call.core.config;
        let value = self.result.as_ref().ok()?.headers.get(config.pushback_header.as_ref()?)?;
        Some(Pushback::parse(value.as_bytes(), config.retry.retry_after_cap))
    }
}

/// The attempt's own copy of the request, where a hook may change it or it carries headers of its own.
fn outgoing(
    call: &Call<'_>,
    lease: &Lease,
    limit: Duration,
    number: usize,
) -> Result<Option<Box<Request>>, String> {
    let hook = call.core.hooks.on_request.as_ref();
    if hook.is_none() && !call.core.config.passes_on() {
        return Ok(None);
    }
    let mut request = call.request.clone();
    request.target = call.target.path.clone().into_owned();
    request.headers = call.headers.clone().into_owned();
    let config = &call.core.config;
    propagation::add(config, call.trace.as_ref(), limit, number, &mut request.headers);
    if let Some(hook) = hook {
        callback::run(|| hook(&mut request, lease.endpoint().url()))?;
    }
    Ok(Some(Box::new(request)))
}

/// A transport sees only a connection that broke where it was the body's source that failed.
fn by_source(call: &Call<'_>, failure: Failure) -> Failure {
    match call.body_reader.as_ref().and_then(BodyReader::fault) {
        Some(fault) => Failure { kind: FailureKind::Source, detail: fault.to_owned(), ..failure },
        None => failure,
    }
}

/// What an attempt is called that its limit cut off.
fn cut(progress: &Progress, limits: Limits) -> Failure {
    if progress.is_waiting() {
        return Failure::unsent(FailureKind::Local, "all connections stayed in use");
    }
    if progress.is_resolving() {
        return Failure::unsent(FailureKind::Resolve, "name not resolved in time");
    }
    let (kind, detail) = match (limits.by_deadline, progress.is_connected()) {
        (true, true) => (FailureKind::Deadline, "no answer"),
        (true, false) => (FailureKind::Deadline, "not connected"),
        (false, true) => (FailureKind::Timeout, "no answer"),
        (false, false) => (FailureKind::ConnectTimeout, "connect timed out"),
    };
    Failure { kind, sent: progress.is_sent(), detail: detail.to_owned() }
}
