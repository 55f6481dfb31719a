//! Forked children of a process that follows a registry.

use std::thread;

use super::super::{
    Balancer, Builder, Child, Meaning, Provider, Server, alone, descriptors, eventually, ms,
    sockets_to_port,
};
use super::{SOON, sees};

/// Each of `count` children has nothing of its parent's connection to the registry at `port`, serves its parent's list at
/// once, and then follows the registry itself.
pub fn forked(url: &str, port: u16, count: usize, register: impl Fn(u16)) {
    let _alone = alone();
    let server = Server::ok();
    register(server.port());
    let balancer = Balancer::round_robin(&Provider::from_url(url).unwrap());
    balancer.wait_ready(SOON).unwrap();
    let client = Builder::new().balancer(&balancer).build();
    assert_eq!(client.get("/parent").unwrap().status, 200);
    let run = || {
        Child::run(|| {
            assert_eq!(sockets_to_port(port), 0, "sockets of the parent's");
            let watches =
                descriptors().into_iter().filter(|fd| Meaning::of(*fd).0.contains("inotify"));
            assert_eq!(watches.count(), 0, "a watch of the parent's");
            assert_eq!(client.get("/child").unwrap().status, 200);
            sees(&balancer, &[server.port(), 2], SOON);
        })
    };
    let children: Vec<_> = (0..count).map(|_| run()).collect();
    // An attempt that is slow is made again.
    let served = || server.requests().iter().filter(|seen| seen.path == "/child").count();
    eventually("all children call", SOON, || served() >= count);
    thread::sleep(ms(100));
    register(2);
    sees(&balancer, &[server.port(), 2], SOON);
    children.into_iter().for_each(Child::ends);
}
