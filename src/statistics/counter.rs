//! The counters of a client beside its histograms, each with the name and the labels that it is shown by.

/// What is counted. The first ones are counted with every call, and on a stripe of its own by one thread alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Counter {
    /// A call has begun.
    CallsStarted,
    /// The first attempt of a call.
    First,
    /// After one that failed.
    Retry,
    /// Beside one that is slow.
    Hedge,
    /// Beside one that has passed its limit.
    PassedLimit,
    /// To an endpoint whose circuit is half-open, whatever it was for the call.
    Probe,
    /// A kept connection was used again.
    ConnectionsReused,
    /// A connection was kept after an exchange.
    ConnectionsKept,
    /// Bytes that sockets took.
    BytesSent,
    /// Bytes that sockets gave.
    BytesReceived,
    // From here on counts are rare, and any thread counts them.
    /// A retry may be made.
    RetryGranted,
    /// The budget refused one.
    RetryOverBudget,
    /// A hedge was sent.
    HedgeGranted,
    /// The budget refused one.
    HedgeOverBudget,
    /// The limit on what is in flight refused one.
    HedgeOverLimit,
    /// An attempt was sent beside one that has passed its limit.
    PassedLimitGranted,
    /// The budget refused one.
    PassedLimitOverBudget,
    /// The limit on what is in flight refused one.
    PassedLimitOverLimit,
    /// A failed call was not repeated, for repeating cannot help.
    StoppedFinal,
    /// For the request may have been carried out.
    StoppedNotIdempotent,
    /// For bytes of its body are gone.
    StoppedBodyGone,
    /// For all its tries were used up.
    StoppedTries,
    /// For a wait was asked for that is too long.
    StoppedRetryAfter,
    /// For too little time was left.
    StoppedDeadline,
    /// For the server said so.
    StoppedPushback,
    /// For the budget was used up.
    StoppedBudget,
    /// Calls that were refused by the limit, by criticality; the other three follow.
    ShedLimit,
    /// See [`Counter::ShedLimit`].
    ShedLimit1,
    /// See [`Counter::ShedLimit`].
    ShedLimit2,
    /// See [`Counter::ShedLimit`].
    ShedLimit3,
    /// Calls that waited in vain, by criticality; the other three follow.
    ShedWaited,
    /// See [`Counter::ShedWaited`].
    ShedWaited1,
    /// See [`Counter::ShedWaited`].
    ShedWaited2,
    /// See [`Counter::ShedWaited`].
    ShedWaited3,
    /// Calls that the throttle refused, by criticality; the other three follow.
    ShedThrottled,
    /// See [`Counter::ShedThrottled`].
    ShedThrottled1,
    /// See [`Counter::ShedThrottled`].
    ShedThrottled2,
    /// See [`Counter::ShedThrottled`].
    ShedThrottled3,
    /// Calls that were held back after an outage, by criticality; the other three follow.
    ShedRecovering,
    /// See [`Counter::ShedRecovering`].
    ShedRecovering1,
    /// See [`Counter::ShedRecovering`].
    ShedRecovering2,
    /// See [`Counter::ShedRecovering`].
    ShedRecovering3,
    /// A connection stands.
    ConnectionsOpened,
    /// One could not be made.
    ConnectionsFailed,
    /// Closed for being unused for too long.
    ClosedIdle,
    /// Closed for its age.
    ClosedAge,
    /// Closed since there were more at rest than are kept.
    ClosedSurplus,
    /// Closed since its endpoint left.
    ClosedDeparted,
    /// Closed by the peer, or by an answer that says so.
    ClosedPeer,
    /// Closed since its exchange failed or was cancelled, or with its client.
    ClosedOther,
    /// Of those that were closed, how many were at rest.
    ClosedAtRest,
    /// A name has addresses.
    NamesAnswered,
    /// A name does not exist.
    NamesNotFound,
    /// The name service did not answer.
    NamesFailed,
    /// A streamed body has ended.
    StreamsComplete,
    /// A streamed body has broken off.
    StreamsBroken,
    /// An attempt was delayed on demand.
    FaultDelay,
    /// One was answered on demand.
    FaultAbort,
    /// One was lost on demand.
    FaultReset,
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CloseReason {
    /// Its exchange failed or was cancelled, or its client went.
    Other,
    /// Unused for too long.
    Idle,
    /// Too old.
    Age,
    /// More were at rest than are kept.
    Surplus,
    /// Its endpoint left.
    Departed,
    /// The peer closed it, or said that it would.
    Peer,
}

impl CloseReason {
    /// How many there are.
    pub const COUNT: u8 = Self::Peer as u8 + 1;

    /// What counts it; any other number than those of the reasons is [`Self::Other`].
    #[must_use]
    pub const fn counter(number: u8) -> Counter {
        match number {
            1 => Counter::ClosedIdle,
            2 => Counter::ClosedAge,
            3 => Counter::ClosedSurplus,
            4 => Counter::ClosedDeparted,
            5 => Counter::ClosedPeer,
            _ => Counter::ClosedOther,
        }
    }
}

impl Counter {
    /// How many there are.
    pub const COUNT: usize = Self::FaultReset as usize + 1;

    /// Whether a stripe's own thread counts it, and no other one.
    #[must_use]
    #[inline]
    pub const fn is_frequent(self) -> bool {
        (self as usize) < Self::RetryGranted as usize
    }
}

/// A family of counters: its name without `_total`, its help, and its counters with their labels.
pub type CounterFamily = (&'static str, &'static str, &'static [(Counter, Labels)]);

/// Names and values.
pub type Labels = &'static [(&'static str, &'static str)];

macro_rules! by {
    ($($label:literal = $value:literal),*) => { &[$(($label, $value)),*] };
}

/// How counters are shown. Those that only lead to a gauge are not among them.
pub const FAMILIES: &[CounterFamily] = &[
    (
        "ahoy_client_attempts",
        "Attempts that ended, by what each was for.",
        &[
            (Counter::First, by!("reason" = "first")),
            (Counter::Retry, by!("reason" = "retry")),
            (Counter::Hedge, by!("reason" = "hedge")),
            (Counter::PassedLimit, by!("reason" = "passed_limit")),
            (Counter::Probe, by!("reason" = "probe")),
        ],
    ),
    (
        "ahoy_client_extra_attempts",
        "Extra attempts that were asked for, and whether the budget and the limit bore them.",
        &[
            (Counter::RetryGranted, by!("kind" = "retry", "result" = "granted")),
            (Counter::RetryOverBudget, by!("kind" = "retry", "result" = "over_budget")),
            (Counter::HedgeGranted, by!("kind" = "hedge", "result" = "granted")),
            (Counter::HedgeOverBudget, by!("kind" = "hedge", "result" = "over_budget")),
            (Counter::HedgeOverLimit, by!("kind" = "hedge", "result" = "over_limit")),
            (Counter::PassedLimitGranted, by!("kind" = "passed_limit", "result" = "granted")),
            (
                Counter::PassedLimitOverBudget,
                by!("kind" = "passed_limit", "result" = "over_budget"),
            ),
            (Counter::PassedLimitOverLimit, by!("kind" = "passed_limit", "result" = "over_limit")),
        ],
    ),
    (
        "ahoy_client_retries_stopped",
        "Calls whose last attempt failed and that were not repeated, by the rule.",
        &[
            (Counter::StoppedFinal, by!("reason" = "final")),
            (Counter::StoppedNotIdempotent, by!("reason" = "not_idempotent")),
            (Counter::StoppedBodyGone, by!("reason" = "body_gone")),
            (Counter::StoppedTries, by!("reason" = "tries")),
            (Counter::StoppedRetryAfter, by!("reason" = "retry_after")),
            (Counter::StoppedDeadline, by!("reason" = "deadline")),
            (Counter::StoppedPushback, by!("reason" = "pushback")),
            (Counter::StoppedBudget, by!("reason" = "budget")),
        ],
    ),
    (
        "ahoy_client_calls_shed",
        "Calls that were turned away before any attempt, or between two, by criticality and rule.",
        &[
            (Counter::ShedLimit, by!("criticality" = "critical_plus", "reason" = "limit")),
            (Counter::ShedLimit1, by!("criticality" = "critical", "reason" = "limit")),
            (Counter::ShedLimit2, by!("criticality" = "sheddable_plus", "reason" = "limit")),
            (Counter::ShedLimit3, by!("criticality" = "sheddable", "reason" = "limit")),
            (Counter::ShedWaited, by!("criticality" = "critical_plus", "reason" = "waited")),
            (Counter::ShedWaited1, by!("criticality" = "critical", "reason" = "waited")),
            (Counter::ShedWaited2, by!("criticality" = "sheddable_plus", "reason" = "waited")),
            (Counter::ShedWaited3, by!("criticality" = "sheddable", "reason" = "waited")),
            (Counter::ShedThrottled, by!("criticality" = "critical_plus", "reason" = "throttled")),
            (Counter::ShedThrottled1, by!("criticality" = "critical", "reason" = "throttled")),
            (
                Counter::ShedThrottled2,
                by!("criticality" = "sheddable_plus", "reason" = "throttled"),
            ),
            (Counter::ShedThrottled3, by!("criticality" = "sheddable", "reason" = "throttled")),
            (
                Counter::ShedRecovering,
                by!("criticality" = "critical_plus", "reason" = "recovering"),
            ),
            (Counter::ShedRecovering1, by!("criticality" = "critical", "reason" = "recovering")),
            (
                Counter::ShedRecovering2,
                by!("criticality" = "sheddable_plus", "reason" = "recovering"),
            ),
            (Counter::ShedRecovering3, by!("criticality" = "sheddable", "reason" = "recovering")),
        ],
    ),
    (
        "ahoy_client_connections_opened",
        "Connections that were made.",
        &[(Counter::ConnectionsOpened, &[])],
    ),
    (
        "ahoy_client_connections_failed",
        "Connections that could not be made.",
        &[(Counter::ConnectionsFailed, &[])],
    ),
    (
        "ahoy_client_connections_reused",
        "Exchanges over a connection that was kept.",
        &[(Counter::ConnectionsReused, &[])],
    ),
    (
        "ahoy_client_connections_closed",
        "Connections that were closed, by why.",
        &[
            (Counter::ClosedIdle, by!("reason" = "idle")),
            (Counter::ClosedAge, by!("reason" = "age")),
            (Counter::ClosedSurplus, by!("reason" = "surplus")),
            (Counter::ClosedDeparted, by!("reason" = "departed")),
            (Counter::ClosedPeer, by!("reason" = "peer")),
            (Counter::ClosedOther, by!("reason" = "other")),
        ],
    ),
    (
        "ahoy_client_sent_bytes",
        "Bytes that sockets took, TLS and HTTP framing included.",
        &[(Counter::BytesSent, &[])],
    ),
    (
        "ahoy_client_received_bytes",
        "Bytes that sockets gave, TLS and HTTP framing included.",
        &[(Counter::BytesReceived, &[])],
    ),
    (
        "ahoy_client_name_lookups",
        "Names that connections asked addresses for, by the answer.",
        &[
            (Counter::NamesAnswered, by!("result" = "answered")),
            (Counter::NamesNotFound, by!("result" = "not_found")),
            (Counter::NamesFailed, by!("result" = "failed")),
        ],
    ),
    (
        "ahoy_client_streamed_bodies",
        "Streamed bodies that ended, by how.",
        &[
            (Counter::StreamsComplete, by!("result" = "complete")),
            (Counter::StreamsBroken, by!("result" = "broken")),
        ],
    ),
    (
        "ahoy_client_faults_injected",
        "Faults on demand that attempts suffered, for tests.",
        &[
            (Counter::FaultDelay, by!("kind" = "delay")),
            (Counter::FaultAbort, by!("kind" = "abort")),
            (Counter::FaultReset, by!("kind" = "reset")),
        ],
    ),
];
