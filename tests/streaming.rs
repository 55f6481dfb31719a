//! Bodies piece by piece: answers that are read while they come, and requests that are produced while they go.

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use ahoy::ffi::builder::*;
use ahoy::ffi::status::*;
use support::*;

const SOON: Duration = ms(10_000);

/// A server that sends each piece when it is told to, and says whether it saw the client close.
struct Stage {
    server: Scripted,
    pieces: mpsc::Sender<&'static str>,
    closed: mpsc::Receiver<()>,
}

impl Stage {
    fn new() -> Self {
        let (pieces, script) = mpsc::channel::<&str>();
        let (saw, closed) = mpsc::channel();
        let script = Mutex::new(script);
        let server = Scripted::new(move |_, peer| {
            let script = script.lock().unwrap();
            while peer.head().is_some() {
                peer.write(CHUNKED);
                // An empty piece is the end of the body; hanging up that of the connection.
                while let Ok(piece) = script.recv_timeout(SOON) {
                    if piece == "!" {
                        peer.close();
                        return;
                    }
                    peer.chunk(piece);
                    if piece.is_empty() {
                        break;
                    }
                }
            }
            saw.send(()).unwrap();
        });
        Self { server, pieces, closed }
    }

    fn say(&self, piece: &'static str) {
        self.pieces.send(piece).unwrap();
    }

    fn clients(&self) -> [Client; 2] {
        let url = url(self.server.port());
        [client_over(&[self.server.port()]), Builder::new().base_url(&url).build()]
    }
}

#[test]
fn pieces_are_read_as_they_come_by_a_blocking_caller() {
    for base_url in [0, 1] {
        let stage = Stage::new();
        let client = &stage.clients()[base_url];
        let response = client.stream("/");
        assert_eq!((response.head().status, response.head().text()), (200, String::new()));
        assert_eq!(response.poll(), b"");
        for piece in ["one", "two", "three"] {
            stage.say(piece);
            assert_eq!(response.exactly(piece.len()), piece);
            let (nothing, waited) = timed(|| response.read(9, 20).unwrap());
            assert_eq!(nothing, (Vec::new(), false), "the time is up");
            assert!(waited >= ms(20), "{waited:?}");
        }
        stage.say("end");
        stage.say("");
        assert_eq!(response.rest().unwrap(), "end");
        assert_eq!(response.read(9, 0).unwrap(), (Vec::new(), true), "as often as it is asked");
        // The connection is kept.
        stage.say("more");
        stage.say("");
        assert_eq!(client.stream("/").rest_by(1).unwrap(), b"more");
        assert_eq!(stage.server.connections(), 1);
    }
}
