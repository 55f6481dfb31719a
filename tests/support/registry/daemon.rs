//! A real server for a test: started, stopped, killed, started again, and gone with the test.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::thread;

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
