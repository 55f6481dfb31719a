//! Which of several name servers is asked next, and which one's answer counts. Pure.
//!
//! They are asked in their order, as the C library does: the next one only where those before it fail or are silent. The
//! first one to know the name is believed at once. That a name does not exist is believed of a later server only where no
//! earlier one can be expected to know better: the second of two may be a public one, which knows no internal name.
//!
//! A silent server would cost each lookup the wait for it, so that the wait halves with each question it left open.

use std::time::{Duration, Instant};

/// What a server that was asked has said so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing yet.
    Silent,
    /// That there is no such record.
    Denied,
    /// That it cannot tell, or it is out of reach.
    Failed,
}

/// A question to one server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) at: Instant,
    /// How many questions it had left open by then since its last answer.
    pub(super) left_open: u32,
    pub(super) said: Said,
}

/// What is done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
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
pub(super) fn turn(asked: &[Asked], count: usize, now: Instant) -> Turn {
    let denied = asked.iter().position(|it| it.said == Said::Denied);
    let patience = if denied.is_some() { BEFORE_DENIAL } else { BEFORE_NEXT };
    let before = &asked[..denied.unwrap_or(asked.len())];
    let silent = || before.iter().filter(|it| it.said == Said::Silent);
    let until = silent().map(|it| it.awaited_for(patience)).max().filter(|until| now < *until);
    match (denied, until) {
        (_, Some(until)) => Turn::Wait(Some(until)),
        (Some(place), None) => Turn::Believe(place),
        (None, None) if asked.len() < count => Turn::Ask,
        (None, None) if silent().next().is_some() => Turn::Wait(None),
        (None, None) => Turn::GiveUp,
    }
}

impl Asked {
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

    fn asked(at: Instant, said: Said) -> Asked {
        Asked { at, left_open: 0, said }
    }

    #[test]
    fn the_next_server_is_asked_once_those_before_it_fail_or_were_awaited_for_a_moment() {
        let start = Instant::now();
        assert_eq!(turn(&[], 2, start), Turn::Ask);
        let silent = [asked(start, Said::Silent)];
        assert_eq!(turn(&silent, 2, start), Turn::Wait(Some(start + BEFORE_NEXT)));
        assert_eq!(turn(&silent, 2, start + BEFORE_NEXT), Turn::Ask);
        assert_eq!(turn(&silent, 1, start + BEFORE_NEXT), Turn::Wait(None));
        let failed = [asked(start, Said::Failed)];
        assert_eq!(turn(&failed, 2, start), Turn::Ask);
        assert_eq!(turn(&failed, 1, start), Turn::GiveUp);
    }

    #[test]
    fn a_denial_counts_once_no_earlier_server_can_be_expected_to_know_better() {
        let (start, later) = (Instant::now(), Duration::from_millis(300));
        let denied = asked(start + later, Said::Denied);
        let now = start + later;
        assert_eq!(turn(&[asked(start, Said::Denied)], 2, start), Turn::Believe(0));
        assert_eq!(turn(&[asked(start, Said::Failed), denied], 2, now), Turn::Believe(1));
        let silent = [asked(start, Said::Silent), denied];
        assert_eq!(turn(&silent, 2, now), Turn::Wait(Some(start + BEFORE_DENIAL)));
        assert_eq!(turn(&silent, 2, start + BEFORE_DENIAL), Turn::Believe(1));
        let earlier = [asked(start, Said::Denied), asked(start, Said::Silent)];
        assert_eq!(turn(&earlier, 3, start), Turn::Believe(0));
    }

    #[test]
    fn a_server_that_leaves_questions_open_is_awaited_half_as_long_with_each_of_them() {
        let start = Instant::now();
        for (left_open, wait) in [(1, BEFORE_NEXT / 2), (3, BEFORE_NEXT / 8)] {
            let silent = [Asked { at: start, left_open, said: Said::Silent }];
            assert_eq!(turn(&silent, 2, start), Turn::Wait(Some(start + wait)));
        }
        let mute = Asked { at: start, left_open: 1000, said: Said::Silent };
        let soon = start + Duration::from_nanos(1);
        assert_eq!(turn(&[mute], 2, soon), Turn::Ask);
        assert_eq!(turn(&[mute, asked(start, Said::Denied)], 2, soon), Turn::Believe(1));
    }
}
