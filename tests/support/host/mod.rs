//! The process that the library lives in: its descriptors and threads, and children forked from it.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

use std::io::Read;
use std::net::TcpListener;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub use self::platform::*;
use super::{Server, ms};

/// For tests that look at what belongs to the whole process: one at a time.
pub fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sockets that this process has open towards a server.
pub fn sockets_to(server: &Server) -> usize {
    sockets_to_port(server.port())
}

/// A server that reads and never answers, and tells when its first connection has a request and when it has
/// ended, as it sees them.
#[derive(Debug)]
pub struct Listener {
    port: u16,
    told: Receiver<Instant>,
}

impl Listener {
    pub fn new() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut connection, _) = socket.accept().unwrap();
            let mut bytes = [0; 4096];
            if connection.read(&mut bytes).is_ok_and(|count| count > 0) {
                let _ = tell.send(Instant::now());
            }
            while connection.read(&mut bytes).is_ok_and(|count| count > 0) {}
            let _ = tell.send(Instant::now());
        });
        Self { port, told }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for what comes next, the request or the end.
    pub fn hears(&self) -> Instant {
        self.told.recv_timeout(ms(20_000)).expect("it hears something")
    }
}
