//! What is wrong with some of the endpoints, and when.
//!
//! A fault either slows the work down, down to not at all, or answers in the server's place. The first
//! kind is known beforehand as a speed over time, so how long a piece of work takes is one sum, and what
//! was under way when the fault began is slowed down like the rest.

use std::ops::Range;

use crate::time::{MS, Nanos, SECOND};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mode {
    /// Everything takes so many times as long.
    Slow(f64),
    /// It accepts, and nothing comes back.
    Hang,
    /// It stands still for `lasting` in every `every`.
    Pause { lasting: Nanos, every: Nanos },
    /// Answers 503 at once.
    FailFast,
    /// The same for `lasting` in every `every`.
    Flap { lasting: Nanos, every: Nanos },
    /// Refuses connections, and those that stand are lost.
    Refuse,
    /// Does not answer to connects, and what is under way hangs.
    Vanish,
    /// It has just come: ten times as slow, and a step faster each second, for ten seconds.
    WarmUp,
}

/// A fault of some servers for some time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) servers: Range<u32>,
    pub(crate) mode: Mode,
    pub(crate) from: Nanos,
    pub(crate) until: Nanos,
}

/// What one server's faults come to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    /// In order of time, not overlapping.
    speeds: Vec<Stretch<f64>>,
    refusals: Vec<Stretch<Refusal>>,
}

#[derive(Clone, Debug)]
struct Stretch<T> {
    from: Nanos,
    until: Nanos,
    value: T,
}

/// What answers in a server's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// An answer of 503.
    Unavailable,
    /// No connection.
    Refused,
    /// Not even that.
    Silence,
}

impl Fault {
    /// When attempts under way are lost.
    pub(crate) fn crash(&self) -> Option<Nanos> {
        (self.mode == Mode::Refuse).then_some(self.from)
    }
}

impl Health {
    /// Adds a fault, which must not overlap with another of its kind.
    pub(crate) fn add(&mut self, fault: &Fault) {
        let span = fault.from..fault.until;
        match fault.mode {
            Mode::Slow(factor) => self.slow(span, 1.0 / factor),
            Mode::Hang => self.slow(span, 0.0),
            Mode::Pause { lasting, every } => {
                pieces(span, lasting, every).for_each(|piece| self.slow(piece, 0.0));
            }
            Mode::FailFast => self.refuse(span, Refusal::Unavailable),
            Mode::Flap { lasting, every } => {
                pieces(span, lasting, every)
                    .for_each(|piece| self.refuse(piece, Refusal::Unavailable));
            }
            Mode::Refuse => self.refuse(span, Refusal::Refused),
            Mode::Vanish => {
                self.slow(span.clone(), 0.0);
                self.refuse(span, Refusal::Silence);
            }
            Mode::WarmUp => {
                for step in 0..WARM_STEPS {
                    let from = fault.from + step * SECOND;
                    self.slow(from..from + SECOND, 1.0 / (WARM_STEPS - step) as f64);
                }
            }
        }
    }

    fn slow(&mut self, span: Range<Nanos>, value: f64) {
        self.speeds.push(Stretch { from: span.start, until: span.end, value });
        self.speeds.sort_by_key(|stretch| stretch.from);
    }

    fn refuse(&mut self, span: Range<Nanos>, value: Refusal) {
        self.refusals.push(Stretch { from: span.start, until: span.end, value });
        self.refusals.sort_by_key(|stretch| stretch.from);
    }

    /// What answers in its place now.
    pub(crate) fn refusal(&self, now: Nanos) -> Option<Refusal> {
        let holds = |stretch: &&Stretch<Refusal>| (stretch.from..stretch.until).contains(&now);
        self.refusals.iter().find(holds).map(|stretch| stretch.value)
    }

    /// Whether anything is wrong now.
    pub(crate) fn is_well(&self, now: Nanos) -> bool {
        let slow = self.speeds.iter().any(|it| (it.from..it.until).contains(&now));
        !slow && self.refusal(now).is_none()
    }

    /// When work is done that begins now.
    pub(crate) fn done(&self, now: Nanos, work: Nanos) -> Nanos {
        let (mut at, mut left) = (now, work as f64);
        for stretch in self.speeds.iter().filter(|stretch| stretch.until > now) {
            let before = stretch.from.saturating_sub(at) as f64;
            if left <= before {
                break;
            }
            left -= before;
            at = at.max(stretch.from);
            let within = (stretch.until - at) as f64 * stretch.value;
            if left <= within {
                return at + (left / stretch.value) as Nanos;
            }
            left -= within;
            at = stretch.until;
        }
        at + left as Nanos
    }
}

/// The parts of a span in which something that comes and goes is there.
fn pieces(span: Range<Nanos>, lasting: Nanos, every: Nanos) -> impl Iterator<Item = Range<Nanos>> {
    let starts = span.clone().step_by(every.max(MS) as usize);
    starts.map(move |from| from..(from + lasting).min(span.end))
}

const WARM_STEPS: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn health(mode: Mode) -> Health {
        let mut health = Health::default();
        health.add(&Fault { servers: 0..1, mode, from: SECOND, until: 10 * SECOND });
        health
    }

    #[test]
    fn work_outside_of_a_fault_takes_its_time() {
        let health = health(Mode::Slow(10.0));
        assert_eq!(health.done(0, MS), MS);
        assert_eq!(health.done(20 * SECOND, MS), 20 * SECOND + MS);
        assert!(health.is_well(0) && !health.is_well(SECOND) && health.is_well(10 * SECOND));
    }

    #[test]
    fn slow_work_takes_longer_and_only_while_the_fault_lasts() {
        let health = health(Mode::Slow(10.0));
        assert_eq!(health.done(2 * SECOND, MS), 2 * SECOND + 10 * MS);
        // Half before it begins; half after it ends.
        assert_eq!(health.done(SECOND - MS, 2 * MS), SECOND + 10 * MS);
        assert_eq!(health.done(10 * SECOND - 10 * MS, 2 * MS), 10 * SECOND + MS);
    }

    #[test]
    fn what_hangs_or_stands_still_goes_on_where_it_was() {
        assert_eq!(health(Mode::Hang).done(5 * SECOND, MS), 10 * SECOND + MS);
        let pause = health(Mode::Pause { lasting: 400 * MS, every: 2 * SECOND });
        assert_eq!(pause.done(3 * SECOND + 100 * MS, MS), 3 * SECOND + 401 * MS);
        assert_eq!(pause.done(3 * SECOND + 500 * MS, MS), 3 * SECOND + 501 * MS);
    }

    #[test]
    fn refusals_hold_for_their_time() {
        let flap = health(Mode::Flap { lasting: SECOND, every: 3 * SECOND });
        let found: Vec<_> =
            [0, 1, 2, 4, 5, 12].map(|at| flap.refusal(at * SECOND + MS).is_some()).into();
        assert_eq!(found, [false, true, false, true, false, false]);
        assert_eq!(health(Mode::Vanish).refusal(SECOND), Some(Refusal::Silence));
        assert_eq!(health(Mode::Refuse).refusal(2 * SECOND), Some(Refusal::Refused));
    }

    #[test]
    fn a_newcomer_becomes_faster_step_by_step() {
        let health = health(Mode::WarmUp);
        assert_eq!(health.done(SECOND, MS), SECOND + 10 * MS);
        assert_eq!(health.done(10 * SECOND, MS), 10 * SECOND + MS);
    }
}
