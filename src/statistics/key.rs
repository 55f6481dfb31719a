//! What tells series of calls and attempts apart: the method, and the status or the error.

use http::Method;

use crate::error::ErrorKind;

/// Method and outcome in one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u32);

/// The methods that have a name in the conventions; all others are `_OTHER`.
const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"];

const OTHER: &str = "_OTHER";
/// Outcomes below are statuses.
const FIRST_ERROR: u32 = 1000;

/// By their numbers in [`ErrorKind`].
const KINDS: [ErrorKind; 25] = [
    ErrorKind::InvalidArgument,
    ErrorKind::InUse,
    ErrorKind::UnknownOption,
    ErrorKind::WouldDeadlock,
    ErrorKind::Closed,
    ErrorKind::Unsupported,
    ErrorKind::Discovery,
    ErrorKind::NoEndpoints,
    ErrorKind::Resolve,
    ErrorKind::Connect,
    ErrorKind::ConnectTimeout,
    ErrorKind::Tls,
    ErrorKind::Timeout,
    ErrorKind::Deadline,
    ErrorKind::ConnectionLost,
    ErrorKind::Protocol,
    ErrorKind::BodyTooLarge,
    ErrorKind::HttpStatus,
    ErrorKind::Overloaded,
    ErrorKind::Cancelled,
    ErrorKind::Interrupted,
    ErrorKind::Forked,
    ErrorKind::HookRefused,
    ErrorKind::BodySource,
    ErrorKind::Internal,
];

impl Key {
    /// What stands for all others where there are too many.
    pub const REST: Self = Self((METHODS.len() as u32) << 16);

    /// An answer with this status.
    #[must_use]
    #[inline]
    pub fn answered(method: &Method, status: u16) -> Self {
        Self(number(method) << 16 | u32::from(status).min(FIRST_ERROR - 1))
    }

    /// No answer.
    #[must_use]
    pub fn failed(method: &Method, kind: ErrorKind) -> Self {
        Self(number(method) << 16 | (FIRST_ERROR + kind as u32))
    }

    /// The labels by the conventions: an answer of 4xx or 5xx is an error whose type is its status.
    #[must_use]
    pub fn labels(self) -> Vec<(&'static str, String)> {
        let method = METHODS.get((self.0 >> 16) as usize).unwrap_or(&OTHER);
        let mut labels = vec![("http_request_method", (*method).to_owned())];
        let outcome = self.0 & 0xffff;
        let kind = outcome.checked_sub(FIRST_ERROR).and_then(|it| KINDS.get(it as usize));
        match kind {
            Some(kind) => labels.push(("error_type", error_type(*kind))),
            None if outcome == 0 => labels.push(("error_type", OTHER.to_owned())),
            None => {
                labels.push(("http_response_status_code", outcome.to_string()));
                if outcome >= 400 {
                    labels.push(("error_type", outcome.to_string()));
                }
            }
        }
        labels
    }
}

/// `AHOY_E_CONNECTION_LOST` is `connection_lost`.
fn error_type(kind: ErrorKind) -> String {
    kind.name().trim_start_matches("AHOY_E_").to_ascii_lowercase()
}

#[inline]
fn number(method: &Method) -> u32 {
    match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::DELETE => 4,
        Method::OPTIONS => 5,
        Method::PATCH => 6,
        Method::CONNECT => 7,
        Method::TRACE => 8,
        _ => METHODS.len() as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(key: Key) -> String {
        let labels = key.labels().into_iter().map(|(name, value)| format!("{name}={value}"));
        labels.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_kind_stands_at_its_number() {
        for (number, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(kind as usize, number, "{kind:?}");
        }
    }

    #[test]
    fn labels_follow_the_conventions() {
        let of = |status| shown(Key::answered(&Method::GET, status));
        assert_eq!(of(200), "http_request_method=GET http_response_status_code=200");
        let unavailable = "http_request_method=GET http_response_status_code=503 error_type=503";
        assert_eq!(of(503), unavailable);
        let failed = Key::failed(&Method::PUT, ErrorKind::ConnectionLost);
        assert_eq!(shown(failed), "http_request_method=PUT error_type=connection_lost");
        let own = Method::from_bytes(b"PURGE").unwrap();
        assert_eq!(
            shown(Key::answered(&own, 200)),
            "http_request_method=_OTHER http_response_status_code=200"
        );
        assert_eq!(shown(Key::REST), "http_request_method=_OTHER error_type=_OTHER");
    }
}
