//! A second Rust archive in one program, as two libraries would bring it: with a standard library of its own.

/// # Safety
/// `numbers` are that many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn other_sum(numbers: *const i32, count: usize) -> i32 {
    // SAFETY: as this function's callers promise.
    let numbers = unsafe { std::slice::from_raw_parts(numbers, count) }.to_vec();
    let caught = std::panic::catch_unwind(|| std::thread::spawn(move || numbers.iter().sum()).join());
    caught.ok().and_then(Result::ok).unwrap_or(-1)
}
