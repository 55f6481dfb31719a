//! A small number for each thread, by which threads are spread over what they share. It means nothing else.

use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    static NUMBER: usize = next();
}

fn next() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The number of this thread, in the order in which threads first asked.
#[must_use]
pub fn number() -> usize {
    // A thread that is about to end has none any more.
    NUMBER.try_with(|number| *number).unwrap_or_default()
}
