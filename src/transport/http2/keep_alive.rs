//! Whether a silent peer is still there: a PING after a while, or at once where a call asks for one.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep, sleep};

/// When a peer is asked whether it is still there, and for how long an answer is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepAlive {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// Asks a peer that was silent for a while whether it is still there.
pub(super) struct StreamWatch {
    settings: KeepAlive,
    pings: Option<PingPong>,
    timer: Pin<Box<Sleep>>,
    heard_at: Instant,
    asked_at: Option<Instant>,
    /// How long the peer has to answer.
    patience: Duration,
    /// The limit on streams that was seen last.
    pub(super) limit: usize,
}

impl StreamWatch {
    pub(super) fn new(settings: KeepAlive, pings: Option<PingPong>) -> Self {
        let timer = Box::pin(sleep(settings.interval));
        let heard_at = Instant::now();
        let patience = settings.timeout;
        Self { settings, pings, timer, heard_at, asked_at: None, patience, limit: NO_STREAMS }
    }

    /// Any byte is a sign of life; the pong itself may be far back in the queue.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.asked_at = None;
        self.patience = self.settings.timeout;
    }

    /// Asks now, and gives the peer a second.
    pub(super) fn ping_now(&mut self, cx: &mut Context<'_>) {
        let now = Instant::now();
        self.ask(cx);
        self.asked_at.get_or_insert(now);
        self.patience = PROMPT_PING_TIMEOUT.min(self.settings.timeout);
        self.timer.as_mut().reset(now + self.patience);
    }

    /// Ready when the peer was asked and did not answer in time.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let due = match self.asked_at {
                Some(asked_at) => asked_at + self.patience,
                None => self.heard_at + self.settings.interval,
            };
            let next = match (now < due, self.asked_at) {
                (true, _) => due,
                (false, Some(_)) => return Poll::Ready(()),
                (false, None) => {
                    self.ask(cx);
                    self.asked_at = Some(now);
                    now + self.settings.timeout
                }
            };
            self.timer.as_mut().reset(next);
        }
    }

    /// Wakes the connection, which shares this task, so that the PING leaves.
    fn ask(&mut self, cx: &mut Context<'_>) {
        if let Some(pings) = &mut self.pings {
            // An earlier pong must be taken before the next PING may go.
            let _ = pings.poll_pong(cx);
            let _ = pings.send_ping(Ping::opaque());
        }
    }
}

/// How long a peer has to show that it is there, once a call on its connection is late: far above a round trip.
pub(super) const PROMPT_PING_TIMEOUT: Duration = Duration::from_secs(1);

/// Before the peer's SETTINGS have come.
pub(super) const NO_STREAMS: usize = 0;
