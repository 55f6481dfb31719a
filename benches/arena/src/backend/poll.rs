//! epoll and one timer descriptor: waits for sockets and for the nearest moment, to the microsecond.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::clock;

/// A descriptor's readiness.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    /// What it was registered under.
    pub(super) token: u64,
    /// The peer has closed its side, or the connection is broken.
    pub(super) gone: bool,
}

/// The waiting room.
#[derive(Debug)]
pub(super) struct Poll {
    epoll: OwnedFd,
    timer: OwnedFd,
    armed: u64,
    events: Vec<libc::epoll_event>,
}

/// The timer's own token.
const TIMER: u64 = u64::MAX;

impl Poll {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: plain numbers.
        let epoll = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: as above.
        let timer = owned(unsafe {
            libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC)
        })?;
        let events = vec![libc::epoll_event { events: 0, u64: 0 }; 256];
        let poll = Self { epoll, timer, armed: u64::MAX, events };
        poll.watch(poll.timer.as_raw_fd(), TIMER)?;
        Ok(poll)
    }

    /// Tells when a descriptor can be read or its peer is gone, until it is closed.
    pub(super) fn watch(&self, fd: RawFd, token: u64) -> io::Result<()> {
        let events = (libc::EPOLLIN | libc::EPOLLRDHUP) as u32;
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: the event is a local.
        checked(unsafe {
            libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event)
        })?;
        Ok(())
    }

    /// Waits for descriptors, and until `at` where there is such a moment.
    pub(super) fn wait(&mut self, at: Option<u64>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let at = at.unwrap_or(u64::MAX);
        if at != self.armed {
            self.arm(at)?;
        }
        let room = self.events.len() as i32;
        // SAFETY: there is room for as many as said.
        let count =
            unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), self.events.as_mut_ptr(), room, -1) };
        ready.clear();
        if count < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        let gone = (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32;
        for event in &self.events[..count.unsigned_abs() as usize] {
            if event.u64 == TIMER {
                self.armed = 0;
            } else {
                ready.push(Ready { token: event.u64, gone: event.events & gone != 0 });
            }
        }
        if self.armed == 0 {
            // It stays readable until it is set anew.
            self.arm(u64::MAX)?;
        }
        Ok(())
    }

    fn arm(&mut self, at: u64) -> io::Result<()> {
        let never = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // All zero switches the timer off; the moment 1 is past and fires at once.
        let value = if at == u64::MAX { never } else { clock::timespec(at.max(1)) };
        let time = libc::itimerspec { it_interval: never, it_value: value };
        // SAFETY: the time is a local.
        checked(unsafe {
            let old = std::ptr::null_mut();
            libc::timerfd_settime(
                self.timer.as_raw_fd(),
                libc::TFD_TIMER_ABSTIME,
                &raw const time,
                old,
            )
        })?;
        self.armed = at;
        Ok(())
    }
}

/// The descriptor that a call returned, or its error.
pub(super) fn owned(fd: i32) -> io::Result<OwnedFd> {
    let fd = checked(fd)?;
    // SAFETY: the call made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The number that a call returned, or its error.
pub(super) fn checked(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
