//! Streamed answers, request bodies from a function, and a server that is told byte by byte what to do.

use std::ffi::c_void;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use ahoy::ffi::call::call::*;
use ahoy::ffi::call::queue::*;
use ahoy::ffi::call::response::*;
use ahoy::ffi::call::source::*;
use ahoy::ffi::call::stream::*;
use ahoy::ffi::client::client::*;

use super::builder::Client;
use super::calls::{Call, Completion, FOREVER, Queue};
use super::handles::{Request, boxed, owner, shared};
use super::outcome::{Answer, Failure, checked, made};

owner!(
    /// `ahoy_response` whose body is still to be read.
    Streamed, ahoy_response, ahoy_response_free
);

impl Streamed {
    /// The head, and the body where it is whole.
    pub fn head(&self) -> Answer {
        Answer::lent(self.raw())
    }

    /// The next bytes, and whether nothing comes after them.
    pub fn read(&self, room: usize, timeout_ms: u64) -> Result<(Vec<u8>, bool), Failure> {
        let mut buffer = vec![0; room];
        let (mut length, mut ended) = (usize::MAX, true);
        // SAFETY: the handle is ours, and there is that much room.
        let read = checked(|err| unsafe {
            let (place, count) = (buffer.as_mut_ptr(), &raw mut length);
            ahoy_response_read(self.raw(), place, room, timeout_ms, count, &raw mut ended, err)
        });
        assert!(length <= room && (read.is_ok() || (length == 0 && !ended)));
        buffer.truncate(length);
        read.map(|()| (buffer, ended))
    }

    /// What is there now, which is not the end.
    pub fn poll(&self) -> Vec<u8> {
        let (bytes, ended) = self.read(65_536, 0).unwrap();
        assert!(!ended);
        bytes
    }

    /// Waits for exactly so many bytes.
    pub fn exactly(&self, count: usize) -> String {
        let mut all = Vec::new();
        while all.len() < count {
            let (bytes, ended) = self.read(count - all.len(), 10_000).unwrap();
            assert!(!bytes.is_empty() && (!ended || all.len() + bytes.len() == count), "{all:?}");
            all.extend(bytes);
        }
        String::from_utf8(all).unwrap()
    }

    /// All that is left, in pieces of at most `room`.
    pub fn rest_by(&self, room: usize) -> Result<Vec<u8>, Failure> {
        let mut all = Vec::new();
        loop {
            let (bytes, ended) = self.read(room, 10_000)?;
            assert!(!bytes.is_empty() || ended, "ten seconds without a byte");
            all.extend(bytes);
            if ended {
                return Ok(all);
            }
        }
    }

    pub fn rest(&self) -> Result<String, Failure> {
        self.rest_by(10_000).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    pub fn notify(&self, queue: &Queue, tag: u64) -> Result<(), Failure> {
        // SAFETY: both handles live.
        checked(|err| unsafe { ahoy_response_notify(self.raw(), queue.raw(), tag, err) })
    }

    pub fn on_readable<F: Fn() + Send + Sync + 'static>(&self, told: F) -> Result<(), Failure> {
        unsafe extern "C-unwind" fn call<F: Fn()>(user_data: *mut c_void) {
            // SAFETY: the boxed closure, shared.
            let function = unsafe { shared::<F>(user_data) };
            function();
        }
        let (data, free) = boxed(told);
        // SAFETY: the handle is ours; function and data belong together.
        checked(|err| unsafe {
            ahoy_response_on_readable(self.raw(), Some(call::<F>), data, free, err)
        })
    }
}

impl Client {
    /// Sends and waits for the head.
    pub fn open(&self, request: &Request) -> Result<Streamed, Failure> {
        // SAFETY: both handles live.
        made(|out, err| unsafe { ahoy_client_send(self.raw(), request.raw(), out, err) })
            .map(Streamed::owning)
    }

    /// A streamed GET.
    pub fn stream(&self, path: &str) -> Streamed {
        self.open(&Request::new("GET", path).streamed()).unwrap()
    }
}

impl Call {
    /// Waits for the head.
    pub fn open(&self) -> Result<Streamed, Failure> {
        // SAFETY: the handle is ours.
        made(|out, err| unsafe { ahoy_call_wait(self.raw(), FOREVER, out, err) })
            .map(Streamed::owning)
    }
}

impl Completion {
    pub fn open(&self) -> Option<Streamed> {
        // SAFETY: the handle is ours.
        let response = unsafe { ahoy_completion_take_response(self.raw()) };
        (!response.is_null()).then(|| Streamed::owning(response))
    }
}

/// What a body function says.
#[derive(Clone, Debug)]
pub enum Said {
    Data(Vec<u8>),
    End,
    NotReady,
    Failed,
    /// Any number and any length.
    Nonsense(i32, usize),
}

/// A request's body in a test: each answer of `say`, cut to what there is room for.
struct Source<F> {
    say: F,
    rewind: Box<dyn Fn() -> bool + Send + Sync>,
    left: Mutex<Vec<u8>>,
}

impl Request {
    pub fn streamed(self) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_request_set_streamed(self.raw(), true, err) }).unwrap();
        self
    }

    pub fn idle_timeout_ms(self, timeout_ms: u64) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_request_set_idle_timeout_ms(self.raw(), timeout_ms, err) })
            .unwrap();
        self
    }

    /// A body that cannot be rewound.
    pub fn source(
        self,
        length: Option<u64>,
        say: impl Fn() -> Said + Send + Sync + 'static,
    ) -> Self {
        self.set_source(length, say, None)
    }

    /// A body that `rewind` takes back to its start.
    pub fn rewindable(
        self,
        length: Option<u64>,
        say: impl Fn() -> Said + Send + Sync + 'static,
        rewind: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        self.set_source(length, say, Some(Box::new(rewind)))
    }

    fn set_source<F: Fn() -> Said + Send + Sync + 'static>(
        self,
        length: Option<u64>,
        say: F,
        rewind: Option<Box<dyn Fn() -> bool + Send + Sync>>,
    ) -> Self {
        unsafe extern "C-unwind" fn produce<F: Fn() -> Said>(
            data: *mut c_void,
            buffer: *mut u8,
            capacity: usize,
            length: *mut usize,
        ) -> i32 {
            // SAFETY: the boxed source, shared.
            let source = unsafe { shared::<Source<F>>(data) };
            let mut left = source.left.lock().unwrap();
            if left.is_empty() {
                match (source.say)() {
                    Said::Data(bytes) => *left = bytes,
                    Said::End => return AHOY_BODY_END,
                    Said::NotReady => return AHOY_BODY_NOT_READY,
                    Said::Failed => return AHOY_BODY_FAILED,
                    Said::Nonsense(number, count) => {
                        // SAFETY: a place for one number.
                        unsafe { length.write(count) };
                        return number;
                    }
                }
            }
            let count = capacity.min(left.len());
            // SAFETY: there is room for capacity bytes, and a place for one number.
            unsafe {
                buffer.copy_from_nonoverlapping(left.as_ptr(), count);
                length.write(count);
            }
            left.drain(..count);
            AHOY_BODY_DATA
        }
        unsafe extern "C-unwind" fn rewind_it<F>(data: *mut c_void) -> bool {
            // SAFETY: the boxed source, shared.
            let source = unsafe { shared::<Source<F>>(data) };
            source.left.lock().unwrap().clear();
            (source.rewind)()
        }
        let can: ahoy_body_rewind_fn = if rewind.is_some() { Some(rewind_it::<F>) } else { None };
        let rewind = rewind.unwrap_or_else(|| Box::new(|| false));
        let (data, free) = boxed(Source { say, rewind, left: Mutex::default() });
        let length = length.unwrap_or(AHOY_UNKNOWN_LENGTH);
        // SAFETY: the handle is ours; functions and data belong together.
        checked(|err| unsafe {
            let say: ahoy_body_fn = Some(produce::<F>);
            ahoy_request_set_body_source(self.raw(), say, can, data, free, length, err)
        })
        .unwrap();
        self
    }

    pub fn resume(&self) {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_request_body_ready(self.raw(), err) }).unwrap();
    }
}

/// Listens on loopback and runs `script` for each connection, with its number from 0.
pub struct Scripted {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Scripted {
    pub fn new(script: impl Fn(usize, &mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, script) = (Arc::new(AtomicUsize::new(0)), Arc::new(script));
        let count = Arc::clone(&connections);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let script = Arc::clone(&script);
                thread::spawn(move || script(number, &mut Peer { socket, unread: Vec::new() }));
            }
        });
        Self { port, connections }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The server's end of a connection.
pub struct Peer {
    pub socket: TcpStream,
    unread: Vec<u8>,
}

impl Peer {
    /// The next head, or `None` when the client closed.
    pub fn head(&mut self) -> Option<String> {
        self.until("\r\n\r\n")
    }

    /// What comes up to `mark`, which is in it.
    pub fn until(&mut self, mark: &str) -> Option<String> {
        loop {
            let found = self.unread.windows(mark.len()).position(|part| part == mark.as_bytes());
            if let Some(at) = found {
                let bytes = self.unread.drain(..at + mark.len()).collect();
                return Some(String::from_utf8(bytes).unwrap());
            }
            let mut buffer = [0; 16_384];
            match self.socket.read(&mut buffer) {
                Ok(count) if count > 0 => self.unread.extend_from_slice(&buffer[..count]),
                _ => return None,
            }
        }
    }

    /// Writes, if the client is still there.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.socket.write_all(bytes.as_ref()).is_ok()
    }

    /// One chunk of a body.
    pub fn chunk(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let bytes = bytes.as_ref();
        let framed = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        self.write(framed)
    }

    /// Waits for the client to close.
    pub fn sees_close(&mut self) {
        let mut buffer = [0; 16_384];
        while matches!(self.socket.read(&mut buffer), Ok(count) if count > 0) {}
    }

    pub fn close(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

pub const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
