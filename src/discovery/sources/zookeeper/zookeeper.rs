//! The session with a server: handshake, credentials, pings.
//!
//! Each connection is a session of its own. A session that is lost owned nothing, since it only watched: one with the
//! next server lists anew and cannot miss what happened between. A client that kept its session over connections would
//! have to set its watches again, and could not tell a server that was restored from a backup.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rand::RngExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::members::Members;
use crate::discovery::config::{ProviderConfig, RegistryConfig, ZooKeeperConfig};
use crate::discovery::scheme::Scheme;
use crate::discovery::source::{Session, SessionEnd, Source, UpdateChannel, session};
use crate::discovery::source_context::SourceContext;
use crate::discovery::wire::jute::{self, Request};
use crate::discovery::wire::{EntryConfig, RegistryCache, reach, stream};
use crate::endpoint::bracketed;
use crate::runtime::entropy::with_rng;
use crate::transport::{AlpnProtocols, Connection};

pub(in crate::discovery) const SCHEME: Scheme = Scheme {
    name: "zk",
    form: "zk://host:port,host:port/node",
    purpose: "the children of a ZooKeeper node, which is watched",
    keys: &[
        "ca_file",
        "cert_file",
        "connect_timeout",
        "entry",
        "entry_endpoint",
        "entry_from",
        "key_file",
        "password",
        "tls",
        "username",
        "zookeeper_session_timeout",
    ],
    make,
};

/// ZooKeeper's port.
const PORT: u16 = 2181;

fn make(config: &ProviderConfig) -> Result<Arc<dyn Source>, String> {
    let servers = config.target.servers(PORT)?;
    let path = config.target.path.trim_end_matches('/');
    if path.is_empty() || path.contains("//") {
        return Err("names no node: zk://host:port/node".to_owned());
    }
    Ok(Arc::new(ZooKeeper {
        servers,
        path: path.to_owned(),
        entry: config.entry.clone(),
        zookeeper: config.zookeeper,
        registry: config.registry.clone(),
        cache: Arc::default(),
    }))
}

/// The children of one node.
#[derive(Debug)]
struct ZooKeeper {
    servers: Vec<(String, u16)>,
    path: String,
    entry: EntryConfig,
    zookeeper: ZooKeeperConfig,
    registry: RegistryConfig,
    cache: Arc<RegistryCache>,
}

impl Source for ZooKeeper {
    fn watch<'a>(&'a self, context: &'a SourceContext, updates: &'a UpdateChannel) -> Session<'a> {
        session(self.session(context, updates))
    }

    fn describe(&self) -> String {
        let servers = self.servers.iter().map(|(host, port)| format!("{}:{port}", bracketed(host)));
        format!("zk://{}{}", servers.collect::<Vec<_>>().join(","), self.path)
    }
}

impl ZooKeeper {
    async fn session(
        &self,
        context: &SourceContext,
        updates: &UpdateChannel,
    ) -> Result<Infallible, SessionEnd> {
        let mut link = Link::open(self, context).await?;
        let mut members = Members::new(&self.path, |name: &str, data: &[u8]| {
            self.entry.host(name.as_bytes(), data)
        });
        loop {
            let mut requests = Vec::new();
            while let Some(request) = members.next_request() {
                requests.extend(request);
            }
            link.send(&requests).await?;
            members.receive(&link.next().await?)?;
            while let Some(message) = link.come()? {
                members.receive(&message)?;
            }
            for problem in members.take_skipped() {
                updates.skipped(&problem);
            }
            match members.take_list() {
                Some(entries) => entries.list(updates),
                None if members.is_complete() => updates.alive(),
                None => {}
            }
        }
    }

    /// A server at random, so that clients spread and the next session tries another.
    fn server(&self) -> &(String, u16) {
        &self.servers[with_rng(|rng| rng.random_range(..self.servers.len()))]
    }
}

/// A connection with its session.
struct Link {
    connection: Connection,
    received: BytesMut,
    session_timeout: Duration,
    sent_at: Instant,
    heard_at: Instant,
}

impl Link {
    async fn open(source: &ZooKeeper, context: &SourceContext) -> Result<Self, SessionEnd> {
        let registry = &source.registry;
        let (server, cache) = (source.server(), &*source.cache);
        let connection =
            reach::connect(registry, server, AlpnProtocols::None, context, cache).await?;
        let now = Instant::now();
        let mut link = Self {
            connection,
            received: BytesMut::new(),
            session_timeout: source.zookeeper.session_timeout,
            sent_at: now,
            heard_at: now,
        };
        let shaken = timeout(registry.connect_timeout, link.shake_hands()).await;
        shaken.unwrap_or_else(|_| {
            cache.leave_address();
            Err(SessionEnd::Failed("no answer to the handshake".to_owned()))
        })?;
        if let (Some(user), Some(password)) = (&registry.username, &registry.password) {
            let credentials = format!("{user}:{}", password.reveal());
            link.send(&Request::Digest(&credentials).encoded(0)).await?;
        }
        Ok(link)
    }

    async fn shake_hands(&mut self) -> Result<(), SessionEnd> {
        let timeout_ms = i32::try_from(self.session_timeout.as_millis()).unwrap_or(i32::MAX);
        self.send(&Request::Connect { timeout_ms }.encoded(0)).await?;
        let agreed = jute::Session::read(&self.next().await?).map_err(SessionEnd::Failed)?;
        self.session_timeout = Duration::from_millis(agreed.timeout_ms.into());
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), SessionEnd> {
        if bytes.is_empty() {
            return Ok(());
        }
        let sent = timeout(self.session_timeout, stream::write(&mut self.connection, bytes)).await;
        self.sent_at = Instant::now();
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(SessionEnd::Failed(format!("sending: {}", error.kind()))),
            Err(_) => Err(self.silence()),
        }
    }

    /// The next message; a ping goes out whenever nothing else did.
    async fn next(&mut self) -> Result<Bytes, SessionEnd> {
        loop {
            if let Some(message) = self.come()? {
                return Ok(message);
            }
            let third = self.session_timeout / 3;
            let (ping_at, dead_at) = (self.sent_at + third, self.heard_at + 2 * third);
            let read = stream::read(&mut self.connection, &mut self.received);
            match timeout_at(ping_at.min(dead_at), read).await {
                Ok(Ok(0)) => {
                    return Err(SessionEnd::Failed("the server closed the connection".to_owned()));
                }
                Ok(Ok(_)) => self.heard_at = Instant::now(),
                Ok(Err(error)) => {
                    return Err(SessionEnd::Failed(format!("receiving: {}", error.kind())));
                }
                Err(_) if Instant::now() >= dead_at => return Err(self.silence()),
                Err(_) => self.send(&Request::Ping.encoded(0)).await?,
            }
        }
    }

    /// A message that has come already.
    fn come(&mut self) -> Result<Option<Bytes>, SessionEnd> {
        jute::message(&mut self.received).map_err(SessionEnd::Failed)
    }

    fn silence(&self) -> SessionEnd {
        let silence = self.session_timeout / 3 * 2;
        SessionEnd::Failed(format!("the server was silent for {} ms", silence.as_millis()))
    }
}
