//! One ending, two judgements.
//!
//! The retry asks: may this be repeated, and does it help? The breaker asks: does this endpoint
//! work? The answers differ. A 429 is worth another endpoint but is no sign of a broken one, and a
//! broken TLS set-up is one that repeating does not mend. Both judgements stand here, side by side,
//! and everything else looks at classes and verdicts instead of statuses.

use super::config::{RetryConfig, RetryOn, StatusSet, is_server_fault};
use crate::outcome::{Class, FailureKind, Verdict};

/// How an attempt ended, as far as the rules care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// With an HTTP answer.
    Answered {
        /// Its status, 100 to 599.
        status: u16,
    },
    /// With an HTTP answer that was judged already: by the host, or by statuses that it has set.
    Judged {
        /// Its status, 100 to 599.
        status: u16,
        /// What it says of the endpoint.
        verdict: Verdict,
        /// What it means for the call.
        class: Class,
    },
    /// Without one.
    Failed {
        /// Why.
        kind: FailureKind,
        /// Whether any byte of the request left for the peer.
        sent: bool,
    },
}

/// The host's own verdict on an answer. The numbers are part of the C interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Judgement {
    /// The endpoint works, and the answer is handed over.
    Success = 1,
    /// The endpoint has failed, and the call may be repeated.
    RetryableFailure = 2,
    /// The endpoint has failed, and repeating cannot help.
    FinalFailure = 3,
    /// The answer says nothing of the endpoint, and is handed over.
    Ignored = 4,
}

impl AttemptOutcome {
    /// An answer that the host has judged.
    #[must_use]
    pub const fn judged(status: u16, judgement: Judgement) -> Self {
        let (verdict, class) = match judgement {
            Judgement::Success => (Verdict::Success, Class::Success),
            Judgement::RetryableFailure => (Verdict::Failure, Class::RetriableStatus),
            Judgement::FinalFailure => (Verdict::Failure, Class::Final),
            Judgement::Ignored => (Verdict::Neutral, Class::Success),
        };
        Self::Judged { status, verdict, class }
    }

    /// An answer of an endpoint that fails by these statuses; the call goes by its own rules.
    #[must_use]
    pub const fn by_statuses(status: u16, failures: &StatusSet, retry: &RetryConfig) -> Self {
        let verdict = match failures.contains(status) {
            true => Verdict::Failure,
            false if status == 429 => Verdict::Throttled,
            false => Verdict::Success,
        };
        Self::Judged { status, verdict, class: answer_class(status, retry) }
    }
}

/// What the ending says of the endpoint.
///
/// The retry's settings have no part in it: an endpoint that answers 503 is in trouble even for a
/// client that does not repeat a 503. A 501 is not: the server works, but not for this method.
#[must_use]
pub const fn verdict(ended: &AttemptOutcome) -> Verdict {
    match ended {
        AttemptOutcome::Answered { status: 429 } => Verdict::Throttled,
        AttemptOutcome::Answered { status } if is_server_fault(*status) => Verdict::Failure,
        AttemptOutcome::Answered { .. } => Verdict::Success,
        AttemptOutcome::Judged { verdict, .. } => *verdict,
        AttemptOutcome::Failed { kind, .. } => failure_verdict(*kind),
    }
}

/// What the ending means for the call, by this client's rules.
#[must_use]
pub fn class(ended: &AttemptOutcome, config: &RetryConfig) -> Class {
    match *ended {
        AttemptOutcome::Answered { status } => answer_class(status, config),
        AttemptOutcome::Judged { class, .. } => class,
        AttemptOutcome::Failed { kind, sent } => match retry_on(kind, sent) {
            Some(needed) if config.on.contains(needed) => failure_class(kind, sent),
            _ => Class::Final,
        },
    }
}

const fn failure_verdict(kind: FailureKind) -> Verdict {
    match kind {
        FailureKind::NameNotFound | FailureKind::Connect | FailureKind::ConnectTimeout => {
            Verdict::Unreachable
        }
        FailureKind::Tls
        | FailureKind::Timeout
        | FailureKind::Deadline
        | FailureKind::ConnectionLost
        | FailureKind::Protocol => Verdict::Failure,
        // Resolving is not reaching: it is the name service that failed.
        FailureKind::Resolve
        | FailureKind::Local
        | FailureKind::ProxyCredentials
        | FailureKind::Source
        | FailureKind::Unacceptable
        | FailureKind::RefusedStream
        | FailureKind::BodyTooLarge
        | FailureKind::InvalidRequest
        | FailureKind::TooManyRedirects
        | FailureKind::Cancelled
        | FailureKind::Closed
        | FailureKind::Interrupted => Verdict::Neutral,
    }
}

const fn answer_class(status: u16, config: &RetryConfig) -> Class {
    if config.on.contains(RetryOn::STATUS) && config.statuses.contains(status) {
        Class::RetriableStatus
    } else {
        Class::Success
    }
}

/// The permission that repeating after this failure needs; none if repeating cannot help.
const fn retry_on(kind: FailureKind, sent: bool) -> Option<RetryOn> {
    match kind {
        FailureKind::NameNotFound
        | FailureKind::Resolve
        | FailureKind::Connect
        | FailureKind::Local => Some(RetryOn::CONNECT),
        FailureKind::ConnectTimeout => Some(RetryOn::CONNECT_TIMEOUT),
        FailureKind::Timeout => Some(RetryOn::TIMEOUT),
        FailureKind::ConnectionLost if !sent => Some(RetryOn::LOST_UNSENT),
        FailureKind::ConnectionLost | FailureKind::Protocol => Some(RetryOn::LOST_SENT),
        FailureKind::RefusedStream => Some(RetryOn::REFUSED_STREAM),
        FailureKind::Tls
        | FailureKind::ProxyCredentials
        | FailureKind::Deadline
        | FailureKind::Source
        | FailureKind::Unacceptable
        | FailureKind::BodyTooLarge
        | FailureKind::InvalidRequest
        | FailureKind::TooManyRedirects
        | FailureKind::Cancelled
        | FailureKind::Closed
        | FailureKind::Interrupted => None,
    }
}

fn failure_class(kind: FailureKind, sent: bool) -> Class {
    // A refused stream was sent, but the peer vouches that nothing was done with it.
    if !sent || kind == FailureKind::RefusedStream { Class::Unprocessed } else { Class::Ambiguous }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FailureKind::*;

    const KINDS: [FailureKind; 16] = [
        NameNotFound,
        Resolve,
        Connect,
        ConnectTimeout,
        Local,
        ProxyCredentials,
        Tls,
        Timeout,
        Deadline,
        ConnectionLost,
        RefusedStream,
        Protocol,
        Unacceptable,
        BodyTooLarge,
        InvalidRequest,
        TooManyRedirects,
    ];

    fn answered(status: u16) -> AttemptOutcome {
        AttemptOutcome::Answered { status }
    }

    fn unsent(kind: FailureKind) -> AttemptOutcome {
        AttemptOutcome::Failed { kind, sent: false }
    }

    fn sent(kind: FailureKind) -> AttemptOutcome {
        AttemptOutcome::Failed { kind, sent: true }
    }

    fn kinds_judged(wanted: Verdict) -> Vec<FailureKind> {
        let judged = |kind: &FailureKind| verdict(&sent(*kind)) == wanted;
        KINDS.into_iter().filter(judged).collect()
    }

    #[test]
    fn server_faults_are_the_endpoints_failures() {
        for status in [500, 502, 503, 504, 599] {
            assert_eq!(verdict(&answered(status)), Verdict::Failure, "{status}");
        }
        for status in [200, 204, 301, 400, 404, 408, 499, 501] {
            assert_eq!(verdict(&answered(status)), Verdict::Success, "{status}");
        }
        assert_eq!(verdict(&answered(429)), Verdict::Throttled);
    }

    #[test]
    fn failures_are_judged_by_whose_fault_they_are() {
        let unreachable = [NameNotFound, Connect, ConnectTimeout];
        assert_eq!(kinds_judged(Verdict::Unreachable), unreachable);
        assert_eq!(
            kinds_judged(Verdict::Failure),
            [Tls, Timeout, Deadline, ConnectionLost, Protocol]
        );
        let neutral = [
            Resolve,
            Local,
            ProxyCredentials,
            RefusedStream,
            Unacceptable,
            BodyTooLarge,
            InvalidRequest,
            TooManyRedirects,
        ];
        assert_eq!(kinds_judged(Verdict::Neutral), neutral);
    }

    #[test]
    fn by_default_the_usual_statuses_are_repeated() {
        let config = RetryConfig::default();
        for status in [429, 500, 502, 503, 504, 599] {
            assert_eq!(class(&answered(status), &config), Class::RetriableStatus, "{status}");
        }
        for status in [200, 304, 404, 408, 428, 430, 501, 0, 600, u16::MAX] {
            assert_eq!(class(&answered(status), &config), Class::Success, "{status}");
        }
    }

    #[test]
    fn what_was_not_sent_was_not_processed() {
        let config = RetryConfig::default();
        for kind in [NameNotFound, Resolve, Connect, ConnectTimeout, Local, Timeout] {
            assert_eq!(class(&unsent(kind), &config), Class::Unprocessed, "{kind:?}");
        }
        for kind in [Timeout, ConnectionLost, Protocol] {
            assert_eq!(class(&sent(kind), &config), Class::Ambiguous, "{kind:?}");
        }
        assert_eq!(class(&unsent(ConnectionLost), &config), Class::Unprocessed);
        assert_eq!(class(&sent(RefusedStream), &config), Class::Unprocessed);
    }

    #[test]
    fn some_failures_stay_what_they_are() {
        for kind in
            [Tls, ProxyCredentials, Deadline, BodyTooLarge, InvalidRequest, TooManyRedirects]
        {
            assert_eq!(class(&unsent(kind), &RetryConfig::default()), Class::Final);
            assert_eq!(class(&sent(kind), &RetryConfig::default()), Class::Final);
        }
    }

    #[test]
    fn each_bit_of_the_mask_permits_its_own_endings() {
        let endings = [
            (RetryOn::CONNECT, unsent(Connect)),
            (RetryOn::CONNECT, unsent(NameNotFound)),
            (RetryOn::CONNECT, unsent(Resolve)),
            (RetryOn::CONNECT, unsent(Local)),
            (RetryOn::CONNECT_TIMEOUT, unsent(ConnectTimeout)),
            (RetryOn::TIMEOUT, sent(Timeout)),
            (RetryOn::LOST_UNSENT, unsent(ConnectionLost)),
            (RetryOn::LOST_SENT, sent(ConnectionLost)),
            (RetryOn::LOST_SENT, sent(Protocol)),
            (RetryOn::STATUS, answered(503)),
            (RetryOn::REFUSED_STREAM, sent(RefusedStream)),
        ];
        for (needed, ended) in endings {
            let with = |on| class(&ended, &RetryConfig { on, ..RetryConfig::default() });
            let without = RetryOn::from_bits(RetryOn::ALL.bits() & !needed.bits()).unwrap();
            assert!(!matches!(with(needed), Class::Final | Class::Success), "{ended:?}");
            assert!(matches!(with(without), Class::Final | Class::Success), "{ended:?}");
        }
    }

    #[test]
    fn the_hosts_verdict_comes_before_the_status() {
        let config = RetryConfig::default();
        for (judgement, said, means) in [
            (Judgement::Success, Verdict::Success, Class::Success),
            (Judgement::RetryableFailure, Verdict::Failure, Class::RetriableStatus),
            (Judgement::FinalFailure, Verdict::Failure, Class::Final),
            (Judgement::Ignored, Verdict::Neutral, Class::Success),
        ] {
            for status in [200, 429, 503] {
                let judged = AttemptOutcome::judged(status, judgement);
                assert_eq!((verdict(&judged), class(&judged, &config)), (said, means));
            }
        }
    }

    #[test]
    fn statuses_that_fail_an_endpoint_are_apart_from_those_that_are_repeated() {
        let (mut failures, retry) = (StatusSet::EMPTY, RetryConfig::default());
        assert!(failures.insert(404));
        let judged = |status| {
            let outcome = AttemptOutcome::by_statuses(status, &failures, &retry);
            (verdict(&outcome), class(&outcome, &retry))
        };
        assert_eq!(judged(404), (Verdict::Failure, Class::Success));
        assert_eq!(judged(503), (Verdict::Success, Class::RetriableStatus));
        assert_eq!(judged(429), (Verdict::Throttled, Class::RetriableStatus));
    }
}
