//! Names to addresses, without the host's `getaddrinfo` and its locks.
//!
//! The resolver needs a runtime that is driven all the time, and a shard is not; so every query runs on
//! the handle it was given, and the asker only waits for it. Answers are cached by their TTL.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
    ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use once_cell::sync::OnceCell;
use tokio::runtime::Handle;

use crate::outcome::FailureKind;

use super::failure::Cause;

/// Resolves names on a runtime of its own, for any number of askers on others.
pub struct Resolver {
    handle: Handle,
    shared: Arc<Shared>,
}

impl Resolver {
    /// A resolver with the system's configuration, read at the first lookup; queries run on `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self::with_source(handle, Source::System)
    }

    /// A resolver that asks `servers` only, each for at most `timeout`, once.
    #[must_use]
    pub fn with_name_servers(handle: Handle, servers: &[SocketAddr], timeout: Duration) -> Self {
        let servers = servers.iter().map(|&address| name_server(address)).collect();
        let mut options = options(ResolverOpts::default());
        options.timeout = timeout;
        options.attempts = 0;
        Self::with_source(handle, Source::Given(servers, Box::new(options)))
    }

    /// The addresses of `name`, IPv6 before IPv4, at most 64; an IP address is its own answer.
    ///
    /// # Errors
    ///
    /// [`FailureKind::NameNotFound`] where the name does not exist or has no address,
    /// [`FailureKind::Resolve`] where that could not be found out.
    pub async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        if let Ok(address) = name.parse() {
            return Ok(vec![address]);
        }
        let shared = Arc::clone(&self.shared);
        let name = name.to_owned();
        // Not aborted with its asker: the answer fills the cache for the next one.
        let query = self.handle.spawn(async move { shared.lookup(&name).await });
        query.await.unwrap_or_else(|_| Err(LookupError::resolve("name service stopped")))
    }

    fn with_source(handle: Handle, source: Source) -> Self {
        let shared = Shared { source, resolver: OnceCell::new() };
        Self { handle, shared: Arc::new(shared) }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// Why a name has no addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupError {
    kind: FailureKind,
    detail: &'static str,
}

impl LookupError {
    /// [`FailureKind::NameNotFound`] or [`FailureKind::Resolve`].
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    pub(super) fn cause(&self) -> Cause {
        Cause::new(self.kind, self.detail)
    }

    fn not_found(detail: &'static str) -> Self {
        Self { kind: FailureKind::NameNotFound, detail }
    }

    fn resolve(detail: &'static str) -> Self {
        Self { kind: FailureKind::Resolve, detail }
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail)
    }
}

impl Error for LookupError {}

struct Shared {
    source: Source,
    resolver: OnceCell<TokioResolver>,
}

enum Source {
    System,
    Given(Vec<NameServerConfig>, Box<ResolverOpts>),
}

impl Shared {
    async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let resolver = self.resolver()?;
        let name = query_name(name)?;
        let found: Vec<IpAddr> = match resolver.lookup_ip(name.as_str()).await {
            Ok(found) => found.iter().collect(),
            Err(error) if error.is_no_records_found() && !error.is_nx_domain() => {
                ipv4_only(&resolver, &name).await?
            }
            Err(error) => return Err(lookup_error(&error)),
        };
        Ok(bounded(found))
    }

    /// A resolver without name servers is not kept: the network may come up later.
    fn resolver(&self) -> Result<TokioResolver, LookupError> {
        let kept = self.resolver.get_or_try_init(|| self.configured());
        match kept {
            Ok(resolver) => Ok(resolver.clone()),
            Err(_) => build(vec![], options(ResolverOpts::default())),
        }
    }

    fn configured(&self) -> Result<TokioResolver, LookupError> {
        match &self.source {
            Source::Given(servers, options) => build(servers.clone(), options.as_ref().clone()),
            Source::System => {
                let mut builder =
                    TokioResolver::builder_tokio().map_err(|error| lookup_error(&error))?;
                let adapted = options(builder.options_mut().clone());
                *builder.options_mut() = adapted;
                builder.build().map_err(|error| lookup_error(&error))
            }
        }
    }
}

/// The error for two families is that of the first; the second's may say that nothing is certain.
async fn ipv4_only(resolver: &TokioResolver, name: &str) -> Result<Vec<IpAddr>, LookupError> {
    match resolver.ipv4_lookup(name).await {
        Ok(found) => {
            Ok(found.answers().iter().filter_map(|record| record.data.ip_addr()).collect())
        }
        Err(error) => Err(lookup_error(&error)),
    }
}

fn build(
    servers: Vec<NameServerConfig>,
    options: ResolverOpts,
) -> Result<TokioResolver, LookupError> {
    let config = ResolverConfig::from_name_servers(servers);
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .build()
        .map_err(|error| lookup_error(&error))
}

fn options(mut options: ResolverOpts) -> ResolverOpts {
    options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    options.use_hosts_file = ResolveHosts::Always;
    options.cache_size = CACHED_NAMES;
    options
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut udp = ConnectionConfig::udp();
    let mut tcp = ConnectionConfig::tcp();
    udp.port = address.port();
    tcp.port = address.port();
    NameServerConfig::new(address.ip(), true, vec![udp, tcp])
}

/// Names that no server may be asked for are made absolute, so that no search domain is put behind them.
fn query_name(name: &str) -> Result<String, LookupError> {
    if name.is_empty() || name.len() > LONGEST_NAME {
        return Err(LookupError::not_found("not a name"));
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    let reserved = ["localhost", "invalid"].iter().any(|label| last.eq_ignore_ascii_case(label));
    Ok(if reserved { format!("{name}.") } else { name.to_owned() })
}

fn lookup_error(error: &NetError) -> LookupError {
    if error.is_nx_domain() {
        return LookupError::not_found("no such name");
    }
    if error.is_no_records_found() {
        return LookupError::not_found("name has no address");
    }
    LookupError::resolve(match error {
        NetError::Timeout => "name service did not answer",
        NetError::Dns(_) => "name service failed",
        NetError::NoConnections => "no name service",
        NetError::Proto(_) => "not a name",
        _ => "name service unreachable",
    })
}

fn bounded(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut distinct = Vec::with_capacity(addresses.len().min(MAX_ADDRESSES));
    for address in addresses {
        if distinct.len() == MAX_ADDRESSES {
            break;
        }
        if !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    distinct
}

/// No connect tries more within its limit, and an answer over TCP could hold thousands.
const MAX_ADDRESSES: usize = 64;

/// Both families of a client's names; a service with more names than this is not balanced by address.
const CACHED_NAMES: u64 = 1024;

/// The bound of the protocol, with room for the dot at the end.
const LONGEST_NAME: usize = 254;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A name server that answers by the first label of the name.
    struct NameServer {
        address: SocketAddr,
        queries: Arc<AtomicUsize>,
    }

    impl NameServer {
        fn start() -> Self {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let address = socket.local_addr().unwrap();
            let queries = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&queries);
            std::thread::spawn(move || {
                let mut buffer = [0; 2048];
                while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    count.fetch_add(1, Ordering::SeqCst);
                    if let Some(reply) = reply(&buffer[..length]) {
                        socket.send_to(&reply, from).unwrap();
                    }
                }
            });
            Self { address, queries }
        }

        fn resolver(&self) -> Resolver {
            let timeout = Duration::from_millis(200);
            Resolver::with_name_servers(Handle::current(), &[self.address], timeout)
        }
    }

    fn reply(query: &[u8]) -> Option<Vec<u8>> {
        const HEADER: usize = 12;
        let question_end = query[HEADER..].iter().position(|&byte| byte == 0)? + HEADER + 5;
        let label_end = HEADER + 1 + usize::from(query[HEADER]);
        let label = &query[HEADER + 1..label_end];
        let is_a = query[question_end - 3] == 1;
        let (code, count) = match (label, is_a) {
            (b"mute", _) => return None,
            (b"nx", _) => (3, 0),
            (b"broken", _) | (b"half", true) => (2, 0),
            (b"many", true) => (0, 70),
            (b"ok", true) => (0, 1),
            _ => (0, 0),
        };
        let mut reply = query[..2].to_vec();
        reply.extend([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
        reply.extend(&query[HEADER..question_end]);
        for number in 1..=count {
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, number]);
        }
        Some(reply)
    }

    async fn kind(name: &str) -> FailureKind {
        NameServer::start().resolver().lookup(name).await.unwrap_err().kind()
    }

    #[tokio::test]
    async fn answers_are_cached_by_their_ttl() {
        let server = NameServer::start();
        let resolver = server.resolver();
        let first = resolver.lookup("ok.test.").await.unwrap();
        assert_eq!(first, ["127.0.0.1".parse::<IpAddr>().unwrap()]);
        let asked = server.queries.load(Ordering::SeqCst);
        assert_eq!(resolver.lookup("ok.test.").await.unwrap(), first);
        // The family without an address may be asked for again; the other one may not.
        assert!(server.queries.load(Ordering::SeqCst) <= asked + 1);
    }

    #[tokio::test]
    async fn what_does_not_exist_is_not_found() {
        assert_eq!(kind("nx.test.").await, FailureKind::NameNotFound);
        assert_eq!(kind("empty.test.").await, FailureKind::NameNotFound);
    }

    #[tokio::test]
    async fn what_cannot_be_found_out_is_a_resolve_failure() {
        assert_eq!(kind("broken.test.").await, FailureKind::Resolve);
        assert_eq!(kind("mute.test.").await, FailureKind::Resolve);
    }

    #[tokio::test]
    async fn one_family_without_addresses_does_not_hide_that_the_other_failed() {
        assert_eq!(kind("half.test.").await, FailureKind::Resolve);
    }

    #[tokio::test]
    async fn addresses_are_bounded() {
        let found = NameServer::start().resolver().lookup("many.test.").await.unwrap();
        assert_eq!(found.len(), MAX_ADDRESSES);
    }

    #[tokio::test]
    async fn some_names_are_never_asked_for() {
        let server = NameServer::start();
        let resolver = server.resolver();
        assert!(!resolver.lookup("localhost").await.unwrap().is_empty());
        assert!(resolver.lookup("x.localhost").await.unwrap().iter().all(IpAddr::is_loopback));
        for name in ["x.invalid", "X.INVALID", "", "a..b"] {
            assert!(resolver.lookup(name).await.is_err(), "{name}");
        }
        assert_eq!(resolver.lookup("::1").await.unwrap(), ["::1".parse::<IpAddr>().unwrap()]);
        assert_eq!(server.queries.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn without_name_servers_the_hosts_file_and_localhost_still_work() {
        let timeout = Duration::from_millis(200);
        let resolver = Resolver::with_name_servers(Handle::current(), &[], timeout);
        assert!(!resolver.lookup("localhost").await.unwrap().is_empty());
        let kind = resolver.lookup("ok.test.").await.unwrap_err().kind();
        assert_eq!(kind, FailureKind::Resolve);
    }

    #[test]
    fn the_asker_may_rest_on_another_runtime() {
        let runtime =
            || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = NameServer::start();
        let driven = runtime();
        let timeout = Duration::from_secs(5);
        let handle = driven.handle().clone();
        let resolver = Resolver::with_name_servers(handle, &[server.address], timeout);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let driver = std::thread::spawn(move || driven.block_on(stopped));
        let found = runtime().block_on(resolver.lookup("ok.test."));
        assert_eq!(found.unwrap().len(), 1);
        drop(stop);
        let _ = driver.join().unwrap();
        let late = runtime().block_on(resolver.lookup("localhost"));
        assert_eq!(late.unwrap_err().kind(), FailureKind::Resolve);
    }

    #[test]
    fn a_lookup_goes_on_when_its_asker_has_left() {
        let runtime =
            || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = NameServer::start();
        let driven = runtime();
        let handle = driven.handle().clone();
        let resolver =
            Resolver::with_name_servers(handle, &[server.address], Duration::from_secs(5));
        // Asked while nobody drives the resolver, by one that is out of time and drives nothing afterwards.
        let asked =
            async { tokio::time::timeout(Duration::ZERO, resolver.lookup("ok.test.")).await };
        assert!(runtime().block_on(asked).is_err());
        assert_eq!(server.queries.load(Ordering::SeqCst), 0);
        driven.block_on(async {
            while server.queries.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        });
    }
}
