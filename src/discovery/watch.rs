//! A provider's list, kept current by a source: one watch for all balancers of the provider.
//!
//! The source's sessions run on the first I/O thread, begin with the first balancer that needs the list and end with the
//! last. Balancers are notified of a change and read the list themselves, so that only the newest one counts. A forked
//! child serves its parent's list at once, and begins a session of its own a moment later.

use std::io;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use rand::RngExt;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::Origin;
use super::config::ProviderConfig;
use super::drive;
use super::identity::SourceIdentity;
use super::publisher::{Publisher, Subscriber};
use super::snapshot_file::SnapshotFile;
use super::source::{Session, SessionEnd, Source, UpdateChannel};
use super::source_context::SourceContext;
use super::url;
use crate::endpoint::Host;
use crate::policy::FreshnessConfig;
use crate::runtime::process::{self, PerProcess};
use crate::runtime::{clock, entropy, io_thread};

/// A provider's list, and what keeps it current.
#[derive(Debug)]
pub struct Watch {
    /// None where the host itself replaces the list.
    source: Option<Arc<dyn Source>>,
    identity: SourceIdentity,
    /// The URL that says all of the source; none where the host made it.
    url: Option<Arc<str>>,
    freshness: FreshnessConfig,
    /// Where the list is kept for a start while the source cannot be asked.
    snapshot_file: Option<SnapshotFile>,
    publisher: Arc<Publisher>,
    process: PerProcess<ProcessState>,
}

/// What belongs to one process.
#[derive(Debug, Default)]
struct ProcessState {
    task: Mutex<Task>,
    /// Notified when a call that found no endpoint requests a fresher list.
    refresh: Arc<Notify>,
    refresh_requested_at: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Task {
    running: Option<AbortHandle>,
    /// Whether one ran in this process before.
    has_run: bool,
}

impl Watch {
    /// The list that the source tells which `config` names.
    #[must_use]
    pub fn of(config: &ProviderConfig) -> Self {
        let made = url::scheme(config.target.scheme).map(|scheme| scheme.source(config));
        let source = match made {
            Some(Ok(source)) => source,
            Some(Err(problem)) => Arc::new(Unusable(problem)),
            None => Arc::new(Unusable("no source has this scheme".to_owned())),
        };
        let url = config.url.as_ref().map(|url| url.reveal().into());
        Self { url, ..Self::by(source, SourceIdentity::of(config), config) }
    }

    /// The list that `source` tells, which `identity` tells from others, by the rules of `config`.
    #[must_use]
    pub fn by(source: Arc<dyn Source>, identity: SourceIdentity, config: &ProviderConfig) -> Self {
        let snapshot_file = config.snapshot.as_ref();
        let snapshot_file =
            snapshot_file.map(|path| SnapshotFile::new(path, source.describe(), identity));
        Self { snapshot_file, ..Self::with(Some(source), identity, config.freshness) }
    }

    /// A list that the host replaces itself, `hosts` at first.
    #[must_use]
    pub fn pushed(hosts: Vec<Arc<Host>>) -> Self {
        let watch = Self::with(None, SourceIdentity::of_host(), FreshnessConfig::default());
        watch.publisher.publish(hosts);
        watch
    }

    fn with(
        source: Option<Arc<dyn Source>>,
        identity: SourceIdentity,
        freshness: FreshnessConfig,
    ) -> Self {
        Self {
            source,
            identity,
            url: None,
            freshness,
            snapshot_file: None,
            publisher: Arc::default(),
            process: PerProcess::new(),
        }
    }

    /// Where its list comes from.
    pub(super) fn origin(&self) -> Origin {
        match (&self.source, &self.url) {
            (_, Some(url)) => Origin::Url(Arc::clone(url)),
            (Some(_), None) => Origin::Host,
            (None, None) => Origin::Hosts(
                self.latest().map(|listing| listing.hosts.clone()).unwrap_or_default(),
            ),
        }
    }

    /// What tells its list from another's on disk.
    pub(super) const fn identity(&self) -> SourceIdentity {
        self.identity
    }

    /// What it watches, without secrets.
    #[must_use]
    pub fn describe(&self) -> String {
        self.source.as_ref().map_or_else(|| "a list".to_owned(), |source| source.describe())
    }

    /// Takes `hosts` for the list, from now on, on this thread.
    pub fn push(&self, hosts: Vec<Arc<Host>>) {
        self.publisher.publish(hosts);
        self.publisher.note(|state| {
            state.confirmed = Some(clock::now());
            state.confirmations += 1;
        });
        self.publisher.notify_here();
    }

    /// Notifies `subscriber` of changes from now on, until the subscription drops. The first one begins the watch.
    ///
    /// # Errors
    /// No thread could be had.
    pub fn subscribe(
        self: &Arc<Self>,
        subscriber: Weak<dyn Subscriber>,
    ) -> io::Result<Subscription> {
        let mut task = lock(&self.process.get().task);
        if task.running.is_none()
            && let Some(source) = &self.source
        {
            task.running = Some(self.begin(Arc::clone(source), task.has_run)?);
            task.has_run = true;
        }
        Ok(Subscription { watch: Arc::clone(self), number: self.publisher.subscribe(subscriber) })
    }

    fn begin(&self, source: Arc<dyn Source>, has_run: bool) -> io::Result<AbortHandle> {
        let context = SourceContext::new(Arc::clone(&self.process.get().refresh))?;
        // Children that were forked together are not to ask their registry together.
        let longest = if process::is_child() && !has_run { SPREAD } else { Duration::ZERO };
        let delay = entropy::with_rng(|rng| rng.random_range(Duration::ZERO..=longest));
        let (publisher, freshness) = (Arc::clone(&self.publisher), self.freshness);
        let snapshot_file = self.snapshot_file.clone();
        let task = async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            drive::drive(&publisher, freshness, snapshot_file.as_ref(), &*source, &context).await;
        };
        Ok(io_thread::first()?.handle().spawn(task).abort_handle())
    }

    fn unsubscribe(&self, number: u64) {
        let Some(process) = self.process.existing() else { return };
        let mut task = lock(&process.task);
        if self.publisher.unsubscribe(number)
            && let Some(running) = task.running.take()
        {
            running.abort();
        }
    }

    /// A call found no endpoint: a source that is polled is asked, at most once a second. Whether it now is.
    #[must_use]
    pub fn request_refresh(&self, now: Instant) -> bool {
        if self.source.is_none() {
            return false;
        }
        let process = self.process.get();
        let mut refresh_requested_at = lock(&process.refresh_requested_at);
        let is_due = refresh_requested_at
            .is_none_or(|at| now.saturating_duration_since(at) >= REFRESH_INTERVAL);
        if is_due {
            *refresh_requested_at = Some(now);
            process.refresh.notify_one();
        }
        is_due
    }
}

impl Deref for Watch {
    type Target = Publisher;

    fn deref(&self) -> &Publisher {
        &self.publisher
    }
}

/// Options that do not go together: calls are told so.
#[derive(Debug)]
struct Unusable(String);

impl Source for Unusable {
    fn watch<'a>(&'a self, _: &'a SourceContext, _: &'a UpdateChannel) -> Session<'a> {
        Box::pin(async { SessionEnd::Refused(self.0.clone()) })
    }

    fn describe(&self) -> String {
        format!("an unusable source: {}", self.0)
    }
}

/// A subscriber's part in a watch, until it drops.
#[derive(Debug)]
pub struct Subscription {
    watch: Arc<Watch>,
    number: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.watch.unsubscribe(self.number);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Over how long forked children spread.
const SPREAD: Duration = Duration::from_secs(1);

/// A thousand calls that find no endpoint are one reason to ask.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
