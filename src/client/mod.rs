//! The client: what a host calls, safe from any thread.
//!
//! [`client`] has its ways to call and to wait, [`core`] what a call borrows of it, [`call::attempt`] the way of one
//! request.

pub mod admission;
pub mod body;
pub mod call;
pub mod client;
pub mod completion;
pub mod core;
pub(crate) mod lifecycle;
pub mod observe;
mod origins;
mod plan;
mod preconnect;
mod reconfigurable;
mod redirect;
pub mod route;
pub(crate) mod transport;
mod wiring;

pub use crate::balancer::{Balancer, Member, Reason, Roster, Status, UsageToken};
pub use body::channel::{Notice, Read, Watcher};
pub use body::stream::BodyStream;
pub use body::streaming::Delivery;
pub use client::Client;
pub use completion::completion::{Completion, Outcome, OutcomeCallback};
pub use completion::queue::{Queue, QueueEvent, QueueEventKind, ReadableNotice};
pub(crate) use core::check_may_wait;
pub use observe::event_record::{EventRecord, millis};
pub use observe::events::{EventSink, OnEvent};
pub use observe::hooks::{
    AttemptInfo, Hooks, OnCallEnd, OnClassify, OnError, OnRequest, OnResponse, ShouldStop,
};
pub use observe::log::{Log, Severity, Sink};
pub use plan::{NextRoute, Plan};
pub use reconfigurable::Reconfigurable;
#[cfg(any(fuzzing, test))]
pub use redirect::fuzzing::location;
pub use route::Route;
