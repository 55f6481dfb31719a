//! A real server for a test: started, stopped, killed, started again, and gone with the test.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

/// A folder that is removed at the end.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let path = std::env::temp_dir().join(format!("ahoy-test-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it with this content; its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A program that runs until it is killed.
#[derive(Debug)]
pub struct Daemon {
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Daemon {
    /// Starts `program`; what it says goes to `log`.
    pub fn start(program: impl Into<PathBuf>, arguments: Vec<String>, log: PathBuf) -> Self {
        let daemon = Self { program: program.into(), arguments, log, child: Mutex::default() };
        daemon.restart();
        daemon
    }

    /// Starts it again after it was killed.
    pub fn restart(&self) {
        let mut command = Command::new(&self.program);
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        command.args(&self.arguments).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        // SAFETY: one system call. A test that is aborted leaves no server behind.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let name = self.program.display();
        let hint = "sh tests/install-deps.sh installs what the tests need";
        let child = spawn(command).unwrap_or_else(|error| panic!("{name}: {error}; {hint}"));
        let before = self.child.lock().unwrap().replace(child);
        assert!(before.is_none(), "{name} runs");
    }

    /// Ends it at once.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Holds it still: its kernel accepts connections, and nothing answers.
    pub fn pause(&self) {
        self.signal(libc::SIGSTOP);
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal(libc::SIGCONT);
    }

    fn signal(&self, signal: i32) {
        let child = self.child.lock().unwrap();
        let id = child.as_ref().expect("it runs").id().cast_signed();
        // SAFETY: our own child, which was not waited for.
        assert_eq!(unsafe { libc::kill(id, signal) }, 0);
    }

    /// What it said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts it from a thread that lasts as long as the test program: the signal above comes when the thread ends.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, Sender<io::Result<Child>>);
    static SPAWNER: OnceLock<Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, taken) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, told) in taken {
                let _ = told.send(command.spawn());
            }
        });
        orders
    });
    let (told, child) = channel();
    spawner.send((command, told)).unwrap();
    child.recv().unwrap()
}

/// A request over a connection of its own; status and body, or none where nobody answers.
pub fn http(
    port: u16,
    method: &str,
    path: &str,
    headers: &str,
    body: &[u8],
) -> Option<(u16, String)> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.0\r\nhost: x\r\n{headers}content-length: {length}\r\n\r\n");
    socket.write_all(head.as_bytes()).ok()?;
    socket.write_all(body).ok()?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}
