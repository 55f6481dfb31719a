//! What the system knows of this process's sockets.

use std::os::fd::BorrowedFd;

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
