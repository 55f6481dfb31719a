//! Whether a call goes on after an attempt, when, and whether the client as a whole can afford it.

pub mod backoff;
pub mod budget;
pub mod classify;
pub mod config;
pub mod pushback;
pub mod retry;
pub mod retry_after;
mod sliding_budget;
