//! Connections made ahead of the calls that will need them.
//!
//! No call waits for them, and none is told when one fails: the call that needs a connection finds out by itself,
//! and its circuit learns it from the call.

use std::sync::{Arc, Mutex, PoisonError};

use crate::endpoint::Endpoint;

/// Runs `task` for each of `endpoints` in the background, a few at a time. To be called on a runtime that is driven
/// always.
pub(super) fn spread<F>(
    endpoints: Vec<Arc<Endpoint>>,
    task: impl Fn(Arc<Endpoint>) -> F + Clone + Send + Sync + 'static,
) where
    F: Future<Output = ()> + Send,
{
    let workers = endpoints.len().min(AT_ONCE);
    let queue = Arc::new(Mutex::new(endpoints.into_iter()));
    for _ in 0..workers {
        let (queue, task) = (Arc::clone(&queue), task.clone());
        tokio::spawn(async move {
            while let Some(endpoint) = next(&queue) {
                task(endpoint).await;
            }
        });
    }
}

fn next(queue: &Mutex<std::vec::IntoIter<Arc<Endpoint>>>) -> Option<Arc<Endpoint>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).next()
}

/// So that calls which come meanwhile find the thread, and no server a crowd; one that does not answer holds up
/// an eighth of the others for its connect limit.
const AT_ONCE: usize = 8;

/// The most connections that are made at a time for one client and thread: a service of thousands of endpoints
/// must not eat the process's descriptors.
pub(super) const MOST: usize = 256;
