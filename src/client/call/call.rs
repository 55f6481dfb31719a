//! One call, made ready once for all its attempts.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::cancellation::Cancellation;
use super::propagation;
use crate::client::Client;
use crate::client::route::Target;
use crate::config::{ClientConfig, DEFAULT_ATTEMPT_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, KeySource};
use crate::error::Error;
use crate::policy::TraceParent;
use crate::policy::balance::hash_bytes;
use crate::request::{Request, check_target};
use crate::source::{BodyReader, Source};

/// What one caller asked of one client.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) client: &'a Client,
    pub(crate) cancellation: Cancellation<'a>,
    pub(crate) request: &'a Request,
    /// The hold on the source of the request's body.
    pub(crate) body_reader: Option<BodyReader>,
    pub(crate) target: Target<'a>,
    pub(crate) headers: Cow<'a, HeaderMap>,
    /// The trace that each attempt is a span of.
    pub(crate) trace: Option<TraceParent>,
    /// What a balancer that goes by key goes by.
    pub(crate) key: Option<u64>,
    pub(crate) started: Instant,
    /// `None` where the call has no limit.
    pub(crate) deadline: Option<Instant>,
}

/// The limits of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) attempt: Duration,
    pub(crate) connect: Duration,
    /// The call's deadline, not the attempt's own limit, ends it first.
    pub(crate) by_deadline: bool,
}

impl<'a> Call<'a> {
    /// Checks the request against the client and merges their headers.
    pub(crate) fn new(
        client: &'a Client,
        request: &'a Request,
        cancellation: Cancellation<'a>,
        started: Instant,
    ) -> Result<Self, Error> {
        let target = Self::check(client, request)?;
        let timeout = propagation::timeout(&client.config, request);
        let mut headers = merged(&client.config, request);
        let trace = propagation::trace(&client.config, request, &mut headers);
        let key = request.key.or_else(|| key(target.balancer()?.key_source(), &headers));
        Ok(Self {
            client,
            cancellation,
            request,
            body_reader: request.source.as_ref().map(Source::hold).transpose()?,
            target,
            headers,
            trace,
            key,
            started,
            deadline: started.checked_add(timeout),
        })
    }

    /// Where the request goes, if it fits the client.
    pub(crate) fn check(client: &'a Client, request: &'a Request) -> Result<Target<'a>, Error> {
        check_target("path", &request.target)?;
        client.route.target(&request.target)
    }

    /// Whether a copy of an attempt may be sent at all. A body that is drawn from the host cannot be read twice
    /// at once.
    pub(crate) fn may_hedge(&self) -> bool {
        let config = &self.client.config;
        config.hedge.delay.is_some()
            && self.body_reader.is_none()
            && self.target.balancer().is_some()
            && (self.request.is_idempotent() || config.retry.any_method)
    }

    /// [`Duration::MAX`] where the call has no limit.
    pub(crate) fn time_left(&self, now: Instant) -> Duration {
        self.deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(now))
    }

    /// The limits of the next attempt, when `tries_left` remain with it.
    pub(crate) fn limits(
        &self,
        now: Instant,
        tries_left: Option<u32>,
        probe: Option<Duration>,
    ) -> Limits {
        let config = &self.client.config;
        limits(config, self.time_left(now), tries_left, probe)
    }
}

/// An unset limit is the default, but no more than the attempt's share of the time left: the first endpoint
/// that hangs must not eat what the others need.
fn limits(
    config: &ClientConfig,
    time_left: Duration,
    tries_left: Option<u32>,
    probe: Option<Duration>,
) -> Limits {
    let share = tries_left.map_or(time_left, |tries| time_left / tries.max(1));
    let own = config.attempt_timeout.unwrap_or_else(|| DEFAULT_ATTEMPT_TIMEOUT.min(share));
    let own = probe.map_or(own, |limit| own.min(limit));
    let connect = config.connect_timeout.unwrap_or_else(|| DEFAULT_CONNECT_TIMEOUT.min(share));
    Limits { attempt: own.min(time_left), connect, by_deadline: own >= time_left }
}

/// The client's defaults, replaced by name by the request's, and the inbound headers that pass.
fn merged<'a>(config: &'a ClientConfig, request: &Request) -> Cow<'a, HeaderMap> {
    if request.headers.is_empty() && request.inbound.is_empty() {
        return Cow::Borrowed(&config.headers);
    }
    let mut headers = config.headers.clone();
    for (name, value) in &request.inbound {
        forward(config, name, value, &mut headers);
    }
    for name in request.headers.keys() {
        headers.remove(name);
    }
    for (name, value) in &request.headers {
        headers.append(name.clone(), value.clone());
    }
    Cow::Owned(headers)
}

/// The key that a header or a cookie states.
fn key(source: &KeySource, headers: &HeaderMap) -> Option<u64> {
    let bytes = match source {
        KeySource::Request => return None,
        KeySource::Header(name) => headers.get(name)?.as_bytes(),
        KeySource::Cookie(name) => {
            let values = headers.get_all(header::COOKIE).iter();
            values.filter_map(|value| cookie(value, name)).next()?.as_bytes()
        }
    };
    Some(hash_bytes(bytes))
}

/// The value of the named pair of a `Cookie` header.
pub(super) fn cookie<'a>(header: &'a HeaderValue, name: &str) -> Option<&'a str> {
    let mut pairs = header.to_str().ok()?.split(';').map(str::trim);
    pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn forward(config: &ClientConfig, name: &HeaderName, value: &HeaderValue, headers: &mut HeaderMap) {
    if config.forward_headers.contains(name) {
        headers.append(name.clone(), value.clone());
    } else if name == header::COOKIE
        && let Some(kept) = kept_cookies(value, &config.forward_cookies)
    {
        headers.append(header::COOKIE, kept);
    }
}

/// The pairs of a `Cookie` header whose names are in `names`.
pub(super) fn kept_cookies(value: &HeaderValue, names: &[String]) -> Option<HeaderValue> {
    let text = value.to_str().ok()?;
    let wanted = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        names.iter().any(|wanted| wanted == name)
    };
    let kept: Vec<&str> = text.split(';').map(str::trim).filter(wanted).collect();
    if kept.is_empty() { None } else { HeaderValue::from_str(&kept.join("; ")).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn an_unset_limit_is_the_attempts_share() {
        let config = ClientConfig::default();
        let first = limits(&config, 300 * MS, Some(3), None);
        assert_eq!((first.attempt, first.connect, first.by_deadline), (100 * MS, 100 * MS, false));
        let last = limits(&config, 120 * MS, Some(1), None);
        assert_eq!((last.attempt, last.by_deadline), (120 * MS, true));
        let endless = limits(&config, Duration::MAX, None, None);
        assert_eq!(endless.attempt, DEFAULT_ATTEMPT_TIMEOUT);
        assert_eq!(endless.connect, DEFAULT_CONNECT_TIMEOUT);
    }

    #[test]
    fn a_set_limit_is_kept_but_for_probes_and_the_deadline() {
        let config = ClientConfig { attempt_timeout: Some(5_000 * MS), ..ClientConfig::default() };
        assert_eq!(limits(&config, 30_000 * MS, Some(3), None).attempt, 5_000 * MS);
        assert_eq!(limits(&config, 30_000 * MS, Some(3), Some(3_000 * MS)).attempt, 3_000 * MS);
        let late = limits(&config, 1_000 * MS, Some(3), None);
        assert_eq!((late.attempt, late.by_deadline), (1_000 * MS, true));
    }

    #[test]
    fn a_requests_header_replaces_the_default() {
        let mut config = ClientConfig::default();
        config.headers.insert("x-a", HeaderValue::from_static("default"));
        let mut request = Request::new(Method::GET, "/");
        request.headers.append("x-a", HeaderValue::from_static("1"));
        request.headers.append("x-a", HeaderValue::from_static("2"));
        let headers = merged(&config, &request);
        let values: Vec<_> = headers.get_all("x-a").iter().collect();
        assert_eq!(values, ["1", "2"]);
        assert!(headers.contains_key("user-agent"));
    }

    #[test]
    fn only_named_inbound_headers_and_cookies_pass() {
        let config = ClientConfig {
            forward_headers: vec![HeaderName::from_static("x-trace")],
            forward_cookies: vec!["session".into()],
            ..ClientConfig::default()
        };
        let mut request = Request::new(Method::GET, "/");
        request.inbound = vec![
            (HeaderName::from_static("x-trace"), HeaderValue::from_static("7")),
            (HeaderName::from_static("authorization"), HeaderValue::from_static("no")),
            (header::COOKIE, HeaderValue::from_static("a=1; session=2;b=3")),
        ];
        let headers = merged(&config, &request);
        assert_eq!(headers.get("x-trace").unwrap(), "7");
        assert_eq!(headers.get(header::COOKIE).unwrap(), "session=2");
        assert!(!headers.contains_key("authorization"));
    }
}
