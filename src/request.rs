//! What the caller asks for.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::InvalidHeaderValue;
use http::uri::Authority;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::body_source::BodySource;
use crate::criticality::Criticality;
use crate::endpoint::without_brackets;
use crate::error::Error;
use crate::user_data::UserData;

/// One request, independent of where it will go.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// A path with optional query starting with `/`, or an absolute URL (clients without a balancer
    /// only).
    pub target: Arc<str>,
    /// Headers of this request; a name here replaces the client's default of the same name.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// What the body is drawn from instead, while it is sent.
    pub source: Option<Arc<BodySource>>,
    /// Hand the answer over with its head; its body is read piece by piece.
    pub streamed: bool,
    /// How long a streamed body's next piece may take; `None` takes the client's limit on one
    /// attempt.
    pub idle_timeout: Option<Duration>,
    /// Limit on the whole call; `None` takes the client's.
    pub timeout: Option<Duration>,
    /// How long an attempt may take before the call looks elsewhere; `None` takes the client's.
    pub attempt_timeout: Option<Duration>,
    /// Whether an attempt that passes that limit is cut; `None` takes the client's.
    pub attempt_timeout_hard: Option<bool>,
    /// Which calls it is like in how long answers take; `None` for those that say nothing.
    pub group: Option<Box<str>>,
    /// Whether it may be carried out twice; `None` goes by its idempotency key, and else by the
    /// method.
    pub idempotent: Option<bool>,
    /// The header by which servers know the attempts of one call.
    pub idempotency_key: Option<IdempotencyKey>,
    /// Rules of its own that layers above know.
    pub extensions: Extensions,
    /// What the host knows the call by.
    pub user_data: Option<UserData>,
    /// How important it is, where not all can be sent.
    pub criticality: Criticality,
    /// What a balancer that goes by key goes by; `None` where the client's headers say it, or
    /// nothing does.
    pub key: Option<u64>,
    /// Headers of an inbound request, of which the client passes on what it was told to.
    pub inbound: Vec<(HeaderName, HeaderValue)>,
}

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: Method, target: impl Into<Arc<str>>) -> Self {
        Self {
            method,
            target: target.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            source: None,
            streamed: false,
            idle_timeout: None,
            timeout: None,
            attempt_timeout: None,
            attempt_timeout_hard: None,
            group: None,
            idempotent: None,
            idempotency_key: None,
            extensions: Extensions::new(),
            user_data: None,
            criticality: Criticality::default(),
            key: None,
            inbound: Vec::new(),
        }
    }

    /// Whether it has a body, which may turn out empty where it is drawn from a source.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.source.is_some() || !self.body.is_empty()
    }

    /// Whether repeating it is safe: as stated, else by its key, else by its method (RFC 9110,
    /// section 9.2.2).
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.idempotent
            .unwrap_or_else(|| self.idempotency_key.is_some() || self.method.is_idempotent())
    }
}

/// A header whose value is the same on every attempt of a call, and another for the next call.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    /// The header.
    pub header: HeaderName,
    /// Its value; `None` for a random one.
    pub value: Option<HeaderValue>,
}

/// Headers that frame a message or speak of one connection: set by a caller, they could smuggle a
/// second request.
const FRAMING: [HeaderName; 6] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TRAILER,
    header::TE,
];

/// Headers by which a server finds out what a request is: another value breaks it.
const MEANING: [HeaderName; 9] = [
    header::ACCEPT_ENCODING,
    header::AUTHORIZATION,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::RANGE,
];

/// A header that the library may give a value of its own, such as a number.
///
/// # Errors
/// Its value says what the request is; the text goes on where the parameter's name ends.
pub fn own_header(name: HeaderName) -> Result<HeaderName, String> {
    match MEANING.contains(&name) {
        true => Err(format!("is {name}, whose value says what the request is")),
        false => Ok(name),
    }
}

/// A header that may be sent.
///
/// # Errors `name` is no token or one that the library sets itself; `value` holds CR, LF, NUL or
/// another control character, or is no authority where the name is `Host`. The message never shows
/// the value.
pub fn header(name: &str, value: &[u8]) -> Result<(HeaderName, HeaderValue), Error> {
    let name = header_name(name)?;
    let value = header_value(value)
        .map_err(|_| Error::invalid("value", format!("{name} holds a control character")))?;
    if name == header::HOST && !is_authority(value.as_bytes()) {
        return Err(Error::invalid("value", "is no host with an optional port, as Host must be"));
    }
    Ok((name, value))
}

/// A header's value. Blanks around it are no part of it (RFC 9110, 5.5): over HTTP/1.1 each reader passes over them, and
/// over HTTP/2 they make the request malformed (RFC 9113, 8.2.1).
///
/// # Errors
/// It holds CR, LF, NUL or another control character.
pub fn header_value(value: &[u8]) -> Result<HeaderValue, InvalidHeaderValue> {
    let is_part = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let start = value.iter().position(is_part).unwrap_or(value.len());
    let end = value.iter().rposition(is_part).map_or(start, |last| last + 1);
    HeaderValue::from_bytes(&value[start..end])
}

/// Whether `Host` may say so: a host and perhaps a port, without a user.
#[must_use]
pub fn is_authority(value: &[u8]) -> bool {
    let Ok(authority) = Authority::try_from(value) else { return false };
    let names = without_brackets(authority.host()).is_some_and(|host| !host.is_empty());
    // Behind a host without brackets `http` lets pass whatever has brackets in it.
    let port = authority.as_str().strip_prefix(authority.host());
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = |port: &str| port.is_empty() || port.strip_prefix(':').is_some_and(digits);
    names && !value.contains(&b'@') && port.is_some_and(is_port)
}

/// Adds a header beside those of its name.
///
/// # Errors
/// There is a `Host` already, of which a request has one, or there are too many headers.
pub fn add_header(
    headers: &mut HeaderMap,
    name: HeaderName,
    value: HeaderValue,
) -> Result<(), Error> {
    if name == header::HOST && headers.contains_key(&name) {
        return Err(Error::invalid("name", "is Host a second time; a request has one"));
    }
    if headers.len() >= MAX_HEADERS {
        return Err(Error::invalid("name", format!("is one more than {MAX_HEADERS} headers")));
    }
    headers.append(name, value);
    Ok(())
}

/// A third of what a table of headers holds: a client's, a request's and those of an inbound
/// request come together.
const MAX_HEADERS: usize = 8192;

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

/// Checks that `target` goes out as it is: what is accepted here is sent byte for byte.
///
/// # Errors
/// It is too long, or holds a byte that no request line can carry.
pub fn check_target(parameter: &str, target: &str) -> Result<(), Error> {
    let refused = |problem: &str| Err(Error::invalid(parameter, problem));
    if target.is_empty() {
        return refused("is empty");
    }
    if target.len() > MAX_TARGET {
        return Err(too_long(parameter));
    }
    let mut in_query = false;
    for byte in target.bytes() {
        match byte {
            0..=b' ' | 0x7f => return refused("holds white space or a control character"),
            0x80.. => return refused("holds a byte that must be percent-encoded"),
            b'#' => return refused("holds a fragment, which is never sent"),
            b'<' => return refused("holds <, which must be percent-encoded as %3C"),
            b'>' => return refused("holds >, which must be percent-encoded as %3E"),
            b'`' if !in_query => return refused("holds `, which must be percent-encoded as %60"),
            b'"' if in_query => {
                return refused("holds \" in its query, which must be percent-encoded as %22");
            }
            b'?' => in_query = true,
            _ => {}
        }
    }
    Ok(())
}

/// A target that cannot be sent for its length.
#[must_use]
pub fn too_long(parameter: &str) -> Error {
    Error::invalid(parameter, format!("is longer than {MAX_TARGET} bytes"))
}

/// What HTTP's libraries can carry, 64 KiB, less what a URL has before its path. Common servers
/// stop at 8 KiB.
pub const MAX_TARGET: usize = 65_000;

/// Whether the path of `target` climbs with `..`, in any form that a server may take for it:
/// encoded once or more often, between backslashes, or with parameters behind it (`..;x`).
#[must_use]
pub fn climbs(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    let (mut dots, mut only_dots, mut ended) = (0, true, false);
    let is_up = |dots, only_dots| only_dots && dots == 2;
    for byte in decoded(path.as_bytes()).iter() {
        match byte {
            b'/' | b'\\' => {
                if is_up(dots, only_dots) {
                    return true;
                }
                (dots, only_dots, ended) = (0, true, false);
            }
            b';' => ended = true,
            _ if ended => {}
            b'.' => dots += 1,
            _ => only_dots = false,
        }
    }
    is_up(dots, only_dots)
}

/// The bytes that a path stands for, however often it was encoded, and whichever bytes of an escape were.
pub(crate) fn decoded(path: &[u8]) -> Cow<'_, [u8]> {
    if !path.contains(&b'%') {
        return Cow::Borrowed(path);
    }
    let mut decoded = Vec::with_capacity(path.len());
    for &byte in path {
        decoded.push(byte);
        // What an escape stands for may end another one: %252e and %2%65 are %2e.
        while let Some(escaped) = decoded.last_chunk().and_then(escaped) {
            decoded.truncate(decoded.len() - 3);
            decoded.push(escaped);
        }
    }
    Cow::Owned(decoded)
}

/// The byte that `%2e` stands for.
fn escaped(escape: &[u8; 3]) -> Option<u8> {
    let [b'%', high, low] = *escape else { return None };
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use http::uri::PathAndQuery;

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
        assert!(header("x", b" y\n").is_err() && header("x", b"\r y").is_err(), "no blanks");
        assert!(method("CONNECT").is_err() && method("GE T").is_err() && method("PURGE").is_ok());
    }

    #[test]
    fn blanks_around_a_value_are_no_part_of_it() {
        for (value, kept) in [(" a", "a"), ("a\t ", "a"), ("  ", ""), ("", ""), ("a  b", "a  b")] {
            assert_eq!(header("x", value.as_bytes()).unwrap().1, kept, "{value:?}");
        }
        assert_eq!(header("Host", b" a:1 ").unwrap().1, "a:1");
    }

    #[test]
    fn what_is_accepted_can_be_sent_as_it_is() {
        for byte in 0..=0x7f_u8 {
            for target in [format!("/a{}b", byte as char), format!("/a?b{}c", byte as char)] {
                let sent = PathAndQuery::try_from(&*target).is_ok_and(|it| it.as_str() == target);
                assert_eq!(check_target("path", &target).is_ok(), sent, "{target:?}");
            }
        }
        let long = format!("/{}", "x".repeat(MAX_TARGET - 1));
        assert!(check_target("path", &long).is_ok());
        assert!(PathAndQuery::try_from(format!("{long}/and/a/base").as_str()).is_ok());
        assert!(check_target("path", &format!("{long}x")).is_err());
    }

    #[test]
    fn climbing_is_seen_in_every_form() {
        for target in [
            "/..",
            "/../x",
            "/a/../../x",
            "/%2e%2e/x",
            "/.%2E/x",
            "/a/%2E./x",
            "/%252e%252e/x",
            "/%25252E./x",
            "/..%2fx",
            "/a%2F..%2Fx",
            "/..\\x",
            "/a\\..\\x",
            "/a%5c..%5Cx",
            "/..%5cx",
            "/..;/x",
            "/..;a=1/x",
            "/..%3b/x",
            "/a/..",
            "/..?q",
            "/%2%65./x",
            "/a/%%32%65%%32%65",
            "/.%2%35%32%65/x",
        ] {
            assert!(climbs(target), "{target}");
        }
        for target in [
            "/",
            "/./x",
            "/a..b/x",
            "/.../x",
            "/..a/x",
            "/a../x",
            "/%2e/x",
            "/x?q=/../",
            "/;../x",
            "/a;/.;./x",
            "/%zz../x",
            "/%2",
            "/%",
            "/%25",
            "/%2%66%2%66",
            "/%%%%2e",
        ] {
            assert!(!climbs(target), "{target}");
        }
    }

    #[test]
    fn a_host_is_an_authority_without_a_user() {
        for good in ["a", "a.b:80", "[::1]", "[::1]:81", "db_1:5", "1.2.3.4"] {
            assert!(header("Host", good.as_bytes()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "not a host",
            "a/b",
            "u@a",
            "a:b:c",
            "a?b",
            "http://a",
            "a,b c",
            ":80",
            "a[::1]",
            "a:[::1]",
        ] {
            let refused = header("host", bad.as_bytes());
            assert!(refused.is_err_and(|error| error.message().contains("value")), "{bad:?}");
        }
    }

    #[test]
    fn headers_are_bounded_and_host_is_one() {
        let mut headers = HeaderMap::new();
        let mut add = |name: &str| {
            let (name, value) = header(name, b"a").unwrap();
            add_header(&mut headers, name, value)
        };
        assert!(add("host").is_ok() && add("Host").is_err());
        for _ in 1..MAX_HEADERS {
            add("x-a").unwrap();
        }
        assert!(add("x-a").unwrap_err().message().contains("8192"));
    }
}
