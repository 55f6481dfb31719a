//! Where the pieces of a streamed body come from: the connection, which the I/O thread of the call polls, or its reader.
//!
//! What one thread reads and another takes goes from one processor's cache to the other's, and each wait wakes two
//! threads: that cost more than the reading. So a reader that waits polls the connection itself, where nothing but polls
//! drives it, and the carrier rests. The socket goes to the runtime of the reader's shard then: left with the carrier's, each
//! piece that arrives would wake the I/O thread first. The carrier still ends the exchange, for a cancel, a close or its end,
//! and goes on where the reader wants to be told instead of waiting.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::outcome::{Failure, FailureKind};
use crate::runtime::clock;
use crate::runtime::shard::ShardId;
use crate::transport::{PollInto, StreamedBody};

/// A reader polls for so much before it takes what is there, what pieces take beside their bytes included: as much as one
/// read of a connection brings.
const WANTED: usize = 64 * 1024;

/// Where the pieces go that a reader takes.
pub(super) trait PieceSink {
    /// The reader's own place, where the next bytes may come there: none wait that came before, and it is not filled yet.
    fn room(&mut self) -> Option<&mut [u8]>;

    /// So many bytes came there.
    fn filled(&mut self, count: usize);

    /// A piece came, in the order of the body. Says what it costs: a peer that sends them byte by byte must meet the bound
    /// too.
    fn put(&mut self, piece: Bytes) -> usize;
}

/// Far below what a shard may rest before it is ended.
const MOMENT: Duration = Duration::from_secs(1);

/// The connection's end of a streamed body.
pub(super) struct Source {
    flowing: Mutex<Flowing>,
    turns: Arc<Turns>,
    /// Wakes the side whose turn it is.
    waker: Waker,
    /// How long a piece may take.
    idle: Duration,
    is_driven_by_polls: bool,
}

struct Flowing {
    /// `None` once the carrier has ended it.
    live: Option<StreamedBody>,
    /// The shard whose runtime tells of the socket; `None` for the runtime of the carrier.
    place: Option<ShardId>,
    /// When its runtime was last driven by the reader.
    looked_at: Option<Instant>,
    /// Bytes that came.
    count: u64,
    /// How the body ended, as its reader saw.
    end: Option<Result<(), Failure>>,
    /// Since when a reader waits for the next piece.
    waits_since: Option<Instant>,
    /// Whether the reader took pieces since the carrier's last poll.
    was_read: bool,
}

/// What a poll of the carrier came to.
pub(super) enum CarrierPoll {
    Piece,
    /// The reader polls from here on, or took pieces meanwhile: the next one has its whole time.
    LeftToReader,
    Ended(Result<(), Failure>),
}

impl Source {
    pub(super) fn new(live: StreamedBody, idle: Duration) -> Self {
        let is_driven_by_polls = live.is_driven_by_polls();
        let turns = Arc::<Turns>::default();
        let waker = Waker::from(Arc::clone(&turns));
        let live = Some(live);
        let (end, waits_since, looked_at, was_read) = (None, None, None, false);
        let flowing =
            Flowing { live, place: None, looked_at, count: 0, end, waits_since, was_read };
        Self { flowing: Mutex::new(flowing), turns, waker, idle, is_driven_by_polls }
    }

    /// No code of the host runs under this lock.
    fn lock(&self) -> MutexGuard<'_, Flowing> {
        self.flowing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the reader polls, and not the carrier.
    pub(super) fn is_left_to_reader(&self) -> bool {
        self.turns.lock().left_to_reader
    }

    /// The reader polls from here on, where it may: it waits.
    pub(super) fn leave_to_reader(&self) {
        let mut turn = self.turns.lock();
        turn.left_to_reader = self.is_driven_by_polls && !turn.is_over;
    }

    /// The carrier polls from here on.
    pub(super) fn leave_to_carrier(&self) {
        self.turns.leave_to_carrier(false);
    }

    /// The carrier polls from here on, where the reader that was to does not wait now.
    pub(super) fn take_from_absent_reader(&self) {
        let mut turn = self.turns.lock();
        turn.left_to_reader &= !matches!(turn.reader, Reader::Away);
    }

    /// The carrier's poll; `put` takes a piece, in the order of the body.
    pub(super) fn poll_by_carrier(
        &self,
        cx: &Context<'_>,
        put: impl FnOnce(Bytes),
    ) -> Poll<CarrierPoll> {
        let left_to_reader = {
            let mut turn = self.turns.lock();
            turn.carrier = Some(cx.waker().clone());
            turn.left_to_reader
        };
        let mut flowing = self.lock();
        if let Some(end) = flowing.end.take() {
            return Poll::Ready(CarrierPoll::Ended(end));
        }
        if mem::take(&mut flowing.was_read) || left_to_reader {
            return Poll::Ready(CarrierPoll::LeftToReader);
        }
        flowing.move_to(None);
        flowing.poll(&self.waker).map(|piece| match piece.transpose() {
            Ok(Some(piece)) => {
                put(piece);
                CarrierPoll::Piece
            }
            Ok(None) => CarrierPoll::Ended(Ok(())),
            Err(failure) => CarrierPoll::Ended(Err(failure)),
        })
    }

    /// The reader's next polls only look at what has arrived.
    pub(super) fn is_looked_at(&self) {
        self.lock().live.iter_mut().for_each(StreamedBody::is_looked_at);
    }

    /// The reader's poll, where it is its turn, driven with the shard `place`; ready when pieces came. The end is the
    /// carrier's to tell.
    pub(super) fn poll_by_reader(
        &self,
        cx: &Context<'_>,
        place: ShardId,
        sink: &mut impl PieceSink,
    ) -> Poll<()> {
        let mut flowing = self.lock();
        // Asked under the lock: once the carrier has polled, a reader must not take the socket away again.
        if !self.turns.begin_read() {
            return Poll::Pending;
        }
        flowing.move_to(Some(place));
        let taken = self.take(&mut flowing, sink);
        let now = clock::now();
        flowing.looked_at = Some(now);
        if taken > 0 || flowing.end.is_some() {
            drop(flowing);
            self.leave();
            return if taken > 0 { Poll::Ready(()) } else { Poll::Pending };
        }
        flowing.waits_since.get_or_insert(now);
        drop(flowing);
        self.turns.wait(cx);
        Poll::Pending
    }

    /// The reader's poll for what its shard's runtime knows to be there, without driving that. Only a moment after the poll
    /// before: a shard that rests for long is ended.
    pub(super) fn poll_on(&self, sink: &mut impl PieceSink) {
        let mut flowing = self.lock();
        if flowing.is_settled() && self.turns.begin_read() {
            self.take(&mut flowing, sink);
            drop(flowing);
            self.leave();
        }
    }

    /// Takes what is there, up to what is wanted; how much that costs.
    fn take(&self, flowing: &mut Flowing, sink: &mut impl PieceSink) -> usize {
        let mut taken = 0;
        while taken < WANTED && flowing.end.is_none() {
            let polled = match sink.room().and_then(|room| flowing.poll_into(&self.waker, room)) {
                Some(polled) => polled.map(|read| match read {
                    Ok(count) => {
                        sink.filled(count);
                        Ok(Some(WANTED))
                    }
                    Err(failure) => Err(failure),
                }),
                None => flowing.poll(&self.waker).map(|piece| {
                    let piece = piece.transpose()?;
                    Ok(piece.map(|piece| sink.put(piece)))
                }),
            };
            match polled {
                Poll::Ready(Ok(Some(cost))) => {
                    taken += cost;
                    flowing.was_read = true;
                }
                Poll::Ready(ended) => {
                    flowing.end = Some(ended.map(drop));
                    self.turns.leave_to_carrier(true);
                }
                Poll::Pending => break,
            }
        }
        taken
    }

    /// The reader waits no more.
    pub(super) fn leave(&self) {
        self.turns.lock().reader = Reader::Away;
    }

    /// How long the reader that polls may wait for the next piece yet; no limit where the carrier keeps it.
    pub(super) fn patience(&self) -> Duration {
        let flowing = self.lock();
        if flowing.end.is_some() || flowing.live.is_none() || !self.is_left_to_reader() {
            return Duration::MAX;
        }
        let waited = flowing.waits_since.map(|since| clock::now().saturating_duration_since(since));
        self.idle.saturating_sub(waited.unwrap_or_default())
    }

    /// The next piece did not come in time: the body has broken off.
    pub(super) fn give_up(&self) {
        self.lock().end.get_or_insert_with(|| Err(late()));
        self.turns.leave_to_carrier(true);
    }

    /// Ends the exchange, and tells how many bytes came of it. A connection that may be used again is kept; then this is to be
    /// called by the carrier.
    pub(super) fn close(&self) -> u64 {
        let mut flowing = self.lock();
        flowing.move_to(None);
        let live = flowing.live.take();
        let count = flowing.count;
        drop(flowing);
        drop(live);
        count
    }
}

/// Why a body that brings nothing ends.
pub(super) fn late() -> Failure {
    Failure::sent(FailureKind::Timeout, "no more of the body in time")
}

impl Flowing {
    /// The next poll is made there.
    fn move_to(&mut self, place: Option<ShardId>) {
        if self.place != place {
            self.place = place;
            self.live.iter_mut().for_each(StreamedBody::changes_runtime);
        }
    }

    /// Whether the reader's runtime tells of the socket, and was driven a moment ago.
    fn is_settled(&self) -> bool {
        let was_now = |at: Instant| clock::now().saturating_duration_since(at) < MOMENT;
        self.looked_at.is_some_and(was_now)
            && self.live.as_ref().is_some_and(|live| !live.is_to_change())
    }

    fn poll_into(&mut self, waker: &Waker, room: &mut [u8]) -> Option<PollInto> {
        let polled = self.live.as_mut()?.poll_into(&mut Context::from_waker(waker), room);
        if let Some(Poll::Ready(Ok(count))) = polled {
            self.came(count);
        }
        polled
    }

    fn poll(&mut self, waker: &Waker) -> Poll<Option<Result<Bytes, Failure>>> {
        let Some(live) = &mut self.live else {
            return Poll::Pending;
        };
        let polled = live.poll_next(&mut Context::from_waker(waker));
        if let Poll::Ready(Some(Ok(piece))) = &polled {
            self.came(piece.len());
        }
        polled
    }

    fn came(&mut self, count: usize) {
        self.count += count as u64;
        self.waits_since = None;
    }
}

/// Whose turn it is to poll, and what a wake reaches.
#[derive(Default)]
struct Turns(Mutex<Turn>);

#[derive(Default)]
struct Turn {
    carrier: Option<Waker>,
    reader: Reader,
    left_to_reader: bool,
    /// The body has ended: only the carrier has something to do yet.
    is_over: bool,
}

#[derive(Default)]
enum Reader {
    #[default]
    Away,
    /// It looks at the connection now, and again where that woke it meanwhile.
    Polls {
        woken: bool,
    },
    Waits(Waker),
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, Turn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reader polls, if it is its turn.
    fn begin_read(&self) -> bool {
        let mut turn = self.lock();
        if turn.left_to_reader {
            turn.reader = Reader::Polls { woken: false };
        }
        turn.left_to_reader
    }

    fn leave_to_carrier(&self, is_over: bool) {
        let mut turn = self.lock();
        turn.left_to_reader = false;
        turn.is_over |= is_over;
        let carrier = turn.carrier.clone();
        drop(turn);
        if let Some(carrier) = carrier {
            carrier.wake();
        }
    }

    /// The reader found nothing.
    fn wait(&self, cx: &Context<'_>) {
        let mut turn = self.lock();
        let waker = cx.waker().clone();
        if matches!(turn.reader, Reader::Polls { woken: true }) {
            drop(turn);
            // Through its runtime, where it has one: a task that looked too often must let it run first.
            waker.wake();
        } else {
            turn.reader = Reader::Waits(waker);
        }
    }
}

impl Wake for Turns {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut turn = self.lock();
        let waker = match &turn.reader {
            _ if !turn.left_to_reader => turn.carrier.clone(),
            Reader::Away => None,
            _ => match mem::replace(&mut turn.reader, Reader::Polls { woken: true }) {
                Reader::Waits(waker) => Some(waker),
                _ => None,
            },
        };
        drop(turn);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
