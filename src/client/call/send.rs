//! One attempt under way: its endpoint, its limits, and its own copy of the request where something changes it.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::HeaderMap;
use tokio::time::sleep;

use super::call::Call;
use super::done::{AttemptDone, AttemptFacts};
use super::faults::suffer;
use super::limits::Limits;
use super::propagation;
use super::watch::{AttemptWatch, LimitPassed};
use crate::balancer::lease::Lease;
use crate::balancer::pick::attempted::Attempted;
use crate::body_source::{BodyReader, BodyWait};
use crate::client::body::streaming;
use crate::client::observe::hooks::AttemptInfo;
use crate::config::Commit;
use crate::outcome::{Class, Failure, FailureKind, in_ms};
use crate::policy::{AttemptOutcome, InjectedFault, RaceEnd, RetryOn, class};
use crate::request::Request;
use crate::response::{Resource, Response};
use crate::runtime::clock;
use crate::runtime::cold_path::cold_path;
use crate::runtime::host::callback;
use crate::statistics::Counter;
use crate::transport::{Answer, Exchange, Progress, Transport, stayed_in_use};

/// An attempt that may be sent. Dropped under way, it drops its exchange and gives its permit back.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) lease: Lease,
    pub(crate) began: Instant,
    /// The call had not tried its endpoint before.
    pub(crate) first_on_endpoint: bool,
    /// It is sent beside another attempt.
    is_hedge: bool,
    /// What it is counted as.
    reason: Counter,
    /// How long its call waited before it.
    waited: Duration,
    /// Its number within the call, from 1.
    number: usize,
    limits: Limits,
    /// How many endpoints its call has tried, where it may go on to another.
    tried: Option<usize>,
    /// Its call has another try.
    has_try: bool,
    /// The attempt's own copy, where a hook or a header of its own changes it.
    outgoing: Option<Box<Request>>,
    /// The addresses over which other attempts of its call have failed, or wait.
    met: Vec<SocketAddr>,
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
        let limits = Limits::new(call, &lease, tries_left, now);
        lease.limit_to(limits.usual);
        let left = || limits.end.map_or(Duration::MAX, |end| end.saturating_duration_since(now));
        let outgoing = outgoing(call, &lease, number, left)?;
        // What the host's hook takes, to look up a token perhaps, is not its endpoint's.
        let began = outgoing.as_ref().map_or(now, |_| clock::now());
        lease.postpone(began.saturating_duration_since(now));
        let has_try = tries_left.is_none_or(|left| left > 1);
        let may_go_on = has_try && call.retry().on.contains(RetryOn::CONNECT);
        let reason = match lease.probe_limit() {
            Some(_) => Counter::Probe,
            None if number == 1 => Counter::First,
            None => Counter::Retry,
        };
        Ok(Self {
            lease,
            began,
            first_on_endpoint,
            is_hedge: false,
            reason,
            waited: Duration::ZERO,
            number,
            limits,
            tried: may_go_on.then_some(attempted.len()),
            has_try,
            outgoing,
            met: Vec::new(),
        })
    }

    /// The same, for which its call has waited.
    pub(crate) fn after(self, waited: Duration) -> Self {
        Self { waited, ..self }
    }

    /// The same, better not over the addresses that its call has `met`.
    pub(crate) fn apart_from(self, met: Vec<SocketAddr>) -> Self {
        Self { met, ..self }
    }

    /// The same, sent beside another attempt of its call for `reason`.
    pub(crate) fn into_hedge(self, reason: Counter) -> Self {
        let reason = if self.reason == Counter::Probe { Counter::Probe } else { reason };
        Self { is_hedge: true, reason, ..self }
    }

    /// Carries it out within its limits.
    pub(crate) async fn send(
        self,
        call: &Call<'_>,
        transport: &impl Transport,
        watch: &AttemptWatch,
    ) -> AttemptDone {
        let fault = call.core.fault(self.headers(call));
        let mut result = self.exchange(call, transport, watch, fault).await;
        if let Ok(answer) = &result {
            self.lease.report(&answer.headers);
        }
        let mut outcome = self.outcome(call, &result);
        // The host has found fault with the head of a streamed answer. Boxed: that is rare.
        if let Ok(answer) = &mut result
            && answer.live.is_some()
            && class(&outcome, call.retry()) != Class::Success
            && self.may_repeat(call)
        {
            let answer = std::mem::take(answer);
            result = cold_path(|| self.whole(answer, call, watch)).await;
            if result.is_err() {
                outcome = self.outcome(call, &result);
            }
        }
        let facts = AttemptFacts {
            is_hedge: self.is_hedge,
            reason: self.reason,
            late_after: watch.has_passed(LimitPassed::Soft).then_some(self.limits.soft),
            waited: self.waited,
            phases: watch.progress.phases(),
            connection: watch.progress.connection(),
            path: self.outgoing.map(|changed| changed.target),
            fault,
            number: self.number,
        };
        let Self { mut lease, began, first_on_endpoint, .. } = self;
        let race_end = watch.race_end();
        let source = call.body_reader.as_ref();
        let BodyWait { total: body_wait, goes_on, .. } =
            source.map_or_else(BodyWait::default, |source| source.take_wait(clock::now()));
        lease.postpone(body_wait);
        let is_cut = |kind| matches!(kind, FailureKind::Timeout | FailureKind::Deadline);
        let lacks_body = goes_on && result.as_ref().is_err_and(|failure| is_cut(failure.kind));
        AttemptDone {
            lease,
            began,
            first_on_endpoint,
            race_end,
            facts,
            body_wait,
            lacks_body,
            outcome,
            result,
        }
    }

    /// What retry and circuit judge: by the host's own verdict on an answer, by the statuses that it has set, or by
    /// the rules.
    fn outcome(&self, call: &Call<'_>, result: &Result<Answer, Failure>) -> AttemptOutcome {
        let answer = match result {
            Ok(answer) => answer,
            Err(failure) => {
                return AttemptOutcome::Failed { kind: failure.kind, sent: failure.sent };
            }
        };
        let status = answer.status.as_u16();
        if let Some(hook) = &call.core.hooks.on_classify
            && let Some(judgement) = callback::run(|| hook(&self.shown(call, answer)))
        {
            return AttemptOutcome::judged(status, judgement);
        }
        match &call.core.config.failure_statuses {
            None => AttemptOutcome::Answered { status },
            Some(failures) => AttemptOutcome::by_statuses(status, failures, call.retry()),
        }
    }

    /// What the host passes its verdict on.
    fn shown(&self, call: &Call<'_>, answer: &Answer) -> Response {
        let changed = self.outgoing.as_ref().map(|changed| Arc::clone(&changed.target));
        Response {
            status: answer.status,
            headers: answer.headers.clone(),
            body: answer.body.clone(),
            endpoint_url: Arc::clone(self.lease.endpoint().url()),
            resource: match &answer.moved_to {
                Some(url) => Resource::Url(Arc::clone(url)),
                None => Resource::Path(changed.unwrap_or_else(|| call.path())),
            },
            elapsed: clock::now().saturating_duration_since(call.started),
            attempts: Vec::new(),
            attempt_count: self.number,
            stop_reason: None,
            user_data: call.request.user_data.clone(),
        }
    }

    /// The rest of a streamed answer that is not handed over yet, as it may never be.
    async fn whole(
        &self,
        answer: Answer,
        call: &Call<'_>,
        watch: &AttemptWatch,
    ) -> Result<Answer, Failure> {
        let work = pin!(answer.whole(call.core.config.max_body));
        self.within_limits(work, call, watch).await
    }

    async fn exchange(
        &self,
        call: &Call<'_>,
        transport: &impl Transport,
        watch: &AttemptWatch,
        fault: Option<InjectedFault>,
    ) -> Result<Answer, Failure> {
        let (config, retry) = (&call.core.config, call.retry());
        let may_repeat = || self.may_repeat(call);
        let streams = |status| streaming::is_streamed(config, retry, status, may_repeat);
        let stands_by = || self.tried.is_some_and(|tried| call.target.stands_by(tried));
        let outgoing = self.outgoing.as_deref();
        let exchange = Exchange {
            endpoint: self.lease.endpoint(),
            method: &call.request.method,
            path: outgoing.map_or(&*call.target.path, |changed| &*changed.target),
            headers: self.headers(call),
            body: &call.request.body,
            source: call.body_reader.as_ref(),
            connect_timeout: self.limits.connect,
            stands_by: &stands_by,
            body_idle_timeout: call.core.config.body_idle_timeout,
            max_body: call.core.config.max_body,
            gzip: call.core.config.gzip,
            streams: call.request.streamed.then_some(&streams),
            // Beside another attempt at the same endpoint, whose connection may be dead.
            fresh: self.is_hedge && !self.first_on_endpoint,
            met: &self.met,
            progress: &watch.progress,
        };
        let work = pin!(committed(call, transport, &exchange, fault));
        self.within_limits(work, call, watch).await
    }

    /// Whether the call might be made anew where the answer asks for that.
    fn may_repeat(&self, call: &Call<'_>) -> bool {
        let is_repeatable = call.request.is_idempotent() || call.retry().any_method;
        self.has_try
            && is_repeatable
            && call.body_reader.as_ref().is_none_or(BodyReader::can_repeat)
    }

    fn headers<'b>(&'b self, call: &'b Call<'_>) -> &'b HeaderMap {
        self.outgoing.as_deref().map_or(&call.headers, |changed| &changed.headers)
    }

    async fn within_limits(
        &self,
        work: Pin<&mut impl Future<Output = Result<Answer, Failure>>>,
        call: &Call<'_>,
        watch: &AttemptWatch,
    ) -> Result<Answer, Failure> {
        let timed = pin!(self.timed(work, watch, call.body_reader.as_ref()));
        match call.cancellation.or(timed).await {
            Ok(Err(failure)) => Err(call.by_source(failure)),
            Ok(answer) => answer,
            Err(kind) => Err(cancelled(kind, &watch.progress)),
        }
    }

    /// Runs `work` until it ends, its limit cuts it, or another attempt has answered.
    async fn timed(
        &self,
        mut work: Pin<&mut impl Future<Output = Result<Answer, Failure>>>,
        watch: &AttemptWatch,
        source: Option<&BodyReader>,
    ) -> Result<Answer, Failure> {
        let mut alarm = pin!(sleep(self.limits.first(self.began)));
        let mut sockets_first = true;
        poll_fn(|cx| {
            if watch.race_end() != RaceEnd::Ended {
                return Poll::Ready(Err(cancelled(FailureKind::Cancelled, &watch.progress)));
            }
            if let Poll::Ready(result) = work.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            while alarm.as_mut().poll(cx).is_ready() {
                let now = clock::now();
                let stalled = clock::stalled(alarm.deadline().into_std(), now);
                if let Some(late) = stalled.filter(|_| sockets_first) {
                    // The sockets have their turn before the next look.
                    sockets_first = false;
                    watch.progress.skip(late);
                    alarm.as_mut().reset((now + TURN).into());
                    continue;
                }
                sockets_first = true;
                let wait = source.map(|source| source.wait(now)).unwrap_or_default();
                match self.look_at_clock(watch, wait.until, now) {
                    Some(next) => alarm.as_mut().reset(next.into()),
                    None => return Poll::Ready(Err(self.cut(&watch.progress, wait.goes_on))),
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Notes which limits have passed; when to look next, or `None` where the attempt is over. Until `lacked_body` the host
    /// had not brought the body, without which no endpoint answers.
    fn look_at_clock(
        &self,
        watch: &AttemptWatch,
        lacked_body: Option<Instant>,
        now: Instant,
    ) -> Option<Instant> {
        let Limits { short, slow, soft, end, .. } = self.limits;
        if end.is_some_and(|end| now >= end) {
            return None;
        }
        // The clock does not run while all connections are in use.
        let from = if watch.progress.is_waiting() { now } else { watch.progress.counts_from() };
        let from = lacked_body.map_or(from, |until| until.max(from));
        let passed = now.saturating_duration_since(from);
        if passed >= short && watch.pass(LimitPassed::Short) {
            self.lease.mark_overdue(now);
        }
        if passed >= slow {
            watch.pass(LimitPassed::Slow);
        }
        if passed >= soft && watch.pass(LimitPassed::Soft) {
            self.lease.mark_late(now);
        }
        let ahead = [short, slow, soft].into_iter().filter(|limit| *limit > passed).min();
        let next = ahead.and_then(|limit| from.checked_add(limit));
        let next = next.into_iter().chain(end).min();
        Some(next.unwrap_or_else(|| now + FAR))
    }

    /// What the attempt is called that was cut off.
    fn cut(&self, progress: &Progress, lacks_body: bool) -> Failure {
        if progress.is_waiting() {
            return stayed_in_use();
        }
        if progress.is_resolving() {
            return Failure::unsent(FailureKind::Resolve, "name not resolved in time");
        }
        let limit = || format!("attempt limit {}", in_ms(self.limits.usual));
        let (kind, detail) = match (self.limits.is_hard, progress.is_connected()) {
            (false, true) if progress.is_answered() => {
                (FailureKind::Deadline, "answer not whole".to_owned())
            }
            (false, true) if lacks_body => (FailureKind::Deadline, LACKS_BODY.to_owned()),
            (false, true) => (FailureKind::Deadline, "no answer".to_owned()),
            (false, false) => (FailureKind::Deadline, "not connected".to_owned()),
            (true, true) if lacks_body => {
                (FailureKind::Timeout, format!("{LACKS_BODY} within the {}", limit()))
            }
            (true, true) => (FailureKind::Timeout, limit()),
            (true, false) => (FailureKind::ConnectTimeout, limit()),
        };
        Failure { kind, sent: progress.is_sent(), detail }
    }
}

impl Limits {
    /// How long to wait before the first look at the clock.
    fn first(&self, began: Instant) -> Duration {
        let end = self.end.map_or(FAR, |end| end.saturating_duration_since(began));
        self.short.min(self.slow).min(end).min(FAR)
    }
}

/// The answer as far as the call waits for it: streamed, up to its head or to the first byte of its body.
async fn committed(
    call: &Call<'_>,
    transport: &impl Transport,
    exchange: &Exchange<'_>,
    fault: Option<InjectedFault>,
) -> Result<Answer, Failure> {
    // Boxed: calls that suffer none are not to carry its state.
    if let Some(fault) = fault
        && let Some(answer) = cold_path(|| suffer(fault, exchange.progress, call.stripe)).await?
    {
        return Ok(answer);
    }
    let mut answer = transport.send(exchange).await?;
    if let Some(live) = &mut answer.live
        && call.core.config.commit == Commit::FirstByte
    {
        live.begun().await?;
    }
    Ok(answer)
}

fn cancelled(kind: FailureKind, progress: &Progress) -> Failure {
    Failure { kind, sent: progress.is_sent(), detail: "cancelled".to_owned() }
}

/// Of an attempt that waited for the host.
const LACKS_BODY: &str = "request's body not whole";

/// The least that a timer of tokio's takes.
const TURN: Duration = Duration::from_millis(1);

/// Longer than any process runs, and no clock overflows when it is added.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The attempt's own copy of the request, where a hook may change it or it carries headers of its own.
fn outgoing(
    call: &Call<'_>,
    lease: &Lease,
    number: usize,
    left: impl FnOnce() -> Duration,
) -> Result<Option<Box<Request>>, String> {
    let hook = call.core.hooks.on_request.as_ref();
    if hook.is_none() && !call.core.config.adds_attempt_headers() {
        return Ok(None);
    }
    let mut request = call.request.clone();
    request.target = call.path();
    request.headers = call.headers.clone().into_owned();
    let config = &call.core.config;
    propagation::add(config, call.trace.as_ref(), left(), number, &mut request.headers);
    if let Some(hook) = hook {
        let info = AttemptInfo { endpoint: lease.endpoint(), number };
        callback::run(|| hook(&mut request, &info))?;
    }
    Ok(Some(Box::new(request)))
}
