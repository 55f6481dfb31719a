//! Puts the request of an exchange together; what both transports say the same way stands here.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue,
    RANGE, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Request, Uri, uri};
use http_body::{Body, Frame, SizeHint};

use crate::body_source::{AttemptBody, BodySourceFailure};
use crate::endpoint::Scheme;
use crate::outcome::{Failure, FailureKind};
use crate::request::is_authority;

use super::Exchange;
use super::content::{ASKED, Reading};
use super::expect::{Awaiting, Consent, is_continue};

/// The request in origin form, with the endpoint's authority as `Host`; whether its body waits for the server's
/// consent says `expects`.
pub(super) fn build(
    exchange: &Exchange<'_>,
    expects: bool,
) -> Result<Request<RequestBody>, Failure> {
    let body = RequestBody::of(exchange)?.awaiting(expects);
    let consent = body.consent();
    let mut request = Request::new(body);
    *request.method_mut() = exchange.method.clone();
    *request.uri_mut() = uri(exchange.path)?;
    let mut headers = headers(exchange, expects)?;
    frame(exchange, &mut headers);
    *request.headers_mut() = headers;
    if let Some(consent) = consent {
        let told = consent.clone();
        hyper::ext::on_informational(&mut request, move |interim| told.interim(interim.status()));
        request.extensions_mut().insert(consent);
    }
    Ok(request)
}

/// A body of unknown length is sent in chunks, whatever the method.
pub(super) fn frame(exchange: &Exchange<'_>, headers: &mut HeaderMap) {
    if exchange.source.is_some_and(|draw| draw.length().is_none()) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// The request as HTTP/2 has it: the authority is no header, and nothing is said about the connection.
pub(super) fn build_multiplexed(
    exchange: &Exchange<'_>,
    expects: bool,
) -> Result<Request<()>, Failure> {
    let mut headers = headers(exchange, expects)?;
    let authority = headers.remove(HOST).ok_or_else(bad_authority)?;
    remove_connection_headers(&mut headers);
    let mut uri = uri(exchange.path)?.into_parts();
    uri.scheme = Some(match exchange.endpoint.scheme() {
        Scheme::Http => uri::Scheme::HTTP,
        Scheme::Https => uri::Scheme::HTTPS,
    });
    uri.authority = Some(authority.as_bytes().try_into().map_err(|_| bad_authority())?);
    let mut request = Request::new(());
    *request.method_mut() = exchange.method.clone();
    *request.uri_mut() = Uri::from_parts(uri).map_err(|_| bad_authority())?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Such headers make an HTTP/2 request malformed (RFC 9113, 8.2.2); callers that speak HTTP/1.1 have them.
fn remove_connection_headers(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [CONNECTION, UPGRADE, KEEP_ALIVE, PROXY_CONNECTION] {
        headers.remove(name);
    }
    if headers.get(TE).is_some_and(|value| value != "trailers") {
        headers.remove(TE);
    }
}

/// The exchange's headers, with those that are the transport's own: host, framing and encoding.
pub(super) fn headers(exchange: &Exchange<'_>, expects: bool) -> Result<HeaderMap, Failure> {
    // Room for what is added here and by the transport, at once: a map doubles at a cost.
    let mut headers = HeaderMap::with_capacity(exchange.headers.len() + 4);
    // First on the wire, as RFC 9110 (7.2) advises.
    headers.insert(HOST, host(exchange)?);
    for (name, value) in exchange.headers {
        // Two opinions on where the body ends, or whom it is for, are how requests get smuggled.
        let own = name == TRANSFER_ENCODING || name == CONTENT_LENGTH || name == HOST;
        let unmet = name == EXPECT && !expects && is_continue(value);
        if !own && !unmet {
            headers.append(name, value.clone());
        }
    }
    if let Some(length) = stated_length(exchange) {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    if asks_encodings(exchange) {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(ASKED));
    }
    Ok(headers)
}

/// How the answer is to be read.
pub(super) fn reading<'a>(exchange: &Exchange<'a>) -> Reading<'a> {
    Reading {
        method: exchange.method,
        idle: exchange.body_idle_timeout,
        max_body: exchange.max_body,
        decode: asks_encodings(exchange),
    }
}

/// Path and query as they go on the wire; anything that could break out of the request line is refused.
pub(super) fn uri(path: &str) -> Result<Uri, Failure> {
    let refused = || Failure::unsent(FailureKind::InvalidRequest, "path not valid");
    if !path.starts_with('/') {
        return Err(refused());
    }
    Uri::try_from(path).map_err(|_| refused())
}

/// A body that is handed over in pieces, so that a large one is not copied whole into the write buffer.
#[derive(Debug)]
pub(super) enum RequestBody {
    /// What is left of a body that is held.
    Held(Bytes),
    /// A body that is drawn from its source.
    Drawn(AttemptBody),
    /// A body that waits for the server's consent.
    Awaiting(Box<Awaiting<Self>>),
}

impl RequestBody {
    /// The body of `exchange` from its start.
    pub(super) fn of(exchange: &Exchange<'_>) -> Result<Self, Failure> {
        let Some(draw) = exchange.source else {
            return Ok(Self::Held(exchange.body.clone()));
        };
        let reader = draw.reader();
        let failed =
            |fault: BodySourceFailure| Failure::unsent(FailureKind::Source, fault.to_string());
        reader.map(Self::Drawn).map_err(failed)
    }

    /// The same, held back until the server wants it, where it is `expects`.
    pub(super) fn awaiting(self, expects: bool) -> Self {
        if expects { Self::Awaiting(Box::new(Awaiting::new(self))) } else { self }
    }

    /// What a body waits for that is held back.
    pub(super) fn consent(&self) -> Option<Consent> {
        match self {
            Self::Awaiting(awaiting) => Some(awaiting.consent.clone()),
            Self::Held(_) | Self::Drawn(_) => None,
        }
    }

    /// The next piece, of at most `most` bytes.
    pub(super) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<Option<Result<Bytes, BodySourceFailure>>> {
        match self {
            Self::Held(left) if left.is_empty() => Poll::Ready(None),
            Self::Held(left) => Poll::Ready(Some(Ok(left.split_to(left.len().min(most))))),
            Self::Drawn(reader) => {
                let piece = ready!(reader.poll_piece(cx, most.min(PIECE)));
                Poll::Ready(piece.map(|piece| piece.map(Bytes::from)))
            }
            Self::Awaiting(awaiting) => {
                ready!(awaiting.poll_consent(cx));
                awaiting.body.poll_piece(cx, most)
            }
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodySourceFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodySourceFailure>>> {
        let piece = ready!(self.poll_piece(cx, HELD_PIECE));
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Held(left) => left.is_empty(),
            Self::Drawn(reader) => reader.is_complete(),
            Self::Awaiting(awaiting) => awaiting.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Held(left) => SizeHint::with_exact(left.len() as u64),
            Self::Drawn(reader) => {
                reader.left().map_or_else(SizeHint::default, SizeHint::with_exact)
            }
            Self::Awaiting(awaiting) => awaiting.body.size_hint(),
        }
    }
}

/// A caller that sets `Accept-Encoding` decodes by itself, and a part of an encoded body cannot be decoded.
fn asks_encodings(exchange: &Exchange<'_>) -> bool {
    // There are few headers: to look through them costs less than to hash two names.
    exchange.gzip && !exchange.headers.keys().any(|name| name == ACCEPT_ENCODING || name == RANGE)
}

/// For the methods that are expected to bring a body, servers want to be told that there is none.
fn stated_length(exchange: &Exchange<'_>) -> Option<u64> {
    let length = match exchange.source {
        None => exchange.body.len() as u64,
        Some(draw) => draw.length()?,
    };
    let stated = length > 0 || [Method::POST, Method::PUT, Method::PATCH].contains(exchange.method);
    stated.then_some(length)
}

/// The request's own `Host`, or the endpoint's authority.
fn host(exchange: &Exchange<'_>) -> Result<HeaderValue, Failure> {
    let mut own = exchange.headers.iter().filter(|(name, _)| *name == HOST);
    match (own.next().map(|(_, host)| host), own.next()) {
        (None, _) => {
            HeaderValue::from_str(exchange.endpoint.authority()).map_err(|_| bad_authority())
        }
        (Some(host), None) if is_authority(host.as_bytes()) => Ok(host.clone()),
        (Some(_), None) => Err(Failure::unsent(FailureKind::InvalidRequest, "Host not valid")),
        (Some(_), Some(_)) => {
            Err(Failure::unsent(FailureKind::InvalidRequest, "more than one Host"))
        }
    }
}

/// Of an endpoint, which can never be reached then; the request's own `Host` was checked.
fn bad_authority() -> Failure {
    Failure::unsent(FailureKind::NameNotFound, "address is no host name")
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Drawn at once from a source.
const PIECE: usize = 64 * 1024;

/// Handed on at once of a body that is held. A write to a socket rarely takes more, and of a body that the server does
/// not want little is under way.
const HELD_PIECE: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_breaks_out_of_the_request_line() {
        for path in ["/a\r\nx: y", "/a b", "/a\nb", "a", "", "http://other/", "/\0", "*"] {
            let refused = uri(path).unwrap_err();
            assert_eq!(refused.kind, FailureKind::InvalidRequest, "{path:?}");
            assert!(!refused.sent);
        }
    }

    #[test]
    fn paths_are_kept_as_they_are() {
        for path in ["/", "//other/x", "/a/../b?q=1&r=%20", "/?x"] {
            assert_eq!(uri(path).unwrap().to_string(), path);
        }
    }
}
