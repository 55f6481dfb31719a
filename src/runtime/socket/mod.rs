//! What differs between the systems' sockets.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

use std::io;

pub use platform::{
    Descriptor, GATHER_FLAGS, Open, bind_interface, connect_unix, descriptor, is_silent,
    is_under_way, set_user_timeout, stream, wake_at,
};

/// What is said where only Linux has a setting.
#[cfg_attr(target_os = "linux", allow(dead_code, reason = "there it has"))]
fn needs_linux(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("{what} needs Linux"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{Shutdown, TcpListener, TcpStream};

    use socket2::Domain;

    use super::*;

    #[test]
    fn silent_until_a_byte_or_the_end_arrives() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let byte = |peer: &mut TcpStream| peer.write_all(b"x");
        let end = |peer: &mut TcpStream| peer.shutdown(Shutdown::Write);
        for says in [byte as fn(&mut TcpStream) -> io::Result<()>, end] {
            let own = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut peer, _) = listener.accept().unwrap();
            own.set_nonblocking(true).unwrap();
            assert!(is_silent(descriptor(&own)));
            says(&mut peer).unwrap();
            own.set_nonblocking(false).unwrap();
            own.peek(&mut [0]).unwrap();
            own.set_nonblocking(true).unwrap();
            assert!(!is_silent(descriptor(&own)));
        }
    }

    #[test]
    fn a_connect_that_goes_on_is_told_from_one_that_failed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = stream(Domain::IPV4).unwrap();
        let connected = socket.connect(&listener.local_addr().unwrap().into());
        assert!(connected.is_ok() || is_under_way(&connected.unwrap_err()));
        assert!(!is_under_way(&io::ErrorKind::ConnectionRefused.into()));
    }

    #[test]
    fn an_interface_that_is_not_there_is_refused() {
        let socket = stream(Domain::IPV4).unwrap();
        let error = bind_interface(&socket, "nonesuch0").unwrap_err();
        let said = ["no interface nonesuch0 on this host", "interface needs Linux"];
        assert!(said.contains(&&*error.to_string()), "{error}");
    }
}
