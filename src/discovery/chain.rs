//! Providers of other providers: the first that has a list, or all lists together.
//!
//! The parts are watches of their own, shared with all that go by them. A part's `empty_hold` and `max_stale` count
//! for its list; those of the whole for the list that comes of them.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Weak};

use tokio::sync::Notify;

use super::identity::SourceIdentity;
use super::publisher::Subscriber;
use super::source::{Session, SessionEnd, Source, UpdateChannel};
use super::source_context::SourceContext;
use super::watch::{Subscription, Watch};
use crate::endpoint::Host;
use crate::runtime::clock;

/// What is made of the parts' lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// The list of the first part that has endpoints.
    First,
    /// All lists together; of equal endpoints that of the earlier part counts.
    Merge,
}

impl Combine {
    const fn as_str(self) -> &'static str {
        match self {
            Self::First => "the first of",
            Self::Merge => "all of",
        }
    }
}

/// A source over the lists of other watches.
pub struct Chain {
    combine: Combine,
    parts: Vec<Arc<Watch>>,
}

impl Chain {
    /// A chain of `parts`, in their order.
    #[must_use]
    pub const fn new(combine: Combine, parts: Vec<Arc<Watch>>) -> Self {
        Self { combine, parts }
    }

    /// What tells its list from another's on disk.
    #[must_use]
    pub fn identity(&self) -> SourceIdentity {
        let parts = self.parts.iter().map(|part| part.identity());
        SourceIdentity::combined(self.combine.as_str(), parts)
    }

    /// What is known of all parts together.
    ///
    /// # Errors
    /// No part has a list, and the text says why the first of them has none.
    fn list(&self) -> Result<Option<Vec<Arc<Host>>>, String> {
        let hosts = match self.combine {
            Combine::First => self.first(),
            // A part that is late must not make the others' endpoints all there are: that would be a list that shrinks
            // and grows at each start. One that fails is not waited for.
            Combine::Merge => {
                let waits =
                    |part: &Arc<Watch>| part.latest().is_none() && part.state().problem.is_none();
                match self.parts.iter().any(waits) {
                    true => None,
                    false => {
                        let lists: Vec<_> =
                            self.parts.iter().filter_map(|part| part.latest()).collect();
                        let hosts = lists.iter().flat_map(|listing| listing.hosts.iter().cloned());
                        (!lists.is_empty()).then(|| hosts.collect())
                    }
                }
            }
        };
        let problem = || self.parts.iter().find_map(|part| part.state().problem);
        match (hosts, problem()) {
            (None, Some(problem)) if self.all_fail() => Err(problem.to_string()),
            (hosts, _) => Ok(hosts),
        }
    }

    /// The list of the first part that has endpoints. One whose list is not ready is never moved to, and one that did not
    /// answer yet is waited for, until it has answered or fails.
    fn first(&self) -> Option<Vec<Arc<Host>>> {
        let mut empty = None;
        for part in &self.parts {
            match part.latest() {
                Some(listing) if !listing.hosts.is_empty() => return Some(listing.hosts.clone()),
                Some(_) => empty = Some(Vec::new()),
                None if part.state().problem.is_none() => return None,
                None => {}
            }
        }
        empty
    }

    /// Why the first part that tells so has no endpoint.
    fn empty_for(&self) -> Option<Arc<str>> {
        self.parts.iter().find_map(|part| part.state().empty_for)
    }

    fn all_fail(&self) -> bool {
        self.parts.iter().all(|part| part.state().problem.is_some())
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl Source for Chain {
    fn watch<'a>(&'a self, context: &'a SourceContext, updates: &'a UpdateChannel) -> Session<'a> {
        Box::pin(async move {
            let changes = Arc::new(PartsNotify::default());
            let itself: Weak<dyn Subscriber> = Arc::<PartsNotify>::downgrade(&changes);
            let subscriptions: Result<Vec<Subscription>, _> =
                self.parts.iter().map(|part| part.subscribe(Weak::clone(&itself))).collect();
            let _subscriptions = match subscriptions {
                Ok(subscriptions) => subscriptions,
                Err(error) => {
                    return SessionEnd::Failed(format!("no thread could be made: {error}"));
                }
            };
            let mut sent: Option<Vec<Arc<Host>>> = None;
            loop {
                match self.list() {
                    Ok(Some(hosts)) if sent.as_ref() != Some(&hosts) => {
                        match self.empty_for().filter(|_| hosts.is_empty()) {
                            Some(reason) => updates.empty(&*reason),
                            None => updates.list(hosts.clone()),
                        }
                        sent = Some(hosts);
                    }
                    Ok(Some(_)) if !self.all_fail() => updates.alive(),
                    Ok(_) => {}
                    // The parts try again by themselves.
                    Err(problem) => updates.failing(problem),
                }
                self.wait(context, &changes).await;
            }
        })
    }

    fn describe(&self) -> String {
        let parts: Vec<_> = self.parts.iter().map(|part| part.describe()).collect();
        format!("{} ({})", self.combine.as_str(), parts.join("; "))
    }
}

impl Chain {
    /// Waits until a part has changed, and passes a call's request for a fresher list on to all of them.
    async fn wait(&self, context: &SourceContext, changes: &PartsNotify) {
        let mut changed = pin!(changes.0.notified());
        let mut refresh_requested = pin!(context.refresh_requested());
        poll_fn(|cx| {
            if refresh_requested.as_mut().poll(cx).is_ready() {
                let now = clock::now();
                for part in &self.parts {
                    let _ = part.request_refresh(now);
                }
                refresh_requested.set(context.refresh_requested());
                cx.waker().wake_by_ref();
            }
            changed.as_mut().poll(cx)
        })
        .await;
    }
}

/// Notified where a part has changed.
#[derive(Default)]
struct PartsNotify(Notify);

impl Subscriber for PartsNotify {
    fn on_update(&self) {
        self.0.notify_one();
    }

    fn calls_host(&self) -> bool {
        false
    }
}
