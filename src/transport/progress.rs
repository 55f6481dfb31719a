//! How far an attempt came; written by the transport, read by the call that times it or cuts it short.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::phase::{ConnectionInfo, Phase, Phases, PhasesSoFar};
use crate::runtime::clock;

/// How far an attempt came.
///
/// A transport that can count reports the bytes of its connection; one that cannot says that it was
/// connected, which must count as sent.
#[derive(Debug)]
pub struct Progress {
    sent: AtomicBool,
    connected: AtomicBool,
    began: Instant,
    /// Bytes sent and received.
    moved: AtomicU64,
    /// How long after the beginning the attempt's clock was restarted, in nanoseconds.
    restarted: AtomicU64,
    /// The [`Phase`] that it is in.
    phase: AtomicU8,
    /// Since when, in nanoseconds after the beginning.
    since: AtomicU64,
    /// The time of the phases before, in nanoseconds.
    spent: [AtomicU64; Phase::COUNT],
    connection: Mutex<Option<ConnectionInfo>>,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new(clock::now())
    }
}

impl Progress {
    /// Of an attempt that begins at this instant. It is taken to go over a kept connection until it says otherwise,
    /// so that an attempt that does looks at no clock.
    #[must_use]
    pub const fn new(began: Instant) -> Self {
        Self {
            sent: AtomicBool::new(false),
            connected: AtomicBool::new(false),
            began,
            moved: AtomicU64::new(0),
            restarted: AtomicU64::new(0),
            phase: AtomicU8::new(Phase::FirstByte as u8),
            since: AtomicU64::new(0),
            spent: [const { AtomicU64::new(0) }; Phase::COUNT],
            connection: Mutex::new(None),
        }
    }

    /// A connection stands (fresh or kept); the connect limit no longer applies.
    pub fn mark_connected(&self) {
        self.connected.store(true, Ordering::Relaxed);
        self.enter(Phase::FirstByte);
    }

    /// Bytes of the request left for the peer, or may have.
    pub fn mark_sent(&self) {
        self.sent.store(true, Ordering::Relaxed);
    }

    /// All connections that there may be are in use: the attempt waits for one, which is no fault of the endpoint.
    /// Its clock starts when it has one.
    pub fn mark_waiting(&self, waiting: bool) {
        self.enter(if waiting { Phase::Wait } else { Phase::FirstByte });
        self.restart();
    }

    /// The attempt enters a phase, on which it spends its time from now on.
    #[inline]
    pub fn enter(&self, phase: Phase) {
        if self.phase.load(Ordering::Relaxed) != phase as u8 {
            self.change(phase);
        }
    }

    #[cold]
    fn change(&self, phase: Phase) {
        let before = self.phase.swap(phase as u8, Ordering::Relaxed);
        if before == Phase::FirstByte as u8 && before > phase as u8 && !self.is_connected() {
            // It was taken to go over a kept connection, and there is none: the time before is this phase's.
            return;
        }
        let now = self.elapsed();
        let since = self.since.swap(now, Ordering::Relaxed);
        self.spent[usize::from(before)].fetch_add(now.saturating_sub(since), Ordering::Relaxed);
    }

    /// In nanoseconds.
    fn elapsed(&self) -> u64 {
        clock::now().saturating_duration_since(self.began).as_nanos() as u64
    }

    /// How long the attempt has spent on each phase.
    #[must_use]
    pub fn phases(&self) -> PhasesSoFar {
        let spent = self.spent.each_ref().map(|spent| spent.load(Ordering::Relaxed));
        let last = Phase::from_number(self.phase.load(Ordering::Relaxed));
        let since = self.since.load(Ordering::Relaxed);
        Phases::under_way(spent, last.unwrap_or(Phase::FirstByte), since)
    }

    /// Notes the connection that carries the attempt.
    pub fn carried_by(&self, connection: ConnectionInfo) {
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
    }

    /// The connection that carries it, or carried it last.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionInfo> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// This number of bytes was sent and received so far. Each [`STEP`] restarts the attempt's clock.
    #[inline]
    pub fn mark_moved(&self, moved: u64) {
        let before = self.moved.load(Ordering::Relaxed);
        if moved / STEP != before / STEP {
            self.restart();
        }
        if moved != before {
            self.moved.store(moved, Ordering::Relaxed);
        }
    }

    /// This number of bytes more was sent or received.
    pub fn add_moved(&self, more: usize) {
        self.mark_moved(self.moved.load(Ordering::Relaxed) + more as u64);
    }

    #[cold]
    fn restart(&self) {
        self.restarted.store(self.elapsed(), Ordering::Relaxed);
    }

    /// Has the attempt's limit count for so much less: nothing ran here meanwhile.
    pub fn skip(&self, time: Duration) {
        self.restarted.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    /// From when on the attempt's limit counts.
    #[must_use]
    pub fn counts_from(&self) -> Instant {
        self.began + Duration::from_nanos(self.restarted.load(Ordering::Relaxed))
    }

    fn is_in(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Relaxed) == phase as u8
    }

    /// Whether it waits for the addresses of a name: an end of the attempt meanwhile is no fault of the endpoint.
    #[must_use]
    pub fn is_resolving(&self) -> bool {
        self.is_in(Phase::Resolve)
    }

    /// Whether it waits for a connection that is in use.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.is_in(Phase::Wait)
    }

    /// Whether the answer's head has come.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.is_in(Phase::Body)
    }

    /// Whether a connection stood.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Whether any byte of the request may have reached the peer.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }
}

/// A large body is under way for longer than an answer takes, and nothing hangs while it moves.
const STEP: u64 = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_16_kib_and_the_end_of_a_wait_restart_the_clock() {
        let began = clock::now();
        let progress = Progress::new(began - Duration::from_secs(1));
        let before = progress.counts_from();
        progress.mark_moved(16_383);
        assert_eq!(progress.counts_from(), before);
        progress.mark_moved(16_384);
        let first = progress.counts_from();
        assert!(first >= began);
        progress.add_moved(100);
        assert_eq!(progress.counts_from(), first);
        progress.mark_waiting(false);
        assert!(progress.counts_from() > first);
    }

    #[test]
    fn the_phases_are_all_of_an_attempts_time() {
        let progress = Progress::new(clock::now() - Duration::from_secs(1));
        progress.enter(Phase::Resolve);
        assert!(progress.is_resolving());
        progress.enter(Phase::Connect);
        progress.mark_connected();
        progress.enter(Phase::Body);
        let elapsed = Duration::from_secs(3);
        let phases = progress.phases().ended(elapsed);
        let all = (0..6).filter_map(Phase::from_number).map(|phase| phases.of(phase));
        assert_eq!(all.sum::<Duration>(), elapsed);
        assert!(phases.of(Phase::Resolve) >= Duration::from_secs(1), "{phases:?}");
        assert!(phases.of(Phase::Body) > Duration::from_secs(1), "{phases:?}");
        assert_eq!((phases.of(Phase::Wait), phases.of(Phase::Tls)), Default::default());
    }

    #[test]
    fn before_a_connection_stands_no_time_is_the_answers() {
        let progress = Progress::new(clock::now() - Duration::from_secs(1));
        progress.mark_waiting(true);
        progress.mark_waiting(false);
        progress.enter(Phase::Connect);
        let phases = progress.phases().ended(Duration::from_secs(2));
        assert_eq!(phases.of(Phase::FirstByte), Duration::ZERO);
        assert!(phases.of(Phase::Wait) >= Duration::from_secs(1), "{phases:?}");
    }

    #[test]
    fn a_kept_connection_that_was_of_no_use_has_the_time_before_the_next_one() {
        let progress = Progress::new(clock::now() - Duration::from_secs(1));
        progress.mark_connected();
        progress.enter(Phase::Connect);
        let phases = progress.phases().ended(Duration::from_secs(2));
        assert!(phases.of(Phase::FirstByte) >= Duration::from_secs(1), "{phases:?}");
    }

    #[test]
    fn over_a_kept_connection_all_is_the_answers_time() {
        let phases = Progress::default().phases().ended(Duration::from_millis(3));
        assert_eq!(phases.of(Phase::FirstByte), Duration::from_millis(3));
    }
}
