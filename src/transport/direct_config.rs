//! What the connections of a client have in common.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use super::dns::{NameConfig, Resolver};
use super::http1::shard_pools::ShardPools;
use super::socket_options::SocketOptions;
use super::tls::Tls;
use super::trace::WireTrace;
#[cfg(test)]
use crate::statistics::ClientCells;
use crate::statistics::Stripe;

/// What the connections of a [`Direct`](super::Direct) have in common.
#[derive(Clone, Debug)]
pub struct DirectConfig {
    /// Trust and identity.
    pub tls: Arc<Tls>,
    /// Resolves names, on a runtime that is always driven.
    pub resolver: Arc<Resolver>,
    /// What is asked for the addresses of names.
    pub names: NameConfig,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// How long a connection is used, ±10 %, so that load follows changes of the roster.
    pub max_age: Duration,
    /// How many unused connections to one endpoint are kept. Each costs about 17 KB, and 1 KB from the
    /// janitor's next visit on.
    pub max_idle_per_endpoint: usize,
    /// How many unused connections are kept in all; `None` for any number. Where URLs name the endpoints there may be
    /// no end of them.
    pub max_idle: Option<usize>,
    /// Whether each exchange is a task of its own, whose memory lasts while an idle connection could wake it, on a
    /// runtime that is driven always.
    pub by_tasks: bool,
    /// How many connections to one endpoint there may be, used and unused; `None` for no limit. An exchange that
    /// finds none free waits for one.
    pub max_per_endpoint: Option<NonZeroUsize>,
    /// The pools that lend each other connections; `None` for a transport that is driven always.
    pub shard_pools: Option<Arc<ShardPools>>,
    /// What sockets are told, and which names have addresses of their own.
    pub sockets: SocketOptions,
    /// With which of a name's addresses connections begin; raised where one took a connection and did not answer.
    pub turn: Arc<AtomicUsize>,
    /// Where connections and bytes are counted.
    pub stripe: Arc<Stripe>,
    /// Where what goes over connections is told; `None` for nowhere.
    pub trace: Option<WireTrace>,
}

#[cfg(test)]
impl DirectConfig {
    /// What no test waits for the end of. The defaults that users have stand in the settings.
    pub(crate) fn of_tests(tls: Arc<Tls>, resolver: Arc<Resolver>) -> Self {
        Self {
            tls,
            resolver,
            names: NameConfig::default(),
            idle_timeout: FAR,
            max_age: FAR,
            max_idle_per_endpoint: 256,
            max_idle: None,
            by_tasks: true,
            max_per_endpoint: None,
            shard_pools: None,
            sockets: SocketOptions::default(),
            turn: Arc::default(),
            stripe: ClientCells::default().stripe(),
            trace: None,
        }
    }
}

impl DirectConfig {
    /// When a connection made now should be used no longer.
    pub(crate) fn retirement(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(varied(self.max_age)).unwrap_or_else(|| now + FAR)
    }
}

/// ±10 %: connections opened together should not all be renewed together.
fn varied(age: Duration) -> Duration {
    let seconds = age.as_secs_f64() * rand::random_range(0.9..=1.1);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// Beyond any process's life; the clock's own end is not to be reached.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
