//! How an exchange waits for a stream of an endpoint's connections.

use std::pin::Pin;
use std::time::Instant;

use tokio::sync::futures::Notified;
use tokio::time::timeout_at;

use super::pool::{H2Pool, StreamRequest};
use crate::outcome::Failure;
use crate::phase::Phase;
use crate::runtime::clock;
use crate::transport::dial::{not_connected, not_resolved};
use crate::transport::{Exchange, stayed_in_use};

/// The wait of one exchange, over as many looks at the pool as it takes.
pub(super) struct StreamWait<'a> {
    exchange: &'a Exchange<'a>,
    /// Since when it waits for a connection.
    connecting_since: Instant,
    /// How many connections had failed when it began to wait for one: those do not concern it.
    failures_before: Option<u64>,
    /// Since when it waits for a stream that is free.
    busy_since: Option<Instant>,
    has_dialled: bool,
}

impl<'a> StreamWait<'a> {
    pub(super) fn new(exchange: &'a Exchange<'a>) -> Self {
        Self {
            exchange,
            connecting_since: Instant::now(),
            failures_before: None,
            busy_since: None,
            has_dialled: false,
        }
    }

    /// What the exchange asks of a stream; none where any will do.
    pub(super) fn request(&self) -> Option<StreamRequest<'a>> {
        let Self { exchange, has_dialled, .. } = *self;
        exchange.is_choosy().then_some(StreamRequest { exchange, may_dial: !has_dialled })
    }

    /// A connection is being made because the exchange asked.
    pub(super) fn note_dial(&mut self) {
        self.has_dialled = true;
    }

    /// Waits for the connection that is being made, of which `failures` failed so far.
    ///
    /// # Errors
    /// None could be made, or not in time.
    pub(super) async fn for_connection(
        &mut self,
        pool: &H2Pool,
        failures: u64,
        change: Pin<&mut Notified<'_>>,
    ) -> Result<(), Failure> {
        let before = *self.failures_before.get_or_insert(failures);
        if let Some(failure) = pool.failed_since(before) {
            return Err(failure);
        }
        let limit = self.exchange.connect_timeout;
        let phase = pool.dial_phase();
        self.exchange.progress.enter(phase);
        let left = limit.saturating_sub(self.connecting_since.elapsed());
        clock::timeout(left, change).await.map_err(|_| match phase {
            Phase::Resolve => not_resolved(limit),
            _ => not_connected(limit),
        })
    }

    /// Waits for a stream to become free, or until another connection may be made.
    ///
    /// # Errors
    /// All stayed in use for as long as the exchange waits.
    pub(super) async fn for_stream(
        &mut self,
        may_dial_at: Option<Instant>,
        change: Pin<&mut Notified<'_>>,
    ) -> Result<(), Failure> {
        // Connections stand, so the limit on making one no longer applies.
        self.exchange.progress.mark_connected();
        let since = *self.busy_since.get_or_insert_with(Instant::now);
        let gives_up_at = since.checked_add(self.exchange.connection_wait());
        if gives_up_at.is_some_and(|at| at <= Instant::now()) {
            return Err(stayed_in_use());
        }
        self.exchange.progress.mark_waiting(true);
        match gives_up_at.into_iter().chain(may_dial_at).min() {
            Some(at) => drop(timeout_at(at.into(), change).await),
            None => change.await,
        }
        self.exchange.progress.mark_waiting(false);
        // Where none stands any more, the limit is on making the next one, however long this took.
        self.connecting_since = Instant::now();
        Ok(())
    }
}
