//! The process's resolver: one cache for all clients and providers.

use std::io;
use std::sync::Arc;

use once_cell::sync::OnceCell;

use super::resolver::Resolver;
use crate::runtime::io_thread;
use crate::runtime::process::PerProcess;

static RESOLVER: PerProcess<OnceCell<Arc<Resolver>>> = PerProcess::new();

/// The process's resolver, whose questions run on the first I/O thread.
///
/// # Errors
/// That thread could not be made.
pub fn resolver() -> io::Result<Arc<Resolver>> {
    let made = || Ok(Arc::new(Resolver::new(io_thread::first()?.handle().clone())));
    RESOLVER.get().get_or_try_init(made).map(Arc::clone)
}
