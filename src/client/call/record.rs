//! What happened in a call so far, and its end: the response or the error that tells it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::call::Call;
use super::done::AttemptFacts;
use super::settle::AttemptRecord;
use crate::balancer::balancer::{Balancer, EXPLAINED};
use crate::balancer::pick::error::PickError;
use crate::client::admission::limit::Refused;
use crate::client::observe::meter::CallMeter;
use crate::error::{CallReport, Error, ErrorKind};
use crate::event::Event;
use crate::event::loggable;
use crate::outcome::{
    AttemptLog, AttemptResult, CircuitNote, Failure, FailureKind, Faults, KEPT_ATTEMPTS, Transition,
};
use crate::policy::{FaultEnd, InjectedFault, StopReason};
use crate::response::{Resource, Response};
use crate::runtime::clock;
use crate::runtime::host::callback;
use crate::statistics::Counter;
use crate::transport::Answer;

/// Why a call ends.
#[derive(Debug)]
pub(crate) enum CallEnd {
    /// The retry policy says so.
    Stopped(StopReason),
    /// No circuit admits.
    NoEndpoints(PickError),
    /// No list is known, for this reason.
    NoList(String),
    /// The deadline passed while the call waited for the first list.
    ListLate,
    /// The deadline passed between attempts.
    Deadline,
    /// It passed while the call waited for an endpoint.
    NotReady(PickError),
    /// The call was ended from outside.
    Asked(ErrorKind),
    /// The host's hook refused.
    Refused(String),
    /// The client's limits did not let the call in.
    Overloaded(Refused),
}

impl CallEnd {
    /// What the caller is told of it beside the attempts.
    fn explanation(&self, balancer: Option<&Arc<Balancer>>) -> String {
        match self {
            Self::Stopped(reason) => reason.explanation().to_owned(),
            Self::NoEndpoints(none) | Self::NotReady(none) => match balancer {
                Some(balancer) => balancer.reason(*none, clock::now()),
                None => none.reason(clock::now()),
            },
            Self::Overloaded(refused) => refused.reason(),
            Self::Refused(reason) => reason.clone(),
            Self::NoList(problem) => format!("provider: {problem}"),
            Self::ListLate => "provider: it has told no list so far".to_owned(),
            Self::Deadline | Self::Asked(_) => String::new(),
        }
    }
}

/// The attempts of one call, and the last answer among them.
#[derive(Debug)]
pub(crate) struct CallRecord<'a> {
    call: &'a Call<'a>,
    attempts: Vec<AttemptLog>,
    attempt_count: usize,
    /// With its endpoint's URL, and its path where a hook has changed that.
    answer: Option<(Answer, Arc<str>, Option<Arc<str>>)>,
    /// The failure that matters most to the caller, and whether the request may have been carried out with it: the
    /// last such one, else the last.
    failure: Option<(FailureKind, bool)>,
    pub(crate) meter: CallMeter<'a>,
}

impl<'a> CallRecord<'a> {
    pub(crate) fn new(call: &'a Call<'a>) -> Self {
        let meter = CallMeter::new(call);
        Self { call, attempts: Vec::new(), attempt_count: 0, answer: None, failure: None, meter }
    }

    /// Takes in how an attempt ended, and tells the host's log and hooks.
    pub(crate) fn add(
        &mut self,
        settled: AttemptRecord,
        result: Result<Answer, Failure>,
        mut facts: AttemptFacts,
    ) {
        let (reason, path) = (facts.reason, facts.path.take());
        let attempt = attempt(&settled, &result, facts);
        let ambiguous = attempt.ambiguous;
        self.keep(attempt, reason, settled.now);
        match result {
            Ok(answer) => {
                self.answer = Some((answer, settled.url, path));
                if let Some(hook) = &self.call.core.hooks.on_response
                    && let Some(response) = self.response()
                {
                    callback::run(|| hook(&response));
                }
            }
            Err(failure) => {
                if ambiguous || self.failure.is_none_or(|(_, before)| !before) {
                    self.failure = Some((failure.kind, ambiguous));
                }
                if let Some(hook) = &self.call.core.hooks.on_error {
                    let error = self.error(ErrorKind::from(failure.kind), "");
                    callback::run(|| hook(&error));
                }
            }
        }
    }

    pub(crate) const fn attempt_count(&self) -> usize {
        self.attempt_count
    }

    /// Takes in an attempt that was cancelled: since another one answered first, or with the call.
    pub(crate) fn add_cancelled(
        &mut self,
        settled: AttemptRecord,
        failure: Failure,
        facts: AttemptFacts,
    ) {
        let reason = facts.reason;
        let attempt = attempt(&settled, &Err(failure), facts);
        self.keep(attempt, reason, settled.now);
    }

    fn keep(&mut self, attempt: AttemptLog, reason: Counter, now: Instant) {
        self.attempt_count += 1;
        self.meter.attempt_ended(&attempt, reason, now);
        self.tell(&attempt);
        if self.attempts.len() < KEPT_ATTEMPTS {
            self.attempts.push(attempt);
        }
    }

    /// The call's end: once any answer came the last one is handed over, whatever ended the call.
    pub(crate) fn end(&mut self, ending: CallEnd) -> Result<Box<Response>, Error> {
        let follows_attempt = matches!(ending, CallEnd::Stopped(_));
        if let CallEnd::Overloaded(refused) = &ending {
            self.meter.count_shed(*refused, self.call.request.criticality);
        }
        let mut outcome = self.outcome(ending);
        let elapsed = self.meter.end(&outcome, follows_attempt);
        if let Ok(response) = &mut outcome {
            response.elapsed = elapsed;
        }
        self.call.core.call_ended(&outcome);
        outcome
    }

    fn outcome(&mut self, ending: CallEnd) -> Result<Box<Response>, Error> {
        match &ending {
            CallEnd::Refused(reason) => {
                return Err(self.error(unless_stopped(ErrorKind::HookRefused), reason));
            }
            CallEnd::Asked(kind) => return Err(self.error(*kind, "")),
            CallEnd::Stopped(_)
            | CallEnd::NoEndpoints(_)
            | CallEnd::NoList(_)
            | CallEnd::ListLate
            | CallEnd::Deadline
            | CallEnd::NotReady(_)
            | CallEnd::Overloaded(_) => {}
        }
        let why = ending.explanation(self.call.target.balancer());
        if let Some((answer, url, path)) = self.answer.take() {
            return self.answered(answer, url, path, &why);
        }
        let kind = match (&ending, self.failure) {
            (_, Some((kind, true))) => kind.into(),
            (CallEnd::ListLate | CallEnd::Deadline | CallEnd::NotReady(_), _) => {
                ErrorKind::Deadline
            }
            // It waited for a connection, or a descriptor, for as long as it could.
            (CallEnd::Stopped(reason), Some((FailureKind::Local, _)))
                if *reason == StopReason::Deadline || self.call.is_over(clock::now()) =>
            {
                ErrorKind::Deadline
            }
            (CallEnd::NoList(_), None) => unless_stopped(ErrorKind::Discovery),
            (CallEnd::Overloaded(_), None) => ErrorKind::Overloaded,
            (_, failure) => kind_of(failure.map(|(kind, _)| kind)),
        };
        let error = self.error(kind, &why);
        match self.call.target.balancer() {
            Some(balancer) if kind == ErrorKind::NoEndpoints => {
                Err(error.followed_by(&balancer.explain(EXPLAINED)))
            }
            _ => Err(error),
        }
    }

    fn answered(
        &mut self,
        answer: Answer,
        endpoint_url: Arc<str>,
        path: Option<Arc<str>>,
        why: &str,
    ) -> Result<Box<Response>, Error> {
        let fails = self.call.core.config.is_failure(answer.status);
        let mut response = Box::new(Response {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
            endpoint_url,
            resource: self.resource(answer.moved_to, path),
            elapsed: Duration::ZERO,
            attempts: std::mem::take(&mut self.attempts),
            attempt_count: self.attempt_count,
            stop_reason: (!why.is_empty()).then(|| why.into()),
            user_data: self.call.request.user_data.clone(),
        });
        if !fails {
            return Ok(response);
        }
        let mut record = self.told_so_far();
        record.attempts.clone_from(&response.attempts);
        response.elapsed = record.elapsed;
        let separator = if why.is_empty() { "" } else { "; " };
        let reason = format!("status {}{separator}{why}", response.status.as_u16());
        record.response = Some(response);
        Err(Error::of_call(ErrorKind::HttpStatus, &reason, record))
    }

    fn resource(&self, moved_to: Option<Arc<str>>, path: Option<Arc<str>>) -> Resource {
        match moved_to {
            Some(url) => Resource::Url(url),
            None => Resource::Path(path.unwrap_or_else(|| self.call.path())),
        }
    }

    /// What a hook is shown of the last answer.
    fn response(&self) -> Option<Response> {
        let (answer, url, path) = self.answer.as_ref()?;
        Some(Response {
            status: answer.status,
            headers: answer.headers.clone(),
            body: answer.body.clone(),
            endpoint_url: Arc::clone(url),
            resource: self.resource(answer.moved_to.clone(), path.clone()),
            elapsed: self.elapsed(),
            attempts: self.attempts.clone(),
            attempt_count: self.attempt_count,
            stop_reason: None,
            user_data: self.call.request.user_data.clone(),
        })
    }

    fn error(&self, kind: ErrorKind, reason: &str) -> Error {
        let mut record = self.told_so_far();
        record.attempts.clone_from(&self.attempts);
        Error::of_call(kind, reason, record)
    }

    fn told_so_far(&self) -> CallReport {
        CallReport {
            method: self.call.request.method.clone(),
            target: self.call.request.target.clone(),
            idempotent: self.call.request.is_idempotent(),
            attempts: Vec::new(),
            attempt_count: self.attempt_count,
            elapsed: self.elapsed(),
            response: None,
            user_data: self.call.request.user_data.clone(),
        }
    }

    fn elapsed(&self) -> Duration {
        clock::now().saturating_duration_since(self.call.started)
    }

    fn tell(&self, attempt: &AttemptLog) {
        let status = match attempt.result {
            AttemptResult::Answered(status) => Some(status),
            AttemptResult::Failed(_) => None,
        };
        self.call.core.emit(&Event::Attempt {
            method: &self.call.request.method,
            target: loggable(&self.call.request.target),
            url: &attempt.url,
            status,
            detail: &attempt.detail,
            elapsed: attempt.elapsed,
        });
    }
}

/// Whether the request may have been carried out. What a peer refused unprocessed was not, although it left.
fn may_be_done(failure: &Failure) -> bool {
    failure.sent && failure.kind != FailureKind::RefusedStream
}

fn attempt(
    settled: &AttemptRecord,
    result: &Result<Answer, Failure>,
    facts: AttemptFacts,
) -> AttemptLog {
    let (result, detail, ambiguous) = match result {
        Ok(answer) => (AttemptResult::Answered(answer.status.as_u16()), String::new(), false),
        Err(failure) => {
            (AttemptResult::Failed(failure.kind), failure.detail.clone(), may_be_done(failure))
        }
    };
    let elapsed_to = |at: Instant| at.saturating_duration_since(settled.now);
    AttemptLog {
        url: Arc::clone(&settled.url),
        result,
        detail,
        elapsed: settled.elapsed,
        circuit: match settled.transition {
            Some(Transition::Opened { retry_at }) => {
                Some(CircuitNote::Opened(elapsed_to(retry_at)))
            }
            Some(Transition::Closed) => Some(CircuitNote::Closed),
            Some(Transition::HalfOpened) | None => None,
        },
        ambiguous,
        late_after: facts.late_after,
        is_hedge: facts.is_hedge,
        number: facts.number,
        waited: facts.waited,
        faults: facts.fault.map_or_else(Faults::default, Faults::from),
        phases: facts.phases.ended(settled.elapsed),
        connection: facts.connection,
    }
}

impl From<InjectedFault> for Faults {
    fn from(fault: InjectedFault) -> Self {
        Self {
            delay: fault.delay.is_some(),
            abort: matches!(fault.end, Some(FaultEnd::Abort(_))),
            reset: fault.end == Some(FaultEnd::Reset),
        }
    }
}

/// A host that has ended all callbacks is told so, whatever needed one.
fn unless_stopped(kind: ErrorKind) -> ErrorKind {
    if callback::are_stopped() { ErrorKind::Closed } else { kind }
}

/// The error's kind for a stop without any answer.
fn kind_of(last: Option<FailureKind>) -> ErrorKind {
    last.map_or(ErrorKind::NoEndpoints, ErrorKind::from)
}

impl StopReason {
    /// What an error says of it beside the attempts.
    const fn explanation(&self) -> &'static str {
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
