//! Which of several name servers is asked next, and which one's answer counts. Pure.
//!
//! They are asked in their order, as the C library does: the next one only where those before it fail or are silent. The
//! first one to know the name is believed at once. That a name does not exist is believed of a later server only where no
//! earlier one can be expected to know better: the second of two may be a public one, which knows no internal name.
//!
//! A silent server would cost each lookup the wait for it, so that the wait halves with each question it left open.

use std::time::{Duration, Instant};

/// How far a query to one server has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueryState {
    /// Nothing yet.
    Silent,
    /// That there is no such record.
    Denied,
    /// That it cannot tell, or it is out of reach.
    Failed,
}

/// A query to one server.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerQuery {
    pub(super) at: Instant,
    /// How many questions it had left open by then since its last answer.
    pub(super) left_open: u32,
    pub(super) state: QueryState,
}

/// What is done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextStep {
    /// The next server is asked.
    Ask,
    /// It counts what the server at this place has denied.
    Believe(usize),
    /// An answer is awaited, until the instant where there is one.
    Wait(Option<Instant>),
    /// None of them can tell.
    GiveUp,
}

/// What is done at `now`, where the first ones of `count` servers were `asked` and none of them knows the name.
pub(super) fn next_step(asked: &[ServerQuery], count: usize, now: Instant) -> NextStep {
    let denied = asked.iter().position(|it| it.state == QueryState::Denied);
    let patience = if denied.is_some() { BEFORE_DENIAL } else { BEFORE_NEXT };
    let before = &asked[..denied.unwrap_or(asked.len())];
    let silent = || before.iter().filter(|it| it.state == QueryState::Silent);
    let until = silent().map(|it| it.awaited_for(patience)).max().filter(|until| now < *until);
    match (denied, until) {
        (_, Some(until)) => NextStep::Wait(Some(until)),
        (Some(place), None) => NextStep::Believe(place),
        (None, None) if asked.len() < count => NextStep::Ask,
        (None, None) if silent().next().is_some() => NextStep::Wait(None),
        (None, None) => NextStep::GiveUp,
    }
}

impl ServerQuery {
    fn awaited_for(&self, patience: Duration) -> Instant {
        self.at + patience / 1_u32.checked_shl(self.left_open).unwrap_or(u32::MAX)
    }
}

/// Above the round trip to any name server near by, and little beside a connect limit. A question too many costs nothing.
pub(super) const BEFORE_NEXT: Duration = Duration::from_millis(100);

/// A name server that asks others in turn mostly answers within that time. A denial that is wrong costs more than one
/// that is late.
pub(super) const BEFORE_DENIAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(at: Instant, state: QueryState) -> ServerQuery {
        ServerQuery { at, left_open: 0, state }
    }

    #[test]
    fn the_next_server_is_asked_once_those_before_it_fail_or_were_awaited_for_a_moment() {
        let start = Instant::now();
        assert_eq!(next_step(&[], 2, start), NextStep::Ask);
        let silent = [asked(start, QueryState::Silent)];
        assert_eq!(next_step(&silent, 2, start), NextStep::Wait(Some(start + BEFORE_NEXT)));
        assert_eq!(next_step(&silent, 2, start + BEFORE_NEXT), NextStep::Ask);
        assert_eq!(next_step(&silent, 1, start + BEFORE_NEXT), NextStep::Wait(None));
        let failed = [asked(start, QueryState::Failed)];
        assert_eq!(next_step(&failed, 2, start), NextStep::Ask);
        assert_eq!(next_step(&failed, 1, start), NextStep::GiveUp);
    }

    #[test]
    fn a_denial_counts_once_no_earlier_server_can_be_expected_to_know_better() {
        let (start, later) = (Instant::now(), Duration::from_millis(300));
        let denied = asked(start + later, QueryState::Denied);
        let now = start + later;
        assert_eq!(next_step(&[asked(start, QueryState::Denied)], 2, start), NextStep::Believe(0));
        assert_eq!(
            next_step(&[asked(start, QueryState::Failed), denied], 2, now),
            NextStep::Believe(1)
        );
        let silent = [asked(start, QueryState::Silent), denied];
        assert_eq!(next_step(&silent, 2, now), NextStep::Wait(Some(start + BEFORE_DENIAL)));
        assert_eq!(next_step(&silent, 2, start + BEFORE_DENIAL), NextStep::Believe(1));
        let earlier = [asked(start, QueryState::Denied), asked(start, QueryState::Silent)];
        assert_eq!(next_step(&earlier, 3, start), NextStep::Believe(0));
    }

    #[test]
    fn a_server_that_leaves_questions_open_is_awaited_half_as_long_with_each_of_them() {
        let start = Instant::now();
        for (left_open, wait) in [(1, BEFORE_NEXT / 2), (3, BEFORE_NEXT / 8)] {
            let silent = [ServerQuery { at: start, left_open, state: QueryState::Silent }];
            assert_eq!(next_step(&silent, 2, start), NextStep::Wait(Some(start + wait)));
        }
        let mute = ServerQuery { at: start, left_open: 1000, state: QueryState::Silent };
        let soon = start + Duration::from_nanos(1);
        assert_eq!(next_step(&[mute], 2, soon), NextStep::Ask);
        assert_eq!(
            next_step(&[mute, asked(start, QueryState::Denied)], 2, soon),
            NextStep::Believe(1)
        );
    }
}
