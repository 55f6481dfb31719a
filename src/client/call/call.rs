//! One call, made ready once for all its attempts.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::cancellation::Cancellation;
use super::{idempotency, propagation};
use crate::body_source::{BodyReader, BodySource};
use crate::client::admission::timing::Timing;
use crate::client::core::Core;
use crate::client::observe::attribution;
use crate::client::route::Target;
use crate::config::{ClientConfig, ENDLESS_RETRIES, KeySource};
use crate::error::Error;
use crate::outcome::{Failure, FailureKind};
use crate::policy::balance::hash_bytes;
use crate::policy::{OwnRetry, RetryConfig, RetryOn, TraceParent};
use crate::request::{Request, check_target};
use crate::statistics::Stripe;

/// What one caller asked of one client.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) core: &'a Core,
    /// Where the shard or I/O thread counts that drives the call.
    pub(crate) stripe: &'a Stripe,
    pub(crate) cancellation: Cancellation<'a>,
    pub(crate) request: &'a Request,
    /// The hold on the source of the request's body.
    pub(crate) body_reader: Option<BodyReader>,
    pub(crate) target: Target<'a>,
    pub(crate) headers: Cow<'a, HeaderMap>,
    /// Rules of its own, in place of the client's.
    own_retry: Option<Box<RetryConfig>>,
    /// The trace that each attempt is a span of.
    pub(crate) trace: Option<TraceParent>,
    /// What a balancer that goes by key goes by.
    pub(crate) key: Option<u64>,
    /// How long answers take to calls like this one.
    pub(crate) timing: &'a Timing,
    pub(crate) started: Instant,
    /// `None` where the call has no limit.
    pub(crate) deadline: Option<Instant>,
}

impl<'a> Call<'a> {
    /// Checks the request against the client and merges their headers.
    pub(crate) fn new(
        (core, stripe): (&'a Core, &'a Stripe),
        request: &'a Request,
        body_reader: Option<BodyReader>,
        cancellation: Cancellation<'a>,
        started: Instant,
    ) -> Result<Self, Error> {
        let target = Self::check(core, request)?;
        let timeout = propagation::timeout(&core.config, request);
        let mut headers = merged(&core.config, request);
        let trace = propagation::trace(&core.config, request, &mut headers);
        if let Some(key) = &request.idempotency_key {
            idempotency::insert(key, headers.to_mut());
        }
        if core.config.expect_continue && request.has_body() {
            let expected = HeaderValue::from_static("100-continue");
            headers.to_mut().entry(header::EXPECT).or_insert(expected);
        }
        let key = request.key.or_else(|| key(target.balancer()?.key_source(), &headers));
        Ok(Self {
            core,
            stripe,
            cancellation,
            request,
            body_reader,
            target,
            headers,
            own_retry: own_retry(core, request, timeout)?,
            trace,
            key,
            timing: core.admission().timing(request.group.as_deref(), &core.config, started),
            started,
            deadline: started.checked_add(timeout),
        })
    }

    /// Takes the source of the request's body, where it has one, for a call.
    ///
    /// # Errors
    /// Another call has it.
    pub(crate) fn hold_body(request: &Request) -> Result<Option<BodyReader>, Error> {
        request.source.as_ref().map(BodySource::hold).transpose()
    }

    /// Where the request goes, if it fits the client.
    pub(crate) fn check(core: &'a Core, request: &'a Request) -> Result<Target<'a>, Error> {
        check_target("path", &request.target)?;
        core.route.target(&request.target, core.origins())
    }

    /// What is tried again, how often and after which wait.
    #[inline]
    pub(crate) fn retry(&self) -> &RetryConfig {
        self.own_retry.as_deref().unwrap_or(&self.core.config.retry)
    }

    /// Runs what may make events, which are then of this call.
    #[inline]
    pub(crate) fn causing<R>(&self, work: impl FnOnce() -> R) -> R {
        attribution::of_call(self.request.user_data.as_ref(), work)
    }

    /// What its endpoints are asked for.
    pub(crate) fn path(&self) -> Arc<str> {
        match &self.target.path {
            Cow::Borrowed(_) => Arc::clone(&self.request.target),
            Cow::Owned(path) => Arc::from(&**path),
        }
    }

    /// Whether the request may be carried out more than once.
    #[inline]
    pub(crate) fn is_repeatable(&self) -> bool {
        self.request.is_idempotent() || self.retry().any_method
    }

    /// A transport sees only a connection that broke where it was the body's source that failed.
    pub(crate) fn by_source(&self, failure: Failure) -> Failure {
        let fault = self.body_reader.as_ref().and_then(BodyReader::fault);
        match fault {
            Some(fault) => {
                Failure { kind: FailureKind::Source, detail: fault.to_owned(), ..failure }
            }
            None => failure,
        }
    }

    /// Whether another attempt may run beside one under way at all. A body that is drawn from the host cannot be read
    /// twice at once.
    #[inline]
    pub(crate) fn may_race(&self) -> bool {
        self.body_reader.is_none() && self.is_repeatable()
    }

    /// Whether the call can go on elsewhere when an attempt is late.
    pub(crate) fn can_look_elsewhere(&self) -> bool {
        let retry = self.retry();
        let has_tries = retry.tries.is_none_or(|tries| tries.get() > 1);
        self.may_race() && has_tries && retry.on.contains(RetryOn::TIMEOUT) || self.may_hedge()
    }

    /// Whether copies of attempts may start early.
    pub(crate) fn may_hedge(&self) -> bool {
        self.core.config.hedge.delay.is_some()
            && self.target.balancer().is_some()
            && self.may_race()
    }

    /// Whether its limit has passed.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|at| now >= at)
    }

    /// [`Duration::MAX`] where the call has no limit.
    pub(crate) fn time_left(&self, now: Instant) -> Duration {
        self.deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(now))
    }
}

/// The rules of a request that has some; boxed, for most have none.
fn own_retry(
    core: &Core,
    request: &Request,
    timeout: Duration,
) -> Result<Option<Box<RetryConfig>>, Error> {
    let own = request.extensions.get::<OwnRetry>().map(|own| own.over(&core.config.retry));
    if own.as_ref().unwrap_or(&core.config.retry).hammers() && timeout == Duration::MAX {
        return Err(Error::invalid("retry", ENDLESS_RETRIES));
    }
    Ok(own.map(Box::new))
}

/// The client's defaults, replaced by name by the request's, and the inbound headers that pass.
pub(super) fn merged<'a>(config: &'a ClientConfig, request: &Request) -> Cow<'a, HeaderMap> {
    if request.headers.is_empty() && request.inbound.is_empty() {
        return Cow::Borrowed(&config.headers);
    }
    let mut headers = config.headers.clone();
    forward(config, &request.inbound, &mut headers);
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
            values.filter_map(|value| cookie(value, name)).next()?
        }
    };
    Some(hash_bytes(bytes))
}

/// The value of the named pair of a `Cookie` header.
pub(super) fn cookie<'a>(header: &'a HeaderValue, name: &str) -> Option<&'a [u8]> {
    pairs(header).find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// The pairs of a `Cookie` header. They are bytes: one that is no text says nothing of the others.
fn pairs(header: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    header.as_bytes().split(|&byte| byte == b';').map(<[u8]>::trim_ascii)
}

type Inbound = [(HeaderName, HeaderValue)];

/// Puts the inbound headers that pass in place of the client's defaults.
fn forward(config: &ClientConfig, inbound: &Inbound, headers: &mut HeaderMap) {
    for name in config.forward_headers.iter().filter(|name| **name != header::COOKIE) {
        let mut values = inbound.iter().filter(|(other, _)| other == name).peekable();
        if values.peek().is_some() {
            headers.remove(name);
        }
        for (_, value) in values {
            headers.append(name.clone(), value.clone());
        }
    }
    forward_cookies(config, inbound, headers);
}

/// Puts the inbound cookies that pass beside the client's own. All stand in one line, as servers of HTTP/1.1 expect it;
/// HTTP/2 may have brought one for each.
fn forward_cookies(config: &ClientConfig, inbound: &Inbound, headers: &mut HeaderMap) {
    let passes_all = config.forward_headers.contains(&header::COOKIE);
    let values = inbound.iter().filter(|(name, _)| name == header::COOKIE).map(|(_, value)| value);
    let mut passing = values
        .filter_map(|value| match passes_all {
            true => Some(value.clone()),
            false => kept_cookies(value, &config.forward_cookies),
        })
        .peekable();
    if passing.peek().is_some() {
        let own = headers.get_all(header::COOKIE).iter().cloned();
        let lines: Vec<HeaderValue> = own.chain(passing).collect();
        let lines: Vec<&[u8]> = lines.iter().map(HeaderValue::as_bytes).collect();
        if let Ok(line) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
            headers.insert(header::COOKIE, line);
        }
    }
}

/// The pairs of a `Cookie` header whose names are in `names`.
pub(super) fn kept_cookies(value: &HeaderValue, names: &[String]) -> Option<HeaderValue> {
    let wanted = |pair: &&[u8]| {
        let name = pair.split(|&byte| byte == b'=').next().unwrap_or_default();
        names.iter().any(|wanted| wanted.as_bytes() == name)
    };
    let kept: Vec<&[u8]> = pairs(value).filter(wanted).collect();
    if kept.is_empty() { None } else { HeaderValue::from_bytes(&kept.join(&b"; "[..])).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

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
