//! Ctrl-C on Windows: a handler of the host, on a thread of its own, and `should_stop` which sees what it noted.

#![cfg(windows)]
#![allow(unsafe_code, reason = "the handler of a console is set as only a C program does")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use ahoy::ffi::values::status::*;
use support::*;
use windows_sys::Win32::System::Console::{
    CTRL_C_EVENT, GenerateConsoleCtrlEvent, SetConsoleCtrlHandler,
};

static PRESSED: AtomicBool = AtomicBool::new(false);

unsafe extern "system" fn note(_: u32) -> i32 {
    PRESSED.store(true, Ordering::SeqCst);
    1
}

#[test]
fn ctrl_c_ends_a_blocking_call_through_should_stop() {
    // SAFETY: the handler only stores a flag.
    assert_ne!(unsafe { SetConsoleCtrlHandler(Some(note), 1) }, 0);
    let server = Server::always(Reply::Hang);
    let builder = Builder::new().balancer(&round_robin(&[server.port()]));
    let client = builder.should_stop(|| PRESSED.load(Ordering::SeqCst)).build();
    thread::scope(|scope| {
        let call = scope.spawn(|| (client.get("/").unwrap_err(), Instant::now()));
        eventually("it is sent", ms(10_000), || server.in_flight() == 1);
        let pressed = Instant::now();
        // SAFETY: plain numbers; the event comes to this process, and to its console's others.
        if unsafe { GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) } == 0 {
            // Without a console the handler is called as the system would.
            thread::spawn(|| unsafe { note(CTRL_C_EVENT) }).join().unwrap();
        }
        let (failure, ended) = call.join().unwrap();
        assert_eq!(failure.status, AHOY_E_INTERRUPTED, "{}", failure.message);
        assert!(ended - pressed < ms(500), "{:?}", ended - pressed);
    });
}
