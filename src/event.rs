//! What a balancer or a client tells its observers: one value for each change of state, and one for each attempt.
//!
//! The rules return changes as values; the holder of the locks emits them after unlocking, through one place per
//! balancer and one per client. The log is an observer, and so is whatever else wants to know.

use std::fmt;
use std::time::Duration;

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The library could not do its work.
    Error,
    /// Something is wrong with a peer or a provider.
    Warn,
    /// A state changed.
    Info,
    /// One attempt.
    Debug,
}

/// What happened to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointChange {
    /// Its circuit opened.
    CircuitOpened {
        /// By itself it is probed after this time, or never.
        wait: Option<Duration>,
        /// What opened it.
        by: OpenedBy,
        /// It was half-open before.
        from_half_open: bool,
    },
    /// Its circuit lets a probe through.
    CircuitHalfOpened,
    /// Its circuit closed.
    CircuitClosed,
    /// Outlier detection took it out of rotation.
    Ejected {
        /// For how long at least.
        lasts: Duration,
        /// The rule.
        by: EjectedBy,
    },
    /// It is back in rotation after an ejection.
    Returned,
    /// Its health checks failed often enough to take it out.
    CheckFailed,
    /// Its health checks passed often enough to bring it back.
    CheckPassed,
    /// It gets no new requests, by hand.
    Drained,
    /// It gets requests again, by hand.
    Resumed,
}

/// What opened a circuit. The numbers are part of the C interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum OpenedBy {
    /// Its endpoint could not be connected to.
    Unreachable = 1,
    /// Its endpoint's answers, or that there were none.
    Answers = 2,
    /// Attempts that passed their limit.
    Hang = 3,
    /// A probe that failed.
    Probe = 4,
    /// The host.
    Hand = 5,
}

/// The rule that took an endpoint out. The numbers are part of the C interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum EjectedBy {
    /// Its success rate lies far below the mean.
    SuccessRate = 1,
    /// Too many of its attempts fail.
    FailureShare = 2,
    /// Too many failed in a row.
    Run = 3,
}

/// One event. Texts are borrowed, so that an event that nobody observes costs nothing.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The state of one endpoint changed.
    Endpoint {
        /// Where it is.
        url: &'a str,
        /// What changed.
        change: EndpointChange,
    },
    /// The list of endpoints changed.
    ListChanged {
        /// How many endpoints are known now.
        known: usize,
        /// How many of them are new.
        joined: usize,
        /// How many left.
        left: usize,
        /// How old the list before was, if there was one.
        age: Option<Duration>,
    },
    /// The provider fails, after it had told a list or was never asked.
    SourceFailing {
        /// Why.
        reason: &'a str,
        /// How old the list is that stays, if there is one.
        age: Option<Duration>,
    },
    /// The provider tells lists again.
    SourceWell,
    /// Entries of the provider's list cannot be used.
    EntriesSkipped {
        /// How many.
        count: u64,
        /// What is wrong with one of them, without what stands in it.
        reason: &'a str,
    },
    /// The provider's list cannot be kept for the next start.
    SnapshotFailing {
        /// Why.
        reason: &'a str,
    },
    /// It is kept again.
    SnapshotWell,
    /// Too few endpoints of a priority are well, so all of them serve.
    PanicEntered,
    /// Enough are well again.
    PanicLeft,
    /// Calls are held back, since the service comes back from an outage of all its endpoints.
    HoldingBack,
    /// No more calls are held back.
    HoldingEnded,
    /// The retry budget refused a retry or a hedge, after it had granted the one before.
    BudgetExhausted,
    /// The retry budget grants again.
    BudgetAvailable,
    /// A call was turned away by a limit of the client, after the one before was let in.
    OverloadEntered {
        /// Which limit.
        reason: &'a str,
    },
    /// A call was let in again.
    OverloadLeft,
    /// An attempt ended.
    Attempt {
        /// The request's method.
        method: &'a http::Method,
        /// The request's target without its query.
        target: &'a str,
        /// Where it was sent.
        url: &'a str,
        /// The status of its answer.
        status: Option<u16>,
        /// Why there is none.
        detail: &'a str,
        /// How long it took.
        elapsed: Duration,
    },
    /// Certificates were renewed, could not be, or end.
    Certificates {
        /// What is the case, without anything that is secret.
        text: &'a str,
        /// An operator should look after it.
        is_wrong: bool,
    },
    /// A streamed body ended.
    Body {
        /// The request's method.
        method: &'a http::Method,
        /// The request's target without its query.
        target: &'a str,
        /// Where it came from.
        url: &'a str,
        /// How many bytes came.
        count: u64,
        /// Why it broke off; none at its proper end.
        failure: Option<&'a str>,
    },
}

/// What wants to know of events.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Takes in one event. No lock of the library is held meanwhile.
    fn observe(&self, event: &Event<'_>);
}

impl Event<'_> {
    /// How much it matters.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Attempt { .. } | Self::Body { .. } => Severity::Debug,
            Self::SourceFailing { .. }
            | Self::EntriesSkipped { .. }
            | Self::SnapshotFailing { .. }
            | Self::Certificates { is_wrong: true, .. } => Severity::Warn,
            _ => Severity::Info,
        }
    }

    /// The part of the library that it comes from.
    #[must_use]
    pub const fn target(&self) -> &'static str {
        match self {
            Self::Endpoint { change, .. } => change.target(),
            Self::ListChanged { .. }
            | Self::SourceFailing { .. }
            | Self::SourceWell
            | Self::EntriesSkipped { .. }
            | Self::SnapshotFailing { .. }
            | Self::SnapshotWell => "discovery",
            Self::PanicEntered | Self::PanicLeft => "panic",
            Self::HoldingBack | Self::HoldingEnded => "recovery",
            Self::BudgetExhausted | Self::BudgetAvailable => "budget",
            Self::OverloadEntered { .. } | Self::OverloadLeft => "overload",
            Self::Attempt { .. } => "attempt",
            Self::Body { .. } => "stream",
            Self::Certificates { .. } => "tls",
        }
    }
}

impl EndpointChange {
    const fn target(self) -> &'static str {
        match self {
            Self::CircuitOpened { .. } | Self::CircuitHalfOpened | Self::CircuitClosed => "circuit",
            Self::Ejected { .. } | Self::Returned => "outlier",
            Self::CheckFailed | Self::CheckPassed => "health",
            Self::Drained | Self::Resumed => "endpoint",
        }
    }
}

impl fmt::Display for EndpointChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CircuitOpened { wait: Some(wait), .. } => {
                write!(f, "opened, next probe in {} ms", wait.as_millis())
            }
            Self::CircuitOpened { wait: None, .. } => f.write_str("opened by hand"),
            Self::CircuitHalfOpened => f.write_str("half-open"),
            Self::CircuitClosed => f.write_str("closed"),
            Self::Ejected { .. } => f.write_str("ejected"),
            Self::Returned => f.write_str("back in rotation"),
            Self::CheckFailed => f.write_str("fails its health checks"),
            Self::CheckPassed => f.write_str("passes its health checks"),
            Self::Drained => f.write_str("drained"),
            Self::Resumed => f.write_str("resumed"),
        }
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint { url, change } => write!(f, "{url} {change}"),
            Self::ListChanged { known, joined, left, .. } => {
                write!(f, "{known} endpoints: {joined} joined, {left} left")
            }
            Self::SourceFailing { reason, .. } => write!(f, "the provider fails: {reason}"),
            Self::SourceWell => f.write_str("the provider tells lists again"),
            Self::EntriesSkipped { count: 1, reason } => {
                write!(f, "1 entry of the provider's list is left out: {reason}")
            }
            Self::EntriesSkipped { count, reason } => {
                write!(
                    f,
                    "{count} entries of the provider's list are left out, one of them: {reason}"
                )
            }
            Self::SnapshotFailing { reason } => {
                write!(f, "the provider's list cannot be kept in its snapshot: {reason}")
            }
            Self::SnapshotWell => f.write_str("the provider's list is kept in its snapshot again"),
            Self::PanicEntered => {
                f.write_str("too few endpoints are well, so all of a priority serve")
            }
            Self::PanicLeft => f.write_str("enough endpoints are well again"),
            Self::HoldingBack => f.write_str("calls are held back while the service recovers"),
            Self::HoldingEnded => f.write_str("calls are no longer held back"),
            Self::BudgetExhausted => f.write_str("the retry budget is exhausted"),
            Self::BudgetAvailable => f.write_str("the retry budget grants retries again"),
            Self::OverloadEntered { reason } => write!(f, "calls are turned away: {reason}"),
            Self::OverloadLeft => f.write_str("calls are let in again"),
            Self::Attempt { method, target, url, status, detail, elapsed } => {
                write!(f, "{method} {target} at {url}: ")?;
                match status {
                    Some(status) => write!(f, "status {status}")?,
                    None => f.write_str(detail)?,
                }
                write!(f, " after {:.1} ms", elapsed.as_secs_f64() * 1e3)
            }
            Self::Certificates { text, .. } => f.write_str(text),
            Self::Body { method, target, url, count, failure } => {
                let ending = failure.unwrap_or("ended");
                write!(f, "{method} {target} at {url}: body {ending} after {count} bytes")
            }
        }
    }
}

/// The target without its query, which may hold secrets: what logs and errors show.
#[must_use]
pub fn loggable(target: &str) -> &str {
    target.split(['?', '#']).next().unwrap_or(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_not_shown() {
        assert_eq!(loggable("/a/b?token=secret"), "/a/b");
        assert_eq!(loggable("/a#x"), "/a");
    }

    #[test]
    fn an_event_is_one_sentence() {
        let wait = Some(Duration::from_millis(500));
        let opened =
            EndpointChange::CircuitOpened { wait, by: OpenedBy::Answers, from_half_open: false };
        let event = Event::Endpoint { url: "http://a:80", change: opened };
        assert_eq!(event.to_string(), "http://a:80 opened, next probe in 500 ms");
        assert_eq!((event.severity(), event.target()), (Severity::Info, "circuit"));
        let event = Event::ListChanged { known: 3, joined: 2, left: 1, age: None };
        assert_eq!(event.to_string(), "3 endpoints: 2 joined, 1 left");
    }
}
