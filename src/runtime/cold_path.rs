//! Futures of what happens rarely, out of the way of those that wait for them.

use std::pin::Pin;

/// The future that `make` makes, in a box: what waits for it is not to carry its state. Nor has the poll of that, which all
/// calls make, its code or room for what lies on its stack: it is made, and polled, elsewhere.
#[cold]
#[inline(never)]
pub fn cold_path<'a, F: Future + Send + 'a>(make: impl FnOnce() -> F) -> ColdFuture<'a, F::Output> {
    Box::pin(make())
}

/// What [`cold_path`] makes.
type ColdFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
