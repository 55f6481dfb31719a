//! libcurl, loaded at run time, with the loop that a careful user writes around it: one multi handle for all calls,
//! which keeps connections; each call begins at the next host in turn, and goes to the next one on an error, a
//! timeout or a 5xx, up to three tries and within the call's limit. A POST is only sent again where the connect failed.
//! There is no memory of which host failed, as loops by hand have none.

use std::ffi::{c_char, c_int, c_long, c_void};
use std::ptr;

use crate::api::{self, Handle, c, text};
use crate::arrivals::schedule;
use crate::clock::{self, MS, US, now};
use crate::driver::{Call, Driven};
use crate::plan::{Arrivals, Load};
use crate::usage::{Snapshot, Usage};

/// The file that Debian's libcurl4 brings.
const FILE: &str = "libcurl.so.4";

type GetHeader =
    unsafe extern "C" fn(Handle, *const c_char, usize, u32, c_int, *mut *mut Header) -> c_int;
type Setopt = unsafe extern "C" fn(Handle, c_int, ...) -> c_int;

macro_rules! functions {
    ($($name:ident: $type:ty = $symbol:literal;)*) => {
        /// The functions of libcurl that the loop needs.
        #[derive(Debug)]
        struct Lib {
            $($name: $type,)*
        }

        impl Lib {
            fn load() -> Result<Self, String> {
                let library = api::open(FILE).map_err(|problem| {
                    format!("{problem}; on Debian: apt-get install libcurl4 (the arena installs nothing)")
                })?;
                Ok(Self {
                    $($name: {
                        let symbol = api::find(library, $symbol)?;
                        // SAFETY: the signature is that of curl/easy.h or curl/multi.h.
                        unsafe { std::mem::transmute::<Handle, $type>(symbol) }
                    },)*
                })
            }
        }
    };
}

functions! {
    version: unsafe extern "C" fn() -> *const c_char = "curl_version";
    easy_init: unsafe extern "C" fn() -> Handle = "curl_easy_init";
    easy_setopt: Setopt = "curl_easy_setopt";
    easy_getinfo: Setopt = "curl_easy_getinfo";
    easy_cleanup: unsafe extern "C" fn(Handle) = "curl_easy_cleanup";
    easy_header: GetHeader = "curl_easy_header";
    multi_init: unsafe extern "C" fn() -> Handle = "curl_multi_init";
    multi_add_handle: unsafe extern "C" fn(Handle, Handle) -> c_int = "curl_multi_add_handle";
    multi_remove_handle: unsafe extern "C" fn(Handle, Handle) -> c_int = "curl_multi_remove_handle";
    multi_perform: unsafe extern "C" fn(Handle, *mut c_int) -> c_int = "curl_multi_perform";
    multi_poll: unsafe extern "C" fn(Handle, Handle, u32, c_int, *mut c_int) -> c_int = "curl_multi_poll";
    multi_info_read: unsafe extern "C" fn(Handle, *mut c_int) -> *const Message = "curl_multi_info_read";
}

/// `CURLMsg`.
#[repr(C)]
struct Message {
    kind: c_int,
    easy: Handle,
    result: c_int,
}

/// The beginning of `struct curl_header`.
#[repr(C)]
struct Header {
    name: *const c_char,
    value: *const c_char,
}

const NOSIGNAL: c_int = 99;
const URL: c_int = 10_002;
const PROXY: c_int = 10_004;
const WRITEFUNCTION: c_int = 20_011;
const POSTFIELDS: c_int = 10_015;
const POST: c_int = 47;
const POSTFIELDSIZE: c_int = 60;
const PRIVATE: c_int = 10_103;
const TIMEOUT_MS: c_int = 155;
const RESPONSE_CODE: c_int = 0x20_0002;
const INFO_PRIVATE: c_int = 0x10_0015;
const COULDNT_CONNECT: c_int = 7;
const HEADER: u32 = 1;

/// How long an answer may lie there while the next call is about to begin.
const PIECE: u64 = 200 * US;

/// The version of the libcurl that is here, or what to install.
pub(crate) fn version() -> Result<String, String> {
    let lib = Lib::load()?;
    // SAFETY: static text.
    let all = text(unsafe { (lib.version)() });
    Ok(all.split(' ').next().unwrap_or_default().to_owned())
}

/// All calls of a cell through one multi handle.
#[derive(Debug)]
pub(crate) struct Loop<'a> {
    lib: Lib,
    multi: Handle,
    /// Easy handles of earlier calls.
    idle: Vec<Handle>,
    ports: &'a [u16],
    load: &'a Load,
    tries: u32,
    zero: u64,
    calls: Vec<Call>,
    open: usize,
}

impl<'a> Loop<'a> {
    pub(crate) fn new(
        tries: u32,
        load: &'a Load,
        ports: &'a [u16],
        zero: u64,
    ) -> Result<Self, String> {
        let lib = Lib::load()?;
        // SAFETY: no arguments; the first call initialises the library, before other threads use it.
        let multi = unsafe { (lib.multi_init)() };
        let (idle, calls) = (Vec::new(), Vec::new());
        Ok(Self { lib, multi, idle, ports, load, tries, zero, calls, open: 0 })
    }

    /// Makes all calls and waits for their ends.
    pub(crate) fn run(mut self, seed: u64, others: &[u32]) -> Driven {
        clock::wake_exactly();
        let usage = match self.load.arrivals {
            Arrivals::Lone { pause_ms } => self.lone(pause_ms * MS, others),
            _ => self.open_loop(&schedule(self.load, seed), others),
        };
        Driven { calls: std::mem::take(&mut self.calls), usage, open_circuits: None }
    }

    fn open_loop(&mut self, moments: &[i64], others: &[u32]) -> Usage {
        let mut before = None;
        let count_from = (self.load.count_from_ms * MS) as i64;
        for moment in moments {
            if before.is_none() && *moment >= count_from {
                before = Some(Snapshot::take(others));
            }
            let at = self.zero.saturating_add_signed(*moment);
            while now() < at {
                self.turn(at);
            }
            self.begin(*moment);
        }
        let usage = before.map_or_else(Usage::default, |before| before.until_now(others));
        self.finish();
        usage
    }

    fn lone(&mut self, pause: u64, others: &[u32]) -> Usage {
        let before = Snapshot::take(others);
        clock::sleep_until(self.zero.saturating_sub(self.load.warm_up_ms * MS));
        while now() < self.zero + self.load.end_ms * MS {
            self.begin(now() as i64 - self.zero as i64);
            self.finish();
            clock::sleep_until(now() + pause);
        }
        before.until_now(others)
    }

    /// Waits for the calls under way, which all have a limit.
    fn finish(&mut self) {
        let give_up = now() + (self.load.deadline_ms() + 3_000) * MS;
        while self.open > 0 && now() < give_up {
            self.turn(now() + 50 * MS);
        }
    }

    fn begin(&mut self, moment: i64) {
        let at = self.zero.saturating_add_signed(moment);
        let mut call = Call::open(moment, self.load.deadline_ms());
        call.late_us = (now().saturating_sub(at) / US) as u32;
        let first = self.calls.len() % self.ports.len();
        call.first = Some(first as u16);
        self.calls.push(call);
        self.open += 1;
        // SAFETY: no arguments.
        let easy = self.idle.pop().unwrap_or_else(|| unsafe { (self.lib.easy_init)() });
        self.send(easy, self.calls.len() - 1);
    }

    /// One try of a call, at the next host.
    fn send(&mut self, easy: Handle, id: usize) {
        let call = &mut self.calls[id];
        let host = (id + call.attempts as usize) % self.ports.len();
        call.attempts += 1;
        let began = self.zero.saturating_add_signed(call.at_us * US as i64);
        let spent = now().saturating_sub(began) / MS;
        let left = self.load.deadline_ms().saturating_sub(spent).max(1);
        let limit = left.min(self.load.attempt_ms.unwrap_or(left)) as c_long;
        let url = c(&format!("http://127.0.0.1:{}/work/{id}", self.ports[host]));
        let set = self.lib.easy_setopt;
        // SAFETY: the types are those that each option takes; libcurl copies the texts.
        unsafe {
            set(easy, NOSIGNAL, 1 as c_long);
            set(easy, URL, url.as_ptr());
            set(easy, PROXY, c"".as_ptr());
            set(easy, TIMEOUT_MS, limit);
            set(easy, PRIVATE, id as *mut c_void);
            set(easy, WRITEFUNCTION, ignore as *const c_void);
            if self.load.method == "POST" {
                set(easy, POST, 1 as c_long);
                set(easy, POSTFIELDSIZE, 0 as c_long);
                set(easy, POSTFIELDS, c"".as_ptr());
            }
            (self.lib.multi_add_handle)(self.multi, easy);
        }
    }

    /// Reads and writes what there is, notes what ended, and waits until something comes, at most until `at`.
    fn turn(&mut self, at: u64) {
        let mut count = 0;
        // SAFETY: the handle is alive and the place a local.
        unsafe { (self.lib.multi_perform)(self.multi, &raw mut count) };
        loop {
            // SAFETY: as above; the message is read before the next call.
            let message =
                unsafe { (self.lib.multi_info_read)(self.multi, &raw mut count).as_ref() };
            let Some(message) = message else { break };
            let (easy, result) = (message.easy, message.result);
            self.ended(easy, result);
        }
        // libcurl waits in milliseconds. What is less is slept in small pieces.
        let left = at.saturating_sub(now());
        if left < MS {
            return clock::sleep_until(at.min(now() + PIECE));
        }
        let wait = c_int::try_from(left / MS).unwrap_or(c_int::MAX).min(50);
        // SAFETY: as above; there are no further descriptors.
        unsafe { (self.lib.multi_poll)(self.multi, ptr::null_mut(), 0, wait, &raw mut count) };
    }

    fn ended(&mut self, easy: Handle, result: c_int) {
        let (mut id, mut http): (Handle, c_long) = (ptr::null_mut(), 0);
        // SAFETY: the handle is alive and in the multi handle; the types are those of the two facts.
        unsafe {
            (self.lib.easy_getinfo)(easy, INFO_PRIVATE, &raw mut id);
            (self.lib.easy_getinfo)(easy, RESPONSE_CODE, &raw mut http);
            (self.lib.multi_remove_handle)(self.multi, easy);
        }
        let id = id as usize;
        let (at, load, tries) = (now(), self.load, self.tries);
        let call = &self.calls[id];
        let began = self.zero.saturating_add_signed(call.at_us * US as i64);
        let in_time = at < began + load.deadline_ms() * MS;
        let failed = result != 0 || http >= 500;
        let may_repeat = load.method == "GET" || result == COULDNT_CONNECT;
        if failed && may_repeat && in_time && call.attempts < tries {
            return self.send(easy, id);
        }
        let work_us = self.work_us(easy);
        let call = &mut self.calls[id];
        call.took_us = at.saturating_sub(began) / US;
        call.status = result;
        call.http = if result == 0 { http as i32 } else { 0 };
        call.work_us = work_us;
        self.open -= 1;
        self.idle.push(easy);
    }

    /// What the answer cost its server.
    fn work_us(&self, easy: Handle) -> u64 {
        let mut header: *mut Header = ptr::null_mut();
        let name = c"x-work-us".as_ptr();
        // SAFETY: the handle is alive; the header is its own and read at once.
        let value = unsafe {
            (self.lib.easy_header)(easy, name, 0, HEADER, -1, &raw mut header);
            header.as_ref().map_or(ptr::null(), |header| header.value)
        };
        text(value).parse().unwrap_or_default()
    }
}

impl Drop for Loop<'_> {
    fn drop(&mut self) {
        for easy in &self.idle {
            // SAFETY: these are ours and in no multi handle. The multi handle stays: its process is about to end.
            unsafe { (self.lib.easy_cleanup)(*easy) };
        }
    }
}

/// A status of libcurl in words, as far as calls end with them here.
pub(crate) fn status_name(status: i32) -> String {
    match status {
        7 => "could not connect".to_owned(),
        28 => "timed out".to_owned(),
        52 => "empty reply".to_owned(),
        56 => "receive failed".to_owned(),
        other => format!("curl error {other}"),
    }
}

unsafe extern "C" fn ignore(_: *const c_char, size: usize, count: usize, _: *mut c_void) -> usize {
    size * count
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::arrivals::tests::load;

    /// A server that answers everything with that status, until the test ends.
    fn server(status: u16) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let mut socket = socket.unwrap();
                let head = format!("HTTP/1.1 {status} Scripted\r\nconnection: close\r\n");
                let _ = socket.read(&mut [0; 4096]);
                let _ = write!(socket, "{head}x-work-us: 7\r\ncontent-length: 0\r\n\r\n");
            }
        });
        port
    }

    fn calls(method: &str, ports: &[u16]) -> Vec<Call> {
        let arrivals = Arrivals::Batches { calls: 2, every_ms: 1_000 };
        let load = Load { arrivals, end_ms: 100, method: method.to_owned(), ..load() };
        Loop::new(3, &load, ports, now()).unwrap().run(1, &[]).calls
    }

    #[test]
    fn a_get_goes_to_the_next_host_after_a_5xx() {
        let calls = calls("GET", &[server(503), server(200)]);
        let seen: Vec<_> = calls.iter().map(|c| (c.http, c.attempts, c.first)).collect();
        assert_eq!(seen, [(200, 2, Some(0)), (200, 1, Some(1))]);
        assert_eq!(calls[0].work_us, 7);
    }

    #[test]
    fn a_post_that_was_sent_is_not_sent_again() {
        let dead = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let calls = calls("POST", &[server(503), dead, server(200)]);
        let seen: Vec<_> = calls.iter().map(|c| (c.http, c.attempts)).collect();
        assert_eq!(seen, [(503, 1), (200, 2)], "a refused connect sent nothing");
    }
}
