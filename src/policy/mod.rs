//! The rules that decide, and nothing else: no clock, no I/O, no lock, no entropy.
//!
//! Time comes in as an argument, randomness as a generator, and what has to happen goes out as a
//! value. So every rule runs in a test in microseconds, and an odd incident replays from its
//! numbers. The callers hold the locks, wait the waits and tell the observers.
//!
//! - [`classify`] judges how an attempt ended, once for the retry and once for the breaker.
//! - [`retry`] decides whether a call goes on, and after which wait ([`backoff`], [`retry_after`],
//!   [`pushback`]); [`budget`] whether the client as a whole can afford it.
//! - [`attempt_limit`] says when an attempt is late, by what [`quantile`] knows of answers, [`elsewhere`]
//!   whether another then starts beside it, and [`copies`] whether such copies are worth it. [`hedge`]
//!   lets a copy start sooner. [`blame`] says what the race shows of the endpoints, and [`overdue`]
//!   which of them owe an answer.
//! - [`limit`] decides whether a request may be sent at all, [`shedding`] which calls are turned away
//!   first and which wait, and [`throttle`] whether asking is worth it.
//! - [`breaker`] decides whether an endpoint gets traffic, from what [`window`] or [`last_calls`]
//!   counted, [`probe_eligibility`] which attempts find out whether it is well again, and
//!   [`probe_pace`] how often.
//! - [`ejection`] takes out endpoints that fare worse than their neighbours: [`outlier`] finds them in
//!   what [`stats`](outlier::stats) counted.
//! - [`freshness`] decides when a list of endpoints applies that a source told, and for how long.
//! - [`health`] decides what active checks have shown, and when the next is due.
//! - [`recovery`] holds traffic back after all endpoints were out.
//! - [`balance`] decides which of the admitted endpoints is next, some by its [`load`], or by what the
//!   endpoints tell themselves ([`reported`], [`probe_answer`]).
//! - [`subset`] decides which endpoints of a large service a client talks to at all.
//! - [`priority`] decides which level of endpoints serves, and whether it serves with all it has.
//! - [`zone`] decides whether a request stays in its caller's zone.
//! - [`slow_start`] decides how much of its share a new endpoint gets.
//! - [`fault`] decides which faults on demand an attempt suffers.
//! - [`deadline`] and [`trace`] say what goes with an attempt: the time left, and the trace.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod admission;
pub mod balance;
pub mod circuit;
pub mod fault;
pub mod freshness;
pub mod health;
pub mod hedge;
pub mod load;
pub mod locality;
pub mod outlier;
pub mod percent;
pub mod propagation;
pub mod retry;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod test_inputs;

pub use self::propagation::deadline;
pub use self::retry::retry_after;
pub use admission::gradient::GradientConfig;
pub use admission::limit::{LimitConfig, Limiter};
pub use admission::recovery::{Recovery, RecoveryConfig};
pub use admission::shedding::{Entered, SheddingConfig, Ticket, WaitQueue};
pub use admission::throttle::{Throttle, ThrottleConfig};
pub use balance::probe_answer::ProbeAnswer;
pub use balance::slow_start::{SlowStart, SlowStartGate};
pub use balance::{Custom, LeastRequest, P2c, Prequal, PrequalConfig, Random, RoundRobin};
pub use circuit::breaker::{AlreadyInState, Breaker, CircuitState};
pub use circuit::breaker_config::{BreakerConfig, SlowCalls, Span};
pub use circuit::last_calls::LastCalls;
pub use circuit::outage_pace::early_wait;
pub use circuit::permit::{NotPermitted, Observation, Permit, Settled};
pub use circuit::probe_eligibility::ProbeEligibility;
pub use circuit::probe_pace::ProbePace;
pub use circuit::window::{Counts, OutcomeFlags, Ratio, Window};
pub use fault::{FaultConfig, FaultEnd, InjectedFault};
pub use freshness::backoff::SourceBackoff;
pub use freshness::config::FreshnessConfig;
pub use freshness::freshness::{Due, Freshness, Size};
pub use health::{Check, CheckFailure, Health, HealthConfig, Pace};
pub use hedge::attempt_limit::LatencyEstimate;
pub use hedge::blame::{RaceEnd, all_are_late, blamed};
pub use hedge::copies::CopyRecord;
pub use hedge::elsewhere::{ASK_AGAIN, ElsewhereFacts};
pub use hedge::hedge::{HedgeConfig, HedgeDelay, HedgeFacts};
pub use hedge::overdue::{Overdue, OverduePolicy, may_pass_over};
pub use hedge::quantile::{Latencies, Sample, Watched};
pub use load::load::{AhoyConfig, HostLoad, LoadModel, LoadOutcome, PeakEwmaConfig, UNTRIED_COST};
pub use load::reported::{Report, ReportedConfig, ReportedWeight, Utilization};
pub use load::tick::Tick;
pub use locality::priority::{PriorityConfig, PriorityLevel, PriorityLevels};
pub use locality::subset::Aperture;
pub use locality::zone::{ZoneConfig, Zones};
pub use outlier::ejection::{Change, ClusterCounts, Ejection, EjectionConfig, Ejector, Row};
pub use outlier::outlier::{FailurePercentage, SuccessRate};
pub use outlier::stats::{OutlierCounts, OutlierEvent, OutlierStats, Runs};
pub use percent::Percent;
pub use propagation::trace::{TraceParent, TraceStart};
pub use retry::backoff::{Backoff, BackoffConfig, Factor, Jitter};
pub use retry::budget::{Budget, BudgetConfig, FAILURE_REMEMBERED, MOST_ASKED};
pub use retry::classify::{AttemptOutcome, Judgement, class, verdict};
pub use retry::config::{OwnRetry, RetryConfig, RetryOn, StatusSet, Tries};
pub use retry::pushback::Pushback;
pub use retry::retry::{Decision, Facts, Retry, StopReason};
pub use retry::retry_after::RetryAfter;
