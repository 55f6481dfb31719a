//! A value of the whole process that is made at its first use.
//!
//! `LazyLock` was rejected: while one thread makes the value the others wait, and a child that was forked in that moment
//! would wait for ever, for it has no such thread. Here each thread that comes meanwhile makes the value for itself, and
//! the first one that is done is kept.

use std::ops::Deref;

use once_cell::race::OnceBox;

/// The value, and the function that makes it at its first use.
#[derive(Debug)]
pub struct RacyLazy<T> {
    value: OnceBox<T>,
    make: fn() -> T,
}

impl<T> RacyLazy<T> {
    /// What `make` makes at the first use, and perhaps more than once where several threads are first.
    #[must_use]
    pub const fn new(make: fn() -> T) -> Self {
        Self { value: OnceBox::new(), make }
    }
}

impl<T> Deref for RacyLazy<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.get_or_init(|| Box::new((self.make)()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_have_the_value_that_was_kept() {
        static MADE: RacyLazy<Vec<u8>> = RacyLazy::new(|| vec![7]);
        let places: Vec<_> = std::thread::scope(|scope| {
            let looks: Vec<_> = (0..8).map(|_| scope.spawn(|| MADE.as_ptr().addr())).collect();
            looks.into_iter().map(|look| look.join().unwrap()).collect()
        });
        assert!(places.iter().all(|place| *place == MADE.as_ptr().addr()));
        assert_eq!(*MADE, [7]);
    }
}
