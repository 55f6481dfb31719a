//! What the caller asks for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::criticality::Criticality;
use crate::error::Error;
use crate::source::Source;

/// One request, independent of where it will go.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// A path with optional query starting with `/`, or an absolute URL (clients without a balancer only).
    pub target: String,
    /// Headers of this request; a name here replaces the client's default of the same name.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// What the body is drawn from instead, while it is sent.
    pub source: Option<Arc<Source>>,
    /// Hand the answer over with its head; its body is read piece by piece.
    pub streamed: bool,
    /// How long a streamed body's next piece may take; `None` takes the client's limit on one attempt.
    pub idle_timeout: Option<Duration>,
    /// Limit on the whole call; `None` takes the client's.
    pub timeout: Option<Duration>,
    /// Whether it may be carried out twice; `None` goes by the method.
    pub idempotent: Option<bool>,
    /// How important it is, where not all can be sent.
    pub criticality: Criticality,
    /// What a balancer that goes by key goes by; `None` where the client's headers say it, or nothing does.
    pub key: Option<u64>,
    /// Headers of an inbound request, of which the client passes on what it was told to.
    pub inbound: Vec<(HeaderName, HeaderValue)>,
}

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: Method, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            source: None,
            streamed: false,
            idle_timeout: None,
            timeout: None,
            idempotent: None,
            criticality: Criticality::default(),
            key: None,
            inbound: Vec::new(),
        }
    }

    /// Whether repeating it is safe: as stated, else by its method (RFC 9110, section 9.2.2).
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.idempotent.unwrap_or_else(|| self.method.is_idempotent())
    }
}

/// Headers that frame a message or speak of one connection: a caller who could set them could smuggle a
/// second request.
const FRAMING: [HeaderName; 6] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TRAILER,
    header::TE,
];

/// A header that may be sent.
///
/// # Errors
/// `name` is no token or one that the library sets itself; `value` holds CR, LF, NUL or another control
/// character. The message never shows the value.
pub fn header(name: &str, value: &[u8]) -> Result<(HeaderName, HeaderValue), Error> {
    let name = header_name(name)?;
    let value = HeaderValue::from_bytes(value)
        .map_err(|_| Error::invalid("value", format!("{name} holds a control character")))?;
    Ok((name, value))
}

/// A header name that a caller may set.
///
/// # Errors
/// It is no token, or one that the library sets itself.
pub fn header_name(name: &str) -> Result<HeaderName, Error> {
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| Error::invalid("name", "is not a header name"))?;
    let connection_only = ["keep-alive", "proxy-connection"].contains(&parsed.as_str());
    if connection_only || FRAMING.contains(&parsed) {
        return Err(Error::invalid("name", format!("{parsed} is set by the library")));
    }
    Ok(parsed)
}

/// A method.
///
/// # Errors
/// It is no token, or CONNECT, which asks for a tunnel and not for an answer.
pub fn method(name: &str) -> Result<Method, Error> {
    match Method::from_bytes(name.as_bytes()) {
        Ok(Method::CONNECT) => Err(Error::invalid("method", "CONNECT is not supported")),
        Ok(method) => Ok(method),
        Err(_) => Err(Error::invalid("method", "is not an http method")),
    }
}

/// Checks that `target` can stand in a request line.
///
/// # Errors
/// It holds white space, CR, LF, another control character, a byte that must be percent-encoded, or a
/// fragment.
pub fn check_target(parameter: &str, target: &str) -> Result<(), Error> {
    if target.is_empty() {
        return Err(Error::invalid(parameter, "is empty"));
    }
    for byte in target.bytes() {
        match byte {
            0..=b' ' | 0x7f => {
                return Err(Error::invalid(parameter, "holds white space or a control character"));
            }
            0x80.. => {
                return Err(Error::invalid(parameter, "holds a byte that must be percent-encoded"));
            }
            b'#' => return Err(Error::invalid(parameter, "holds a fragment, which is never sent")),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_beats_the_method() {
        let mut request = Request::new(Method::POST, "/");
        assert!(!request.is_idempotent());
        request.idempotent = Some(true);
        assert!(request.is_idempotent());
        assert!(Request::new(Method::PUT, "/").is_idempotent());
    }

    #[test]
    fn what_could_split_or_smuggle_a_request_is_refused() {
        for target in ["/a\r\nX: y", "/a b", "/a\0", "/\u{e9}", "", "/a#b"] {
            assert!(check_target("path", target).is_err(), "{target:?}");
        }
        assert!(check_target("path", "/a?b=%20c").is_ok());
        for (name, value) in [
            ("x\r\n", &b"y"[..]),
            ("x", b"y\r\nz: 1"),
            ("x", b"y\0"),
            ("x y", b"z"),
            ("", b"z"),
            ("Content-Length", b"3"),
            ("transfer-encoding", b"chunked"),
        ] {
            assert!(header(name, value).is_err(), "{name:?}");
        }
        let secret = header("x", b"hush\n").unwrap_err();
        assert!(!secret.message().contains("hush"));
        assert!(header("x", b"caf\xe9").is_ok(), "values are bytes");
        assert!(method("CONNECT").is_err() && method("GE T").is_err() && method("PURGE").is_ok());
    }
}
