//! What the caller gets.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::outcome::AttemptLog;

/// An HTTP answer and how it came about.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The decoded body.
    pub body: Bytes,
    /// URL of the endpoint that answered: `scheme://address:port`.
    pub endpoint_url: Arc<str>,
    /// Every attempt of the call, in order; the last is the one that brought this answer unless
    /// later ones brought none. Bounded by [`crate::outcome::KEPT_ATTEMPTS`].
    pub attempts: Vec<AttemptLog>,
    /// How many attempts were made, kept or not.
    pub attempt_count: usize,
    /// Why no attempt followed an answer that one might have followed; None where none would have,
    /// or each was made.
    pub stop_reason: Option<Box<str>>,
}
