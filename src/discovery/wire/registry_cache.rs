//! What a source remembers of its registry from one session to the next, and a forked child of its parent's sessions.
//!
//! No lock, so that a child never finds one that is held.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use rand::RngExt;

use crate::runtime::entropy::with_rng;

/// What is remembered of one registry.
#[derive(Debug, Default)]
pub struct RegistryCache {
    /// One more than the number of the server that answered last; 0 before the first session.
    preferred: AtomicUsize,
    turn: Arc<AtomicUsize>,
    token: ArcSwapOption<CachedToken>,
}

/// A token that a file held, and when it was read.
#[derive(Debug)]
pub(super) struct CachedToken {
    pub(super) path: PathBuf,
    pub(super) read_at: Instant,
    pub(super) value: HeaderValue,
}

impl RegistryCache {
    /// The one of `count` servers to ask first: the one that answered last, and at first one at random, so that clients
    /// spread.
    pub(super) fn first(&self, count: usize) -> usize {
        let preferred = self.preferred.load(Ordering::Relaxed);
        if (1..=count).contains(&preferred) {
            return preferred - 1;
        }
        let first = with_rng(|rng| rng.random_range(..count.max(1)));
        self.prefer(first);
        first
    }

    /// The server `at` answers: it is asked first from now on.
    pub(super) fn prefer(&self, at: usize) {
        self.preferred.store(at + 1, Ordering::Relaxed);
    }

    /// With which of a name's addresses connections begin.
    pub(super) fn turn(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.turn)
    }

    /// What took a connection did not answer: the next connection to a name begins at the next of its addresses.
    pub(crate) fn leave_address(&self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
    }

    /// What the token's file at `path` said when it was read last.
    pub(super) fn token(&self, path: &Path) -> Option<Arc<CachedToken>> {
        self.token.load_full().filter(|cached| cached.path == path)
    }

    pub(super) fn cache_token(&self, cached: CachedToken) {
        self.token.store(Some(Arc::new(cached)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_drawn_once_and_the_one_that_answers_stays() {
        let firsts: Vec<usize> = (0..100).map(|_| RegistryCache::default().first(3)).collect();
        assert!((0..3).all(|at| firsts.contains(&at)), "{firsts:?}");
        let cache = RegistryCache::default();
        let first = cache.first(3);
        assert!((0..20).all(|_| cache.first(3) == first));
        cache.prefer(2);
        assert_eq!(cache.first(3), 2);
        assert!(cache.first(1) == 0, "of a list that is shorter by now");
    }
}
