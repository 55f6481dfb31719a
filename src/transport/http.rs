//! HTTP/1.1 through reqwest, for clients without a balancer: one URL, maybe redirects.
//!
//! What it cannot do decides who uses it: it dials what the authority says, and it does not tell whether a
//! byte of the request left. So everything but a failed connect counts as sent.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use once_cell::sync::OnceCell;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Client, ClientBuilder, Request, Url};
use tokio::task::yield_now;

use crate::endpoint::Scheme;
use crate::outcome::{Failure, FailureKind};

use super::dns::Resolver;
use super::failure::{Stage, cause_of};
use super::request::RequestBody;
use super::stream::{self, Content};
use super::tls::{Offer, Tls};
use super::{Answer, Exchange, Transport, body, request};

/// What the connections of an [`Http`] have in common.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Trust and identity.
    pub tls: Arc<Tls>,
    /// Resolves names, on a runtime that is always driven.
    pub resolver: Arc<Resolver>,
    /// Limit on resolving, TCP and TLS together, for every connection. The limit of a single
    /// exchange is not looked at.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// How many unused connections to one authority are kept. Each costs about 20 KB.
    pub max_idle_per_host: usize,
    /// How many redirects are followed; 0 hands the redirect over as the answer.
    pub redirects: usize,
}

#[cfg(test)]
impl HttpConfig {
    /// What no test waits for the end of. The defaults that users have stand in the settings.
    pub(crate) fn of_tests(tls: Arc<Tls>, resolver: Arc<Resolver>) -> Self {
        Self {
            tls,
            resolver,
            connect_timeout: Duration::from_secs(3),
            idle_timeout: Duration::from_secs(3600),
            max_idle_per_host: 32,
            redirects: 0,
        }
    }
}

/// The transport of clients without a balancer; one for each client and shard.
///
/// Its connections are tasks of the runtime that it is used in: a dropped exchange closes its socket when
/// that runtime is driven the next time.
pub struct Http {
    config: HttpConfig,
    plain: OnceCell<Client>,
    full: OnceCell<Client>,
}

impl Http {
    /// A transport without connections.
    #[must_use]
    pub fn new(config: HttpConfig) -> Self {
        Self { config, plain: OnceCell::new(), full: OnceCell::new() }
    }

    /// Roots are not loaded for one who never needs them.
    fn client(&self, scheme: Scheme) -> Result<&Client, Failure> {
        let unsent = |detail| Failure::unsent(FailureKind::Tls, detail);
        if scheme == Scheme::Http && self.config.redirects == 0 {
            let plain = || build(&self.config, Tls::unused_config()?);
            return self.plain.get_or_try_init(plain).map_err(unsent);
        }
        let full = || {
            let tls = self.config.tls.client_config(Offer::Http1)?;
            build(&self.config, rustls::ClientConfig::clone(&tls))
        };
        self.full.get_or_try_init(full).map_err(unsent)
    }
}

impl Transport for Http {
    async fn send(&self, exchange: &Exchange<'_>) -> Result<Answer, Failure> {
        let client = self.client(exchange.endpoint.scheme())?;
        let request = build_request(exchange)?;
        // Connections closed while nobody drove the runtime are noticed by their tasks now.
        yield_now().await;
        // From here on nobody knows how far it came.
        exchange.progress.mark_connected();
        exchange.progress.mark_sent();
        let sending = async {
            let reply = client.execute(request).await;
            reply.map_err(|error| failure(&error, FOLLOWED.with(Cell::get)))
        };
        let reply = FOLLOWED.scope(Cell::new(false), sending).await?;
        let (mut head, content) = ::http::Response::from(reply).into_parts();
        let reading = request::reading(exchange);
        if !exchange.is_streamed(head.status) {
            return body::read(head, content, reading).await;
        }
        let content = Content::open(&mut head, content, reading)?;
        Ok(stream::answer(head, content))
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

tokio::task_local! {
    /// Whether a redirect was followed: from then on, a failed connect no longer means that nothing was sent.
    static FOLLOWED: Cell<bool>;
}

fn build(config: &HttpConfig, tls: rustls::ClientConfig) -> Result<Client, String> {
    ClientBuilder::new()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Names(Arc::clone(&config.resolver)))
        // Neither the environment nor the system is asked for proxies.
        .no_proxy()
        // Whoever counts attempts must see them all.
        .retry(reqwest::retry::never())
        .redirect(redirects(config.redirects))
        .referer(false)
        .http1_only()
        .tcp_nodelay(true)
        .connect_timeout(config.connect_timeout)
        .pool_idle_timeout(config.idle_timeout)
        .pool_max_idle_per_host(config.max_idle_per_host)
        .build()
        .map_err(|error| format!("client not usable: {error}"))
}

fn redirects(limit: usize) -> Policy {
    match limit {
        0 => Policy::none(),
        _ => Policy::custom(move |attempt| follow(attempt, limit)),
    }
}

fn follow(attempt: Attempt<'_>, limit: usize) -> Action {
    if attempt.previous().len() > limit {
        return attempt.error(TOO_MANY_REDIRECTS);
    }
    let was_https = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    if was_https && attempt.url().scheme() != "https" {
        return attempt.error(DOWNGRADE);
    }
    let _ = FOLLOWED.try_with(|followed| followed.set(true));
    attempt.follow()
}

fn build_request(exchange: &Exchange<'_>) -> Result<Request, Failure> {
    // The URL type would quietly drop what breaks a line, and this refuses it.
    request::uri(exchange.path)?;
    let endpoint = exchange.endpoint;
    let (scheme, authority) = (endpoint.scheme().as_str(), endpoint.authority());
    let url = Url::parse(&format!("{scheme}://{authority}{}", exchange.path))
        .map_err(|_| Failure::unsent(FailureKind::Protocol, "url not valid"))?;
    let mut request = Request::new(exchange.method.clone(), url);
    let mut headers = request::headers(exchange);
    request::frame(exchange, &mut headers);
    *request.headers_mut() = headers;
    if exchange.source.is_some() {
        *request.body_mut() = Some(reqwest::Body::wrap(RequestBody::of(exchange)?));
    } else if !exchange.body.is_empty() {
        *request.body_mut() = Some(exchange.body.clone().into());
    }
    Ok(request)
}

fn failure(error: &reqwest::Error, followed: bool) -> Failure {
    if error.is_builder() {
        return Failure::unsent(FailureKind::Protocol, "url not valid");
    }
    if error.is_redirect() {
        return Failure::sent(FailureKind::Protocol, redirect_detail(error));
    }
    if !error.is_connect() {
        return cause_of(error, Stage::Exchange).failure(true);
    }
    let mut failure = cause_of(error, Stage::Connect).failure(followed);
    if error.is_timeout() {
        failure.kind = FailureKind::ConnectTimeout;
        "no connection within the limit".clone_into(&mut failure.detail);
    }
    failure
}

/// The policy's own words; anything else in there would quote a URL.
fn redirect_detail(error: &reqwest::Error) -> &'static str {
    let said = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    [TOO_MANY_REDIRECTS, DOWNGRADE]
        .into_iter()
        .find(|detail| *detail == said)
        .unwrap_or("redirect not valid")
}

/// Gives reqwest the same resolver that the direct transport has.
struct Names(Arc<Resolver>);

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = Arc::clone(&self.0);
        Box::pin(async move {
            let found = resolver.lookup(name.as_str()).await?;
            // Port 0 stands for the URL's.
            let addresses: Addrs = Box::new(found.into_iter().map(|address| (address, 0).into()));
            Ok(addresses)
        })
    }
}

const TOO_MANY_REDIRECTS: &str = "too many redirects";
const DOWNGRADE: &str = "redirect from https to http refused";
