//! What the integration tests share: a scripted server, and thin owners of the C handles.
//!
//! Everything goes through the `extern "C"` functions, with raw pointers and C strings, as a C program would.

#![allow(clippy::result_large_err, reason = "a failure is looked at once, and shown whole")]
#![allow(unsafe_code, reason = "this is the C program")]
#![allow(clippy::new_without_default, reason = "a test says `new`")]
#![allow(
    clippy::not_unsafe_ptr_arg_deref,
    reason = "the library lends the pointer to the caller's callback"
)]
#![allow(missing_docs, reason = "the names are those of ahoy.h, which says what they do")]

pub mod bind;
mod builder;
mod calls;
mod configuration;
mod discovery;
mod events;
mod fleet;
pub mod floods;
mod handles;
mod host;
pub mod names;
mod outcome;
pub mod registry;
mod server;
#[cfg(unix)]
pub mod sockets;
mod statistics;
mod steering;
mod stream;
mod tls;

pub use builder::{Builder, Client, HookRequest};
pub use calls::{Call, Completion, FOREVER, Queue, stop_callbacks};
pub use discovery::OwnHosts;
pub use events::Told;
pub use fleet::{Fleet, refused, single};
pub use handles::{
    Balancer, Breaker, Endpoint, Host, Hosts, Provider, Request, Retry, balancer_options,
    breaker_options, client_options, provider_options, retry_options,
};
pub use host::*;
pub use outcome::{Answer, Attempt, Failure, Outcome};
pub use server::{Accept, Dead, Reply, Seen, Server, silent_listener};
pub use statistics::{Series, Snapshot, largest_cost};
pub use steering::{changes_of_attempt, changes_of_call};
pub use stream::{CHUNKED, Peer, Said, Scripted, Streamed};
pub use tls::Authority;

use std::time::{Duration, Instant};

/// Milliseconds.
pub const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Looks again and again until `check` holds; fails the test when it does not in good time.
pub fn eventually(what: &str, within: Duration, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !check() {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        std::thread::sleep(ms(2));
    }
}

/// What `work` returns, and how long it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let result = work();
    (result, begun.elapsed())
}

/// A round-robin client over `ports` on loopback, with all defaults.
pub fn client_over(ports: &[u16]) -> Client {
    Builder::new().balancer(&round_robin(ports)).build()
}

/// A round-robin balancer over `ports` on loopback.
pub fn round_robin(ports: &[u16]) -> Balancer {
    Balancer::round_robin(&Provider::loopback(ports))
}

/// "http://127.0.0.1:port".
pub fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
