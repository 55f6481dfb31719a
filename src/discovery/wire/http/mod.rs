//! Asking a registry over HTTP/1.1, on the connections that calls have too: a forked child closes their sockets.
//!
//! A server that is slow and one that hangs look alike. So a question that is not answered within the time of a connect
//! goes to the next server or address as well, where there is one, and the first answer counts.

mod client;
mod credentials;
mod failed;
mod server_race;
mod stream;

pub use client::HttpClient;
pub use credentials::TokenForm;
#[cfg(feature = "xds")]
pub(crate) use credentials::authorization;
pub use failed::failed;
pub use stream::Stream;

pub use crate::transport::Answer;
