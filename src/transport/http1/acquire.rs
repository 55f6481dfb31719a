//! How an exchange comes by its connection: one that is kept here, one that another shard lends, a new one; or it waits
//! for the next that comes free.

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use tokio::time::{timeout, timeout_at};

use super::connection::{Connection, ConnectionPermit};
use super::direct::Direct;
use super::idle::Idle;
use super::pool::SkipConnection;
use crate::endpoint::Endpoint;
use crate::outcome::{Failure, FailureKind};
use crate::runtime::cold_path::cold_path;
use crate::runtime::descriptors::{self, Reserve};
use crate::runtime::os_error::no_descriptor;
use crate::statistics::CloseReason;
use crate::transport::failure::{Stage, io_cause};
use crate::transport::{Exchange, stayed_in_use};

impl Direct {
    /// A connection for `exchange`, with a place for it where places are limited. Whether it was kept.
    pub(super) async fn acquire(
        &self,
        exchange: &Exchange<'_>,
    ) -> Result<(Box<Connection>, bool), Failure> {
        // Boxed, as connecting is: a wait is rare, and its state large.
        let permit = match self.config.max_per_endpoint {
            Some(most) => Some(cold_path(|| self.permit(exchange, most)).await?),
            None => None,
        };
        // Where others wait for a connection, one that came back is theirs.
        let is_first = self.pool.queue.waiting() == 0;
        let kept = if exchange.fresh || !is_first { None } else { self.any_kept(exchange) };
        let (mut connection, was_kept) = match kept {
            Some(connection) => (connection, true),
            None => cold_path(|| self.opened(exchange)).await?,
        };
        connection.permit = permit;
        Ok((connection, was_kept))
    }

    /// A kept connection that still stands, if there is one.
    fn kept(
        &self,
        endpoint: &Arc<Endpoint>,
        skip: Option<SkipConnection<'_>>,
    ) -> Option<Box<Connection>> {
        loop {
            let now = Instant::now();
            let kept = self.pool.take(endpoint, now, self.config.idle_timeout, skip)?;
            kept.closes(CloseReason::Peer);
            if let Some(mut connection) = kept.unpark()
                && connection.is_still_open()
            {
                connection.is_used_again();
                return Some(connection);
            }
        }
    }

    /// One that another shard kept, and has not used for a while.
    fn borrowed(
        &self,
        endpoint: &Arc<Endpoint>,
        skip: Option<SkipConnection<'_>>,
    ) -> Option<Box<Connection>> {
        let shard_pools = self.config.shard_pools.as_ref()?;
        loop {
            let (now, idle_timeout) = (Instant::now(), self.config.idle_timeout);
            let lent = shard_pools.borrow(endpoint, now, idle_timeout, skip)?;
            lent.closes(CloseReason::Peer);
            if let Some(mut parked) = lent.park()
                && parked.stream.hand_over().is_ok()
                && let Some(mut connection) = Connection::unpark(parked)
                && connection.is_still_open()
            {
                connection.is_used_again();
                return Some(connection);
            }
        }
    }

    /// A connection that is kept here or by another shard.
    fn any_kept(&self, exchange: &Exchange<'_>) -> Option<Box<Connection>> {
        if exchange.is_choosy() {
            return self.better_kept(exchange);
        }
        self.kept(exchange.endpoint, None).or_else(|| self.borrowed(exchange.endpoint, None))
    }

    /// The same, but to no address where another one is better.
    #[cold]
    fn better_kept(&self, exchange: &Exchange<'_>) -> Option<Box<Connection>> {
        let (endpoint, now) = (exchange.endpoint, Instant::now());
        let skip = |kept: &Idle| exchange.passes_over(kept.remote(), now);
        let kept = self.kept(endpoint, Some(&skip));
        let kept = kept.or_else(|| self.borrowed(endpoint, Some(&skip)));
        if kept.is_none() {
            self.pool.close_oldest_of(endpoint);
        }
        kept
    }

    /// A new connection; or, where this process has no descriptor for one, the next that comes free. Whether it was kept.
    async fn opened(&self, exchange: &Exchange<'_>) -> Result<(Box<Connection>, bool), Failure> {
        if self.pool.queue.waiting() > 0 {
            return self.next_free(exchange).await;
        }
        match self.fresh_for(exchange, Reserve::Spared).await {
            Err(failure) if is_short(&failure, Reserve::Spared) => self.next_free(exchange).await,
            opened => opened.map(|connection| (connection, false)),
        }
    }

    async fn fresh_for(
        &self,
        exchange: &Exchange<'_>,
        reserve: Reserve,
    ) -> Result<Box<Connection>, Failure> {
        let enter = |phase| exchange.progress.enter(phase);
        let bounds = (exchange.connect_timeout, reserve);
        let connection = self.fresh(exchange.endpoint, exchange.met, bounds, &enter).await?;
        connection.expect_answer();
        Ok(connection)
    }

    /// Waits in the queue for a connection, or a descriptor for one, as long as the exchange may wait. Whether it was kept.
    async fn next_free(&self, exchange: &Exchange<'_>) -> Result<(Box<Connection>, bool), Failure> {
        let until = Instant::now().checked_add(exchange.connection_wait());
        loop {
            exchange.progress.mark_waiting(true);
            let turn = within(until, self.pool.queue.turn()).await.ok_or_else(stayed_in_use)?;
            let kept = self.next_kept(exchange, until).await;
            exchange.progress.mark_waiting(false);
            // Others look while this one connects.
            drop(turn);
            if let Some(kept) = kept? {
                return Ok((kept, true));
            }
            let reserve = self.reserve();
            match self.fresh_for(exchange, reserve).await {
                // Another thread was quicker.
                Err(failure) if is_short(&failure, reserve) => {}
                opened => return opened.map(|connection| (connection, false)),
            }
        }
    }

    /// The first of the queue waits for a connection that comes back, or `None` for a descriptor that is free.
    async fn next_kept(
        &self,
        exchange: &Exchange<'_>,
        until: Option<Instant>,
    ) -> Result<Option<Box<Connection>>, Failure> {
        loop {
            let kept = if exchange.fresh { None } else { self.any_kept(exchange) };
            if kept.is_some() || self.close_oldest() || descriptors::has_free(self.reserve()) {
                return Ok(kept);
            }
            if self.in_use() == 0 {
                return Err(io_cause(&no_descriptor(), Stage::Connect).failure(false));
            }
            within(until, self.pool.queue.returned()).await.ok_or_else(stayed_in_use)?;
        }
    }

    /// Closes an idle connection; whether there was one.
    fn close_oldest(&self) -> bool {
        let shard_pools =
            || self.config.shard_pools.as_ref().is_some_and(|shard_pools| shard_pools.close_one());
        self.pool.close_oldest() || shard_pools()
    }

    /// A pool that has many connections leaves the host's descriptors to it: its exchanges have something to wait for.
    fn reserve(&self) -> Reserve {
        match self.in_use() >= descriptors::few() {
            true => Reserve::Spared,
            false => Reserve::Used,
        }
    }

    fn in_use(&self) -> usize {
        self.config.max_per_endpoint.map_or(0, |most| self.pool.in_use(most.get()))
    }

    /// A place for one more connection in use, of `most`, waited for as long as the exchange may wait for one.
    async fn permit(
        &self,
        exchange: &Exchange<'_>,
        most: NonZeroUsize,
    ) -> Result<ConnectionPermit, Failure> {
        let permits = self.pool.permits(exchange.endpoint, most.get());
        if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            return Ok(permit);
        }
        exchange.progress.mark_waiting(true);
        let permit = timeout(exchange.connection_wait(), permits.acquire_owned()).await;
        exchange.progress.mark_waiting(false);
        permit.ok().and_then(Result::ok).ok_or_else(stayed_in_use)
    }
}

/// Whether a connection was not made for want of a descriptor. Other wants have other reasons.
fn is_short(failure: &Failure, reserve: Reserve) -> bool {
    failure.kind == FailureKind::Local && !descriptors::has_free(reserve)
}

/// What `work` gives, unless it takes beyond `until`.
async fn within<T>(until: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match until {
        Some(until) => timeout_at(until.into(), work).await.ok(),
        None => Some(work.await),
    }
}
