//! A registry that restarts, with a fleet that watches it: all connections are gone at once, all clients come back with
//! a pause of full jitter, and each reads the whole list.
//!
//! The registry has one line to the network. It serves lists one after the other; a client whose list does not begin
//! in time gives up, pauses and comes again.

use std::collections::VecDeque;

use ahoy::policy::SourceBackoff;

use crate::draws::{Draws, hash};
use crate::queue::Queue;
use crate::time::{Nanos, SECOND, nanos};

/// What the restart comes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Restart {
    /// Seconds from its return until each client has the list.
    pub(crate) all_served: f64,
    /// The most connects in one second, from its return on.
    pub(crate) peak_connects: f64,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Connect(u32),
    GiveUp { client: u32, serial: u32 },
    Served,
}

#[derive(Debug)]
struct Herd {
    queue: Queue<Event>,
    pauses: Vec<SourceBackoff>,
    /// Changes with each connect, so that an old limit ends nothing.
    serials: Vec<u32>,
    waiting: VecDeque<(u32, u32)>,
    serving: bool,
    list: Nanos,
    draws: Draws,
    connects: Vec<u32>,
    served: u32,
    last: Nanos,
}

/// `clients` watch a registry of `endpoints` that is away for `DOWN`.
pub(crate) fn restart(clients: u32, endpoints: u32) -> Restart {
    let list = f64::from(endpoints) * ENTRY_BYTES / BYTES_PER_SECOND * SECOND as f64;
    let mut herd = Herd {
        queue: Queue::new(),
        pauses: vec![SourceBackoff::default(); clients as usize],
        serials: vec![0; clients as usize],
        waiting: VecDeque::new(),
        serving: false,
        list: list as Nanos,
        draws: Draws::new(hash(&[7, u64::from(clients), u64::from(endpoints)])),
        connects: Vec::new(),
        served: 0,
        last: DOWN,
    };
    (0..clients).for_each(|client| herd.pause(client));
    while herd.served < clients
        && let Some(event) = herd.queue.next()
    {
        herd.happen(event);
    }
    Restart {
        all_served: (herd.last - DOWN) as f64 / SECOND as f64,
        peak_connects: herd.connects.iter().max().map_or(0.0, |most| f64::from(*most)),
    }
}

impl Herd {
    fn pause(&mut self, client: u32) {
        let pause = nanos(self.pauses[client as usize].after_failure(&mut self.draws));
        self.queue.plan(self.queue.now() + pause, Event::Connect(client));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Connect(client) if self.queue.now() < DOWN => self.pause(client),
            Event::Connect(client) => self.connect(client),
            Event::GiveUp { client, serial } if self.serials[client as usize] == serial => {
                self.serials[client as usize] += 1;
                self.pause(client);
            }
            Event::GiveUp { .. } => {}
            Event::Served => {
                (self.served, self.last, self.serving) = (self.served + 1, self.queue.now(), false);
                self.serve();
            }
        }
    }

    fn connect(&mut self, client: u32) {
        let now = self.queue.now();
        let second = ((now - DOWN) / SECOND) as usize;
        self.connects.resize(self.connects.len().max(second + 1), 0);
        self.connects[second] += 1;
        let serial = self.serials[client as usize];
        self.waiting.push_back((client, serial));
        self.queue.plan(now + PATIENCE, Event::GiveUp { client, serial });
        self.serve();
    }

    /// Begins the next list, for a client that still waits.
    fn serve(&mut self) {
        while !self.serving
            && let Some((client, serial)) = self.waiting.pop_front()
        {
            if self.serials[client as usize] == serial {
                self.serials[client as usize] += 1;
                self.serving = true;
                self.queue.plan(self.queue.now() + self.list, Event::Served);
            }
        }
    }
}

/// Bytes a second that each of so many clients causes by itself: one that waits for a change is answered with the whole
/// list when its wait is over (Consul's blocking queries), one that watches hears of changes alone.
pub(crate) fn at_rest(clients: u32, endpoints: u32) -> f64 {
    f64::from(clients) * f64::from(endpoints) * ENTRY_BYTES / LONGEST_WAIT
}

/// For how long the registry is away.
const DOWN: Nanos = 10 * SECOND;
/// A source's limit on connecting and on the head of the answer.
const PATIENCE: Nanos = 5 * SECOND;
/// One entry in JSON, with an address, a port, a weight, a zone and a name.
pub(crate) const ENTRY_BYTES: f64 = 200.0;
/// One gigabit a second.
pub(crate) const BYTES_PER_SECOND: f64 = 125e6;
/// The longest wait of a blocking query, in seconds.
const LONGEST_WAIT: f64 = 60.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_reads_one_list() {
        let found = restart(1, 1000);
        assert!((found.peak_connects - 1.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn no_list_is_served_faster_than_the_line_allows() {
        let found = restart(5000, 10_000);
        let least = 5000.0 * 10_000.0 * ENTRY_BYTES / BYTES_PER_SECOND;
        assert!(found.all_served >= least, "{found:?}");
    }
}
