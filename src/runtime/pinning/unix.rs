//! The linker says it for Linux (`-z nodelete`, in `build/main.rs`), and macOS unmaps no library that has thread-locals.

/// Nothing is left to do.
pub(in crate::runtime) fn pin() {}
