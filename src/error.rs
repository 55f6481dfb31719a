//! Why a function failed, and for a call the story of its attempts.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use http::Method;

use crate::event::loggable;
use crate::outcome::{AttemptLog, AttemptResult, CircuitNote, FailureKind, in_ms};
use crate::response::Response;
use crate::single_line::single_line;
use crate::user_data::UserData;

/// The kinds of errors; `ffi` gives each its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A parameter is missing or out of range.
    InvalidArgument,
    /// The handle is in use and can no longer be changed, or is in that state already.
    InUse,
    /// No option has this name.
    UnknownOption,
    /// A blocking call inside a callback.
    WouldDeadlock,
    /// The client is closed.
    Closed,
    /// This kind of handle, or this build, cannot do that.
    Unsupported,
    /// The provider failed and no earlier list is known.
    Discovery,
    /// No endpoint is known, or no circuit admits.
    NoEndpoints,
    /// The endpoint's name could not be resolved.
    Resolve,
    /// The endpoint could not be connected to.
    Connect,
    /// Connecting took longer than its limit.
    ConnectTimeout,
    /// The TLS handshake failed.
    Tls,
    /// The attempt took longer than its limit.
    Timeout,
    /// The call took longer than its limit.
    Deadline,
    /// The connection ended before the answer did.
    ConnectionLost,
    /// The answer is not valid HTTP.
    Protocol,
    /// The answer's body is above the bound.
    BodyTooLarge,
    /// The answer's status is 4xx or 5xx and the client fails on those.
    HttpStatus,
    /// A bound of this process was reached.
    Overloaded,
    /// The call was cancelled.
    Cancelled,
    /// A signal ended the call.
    Interrupted,
    /// The handle belongs to the parent process.
    Forked,
    /// A hook refused the attempt.
    HookRefused,
    /// The source of the request's body failed, or did not keep its length.
    BodySource,
    /// A defect of this library.
    Internal,
}

impl From<FailureKind> for ErrorKind {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::NameNotFound | FailureKind::Resolve => Self::Resolve,
            FailureKind::Connect | FailureKind::Local | FailureKind::ProxyCredentials => {
                Self::Connect
            }
            FailureKind::ConnectTimeout => Self::ConnectTimeout,
            FailureKind::Tls => Self::Tls,
            FailureKind::Timeout => Self::Timeout,
            FailureKind::Deadline => Self::Deadline,
            FailureKind::ConnectionLost | FailureKind::RefusedStream => Self::ConnectionLost,
            FailureKind::Protocol | FailureKind::TooManyRedirects | FailureKind::Unacceptable => {
                Self::Protocol
            }
            FailureKind::BodyTooLarge => Self::BodyTooLarge,
            FailureKind::InvalidRequest => Self::InvalidArgument,
            FailureKind::Source => Self::BodySource,
            FailureKind::Cancelled => Self::Cancelled,
            FailureKind::Closed => Self::Closed,
            FailureKind::Interrupted => Self::Interrupted,
        }
    }
}

impl ErrorKind {
    /// The name that C, logs and messages share.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "AHOY_E_INVALID_ARGUMENT",
            Self::InUse => "AHOY_E_IN_USE",
            Self::UnknownOption => "AHOY_E_UNKNOWN_OPTION",
            Self::WouldDeadlock => "AHOY_E_WOULD_DEADLOCK",
            Self::Closed => "AHOY_E_CLOSED",
            Self::Unsupported => "AHOY_E_UNSUPPORTED",
            Self::Discovery => "AHOY_E_DISCOVERY",
            Self::NoEndpoints => "AHOY_E_NO_ENDPOINTS",
            Self::Resolve => "AHOY_E_RESOLVE",
            Self::Connect => "AHOY_E_CONNECT",
            Self::ConnectTimeout => "AHOY_E_CONNECT_TIMEOUT",
            Self::Tls => "AHOY_E_TLS",
            Self::Timeout => "AHOY_E_TIMEOUT",
            Self::Deadline => "AHOY_E_DEADLINE",
            Self::ConnectionLost => "AHOY_E_CONNECTION_LOST",
            Self::Protocol => "AHOY_E_PROTOCOL",
            Self::BodyTooLarge => "AHOY_E_BODY_TOO_LARGE",
            Self::HttpStatus => "AHOY_E_HTTP_STATUS",
            Self::Overloaded => "AHOY_E_OVERLOADED",
            Self::Cancelled => "AHOY_E_CANCELLED",
            Self::Interrupted => "AHOY_E_INTERRUPTED",
            Self::Forked => "AHOY_E_FORKED",
            Self::HookRefused => "AHOY_E_HOOK_REFUSED",
            Self::BodySource => "AHOY_E_BODY_SOURCE",
            Self::Internal => "AHOY_E_INTERNAL",
        }
    }

    /// Whether the same call may succeed later, as far as the kind tells.
    fn is_transient(self) -> bool {
        match self {
            Self::Discovery
            | Self::NoEndpoints
            | Self::Resolve
            | Self::Connect
            | Self::ConnectTimeout
            | Self::Timeout
            | Self::Deadline
            | Self::ConnectionLost
            | Self::Protocol
            | Self::Overloaded => true,
            Self::InvalidArgument
            | Self::InUse
            | Self::UnknownOption
            | Self::WouldDeadlock
            | Self::Closed
            | Self::Unsupported
            | Self::Tls
            | Self::BodyTooLarge
            | Self::HttpStatus
            | Self::Cancelled
            | Self::Interrupted
            | Self::Forked
            | Self::HookRefused
            | Self::BodySource
            | Self::Internal => false,
        }
    }
}

/// Why a function failed.
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    call: Option<Box<CallReport>>,
}

/// What an error of a call tells beside its kind.
#[derive(Clone, Debug)]
pub struct CallReport {
    /// The request's method.
    pub method: Method,
    /// The request's path or URL; shown without its query.
    pub target: Arc<str>,
    /// Whether the request may be carried out twice.
    pub idempotent: bool,
    /// The first attempts, at most [`crate::outcome::KEPT_ATTEMPTS`].
    pub attempts: Vec<AttemptLog>,
    /// How many attempts were made.
    pub attempt_count: usize,
    /// From the call's start to its end.
    pub elapsed: Duration,
    /// The answer, where the status made it an error.
    pub response: Option<Box<Response>>,
    /// What the host knows the call by.
    pub user_data: Option<UserData>,
}

impl Error {
    /// An error outside a call, told in one line.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl AsRef<str>) -> Self {
        Self { kind, message: single_line(message.as_ref()), call: None }
    }

    /// A bad argument; the message names the parameter.
    #[must_use]
    pub fn invalid(parameter: &str, problem: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidArgument, format!("{parameter}: {problem}"))
    }

    /// The same, of a function whose parameter has another name.
    #[must_use]
    pub fn renamed(mut self, from: &str, to: &str) -> Self {
        let rest = self.message.strip_prefix(from).and_then(|rest| rest.strip_prefix(": "));
        if let Some(problem) = rest {
            self.message = format!("{to}: {problem}");
        }
        self
    }

    /// One error for all `faults`, each a name and what is wrong: a line each where there are
    /// several.
    #[must_use]
    pub fn of_faults(kind: ErrorKind, faults: &[(String, String)]) -> Self {
        let told = |(name, fault): &(String, String)| single_line(format!("{name}: {fault}"));
        let message = faults.iter().map(told).collect::<Vec<_>>().join("\n");
        Self { kind, message, call: None }
    }

    /// A call's end without a response. `reason` is what the attempts do not tell; it may be empty.
    #[must_use]
    pub fn of_call(kind: ErrorKind, reason: &str, story: CallReport) -> Self {
        let message = tell(kind.name(), &single_line(reason), &story);
        Self { kind, message, call: Some(Box::new(story)) }
    }

    /// The same with more lines at the end of its message.
    #[must_use]
    pub fn followed_by(mut self, lines: &str) -> Self {
        for added in lines.lines() {
            let _ = write!(self.message, "\n  {added}");
        }
        self
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What happened; for a call one line each attempt.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The attempts of a failed call; empty for other errors.
    #[must_use]
    pub fn attempts(&self) -> &[AttemptLog] {
        self.call.as_ref().map_or(&[], |call| &call.attempts)
    }

    /// How many attempts were made.
    #[must_use]
    pub fn attempt_count(&self) -> usize {
        self.call.as_ref().map_or(0, |call| call.attempt_count)
    }

    /// What the host knows the failed call by.
    #[must_use]
    pub fn user_data(&self) -> Option<&UserData> {
        self.call.as_ref()?.user_data.as_ref()
    }

    /// How long the failed call took; zero for other errors.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.call.as_ref().map_or(Duration::ZERO, |call| call.elapsed)
    }

    /// The answer, where the status made it an error.
    #[must_use]
    pub fn response(&self) -> Option<&Response> {
        self.call.as_ref()?.response.as_deref()
    }

    /// Whether the request may have been carried out although no answer came.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.attempts().iter().any(|attempt| attempt.ambiguous)
    }

    /// Whether repeating the call may help and does no harm.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        let idempotent = self.call.as_ref().is_none_or(|call| call.idempotent);
        match (self.kind, self.response()) {
            // A server that limits its callers has carried out nothing; another fault of one may come after that.
            (ErrorKind::HttpStatus, Some(response)) => match response.status.as_u16() {
                429 => true,
                status => idempotent && matches!(status, 500 | 502..=599),
            },
            (kind, _) => kind.is_transient() && (idempotent || !self.is_ambiguous()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

fn tell(name: &str, reason: &str, story: &CallReport) -> String {
    let mut text = format!(
        "{} {} failed after {} attempt{} in {} ms: {name}",
        story.method,
        loggable(&story.target),
        story.attempt_count,
        if story.attempt_count == 1 { "" } else { "s" },
        story.elapsed.as_millis(),
    );
    if !reason.is_empty() {
        let _ = write!(text, ": {reason}");
    }
    let width = story.attempts.iter().map(|a| a.url.len()).max().unwrap_or(0);
    for (index, attempt) in story.attempts.iter().enumerate() {
        let _ = write!(
            text,
            "\n  {:<2} {:<width$}  {:<22} {:>8.1} ms",
            index + 1,
            attempt.url,
            summary(attempt),
            attempt.elapsed.as_secs_f64() * 1e3,
        );
        let note = note(attempt);
        if !note.is_empty() {
            let _ = write!(text, "   {note}");
        }
    }
    if story.attempt_count > story.attempts.len() {
        let _ = write!(text, "\n  ... and {} more", story.attempt_count - story.attempts.len());
    }
    text
}

fn summary(attempt: &AttemptLog) -> String {
    match attempt.result {
        AttemptResult::Answered(status) => format!("status {status}"),
        AttemptResult::Failed(_) => attempt.detail.clone(),
    }
}

fn note(attempt: &AttemptLog) -> String {
    let circuit = match attempt.circuit {
        Some(CircuitNote::Opened(wait)) => {
            format!("circuit opened, next probe in {} ms", wait.as_millis())
        }
        Some(CircuitNote::Closed) => "circuit closed".to_owned(),
        None => String::new(),
    };
    let cut = match attempt.result {
        AttemptResult::Failed(FailureKind::Deadline) => "cut by the deadline",
        _ => "",
    };
    let late = attempt
        .late_after
        .map_or_else(String::new, |limit| format!("passed its limit of {}", in_ms(limit)));
    let doubt = if attempt.ambiguous { "the request may have been carried out" } else { "" };
    let parts: Vec<&str> = [late.as_str(), circuit.as_str(), cut, doubt]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(url: &str, kind: FailureKind, detail: &str, ambiguous: bool) -> AttemptLog {
        AttemptLog {
            url: url.into(),
            result: AttemptResult::Failed(kind),
            detail: detail.into(),
            elapsed: Duration::from_micros(300),
            circuit: (kind == FailureKind::Connect)
                .then_some(CircuitNote::Opened(Duration::from_millis(540))),
            ambiguous,
            late_after: None,
            is_hedge: false,
            number: 1,
            waited: Duration::ZERO,
            faults: crate::outcome::Faults::default(),
            phases: crate::phase::Phases::default(),
            connection: None,
        }
    }

    fn story(attempts: Vec<AttemptLog>) -> CallReport {
        CallReport {
            method: Method::POST,
            target: "/orders?key=secret".into(),
            idempotent: false,
            attempt_count: attempts.len(),
            attempts,
            elapsed: Duration::from_millis(302),
            response: None,
            user_data: None,
        }
    }

    #[test]
    fn the_message_tells_each_attempt_and_no_query() {
        let error = Error::of_call(
            ErrorKind::Deadline,
            "",
            story(vec![
                attempt("http://10.0.0.7:80", FailureKind::Connect, "connect refused", false),
                attempt("http://10.0.0.9:80", FailureKind::Deadline, "no answer", true),
            ]),
        );
        let lines: Vec<&str> = error.message().lines().collect();
        assert_eq!(lines[0], "POST /orders failed after 2 attempts in 302 ms: AHOY_E_DEADLINE");
        assert!(lines[1].ends_with("circuit opened, next probe in 540 ms"), "{}", lines[1]);
        assert!(
            lines[2].ends_with("cut by the deadline; the request may have been carried out"),
            "{}",
            lines[2]
        );
        assert!(!error.message().contains("secret"));
    }

    #[test]
    fn an_ambiguous_post_is_not_retryable() {
        let lost = attempt("http://a:80", FailureKind::ConnectionLost, "lost", true);
        let kind = ErrorKind::ConnectionLost;
        let error = Error::of_call(kind, "", story(vec![lost]));
        assert!(error.is_ambiguous() && !error.is_retryable());
        let refused = attempt("http://a:80", FailureKind::Connect, "refused", false);
        let error = Error::of_call(ErrorKind::Connect, "", story(vec![refused]));
        assert!(!error.is_ambiguous() && error.is_retryable());
    }
}
