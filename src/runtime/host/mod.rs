//! Calls into the host, and threads that the host ends inside them.
//!
//! Every such call goes through [`callback::call_host`]: past a gate that can be shut, and behind a fence that
//! keeps a thread which the host ends inside. [`lost`] has what such a thread gives back.

pub(in crate::runtime) mod abortable_task;
pub mod callback;
pub mod caller;
pub mod caller_jobs;
mod fence;
mod gate;
pub mod lost;
pub mod panics;
pub mod thread_cancel;
