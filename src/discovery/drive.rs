//! Drives a source: session after session, with a pause where one failed, and lets its lists apply when they are due.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use super::board::{Board, State};
use super::ground::Ground;
use super::source::{Ended, Session, Source, Teller, Told};
use crate::endpoint::Host;
use crate::policy::{Due, Freshness, FreshnessConfig, Size, SourceBackoff};
use crate::runtime::{clock, entropy};

/// Lets what `source` tells stand on `board`, until it is dropped.
pub(super) async fn drive(
    board: &Board,
    freshness: FreshnessConfig,
    source: &dyn Source,
    ground: &Ground,
) -> Infallible {
    let mut driver = Driver::new(board, freshness);
    loop {
        let teller = Teller::default();
        driver.has_told = false;
        let ended = driver.session(source.watch(ground, &teller), &teller).await;
        let pause = driver.ended(ended);
        driver.pause(pause).await;
    }
}

struct Driver<'a> {
    board: &'a Board,
    lists: Freshness<Vec<Arc<Host>>>,
    backoff: SourceBackoff,
    /// Whether the session under way has told a list.
    has_told: bool,
}

/// What happens first.
enum Step {
    Ended(Ended),
    Told(Told),
    /// A list may have become due.
    Time,
}

impl<'a> Driver<'a> {
    fn new(board: &'a Board, freshness: FreshnessConfig) -> Self {
        let now = clock::now();
        let mut lists = Freshness::new(freshness);
        if let Some(listing) = board.latest() {
            let age = board.age(now).unwrap_or_default();
            lists.begin_with(listing.hosts.is_empty(), age, now);
        }
        Self { board, lists, backoff: SourceBackoff::default(), has_told: false }
    }

    /// Drives one session to its end.
    async fn session(&mut self, mut session: Session<'_>, teller: &Teller) -> Ended {
        loop {
            match self.step(&mut session, teller).await {
                Step::Ended(ended) => {
                    if let Some(told) = teller.take() {
                        self.take(told);
                    }
                    return ended;
                }
                Step::Told(told) => self.take(told),
                Step::Time => self.apply(),
            }
        }
    }

    async fn step(&self, session: &mut Session<'_>, teller: &Teller) -> Step {
        let mut told = pin!(teller.taken());
        let mut time = pin!(sleep_until(self.next_due().into()));
        poll_fn(|cx| {
            if let Poll::Ready(ended) = session.as_mut().poll(cx) {
                return Poll::Ready(Step::Ended(ended));
            }
            if let Poll::Ready(told) = told.as_mut().poll(cx) {
                return Poll::Ready(Step::Told(told));
            }
            time.as_mut().poll(cx).map(|()| Step::Time)
        })
        .await
    }

    /// Waits before the next session; what is due meanwhile applies.
    async fn pause(&mut self, pause: Duration) {
        let until = clock::now() + pause;
        while clock::now() < until {
            sleep_until(self.next_due().min(until).into()).await;
            self.apply();
        }
    }

    fn next_due(&self) -> Instant {
        self.lists.next_due().unwrap_or_else(|| clock::now() + LONG)
    }

    fn take(&mut self, told: Told) {
        let now = clock::now();
        let Told { hosts, is_meant, is_alive, skipped, problem } = told;
        if let Some((count, problem)) = skipped {
            self.board.note(|state| {
                state.skipped += count as u64;
                state.skipped_for = Some(problem.into());
            });
        }
        if hosts.is_none() && !is_alive {
            if let Some(problem) = problem {
                self.fail(&problem, false);
            }
            return;
        }
        match hosts {
            Some(hosts) => {
                let size = match (hosts.is_empty(), is_meant) {
                    (false, _) => Size::Some,
                    (true, true) => Size::Meant,
                    (true, false) => Size::None,
                };
                self.lists.tell(hosts, size, now);
                self.has_told = true;
                self.backoff.succeed();
            }
            None => self.lists.confirm(now),
        }
        let was_failing = self.board.state().problem.is_some();
        self.note_confirmed(now);
        if !self.apply_due() && was_failing {
            self.board.tell();
        }
    }

    fn note_confirmed(&self, now: Instant) {
        self.board.note(|state| {
            state.confirmed = Some(now);
            state.confirmations += 1;
            (state.problem, state.is_refused) = (None, false);
        });
    }

    fn apply(&mut self) {
        self.apply_due();
    }

    /// Lets what is due apply; whether something was.
    fn apply_due(&mut self) -> bool {
        let Some(due) = self.lists.take_due(clock::now()) else { return false };
        let (hosts, is_stale) = match due {
            Due::Applies(hosts) => (hosts, false),
            Due::Stale => (Vec::new(), true),
        };
        self.board.publish(hosts);
        self.board.note(|state| state.is_stale = is_stale);
        self.board.tell();
        true
    }

    /// Notes how a session ended; how long to wait before the next.
    fn ended(&mut self, ended: Ended) -> Duration {
        self.lists.interrupt();
        let backoff = &mut self.backoff;
        let (problem, is_refused, pause) = match ended {
            Ended::Expired if self.has_told => return backoff.after_expiry(clock::now()),
            Ended::Expired => {
                let pause = entropy::with_rng(|rng| backoff.after_failure(rng));
                ("ended before it told a list".to_owned(), false, pause)
            }
            Ended::Failed(problem) => {
                (problem, false, entropy::with_rng(|rng| backoff.after_failure(rng)))
            }
            Ended::Refused(problem) => {
                (problem, true, entropy::with_rng(|rng| backoff.after_refusal(rng)))
            }
        };
        self.fail(&problem, is_refused);
        pause
    }

    /// Notes and tells that there is no newer list.
    fn fail(&self, problem: &str, is_refused: bool) {
        self.board.note(|state: &mut State| {
            state.failures += 1;
            (state.problem, state.is_refused) = (Some(problem.into()), is_refused);
        });
        self.board.tell();
    }
}

/// How long nothing becomes due where nothing waits.
const LONG: Duration = Duration::from_secs(3600);
