//! A call that ends before it could begin, since its provider has no list: it is counted and told as any other.

use std::time::Instant;

use crate::client::core::Core;
use crate::client::observe::meter;
use crate::error::{CallReport, Error};
use crate::request::Request;
use crate::runtime::clock;

/// The end of the call of `request`, for this `problem`.
#[cold]
pub(crate) fn unsent(core: &Core, request: &Request, problem: &Error, started: Instant) -> Error {
    let elapsed = clock::now().saturating_duration_since(started);
    let report = CallReport {
        method: request.method.clone(),
        target: request.target.clone(),
        idempotent: request.is_idempotent(),
        attempts: Vec::new(),
        attempt_count: 0,
        elapsed,
        response: None,
        user_data: request.user_data.clone(),
    };
    let error = Error::of_call(problem.kind(), problem.message(), report);
    meter::count_unsent(core.statistics().shared(), &request.method, &error);
    core.call_ended(&Err(error.clone()));
    error
}
