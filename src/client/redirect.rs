//! Follows redirects, within one attempt of a client without a balancer.
//!
//! Method and body change as browsers and curl change them (Fetch, "HTTP-redirect fetch"). What a redirect cannot
//! be followed by, another scheme for example, is handed over as the answer that it is. Another origin gets no
//! header that was set here unless it is known to be harmless; from https to http is such a step as well, which
//! curl takes too.

/// Where redirects lead, for fuzz/.
#[cfg(any(fuzzing, test))]
pub(super) mod fuzzing;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use url::Url;

use super::origins::{Origin, Origins};
use super::route::parse_url;
use crate::body_source::BodyReader;
use crate::endpoint::Endpoint;
use crate::outcome::{Failure, FailureKind};
use crate::policy::propagation::deadline;
use crate::runtime::clock;
use crate::transport::{Answer, Exchange, Transport};

/// How redirects are followed.
#[derive(Debug)]
pub(crate) struct Redirects {
    /// How many of one attempt are followed.
    pub(crate) limit: u32,
    /// The header that tells the time left.
    pub(crate) deadline_header: Option<HeaderName>,
    pub(crate) origins: Arc<Origins>,
}

/// The request as the redirects so far have changed it.
struct RedirectedRequest<'a> {
    endpoint: Arc<Endpoint>,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    source: Option<&'a BodyReader>,
}

impl Redirects {
    /// Carries `first` out over `transport`, and what its answers lead to.
    pub(crate) async fn follow(
        &self,
        transport: &impl Transport,
        first: &Exchange<'_>,
    ) -> Result<Answer, Failure> {
        // A redirect's body may be as large as it likes: it is read only where it is handed over.
        let streamed = |status| first.streams.is_some_and(|streams| streams(status));
        let streams = |status| is_redirect(status) || streamed(status);
        let streams = Some(&streams as &(dyn Fn(_) -> _ + Sync));
        let begun = clock::now();
        let mut answer = transport.send(&Exchange { streams, ..*first }).await?;
        if !is_redirect(answer.status) {
            return Ok(answer);
        }
        let hand_over = async |answer: Answer| match streamed(answer.status) {
            true => Ok(answer),
            false => answer.whole(first.max_body).await,
        };
        let mut request = RedirectedRequest::of(first);
        for followed in 0.. {
            let Some((origin, path)) = request.next(&answer) else {
                return hand_over(answer).await;
            };
            if followed == self.limit {
                let detail = format!("more than {} redirects", self.limit);
                return Err(Failure::sent(FailureKind::TooManyRedirects, detail));
            }
            request.turn(answer.status);
            if request.source.is_some_and(|source| !source.can_repeat()) {
                return hand_over(answer).await;
            }
            drain(answer).await;
            request.go(origin, path, first.endpoint, &self.origins);
            if let Some(name) = &self.deadline_header {
                request.tell_time_left(name, first, clock::now() - begun);
            }
            let failed = |failure| request.failed(failure, first.endpoint);
            answer = transport.send(&request.exchange(first, streams)).await.map_err(failed)?;
            answer.moved_to = Some(format!("{}{}", request.endpoint.url(), request.path).into());
        }
        Ok(answer)
    }
}

impl<'a> RedirectedRequest<'a> {
    fn of(first: &Exchange<'a>) -> Self {
        Self {
            endpoint: Arc::clone(first.endpoint),
            method: first.method.clone(),
            path: first.path.to_owned(),
            headers: first.headers.clone(),
            body: first.body.clone(),
            source: first.source,
        }
    }

    fn exchange<'b>(
        &'b self,
        first: &Exchange<'b>,
        streams: Option<&'b (dyn Fn(StatusCode) -> bool + Sync)>,
    ) -> Exchange<'b> {
        Exchange {
            endpoint: &self.endpoint,
            method: &self.method,
            path: &self.path,
            headers: &self.headers,
            body: &self.body,
            source: self.source,
            streams,
            // Another endpoint.
            met: &[],
            ..*first
        }
    }

    /// Where the answer to this request leads; `None` where it is no redirect, or one that cannot be followed.
    fn next(&self, answer: &Answer) -> Option<(Origin, String)> {
        if !is_redirect(answer.status) {
            return None;
        }
        let mut locations = answer.headers.get_all(header::LOCATION).iter();
        let location = locations.next()?;
        // Two that differ: whom to believe?
        if locations.any(|other| other != location) {
            return None;
        }
        resolve(&self.endpoint, &self.path, location.as_bytes())
    }

    /// Becomes a GET without a body where the status says so.
    fn turn(&mut self, status: StatusCode) {
        let becomes_get = match status {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            StatusCode::SEE_OTHER => self.method != Method::HEAD,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            (self.body, self.source) = (Bytes::new(), None);
            OF_THE_BODY.iter().for_each(|name| drop(self.headers.remove(name)));
        }
    }

    fn go(&mut self, origin: Origin, path: String, first: &Arc<Endpoint>, origins: &Origins) {
        if origin != Origin::of(&self.endpoint) {
            self.keep_harmless_headers();
        }
        self.endpoint = match origin == Origin::of(first) {
            true => Arc::clone(first),
            false => origins.endpoint(origin),
        };
        self.path = path;
    }

    /// Tells what is left of the time that the `first` request told, where this one may tell it.
    fn tell_time_left(&mut self, name: &HeaderName, first: &Exchange<'_>, spent: Duration) {
        let told = first.headers.get(name).filter(|_| self.headers.contains_key(name));
        let left = told.and_then(|told| deadline::parse(name.as_str(), told.as_bytes()));
        let left = left.map(|left| deadline::told(name.as_str(), left.saturating_sub(spent)));
        if let Some(Ok(left)) = left.map(HeaderValue::try_from) {
            self.headers.insert(name, left);
        }
    }

    /// Something was sent, whatever becomes of the rest. The attempt bears the URL that it began with: another is told.
    fn failed(&self, failure: Failure, first: &Arc<Endpoint>) -> Failure {
        let detail = match Arc::ptr_eq(&self.endpoint, first) {
            true => failure.detail,
            false => format!("redirected to {}: {}", self.endpoint.url(), failure.detail),
        };
        Failure { sent: true, detail, ..failure }
    }

    /// Drops the headers that are meant for one server.
    fn keep_harmless_headers(&mut self) {
        let headers = std::mem::take(&mut self.headers);
        let mut name = None;
        for (next, value) in headers {
            name = next.or(name);
            if let Some(name) = name.as_ref().filter(|name| is_harmless(name)) {
                self.headers.append(name.clone(), value);
            }
        }
    }
}

/// Reads what is left of a redirect, so that its connection can be used again, unless it is much or comes slowly.
async fn drain(answer: Answer) {
    let Some(mut live) = answer.live else { return };
    let reading = async {
        let mut left = DRAINED;
        while let Some(Ok(piece)) = live.next().await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(PATIENCE, reading).await;
}

/// A page that says where something has moved to is shorter.
const DRAINED: usize = 64 << 10;

/// A new connection takes a round trip or three: waiting for longer than that is no gain.
const PATIENCE: Duration = Duration::from_millis(100);

/// Not 300, which leaves a choice, nor 304 to 306, which lead nowhere.
fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// A location as browsers read it, seen from `path` on `endpoint`; `None` for what is not http or https, cannot be
/// read, or holds credentials.
fn resolve(endpoint: &Endpoint, path: &str, location: &[u8]) -> Option<(Origin, String)> {
    let (scheme, authority) = (endpoint.scheme().as_str(), endpoint.authority());
    let base = Url::parse(&format!("{scheme}://{authority}{path}")).ok()?;
    let location = match std::str::from_utf8(location) {
        Ok(location) => location.to_owned(),
        Err(_) => location.iter().map(encoded).collect(),
    };
    let mut url = base.join(&location).ok()?;
    url.set_fragment(None);
    parse_url("location", url.as_str()).ok()
}

fn encoded(byte: &u8) -> String {
    if byte.is_ascii() { char::from(*byte).to_string() } else { format!("%{byte:02X}") }
}

/// What another origin may know. All else may be a secret, whatever its name.
fn is_harmless(name: &HeaderName) -> bool {
    HARMLESS.contains(name) || OF_THE_BODY.contains(name)
}

const HARMLESS: [HeaderName; 13] = [
    header::ACCEPT,
    header::ACCEPT_CHARSET,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CACHE_CONTROL,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::PRAGMA,
    header::RANGE,
    header::USER_AGENT,
];

/// Headers that stay and go with the body.
const OF_THE_BODY: [HeaderName; 5] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    header::CONTENT_TYPE,
    header::EXPECT,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn from(url: &str, location: &[u8]) -> Option<String> {
        let (origin, path) = parse_url("path", url).unwrap();
        let (origin, path) = resolve(&origin.endpoint(), &path, location)?;
        Some(format!("{}{path}", origin.endpoint().url()))
    }

    #[test]
    fn locations_are_read_as_browsers_read_them() {
        for (location, url) in [
            ("/x?y#z", "http://a:80/x?y"),
            ("x", "http://a:80/b/x"),
            ("?q", "http://a:80/b/c?q"),
            ("", "http://a:80/b/c?d"),
            ("../x", "http://a:80/x"),
            ("../../../x", "http://a:80/x"),
            ("//B:81/x", "http://b:81/x"),
            ("https://b", "https://b:443/"),
            ("HTTP:/x", "http://a:80/x"),
            (" /x ", "http://a:80/x"),
            ("/a b\"<>", "http://a:80/a%20b%22%3C%3E"),
            ("/\u{e9}", "http://a:80/%C3%A9"),
            ("http://[::1]:5/", "http://[::1]:5/"),
            ("http://b:/x", "http://b:80/x"),
            ("http://b\u{fc}cher.example/", "http://xn--bcher-kva.example:80/"),
            ("http:\\\\b\\x", "http://b:80/x"),
        ] {
            let found = from("http://a/b/c?d", location.as_bytes());
            assert_eq!(found.as_deref(), Some(url), "{location:?}");
        }
        assert_eq!(from("http://a/", b"/caf\xe9").as_deref(), Some("http://a:80/caf%E9"));
    }

    #[test]
    fn what_cannot_be_followed_leads_nowhere() {
        for location in [
            "ftp://a/x",
            "javascript:alert(1)",
            "data:text/html,x",
            "mailto:a@b",
            "file:///etc/passwd",
            "http://",
            "http://:80/",
            "http://a:99999/",
            "http://u:p@b/",
            "http://u@b/",
            "http://[::1/",
            "http://a b/",
            "//",
        ] {
            assert_eq!(from("http://a/b", location.as_bytes()), None, "{location}");
        }
        assert_eq!(from("http://a/", &[b'/'; 70_000]), None, "too long");
    }

    #[test]
    fn what_may_be_a_secret_is_not_harmless() {
        for name in ["authorization", "cookie", "x-api-key", "host", "x-amz-security-token"] {
            assert!(!is_harmless(&HeaderName::from_static(name)), "{name}");
        }
        assert!(is_harmless(&header::ACCEPT) && is_harmless(&header::CONTENT_TYPE));
    }
}
