//! What a streamed body's reader holds: it reads, waits, or has itself told.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::channel::{BodyChannel, Notice, Read, ReadBuffer, Watcher};
use crate::client::core::{Core, check_may_wait, out_of_resources};
use crate::error::{Error, ErrorKind};
use crate::runtime::clock::timeout;
use crate::runtime::shard::{self, ShardId};
use crate::runtime::stop::{Reason, Stop};
use crate::runtime::waiter;

/// The reading end of a streamed body. Dropping it ends the exchange.
pub struct BodyStream {
    core: Arc<Core>,
    stop: Arc<Stop>,
    channel: Arc<BodyChannel>,
}

impl BodyStream {
    /// A stream of the client with `core` that `stop` ends.
    pub(crate) fn new(core: Arc<Core>, stop: Arc<Stop>) -> Self {
        Self { core, stop, channel: Arc::default() }
    }

    /// The writing end.
    pub(crate) fn channel(&self) -> Arc<BodyChannel> {
        Arc::clone(&self.channel)
    }

    /// The core of the client whose body it is.
    #[must_use]
    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Ends the stream early.
    #[must_use]
    pub fn stop(&self) -> &Arc<Stop> {
        &self.stop
    }

    /// Puts the next bytes into `buffer`, waiting for them up to `timeout`; no bytes, and not the end, when
    /// the time is up.
    ///
    /// # Errors
    /// The body broke off, what came before having been read; this is a callback, and nothing is there; or a
    /// signal ended the wait, and the stream goes on.
    pub fn read(&self, buffer: &mut [u8], timeout: Duration) -> Result<Read, Error> {
        if let Some(read) = self.channel.take(buffer) {
            return read;
        }
        let mut room = ReadBuffer::new(&self.channel, buffer);
        self.channel.poll_on(&mut room);
        if let Some(read) = room.taken() {
            return read;
        }
        match timeout.is_zero() {
            true => self.look(&mut room),
            false => self.wait(timeout, &mut room)?,
        }
        room.taken().unwrap_or(Ok(Read { length: 0, ended: false }))
    }

    fn wait(&self, timeout: Duration, room: &mut ReadBuffer<'_>) -> Result<(), Error> {
        check_may_wait()?;
        self.channel.leave_to_reader();
        let until = Instant::now().checked_add(timeout);
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let (left, patience) = (left.unwrap_or(Duration::MAX), self.channel.patience());
            if self.is_readable_within(left.min(patience), room)? || left <= patience {
                return Ok(());
            }
            self.channel.give_up_if_late();
        }
    }

    fn is_readable_within(
        &self,
        limit: Duration,
        room: &mut ReadBuffer<'_>,
    ) -> Result<bool, Error> {
        if self.channel.is_left_to_reader() {
            match shard::work_at(|place| self.is_readable(limit, Some((place, room)))) {
                Ok(Some(waited)) => return waited,
                // Without a shard the carrier goes on.
                Ok(None) | Err(_) => self.channel.leave_to_carrier(),
            }
        }
        match self.core.interrupt() {
            None => Ok(waiter::wait(self.channel.readable(None), limit).is_some()),
            Some(_) => shard::wait(self.is_readable(limit, None)).map_err(out_of_resources)?,
        }
    }

    /// Whether something was read within `limit`, or is to be; the reader itself looks where it is driven with a shard.
    async fn is_readable(
        &self,
        limit: Duration,
        by_reader: Option<(ShardId, &mut ReadBuffer<'_>)>,
    ) -> Result<bool, Error> {
        let wait = pin!(timeout(limit, self.channel.readable(by_reader)));
        let waited = match self.core.interrupt() {
            None => Some(wait.await),
            Some(interrupt) => interrupt.watch(wait).await,
        };
        let interrupted =
            || Error::new(ErrorKind::Interrupted, "response: a signal ended the wait");
        waited.map(|in_time| in_time.is_ok()).ok_or_else(interrupted)
    }

    /// Takes what has arrived, where the reader looks for pieces itself.
    fn look(&self, room: &mut ReadBuffer<'_>) {
        if !self.channel.is_left_to_reader() {
            return;
        }
        let look = |place| async move {
            self.channel.is_looked_at();
            self.channel.look(place, room);
            // The runtime learns what has arrived.
            tokio::task::yield_now().await;
            self.channel.look(place, room);
        };
        let looked = check_may_wait().map(|()| shard::work_at(look));
        match looked {
            // One that only looks waits as well.
            Ok(Ok(Some(()))) => self.channel.give_up_if_late(),
            _ => self.channel.leave_to_carrier(),
        }
    }

    /// Tells `watcher` once when there is something to read or the end; comes back where it is there already.
    ///
    /// # Errors
    /// Another one waits.
    pub fn watch(&self, watcher: Watcher) -> Result<Option<Watcher>, Error> {
        self.channel.watch(watcher)
    }
}

impl Drop for BodyStream {
    fn drop(&mut self) {
        // First of all: the end that is asked for here is not to be told as something to read.
        let watcher = self.channel.stop_watching();
        // Its carrier sees the end later, and a host that frees a stream may begin another at once.
        self.channel.give_places_back();
        self.stop.ask(Reason::Cancelled);
        if let Some(watcher) = watcher {
            watcher(Notice::Freed);
        }
    }
}

impl fmt::Debug for BodyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyStream").field("channel", &self.channel).finish_non_exhaustive()
    }
}
