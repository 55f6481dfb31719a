//! A streamed body between the I/O thread that carries it and its reader: a bounded channel of pieces.
//!
//! The carrier waits while the channel is full and then reads nothing from the connection, so a slow reader
//! slows the peer down and not the memory of this process. A reader that waits fills the channel itself: see
//! [`super::source`].

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::sync::Notify;

use super::places::Places;
use super::source::{CarrierPoll, PieceSink, Source};
use crate::error::{Error, ErrorKind};
use crate::runtime::clock::timeout;
use crate::runtime::shard::ShardId;

/// So much may wait for its reader, in bytes; one piece more may already be there. Enough to keep a fast
/// network busy while the reader is woken, little beside what a buffered body may take.
const BOUND: usize = 256 * 1024;

/// A waiting reader is told when as much has come, or when no more comes at once: a wake costs about as much as moving
/// this.
const TOLD: usize = BOUND / 2;

/// What a piece takes beside its bytes: a peer that sends them one by one must meet the bound too.
const OVERHEAD: usize = 128;

/// A system call for less costs more than to copy that out of a piece.
const LEAST_ROOM: usize = 8 * 1024;

/// What a streamed body's reader got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Bytes that are in the buffer now.
    pub length: usize,
    /// Nothing comes after them.
    pub ended: bool,
}

/// Why a watcher is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// There is something to read, or the end.
    Readable,
    /// The reader freed it.
    Freed,
}

/// Told once.
pub type Watcher = Box<dyn FnOnce(Notice) + Send>;

/// The channel of one body's pieces, which its carrier and its reader share.
#[derive(Default)]
pub(crate) struct BodyChannel {
    state: Mutex<State>,
    arrived: Notify,
    room: Notify,
    /// Where the pieces come from, once the head is there.
    source: OnceLock<Source>,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Bytes>,
    /// What they take.
    held: usize,
    /// What came since a waiting reader was told.
    untold: usize,
    ended: Option<Result<(), Error>>,
    watcher: Option<Watcher>,
    places: Places,
}

impl BodyChannel {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pieces come from `source` from here on, for which `places` are taken.
    pub(super) fn open(&self, source: Source, places: Places) {
        self.lock().places = places;
        let _ = self.source.set(source);
    }

    /// What the body has taken is free for others.
    pub(super) fn give_places_back(&self) {
        let places = std::mem::take(&mut self.lock().places);
        // Without the lock: another call may go on by it.
        places.give_back();
    }

    /// Ends the exchange that the pieces come from, and tells how many bytes came.
    pub(super) fn close(&self) -> u64 {
        self.source.get().map_or(0, Source::close)
    }

    /// Waits until the carrier may add another piece. A reader that has not waited for one for longer than `idle` is taken for
    /// absent, and the carrier keeps the limit again.
    pub(super) async fn has_room(&self, idle: Duration) {
        while self.lock().held >= BOUND || self.is_left_to_reader() {
            self.tell();
            let in_time = timeout(idle, self.room.notified()).await;
            if in_time.is_err() {
                self.source.get().into_iter().for_each(Source::take_from_absent_reader);
            }
        }
    }

    /// Adds the next piece, by the carrier; to be polled when there is room. A waiting reader is told when much has come,
    /// or no more comes at once: a wake costs more than a small piece.
    pub(super) fn poll_move(&self, cx: &Context<'_>) -> Poll<CarrierPoll> {
        let Some(source) = self.source.get() else {
            return Poll::Pending;
        };
        let mut untold = 0;
        let moved = source.poll_by_carrier(cx, |piece| untold = self.put(piece, true));
        if moved.is_pending() || untold >= TOLD {
            self.tell();
        }
        moved
    }

    /// Adds a piece that the carrier has to tell of, or that its reader took itself; how much is to be told then.
    fn put(&self, piece: Bytes, to_tell: bool) -> usize {
        let mut state = self.lock();
        if !piece.is_empty() {
            let cost = piece.len() + OVERHEAD;
            state.held += cost;
            state.untold += if to_tell { cost } else { 0 };
            state.pieces.push_back(piece);
        }
        state.untold
    }

    pub(super) fn is_left_to_reader(&self) -> bool {
        self.source.get().is_some_and(Source::is_left_to_reader)
    }

    /// A reader waits: it looks for pieces itself, unless another one wants to be told of them.
    pub(super) fn leave_to_reader(&self) {
        // Held until then: a watcher that comes after it takes the pieces back.
        let state = self.lock();
        if let (None, Some(source)) = (&state.watcher, self.source.get()) {
            source.leave_to_reader();
        }
    }

    /// Somebody wants to be told of pieces.
    pub(super) fn leave_to_carrier(&self) {
        if let Some(source) = self.source.get()
            && source.is_left_to_reader()
        {
            source.leave_to_carrier();
            self.room.notify_one();
        }
    }

    /// Tells `watcher` once when there is something to read or the end; comes back where it is there already.
    ///
    /// # Errors
    /// Another one waits.
    pub(super) fn watch(&self, watcher: Watcher) -> Result<Option<Watcher>, Error> {
        let mut state = self.lock();
        if state.is_readable() {
            return Ok(Some(watcher));
        }
        if state.watcher.is_some() {
            return Err(Error::new(ErrorKind::InUse, "response: somebody waits for it already"));
        }
        state.watcher = Some(watcher);
        drop(state);
        self.leave_to_carrier();
        Ok(None)
    }

    /// Nobody is to be told any more.
    pub(super) fn stop_watching(&self) -> Option<Watcher> {
        self.lock().watcher.take()
    }

    /// How long a reader that looks for pieces itself may wait yet.
    pub(super) fn patience(&self) -> Duration {
        self.source.get().map_or(Duration::MAX, Source::patience)
    }

    /// Ends a body that has brought nothing for too long.
    pub(super) fn give_up_if_late(&self) {
        if let Some(source) = self.source.get()
            && source.patience().is_zero()
        {
            source.give_up();
            self.room.notify_one();
        }
    }

    /// The reader's look at the connection, where that is left to it.
    fn poll_source(&self, cx: &Context<'_>, place: ShardId, room: &mut ReadBuffer<'_>) -> Poll<()> {
        let Some(source) = self.source.get().filter(|source| source.is_left_to_reader()) else {
            return Poll::Pending;
        };
        let polled = source.poll_by_reader(cx, place, room);
        if !source.is_left_to_reader() {
            self.room.notify_one();
        }
        polled
    }

    /// The same for what is known to be there, which takes no wait.
    pub(super) fn poll_on(&self, room: &mut ReadBuffer<'_>) {
        let source = self.source.get().filter(|source| source.is_left_to_reader());
        if let Some(source) = source {
            source.poll_on(room);
            if !source.is_left_to_reader() {
                self.room.notify_one();
            }
        }
    }

    /// A reader does not wait.
    pub(super) fn is_looked_at(&self) {
        self.source.get().into_iter().for_each(Source::is_looked_at);
    }

    /// The same, without a wait.
    pub(super) fn look(&self, place: ShardId, room: &mut ReadBuffer<'_>) {
        let _ = self.poll_source(&Context::from_waker(Waker::noop()), place, room);
        self.source.get().into_iter().for_each(Source::leave);
    }

    /// Tells of what came.
    pub(crate) fn tell(&self) {
        let state = self.lock();
        if state.untold > 0 {
            self.tell_of(state);
        }
    }

    /// Nothing comes any more; what is there is read first.
    pub(crate) fn end(&self, result: Result<(), Error>) {
        self.change(|state| {
            state.ended.get_or_insert(result);
        });
    }

    /// Nothing comes any more, and nothing is to be read either.
    pub(crate) fn cut(&self, error: Error) {
        self.change(|state| {
            state.pieces.clear();
            state.ended.get_or_insert(Err(error));
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        self.tell_of(state);
    }

    fn tell_of(&self, mut state: MutexGuard<'_, State>) {
        state.untold = 0;
        let watcher = state.watcher.take();
        drop(state);
        // A reader that looks again before it waits leaves the notice for the next one.
        self.arrived.notify_waiters();
        self.arrived.notify_one();
        if let Some(watcher) = watcher {
            watcher(Notice::Readable);
        }
    }

    /// Waits until something was read, or is to be; the reader itself looks where it is driven with a shard.
    pub(super) async fn readable(&self, mut by_reader: Option<(ShardId, &mut ReadBuffer<'_>)>) {
        let _guard = ReaderGuard(self);
        let mut arrived = pin!(self.arrived.notified());
        poll_fn(|cx| {
            while arrived.as_mut().poll(cx).is_ready() {
                arrived.set(self.arrived.notified());
            }
            let is_readable = || self.lock().is_readable();
            if is_readable() {
                return Poll::Ready(());
            }
            let Some((place, room)) = &mut by_reader else {
                return Poll::Pending;
            };
            let polled = self.poll_source(cx, *place, room);
            if polled.is_ready() && room.filled == 0 && !is_readable() {
                // All of it was empty.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            polled
        })
        .await;
    }

    /// What is there now; `None` where nothing is.
    pub(super) fn take(&self, buffer: &mut [u8]) -> Option<Result<Read, Error>> {
        let mut state = self.lock();
        let length = state.fill(buffer);
        // Half, so that the carrier is not woken for every piece.
        let has_room = state.held <= BOUND / 2;
        let read = match &state.ended {
            Some(Err(error)) if length == 0 => Some(Err(error.clone())),
            Some(Ok(())) if state.pieces.is_empty() => Some(Ok(Read { length, ended: true })),
            _ if length == 0 => None,
            _ => Some(Ok(Read { length, ended: false })),
        };
        drop(state);
        // Where the reader takes pieces itself, the carrier rests.
        if has_room && !self.is_left_to_reader() {
            self.room.notify_one();
        }
        read
    }
}

/// Where a reader wants the next bytes.
pub(super) struct ReadBuffer<'a> {
    channel: &'a BodyChannel,
    buffer: &'a mut [u8],
    filled: usize,
}

impl<'a> ReadBuffer<'a> {
    pub(super) const fn new(channel: &'a BodyChannel, buffer: &'a mut [u8]) -> Self {
        Self { channel, buffer, filled: 0 }
    }

    /// What came there, or else what is to be put there now; `None` where nothing is.
    pub(super) fn taken(&mut self) -> Option<Result<Read, Error>> {
        match self.filled {
            0 => self.channel.take(self.buffer),
            length => Some(Ok(Read { length, ended: false })),
        }
    }
}

impl PieceSink for ReadBuffer<'_> {
    fn room(&mut self) -> Option<&mut [u8]> {
        let is_next = self.filled == 0
            && self.buffer.len() >= LEAST_ROOM
            && self.channel.lock().pieces.is_empty();
        is_next.then_some(&mut *self.buffer)
    }

    fn filled(&mut self, count: usize) {
        self.filled = count;
    }

    fn put(&mut self, piece: Bytes) -> usize {
        let cost = piece.len() + OVERHEAD;
        self.channel.put(piece, false);
        cost
    }
}

/// Notes that the reader waits no more when it is dropped.
struct ReaderGuard<'a>(&'a BodyChannel);

impl Drop for ReaderGuard<'_> {
    fn drop(&mut self) {
        self.0.source.get().into_iter().for_each(Source::leave);
    }
}

impl State {
    fn is_readable(&self) -> bool {
        !self.pieces.is_empty() || self.ended.is_some()
    }

    fn fill(&mut self, buffer: &mut [u8]) -> usize {
        let mut length = 0;
        while let Some(piece) = self.pieces.front_mut() {
            let count = piece.len().min(buffer.len() - length);
            piece.copy_to_slice(&mut buffer[length..length + count]);
            length += count;
            self.held -= count;
            if !piece.is_empty() {
                break;
            }
            self.pieces.pop_front();
            self.held -= OVERHEAD;
        }
        length
    }
}

impl fmt::Debug for BodyChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        let mut shown = f.debug_struct("BodyChannel");
        shown.field("held", &state.held).field("ended", &state.ended).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::runtime::shard;
    use crate::transport::StreamedBody;

    fn taken(channel: &BodyChannel, room: usize) -> Option<(Vec<u8>, bool)> {
        let mut buffer = vec![0; room];
        let read = channel.take(&mut buffer)?.unwrap();
        buffer.truncate(read.length);
        Some((buffer, read.ended))
    }

    #[test]
    fn pieces_are_joined_and_cut_as_the_buffer_is() {
        let channel = BodyChannel::default();
        assert!(taken(&channel, 4).is_none());
        for piece in ["abc", "", "de", "fgh"] {
            channel.put(Bytes::from_static(piece.as_bytes()), true);
        }
        assert_eq!(taken(&channel, 4), Some((b"abcd".to_vec(), false)));
        assert_eq!(taken(&channel, 2), Some((b"ef".to_vec(), false)));
        channel.end(Ok(()));
        assert_eq!(taken(&channel, 2), Some((b"gh".to_vec(), true)));
        assert_eq!(taken(&channel, 2), Some((Vec::new(), true)), "as often as it is asked");
        assert_eq!(channel.lock().held, 0);
    }

    #[test]
    fn what_came_before_a_break_is_read_but_not_after_a_cut() {
        let error = || Error::new(ErrorKind::ConnectionLost, "x");
        let channel = BodyChannel::default();
        channel.put(Bytes::from_static(b"abc"), true);
        channel.end(Err(error()));
        channel.cut(Error::new(ErrorKind::Closed, "x"));
        assert_eq!(channel.take(&mut [0; 9]).unwrap().unwrap_err().kind(), error().kind());
        let channel = BodyChannel::default();
        channel.put(Bytes::from_static(b"abc"), true);
        channel.end(Err(error()));
        assert_eq!(taken(&channel, 9), Some((b"abc".to_vec(), false)));
        assert_eq!(channel.take(&mut [0; 9]).unwrap().unwrap_err().kind(), error().kind());
    }

    #[test]
    fn a_reader_takes_no_more_than_the_bound_also_of_tiny_or_empty_pieces() {
        for piece in ["x", ""] {
            let channel = BodyChannel::default();
            let source = Source::new(StreamedBody::endless(piece), Duration::MAX);
            channel.open(source, Places::default());
            channel.leave_to_reader();
            let mut buffer = [0; 1];
            let mut room = ReadBuffer::new(&channel, &mut buffer);
            shard::work_at(async |place| channel.look(place, &mut room)).unwrap().unwrap();
            let state = channel.lock();
            assert!(
                state.held <= BOUND && state.pieces.len() <= BOUND / OVERHEAD,
                "{}",
                state.held
            );
            assert_eq!(state.pieces.is_empty(), piece.is_empty());
        }
    }

    #[test]
    fn little_room_is_filled_from_pieces_that_were_read_at_once() {
        let channel = BodyChannel::default();
        for (length, direct) in [(1, false), (LEAST_ROOM - 1, false), (LEAST_ROOM, true)] {
            let mut buffer = vec![0; length];
            let mut room = ReadBuffer::new(&channel, &mut buffer);
            assert_eq!(room.room().is_some(), direct, "{length}");
        }
    }

    #[tokio::test]
    async fn the_carrier_waits_until_half_is_read_also_with_tiny_pieces() {
        let channel = Arc::new(BodyChannel::default());
        let mut pieces = 0;
        while channel.lock().held < BOUND {
            channel.put(Bytes::from_static(b"x"), true);
            pieces += 1;
        }
        assert!(pieces <= BOUND / OVERHEAD, "{pieces}");
        let transport = Arc::clone(&channel);
        let waiting = tokio::spawn(async move { transport.has_room(Duration::MAX).await });
        tokio::task::yield_now().await;
        while channel.lock().held > BOUND / 2 {
            assert!(!waiting.is_finished());
            assert!(taken(&channel, 1).is_some());
            tokio::task::yield_now().await;
        }
        waiting.await.unwrap();
    }
}
