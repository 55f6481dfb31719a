//! What the caller gets.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::outcome::AttemptLog;
use crate::user_data::UserData;

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
    /// What the answer is of.
    pub resource: Resource,
    /// From the call's start to its end; of a streamed answer, to its head.
    pub elapsed: Duration,
    /// Every attempt of the call, in order; the last is the one that brought this answer unless
    /// later ones brought none. Bounded by [`crate::outcome::KEPT_ATTEMPTS`].
    pub attempts: Vec<AttemptLog>,
    /// How many attempts were made, kept or not.
    pub attempt_count: usize,
    /// Why no attempt followed an answer that one might have followed; None where none would have,
    /// or each was made.
    pub stop_reason: Option<Box<str>>,
    /// What the host knows the call by.
    pub user_data: Option<UserData>,
}

/// What an answer is of.
#[derive(Clone, Debug)]
pub enum Resource {
    /// This path at its endpoint.
    Path(Arc<str>),
    /// This URL, to which redirects led.
    Url(Arc<str>),
}

impl Response {
    /// The URL that brought the answer, after redirects and what hooks changed.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.resource {
            Resource::Path(path) => format!("{}{path}", self.endpoint_url),
            Resource::Url(url) => url.as_ref().to_owned(),
        }
    }
}
