//! How much of a body has to have arrived before its reader is woken.
//!
//! A sender that is as fast as its reader wakes it for every few segments, and to be woken costs more than to copy what they
//! bring: 16 MiB that are held whole took 220 to 280 wakes and 0.94 of libcurl's processor time, and take 74 wakes and 0.64;
//! read piece by piece 1.08 to 1.13, and 0.83 to 0.89; over TLS 0.76 to 0.82, and 0.66 to 0.69. So
//! a socket counts as readable once 128 KiB have arrived (`SO_RCVLOWAT`), or what is left of the body. What comes more
//! slowly is read after a moment all the same: a limit on how long nothing may come is not passed while something does.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep};

use crate::runtime::socket::{Descriptor, wake_at};

/// The mark of one socket, while a body comes over it.
pub(super) struct Watermark {
    /// What the socket was told last; 0 before that.
    told: usize,
    /// The last read brought little: each byte is waited for.
    trickles: bool,
    /// How long less than the mark is waited for.
    patience: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl Watermark {
    /// Of a body that is held whole: nobody waits for its first bytes.
    pub(super) fn of_whole() -> Self {
        // A hundred reads a second are few, and no limit is as short.
        Self::new(false, Duration::from_millis(10))
    }

    /// Of a body that is read piece by piece: one that does not flow is told of at once, and one that does is late by less
    /// than a round trip to the next city.
    pub(super) fn of_pieces() -> Self {
        Self::new(true, Duration::from_millis(2))
    }

    fn new(trickles: bool, patience: Duration) -> Self {
        Self { told: 0, trickles, patience, timer: None, is_waiting: false }
    }

    /// Before a read that may wait until the socket has `left` bytes.
    pub(super) fn set(&mut self, socket: Descriptor, left: u64) {
        let most = usize::try_from(left).unwrap_or(usize::MAX).clamp(1, HIGH);
        let bytes = if self.trickles { 1 } else { most };
        if bytes != self.told.max(1) {
            self.told = bytes;
            wake_at(socket, bytes);
        }
    }

    /// After a read that brought `count` bytes.
    pub(super) fn note(&mut self, count: usize) {
        self.is_waiting = false;
        self.trickles = self.trickles && count < FLOWS;
    }

    /// Whether the wait for as much as the mark has timed out. The mark is down then.
    pub(super) fn has_timed_out(&mut self, socket: Descriptor, cx: &mut Context<'_>) -> bool {
        if self.told <= 1 {
            return false;
        }
        if self.timer.is_none() && Handle::try_current().is_err() {
            // A look at what has arrived: nobody waits.
            return false;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.patience)));
        if !self.is_waiting {
            self.is_waiting = true;
            timer.as_mut().reset(Instant::now() + self.patience);
        }
        if timer.as_mut().poll(cx) == Poll::Pending {
            return false;
        }
        self.comes_down(socket);
        true
    }

    /// Each byte is told of until many come with one read.
    pub(super) fn comes_down(&mut self, socket: Descriptor) {
        self.trickles = true;
        self.set(socket, 1);
    }

    /// Another runtime wakes the reader from here on: a timer belongs to one.
    pub(super) fn changes_runtime(&mut self) {
        self.timer = None;
        self.is_waiting = false;
    }
}

/// Two reads of what lies in a processor's own cache.
const HIGH: usize = 128 * 1024;

/// What a read brings where a body flows.
const FLOWS: usize = 16 * 1024;
