//! The rules that decide, and nothing else: no clock, no I/O, no lock, no entropy.
//!
//! Time comes in as an argument, randomness as a generator, and what has to happen goes out as a
//! value. So every rule runs in a test in microseconds, and an odd incident replays from its
//! numbers. The callers hold the locks, wait the waits and tell the observers.
//!
//! - [`classify`] judges how an attempt ended, once for the retry and once for the breaker.
//! - [`retry`] decides whether a call goes on, and after which wait ([`backoff`], [`retry_after`]).
//! - [`breaker`] decides whether an endpoint gets traffic, from what [`window`] counted.
//! - [`balance`] decides which of the admitted endpoints is next.
//! - [`load`] tells what one more request would cost an endpoint.
//! - [`quantile`] tells how long answers took lately.
//! - [`reported`] tells what endpoints say of their own load.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod backoff;
pub mod balance;
pub mod breaker;
pub mod classify;
pub mod load;
pub mod quantile;
pub mod reported;
pub mod retry;
pub mod retry_after;
pub mod window;

#[cfg(test)]
mod test_inputs;

pub use backoff::{Backoff, BackoffConfig, Factor, Jitter};
pub use balance::{
    Balancer, Custom, LeastRequest, P2c, Prequal, PrequalConfig, Random, RoundRobin,
};
pub use breaker::{
    AlreadyThere, Breaker, BreakerConfig, CircuitState, FailureRatio, Permit, Rejected, Settled,
};
pub use classify::{Ended, class, verdict};
pub use load::{AhoyConfig, Ending, Load, LoadModel, PeakEwmaConfig, Tick};
pub use quantile::{Latencies, Watched};
pub use reported::{Report, ReportedConfig, ReportedWeight, Utilization};
pub use retry::{Decision, Facts, Retry, RetryConfig, RetryOn, StatusSet, StopReason};
pub use retry_after::RetryAfter;
pub use window::{Counts, Ratio, Window};
