//! A provider that is asked: a function of the host.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::config::Callbacks;
use crate::endpoint::Host;
use crate::policy::FreshnessConfig;
use crate::runtime::process::PerProcess;
use crate::runtime::workers::Workers;

/// A source of endpoint sets that is asked.
pub trait Provider: Send + Sync {
    /// The hosts that serve now, in a stable order.
    ///
    /// # Errors
    /// Says in a few words why no list could be had; the last good one stays in use.
    fn discover(&self) -> Result<Vec<Host>, String>;
}

/// A provider that is asked, and by which rules.
#[derive(Clone)]
pub struct Asked {
    /// What is asked.
    pub provider: Arc<dyn Provider>,
    /// On which threads.
    pub callbacks: Callbacks,
    /// What is believed.
    pub freshness: FreshnessConfig,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("callbacks", &self.callbacks).finish_non_exhaustive()
    }
}

/// Runs `job`, which asks a provider, on a thread `ahoy-provider`.
///
/// # Errors
/// No thread could be had.
pub fn on_thread(job: impl FnOnce() + Send + 'static) -> io::Result<()> {
    static THREADS: PerProcess<Workers> = PerProcess::new();
    THREADS.get_or(|| Workers::new("ahoy-provider", MOST_THREADS)).run(job)
}

/// Each provider is asked by one thread at a time: as many of them may be slow at once.
const MOST_THREADS: usize = 16;
