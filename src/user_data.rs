//! What a host knows a call by.

use std::any::Any;
use std::sync::Arc;

/// What the host knows a call by; it goes with all that is told of the call.
pub type UserData = Arc<dyn Any + Send + Sync>;
