//! What a source of endpoints is, and how it sends what it learns.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use super::listing::Listing;
use super::source_context::SourceContext;
use crate::endpoint::Host;

/// A session of a source. Dropping it stops it.
pub type Session<'a> = Pin<Box<dyn Future<Output = SessionEnd> + Send + 'a>>;

/// A session that goes on until it fails.
pub(super) fn session<'a>(
    session: impl Future<Output = Result<Infallible, SessionEnd>> + Send + 'a,
) -> Session<'a> {
    Box::pin(async move {
        let Err(ended) = session.await;
        ended
    })
}

/// One way to learn where the endpoints of a service are.
///
/// A source holds its configuration and nothing else: what is live, as connections, belongs to its session. A forked
/// child begins a session of its own over the same source.
pub trait Source: fmt::Debug + Send + Sync {
    /// One session. It tells the whole list first, and the whole list again whenever something changed, until it ends.
    /// It runs on an I/O thread, so that it never blocks.
    fn watch<'a>(&'a self, context: &'a SourceContext, updates: &'a UpdateChannel) -> Session<'a>;

    /// What it watches, for people, without any secret.
    fn describe(&self) -> String;
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// What the session went by is gone, as after a compaction, with a lost session or at a `410 Gone`: the next session
    /// begins at once. Where that told nothing either, it waits as after a failure.
    Expired,
    /// The registry could not be reached or did not answer as it should; the text says why. The next session begins
    /// after a pause that grows up to 32 s.
    Failed(String),
    /// The same where the registry says for how long it is to be left alone; the pause comes behind that.
    Busy {
        /// Why the session ended.
        problem: String,
        /// For how long.
        wait: Duration,
    },
    /// The registry refuses what it is asked, for credentials or a configuration that hurry does not mend: the next
    /// session begins after 16 to 32 s, and calls that have no list fail at once with this text.
    Refused(String),
}

/// What a session has sent and was not received yet. Only the newest list counts, and beside an empty one that which it
/// may have to wait for.
#[derive(Debug, Default)]
pub struct SourceUpdate {
    /// The newest list; each endpoint counts once, the first time that it stands there.
    pub hosts: Option<Vec<Arc<Host>>>,
    /// The list with endpoints that an empty one replaced: it serves through the hold of that.
    pub before_empty: Option<Vec<Arc<Host>>>,
    /// Why the newest list is empty, where the registry says so.
    pub empty_for: Option<String>,
    /// The list is empty and that is meant: it applies without `empty_hold`.
    pub is_meant: bool,
    /// Something proved that the list told last still holds.
    pub is_alive: bool,
    /// What keeps the session from telling a list that it should; the session goes on.
    pub problem: Option<String>,
    /// How many entries were passed over since the last look, and what was wrong with the last one.
    pub skipped: Option<(usize, String)>,
}

/// The channel from a session to what drives it. It holds one update: what is sent replaces what was not received yet.
#[derive(Debug, Default)]
pub struct UpdateChannel {
    state: Mutex<ChannelState>,
    /// The list that served as the session began, which is not kept for it.
    serving: Weak<Listing>,
}

/// The update that was not received yet, and what waits for one.
#[derive(Debug, Default)]
struct ChannelState {
    update: SourceUpdate,
    waker: Option<Waker>,
    /// Whether the last answer had entries and none that can be used: that it still holds is no news of a list.
    is_unusable: bool,
}

impl UpdateChannel {
    /// For a session that begins while `serving` serves.
    #[must_use]
    pub fn after(serving: Option<&Arc<Listing>>) -> Self {
        Self { serving: serving.map_or_else(Weak::new, Arc::downgrade), ..Self::default() }
    }

    /// The list that served as the session began, be it an earlier session's, the parent process's or from disk: what
    /// a first answer lacks may have been there. It is to be asked for at once.
    #[must_use]
    pub fn serving(&self) -> Option<Arc<Listing>> {
        self.serving.upgrade()
    }

    /// The whole list as it is now. An empty one applies only after `empty_hold`.
    pub fn list(&self, hosts: Vec<Arc<Host>>) {
        self.send_list(hosts, None);
    }

    /// The same of an empty list, for this reason: the registry answers that it knows no such service. A name that
    /// nobody ever registered looks as one whose last endpoint left, so it is for people to tell them apart.
    pub fn empty(&self, reason: impl Into<String>) {
        self.send_list(Vec::new(), Some(reason.into()));
    }

    fn send_list(&self, hosts: Vec<Arc<Host>>, empty_for: Option<String>) {
        self.send(|ChannelState { update, is_unusable, .. }| {
            *is_unusable = false;
            update.keep_before(&hosts);
            (update.hosts, update.empty_for) = (Some(hosts), empty_for);
            update.is_meant = false;
            update.problem = None;
        });
    }

    /// There is no endpoint, and that is no fault of the registry: its answer says so.
    pub fn none(&self) {
        self.send(|ChannelState { update, is_unusable, .. }| {
            *is_unusable = false;
            (update.hosts, update.before_empty) = (Some(Vec::new()), None);
            update.empty_for = None;
            update.is_meant = true;
            update.problem = None;
        });
    }

    /// What was told last holds still: a heartbeat, or an answer without a change.
    pub fn alive(&self) {
        self.send(|ChannelState { update, is_unusable, .. }| {
            if *is_unusable {
                return;
            }
            update.is_alive = true;
            update.problem = None;
        });
    }

    /// There should be a list and is none, for a reason that the session waits to see gone; the last list serves on.
    pub fn failing(&self, problem: impl Into<String>) {
        self.send(|ChannelState { update, .. }| {
            update.is_alive = false;
            update.problem = Some(problem.into());
        });
    }

    /// There are entries and none that can be used, which is a fault of theirs: the last list serves on until one comes,
    /// however alive the registry is.
    pub fn unusable(&self, problem: impl Into<String>) {
        self.failing(problem);
        self.send(|state| state.is_unusable = true);
    }

    /// An entry was passed over. `problem` says what is wrong with it and never shows its value, which may be a secret;
    /// a key, a file's name and a line number are fine.
    pub fn skipped(&self, problem: &str) {
        self.send(|ChannelState { update, .. }| {
            let before = update.skipped.take().map_or(0, |(count, _)| count);
            update.skipped = Some((before + 1, problem.to_owned()));
        });
    }

    /// What was sent since an update was last received.
    pub fn try_recv(&self) -> Option<SourceUpdate> {
        let mut state = self.lock();
        (!state.update.is_empty()).then(|| std::mem::take(&mut state.update))
    }

    /// The same, where it waits until there is something.
    pub async fn recv(&self) -> SourceUpdate {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.update.is_empty() {
                state.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(std::mem::take(&mut state.update))
        })
        .await
    }

    fn send(&self, change: impl FnOnce(&mut ChannelState)) {
        let mut state = self.lock();
        change(&mut state);
        let is_news = !state.update.is_empty();
        let waker = state.waker.take_if(|_| is_news);
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, ChannelState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SourceUpdate {
    /// Keeps the list that `next` replaces where `next` is empty.
    fn keep_before(&mut self, next: &[Arc<Host>]) {
        if !next.is_empty() {
            self.before_empty = None;
        } else if self.hosts.as_ref().is_some_and(|hosts| !hosts.is_empty()) {
            self.before_empty = self.hosts.take();
        }
    }

    fn is_empty(&self) -> bool {
        self.hosts.is_none() && !self.is_alive && self.skipped.is_none() && self.problem.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_list_is_told_and_skipped_entries_are_counted() {
        let updates = UpdateChannel::default();
        updates.list(vec![Arc::new(Host::new("a", 1))]);
        updates.skipped("line 3: no port");
        updates.list(vec![Arc::new(Host::new("b", 1))]);
        updates.skipped("line 9: no port");
        let update = updates.recv().await;
        assert_eq!(update.hosts.unwrap()[0].address, "b");
        assert_eq!(update.skipped, Some((2, "line 9: no port".to_owned())));
        let waits = tokio::time::timeout(Duration::from_millis(5), updates.recv()).await;
        assert!(waits.is_err());
    }

    #[test]
    fn entries_of_which_none_can_be_used_are_no_list_until_one_comes() {
        let updates = UpdateChannel::default();
        updates.unusable("all 2 entries are unusable: no port");
        updates.alive();
        let update = updates.try_recv().unwrap();
        assert_eq!((update.hosts, update.is_alive), (None, false));
        assert_eq!(update.problem.as_deref(), Some("all 2 entries are unusable: no port"));
        updates.alive();
        assert!(updates.try_recv().is_none(), "the registry lives, and has no list");
        updates.list(vec![Arc::new(Host::new("a", 1))]);
        updates.alive();
        let update = updates.try_recv().unwrap();
        assert_eq!((update.hosts.map(|it| it.len()), update.is_alive), (Some(1), true));
    }

    #[test]
    fn the_list_that_an_empty_one_replaced_is_told_with_it() {
        let (updates, some) = (UpdateChannel::default(), || vec![Arc::new(Host::new("a", 1))]);
        updates.list(some());
        updates.list(Vec::new());
        updates.list(Vec::new());
        let update = updates.try_recv().unwrap();
        assert_eq!((update.hosts, update.before_empty), (Some(Vec::new()), Some(some())));

        updates.list(some());
        updates.list(Vec::new());
        updates.list(some());
        let update = updates.try_recv().unwrap();
        assert_eq!((update.hosts, update.before_empty), (Some(some()), None));

        updates.list(some());
        updates.none();
        let update = updates.try_recv().unwrap();
        assert_eq!((update.hosts, update.before_empty), (Some(Vec::new()), None));
    }
}
