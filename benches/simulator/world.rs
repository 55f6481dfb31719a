//! A run: servers, clients and what happens between them, in virtual time.
//!
//! No network: an answer is there when the work is done, as what is compared waits for servers and not
//! for wires. Nothing here depends on a clock, a thread or the order of a hash table, so the same seed
//! gives the same run.

use ahoy::policy::locality::subset;
use ahoy::policy::{Aperture, Retry};
use rand::RngExt;

use crate::attempt::End;
use crate::call::Calls;
use crate::client::Client;
use crate::contestant::Contestant;
use crate::draws::{Draws, hash};
use crate::server::{Attempt, Server};
use crate::setup::{Setup, Subset};
use crate::stats::Stats;
use crate::time::{Clock, Nanos, SECOND};

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A call begins.
    Arrival,
    /// A server is done with the work in a slot.
    Done { server: u32, slot: u8, attempt: Attempt },
    /// An attempt that found no server at work has its answer.
    Answer { attempt: Attempt, end: End },
    /// An attempt has taken as long as it may.
    Limit(Attempt),
    /// An attempt takes longer than usual: its endpoint is overdue.
    Short(Attempt),
    /// An attempt has passed its limit, and goes on.
    Late(Attempt),
    /// A late attempt asks again whether another may start beside it.
    Ask(Attempt),
    /// An attempt has taken so long that a copy may be worth it.
    Hedge(Attempt),
    /// A call has waited for its next attempt.
    Resume(Attempt),
    /// A client looks whether an endpoint is well again.
    Check { client: u32, member: u32 },
    /// A server loses what it has.
    Crash { fault: u32 },
    /// The list of servers changes.
    Change { change: u32 },
}

/// One run.
#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) rules: &'a Contestant,
    pub(crate) clock: Clock,
    pub(crate) queue: crate::queue::Queue<Event>,
    pub(crate) servers: Vec<Server>,
    pub(crate) clients: Vec<Client>,
    pub(crate) calls: Calls<'a>,
    pub(crate) stats: Stats,
    seed: u64,
    arrivals: Draws,
    requests: u64,
    listed: Vec<bool>,
    faulty: Vec<bool>,
}

impl<'a> World<'a> {
    pub(crate) fn new(setup: &'a Setup, rules: &'a Contestant, seed: u64) -> Self {
        let clock = Clock::new();
        let client = |number: u32| {
            let draws = Draws::new(hash(&[seed, CLIENTS, u64::from(number)]));
            Client::new(rules, draws, clock)
        };
        let unlisted = |server: u32| {
            let joins = |it: &crate::setup::Change| it.listed && it.servers.contains(&server);
            let leaves = |it: &crate::setup::Change| !it.listed && it.servers.contains(&server);
            let first = setup.changes.iter().find(|change| joins(change) || leaves(change));
            first.is_some_and(joins)
        };
        let mut world = Self {
            setup,
            rules,
            clock,
            queue: crate::queue::Queue::new(),
            servers: (0..setup.servers).map(|_| Server::new(setup.slots)).collect(),
            clients: (0..setup.clients).map(client).collect(),
            calls: Calls::default(),
            stats: Stats::new(setup.counted.clone(), setup.expected_calls()),
            seed,
            arrivals: Draws::new(hash(&[seed, ARRIVALS])),
            requests: 0,
            listed: (0..setup.servers).map(|server| !unlisted(server)).collect(),
            faulty: (0..setup.servers).map(|server| setup.is_faulty(server)).collect(),
        };
        world.prepare();
        world
    }

    fn prepare(&mut self) {
        for (number, fault) in self.setup.faults.iter().enumerate() {
            for server in fault.servers.clone() {
                self.servers[server as usize].health.add(fault);
            }
            if let Some(at) = fault.crash() {
                self.queue.plan(at, Event::Crash { fault: number as u32 });
            }
        }
        for (number, change) in self.setup.changes.iter().enumerate() {
            self.queue.plan(change.at, Event::Change { change: number as u32 });
        }
        self.tell_clients();
        self.queue.plan(0, Event::Arrival);
    }

    /// Runs until all calls that count have ended.
    pub(crate) fn run(mut self) -> Self {
        let end = self.setup.counted.end.saturating_add(self.rules.deadline).saturating_add(SECOND);
        while let Some(event) = self.queue.next() {
            if self.queue.now() > end {
                break;
            }
            self.happen(event);
        }
        self
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrival => self.arrive(),
            Event::Done { server, slot, attempt } => self.done(server, slot, attempt),
            Event::Answer { attempt, end } => self.ended(attempt, end),
            Event::Limit(attempt) => self.cut(attempt),
            Event::Short(attempt) => self.overdue(attempt),
            Event::Late(attempt) => self.late(attempt),
            Event::Ask(attempt) => self.look_elsewhere(attempt),
            Event::Hedge(attempt) => self.hedge(attempt),
            Event::Resume(attempt) => self.resume(attempt),
            Event::Check { client, member } => self.check(client, member),
            Event::Crash { fault } => self.crash(fault),
            Event::Change { change } => self.change(change),
        }
    }

    pub(crate) const fn at(&self) -> (Nanos, Clock) {
        (self.queue.now(), self.clock)
    }

    /// The arrivals of all clients together: of each of them a part drawn at random.
    fn arrive(&mut self) {
        let now = self.queue.now();
        if now < self.setup.counted.end {
            let mean = SECOND as f64 / self.setup.rate(now);
            let next = now + self.arrivals.exponential(mean);
            self.queue.plan(next, Event::Arrival);
        }
        let client = self.arrivals.random_range(0..self.setup.clients);
        let call = self.calls.open(client, self.requests, now, Retry::new(&self.rules.retry));
        self.requests += 1;
        self.begin(call);
    }

    /// How much work an attempt of a request is.
    pub(crate) fn work(&self, request: u64, attempt: u32) -> Nanos {
        let attempt = if self.setup.work_is_inherent { 0 } else { u64::from(attempt) };
        self.setup.work.draw(hash(&[self.seed, request, attempt]))
    }

    pub(crate) fn is_faulty(&self, server: u32) -> bool {
        self.faulty[server as usize]
    }

    /// The part of all servers that have a fault.
    pub(crate) fn fair_share(&self) -> f64 {
        self.faulty.iter().filter(|faulty| **faulty).count() as f64 / self.faulty.len() as f64
    }

    fn done(&mut self, server: u32, slot: u8, attempt: Attempt) {
        if !self.servers[server as usize].finish(slot, attempt) {
            return;
        }
        self.go_on(server);
        if self.calls.is_flying(attempt) {
            self.ended(attempt, End::Good);
        } else {
            self.servers[server as usize].wasted += 1;
        }
    }

    /// A slot of a server is free for the next in line.
    pub(crate) fn go_on(&mut self, server: u32) {
        let (now, cancels) = (self.queue.now(), self.rules.cancels);
        let wanted = |attempt| !cancels || self.calls.is_flying(attempt);
        if let Some(begun) = self.servers[server as usize].go_on(now, wanted) {
            let done = Event::Done { server, slot: begun.slot, attempt: begun.attempt };
            self.queue.plan(begun.done, done);
        }
    }

    fn crash(&mut self, fault: u32) {
        for server in self.setup.faults[fault as usize].servers.clone() {
            for attempt in self.servers[server as usize].crash() {
                if self.calls.is_flying(attempt) {
                    self.ended(attempt, End::Lost);
                }
            }
        }
    }

    fn change(&mut self, change: u32) {
        let change = &self.setup.changes[change as usize];
        for server in change.servers.clone() {
            self.listed[server as usize] = change.listed;
        }
        self.tell_clients();
    }

    /// Gives each client its part of the list.
    fn tell_clients(&mut self) {
        let listed: Vec<u32> =
            (0..self.setup.servers).filter(|server| self.listed[*server as usize]).collect();
        let names = names(&listed);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for number in 0..self.clients.len() {
            let used = self.used(number as u32, &listed, &names);
            self.clients[number].replace(used.into_iter());
        }
    }

    fn used(&self, client: u32, listed: &[u32], names: &[&str]) -> Vec<u32> {
        let clients = std::num::NonZeroU32::new(self.setup.clients);
        let mut used = match (self.setup.subset, clients) {
            (Some(Subset::Rendezvous(size)), _) => {
                let own = hash(&[self.seed, SUBSETS, u64::from(client)]);
                subset::by_rendezvous(names, own, size, |_| true)
            }
            (Some(Subset::Deterministic(size)), Some(clients)) => {
                let size = size.try_into().unwrap_or(Aperture::DEFAULT_SIZE);
                let aperture = Aperture::new(client, clients, size);
                let members = aperture.map_or_else(Vec::new, |it| it.members(listed.len()));
                members.into_iter().map(|(index, _)| index).collect()
            }
            _ => return listed.to_vec(),
        };
        used.sort_unstable();
        used.into_iter().map(|index| listed[index]).collect()
    }
}

/// What servers are called.
pub(crate) fn names(servers: &[u32]) -> Vec<String> {
    let name =
        |server: &u32| format!("10.{}.{}.{}:80", server >> 16, server >> 8 & 255, server & 255);
    servers.iter().map(name).collect()
}

// What the generators are for: no two of them may draw the same numbers.
const CLIENTS: u64 = u64::MAX;
const ARRIVALS: u64 = u64::MAX - 1;
pub(crate) const SUBSETS: u64 = u64::MAX - 2;
