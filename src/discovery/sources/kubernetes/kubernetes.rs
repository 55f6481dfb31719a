//! List and watch, as Kubernetes's own clients do them.
//!
//! A watch is asked to end after three quarters of the time that silence is allowed: the server then says so, and the
//! next watch goes on from the last version. So a stream on which nothing happens still proves that the server stands,
//! without a list. A watch that ends sooner, as at a proxy's limit or with a server that shuts down, goes on too, once the
//! server has shown that it is not behind: one that was restored from a backup takes a version that it has not reached
//! yet, and stays silent.

use std::cmp::Ordering;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::time::{Instant, sleep, timeout};

use super::access::Server;
use super::slices::{self, Event, Slices};
use crate::discovery::config::{KubernetesConfig, ProviderConfig, RegistryConfig};
use crate::discovery::scheme::Scheme;
use crate::discovery::source::{Session, SessionEnd, Source, UpdateChannel, session};
use crate::discovery::source_context::SourceContext;
use crate::discovery::wire::http::failed;
use crate::discovery::wire::{Frames, RegistryCache};
use crate::policy::SourceBackoff;
use crate::runtime::entropy::with_rng;

pub(in crate::discovery) const SCHEME: Scheme = Scheme {
    name: "k8s",
    form: "k8s://namespace/service",
    purpose: "the EndpointSlices of a Kubernetes service, which are watched",
    keys: &[
        "ca_file",
        "cert_file",
        "connect_timeout",
        "key_file",
        "kubeconfig",
        "kubeconfig_context",
        "kubernetes_server",
        "port",
        "silence",
        "token",
        "token_file",
    ],
    make,
};

/// What is held of an event at most; a slice has at most 1,000 endpoints.
const LONGEST: usize = 32 << 20;
/// A list comes in one page, unless the server cuts it by itself.
const MOST_PAGES: usize = 100;
/// What an API server is asked for at most: half an hour is the least that one takes by itself.
const LONGEST_WATCH: Duration = Duration::from_secs(40 * 60);

fn make(config: &ProviderConfig) -> Result<Arc<dyn Source>, String> {
    let service = config.target.path.trim_start_matches('/');
    let namespace = config.target.authority.as_str();
    if !is_name(service) || !namespace.is_empty() && !is_name(namespace) {
        return Err(format!("names no namespace and service; write {}", SCHEME.form));
    }
    check(&config.kubernetes)?;
    Ok(Arc::new(Kubernetes {
        namespace: Some(namespace.to_owned()).filter(|name| !name.is_empty()),
        service: service.to_owned(),
        kubernetes: config.kubernetes.clone(),
        registry: config.registry.clone(),
        cache: Arc::default(),
    }))
}

/// Checks that the options can mean something.
fn check(kubernetes: &KubernetesConfig) -> Result<(), String> {
    if kubernetes.context.is_some() && kubernetes.kubeconfig.is_none() {
        return Err("kubeconfig_context: needs kubeconfig as well".to_owned());
    }
    let port = kubernetes.port.as_deref().unwrap_or("http");
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    match is_number && !port.parse::<u16>().is_ok_and(|port| port > 0) {
        true => Err(format!("port: {port} is neither a name nor 1 to 65535")),
        false => Ok(()),
    }
}

/// A DNS label, as Kubernetes's names are; so it stands in a path as it is.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.len() <= 63 && name.bytes().all(plain)
}

/// The EndpointSlices of one service.
#[derive(Debug)]
struct Kubernetes {
    /// None for that of the credentials.
    namespace: Option<String>,
    service: String,
    kubernetes: KubernetesConfig,
    registry: RegistryConfig,
    cache: Arc<RegistryCache>,
}

impl Source for Kubernetes {
    fn watch<'a>(&'a self, context: &'a SourceContext, updates: &'a UpdateChannel) -> Session<'a> {
        session(self.session(context, updates))
    }

    fn describe(&self) -> String {
        let port = self.kubernetes.port.as_ref().map(|port| format!("?port={port}"));
        let (namespace, port) = (self.namespace.as_deref().unwrap_or_default(), port.as_deref());
        format!("k8s://{namespace}/{}{}", self.service, port.unwrap_or_default())
    }
}

impl Kubernetes {
    async fn session(
        &self,
        context: &SourceContext,
        updates: &UpdateChannel,
    ) -> Result<Infallible, SessionEnd> {
        let server = Server::find(&self.kubernetes, &self.registry, context, &self.cache)?;
        let mut watch = Watch::new(self, server);
        watch.list(updates).await?;
        watch.tell(updates);
        loop {
            let begun = Instant::now();
            if watch.follow(updates).await? == WatchEnd::Early {
                watch.resume(begun.elapsed()).await?;
            }
        }
    }
}

/// How a watch ended after which the next goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WatchEnd {
    /// At the time that it was asked for.
    OnTime,
    Early,
}

/// What one session knows.
struct Watch<'a> {
    server: Server,
    /// Path and query that both questions begin with.
    path: String,
    headers: HeaderMap,
    slices: Slices,
    /// All changes up to this one are in `slices`.
    version: String,
    registry: &'a RegistryConfig,
    /// Between a watch that ends early and the next.
    backoff: SourceBackoff,
}

impl<'a> Watch<'a> {
    fn new(source: &'a Kubernetes, server: Server) -> Self {
        let namespace = source.namespace.as_deref().or(server.namespace.as_deref());
        let namespace = namespace.map(str::trim).filter(|name| is_name(name)).unwrap_or("default");
        let path = format!(
            "{}/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices\
             ?labelSelector=kubernetes.io%2Fservice-name%3D{}",
            server.prefix, source.service
        );
        let json = HeaderValue::from_static("application/json");
        Self {
            server,
            path,
            headers: HeaderMap::from_iter([(header::ACCEPT, json)]),
            slices: Slices::new(source.kubernetes.port.as_deref()),
            version: String::new(),
            registry: &source.registry,
            backoff: SourceBackoff::default(),
        }
    }

    /// Takes all slices, as they are now and not as a cache of the server has them.
    async fn list(&mut self, updates: &UpdateChannel) -> Result<(), SessionEnd> {
        let mut path = self.path.clone();
        for _ in 0..MOST_PAGES {
            let http = &self.server.http;
            let answer = http.awaited(updates, http.get(&path, &self.headers)).await?;
            if answer.status != StatusCode::OK {
                return Err(denied(answer.status, &answer.headers));
            }
            let page = self.slices.list(&answer.body).map_err(SessionEnd::Failed)?;
            self.version = page.version;
            let Some(next) = page.next else { return Ok(()) };
            let token: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
            path = format!("{}&continue={token}", self.path);
        }
        Err(SessionEnd::Failed("a list without an end".to_owned()))
    }

    fn tell(&mut self, updates: &UpdateChannel) {
        self.slices.take_skipped().tell(updates);
        let entries = self.slices.entries();
        match self.slices.without_port().filter(|_| entries.hosts.is_empty()) {
            Some(problem) => updates.unusable(problem),
            None => entries.list(updates),
        }
    }

    /// Waits a little behind a watch that lasted for so long, and asks the server for its version.
    async fn resume(&mut self, lasted: Duration) -> Result<(), SessionEnd> {
        self.backoff.lasted(lasted);
        sleep(with_rng(|rng| self.backoff.after_failure(rng))).await;
        let path = format!("{}&limit=1", self.path);
        let answer = self.server.http.get(&path, &self.headers).await?;
        if answer.status != StatusCode::OK {
            return Err(denied(answer.status, &answer.headers));
        }
        let version = slices::version(&answer.body).map_err(SessionEnd::Failed)?;
        match compared(&version, &self.version).is_some_and(Ordering::is_ge) {
            true => Ok(()),
            false => Err(SessionEnd::Expired),
        }
    }

    /// Takes what changes until the watch ends.
    async fn follow(&mut self, updates: &UpdateChannel) -> Result<WatchEnd, SessionEnd> {
        let silence = self.registry.silence.min(LONGEST_WATCH);
        let lasts = (silence * 3 / 4).max(Duration::from_secs(1)).as_secs();
        let path = format!(
            "{}&watch=true&allowWatchBookmarks=true&timeoutSeconds={lasts}&resourceVersion={}",
            self.path, self.version
        );
        let begun = Instant::now();
        let mut stream = self.server.http.open(&path, &self.headers).await?;
        if stream.status != StatusCode::OK {
            return Err(denied(stream.status, &stream.headers));
        }
        updates.alive();
        let (mut frames, mut heard) = (Frames::new(LONGEST), Instant::now());
        loop {
            let silence = self.registry.silence;
            let silent = |_| SessionEnd::Failed(format!("the watch was silent for {silence:?}"));
            // A part of an event is none.
            let left = silence.saturating_sub(heard.elapsed());
            // Cut off or ended in good order.
            let Ok(Some(piece)) = timeout(left, stream.chunk()).await.map_err(silent)? else {
                break;
            };
            frames.push(&piece).map_err(|problem| SessionEnd::Failed(problem.to_owned()))?;
            let events: Vec<Bytes> = frames.by_ref().collect();
            if !events.is_empty() {
                heard = Instant::now();
            }
            self.take(events.into_iter(), updates)?;
        }
        Ok(match begun.elapsed() + Duration::from_secs(1) >= Duration::from_secs(lasts) {
            true => WatchEnd::OnTime,
            false => WatchEnd::Early,
        })
    }

    /// Takes events, and tells the list if one changed it.
    fn take(
        &mut self,
        events: impl Iterator<Item = Bytes>,
        updates: &UpdateChannel,
    ) -> Result<(), SessionEnd> {
        let mut is_changed = false;
        for event in events {
            match self.slices.event(&event).map_err(SessionEnd::Failed)? {
                Event::Changed { version } => {
                    self.version = version;
                    is_changed = true;
                }
                // A server with older data, whatever stands between.
                Event::Bookmark { version }
                    if compared(&version, &self.version).is_some_and(Ordering::is_lt) =>
                {
                    return Err(SessionEnd::Expired);
                }
                Event::Bookmark { version } => {
                    self.version = version;
                    updates.alive();
                }
                Event::Error { code: 410 } => return Err(SessionEnd::Expired),
                Event::Error { code } => {
                    return Err(SessionEnd::Failed(format!(
                        "the watch ended with the error {code}"
                    )));
                }
            }
        }
        if is_changed {
            self.tell(updates);
        }
        Ok(())
    }
}

/// Which of two versions is later, where both are numbers, as Kubernetes's own are (KEP 5504).
fn compared(one: &str, other: &str) -> Option<Ordering> {
    let number = |version: &str| version.parse::<u64>().ok();
    Some(number(one)?.cmp(&number(other)?))
}

/// Why a question was not answered. What the server says of it may name the account, so that its status must do.
fn denied(status: StatusCode, headers: &HeaderMap) -> SessionEnd {
    let refused = |problem: &str| SessionEnd::Refused(format!("{}: {problem}", status.as_u16()));
    match status {
        StatusCode::GONE => SessionEnd::Expired,
        StatusCode::UNAUTHORIZED => {
            refused("the API server does not know the token or certificate")
        }
        StatusCode::FORBIDDEN => refused("the account may not list and watch endpointslices here"),
        StatusCode::NOT_FOUND => refused("the API server has no discovery.k8s.io/v1"),
        _ => failed(format!("the API server answers {status}"), status, headers),
    }
}
