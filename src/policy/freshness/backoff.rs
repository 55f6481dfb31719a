//! When a source is asked again after it failed.
//!
//! A registry that comes back is met by all of its clients: full jitter spreads them, and a ceiling that doubles up to
//! 32 s keeps a registry that is down from being asked more often than twice a minute by each. A source that refuses,
//! for a wrong token or a path that does not exist, is asked slowly from the start, since no hurry mends that.

use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

/// The pauses of one source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SourceBackoff {
    failures: u32,
    /// When the last sessions expired, the oldest first.
    expiries: [Option<Instant>; 2],
}

impl SourceBackoff {
    /// How long to wait after one more failure.
    pub fn after_failure(&mut self, rng: &mut impl Rng) -> Duration {
        let ceiling = self.ceiling();
        self.failures = self.failures.saturating_add(1);
        // The first try after a failure comes at once at the earliest; a hundredth keeps a fast failure from a busy loop.
        rng.random_range(ceiling / 100..=ceiling)
    }

    /// How long to wait after a refusal.
    pub fn after_refusal(&mut self, rng: &mut impl Rng) -> Duration {
        self.failures = self.failures.saturating_add(1);
        rng.random_range(MOST / 2..=MOST)
    }

    /// How long to wait after a session expired at `now`: not at all, unless two others did within the last minute. So a
    /// registry whose sessions expire one after the other is asked for its list three times a minute.
    pub fn after_expiry(&mut self, now: Instant) -> Duration {
        let [oldest, last] = self.expiries;
        let next = oldest.map_or(now, |at| (at + EXPIRY_WINDOW).max(now));
        self.expiries = [last, Some(next)];
        next - now
    }

    /// The source told its list, and went on for `lasted`. Where that is as long as the next pause may be, the next
    /// failure is the first again: one whose every session breaks behind its list is not listed again and again, and one
    /// whose sessions last is without one for less than half of the time.
    pub fn lasted(&mut self, lasted: Duration) {
        if lasted >= self.ceiling() {
            self.failures = 0;
        }
    }

    fn ceiling(&self) -> Duration {
        FIRST.saturating_mul(1 << self.failures.min(DOUBLINGS)).min(MOST)
    }
}

/// In which two sessions may expire.
const EXPIRY_WINDOW: Duration = Duration::from_secs(60);
/// A leader's election, or a restart of the registry's process, takes about this.
const FIRST: Duration = Duration::from_millis(500);
/// Long for a service that came back, and short for an operator at work on the registry.
pub const MOST: Duration = Duration::from_secs(32);
/// 500 ms, doubled until 32 s.
const DOUBLINGS: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::test_inputs::t0;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    #[test]
    fn pauses_grow_up_to_32_seconds_with_full_jitter() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut longest = Duration::ZERO;
        let mut shortest = MOST;
        for _ in 0..200 {
            let mut backoff = SourceBackoff::default();
            for failures in 0..12_u32 {
                let pause = backoff.after_failure(&mut rng);
                assert!(pause <= FIRST * (1 << failures.min(6)) && pause <= MOST, "{pause:?}");
                if failures > 6 {
                    longest = longest.max(pause);
                    shortest = shortest.min(pause);
                }
            }
        }
        assert!(longest > MOST * 9 / 10 && shortest < MOST / 10, "{shortest:?} to {longest:?}");
    }

    #[test]
    fn sessions_that_break_behind_their_list_are_begun_anew_ever_more_seldom() {
        let mut rng = SmallRng::seed_from_u64(3);
        let begun_in_an_hour = |lasts: Duration, rng: &mut SmallRng| {
            let (mut backoff, mut now, mut begun) = (SourceBackoff::default(), Duration::ZERO, 0);
            while now < Duration::from_secs(3600) {
                begun += 1;
                backoff.lasted(lasts);
                now += lasts + backoff.after_failure(rng);
            }
            begun
        };
        let short = begun_in_an_hour(Duration::from_millis(20), &mut rng);
        assert!((200..300).contains(&short), "{short}: 16 s on average between two");
        // As behind a proxy that cuts what is quiet: it is followed for nearly all of the time.
        let long = begun_in_an_hour(Duration::from_secs(35), &mut rng);
        assert!(long > 100, "{long}");
    }

    #[test]
    fn sessions_that_expire_begin_anew_at_once_and_no_more_than_three_times_a_minute() {
        let mut backoff = SourceBackoff::default();
        // The first list, and one after each expiry.
        let (start, mut lists, mut now) = (t0(), vec![Duration::ZERO], Duration::ZERO);
        while now < Duration::from_secs(300) {
            now += backoff.after_expiry(start + now);
            lists.push(now);
            now += Duration::from_millis(10);
        }
        assert!(lists[2] < Duration::from_secs(1));
        for window in lists.windows(4) {
            assert!(window[3] - window[0] >= Duration::from_secs(60), "{window:?}");
        }
    }

    #[test]
    fn a_session_that_lasted_begins_anew_and_a_refusal_is_slow_at_once() {
        let mut rng = SmallRng::seed_from_u64(2);
        let mut backoff = SourceBackoff::default();
        (0..9).for_each(|_| {
            let _ = backoff.after_failure(&mut rng);
        });
        backoff.lasted(MOST);
        assert!(backoff.after_failure(&mut rng) <= FIRST);
        assert!(SourceBackoff::default().after_refusal(&mut rng) >= MOST / 2);
    }
}
