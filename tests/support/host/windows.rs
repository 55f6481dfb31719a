//! By system calls. There are no forked children.

use std::mem::ManuallyDrop;
use std::net::{SocketAddr, TcpStream};
use std::os::windows::io::{FromRawSocket, RawSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{CloseHandle, FILETIME, HANDLE, LocalFree};
use windows_sys::Win32::Networking::WinSock::{
    POLLRDNORM, SO_TYPE, SOCKET, SOL_SOCKET, WSAPOLLFD, WSAPoll, getsockopt,
};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::ProcessStatus::{GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentThread, GetProcessTimes, GetThreadDescription, OpenThread,
    THREAD_QUERY_LIMITED_INFORMATION,
};

/// A socket.
pub type Fd = RawSocket;

/// The numbers of handles are multiples of four, the lowest free one first. This is far above what a test opens.
const MOST: Fd = 16_384;

/// The open sockets.
pub fn descriptors() -> Vec<Fd> {
    (4..MOST).step_by(4).filter(|fd| is_socket(*fd)).collect()
}

fn is_socket(fd: Fd) -> bool {
    let (mut kind, mut length) = (0_i32, size_of::<i32>() as i32);
    // SAFETY: room for one number; asking what is no socket fails.
    let asked = unsafe {
        let room = (&raw mut kind).cast();
        getsockopt(fd as SOCKET, SOL_SOCKET, SO_TYPE, room, &raw mut length)
    };
    asked == 0
}

/// Between which addresses a socket stands; none where it is no socket.
#[derive(Debug, PartialEq, Eq)]
pub struct Meaning(Option<(SocketAddr, SocketAddr)>);

impl Meaning {
    pub fn of(fd: Fd) -> Self {
        // SAFETY: only looked at, and never closed by this value.
        let socket = ManuallyDrop::new(unsafe { TcpStream::from_raw_socket(fd) });
        Self(socket.local_addr().ok().zip(socket.peer_addr().ok()))
    }
}

/// The sockets that this process has open towards a port.
pub fn sockets_to_port(port: u16) -> usize {
    let goes_there = |fd: &Fd| Meaning::of(*fd).0.is_some_and(|(_, peer)| peer.port() == port);
    descriptors().iter().filter(|fd| goes_there(fd)).count()
}

/// The threads of this process, by number and name.
pub fn threads() -> Vec<(i32, String)> {
    let mut entry =
        THREADENTRY32 { dwSize: size_of::<THREADENTRY32>() as u32, ..THREADENTRY32::default() };
    let mut found = Vec::new();
    // SAFETY: the snapshot is closed once, and the entry says how long it is.
    unsafe {
        let snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
        let mut more = Thread32First(snapshot, &raw mut entry);
        while more != 0 {
            if entry.th32OwnerProcessID == std::process::id() {
                found.push(entry.th32ThreadID);
            }
            more = Thread32Next(snapshot, &raw mut entry);
        }
        CloseHandle(snapshot);
    }
    found.into_iter().filter_map(|id| Some((id.cast_signed(), name_of(id)?))).collect()
}

fn name_of(id: u32) -> Option<String> {
    // SAFETY: plain numbers; the handle is closed once.
    unsafe {
        let thread = OpenThread(THREAD_QUERY_LIMITED_INFORMATION, 0, id);
        if thread.is_null() {
            return None;
        }
        let name = description(thread);
        CloseHandle(thread);
        Some(name)
    }
}

/// The name of the calling thread, as the system knows it.
pub fn thread_name() -> String {
    // SAFETY: a handle that is always valid.
    description(unsafe { GetCurrentThread() })
}

fn description(thread: HANDLE) -> String {
    let mut text = std::ptr::null_mut();
    // SAFETY: the text ends with 0 and is freed once.
    unsafe {
        if GetThreadDescription(thread, &raw mut text) < 0 || text.is_null() {
            return String::new();
        }
        let length = (0..).take_while(|at| *text.add(*at) != 0).count();
        let name = String::from_utf16_lossy(std::slice::from_raw_parts(text, length));
        LocalFree(text.cast());
        name
    }
}

/// Resident memory in bytes.
pub fn resident() -> usize {
    let mut counters = PROCESS_MEMORY_COUNTERS::default();
    let length = size_of::<PROCESS_MEMORY_COUNTERS>() as u32;
    // SAFETY: room for one answer of that length.
    let asked = unsafe { GetProcessMemoryInfo(GetCurrentProcess(), &raw mut counters, length) };
    assert_ne!(asked, 0, "{}", std::io::Error::last_os_error());
    counters.WorkingSetSize
}

/// How long this process has computed, all its threads together.
pub fn cpu() -> Duration {
    let [mut made, mut ended, mut kernel, mut user] = [FILETIME::default(); 4];
    // SAFETY: room for four answers.
    let asked = unsafe {
        let process = GetCurrentProcess();
        GetProcessTimes(process, &raw mut made, &raw mut ended, &raw mut kernel, &raw mut user)
    };
    assert_ne!(asked, 0, "{}", std::io::Error::last_os_error());
    let steps = |it: FILETIME| u64::from(it.dwHighDateTime) << 32 | u64::from(it.dwLowDateTime);
    Duration::from_nanos((steps(kernel) + steps(user)) * 100)
}

/// Whether `WSAPoll` finds a socket readable within the time.
pub fn is_readable(fd: Fd, timeout_ms: i32) -> bool {
    let mut watched = WSAPOLLFD { fd: fd as SOCKET, events: POLLRDNORM, revents: 0 };
    // SAFETY: one entry, as said.
    let ready = unsafe { WSAPoll(&raw mut watched, 1, timeout_ms) };
    assert!(ready >= 0, "{}", std::io::Error::last_os_error());
    ready == 1 && watched.revents & POLLRDNORM != 0
}

/// A process of its own for what comes after [`Child::run`]: the test program, which runs the same test anew.
#[derive(Debug)]
pub struct Child(std::process::Child);

impl Child {
    /// Runs `work` there; a panic fails it. What the test did before, it did there as well.
    pub fn run(work: impl FnOnce()) -> Self {
        let test =
            std::thread::current().name().expect("tests have threads of their own").to_owned();
        if std::env::var(ROLE).is_ok_and(|role| role == test) {
            work();
            std::process::exit(0);
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &test, "--nocapture"]).env(ROLE, &test);
        Self(command.spawn().unwrap())
    }

    /// Waits for it, which must end well within `within`.
    pub fn ends_well(mut self, within: Duration) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < within, "not within {within:?}: the child ends");
            std::thread::sleep(Duration::from_millis(2));
        };
        assert!(status.success(), "the child: {status}");
    }

    /// The same within 20 seconds.
    pub fn ends(self) {
        self.ends_well(Duration::from_secs(20));
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

/// The test that a child is to run.
const ROLE: &str = "AHOY_TEST_CHILD";
