//! Host code around each attempt.

use std::sync::Arc;

use crate::error::Error;
use crate::request::Request;
use crate::response::Response;

/// Runs before an attempt with the URL of its endpoint; may change the path and headers of this attempt, or
/// refuse the call.
pub type OnRequest = Arc<dyn Fn(&mut Request, &str) -> Result<(), String> + Send + Sync>;

/// Runs after an attempt that brought an answer, whatever its status.
pub type OnResponse = Arc<dyn Fn(&Response) + Send + Sync>;

/// Runs after an attempt that brought none.
pub type OnError = Arc<dyn Fn(&Error) + Send + Sync>;

/// Asked whether a blocking call should end now: after a signal, and at least every 50 ms.
pub type ShouldStop = Arc<dyn Fn() -> bool + Send + Sync>;

/// The hooks of a client; each runs on the thread that drives the call.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Before an attempt.
    pub on_request: Option<OnRequest>,
    /// After an answer.
    pub on_response: Option<OnResponse>,
    /// After a failure.
    pub on_error: Option<OnError>,
    /// In a blocking call.
    pub should_stop: Option<ShouldStop>,
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks")
            .field("on_request", &self.on_request.is_some())
            .field("on_response", &self.on_response.is_some())
            .field("on_error", &self.on_error.is_some())
            .field("should_stop", &self.should_stop.is_some())
            .finish()
    }
}
