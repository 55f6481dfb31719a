//! What an endpoint's attempts showed since the last sweep.
//!
//! Each attempt writes here, so it is a few atomics and no lock: two counts in one word, which a sweep
//! takes out in one exchange, and the lengths of two runs. Counts that decay, or a window per
//! endpoint, would cost every attempt a clock; one interval between two sweeps is window enough for a
//! rule that compares neighbours.

use std::num::NonZeroU16;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use crate::outcome::Verdict;
use crate::policy::retry::classify::{AttemptOutcome, verdict};

/// How many failures in a row eject an endpoint at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// Answers of 502, 503 and 504; default none, which turns the rule off.
    pub gateway: Option<NonZeroU16>,
    /// Attempts without an answer. Default none: they count like a gateway's failures. Where it is
    /// set they are split off, and count for this rule alone; Envoy then takes 5.
    pub local: Option<NonZeroU16>,
}

/// What an attempt showed, as the rules on outliers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutlierEvent {
    /// An answer that is no server's fault; a 429 too, as a server that throttles works.
    Success,
    /// An answer of 5xx but 501 and those below.
    Failure,
    /// 502, 503 or 504: something in between speaks for a server that it cannot reach.
    Gateway,
    /// No answer: not connected, timed out, or lost.
    Local,
}

impl OutlierEvent {
    /// The sign of an ending; none if it says nothing of the endpoint.
    #[must_use]
    pub const fn of(ended: &AttemptOutcome) -> Option<Self> {
        match (verdict(ended), ended) {
            (Verdict::Neutral, _) => None,
            (Verdict::Success | Verdict::Throttled, _) => Some(Self::Success),
            (_, AttemptOutcome::Answered { status: 502..=504 }) => Some(Self::Gateway),
            (_, AttemptOutcome::Answered { .. } | AttemptOutcome::Judged { .. }) => {
                Some(Self::Failure)
            }
            (_, AttemptOutcome::Failed { .. }) => Some(Self::Local),
        }
    }
}

/// The counts of one endpoint between two sweeps, and its runs of failures.
#[derive(Debug, Default)]
pub struct OutlierStats {
    /// Successes in the lower half, failures in the upper.
    counts: AtomicU64,
    gateway_run: AtomicU16,
    local_run: AtomicU16,
}

/// What a sweep found of one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutlierCounts {
    /// Attempts that showed a working endpoint.
    pub successes: u32,
    /// Attempts that did not.
    pub failures: u32,
}

impl OutlierStats {
    /// Nothing counted.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            counts: AtomicU64::new(0),
            gateway_run: AtomicU16::new(0),
            local_run: AtomicU16::new(0),
        }
    }

    /// Notes what an attempt showed, and says whether a rule on failures in a row is met. It stays
    /// met, so an endpoint which may not be ejected yet is proposed again by its next failure.
    pub fn note(&self, sign: OutlierEvent, limits: &Runs) -> bool {
        match (sign, limits.local) {
            (OutlierEvent::Local, Some(limit)) => lengthen(&self.local_run) >= limit.get(),
            (OutlierEvent::Local, None) => self.answered(OutlierEvent::Gateway, limits),
            (sign, Some(_)) => {
                self.local_run.store(0, Ordering::Relaxed);
                self.answered(sign, limits)
            }
            (sign, None) => self.answered(sign, limits),
        }
    }

    fn answered(&self, sign: OutlierEvent, limits: &Runs) -> bool {
        let one = if sign == OutlierEvent::Success { SUCCESS } else { FAILURE };
        self.counts.fetch_add(one, Ordering::Relaxed);
        let Some(limit) = limits.gateway else {
            return false;
        };
        if sign == OutlierEvent::Gateway {
            return lengthen(&self.gateway_run) >= limit.get();
        }
        self.gateway_run.store(0, Ordering::Relaxed);
        false
    }

    /// Takes the counts out, and starts them anew.
    #[expect(clippy::cast_possible_truncation, reason = "each half is a number of its own")]
    pub fn take(&self) -> OutlierCounts {
        let counts = self.counts.swap(0, Ordering::Relaxed);
        OutlierCounts { successes: counts as u32, failures: (counts >> 32) as u32 }
    }

    /// Ends the runs: an endpoint that returns must not be ejected for its first failure.
    pub fn end_runs(&self) {
        self.gateway_run.store(0, Ordering::Relaxed);
        self.local_run.store(0, Ordering::Relaxed);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.counts.store(0, Ordering::Relaxed);
        self.end_runs();
    }
}

impl OutlierCounts {
    /// All of them.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.successes as u64 + self.failures as u64
    }
}

/// Makes a run one longer, and says how long it is.
fn lengthen(run: &AtomicU16) -> u16 {
    let longer = |run: u16| run.checked_add(1);
    let before = run.fetch_update(Ordering::Relaxed, Ordering::Relaxed, longer);
    before.map_or(u16::MAX, |before| before + 1)
}

const SUCCESS: u64 = 1;
const FAILURE: u64 = 1 << 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outcome::FailureKind;

    /// Three gateway failures eject; local ones are told apart or not.
    fn limits(split: bool) -> Runs {
        Runs { gateway: NonZeroU16::new(3), local: NonZeroU16::new(2).filter(|_| split) }
    }

    fn notes(stats: &OutlierStats, limits: &Runs, signs: &[OutlierEvent]) -> Vec<bool> {
        signs.iter().map(|sign| stats.note(*sign, limits)).collect()
    }

    fn found(successes: u32, failures: u32) -> OutlierCounts {
        OutlierCounts { successes, failures }
    }

    #[test]
    fn a_tally_takes_sixteen_bytes() {
        assert!(size_of::<OutlierStats>() <= 16);
    }

    #[test]
    fn endings_show_what_they_should() {
        let answered = |status| OutlierEvent::of(&AttemptOutcome::Answered { status });
        let failed = |kind| OutlierEvent::of(&AttemptOutcome::Failed { kind, sent: true });
        for status in [200, 301, 404, 429, 501] {
            assert_eq!(answered(status), Some(OutlierEvent::Success), "{status}");
        }
        assert_eq!(
            (answered(500), answered(505)),
            (Some(OutlierEvent::Failure), Some(OutlierEvent::Failure))
        );
        for status in [502, 503, 504] {
            assert_eq!(answered(status), Some(OutlierEvent::Gateway), "{status}");
        }
        for kind in [FailureKind::Connect, FailureKind::Timeout, FailureKind::ConnectionLost] {
            assert_eq!(failed(kind), Some(OutlierEvent::Local), "{kind:?}");
        }
        for kind in [FailureKind::Cancelled, FailureKind::Local, FailureKind::RefusedStream] {
            assert_eq!(failed(kind), None, "{kind:?}");
        }
    }

    #[test]
    fn a_sweep_takes_the_counts_and_leaves_the_runs() {
        let (stats, limits) = (OutlierStats::default(), limits(false));
        let signs = [
            OutlierEvent::Success,
            OutlierEvent::Failure,
            OutlierEvent::Gateway,
            OutlierEvent::Gateway,
        ];
        assert_eq!(notes(&stats, &limits, &signs), [false; 4]);
        assert_eq!(stats.take(), found(1, 3));
        assert_eq!(stats.take(), found(0, 0));
        assert!(stats.note(OutlierEvent::Gateway, &limits), "the third in a row");
    }

    #[test]
    fn any_other_answer_ends_a_run_of_gateway_failures() {
        for ending in [OutlierEvent::Success, OutlierEvent::Failure] {
            let (stats, limits) = (OutlierStats::default(), limits(false));
            let signs = [
                OutlierEvent::Gateway,
                OutlierEvent::Gateway,
                ending,
                OutlierEvent::Gateway,
                OutlierEvent::Gateway,
            ];
            assert_eq!(notes(&stats, &limits, &signs), [false; 5]);
        }
    }

    #[test]
    fn a_rule_that_is_met_stays_met_until_a_success() {
        let (stats, limits) = (OutlierStats::default(), limits(false));
        let met = notes(&stats, &limits, &[OutlierEvent::Gateway; 5]);
        assert_eq!(met, [false, false, true, true, true]);
        assert!(
            !stats.note(OutlierEvent::Success, &limits)
                && !stats.note(OutlierEvent::Gateway, &limits)
        );
    }

    #[test]
    fn without_a_split_no_answer_is_as_bad_as_a_gateways() {
        let (stats, limits) = (OutlierStats::default(), limits(false));
        let met = notes(
            &stats,
            &limits,
            &[OutlierEvent::Local, OutlierEvent::Gateway, OutlierEvent::Local],
        );
        assert_eq!(met, [false, false, true]);
        assert_eq!(stats.take(), found(0, 3));
    }

    #[test]
    fn split_off_they_count_for_their_own_rule_only() {
        let (stats, limits) = (OutlierStats::default(), limits(true));
        let signs = [
            OutlierEvent::Gateway,
            OutlierEvent::Gateway,
            OutlierEvent::Local,
            OutlierEvent::Gateway,
            OutlierEvent::Local,
        ];
        let met = notes(&stats, &limits, &signs);
        assert_eq!(met, [false, false, false, true, false], "an answer ends the local run");
        assert!(stats.note(OutlierEvent::Local, &limits));
        assert_eq!(stats.take(), found(0, 3));
    }

    #[test]
    fn rules_that_are_off_are_never_met() {
        let (stats, limits) = (OutlierStats::default(), Runs::default());
        assert_eq!(notes(&stats, &limits, &[OutlierEvent::Gateway; 100]), [false; 100]);
        assert_eq!(notes(&stats, &limits, &[OutlierEvent::Local; 100]), [false; 100]);
    }

    #[test]
    fn the_longest_run_does_not_come_round() {
        let (stats, limits) = (OutlierStats::default(), limits(true));
        (0..70_000).for_each(|_| _ = stats.note(OutlierEvent::Local, &limits));
        assert!(stats.note(OutlierEvent::Local, &limits));
        stats.clear();
        assert!(!stats.note(OutlierEvent::Local, &limits));
    }

    proptest! {
        /// Runs and counts against a plain list of what was noted.
        #[test]
        fn agrees_with_a_list_of_all_signs(
            signs in prop::collection::vec(0_usize..4, 1..200),
            split in any::<bool>(),
        ) {
            let (stats, limits) = (OutlierStats::default(), limits(split));
            let kinds = [OutlierEvent::Success, OutlierEvent::Failure, OutlierEvent::Gateway, OutlierEvent::Local];
            let mut list: Vec<OutlierEvent> = Vec::new();
            for sign in signs.into_iter().map(|index| kinds[index]) {
                let met = stats.note(sign, &limits);
                let is_local = |sign: &&OutlierEvent| split && **sign == OutlierEvent::Local;
                let alike = if split { OutlierEvent::Gateway } else { OutlierEvent::Local };
                list.push(sign);
                let expected = if is_local(&&sign) {
                    list.iter().rev().take_while(is_local).count() >= 2
                } else {
                    let answers = list.iter().rev().filter(|sign| !is_local(sign));
                    let gateway = |sign: &&OutlierEvent| [OutlierEvent::Gateway, alike].contains(*sign);
                    answers.take_while(gateway).count() >= 3
                };
                prop_assert_eq!(met, expected);
            }
            let counted = list.iter().filter(|sign| !(split && **sign == OutlierEvent::Local));
            let good = counted.clone().filter(|sign| **sign == OutlierEvent::Success).count() as u32;
            prop_assert_eq!(stats.take(), found(good, counted.count() as u32 - good));
        }
    }
}
