//! Several servers at once, and how calls were spread over them.

use std::ops::Range;

use super::{
    Balancer, Builder, Client, Failure, Host, Provider, Reply, Request, Server, eventually, ms,
};

/// Servers that belong together.
pub struct Fleet(pub Vec<Server>);

impl Fleet {
    /// So many that answer 200.
    pub fn of(count: usize) -> Self {
        Self::answering(&vec![200; count])
    }

    /// One for each status.
    pub fn answering(statuses: &[u16]) -> Self {
        Self(statuses.iter().map(|status| Server::status(*status)).collect())
    }

    /// So many that hold every request.
    pub fn holding(count: usize) -> Self {
        Self((0..count).map(|_| Server::new(|_| Reply::Hang)).collect())
    }

    pub fn ports(&self) -> Vec<u16> {
        self.0.iter().map(Server::port).collect()
    }

    pub fn host(&self, index: usize) -> Host {
        Host::new("127.0.0.1", self.0[index].port())
    }

    /// All of them in order, each as `stated` says.
    pub fn hosts(&self, stated: impl Fn(usize, Host) -> Host) -> Vec<Host> {
        (0..self.0.len()).map(|index| stated(index, self.host(index))).collect()
    }

    pub fn provider(&self) -> Provider {
        Provider::loopback(&self.ports())
    }

    /// One weight for each.
    pub fn weighted(&self, weights: &[u32]) -> Provider {
        Provider::of(&self.hosts(|index, host| host.weight(weights[index])))
    }

    /// One priority for each.
    pub fn ranked(&self, priorities: &[u32]) -> Provider {
        Provider::of(&self.hosts(|index, host| host.priority(priorities[index])))
    }

    /// One zone for each.
    pub fn zoned(&self, zones: &[&str]) -> Provider {
        Provider::of(&self.hosts(|index, host| host.zone(zones[index])))
    }

    /// How many requests each has seen.
    pub fn counts(&self) -> Vec<usize> {
        self.0.iter().map(Server::request_count).collect()
    }

    /// How many requests each sees of so many calls one after the other.
    pub fn counts_of(&self, calls: usize, client: &Client) -> Vec<usize> {
        let before = self.counts();
        for _ in 0..calls {
            let _ = client.get("/");
        }
        self.counts().iter().zip(before).map(|(now, before)| now - before).collect()
    }

    /// How many requests wait for their answer.
    pub fn in_flight(&self) -> Vec<usize> {
        self.0.iter().map(Server::in_flight).collect()
    }

    /// Starts calls one after the other, each when the one before has arrived.
    pub fn begin(&self, client: &Client, requests: &[Request]) -> Vec<super::Call> {
        let begin = |request: &Request| {
            let before: usize = self.in_flight().iter().sum();
            let call = client.start(request).unwrap();
            let arrived = || self.in_flight().iter().sum::<usize>() > before;
            eventually("it arrives", ms(10_000), arrived);
            call
        };
        requests.iter().map(begin).collect()
    }

    /// Ends what they hold.
    pub fn restart(&self) {
        self.0.iter().for_each(Server::stop);
        eventually("all has ended", ms(10_000), || self.in_flight().iter().all(|it| *it == 0));
        self.0.iter().for_each(Server::restart);
    }

    /// The number of the server at a URL.
    pub fn at(&self, url: &str) -> usize {
        self.0.iter().position(|server| server.url() == url).expect("a server at that url")
    }

    /// Opens the circuits of some of them by hand.
    pub fn open(&self, balancer: &Balancer, which: Range<usize>) {
        for index in which {
            balancer.endpoint(self.0[index].port()).open().unwrap();
        }
    }
}

/// A client with one attempt a call that does not ask the provider again.
pub fn single(balancer: &Balancer) -> Client {
    Builder::new().balancer(balancer).tries(1).endpoint_updates(0).build()
}

/// Holds a refusal to the rules: the status, and the parameter's name first.
pub fn refused(result: Result<(), Failure>, name: &str) {
    let failure = result.unwrap_err();
    assert_eq!(failure.status, ahoy::ffi::values::status::AHOY_E_INVALID_ARGUMENT);
    assert!(failure.message.starts_with(&format!("{name}:")), "{}", failure.message);
}
