//! HTTP/1.1 through reqwest, for calls that go through a proxy.
//!
//! reqwest speaks to proxies of all kinds, but does not tell whether a byte of the request left. So everything but
//! a failed connect counts as sent. It also rewrites some targets, and those are refused.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use once_cell::sync::OnceCell;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, ClientBuilder, Request, Url};
use tokio::task::yield_now;

use crate::endpoint::{Endpoint, Scheme};
use crate::outcome::{Failure, FailureKind};

use super::{Proxies, sockets};
use crate::transport::content::{self, Content};
use crate::transport::dns::{NameConfig, Resolver};
use crate::transport::failure::{Stage, cause_of};
use crate::transport::http1::head::check_framing;
use crate::transport::request::RequestBody;
use crate::transport::socket_options::SocketOptions;
use crate::transport::tls::{AlpnProtocols, Tls};
use crate::transport::{Answer, Exchange, Transport, request};

/// What the connections of an [`Http`] have in common.
#[derive(Clone, Debug)]
pub(crate) struct HttpConfig {
    /// Trust and identity.
    pub(crate) tls: Arc<Tls>,
    /// Resolves names of proxies, on a runtime that is always driven.
    pub(crate) resolver: Arc<Resolver>,
    /// What is asked for their addresses.
    pub(crate) names: NameConfig,
    /// Which proxy each call goes through.
    pub(crate) proxies: Arc<Proxies>,
    /// Limit on resolving, TCP, the proxy's part and TLS together, for every connection. The limit of a single
    /// exchange is not looked at.
    pub(crate) connect_timeout: Duration,
    /// How sockets are made; the names that have addresses of their own count for direct calls alone.
    pub(crate) sockets: SocketOptions,
    /// How long an unused connection is kept.
    pub(crate) idle_timeout: Duration,
    /// How many unused connections to one authority are kept. Each costs about 20 KB.
    pub(crate) max_idle_per_host: usize,
}

#[cfg(test)]
impl HttpConfig {
    /// What no test waits for the end of. The defaults that users have stand in the settings.
    pub(crate) fn of_tests(tls: Arc<Tls>, resolver: Arc<Resolver>, proxies: Arc<Proxies>) -> Self {
        Self {
            tls,
            resolver,
            names: NameConfig::default(),
            proxies,
            connect_timeout: Duration::from_secs(3),
            sockets: SocketOptions::default(),
            idle_timeout: Duration::from_secs(3600),
            max_idle_per_host: 32,
        }
    }
}

/// The transport of calls through a proxy; one for each client and shard.
///
/// Its connections are tasks of the runtime that it is used in: a dropped exchange closes its socket when
/// that runtime is driven the next time.
pub(crate) struct Http {
    config: HttpConfig,
    plain: OnceCell<Client>,
    full: Mutex<Option<Full>>,
}

/// What speaks TLS, and by which configuration: another follows where files of certificates have changed.
struct Full {
    tls: Arc<rustls::ClientConfig>,
    client: Client,
}

impl Http {
    /// A transport without connections.
    #[must_use]
    pub(crate) fn new(config: HttpConfig) -> Self {
        Self { config, plain: OnceCell::new(), full: Mutex::default() }
    }

    /// Whether `exchange` is to go through a proxy.
    pub(crate) fn serves(&self, exchange: &Exchange<'_>) -> bool {
        self.config.proxies.serve(exchange.endpoint)
    }

    /// Roots are not loaded where TLS is never spoken.
    fn client(&self, exchange: &Exchange<'_>) -> Result<Client, Failure> {
        let unsent = |detail| Failure::unsent(FailureKind::Tls, detail);
        if !self.config.proxies.need_tls(exchange.endpoint) {
            let plain = || build(&self.config, Tls::unused_config()?);
            return self.plain.get_or_try_init(plain).cloned().map_err(unsent);
        }
        let tls = self.config.tls.client_config(AlpnProtocols::Http1).map_err(unsent)?;
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full) = full.as_ref().filter(|full| Arc::ptr_eq(&full.tls, &tls)) {
            return Ok(full.client.clone());
        }
        let client = build(&self.config, rustls::ClientConfig::clone(&tls)).map_err(unsent)?;
        *full = Some(Full { tls, client: client.clone() });
        Ok(client)
    }
}

impl Transport for Http {
    async fn send(&self, exchange: &Exchange<'_>) -> Result<Answer, Failure> {
        let client = self.client(exchange)?;
        let request = build_request(exchange)?;
        // Connections closed while nobody drove the runtime are noticed by their tasks now.
        yield_now().await;
        // From here on nobody knows how far it came.
        exchange.progress.mark_connected();
        exchange.progress.mark_sent();
        let reply =
            client.execute(request).await.map_err(|error| failure(&error, exchange.endpoint))?;
        let (mut head, content) = ::http::Response::from(reply).into_parts();
        check_framing(&head.headers, head.version).map_err(|fault| fault.cause().failure(true))?;
        let reading = request::reading(exchange);
        if !exchange.is_streamed(head.status) {
            return content::read(head, content, reading).await;
        }
        let content = Content::open(&mut head, content, reading)?;
        Ok(content::answer(head, content))
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

fn build(config: &HttpConfig, tls: rustls::ClientConfig) -> Result<Client, String> {
    // What reqwest says of a proxy may quote its URL.
    let proxies = config.proxies.of_reqwest().map_err(|_| "proxy not usable".to_owned())?;
    // Without this reqwest asks the environment and the system for a proxy.
    let mut builder = ClientBuilder::new().no_proxy();
    for proxy in proxies {
        builder = builder.proxy(proxy);
    }
    sockets::apply(&config.sockets, builder)?
        .tls_backend_preconfigured(tls)
        .dns_resolver(Names(Arc::clone(&config.resolver), config.names))
        // A layer that counts attempts must see them all, and redirects are followed above.
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .http1_only()
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .tcp_nodelay(true)
        .connect_timeout(config.connect_timeout)
        .pool_idle_timeout(config.idle_timeout)
        .pool_max_idle_per_host(config.max_idle_per_host)
        .build()
        .map_err(|_| "client for a proxy not usable".to_owned())
}

fn build_request(exchange: &Exchange<'_>) -> Result<Request, Failure> {
    let url = url(exchange)?;
    let mut request = Request::new(exchange.method.clone(), url);
    let mut headers = request::headers(exchange, false)?;
    request::frame(exchange, &mut headers);
    *request.headers_mut() = headers;
    if exchange.source.is_some() {
        *request.body_mut() = Some(reqwest::Body::wrap(RequestBody::of(exchange)?));
    } else if !exchange.body.is_empty() {
        *request.body_mut() = Some(exchange.body.clone().into());
    }
    Ok(request)
}

/// The URL type would rewrite some targets and drop what breaks a line; a target that it changes is refused.
fn url(exchange: &Exchange<'_>) -> Result<Url, Failure> {
    let refused = |detail| Failure::unsent(FailureKind::InvalidRequest, detail);
    request::uri(exchange.path)?;
    let endpoint = exchange.endpoint;
    let origin = format!("{}://{}", endpoint.scheme().as_str(), endpoint.authority());
    let url = Url::parse(&format!("{origin}{}", exchange.path))
        .map_err(|_| refused("url not valid for a proxy"))?;
    let (path, query) = (url.path(), url.query());
    let same = match exchange.path.split_once('?') {
        None => path == exchange.path && query.is_none(),
        Some((own_path, own_query)) => path == own_path && query == Some(own_query),
    };
    if same { Ok(url) } else { Err(refused("path cannot go through a proxy as it is")) }
}

fn failure(error: &reqwest::Error, endpoint: &Endpoint) -> Failure {
    if error.is_builder() {
        return Failure::unsent(FailureKind::InvalidRequest, "url not valid for a proxy");
    }
    if !error.is_connect() {
        return cause_of(error, Stage::Exchange).failure(true);
    }
    let mut failure = cause_of(error, Stage::Connect).failure(false);
    if error.is_timeout() {
        failure.kind = FailureKind::ConnectTimeout;
        "no connection within the limit".clone_into(&mut failure.detail);
    } else if let Some((kind, detail)) = refusal(error) {
        failure.kind = kind;
        detail.clone_into(&mut failure.detail);
    } else if is_of_proxy(failure.kind, endpoint) {
        failure.detail.insert_str(0, "proxy: ");
    }
    failure
}

/// Whether a failed connect is the proxy's, for it connects to the server itself. TLS may be spoken with both, and what
/// this host lacks is neither's fault.
fn is_of_proxy(kind: FailureKind, endpoint: &Endpoint) -> bool {
    match kind {
        FailureKind::Local => false,
        FailureKind::Tls => endpoint.scheme() == Scheme::Http,
        _ => true,
    }
}

/// What a proxy said against connecting to the server; the libraries tell it only in words.
fn refusal(error: &reqwest::Error) -> Option<(FailureKind, &'static str)> {
    let mut link = std::error::Error::source(error);
    while let Some(error) = link {
        let said = error.to_string();
        if said.contains("authorization required") || said.contains("credentials not accepted") {
            return Some((FailureKind::ProxyCredentials, "proxy wants other credentials"));
        }
        let below = said.contains("underlying connection") || said.contains("io error");
        if !below && (said.starts_with("tunnel error") || said.starts_with("SOCKS error")) {
            return Some((FailureKind::Connect, "proxy refused to connect"));
        }
        link = error.source();
    }
    None
}

/// Gives reqwest the same resolver that the direct transport has.
struct Names(Arc<Resolver>, NameConfig);

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, config) = (Arc::clone(&self.0), self.1);
        Box::pin(async move {
            let found = resolver.lookup_as(name.as_str(), config).await?;
            // Port 0 stands for the URL's.
            let addresses: Addrs = Box::new(found.into_iter().map(|address| (address, 0).into()));
            Ok(addresses)
        })
    }
}
