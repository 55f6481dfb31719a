//! What stands around every entry point: no panic crosses.

use crate::runtime::host::panics::caught;
use crate::runtime::host::thread_cancel::deferred;

/// Runs a body that returns a value, with its arguments checked; `fallback` stands in for a bad argument and for a
/// panic.
macro_rules! value {
    ($fallback:expr, |$($name:ident: $kind:ty),+| $body:expr) => {{
        let body = |$($name: $kind),+| $body;
        $crate::ffi::values::guard::value_of($fallback, || {
            // SAFETY: the parameters of an entry point are what its documentation says, as the host promises.
            let ($($name,)+) = unsafe {
                ($(<$kind as $crate::ffi::values::argument::Argument>::take(
                    stringify!($name),
                    $name,
                ),)+)
            };
            match ($($name,)+) {
                ($(Ok($name),)+) => body($($name),+),
                _ => $fallback,
            }
        })
    }};
}

pub(crate) use value;

/// Runs the body of a function that cannot fail but returns something; `fallback` stands in for a
/// panic.
pub(crate) fn value_of<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    caught_body(body).unwrap_or(fallback)
}

/// Runs the body of an entry point; `None` where it panicked.
pub(crate) fn caught_body<T>(body: impl FnOnce() -> T) -> Option<T> {
    let (mut body, mut result) = (Some(body), None);
    guarded(&mut || result = body.take().map(|body| body()));
    result
}

/// Once for all entry points: one of its own in each made the library larger by 0.11 MB.
#[inline(never)]
fn guarded(body: &mut dyn FnMut()) {
    caught(|| deferred(body));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fallback_stands_in_for_a_panic() {
        assert_eq!(value_of(7, || panic!("on purpose")), 7);
    }
}
