//! What attempts left behind at one endpoint: its circuit, what was counted of it, and its last failure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::circuit_event_filter::CircuitEventFilter;
use super::series_limit::SeriesLimit;
use crate::event::OpenedBy;
use crate::outcome::{Transition, Verdict};
use crate::policy::{AttemptOutcome, Breaker, BreakerConfig, CircuitState, Observation};
use crate::statistics::{EndpointCells, EndpointCounts, ResultLabel};

/// Made with the first attempt: an endpoint without any takes no memory for it.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) breaker: Breaker,
    counted: Counted,
    /// When its last attempt failed, and how.
    pub(crate) last_failure: Option<(Instant, AttemptOutcome)>,
    /// What opened its circuit last.
    pub(crate) opened_by: Option<OpenedBy>,
    pub(crate) event_filter: CircuitEventFilter,
}

/// Where attempts are counted.
#[derive(Debug)]
enum Counted {
    /// Nowhere so far.
    Unseen,
    /// In cells of its own; how many had been counted when a snapshot looked last.
    Own(Box<EndpointCells>, u64),
    /// With the rest; how many were since a snapshot looked last.
    Rest(u64),
}

/// What opened a circuit that was in state `before`, where one attempt did.
fn opened_by(observation: &Observation, before: CircuitState) -> OpenedBy {
    match observation.verdict {
        Verdict::Unreachable => OpenedBy::Unreachable,
        _ if before == CircuitState::HalfOpen => OpenedBy::Probe,
        _ if observation.late => OpenedBy::Hang,
        _ => OpenedBy::Answers,
    }
}

impl History {
    pub(crate) fn new(config: &Arc<BreakerConfig>) -> Box<Self> {
        Box::new(Self {
            breaker: Breaker::new(Arc::clone(config)),
            counted: Counted::Unseen,
            last_failure: None,
            opened_by: None,
            event_filter: CircuitEventFilter::default(),
        })
    }

    /// Whether it is not known yet where its attempts are counted.
    #[inline]
    pub(crate) const fn is_unseen(&self) -> bool {
        matches!(self.counted, Counted::Unseen)
    }

    /// An attempt has ended. Where that is counted is known.
    #[inline]
    pub(crate) fn count(
        &mut self,
        outcome: &AttemptOutcome,
        elapsed: Duration,
        series_limit: &SeriesLimit,
    ) {
        let result = match *outcome {
            AttemptOutcome::Answered { status } | AttemptOutcome::Judged { status, .. } => {
                ResultLabel::answered(status)
            }
            AttemptOutcome::Failed { kind, .. } => ResultLabel::failed(kind),
        };
        match &mut self.counted {
            Counted::Own(cells, _) => cells.record(result, elapsed, true),
            Counted::Rest(count) => {
                *count += 1;
                series_limit.count_rest(result, elapsed);
            }
            Counted::Unseen => {}
        }
    }

    /// Notes a change of the circuit by an attempt.
    pub(crate) fn note(
        &mut self,
        transition: Option<Transition>,
        before: CircuitState,
        observation: &Observation,
    ) {
        if let Some(Transition::Opened { .. }) = transition {
            self.opened_by = Some(opened_by(observation, before));
        }
    }

    /// What was counted of it alone.
    pub(crate) fn counts(&self) -> Option<EndpointCounts> {
        match &self.counted {
            Counted::Own(cells, _) => Some(cells.read()),
            Counted::Unseen | Counted::Rest(_) => None,
        }
    }

    /// How many attempts were counted since the last time, and whether alone; none before the first.
    pub(crate) fn take_recent(&mut self) -> Option<(u64, bool)> {
        match &mut self.counted {
            Counted::Unseen => None,
            Counted::Own(cells, seen) => {
                let count = cells.read().durations.count();
                Some((count - std::mem::replace(seen, count), true))
            }
            Counted::Rest(count) => Some((std::mem::take(count), false)),
        }
    }

    /// From here on it is counted with the rest, and what was counted of it alone is gone. Whether there was such.
    pub(crate) fn join_rest(&mut self) -> bool {
        let before = std::mem::replace(&mut self.counted, Counted::Rest(0));
        matches!(before, Counted::Own(..))
    }

    /// From here on it is counted alone.
    pub(crate) fn leave_rest(&mut self) {
        if !matches!(self.counted, Counted::Own(..)) {
            self.counted = Counted::Own(Box::default(), 0);
        }
    }
}
