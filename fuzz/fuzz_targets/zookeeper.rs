//! ZooKeeper: its messages are the same however they are cut, and another reader finds the same in them; while nodes come,
//! go and change, a session ends up with the server's list.
#![no_main]

use ahoy::discovery::sources::zookeeper::fuzzing::{session, stream};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    match bytes {
        [b'S', script @ ..] => session(script),
        [piece, bytes @ ..] => stream(usize::from(*piece).max(1), bytes),
        [] => {}
    }
});
