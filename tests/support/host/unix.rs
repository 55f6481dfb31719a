//! By system calls and what Linux tells of a process.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::super::{Server, eventually, ms};

/// A descriptor.
pub type Fd = RawFd;

/// The open descriptors; the one that lists them is left out.
pub fn descriptors() -> Vec<RawFd> {
    let listed = std::fs::read_dir("/proc/self/fd").unwrap();
    let numbers: Vec<RawFd> =
        listed.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
    // SAFETY: only asks whether the number is open.
    numbers.into_iter().filter(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } >= 0).collect()
}

/// What a descriptor stands for, such as "socket:[123]".
#[derive(Debug, PartialEq, Eq)]
pub struct Meaning(pub String);

impl Meaning {
    pub fn of(fd: RawFd) -> Self {
        let target = std::fs::read_link(format!("/proc/self/fd/{fd}"));
        Self(target.map(|target| target.to_string_lossy().into_owned()).unwrap_or_default())
    }
}

/// Open TCP sockets with their own and their peer's port, where they have one.
fn sockets() -> Vec<(RawFd, u16, Option<u16>)> {
    let is_socket = |fd: &RawFd| Meaning::of(*fd).0.starts_with("socket:");
    let ports = |fd: RawFd| {
        // SAFETY: only looked at, and never closed by this value.
        let socket = std::mem::ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(fd) });
        let own = socket.local_addr().map(|address| address.port()).ok()?;
        Some((fd, own, socket.peer_addr().ok().map(|peer: SocketAddr| peer.port())))
    };
    descriptors().into_iter().filter(is_socket).filter_map(ports).collect()
}

/// The sockets that this process has open towards a port.
pub fn sockets_to_port(port: u16) -> usize {
    sockets().iter().filter(|(_, _, peer)| *peer == Some(port)).count()
}

/// In a child: closes its copies of the server's sockets, which would keep connections open.
pub fn let_go_of(server: &Server) {
    for (fd, own, _) in sockets() {
        if own == server.port() {
            // SAFETY: the child's copy, which nothing in the child uses.
            unsafe { libc::close(fd) };
        }
    }
}

/// The threads of this process, by number and name.
pub fn threads() -> Vec<(i32, String)> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let named = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.ok()?.path();
        // A thread that ends meanwhile has none.
        let name = std::fs::read_to_string(path.join("comm")).ok()?;
        Some((path.file_name()?.to_str()?.parse().ok()?, name.trim_end().to_owned()))
    };
    tasks.filter_map(named).collect()
}

/// The name of the calling thread, as the system knows it.
pub fn thread_name() -> String {
    std::fs::read_to_string("/proc/thread-self/comm").unwrap().trim_end().to_owned()
}

/// Resident memory in bytes, without what the allocator keeps.
pub fn resident() -> usize {
    // SAFETY: it only hands free memory back.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0)
    };
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// A host in C has no handler of Rust's for stacks that overflow. With one, each thread that starts or ends holds a lock of
/// the standard library's for a moment, and a fork in that moment hands it to the child for ever: no thread would start
/// there. Rust's runtime leaves these signals alone where something is set for them before `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static AS_IN_A_C_HOST: extern "C" fn() = {
    extern "C" fn set() {
        /// The fault comes again when this returns, and then ends the process.
        extern "C" fn once(_: libc::c_int) {}
        for fault in [libc::SIGSEGV, libc::SIGBUS] {
            // SAFETY: nothing else runs yet; all zeros is an action without flags.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = once as *const () as usize;
                action.sa_flags = libc::SA_RESETHAND;
                assert_eq!(libc::sigaction(fault, &raw const action, std::ptr::null_mut()), 0);
            }
        }
    }
    set
};

/// A forked child; killed when this drops.
#[derive(Debug)]
pub struct Child(libc::pid_t);

impl Child {
    /// Forks; the child runs `work`, which fails it by a panic, and leaves by `_exit`.
    pub fn run(work: impl FnOnce()) -> Self {
        // SAFETY: the child only does what the library promises to bear, and never returns.
        Self::of(unsafe { libc::fork() }, work)
    }

    /// The same past the C library's fork handlers.
    pub fn run_past_handlers(work: impl FnOnce()) -> Self {
        unsafe extern "C" {
            fn _Fork() -> libc::pid_t;
        }
        // SAFETY: as above; nobody else allocates at this moment.
        Self::of(unsafe { _Fork() }, work)
    }

    fn of(pid: libc::pid_t, work: impl FnOnce()) -> Self {
        assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
        if pid > 0 {
            return Self(pid);
        }
        std::panic::set_hook(Box::new(|info| {
            let _ = std::io::stderr().write_all(format!("in a child: {info}\n").as_bytes());
        }));
        let failed = catch_unwind(AssertUnwindSafe(work)).is_err();
        // SAFETY: leaves without running anything of the parent's.
        unsafe { libc::_exit(i32::from(failed)) }
    }

    /// Stops it until [`Self::go_on`].
    pub fn stop(&self) {
        self.signal(libc::SIGSTOP);
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal(libc::SIGCONT);
    }

    fn signal(&self, number: i32) {
        // SAFETY: our own child, which nobody has waited for.
        assert_eq!(unsafe { libc::kill(self.0, number) }, 0);
    }

    /// Waits for the child, which must end well within `within`.
    pub fn ends_well(self, within: Duration) {
        let mut status = 0;
        eventually("the child ends", within, || {
            // SAFETY: our own child, and a local.
            unsafe { libc::waitpid(self.0, &raw mut status, libc::WNOHANG) == self.0 }
        });
        std::mem::forget(self);
        let exited = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
        assert_eq!(exited, Some(0), "the child's wait status is {status:#x}");
    }

    /// The same within 20 seconds.
    pub fn ends(self) {
        self.ends_well(ms(20_000));
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: our own child, not waited for yet.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}

/// A pipe to tell another process something by one byte.
#[derive(Debug)]
pub struct Signpost {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Signpost {
    pub fn new() -> Self {
        let mut ends = [0; 2];
        // SAFETY: room for two descriptors.
        assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
        // SAFETY: both were just opened and belong to nobody else.
        let [reader, writer] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        Self { reader, writer }
    }

    pub fn raise(&self) {
        // SAFETY: one byte from a local.
        assert_eq!(unsafe { libc::write(self.writer.as_raw_fd(), b"!".as_ptr().cast(), 1) }, 1);
    }

    pub fn is_raised(&self) -> bool {
        is_readable(self.reader.as_raw_fd(), 0)
    }

    /// Waits for it, at most 20 seconds.
    pub fn wait(&self) {
        assert!(is_readable(self.reader.as_raw_fd(), 20_000), "the other process tells in time");
        let mut byte = [0_u8];
        // SAFETY: one byte into a local.
        assert_eq!(unsafe { libc::read(self.reader.as_raw_fd(), byte.as_mut_ptr().cast(), 1) }, 1);
    }
}

/// Whether `poll(2)` finds a descriptor readable within the time.
pub fn is_readable(fd: RawFd, timeout_ms: i32) -> bool {
    let mut watched = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, as said.
    let ready = unsafe { libc::poll(&raw mut watched, 1, timeout_ms) };
    assert!(ready >= 0, "{}", std::io::Error::last_os_error());
    ready == 1 && watched.revents & libc::POLLIN != 0
}

/// How long this process has computed, all its threads together.
pub fn cpu() -> Duration {
    // SAFETY: room for one answer, which is plain numbers.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &raw mut usage), 0);
        usage
    };
    let of = |time: libc::timeval| {
        Duration::new(
            u64::try_from(time.tv_sec).unwrap(),
            time.tv_usec.cast_unsigned() as u32 * 1000,
        )
    };
    of(usage.ru_utime) + of(usage.ru_stime)
}
