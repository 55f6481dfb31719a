//! Peers, name services and systems that do what they should not: what a call makes of it, through the C ABI.

#[cfg(feature = "http2")]
mod alpn;
mod certificates;
mod inbound;
mod lenient;
mod memory;
mod names;
#[cfg(feature = "http2")]
mod sessions;
mod shortage;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// All tests share the library's threads.
static FLOOR: RwLock<()> = RwLock::new(());

/// For tests that disturb all others, or that others would disturb.
fn alone() -> RwLockWriteGuard<'static, ()> {
    FLOOR.write().unwrap_or_else(PoisonError::into_inner)
}

/// For all other tests.
fn beside_others() -> RwLockReadGuard<'static, ()> {
    FLOOR.read().unwrap_or_else(PoisonError::into_inner)
}
