//! Where a client's requests go.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use http::Uri;

use crate::balancer::attempted::Attempted;
use crate::balancer::balancer::{Balancer, NoneAdmits};
use crate::balancer::lease::Lease;
use crate::endpoint::{Endpoint, Host, Scheme};
use crate::error::Error;
use crate::policy::ProbeEligibility;

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
        let (endpoint, path) = parse_url("base_url", url)?;
        if path.contains('?') {
            return Err(Error::invalid("base_url", "holds a query"));
        }
        Ok(Self::Base { endpoint: Arc::new(endpoint), path: path.trim_end_matches('/').to_owned() })
    }

    /// The way of a request for `target`.
    pub(crate) fn target<'a>(&'a self, target: &'a str) -> Result<Target<'a>, Error> {
        let absolute = !target.starts_with('/');
        match self {
            Self::Balanced(balancer) => {
                if absolute {
                    let problem = "must start with / on a client with a balancer";
                    return Err(Error::invalid("path", problem));
                }
                Ok(Target { to: Destination::Balancer(balancer), path: Cow::Borrowed(target) })
            }
            Self::Base { endpoint, path } if !absolute => Ok(Target {
                to: Destination::Endpoint(Arc::clone(endpoint)),
                path: Cow::Owned(format!("{path}{target}")),
            }),
            Self::Absolute if !absolute => {
                let problem =
                    "must be an absolute url on a client without a balancer and a base url";
                Err(Error::invalid("path", problem))
            }
            Self::Base { .. } | Self::Absolute => {
                let (endpoint, path) = parse_url("path", target)?;
                Ok(Target { to: Destination::Endpoint(Arc::new(endpoint)), path: Cow::Owned(path) })
            }
        }
    }
}

impl Target<'_> {
    pub(crate) fn lease(
        &self,
        attempted: &Attempted,
        key: Option<u64>,
        probing: ProbeEligibility,
        now: Instant,
    ) -> Result<Lease, NoneAdmits> {
        match &self.to {
            Destination::Balancer(balancer) => balancer.lease(attempted, key, probing, now),
            Destination::Endpoint(endpoint) => Ok(Lease::fixed(Arc::clone(endpoint))),
        }
    }

    pub(crate) fn balancer(&self) -> Option<&Arc<Balancer>> {
        match &self.to {
            Destination::Balancer(balancer) => Some(balancer),
            Destination::Endpoint(_) => None,
        }
    }

    /// Whether an endpoint not in `attempted` admits.
    pub(crate) fn has_unattempted(&self, attempted: &Attempted, now: Instant) -> bool {
        self.balancer().is_some_and(|balancer| balancer.has_unattempted(attempted, now))
    }

    /// Whether any endpoint admits.
    pub(crate) fn has_any(&self, now: Instant) -> bool {
        self.balancer().is_none_or(|balancer| balancer.has_any(now))
    }
}

/// The server and the path of an absolute URL.
fn parse_url(parameter: &str, url: &str) -> Result<(Endpoint, String), Error> {
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
    let port = match (uri.port_u16(), authority.as_str().ends_with(authority.host())) {
        (Some(0), _) | (None, false) => return Err(invalid("has no valid port")),
        (Some(port), _) => port,
        (None, true) => scheme.default_port(),
    };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    if name.is_empty() {
        return Err(invalid("has no host"));
    }
    // A zone's `%` is itself escaped in a URL (RFC 6874).
    let mut host = Host::new(name.replacen("%25", "%", 1), port);
    host.scheme = Some(scheme);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok((Endpoint::new(host), path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Option<(String, String)> {
        let (endpoint, path) = parse_url("path", url).ok()?;
        Some((endpoint.url().as_ref().to_owned(), path))
    }

    #[test]
    fn urls_are_taken_apart() {
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(parsed("http://a"), pair("http://a:80", "/"));
        assert_eq!(parsed("https://a/x?y=1"), pair("https://a:443", "/x?y=1"));
        assert_eq!(parsed("http://[::1]:81/"), pair("http://[::1]:81", "/"));
        assert_eq!(parsed("http://a?x"), pair("http://a:80", "/?x"));
        for bad in [
            "ftp://a/",
            "http://",
            "http://u:p@a/",
            "http://a:0/",
            "http://a:99999/",
            "x",
            "http://a:/",
        ] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_base_path_comes_before_the_requests() {
        let base = Route::base("http://a/api/").unwrap();
        assert_eq!(base.target("/x").unwrap().path, "/api/x");
        assert_eq!(base.target("http://b/x").unwrap().path, "/x");
        assert!(Route::base("http://a/?x").is_err());
    }
}
