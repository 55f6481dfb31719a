//! Where redirects lead, with what must hold for any location; only in builds for fuzzing and in unit tests.

use http::HeaderValue;

use super::*;
use crate::endpoint::Scheme;
use crate::request::check_target;
use crate::transport::Progress;

/// A location is a target that can be sent, it leads to the same place when it is written out, and a header that may
/// be a secret goes to no other origin.
pub fn location(bytes: &[u8]) {
    let from = Origin { scheme: Scheme::Http, host: "one.test".to_owned(), port: 8080 };
    let first = from.endpoint();
    let Some((origin, path)) = resolve(&first, "/a/b?c", bytes) else { return };
    assert!(path.starts_with('/') && check_target("path", &path).is_ok(), "{path:?}");
    let Origin { scheme, host, port } = &origin;
    let authority = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let written = format!("{}://{authority}:{port}{path}", scheme.as_str());
    assert_eq!(resolve(&first, "/", written.as_bytes()), Some((origin.clone(), path.clone())));

    let headers = [(header::ACCEPT, "a"), (HeaderName::from_static("x-api-key"), "secret")];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    let headers = HeaderMap::from_iter(headers);
    let progress = Progress::default();
    let exchange = Exchange::get(&first, "/a/b?c", Duration::ZERO, 0, &progress);
    let mut request = RedirectedRequest::of(&Exchange { headers: &headers, ..exchange });
    let stays = written.starts_with("http://one.test:8080/");
    request.go(origin, path, &first, &Origins::default());
    assert_eq!(request.headers.len(), if stays { 2 } else { 1 }, "{written}");
    assert_eq!(Arc::ptr_eq(&request.endpoint, &first), stays);
}
