//! What an answer with an error's status means to the session.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};

use crate::discovery::source::SessionEnd;
use crate::policy::retry_after;

/// Why an answer with an error's status ends the session, which may ask to be left alone for a while.
#[must_use]
pub fn failed(problem: String, status: StatusCode, headers: &HeaderMap) -> SessionEnd {
    let asked = headers.get(header::RETRY_AFTER).filter(|_| retry_after::may_ask(status.as_u16()));
    let asked = asked
        .and_then(|value| retry_after::parse(value.as_bytes(), SystemTime::now(), LONGEST_WAIT));
    match asked {
        Some(asked) => SessionEnd::Busy { problem, wait: asked.wait },
        None => SessionEnd::Failed(problem),
    }
}

/// How long a registry is left alone at its own wish.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
