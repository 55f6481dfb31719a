//! One client's list: the rules of `policy/freshness`, with what `discovery/drive.rs` does around them.

use std::time::Instant;

use ahoy::policy::{Due, Freshness, FreshnessConfig, Size, SourceBackoff};

use super::registry::{Mode, Registry};
use crate::draws::Draws;
use crate::queue::Queue;
use crate::time::{Clock, Nanos, SECOND, nanos};

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    /// What applied, and when.
    pub(crate) applied: Vec<(Nanos, Seen)>,
    /// The lists that were told, and when; none for an empty one.
    pub(crate) told: Vec<(Nanos, Option<u32>)>,
    /// When sessions began.
    pub(crate) connects: Vec<Nanos>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    List(u32),
    Empty,
    /// The list was taken away for its age.
    Stale,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Connect,
    /// The registry answers something else.
    Turn,
    /// The registry says that its list holds, in the session of that number.
    Beat(u32),
    /// Nothing came since that many words.
    Quiet(u32),
    Due,
}

#[derive(Clone, Copy, Debug)]
enum SessionEnd {
    Expired,
    Failed,
    Refused,
}

#[derive(Debug)]
struct Follower<'a> {
    registry: &'a Registry,
    queue: Queue<Event>,
    clock: Clock,
    lists: Freshness<Option<u32>>,
    backoff: SourceBackoff,
    draws: Draws,
    is_open: bool,
    /// When the session told its first list.
    told_at: Option<Nanos>,
    session: u32,
    words: u32,
    /// What applies, also when it was taken away.
    last: Option<u32>,
    due: Option<Nanos>,
    log: Log,
}

/// Follows `registry` until then.
pub(crate) fn follow(registry: &Registry, config: FreshnessConfig, seed: u64, until: Nanos) -> Log {
    let mut follower = Follower {
        registry,
        queue: Queue::new(),
        clock: Clock::new(),
        lists: Freshness::new(config),
        backoff: SourceBackoff::default(),
        draws: Draws::new(seed),
        is_open: false,
        told_at: None,
        session: 0,
        words: 0,
        last: None,
        due: None,
        log: Log::default(),
    };
    follower.queue.plan(0, Event::Connect);
    registry.turns().for_each(|at| follower.queue.plan(at, Event::Turn));
    while let Some(event) = follower.queue.next()
        && follower.queue.now() < until
    {
        follower.happen(event);
        follower.apply();
    }
    follower.log
}

impl Follower<'_> {
    fn now(&self) -> Instant {
        self.clock.at(self.queue.now())
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Connect => self.connect(),
            Event::Turn if self.is_open => self.meet(SILENCE),
            Event::Beat(session) if self.is_open && session == self.session => self.beat(),
            Event::Quiet(words) if self.is_open && words == self.words => {
                self.end(SessionEnd::Failed)
            }
            Event::Turn | Event::Beat(_) | Event::Quiet(_) | Event::Due => {}
        }
    }

    fn connect(&mut self) {
        self.log.connects.push(self.queue.now());
        (self.session, self.words, self.is_open) = (self.session + 1, self.words + 1, true);
        self.queue.plan(self.queue.now() + BEAT, Event::Beat(self.session));
        self.meet(PATIENCE);
    }

    /// Takes what the registry does now; where that is nothing, it is waited for no longer than `patience`.
    fn meet(&mut self, patience: Nanos) {
        let now = self.queue.now();
        match self.registry.mode(now) {
            Mode::Well => self.tell(Some(self.registry.list(now))),
            Mode::Empty => self.tell(None),
            Mode::Down => self.end(SessionEnd::Failed),
            Mode::Silent => self.queue.plan(now + patience, Event::Quiet(self.words)),
            Mode::Refuses => self.end(SessionEnd::Refused),
            Mode::Expires => {
                self.tell(Some(self.registry.list(now)));
                self.end(SessionEnd::Expired);
            }
        }
    }

    fn tell(&mut self, list: Option<u32>) {
        let size = if list.is_some() { Size::Some } else { Size::None };
        self.lists.tell(list, size, self.now());
        let now = self.queue.now();
        self.told_at.get_or_insert(now);
        self.words += 1;
        self.log.told.push((self.queue.now(), list));
    }

    fn beat(&mut self) {
        self.queue.plan(self.queue.now() + BEAT, Event::Beat(self.session));
        if matches!(self.registry.mode(self.queue.now()), Mode::Well | Mode::Empty) {
            self.words += 1;
            if self.lists.confirm(self.now()) {
                self.lists.tell(self.last, Size::Some, self.now());
            }
        }
    }

    fn end(&mut self, ended: SessionEnd) {
        self.is_open = false;
        self.lists.interrupt();
        if let Some(at) = self.told_at.take() {
            self.backoff.lasted(self.now().duration_since(self.clock.at(at)));
        }
        let pause = match ended {
            SessionEnd::Expired => self.backoff.after_expiry(self.now()),
            SessionEnd::Failed => self.backoff.after_failure(&mut self.draws),
            SessionEnd::Refused => self.backoff.after_refusal(&mut self.draws),
        };
        self.queue.plan(self.queue.now() + nanos(pause), Event::Connect);
    }

    fn apply(&mut self) {
        let now = self.queue.now();
        while let Some(due) = self.lists.take_due(self.now()) {
            let seen = match due {
                Due::Applies(list) => {
                    self.last = list;
                    list.map_or(Seen::Empty, Seen::List)
                }
                Due::Stale => Seen::Stale,
            };
            self.log.applied.push((now, seen));
        }
        let due = self.lists.next_due().map(|at| nanos(at.duration_since(self.clock.at(0))));
        if self.due != due {
            self.due = due;
            due.into_iter().for_each(|at| self.queue.plan(at, Event::Due));
        }
    }
}

/// How often a registry says that its list holds.
pub(super) const BEAT: Nanos = 5 * SECOND;
/// After so long without a word a session ends: the option `silence`.
const SILENCE: Nanos = 60 * SECOND;
/// A source's limit on the first answer.
const PATIENCE: Nanos = 5 * SECOND;
