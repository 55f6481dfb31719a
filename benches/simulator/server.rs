//! The machine behind an endpoint: a few slots, and a line before them.

use std::collections::VecDeque;

use crate::fault::{Health, Refusal};
use crate::time::Nanos;

/// One server.
#[derive(Debug)]
pub(crate) struct Server {
    slots: Box<[Option<Job>]>,
    waiting: VecDeque<Job>,
    pub(crate) health: Health,
    /// The attempts that it has taken on, for the balance of load.
    pub(crate) taken: u64,
    /// Those of them that it carried out for nobody.
    pub(crate) wasted: u64,
}

/// A piece of work for one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) attempt: Attempt,
    pub(crate) work: Nanos,
}

/// Which attempt of which call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) call: u32,
    /// Never the same twice in one place for calls.
    pub(crate) serial: u32,
}

/// A job that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) slot: u8,
    pub(crate) attempt: Attempt,
    pub(crate) done: Nanos,
}

impl Server {
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            slots: vec![None; slots].into(),
            waiting: VecDeque::new(),
            health: Health::default(),
            taken: 0,
            wasted: 0,
        }
    }

    /// What answers in its place, if anything.
    pub(crate) fn refusal(&self, now: Nanos) -> Option<Refusal> {
        self.health.refusal(now)
    }

    /// Takes a job on, and begins it if a slot is free.
    pub(crate) fn accept(&mut self, job: Job, now: Nanos) -> Option<Begun> {
        match self.slots.iter().position(Option::is_none) {
            Some(slot) => Some(self.begin(slot, job, now)),
            None => {
                self.waiting.push_back(job);
                None
            }
        }
    }

    /// Empties a slot if it still works for this attempt.
    pub(crate) fn finish(&mut self, slot: u8, attempt: Attempt) -> bool {
        let held = &mut self.slots[usize::from(slot)];
        let is_it = held.is_some_and(|job| job.attempt == attempt);
        if is_it {
            *held = None;
        }
        is_it
    }

    /// Gives a free slot to the first in line that is `wanted` still.
    pub(crate) fn go_on(&mut self, now: Nanos, wanted: impl Fn(Attempt) -> bool) -> Option<Begun> {
        let slot = self.slots.iter().position(Option::is_none)?;
        while let Some(job) = self.waiting.pop_front() {
            if wanted(job.attempt) {
                return Some(self.begin(slot, job, now));
            }
        }
        None
    }

    /// Stops working for an attempt; one in line is passed over when its turn comes.
    pub(crate) fn drop_running(&mut self, attempt: Attempt) -> bool {
        let held = self.slots.iter_mut().find(|job| job.is_some_and(|job| job.attempt == attempt));
        held.map(|held| *held = None).is_some()
    }

    /// Loses everything.
    pub(crate) fn crash(&mut self) -> Vec<Attempt> {
        let running = self.slots.iter_mut().filter_map(Option::take);
        running.chain(self.waiting.drain(..)).map(|job| job.attempt).collect()
    }

    fn begin(&mut self, slot: usize, job: Job, now: Nanos) -> Begun {
        self.slots[slot] = Some(job);
        let done = self.health.done(now, job.work);
        Begun { slot: slot as u8, attempt: job.attempt, done }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn job(call: u32, work: Nanos) -> Job {
        Job { attempt: Attempt { call, serial: 0 }, work }
    }

    #[test]
    fn slots_are_filled_first_and_then_the_line_in_order() {
        let mut server = Server::new(2);
        let begun: Vec<_> = (0..4).map(|call| server.accept(job(call, 10), 0)).collect();
        let slots: Vec<_> = begun.iter().map(|begun| begun.map(|begun| begun.slot)).collect();
        assert_eq!(slots, [Some(0), Some(1), None, None]);
        assert!(server.finish(1, job(1, 10).attempt));
        let next = server.go_on(10, |_| true);
        assert_eq!(next, Some(Begun { slot: 1, attempt: job(2, 10).attempt, done: 20 }));
    }

    #[test]
    fn who_gave_up_is_passed_over() {
        let mut server = Server::new(1);
        for call in 0..3 {
            let _ = server.accept(job(call, 10), 0);
        }
        assert!(server.drop_running(job(0, 10).attempt));
        assert!(!server.finish(0, job(0, 10).attempt), "its end comes, and is nobody's");
        let next = server.go_on(5, |attempt| attempt.call != 1);
        assert_eq!(next.map(|begun| begun.attempt.call), Some(2));
    }

    #[test]
    fn a_crash_loses_what_runs_and_what_waits() {
        let mut server = Server::new(1);
        for call in 0..3 {
            let _ = server.accept(job(call, 10), 0);
        }
        let lost: Vec<_> = server.crash().into_iter().map(|attempt| attempt.call).collect();
        assert_eq!(lost, [0, 1, 2]);
        assert_eq!(server.go_on(5, |_| true), None);
    }
}
