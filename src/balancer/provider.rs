//! How a balancer comes by its list: it is told by a watch, or asks a function of the host on a thread that may wait.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::balancer::Balancer;
use crate::discovery::{Callbacks, CustomProvider, Subscriber, Supply, Watch, custom};
use crate::error::{Error, ErrorKind};
use crate::runtime::host::caller_jobs;
use crate::runtime::host::lost::{self, ThreadCleanup};
use crate::runtime::{clock, io_thread};

/// How a balancer's list is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListState {
    /// None was told yet.
    None,
    /// As the provider told it last.
    Current,
    /// The provider fails, or did not answer yet, and its last list serves.
    Last,
    /// The last list was taken away: its provider has failed for too long.
    Stale,
    /// None was told, and the provider refuses what it is asked.
    Refused,
}

/// Runs a question to the host as a part of the client that wants it, so that the client's close waits for it; not at all
/// once a close has returned.
pub(crate) type HostCallScope = Box<dyn FnOnce(&mut dyn FnMut()) + Send>;

/// What asks for the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestedBy {
    /// A library call that the host makes itself, and that waits for its end.
    Blocking,
    /// One that returns at once.
    Started,
    /// The work of a call, on whatever thread drives it.
    Attempt,
}

impl Balancer {
    /// Sees to it that the list is there or on its way; waits for a function of the host only where that may be called on
    /// this thread.
    ///
    /// # Errors
    /// The function failed and no list is known, or no thread could be had.
    pub(crate) fn prepare_for(self: &Arc<Self>, by: RequestedBy) -> Result<(), Error> {
        if self.updates_done() > 0 {
            return Ok(());
        }
        match &self.supply {
            Supply::Watched(_) => self.join(),
            Supply::Custom(custom) if may_ask_here(custom.callbacks, by) => {
                // Another thread's question answers this one too; its attempt waits for that within its limit.
                self.try_update_since(0).unwrap_or(Ok(()))
            }
            Supply::Custom(_) => Ok(()),
        }
    }

    /// Begins to be told by the provider's watch, and takes the list that is there.
    pub(crate) fn join(self: &Arc<Self>) -> Result<(), Error> {
        let Supply::Watched(watch) = &self.supply else { return Ok(()) };
        let itself: Weak<dyn Subscriber> = Arc::<Self>::downgrade(self);
        let joined = self.live().joined.get_or_try_init(|| watch.subscribe(itself));
        joined.map_err(|error| {
            let message = format!("provider: no thread could be made: {error}");
            Error::new(ErrorKind::Overloaded, message)
        })?;
        self.on_update();
        Ok(())
    }

    /// Has a provider that is asked told its list by a thread of its own; a watched one is told that a call found no
    /// endpoint. Whether there is an answer to wait for.
    pub(crate) fn request_update(
        self: &Arc<Self>,
        seen: u64,
        scope: HostCallScope,
    ) -> Result<bool, Error> {
        match &self.supply {
            Supply::Watched(watch) => {
                self.join()?;
                Ok(watch.request_refresh(clock::now()))
            }
            Supply::Custom(CustomProvider { callbacks: Callbacks::Caller, .. }) => {
                self.ask_on_caller(seen, scope);
                Ok(true)
            }
            Supply::Custom(_) => self.ask_on_thread(seen, scope).map(|()| true),
        }
    }

    /// Has the next library call of the host's ask: see [`Callbacks::Caller`].
    fn ask_on_caller(self: &Arc<Self>, seen: u64, scope: HostCallScope) {
        let itself = Arc::downgrade(self);
        caller_jobs::submit(itself.as_ptr().addr(), move || {
            if let Some(balancer) = itself.upgrade() {
                // The balancer tells of a provider that fails; where another thread is at it, that one's answer counts.
                balancer.ask_in(scope, || drop(balancer.try_update_since(seen)));
            }
        });
    }

    fn ask_on_thread(self: &Arc<Self>, seen: u64, scope: HostCallScope) -> Result<(), Error> {
        let live = self.live();
        if live.list.is_asked.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let call = Arc::new(ProviderCall(Arc::clone(self)));
        let job = move || {
            let cleanup = lost::push_cleanup(Arc::clone(&call) as Arc<dyn ThreadCleanup>);
            // The balancer tells of a provider that fails.
            call.0.ask_in(scope, || drop(call.0.update_since(seen)));
            drop(cleanup);
            call.end();
        };
        custom::spawn_blocking(job).map_err(|error| {
            live.list.is_asked.store(false, Ordering::Release);
            Error::new(ErrorKind::Overloaded, format!("provider: no thread could be made: {error}"))
        })
    }

    /// Asks in the scope of a client. Where that is closed by now, calls of other clients that rely on the answer look once
    /// more, and ask in their own.
    fn ask_in(&self, scope: HostCallScope, ask: impl Fn()) {
        let mut has_asked = false;
        scope(&mut || {
            has_asked = true;
            ask();
        });
        if !has_asked {
            self.live().list.note_unasked();
        }
    }

    /// Waits until an update ends that had not when `ended` were over: well, or where a provider that is asked fails.
    pub(crate) fn update_ends(&self, ended: u64) -> impl Future<Output = ()> + Send {
        let live = self.live();
        async move {
            loop {
                let mut looked = pin!(live.list.looked.notified());
                looked.as_mut().enable();
                if live.list.ended() > ended {
                    return;
                }
                looked.await;
            }
        }
    }

    /// How many updates have ended, well or not.
    pub(crate) fn updates_ended(&self) -> u64 {
        self.live().list.ended()
    }

    /// Why the source of the list fails, and whether it refuses what it is asked.
    pub(crate) fn problem(&self) -> Option<(String, bool)> {
        match self.watch() {
            Some(watch) => {
                let state = watch.state();
                Some((state.problem?.to_string(), state.is_refused))
            }
            None => Some((self.live().list.problem()?, true)),
        }
    }

    /// Waits until a list is known; how that went.
    ///
    /// # Errors
    /// The provider refuses what it is asked, or one that is asked failed.
    pub async fn ready(self: &Arc<Self>) -> Result<(), Error> {
        let ended = self.updates_ended();
        if self.asks_elsewhere() && self.updates_done() == 0 {
            self.request_update(0, Box::new(|ask| ask()))?;
            // What it said before is not its answer.
            self.update_ends(ended).await;
        } else {
            self.prepare()?;
        }
        loop {
            let ended = self.updates_ended();
            if self.updates_done() > 0 {
                return Ok(());
            }
            if let Some((problem, true)) = self.problem() {
                return Err(Error::new(ErrorKind::Discovery, format!("provider: {problem}")));
            }
            self.update_ends(ended).await;
        }
    }

    /// Whether a function of the host tells the list, which this thread may not call.
    fn asks_elsewhere(&self) -> bool {
        matches!(&self.supply, Supply::Custom(it) if !may_ask_here(it.callbacks, RequestedBy::Blocking))
    }

    /// How the list is known.
    #[must_use]
    pub fn list_state(&self) -> ListState {
        let problem = self.problem();
        let state = self.watch().map(|watch| watch.state());
        let (is_stale, is_from_snapshot) =
            state.map_or((false, false), |it| (it.is_stale, it.is_from_snapshot));
        match (self.updates_done() > 0, problem) {
            (_, _) if is_stale => ListState::Stale,
            (true, None) if !is_from_snapshot => ListState::Current,
            (true, _) => ListState::Last,
            (false, Some((_, true))) => ListState::Refused,
            (false, _) => ListState::None,
        }
    }

    /// Why the list is not current, or why the one that was told last is empty.
    #[must_use]
    pub fn list_problem(&self) -> Option<String> {
        let empty_for = || Some(self.watch()?.state().empty_for?.to_string());
        self.problem().map(|(problem, _)| problem).or_else(empty_for)
    }

    /// Whether the provider tells its list by itself.
    pub(crate) fn is_watched(&self) -> bool {
        self.watch().is_some()
    }

    /// What tells the list by itself.
    fn watch(&self) -> Option<&Watch> {
        match &self.supply {
            Supply::Watched(watch) => Some(watch),
            Supply::Custom(_) => None,
        }
    }

    /// Whether a function of the host may be asked on this thread, by the work of a call.
    pub(crate) fn may_ask_here(&self) -> bool {
        match &self.supply {
            Supply::Watched(_) => false,
            Supply::Custom(custom) => may_ask_here(custom.callbacks, RequestedBy::Attempt),
        }
    }
}

fn may_ask_here(callbacks: Callbacks, by: RequestedBy) -> bool {
    match (callbacks, by) {
        (Callbacks::Thread, _) | (Callbacks::Any, RequestedBy::Started) => false,
        (Callbacks::Any, RequestedBy::Blocking) => true,
        (Callbacks::Caller, RequestedBy::Blocking | RequestedBy::Started) => true,
        // A shard is driven by its caller.
        (Callbacks::Any | Callbacks::Caller, RequestedBy::Attempt) => !io_thread::is_here(),
    }
}

/// A call of the host's function, under way on a thread of its own.
struct ProviderCall(Arc<Balancer>);

impl ProviderCall {
    fn end(&self) {
        let list = &self.0.live().list;
        list.is_asked.store(false, Ordering::Release);
        list.looked.notify_waiters();
    }
}

impl ThreadCleanup for ProviderCall {
    fn thread_is_lost(&self) {
        self.0.live().list.note_failure("the host ended the thread that asked it");
        self.end();
    }
}

impl Subscriber for Balancer {
    fn on_update(&self) {
        let Supply::Watched(watch) = &self.supply else { return };
        loop {
            let changes = watch.change_count();
            // The thread that has the turn looks once more when it is over.
            let Some(turn) = self.live().list.try_turn() else { return };
            self.take(watch, turn);
            if watch.change_count() == changes && watch.version() == self.live().list.taken() {
                return;
            }
        }
    }

    fn calls_host(&self) -> bool {
        !self.observers.is_empty()
    }
}
