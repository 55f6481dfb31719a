//! How one attempt ended, and the two judgements passed on it: the retry's and the breaker's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::phase::{ConnectionInfo, Phases};
use crate::single_line::single_line;

/// Why an attempt brought no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The name does not exist: no server can be meant.
    NameNotFound,
    /// The name service did not answer, or answered with an error.
    Resolve,
    /// Refused, unreachable, or reset before the connection stood.
    Connect,
    /// The connect limit (resolving, TCP and TLS) ran out.
    ConnectTimeout,
    /// This process is out of descriptors, buffers or local ports: no fault of the endpoint.
    Local,
    /// The handshake failed: name, trust or protocol.
    Tls,
    /// The proxy wants other credentials than it was given. Asked again with the same, it may lock the account.
    ProxyCredentials,
    /// The attempt's limit ran out.
    Timeout,
    /// The call's deadline cut the attempt.
    Deadline,
    /// The connection ended before the answer did.
    ConnectionLost,
    /// The peer refused the stream unprocessed (HTTP/2 `REFUSED_STREAM`, or a `GOAWAY` whose last
    /// stream is an earlier one).
    RefusedStream,
    /// The answer is not HTTP, or breaks its framing.
    Protocol,
    /// The answer is HTTP, but above a bound or framed in a way that two readers could see
    /// differently: another endpoint of the service would send the same.
    Unacceptable,
    /// The source of the request's body failed, or did not keep its length.
    Source,
    /// The decoded body is above the bound.
    BodyTooLarge,
    /// The request cannot be sent as it is, to any endpoint: nothing was sent.
    InvalidRequest,
    /// More redirects came than are followed.
    TooManyRedirects,
    /// The caller cancelled the call.
    Cancelled,
    /// The client was closed.
    Closed,
    /// A signal ended the call.
    Interrupted,
}

/// An attempt that brought no answer.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Why.
    pub kind: FailureKind,
    /// Whether any byte of the request left for the peer. Only an unsent request may be repeated
    /// freely.
    pub sent: bool,
    /// What happened, in lower case, without secrets, as one line.
    pub detail: String,
}

impl Failure {
    /// A failure before any byte of the request was sent.
    #[must_use]
    pub fn unsent(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { kind, sent: false, detail: single_line(detail) }
    }

    /// A failure after bytes of the request were sent.
    #[must_use]
    pub fn sent(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { kind, sent: true, detail: single_line(detail) }
    }
}

/// The retry's view of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// An answer to hand over.
    Success,
    /// An answer that another endpoint may better; Retry-After is honoured on 429 and 503 only.
    RetriableStatus,
    /// Certainly not processed by any server: free to repeat, whatever the method.
    Unprocessed,
    /// No answer, and the request may have been carried out.
    Ambiguous,
    /// Repeating cannot help.
    Final,
}

/// The breaker's view of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The endpoint works.
    Success,
    /// The endpoint failed.
    Failure,
    /// The endpoint asked for less (429): counts for the ratio but not for the run of failures.
    Throttled,
    /// The endpoint cannot be connected to: opens the circuit at once.
    Unreachable,
    /// Says nothing of the endpoint.
    Neutral,
}

/// A change of a circuit's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The circuit opened; the next probe is due at the instant.
    Opened {
        /// When the next probe may go.
        retry_at: Instant,
    },
    /// A probe was let through.
    HalfOpened,
    /// The circuit closed.
    Closed,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptResult {
    /// An HTTP answer with this status.
    Answered(u16),
    /// No answer.
    Failed(FailureKind),
}

/// One attempt, as errors and responses tell it.
#[derive(Clone, Debug)]
pub struct AttemptLog {
    /// The endpoint's URL.
    pub url: Arc<str>,
    /// How it ended.
    pub result: AttemptResult,
    /// What happened, in a few words.
    pub detail: String,
    /// From the pick to the end.
    pub elapsed: Duration,
    /// What it did to the circuit, and for an opened one the time to the next probe.
    pub circuit: Option<CircuitNote>,
    /// Whether the request may have been carried out although no answer came.
    pub ambiguous: bool,
    /// The limit that it passed, and went on; `None` where it did not.
    pub late_after: Option<Duration>,
    /// Whether it was a copy beside another attempt that took long.
    pub is_hedge: bool,
    /// Its number within the call, from 1, in the order of their beginnings.
    pub number: usize,
    /// How long its call waited before it.
    pub waited: Duration,
    /// What it suffered of the faults on demand.
    pub faults: Faults,
    /// What it spent its time on.
    pub phases: Phases,
    /// The connection that carried it; none where none stood, or a proxy's client has it.
    pub connection: Option<ConnectionInfo>,
}

/// Faults on demand that an attempt suffered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// It was delayed.
    pub delay: bool,
    /// The answer was made up.
    pub abort: bool,
    /// The loss of its connection was made up.
    pub reset: bool,
}

/// What an attempt did to its endpoint's circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CircuitNote {
    /// It opened; a probe is due after this time.
    Opened(Duration),
    /// It closed again.
    Closed,
}

/// A duration in whole milliseconds, as texts tell it: `1,000 ms`.
#[must_use]
pub fn in_ms(duration: Duration) -> String {
    let digits = duration.as_millis().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text.push_str(" ms");
    text
}

/// How many attempts a response or an error keeps in full: a call without a limit on its tries must
/// not grow without bound. Later ones are counted only.
pub const KEPT_ATTEMPTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_grouped_by_thousands() {
        for (ms, text) in
            [(0, "0 ms"), (999, "999 ms"), (1000, "1,000 ms"), (1_234_567, "1,234,567 ms")]
        {
            assert_eq!(in_ms(Duration::from_millis(ms)), text);
        }
    }
}
