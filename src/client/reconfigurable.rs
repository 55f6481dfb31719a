//! A client whose configuration can be replaced while it is used: each call goes by the one that it began with.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::client::Client;
use super::core::would_deadlock;
use super::plan::Plan;
use crate::error::Error;
use crate::runtime::callback_mutex::CallbackMutex;
use crate::runtime::host::callback;
use crate::runtime::process::PerProcess;

/// The client in its present configuration.
#[derive(Debug)]
pub struct Reconfigurable {
    present: ArcSwap<Client>,
    /// One change at a time.
    turn: PerProcess<CallbackMutex<()>>,
}

impl Reconfigurable {
    /// The client as it is now; not a lock, and at its best held by few at once on a thread.
    #[inline]
    pub fn present(&self) -> Guard<Arc<Client>> {
        self.present.load()
    }

    /// The same, to be kept.
    #[must_use]
    pub fn kept(&self) -> Arc<Client> {
        self.present.load_full()
    }

    /// Replaces the configuration by what `plan` makes of the client, or leaves it as it is.
    ///
    /// # Errors
    /// The client is closed, this is a callback, the plan fails or cannot be carried out.
    pub fn reconfigure(
        &self,
        plan: impl FnOnce(&Client) -> Result<Plan, Error>,
    ) -> Result<(), Error> {
        if callback::is_in_callback() {
            return Err(would_deadlock());
        }
        let _turn = self.turn.get().lock();
        let before = self.kept();
        let next = Arc::new(before.reconfigured(plan(&before)?)?);
        self.present.store(Arc::clone(&next));
        next.go_on();
        Ok(())
    }
}

impl From<Arc<Client>> for Reconfigurable {
    fn from(client: Arc<Client>) -> Self {
        Self { present: ArcSwap::new(client), turn: PerProcess::new() }
    }
}
