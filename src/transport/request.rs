//! Puts the request of an exchange together; what both transports say the same way stands here.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, RANGE,
    TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Request, Uri, uri};
use http_body::{Body, Frame, SizeHint};

use crate::endpoint::Scheme;
use crate::outcome::{Failure, FailureKind};

use super::Exchange;
use super::body::Reading;

/// The request in origin form, with the endpoint's authority as `Host`.
pub(super) fn build(exchange: &Exchange<'_>) -> Result<Request<RequestBody>, Failure> {
    let mut request = Request::new(RequestBody::new(exchange.body.clone()));
    *request.method_mut() = exchange.method.clone();
    *request.uri_mut() = uri(exchange.path)?;
    let mut headers = headers(exchange);
    if !headers.contains_key(HOST) {
        headers.insert(HOST, host(exchange.endpoint.authority())?);
    }
    *request.headers_mut() = headers;
    Ok(request)
}

/// The request as HTTP/2 has it: the authority is no header, and nothing is said about the connection.
pub(super) fn build_multiplexed(exchange: &Exchange<'_>) -> Result<Request<()>, Failure> {
    let mut headers = headers(exchange);
    let own = headers.remove(HOST);
    let authority = match &own {
        Some(host) => host.as_bytes(),
        None => exchange.endpoint.authority().as_bytes(),
    };
    remove_connection_headers(&mut headers);
    let mut uri = uri(exchange.path)?.into_parts();
    uri.scheme = Some(match exchange.endpoint.scheme() {
        Scheme::Http => uri::Scheme::HTTP,
        Scheme::Https => uri::Scheme::HTTPS,
    });
    uri.authority = Some(authority.try_into().map_err(|_| bad_authority())?);
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

/// The exchange's headers, with those that are the transport's own: framing and encoding.
pub(super) fn headers(exchange: &Exchange<'_>) -> HeaderMap {
    // Room for what is added here and by the transport, at once: a map doubles at a cost.
    let mut headers = HeaderMap::with_capacity(exchange.headers.len() + 3);
    for (name, value) in exchange.headers {
        // Two opinions on where the body ends are how requests get smuggled.
        if name != TRANSFER_ENCODING && name != CONTENT_LENGTH {
            headers.append(name, value.clone());
        }
    }
    if states_length(exchange.method, exchange.body) {
        headers.insert(CONTENT_LENGTH, exchange.body.len().into());
    }
    if asks_gzip(exchange) {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers
}

/// How the answer is to be read.
pub(super) fn reading<'a>(exchange: &Exchange<'a>) -> Reading<'a> {
    Reading { method: exchange.method, max_body: exchange.max_body, decode: asks_gzip(exchange) }
}

/// Path and query as they go on the wire; anything that could break out of the request line is refused.
pub(super) fn uri(path: &str) -> Result<Uri, Failure> {
    let refused = || Failure::unsent(FailureKind::Protocol, "path not valid");
    if !path.starts_with('/') {
        return Err(refused());
    }
    Uri::try_from(path).map_err(|_| refused())
}

/// A body that is handed over in pieces, so that a large one is not copied whole into the write buffer.
#[derive(Debug)]
pub(super) struct RequestBody {
    left: Bytes,
}

impl RequestBody {
    fn new(body: Bytes) -> Self {
        Self { left: body }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.left.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

/// Whoever sets `Accept-Encoding` decodes on their own, and a part of a gzip stream cannot be decoded.
fn asks_gzip(exchange: &Exchange<'_>) -> bool {
    exchange.gzip
        && !exchange.headers.contains_key(ACCEPT_ENCODING)
        && !exchange.headers.contains_key(RANGE)
}

/// For the methods that are expected to bring a body, servers want to be told that there is none.
fn states_length(method: &Method, body: &Bytes) -> bool {
    !body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

fn host(authority: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(authority).map_err(|_| bad_authority())
}

fn bad_authority() -> Failure {
    Failure::unsent(FailureKind::Protocol, "authority not valid")
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// A write to a socket rarely takes more at once.
const PIECE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_breaks_out_of_the_request_line() {
        for path in ["/a\r\nx: y", "/a b", "/a\nb", "a", "", "http://other/", "/\0", "*"] {
            let refused = uri(path).unwrap_err();
            assert_eq!(refused.kind, FailureKind::Protocol, "{path:?}");
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
