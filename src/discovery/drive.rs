//! Drives a source: session after session, with a pause where one failed, and lets its lists apply when they are due.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use super::custom;
use super::listing::Listing;
use super::publisher::Publisher;
use super::snapshot_file::{Snapshot, SnapshotFile};
use super::source::{Session, SessionEnd, Source, SourceUpdate, UpdateChannel};
use super::source_context::SourceContext;
use crate::endpoint::Host;
use crate::policy::{Due, Freshness, FreshnessConfig, Size, SourceBackoff};
use crate::runtime::host::panics;
use crate::runtime::{clock, entropy};
use crate::single_line::single_line;

/// Publishes what `source` sends by `publisher`, until it is dropped.
pub(super) async fn drive(
    publisher: &Arc<Publisher>,
    freshness: FreshnessConfig,
    snapshot_file: Option<&SnapshotFile>,
    source: &dyn Source,
    context: &SourceContext,
) -> Infallible {
    let mut driver = Driver::new(publisher, freshness, snapshot_file);
    loop {
        let updates = UpdateChannel::after(publisher.latest().as_ref());
        driver.first_list_at = None;
        let ended = driver.session(source.watch(context, &updates), &updates).await;
        let pause = driver.ended(ended);
        driver.pause(pause).await;
    }
}

struct Driver<'a> {
    publisher: &'a Arc<Publisher>,
    /// Where the list is kept for the next start.
    snapshot_file: Option<&'a SnapshotFile>,
    /// When the list that applies is to be written there.
    write_at: Option<Instant>,
    written_at: Option<Instant>,
    /// For how long a list serves that its source does not confirm.
    max_stale: Duration,
    lists: Freshness<Vec<Arc<Host>>>,
    /// The list that was taken away for its age.
    stale: Option<Arc<Listing>>,
    backoff: SourceBackoff,
    /// When the session under way told its first list.
    first_list_at: Option<Instant>,
}

/// What happens first.
enum Step {
    Ended(SessionEnd),
    Update(SourceUpdate),
    /// A list may have become due.
    Time,
}

impl<'a> Driver<'a> {
    fn new(
        publisher: &'a Arc<Publisher>,
        freshness: FreshnessConfig,
        snapshot_file: Option<&'a SnapshotFile>,
    ) -> Self {
        let mut driver = Self {
            publisher,
            snapshot_file,
            write_at: None,
            written_at: None,
            max_stale: freshness.max_stale,
            lists: Freshness::new(freshness),
            stale: None,
            backoff: SourceBackoff::default(),
            first_list_at: None,
        };
        driver.begin(clock::now());
        driver
    }

    /// Begins with the list that is there, be it the parent process's or one from an earlier start.
    fn begin(&mut self, now: Instant) {
        if let Some(listing) = self.publisher.latest() {
            let age = self.publisher.age(now).unwrap_or_default();
            self.lists.begin_with(listing.hosts.is_empty(), age, now);
            return;
        }
        let snapshot = self.snapshot_file.and_then(SnapshotFile::read);
        // One that nobody confirmed for too long is no list: no call may go by it.
        let Some(Snapshot { hosts, age }) = snapshot.filter(|it| it.age < self.max_stale) else {
            return;
        };
        self.lists.begin_with(hosts.is_empty(), age, now);
        self.publisher.publish(hosts);
        self.publisher.note(|state| {
            state.confirmed = now.checked_sub(age);
            state.is_from_snapshot = true;
        });
        self.publisher.notify();
    }

    /// Drives one session to its end.
    async fn session(&mut self, mut session: Session<'_>, updates: &UpdateChannel) -> SessionEnd {
        loop {
            match self.step(&mut session, updates).await {
                Step::Ended(ended) => {
                    if let Some(update) = updates.try_recv() {
                        self.receive(update);
                    }
                    return ended;
                }
                Step::Update(update) => self.receive(update),
                Step::Time => self.apply(),
            }
        }
    }

    async fn step(&self, session: &mut Session<'_>, updates: &UpdateChannel) -> Step {
        let mut update = pin!(updates.recv());
        let mut time = pin!(sleep_until(self.next_due().into()));
        poll_fn(|cx| {
            // A defect in one source ends that session, and not the watch.
            let polled = panics::caught(|| session.as_mut().poll(cx));
            let defect = || {
                Poll::Ready(SessionEnd::Failed(
                    "a defect of libahoy: a panic was stopped".to_owned(),
                ))
            };
            if let Poll::Ready(ended) = polled.unwrap_or_else(defect) {
                return Poll::Ready(Step::Ended(ended));
            }
            if let Poll::Ready(update) = update.as_mut().poll(cx) {
                return Poll::Ready(Step::Update(update));
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
        let due = self.lists.next_due().into_iter().chain(self.write_at).min();
        due.unwrap_or_else(|| clock::now() + LONG)
    }

    fn receive(&mut self, mut update: SourceUpdate) {
        let skipped = update.skipped.take();
        let has_skipped = skipped.is_some();
        if let Some((count, problem)) = skipped {
            self.publisher.note(|state| {
                state.skipped += count as u64;
                state.skipped_for = Some(single_line(problem).into());
            });
        }
        let problem = update.problem.take();
        if update.hosts.is_some() || update.is_alive {
            self.accept(update, clock::now());
        }
        // It came behind the list.
        if let Some(problem) = problem {
            self.lists.interrupt();
            self.fail(&problem, false);
        } else if has_skipped {
            // Also where the list is as before, or waits.
            self.publisher.notify();
        }
    }

    /// Accepts a list, or that the last one holds.
    fn accept(&mut self, update: SourceUpdate, now: Instant) {
        let SourceUpdate { hosts, before_empty, empty_for, is_meant, .. } = update;
        if let Some(hosts) = before_empty {
            self.lists.tell(hosts, Size::Some, now);
        }
        match hosts {
            Some(hosts) => {
                let size = match (hosts.is_empty(), is_meant) {
                    (false, _) => Size::Some,
                    (true, true) => Size::Meant,
                    (true, false) => Size::None,
                };
                self.lists.tell(hosts, size, now);
                self.publisher.note(|state| state.empty_for = empty_for.map(Into::into));
                self.first_list_at.get_or_insert(now);
            }
            None => self.confirm(now),
        }
        let was_failing = self.publisher.state().problem.is_some();
        self.note_confirmed(now);
        let has_applied = self.apply_due();
        self.keep_age(now);
        if !has_applied && was_failing {
            self.publisher.notify();
        }
    }

    /// What was told last holds still, and serves again where it was taken away for its age.
    fn confirm(&mut self, now: Instant) {
        if self.lists.confirm(now)
            && let Some(listing) = self.stale.take()
        {
            self.lists.tell(listing.hosts.clone(), Size::Some, now);
        }
    }

    fn note_confirmed(&self, now: Instant) {
        self.publisher.note(|state| {
            state.confirmed = Some(now);
            state.confirmations += 1;
            (state.problem, state.is_refused, state.is_from_snapshot) = (None, false, false);
        });
    }

    /// Has the list that was confirmed at `now` written again where the file says that it is much older, since
    /// `max_stale` counts from there at the next start.
    fn keep_age(&mut self, now: Instant) {
        let is_current = self.publisher.latest().is_some_and(|listing| !listing.hosts.is_empty())
            // What was confirmed is that there is none.
            && !self.lists.is_holding();
        let interval = (self.max_stale / 10).clamp(WRITE_INTERVAL, MOST_WRITE_INTERVAL);
        let is_old = self.written_at.is_none_or(|at| now.saturating_duration_since(at) >= interval);
        if self.snapshot_file.is_some() && is_current && is_old {
            self.write_at.get_or_insert(now);
        }
    }

    fn apply(&mut self) {
        self.apply_due();
        if self.write_at.is_some_and(|at| at <= clock::now()) {
            self.write();
        }
    }

    /// Keeps the list on disk, by a thread that may wait for it.
    fn write(&mut self) {
        let now = clock::now();
        (self.write_at, self.written_at) = (None, Some(now));
        if let (Some(snapshot_file), Some(listing)) =
            (self.snapshot_file.cloned(), self.publisher.latest())
        {
            let age = self.publisher.age(now).unwrap_or_default();
            let publisher = Arc::clone(self.publisher);
            let write = move || {
                if note_written(&publisher, snapshot_file.write(&listing.hosts, age)) {
                    publisher.notify_here();
                }
            };
            if let Err(error) = custom::spawn_blocking(write)
                && note_written(self.publisher, Err(error))
            {
                self.publisher.notify();
            }
        }
    }

    /// Lets what is due apply; whether something was.
    fn apply_due(&mut self) -> bool {
        let Some(due) = self.lists.take_due(clock::now()) else { return false };
        let (hosts, is_stale) = match due {
            Due::Applies(hosts) => (hosts, false),
            Due::Stale => (Vec::new(), true),
        };
        let before = self.publisher.latest();
        let is_news = || before.as_ref().is_none_or(|it| it.hosts != hosts);
        if self.snapshot_file.is_some() && !hosts.is_empty() && is_news() {
            let now = clock::now();
            self.write_at = Some(self.written_at.map_or(now, |at| (at + WRITE_INTERVAL).max(now)));
        }
        self.stale = if is_stale { before } else { None };
        self.publisher.publish(hosts);
        self.publisher.note(|state| state.is_stale = is_stale);
        self.publisher.notify();
        true
    }

    /// Notes how a session ended; how long to wait before the next.
    fn ended(&mut self, ended: SessionEnd) -> Duration {
        self.lists.interrupt();
        let (backoff, now) = (&mut self.backoff, clock::now());
        if let Some(at) = self.first_list_at {
            backoff.lasted(now.saturating_duration_since(at));
        }
        let (problem, is_refused, pause) = match ended {
            SessionEnd::Expired if self.first_list_at.is_some() => {
                return backoff.after_expiry(now);
            }
            SessionEnd::Expired => {
                let pause = entropy::with_rng(|rng| backoff.after_failure(rng));
                ("ended before it told a list".to_owned(), false, pause)
            }
            SessionEnd::Failed(problem) => {
                (problem, false, entropy::with_rng(|rng| backoff.after_failure(rng)))
            }
            SessionEnd::Busy { problem, wait } => {
                let pause = entropy::with_rng(|rng| backoff.after_failure(rng));
                (problem, false, wait + pause)
            }
            SessionEnd::Refused(problem) => {
                (problem, true, entropy::with_rng(|rng| backoff.after_refusal(rng)))
            }
        };
        self.fail(&problem, is_refused);
        pause
    }

    /// Notes and tells that there is no newer list.
    fn fail(&self, problem: &str, is_refused: bool) {
        self.publisher.note(|state| {
            state.failures += 1;
            (state.problem, state.is_refused) = (Some(single_line(problem).into()), is_refused);
        });
        self.publisher.notify();
    }
}

/// Notes whether a list could be kept; whether that is news. A list that cannot be is one that the next start has not: no
/// more is lost.
fn note_written(publisher: &Publisher, written: io::Result<()>) -> bool {
    let problem = written.err().map(|error| single_line(error.to_string()).into());
    let mut is_news = false;
    publisher.note(|state| {
        is_news = state.snapshot_problem.is_some() != problem.is_some();
        state.snapshot_problem = problem;
    });
    is_news
}

/// How long nothing becomes due where nothing waits.
const LONG: Duration = Duration::from_secs(3600);
/// A roll-out of many endpoints is not as many files.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);
/// How old a file may get whose list is confirmed all the time: by more, `ahoy_balancer_list_age_ms` would tell something
/// else after a start than before it.
const MOST_WRITE_INTERVAL: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::endpoint::Host;

    /// Ends each session as it is told to, after one list.
    #[derive(Debug)]
    struct Ending(Mutex<Vec<SessionEnd>>, AtomicUsize);

    impl Source for Ending {
        fn watch<'a>(&'a self, _: &'a SourceContext, updates: &'a UpdateChannel) -> Session<'a> {
            self.1.fetch_add(1, Ordering::Relaxed);
            let ended = self.0.lock().unwrap().pop();
            Box::pin(async move {
                updates.list(vec![Arc::new(Host::new("127.0.0.1", 80))]);
                match ended {
                    Some(ended) => ended,
                    None => std::future::pending().await,
                }
            })
        }

        fn describe(&self) -> String {
            "a test".to_owned()
        }
    }

    /// Drives sessions until `holds` does.
    async fn until(mut drive: Pin<&mut impl Future>, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < Duration::from_secs(10), "not in good time");
            let _ = tokio::time::timeout(Duration::from_millis(1), drive.as_mut()).await;
        }
    }

    /// Drives sessions that end so, the last first, until one more has begun.
    async fn driven(endings: Vec<SessionEnd>) -> (Arc<Publisher>, Duration) {
        let count = endings.len();
        let source = Ending(Mutex::new(endings), AtomicUsize::new(0));
        let (publisher, context, begun) =
            (Arc::<Publisher>::default(), SourceContext::for_tests(), Instant::now());
        {
            let freshness = FreshnessConfig::default();
            let mut drive = pin!(drive(&publisher, freshness, None, &source, &context));
            until(drive.as_mut(), || source.1.load(Ordering::Relaxed) > count).await;
            let _ = tokio::time::timeout(Duration::from_millis(1), drive.as_mut()).await;
        }
        (publisher, begun.elapsed())
    }

    #[tokio::test]
    async fn a_session_that_expires_is_followed_at_once_and_fails_nobody() {
        let (publisher, took) = driven(vec![SessionEnd::Expired, SessionEnd::Expired]).await;
        assert!(took < Duration::from_millis(200), "{took:?}");
        assert_eq!((publisher.state().problem, publisher.state().failures), (None, 0));
        assert_eq!(publisher.latest().unwrap().hosts.len(), 1);
    }

    #[tokio::test]
    async fn a_registry_that_asks_to_be_left_alone_is() {
        let wait = Duration::from_millis(300);
        let (publisher, took) =
            driven(vec![SessionEnd::Busy { problem: "busy".to_owned(), wait }]).await;
        assert!(took >= wait, "{took:?}");
        assert_eq!((publisher.state().is_refused, publisher.state().failures), (false, 1));
    }

    #[tokio::test]
    async fn a_source_is_well_again_with_its_next_list() {
        let (publisher, _) = driven(vec![SessionEnd::Failed("down".to_owned())]).await;
        assert_eq!((publisher.state().problem, publisher.state().failures), (None, 1));
    }

    /// Tells its list once, and that it holds when it is told to.
    #[derive(Debug, Default)]
    struct Quiet(tokio::sync::Notify);

    impl Source for Quiet {
        fn watch<'a>(&'a self, _: &'a SourceContext, updates: &'a UpdateChannel) -> Session<'a> {
            Box::pin(async move {
                updates.list(vec![Arc::new(Host::new("127.0.0.1", 80))]);
                loop {
                    self.0.notified().await;
                    updates.alive();
                }
            })
        }

        fn describe(&self) -> String {
            "a test".to_owned()
        }
    }

    /// Tells a list, and when it is told to another and an empty one at once.
    #[derive(Debug, Default)]
    struct Emptied(tokio::sync::Notify);

    impl Source for Emptied {
        fn watch<'a>(&'a self, _: &'a SourceContext, updates: &'a UpdateChannel) -> Session<'a> {
            Box::pin(async move {
                updates.list(vec![Arc::new(Host::new("127.0.0.1", 80))]);
                self.0.notified().await;
                updates.list(vec![Arc::new(Host::new("127.0.0.1", 81))]);
                updates.list(Vec::new());
                std::future::pending().await
            })
        }

        fn describe(&self) -> String {
            "a test".to_owned()
        }
    }

    #[tokio::test]
    async fn a_list_that_an_empty_one_follows_at_once_serves_through_its_hold() {
        let (publisher, context, source) =
            (Arc::<Publisher>::default(), SourceContext::for_tests(), Emptied::default());
        let freshness = FreshnessConfig::default();
        let mut drive = pin!(drive(&publisher, freshness, None, &source, &context));
        for expected in [80, 81] {
            until(drive.as_mut(), || {
                publisher.latest().is_some_and(|listing| listing.hosts[0].port == expected)
            })
            .await;
            source.0.notify_one();
        }
    }

    #[tokio::test]
    async fn a_stale_list_serves_again_when_it_is_confirmed() {
        let max_stale = Duration::from_millis(500);
        let freshness = FreshnessConfig { max_stale, ..FreshnessConfig::default() };
        let (publisher, context, source) =
            (Arc::<Publisher>::default(), SourceContext::for_tests(), Quiet::default());
        let mut drive = pin!(drive(&publisher, freshness, None, &source, &context));
        for expected in [1, 0, 1] {
            until(drive.as_mut(), || {
                publisher.latest().is_some_and(|listing| listing.hosts.len() == expected)
            })
            .await;
            if expected == 0 {
                source.0.notify_one();
            }
        }
    }

    /// Panics in its first session.
    #[derive(Debug, Default)]
    struct Defective(AtomicUsize);

    impl Source for Defective {
        fn watch<'a>(&'a self, _: &'a SourceContext, updates: &'a UpdateChannel) -> Session<'a> {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                assert!(count > 0, "a defect");
                updates.list(vec![Arc::new(Host::new("127.0.0.1", 80))]);
                std::future::pending().await
            })
        }

        fn describe(&self) -> String {
            "a test".to_owned()
        }
    }

    #[tokio::test]
    async fn a_defect_ends_a_session_and_not_the_watch() {
        let (publisher, context, source) =
            (Arc::<Publisher>::default(), SourceContext::for_tests(), Defective::default());
        let mut drive =
            pin!(drive(&publisher, FreshnessConfig::default(), None, &source, &context));
        until(drive.as_mut(), || publisher.latest().is_some()).await;
        assert_eq!((publisher.state().problem, publisher.state().failures), (None, 1));
    }

    #[tokio::test]
    async fn a_refusal_is_told_as_one() {
        let refused = vec![SessionEnd::Refused("wrong token".to_owned())];
        let (publisher, source) =
            (Arc::<Publisher>::default(), Ending(Mutex::new(refused), AtomicUsize::new(0)));
        let (context, freshness) = (SourceContext::for_tests(), FreshnessConfig::default());
        let drive = drive(&publisher, freshness, None, &source, &context);
        let _ = tokio::time::timeout(Duration::from_millis(50), drive).await;
        assert!(publisher.state().is_refused);
        assert_eq!(publisher.state().problem.as_deref(), Some("wrong token"));
        assert_eq!(publisher.latest().unwrap().hosts.len(), 1, "what was told serves");
    }
}
