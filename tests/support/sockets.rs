//! What the system knows of this process's sockets.

use std::net::TcpStream;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use super::eventually;

/// Whether keep-alive is on, after how many seconds, and the user timeout in milliseconds.
pub fn options_of_the_socket_to(port: u16) -> Option<(bool, u32, u32)> {
    (3..1_024).find_map(|number| {
        // SAFETY: asking a descriptor that is none fails, and nothing of it is changed.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        let socket = socket2::SockRef::from(&fd);
        let peer = socket.peer_addr().ok()?.as_socket()?;
        let is_it = peer.port() == port && socket.local_addr().ok()?.as_socket()?.port() != port;
        is_it.then(|| {
            let timeout = socket.tcp_user_timeout().unwrap().unwrap_or_default();
            let after = socket.tcp_keepalive_time().unwrap();
            (socket.keepalive().unwrap(), after.as_secs() as u32, timeout.as_millis() as u32)
        })
    })
}

/// Waits until all that was written to `socket` lies in that of its peer.
#[cfg(target_os = "linux")]
pub fn has_arrived(socket: &TcpStream) {
    eventually("it has arrived", Duration::from_secs(10), || {
        let mut unsent: libc::c_int = -1;
        // SAFETY: a number that the system fills.
        let asked = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut unsent) };
        asked == 0 && unsent == 0
    });
}
