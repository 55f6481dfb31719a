//! The rules that decide, and nothing else: no clock, no I/O, no lock, no entropy.
//!
//! Time comes in as an argument, randomness as a generator, and what has to happen goes out as a
//! value. So every rule runs in a test in microseconds, and an odd incident replays from its
//! numbers. The callers hold the locks, wait the waits and tell the observers.
//!
//! - [`classify`] judges how an attempt ended, once for the retry and once for the breaker.
//! - [`retry`] decides whether a call goes on, and after which wait ([`backoff`], [`retry_after`],
//!   [`pushback`]); [`budget`] whether the client as a whole can afford it.
//! - [`hedge`] decides whether a slow attempt gets a copy beside it, by what [`quantile`] says of others.
//! - [`limit`] decides whether a request may be sent at all, [`shedding`] who is turned away first and
//!   who waits, and [`throttle`] whether asking is worth it.
//! - [`breaker`] decides whether an endpoint gets traffic, from what [`window`] or [`last_calls`]
//!   counted, and [`probing`] which attempts find out whether it is well again.
//! - [`ejection`] takes out endpoints that fare worse than their neighbours: [`outlier`] finds them in
//!   what [`tally`] counted.
//! - [`health`] decides what active checks have shown, and when the next is due.
//! - [`recovery`] holds traffic back after all endpoints were out.
//! - [`balance`] decides which of the admitted endpoints is next, some by its [`load`], or by what the
//!   endpoints tell themselves ([`reported`], [`probe_answer`]).
//! - [`subset`] decides which endpoints of a large service a client talks to at all.
//! - [`priority`] decides which level of endpoints serves, and whether it serves with all it has.
//! - [`zone`] decides whether a request stays in its caller's zone.
//! - [`slow_start`] decides how much of its share a new endpoint gets.
//! - [`deadline`] and [`trace`] say what goes with an attempt: the time left, and the trace.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod answers;
pub mod backoff;
pub mod balance;
pub mod breaker;
pub mod breaker_config;
mod bucket;
pub mod budget;
pub mod classify;
pub mod deadline;
pub mod ejection;
pub mod gradient;
pub mod health;
pub mod hedge;
pub mod last_calls;
pub mod limit;
pub mod load;
mod open_wait;
pub mod outlier;
pub mod percent;
pub mod permit;
pub mod priority;
pub mod probe_answer;
pub mod probing;
pub mod pushback;
pub mod quantile;
pub mod recovery;
pub mod reported;
pub mod retry;
pub mod retry_after;
pub mod shedding;
pub mod slow_start;
pub mod subset;
pub mod tally;
pub mod throttle;
pub mod trace;
mod trial;
pub mod window;
pub mod zone;

#[cfg(test)]
mod test_inputs;

pub use backoff::{Backoff, BackoffConfig, Factor, Jitter};
pub use balance::{Custom, LeastRequest, P2c, Prequal, PrequalConfig, Random, RoundRobin};
pub use breaker::{AlreadyThere, Breaker, CircuitState};
pub use breaker_config::{BreakerConfig, SlowCalls, Span};
pub use budget::{Budget, BudgetConfig};
pub use classify::{Ended, class, verdict};
pub use ejection::{Change, Crowd, Ejection, EjectionConfig, Ejector, Row};
pub use gradient::GradientConfig;
pub use health::{Check, Fault, Health, HealthConfig, Pace};
pub use hedge::{HedgeConfig, HedgeDelay, HedgeFacts};
pub use last_calls::LastCalls;
pub use limit::{LimitConfig, Limiter};
pub use load::{AhoyConfig, Ending, Load, LoadModel, PeakEwmaConfig, Tick};
pub use outlier::{FailurePercentage, SuccessRate};
pub use percent::Percent;
pub use permit::{Evidence, Permit, Rejected, Settled};
pub use priority::{Level, Levels, PriorityConfig};
pub use probe_answer::ProbeAnswer;
pub use probing::Probing;
pub use pushback::Pushback;
pub use quantile::{Latencies, Watched};
pub use recovery::{Recovery, RecoveryConfig};
pub use reported::{Report, ReportedConfig, ReportedWeight, Utilization};
pub use retry::{Decision, Facts, Retry, RetryConfig, RetryOn, StatusSet, StopReason};
pub use retry_after::RetryAfter;
pub use shedding::{Entered, SheddingConfig, Ticket, WaitQueue};
pub use slow_start::{SlowStart, Thinning};
pub use subset::Aperture;
pub use tally::{Runs, Sign, Tallied, Tally};
pub use throttle::{Throttle, ThrottleConfig};
pub use trace::{TraceParent, TraceStart};
pub use window::{Counts, Mark, Ratio, Window};
pub use zone::{ZoneConfig, Zones};
