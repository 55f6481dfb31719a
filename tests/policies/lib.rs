//! `src/policy` by itself. See Cargo.toml.

#![allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    clippy::module_inception,
    reason = "the library's own build checks these"
)]

#[path = "../../src/criticality.rs"]
pub mod criticality;
#[path = "../../src/event.rs"]
pub mod event;
#[path = "../../src/outcome.rs"]
pub mod outcome;
#[path = "../../src/phase.rs"]
pub mod phase;
#[path = "../../src/policy/mod.rs"]
pub mod policy;
