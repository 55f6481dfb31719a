//! A custom provider: a function of the host that is asked for the list.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::config::Callbacks;
use crate::endpoint::Host;
use crate::policy::FreshnessConfig;
use crate::runtime::process::PerProcess;
use crate::runtime::workers::Workers;

/// A function that is asked for the list of hosts.
pub trait Provider: Send + Sync {
    /// The hosts that serve now, in a stable order.
    ///
    /// # Errors
    /// Says in a few words why no list could be had; the last good one stays in use.
    fn discover(&self) -> Result<Vec<Host>, String>;
}

/// A custom provider, and the rules by which it is asked.
#[derive(Clone)]
pub struct CustomProvider {
    /// The function.
    pub provider: Arc<dyn Provider>,
    /// On which threads it is called.
    pub callbacks: Callbacks,
    /// Which of its lists are accepted.
    pub freshness: FreshnessConfig,
}

impl fmt::Debug for CustomProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomProvider").field("callbacks", &self.callbacks).finish_non_exhaustive()
    }
}

/// Runs `job`, which may wait for a provider or a file, on a thread `ahoy-provider`.
///
/// # Errors
/// No thread could be had.
pub fn spawn_blocking(job: impl FnOnce() + Send + 'static) -> io::Result<()> {
    static THREADS: PerProcess<Workers> = PerProcess::new();
    THREADS.get_or(|| Workers::new("ahoy-provider", MOST_THREADS)).run(job)
}

/// Each provider is asked by one thread at a time: as many of them may be slow at once.
const MOST_THREADS: usize = 16;
