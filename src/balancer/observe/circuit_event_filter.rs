//! Which changes of a circuit observers are told of.

use std::time::{Duration, Instant};

use crate::event::OpenedBy;
use crate::outcome::Transition;

/// A full endpoint refuses and answers by turns, which opens and closes its circuit tens of times a second.
const BETWEEN: Duration = Duration::from_secs(1);

/// What observers know of one circuit.
#[derive(Debug, Default)]
pub(crate) struct CircuitEventFilter {
    /// When they were told last that it opened.
    told: Option<Instant>,
    /// It opened since they were told that it closed.
    is_untold: bool,
}

impl CircuitEventFilter {
    /// Whether a change by an attempt is told: that answers opened the circuit once a second at most, and that it closed after
    /// that.
    pub(crate) fn is_told(&mut self, change: Transition, by: OpenedBy, now: Instant) -> bool {
        match change {
            Transition::Closed => !std::mem::take(&mut self.is_untold),
            Transition::HalfOpened => !self.is_untold,
            Transition::Opened { .. } => {
                let lately = |told| now.saturating_duration_since(told) < BETWEEN;
                self.is_untold = by == OpenedBy::Answers && self.told.is_some_and(lately);
                if !self.is_untold {
                    self.told = Some(now);
                }
                !self.is_untold
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_answers_open_it_is_told_once_a_second_and_that_it_closes_after_that() {
        use OpenedBy::{Answers, Hang};
        let begun = Instant::now();
        let mut event_filter = CircuitEventFilter::default();
        let opened = Transition::Opened { retry_at: begun };
        let mut told = |at: u64, change, by| {
            event_filter.is_told(change, by, begun + Duration::from_millis(at))
        };
        assert!(told(0, opened, Answers) && told(100, Transition::Closed, Answers));
        assert!(!told(150, opened, Answers) && !told(200, Transition::Closed, Answers));
        assert!(!told(250, opened, Answers));
        assert!(!told(750, Transition::HalfOpened, Answers), "nobody was told that it opened");
        assert!(!told(800, Transition::Closed, Answers));
        assert!(told(900, opened, Hang), "another reason");
        assert!(told(950, Transition::Closed, Hang) && !told(1800, opened, Answers));
        assert!(!told(1850, Transition::Closed, Answers) && told(1900, opened, Answers));
    }
}
