//! Where the pieces of a streamed body come from: the connection, which the I/O thread of the call polls, or its reader.
//!
//! What one thread reads and another takes goes from one processor's cache to the other's, and each wait wakes two
//! threads: that cost more than the reading. So a reader that waits polls the connection itself, where nothing but polls
//! drives it, and the carrier rests. The carrier still ends the exchange, for a cancel, a close or its end, and goes on
//! where the reader wants to be told instead of waiting.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::outcome::{Failure, FailureKind};
use crate::runtime::clock;
use crate::transport::Live;

/// A reader polls for so much before it takes what is there, what pieces take beside their bytes included: as much as one
/// read of a connection brings.
const WANTED: usize = 64 * 1024;

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
    live: Option<Live>,
    /// Bytes that came.
    count: u64,
    /// How the body ended, as its reader saw.
    end: Option<Result<(), Failure>>,
    /// Since when a reader waits for the next piece.
    waits_since: Option<Instant>,
}

/// What a poll of the carrier came to.
pub(super) enum Moved {
    Piece,
    /// The reader polls from here on.
    LeftToReader,
    Ended(Result<(), Failure>),
}

impl Source {
    pub(super) fn new(live: Live, idle: Duration) -> Self {
        let is_driven_by_polls = live.is_driven_by_polls();
        let turns = Arc::<Turns>::default();
        let waker = Waker::from(Arc::clone(&turns));
        let flowing = Flowing { live: Some(live), count: 0, end: None, waits_since: None };
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

    /// The carrier's poll; `put` takes a piece, in the order of the body.
    pub(super) fn poll_by_carrier(&self, cx: &Context<'_>, put: impl FnOnce(Bytes)) -> Poll<Moved> {
        let left_to_reader = {
            let mut turn = self.turns.lock();
            turn.carrier = Some(cx.waker().clone());
            turn.left_to_reader
        };
        let mut flowing = self.lock();
        if let Some(end) = flowing.end.take() {
            return Poll::Ready(Moved::Ended(end));
        }
        if left_to_reader {
            return Poll::Ready(Moved::LeftToReader);
        }
        flowing.poll(&self.waker).map(|piece| match piece.transpose() {
            Ok(Some(piece)) => {
                put(piece);
                Moved::Piece
            }
            Ok(None) => Moved::Ended(Ok(())),
            Err(failure) => Moved::Ended(Err(failure)),
        })
    }

    /// The reader's poll, where it is its turn; ready when pieces came. The end is the carrier's to tell. `put` takes a
    /// piece and says what it costs: a peer that sends them byte by byte must meet the bound too.
    pub(super) fn poll_by_reader(
        &self,
        cx: &Context<'_>,
        mut put: impl FnMut(Bytes) -> usize,
    ) -> Poll<()> {
        if !self.is_left_to_reader() {
            return Poll::Pending;
        }
        self.turns.lock().reader = Reader::Polls { woken: false };
        let (mut flowing, mut taken) = (self.lock(), 0);
        while taken < WANTED && flowing.end.is_none() {
            match flowing.poll(&self.waker) {
                Poll::Ready(Some(Ok(piece))) => {
                    taken += put(piece);
                }
                Poll::Ready(ended) => {
                    flowing.end = Some(ended.transpose().map(drop));
                    self.turns.leave_to_carrier(true);
                }
                Poll::Pending => break,
            }
        }
        let is_over = flowing.end.is_some();
        if taken > 0 || is_over {
            flowing.waits_since = None;
            drop(flowing);
            self.leave();
            return if taken > 0 { Poll::Ready(()) } else { Poll::Pending };
        }
        flowing.waits_since.get_or_insert_with(clock::now);
        drop(flowing);
        self.turns.wait(cx);
        Poll::Pending
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

    /// Ends the exchange, and tells how many bytes came of it. A connection that may be used again is kept.
    pub(super) fn close(&self) -> u64 {
        let mut flowing = self.lock();
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
    fn poll(&mut self, waker: &Waker) -> Poll<Option<Result<Bytes, Failure>>> {
        let Some(live) = &mut self.live else {
            return Poll::Pending;
        };
        let polled = live.poll_next(&mut Context::from_waker(waker));
        if let Poll::Ready(Some(Ok(piece))) = &polled {
            self.count += piece.len() as u64;
        }
        polled
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
        let waker = match mem::replace(&mut turn.reader, Reader::Polls { woken: true }) {
            Reader::Waits(waker) => Some(waker),
            Reader::Polls { .. } => None,
            Reader::Away => {
                turn.reader = Reader::Away;
                if turn.left_to_reader { None } else { turn.carrier.clone() }
            }
        };
        drop(turn);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
