//! The loop over all endpoints: connections, jobs, timers, and the faults that come and go.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd};

use super::http::{self, Request, Target};
use super::poll::{Poll, Ready};
use super::server::{Active, Server, standard_input};
use super::slab::Slab;
use crate::clock::{MS, US, now};
use crate::draw;
use crate::plan::{BIN_MS, Fleet, Mode, Served};

/// The servers at work.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) plan: Fleet,
    poll: Poll,
    input: OwnedFd,
    /// What standard input said that is no whole line yet.
    said: Vec<u8>,
    pub(super) servers: Vec<Server>,
    pub(super) connections: Slab<Connection>,
    pub(super) jobs: Slab<Job>,
    timers: BinaryHeap<Reverse<(u64, u64, Timer)>>,
    timer_count: u64,
    job_count: u32,
    zero: Option<u64>,
    pub(super) served: Served,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    pub(super) server: usize,
    /// Tells this one from others that had its place before.
    pub(super) serial: u32,
    pub(super) unread: Vec<u8>,
    /// When it was accepted.
    since: u64,
    pub(super) job: Option<usize>,
    /// Its request is never answered.
    pub(super) hung: bool,
}

/// Work for a request, which goes on without its connection where cancels are not honoured.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) server: usize,
    pub(super) connection: Option<usize>,
    /// When its client has given up, where it said so.
    pub(super) until: u64,
    pub(super) came: u64,
    /// How many were there before it.
    pub(super) ahead: usize,
    /// Work that is left when it begins, in nanoseconds; then when it began.
    pub(super) cost: u64,
    pub(super) began: Option<u64>,
    /// What its timer must carry: no other job has it, and a pause gives a new one.
    pub(super) serial: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Done {
        job: usize,
        serial: u32,
    },
    Answer {
        connection: usize,
        serial: u32,
        status: u16,
        retry_after_s: u64,
    },
    /// Tells its load.
    Tell {
        connection: usize,
        serial: u32,
        status: u16,
    },
    Byte {
        connection: usize,
        serial: u32,
        left: u8,
    },
    Begin {
        fault: usize,
    },
    End {
        fault: usize,
    },
    Resume {
        server: usize,
    },
}

/// How long a failing server takes to say so.
const FAILS_AFTER: u64 = 500 * US;

const INPUT: u64 = u64::MAX - 1;
const LISTENER: u64 = 1 << 63;

impl Running {
    pub(super) fn new(plan: Fleet) -> io::Result<Self> {
        let mut servers = Vec::new();
        for _ in 0..plan.endpoints {
            servers.push(Server::new()?);
        }
        let poll = Poll::new()?;
        let input = standard_input()?;
        poll.watch(input.as_raw_fd(), INPUT)?;
        let bins = (plan.count_to_ms / BIN_MS) as usize + 1;
        let served = Served {
            arrivals: vec![0; plan.endpoints],
            bins: vec![vec![0; bins]; plan.endpoints],
            ..Served::default()
        };
        let fleet = Self {
            plan,
            poll,
            input,
            said: Vec::new(),
            servers,
            connections: Slab::new(),
            jobs: Slab::new(),
            timers: BinaryHeap::new(),
            timer_count: 0,
            job_count: 0,
            zero: None,
            served,
        };
        for index in 0..fleet.servers.len() {
            fleet.watch(index)?;
        }
        Ok(fleet)
    }

    pub(super) fn ports(&self) -> Vec<u16> {
        self.servers.iter().map(|server| server.port).collect()
    }

    /// Serves until the input ends.
    pub(super) fn run(&mut self) -> io::Result<()> {
        let mut ready = Vec::new();
        loop {
            let next = self.timers.peek().map(|Reverse((at, ..))| *at);
            self.poll.wait(next, &mut ready)?;
            for event in &ready {
                if event.token == INPUT {
                    if !self.obey()? {
                        return Ok(());
                    }
                } else if event.token & LISTENER != 0 {
                    self.accept((event.token & !LISTENER) as usize)?;
                } else {
                    self.readable(*event);
                }
            }
            while let Some(Reverse((at, _, timer))) = self.timers.peek().copied() {
                if at > now() {
                    break;
                }
                self.timers.pop();
                self.fire(timer, at)?;
            }
        }
    }

    fn watch(&self, server: usize) -> io::Result<()> {
        match &self.servers[server].listener {
            Some(listener) => self.poll.watch(listener.as_raw_fd(), LISTENER | server as u64),
            None => Ok(()),
        }
    }

    /// Does what standard input says; false at its end.
    fn obey(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 256];
        // SAFETY: there is room for as many bytes as said.
        let count =
            unsafe { libc::read(self.input.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) };
        if count <= 0 {
            return Ok(false);
        }
        // A line may come in pieces.
        self.said.extend_from_slice(&bytes[..count.unsigned_abs()]);
        while let Some(end) = self.said.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.said.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            match line.strip_prefix("start ") {
                Some(zero) => self.begin(zero.trim().parse().unwrap_or_else(|_| now())),
                None => println!("{}", serde_json::to_string(&self.served)?),
            }
        }
        io::stdout().flush()?;
        Ok(true)
    }

    fn begin(&mut self, zero: u64) {
        self.zero = Some(zero);
        for (index, fault) in self.plan.faults.clone().iter().enumerate() {
            let at = |ms: i64| zero.saturating_add_signed(ms.saturating_mul(MS as i64));
            self.set_timer(at(fault.from_ms), Timer::Begin { fault: index });
            self.set_timer(at(fault.to_ms), Timer::End { fault: index });
        }
    }

    pub(super) fn set_timer(&mut self, at: u64, timer: Timer) {
        self.timer_count += 1;
        self.timers.push(Reverse((at, self.timer_count, timer)));
    }

    fn accept(&mut self, server: usize) -> io::Result<()> {
        while let Some(listener) = &self.servers[server].listener {
            let Ok((socket, _)) = listener.accept() else { break };
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            let fd = socket.as_raw_fd();
            let serial = self.served.accepted as u32;
            let unread = Vec::new();
            let (since, job) = (now(), None);
            let connection = Connection { socket, server, serial, unread, since, job, hung: false };
            let index = self.connections.insert(connection);
            self.poll.watch(fd, index as u64 | u64::from(serial & 0x7fff_ffff) << 32)?;
            self.served.accepted += 1;
            self.served.most_open = self.served.most_open.max(self.connections.count as u64);
        }
        Ok(())
    }

    fn readable(&mut self, event: Ready) {
        let (index, serial) = (event.token as u32 as usize, (event.token >> 32) as u32);
        let Some(connection) = self.connections.get_mut(index) else { return };
        if connection.serial & 0x7fff_ffff != serial {
            return;
        }
        let mut bytes = [0; 4096];
        loop {
            match connection.socket.read(&mut bytes) {
                Ok(0) => return self.gone(index),
                Ok(count) => connection.unread.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return self.gone(index),
            }
        }
        if event.gone {
            return self.gone(index);
        }
        self.take(index);
    }

    /// Takes the next request of a connection that has none under way.
    pub(super) fn take(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        if connection.job.is_some() || connection.hung {
            return;
        }
        let Some(request) = http::parse(&connection.unread) else { return };
        connection.unread.drain(..request.length);
        self.request(index, request);
    }

    fn request(&mut self, index: usize, request: Request) {
        let now = now();
        let Some(connection) = self.connections.get_mut(index) else { return };
        let (server, serial) = (connection.server, connection.serial);
        let host = &mut self.servers[server];
        let since = connection.since;
        let silent = host.active.iter().any(|a| a.mode == Mode::Silent && since < a.from);
        if silent || host.has(now, |mode| mode == Mode::Hang) {
            connection.hung = true;
            self.count_arrival(server, now, request.target);
            return;
        }
        let id = match request.target {
            Target::Work(id) => id,
            Target::Health | Target::Load => {
                let failing = host.failing(now) >= 1.0;
                let at = host.pause(now).map_or(now, |(end, _)| end);
                let status = if failing { 503 } else { 200 };
                let timer = match request.target {
                    Target::Load => Timer::Tell { connection: index, serial, status },
                    _ => Timer::Answer { connection: index, serial, status, retry_after_s: 0 },
                };
                connection.hung = true;
                return self.set_timer(at, timer);
            }
        };
        let failing = host.failing(now);
        let fails = failing > 0.0 && draw::unit(!self.plan.seed, id, server as u64) < failing;
        let early = match host.throttled(now) {
            Some(seconds) => Some((429, seconds)),
            None => fails.then_some((503, 0)),
        };
        self.count_arrival(server, now, request.target);
        if let Some((status, retry_after_s)) = early {
            let timer = Timer::Answer { connection: index, serial, status, retry_after_s };
            // Until then it takes no other request.
            if let Some(connection) = self.connections.get_mut(index) {
                connection.hung = true;
            }
            return self.set_timer(now + FAILS_AFTER, timer);
        }
        let endpoint = if self.plan.inherent { 0 } else { server as u64 + 1 };
        let cost = self.plan.work.draw(self.plan.seed, id, endpoint) * US as f64;
        let until = request.time_left_ms.map_or(u64::MAX, |ms| now.saturating_add(ms * MS));
        let connection = Some(index);
        let (cost, serial) = (cost as u64, self.next_serial());
        let ahead = self.servers[server].in_flight();
        let job = Job { server, connection, until, came: now, ahead, cost, began: None, serial };
        let job = self.jobs.insert(job);
        if let Some(connection) = self.connections.get_mut(index) {
            connection.job = Some(job);
        }
        self.servers[server].line.push_back(job);
        self.work(server, now);
    }

    const fn next_serial(&mut self) -> u32 {
        self.job_count = self.job_count.wrapping_add(1);
        self.job_count
    }

    /// Milliseconds since the time 0, from there on.
    pub(super) fn since(&self, now: u64) -> Option<u64> {
        Some(now.checked_sub(self.zero?)? / MS)
    }

    fn count_arrival(&mut self, server: usize, now: u64, target: Target) {
        let (Some(since), Target::Work(_)) = (self.since(now), target) else { return };
        if let Some(bin) = self.served.bins[server].get_mut((since / BIN_MS) as usize) {
            *bin += 1;
        }
        if since >= self.plan.count_from_ms {
            self.served.arrivals[server] += 1;
        }
    }

    /// Puts waiting requests into free slots.
    pub(super) fn work(&mut self, server: usize, now: u64) {
        if let Some((end, _)) = self.servers[server].pause(now) {
            return self.set_timer(end, Timer::Resume { server });
        }
        while self.servers[server].busy < self.plan.slots {
            let Some(index) = self.servers[server].line.pop_front() else { return };
            let slowness = self.servers[server].slowness(now);
            let Some(job) = self.jobs.get_mut(index) else { continue };
            let cancelled = job.connection.is_none() && self.plan.honours_cancel;
            if cancelled || now >= job.until {
                // A caller that waits no longer gets an answer that costs nothing.
                let connection = job.connection;
                self.jobs.remove(index);
                if let Some(connection) = connection {
                    self.reply(connection, 504, 0, "");
                }
                continue;
            }
            job.began = Some(now);
            job.cost = (job.cost as f64 * slowness) as u64;
            let (at, serial) = (now + job.cost, job.serial);
            self.servers[server].busy += 1;
            self.set_timer(at, Timer::Done { job: index, serial });
        }
    }

    fn fire(&mut self, timer: Timer, at: u64) -> io::Result<()> {
        match timer {
            Timer::Done { job, serial } => self.done(job, serial, at),
            Timer::Answer { connection, serial, status, retry_after_s } => {
                if let Some(known) = self.connections.get_mut(connection)
                    && known.serial == serial
                {
                    known.hung = false;
                    let wait = match retry_after_s {
                        0 => String::new(),
                        seconds => format!("retry-after: {seconds}\r\n"),
                    };
                    self.reply(connection, status, 0, &wait);
                }
            }
            Timer::Tell { connection, serial, status } => {
                if let Some(known) = self.connections.get_mut(connection)
                    && known.serial == serial
                {
                    known.hung = false;
                    let told = self.servers[known.server].probed();
                    self.reply(connection, status, 0, &told);
                }
            }
            Timer::Byte { connection, serial, left } => self.dribble(connection, serial, left, at),
            Timer::Begin { fault } => self.fail(fault),
            Timer::End { fault } => self.heal(fault, at)?,
            Timer::Resume { server } => self.work(server, now()),
        }
        Ok(())
    }

    fn done(&mut self, index: usize, serial: u32, at: u64) {
        let Some(job) = self.jobs.get_mut(index) else { return };
        if job.serial != serial {
            return;
        }
        let server = job.server;
        // A pause that began meanwhile lasts as long for this job as for the server.
        if let Some((_, length)) = self.servers[server].pause(at) {
            self.job_count = self.job_count.wrapping_add(1);
            job.serial = self.job_count;
            let serial = job.serial;
            return self.set_timer(at + length, Timer::Done { job: index, serial });
        }
        let (connection, cost) = (job.connection, job.cost);
        self.servers[server].took(job.ahead, at.saturating_sub(job.came));
        self.finish(index, at, cost, connection.is_none());
        if let Some(connection) = connection {
            self.deliver(connection, server, cost, at);
        }
        self.work(server, at);
    }

    fn fail(&mut self, fault: usize) {
        let fault = &self.plan.faults[fault];
        let Some(zero) = self.zero else { return };
        let at = |ms: i64| zero.saturating_add_signed(ms.saturating_mul(MS as i64));
        let (mode, from, to) = (fault.mode, at(fault.from_ms), at(fault.to_ms));
        let server = fault.endpoint;
        self.servers[server].active.push(Active { mode, from, to });
        if mode == Mode::Refuse {
            self.servers[server].listener = None;
            self.drop_all(server, |_| true);
        }
    }

    fn heal(&mut self, fault: usize, now: u64) -> io::Result<()> {
        let (server, mode) = (self.plan.faults[fault].endpoint, self.plan.faults[fault].mode);
        self.servers[server].active.retain(|active| active.mode != mode);
        match mode {
            Mode::Refuse => {
                self.servers[server].reopen()?;
                self.watch(server)?;
            }
            Mode::Hang | Mode::Silent => self.drop_all(server, |connection| connection.hung),
            _ => {}
        }
        self.work(server, now);
        Ok(())
    }
}
