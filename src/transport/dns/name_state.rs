//! One name: what is known of it, and what is asked about it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::cached_name::{Answer, CachedName};
use super::config::NameService;
use super::lookup_error::LookupError;
use super::query;

/// What is known of one name, and the lookups that wait for more.
pub(super) struct NameState {
    pub(super) text: String,
    state: Mutex<Versioned>,
    pub(super) changed: Notify,
}

pub(super) struct Versioned {
    pub(super) known: CachedName,
    /// Rises when what was asked before does not count any more.
    pub(super) epoch: u64,
}

impl NameState {
    pub(super) fn new(name: &str, service: NameService) -> Self {
        let questions = match service {
            NameService::Dns => query::QUESTIONS.len(),
            NameService::System => 1,
        };
        let state = Versioned { known: CachedName::new(questions), epoch: 0 };
        Self { text: name.to_owned(), state: Mutex::new(state), changed: Notify::new() }
    }

    pub(super) fn settle(&self, index: usize, epoch: u64, answer: Answer) {
        let mut state = self.lock();
        if state.epoch == epoch {
            state.known.settle(index, answer, Instant::now());
        }
        drop(state);
        self.changed.notify_waiters();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Versioned> {
        // A panic elsewhere cannot leave any of it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question under way. Dropped without an answer, as by a runtime that ends, it has failed: nobody waits for it.
pub(super) struct Question {
    pub(super) name: Arc<NameState>,
    pub(super) index: usize,
    pub(super) epoch: u64,
    settled: bool,
}

impl Question {
    pub(super) fn new(name: &Arc<NameState>, index: usize, epoch: u64) -> Self {
        Self { name: Arc::clone(name), index, epoch, settled: false }
    }

    pub(super) fn settle(mut self, answer: Answer) {
        self.settled = true;
        self.name.settle(self.index, self.epoch, answer);
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if !self.settled {
            self.name.settle(self.index, self.epoch, Answer::Failed(LookupError::stopped()));
        }
    }
}
