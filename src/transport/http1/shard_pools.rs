//! What one client's pools on its shards lend each other.
//!
//! Each blocking caller has a shard, and each shard the connections that it opened: 64 callers of 1,000 endpoints would
//! keep 64,000. So a shard that has none to an endpoint takes one that another shard has not used for a while, before it
//! opens another. What is used all the time stays where it is, for handing it over costs two system calls and hyper's
//! buffers.

use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use super::idle::Idle;
use super::pool::{ConnectionPool, SkipConnection};
use crate::endpoint::Endpoint;

/// The pools of one client's shards.
#[derive(Debug, Default)]
pub struct ShardPools(RwLock<Vec<Weak<ConnectionPool>>>);

impl ShardPools {
    /// One more pool, for as long as it lives.
    pub(in crate::transport) fn join(&self, pool: &Arc<ConnectionPool>) {
        let mut pools = self.0.write().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }

    /// A connection to `endpoint` that none of the pools has used for a while.
    pub(in crate::transport) fn borrow(
        &self,
        endpoint: &Arc<Endpoint>,
        now: Instant,
        idle_timeout: Duration,
        skip: Option<SkipConnection<'_>>,
    ) -> Option<Idle> {
        let pools = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut pools = pools.iter().filter_map(Weak::upgrade);
        pools.find_map(|pool| pool.lend(endpoint, now, idle_timeout, skip))
    }

    /// Closes a connection that none of the pools uses; whether there was one.
    pub(super) fn close_one(&self) -> bool {
        let pools = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut pools = pools.iter().filter_map(Weak::upgrade);
        pools.any(|pool| pool.close_oldest())
    }
}
