//! The rules that decide, and nothing else: no clock, no I/O, no lock, no entropy.
//!
//! Time comes in as an argument, randomness as a generator, and what has to happen goes out as a
//! value. So every rule runs in a test in microseconds, and an odd incident replays from its
//! numbers. The callers hold the locks, wait the waits and tell the observers.
//!
//! - [`classify`] judges how an attempt ended, once for the retry and once for the breaker.
//! - [`retry`] decides whether a call goes on, and after which wait ([`backoff`], [`retry_after`]).
//! - [`breaker`] decides whether an endpoint gets traffic, from what [`window`] or [`last_calls`]
//!   counted.
//! - [`ejection`] takes out endpoints that fare worse than their neighbours: [`outlier`] finds them in
//!   what [`tally`] counted.
//! - [`health`] decides what active checks have shown, and when the next is due.
//! - [`recovery`] holds traffic back after all endpoints were out.
//! - [`balance`] decides which of the admitted endpoints is next.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod answers;
pub mod backoff;
pub mod balance;
pub mod breaker;
pub mod breaker_config;
pub mod classify;
pub mod ejection;
pub mod health;
pub mod last_calls;
mod open_wait;
pub mod outlier;
pub mod percent;
pub mod permit;
pub mod recovery;
pub mod retry;
pub mod retry_after;
pub mod tally;
mod trial;
pub mod window;

#[cfg(test)]
mod test_inputs;

pub use backoff::{Backoff, BackoffConfig, Factor, Jitter};
pub use balance::{Balancer, Custom, Random, RoundRobin};
pub use breaker::{AlreadyThere, Breaker, CircuitState};
pub use breaker_config::{BreakerConfig, SlowCalls, Span};
pub use classify::{Ended, class, verdict};
pub use ejection::{Change, Crowd, Ejection, EjectionConfig, Ejector, Row};
pub use health::{Check, Fault, Health, HealthConfig, Pace};
pub use last_calls::LastCalls;
pub use outlier::{FailurePercentage, SuccessRate};
pub use percent::Percent;
pub use permit::{Evidence, Permit, Rejected, Settled};
pub use recovery::{Recovery, RecoveryConfig};
pub use retry::{Decision, Facts, Retry, RetryConfig, RetryOn, StatusSet, StopReason};
pub use retry_after::RetryAfter;
pub use tally::{Runs, Sign, Tallied, Tally};
pub use window::{Counts, Mark, Ratio, Window};
