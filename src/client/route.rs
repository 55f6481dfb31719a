//! Where a client's requests go.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use http::Uri;

use super::origins::{Origin, Origins};
use crate::balancer::balancer::Balancer;
use crate::balancer::lease::Lease;
use crate::balancer::pick::attempted::Attempted;
use crate::balancer::pick::constraints::PickConstraints;
use crate::balancer::pick::error::PickError;
use crate::endpoint::{Endpoint, Scheme, without_brackets};
use crate::error::Error;
use crate::request::{MAX_TARGET, check_target, climbs, too_long};

/// Where a client's requests go.
#[derive(Clone, Debug)]
pub enum Route {
    /// To the endpoints of a balancer.
    Balanced(Arc<Balancer>),
    /// To one URL, whose path comes before each request's.
    Base {
        /// The URL's server.
        endpoint: Arc<Endpoint>,
        /// The URL's path, without a `/` at its end.
        path: String,
    },
    /// To the absolute URL of each request.
    Absolute,
}

/// One call's route: its endpoints, and its path there.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    to: Destination<'a>,
    pub(crate) path: Cow<'a, str>,
}

#[derive(Debug)]
enum Destination<'a> {
    Balancer(&'a Arc<Balancer>),
    Endpoint(Arc<Endpoint>),
}

impl Route {
    /// The route to a base URL.
    ///
    /// # Errors
    /// It is no absolute http or https URL, or holds credentials or a query.
    pub fn base(url: &str) -> Result<Self, Error> {
        check_target("base_url", url)?;
        let (origin, path) = parse_url("base_url", url)?;
        if path.contains('?') {
            return Err(Error::invalid("base_url", "holds a query"));
        }
        Ok(Self::Base { endpoint: origin.endpoint(), path: path.trim_end_matches('/').to_owned() })
    }

    /// The balancer, if there is one.
    pub(crate) fn balancer(&self) -> Option<&Arc<Balancer>> {
        match self {
            Self::Balanced(balancer) => Some(balancer),
            Self::Base { .. } | Self::Absolute => None,
        }
    }

    /// Where a request for `target` goes; `origins` knows the servers of absolute URLs.
    ///
    /// # Errors
    /// The target does not fit the route: another server than the base URL's, or a path that leaves the base's.
    pub(crate) fn target<'a>(
        &'a self,
        target: &'a str,
        origins: &Origins,
    ) -> Result<Target<'a>, Error> {
        let invalid = |problem: &str| Err(Error::invalid("path", problem));
        let absolute = !target.starts_with('/');
        match self {
            Self::Balanced(_) if absolute => {
                invalid("must start with / on a client with a balancer")
            }
            Self::Balanced(balancer) => {
                Ok(Target { to: Destination::Balancer(balancer), path: Cow::Borrowed(target) })
            }
            Self::Base { .. } if absolute && !target.contains("://") => {
                invalid("must start with / on a client with a base url")
            }
            Self::Base { endpoint, path } => {
                let path = match absolute {
                    true => Cow::Owned(below_base(endpoint, path, target)?),
                    false => joined(path, target)?,
                };
                Ok(Target { to: Destination::Endpoint(Arc::clone(endpoint)), path })
            }
            Self::Absolute if !absolute => {
                invalid("must be an absolute url on a client without a balancer and a base url")
            }
            Self::Absolute => {
                let (origin, path) = parse_url("path", target)?;
                let endpoint = origins.endpoint(origin);
                Ok(Target { to: Destination::Endpoint(endpoint), path: Cow::Owned(path) })
            }
        }
    }
}

/// The path below a base URL's. A server that takes `..` for a step up, in whatever form, would leave the base.
fn joined<'a>(base: &str, target: &'a str) -> Result<Cow<'a, str>, Error> {
    if base.is_empty() {
        return Ok(Cow::Borrowed(target));
    }
    if climbs(target) {
        return Err(Error::invalid("path", "climbs with .. and could leave the base url's path"));
    }
    if base.len() + target.len() > MAX_TARGET {
        return Err(too_long("path"));
    }
    Ok(Cow::Owned(format!("{base}{target}")))
}

/// The path of an absolute URL, which must be the base URL's server and below its path: the client's headers,
/// credentials among them, are meant for nothing else.
fn below_base(endpoint: &Endpoint, base: &str, target: &str) -> Result<String, Error> {
    let invalid = |problem: &str| Err(Error::invalid("path", problem));
    let (origin, path) = parse_url("path", target)?;
    if origin != Origin::of(endpoint) {
        return invalid("is a url of another server than the base url's; use a client without one");
    }
    let rest = path.strip_prefix(base);
    let below = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    if !base.is_empty() && (!below || climbs(&path)) {
        return invalid("is a url outside of the base url's path");
    }
    Ok(path)
}

impl Target<'_> {
    pub(crate) fn lease(
        &self,
        attempted: &Attempted,
        key: Option<u64>,
        constraints: PickConstraints,
        now: Instant,
    ) -> Result<Lease, PickError> {
        match &self.to {
            Destination::Balancer(balancer) => balancer.lease(attempted, key, constraints, now),
            Destination::Endpoint(endpoint) => Ok(Lease::fixed(Arc::clone(endpoint))),
        }
    }

    pub(crate) fn balancer(&self) -> Option<&Arc<Balancer>> {
        match &self.to {
            Destination::Balancer(balancer) => Some(balancer),
            Destination::Endpoint(_) => None,
        }
    }

    /// Whether more endpoints are well than the call has `tried`.
    pub(crate) fn stands_by(&self, tried: usize) -> bool {
        self.balancer().is_some_and(|balancer| balancer.stands_by(tried))
    }

    /// Whether an endpoint not in `attempted` admits.
    pub(crate) fn has_unattempted(&self, attempted: &Attempted, now: Instant) -> bool {
        self.balancer().is_some_and(|balancer| balancer.has_unattempted(attempted, now))
    }

    /// Whether what the call `attempted` fails and the service does not.
    pub(crate) fn fail_alone(&self, attempted: &Attempted, now: Instant) -> bool {
        let balancer = self.balancer();
        attempted.fail_alone(now, &|| balancer.is_some_and(|it| it.well_ones_answer(now)))
    }

    /// Whether an endpoint not in `attempted` admits, and owes no answer beyond its limit.
    pub(crate) fn has_elsewhere(&self, attempted: &Attempted, now: Instant) -> bool {
        self.balancer().is_some_and(|balancer| balancer.has_elsewhere(attempted, now))
    }

    /// Whether any endpoint admits.
    pub(crate) fn has_any(&self, now: Instant) -> bool {
        self.balancer().is_none_or(|balancer| balancer.has_any(now))
    }
}

/// The server and the path of an absolute URL.
pub(crate) fn parse_url(parameter: &str, url: &str) -> Result<(Origin, String), Error> {
    let invalid = |problem: &str| Error::invalid(parameter, problem);
    let uri: Uri = url.parse().map_err(|_| invalid("is not a url"))?;
    let scheme = match uri.scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        Some(_) => return Err(invalid("has a scheme other than http and https")),
        None => return Err(invalid("must be an absolute url: http://host/path")),
    };
    let authority = uri.authority().ok_or_else(|| invalid("has no host"))?;
    if authority.as_str().contains('@') {
        return Err(invalid("holds credentials; send them as a header"));
    }
    let port = match (uri.port_u16(), authority.as_str().strip_prefix(authority.host())) {
        (Some(port @ 1..), _) => port,
        // A port that is left out may leave its colon behind (RFC 3986, section 3.2.3).
        (None, Some("" | ":")) => scheme.default_port(),
        _ => return Err(invalid("has no valid port")),
    };
    let name = without_brackets(authority.host());
    let name = name.ok_or_else(|| invalid("has a host that is no name"))?;
    if name.is_empty() {
        return Err(invalid("has no host"));
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    // A zone's `%` is itself escaped in a URL (RFC 6874).
    let host = name.replacen("%25", "%", 1).to_ascii_lowercase();
    Ok((Origin { scheme, host, port }, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Option<(String, String)> {
        let (origin, path) = parse_url("path", url).ok()?;
        Some((origin.endpoint().url().as_ref().to_owned(), path))
    }

    fn path(route: &Route, target: &str) -> Result<String, String> {
        match route.target(target, &Origins::default()) {
            Ok(target) => Ok(target.path.into_owned()),
            Err(error) => Err(error.message().to_owned()),
        }
    }

    #[test]
    fn urls_are_taken_apart() {
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(parsed("http://a"), pair("http://a:80", "/"));
        assert_eq!(parsed("https://A/x?y=1"), pair("https://a:443", "/x?y=1"));
        assert_eq!(parsed("http://[::1]:81/"), pair("http://[::1]:81", "/"));
        assert_eq!(parsed("http://[fe80::1%25eth0]/"), pair("http://[fe80::1%eth0]:80", "/"));
        assert_eq!(parsed("http://a?x"), pair("http://a:80", "/?x"));
        assert_eq!(parsed("http://a:/"), pair("http://a:80", "/"));
        assert_eq!(parsed("https://a:?x"), pair("https://a:443", "/?x"));
        assert_eq!(parsed("http://[::1]:/x"), pair("http://[::1]:80", "/x"));
        for bad in [
            "ftp://a/",
            "http://",
            "http://u:p@a/",
            "http://a:0/",
            "http://a:99999/",
            "http://a:x/",
            "http://a::/",
            "http://:/",
            "x",
            "http://a[b::1]:80/",
            "http://[a]/",
            "http://[::1%25eth0]x/",
        ] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_base_path_comes_before_the_requests() {
        let base = Route::base("http://a/api/").unwrap();
        assert_eq!(path(&base, "/x").unwrap(), "/api/x");
        assert_eq!(path(&base, "//x").unwrap(), "/api//x");
        assert!(Route::base("http://a/?x").is_err());
    }

    #[test]
    fn nothing_leaves_the_path_or_the_server_of_a_base() {
        let base = Route::base("http://a/api").unwrap();
        for target in ["http://A:80/api/x", "http://a/api?x"] {
            assert!(path(&base, target).is_ok(), "{target}");
        }
        for target in [
            "http://b/api/x",
            "https://a/api/x",
            "http://a:81/api/x",
            "http://a/x",
            "http://a/",
            "http://a/apis",
            "http://a/api/../x",
            "http://a/api/%2e%2e/x",
            "/../x",
            "/x/%2E%2e",
        ] {
            assert!(path(&base, target).unwrap_err().starts_with("path: "), "{target}");
        }
    }

    #[test]
    fn without_a_base_path_there_is_nothing_to_leave() {
        let base = Route::base("http://a").unwrap();
        for target in ["/../x", "/a/%2e%2e/b", "http://a/../x", "/"] {
            assert!(path(&base, target).is_ok(), "{target}");
        }
        assert!(path(&base, "http://b/").is_err());
    }
}
