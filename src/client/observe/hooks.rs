//! Host code around each attempt.

use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::policy::Judgement;
use crate::request::Request;
use crate::response::Response;
use crate::transport::WireTrace;

/// Runs before an attempt; may change its path and headers, or refuse the call.
pub type OnRequest =
    Arc<dyn Fn(&mut Request, &AttemptInfo<'_>) -> Result<(), String> + Send + Sync>;

/// What is known of an attempt before it is sent.
#[derive(Clone, Copy, Debug)]
pub struct AttemptInfo<'a> {
    /// Where it goes.
    pub endpoint: &'a Endpoint,
    /// Its number within the call, from 1.
    pub number: usize,
}

/// Runs after an attempt that brought an answer, whatever its status.
pub type OnResponse = Arc<dyn Fn(&Response) + Send + Sync>;

/// Runs after an attempt that brought none.
pub type OnError = Arc<dyn Fn(&Error) + Send + Sync>;

/// Passes the host's own verdict on an answer; none leaves it to the rules.
pub type OnClassify = Arc<dyn Fn(&Response) -> Option<Judgement> + Send + Sync>;

/// Runs once a call has ended.
pub type OnCallEnd = Arc<dyn Fn(&Result<Box<Response>, Error>) + Send + Sync>;

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
    /// Before an answer is judged.
    pub on_classify: Option<OnClassify>,
    /// After a call.
    pub on_call_end: Option<OnCallEnd>,
    /// While bytes go over connections.
    pub on_wire: Option<WireTrace>,
    /// In a blocking call.
    pub should_stop: Option<ShouldStop>,
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks")
            .field("on_request", &self.on_request.is_some())
            .field("on_response", &self.on_response.is_some())
            .field("on_error", &self.on_error.is_some())
            .field("on_classify", &self.on_classify.is_some())
            .field("on_call_end", &self.on_call_end.is_some())
            .field("on_wire", &self.on_wire.is_some())
            .field("should_stop", &self.should_stop.is_some())
            .finish()
    }
}
