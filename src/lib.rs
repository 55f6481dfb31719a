//! libahoy: a resilient HTTP service client behind a C ABI.
//!
//! It discovers a service's endpoints, balances requests over them, keeps a circuit breaker for each, retries
//! what may be retried, under one deadline. The layers, each importing only from those below it:
//!
//! ```text
//! ffi/                                   handles, strings, status codes, callbacks: the C ABI
//! document/                              a client's whole configuration as one text
//! client/                                the way of one request (start with client/attempt.rs)
//! discovery/ transport/ runtime/ config options   what touches the world
//! policy/                                decisions: no clock, no I/O, no lock, no randomness of its own
//! endpoint host single_line request body_source response outcome error  plain data
//! ```

#![cfg_attr(
    not(all(feature = "http2", feature = "proxy")),
    allow(dead_code, reason = "what only they use is dead there, and the linker drops it")
)]

pub mod balancer;
pub mod body_source;
pub mod client;
pub mod config;
pub mod criticality;
pub mod discovery;
pub mod document;
pub mod endpoint;
pub mod error;
pub mod event;
pub mod ffi;
pub mod host;
pub mod options;
pub mod outcome;
pub mod phase;
pub mod policy;
pub mod request;
pub mod response;
pub mod runtime;
pub mod single_line;
pub mod statistics;
pub mod transport;
pub mod user_data;
