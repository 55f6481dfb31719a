//! Many changes in a row under calls: promise 21 of `docs/discovery.md`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::{Balancer, Builder, Fleet, Provider, ms};
use super::{SOON, sees};

const CHANGES: usize = 200;
const CALLERS: usize = 8;
/// How long after it left an endpoint may still get a request.
const LATEST: Duration = ms(100);

/// An endpoint leaves or joins every 25 ms while 8 threads call: no call fails, and nothing is sent to an endpoint later
/// than 100 ms after it left. `register` and `leave` return when the registry has taken it.
pub fn churn(name: &str, url: &str, register: impl Fn(u16), leave: impl Fn(u16)) {
    let fleet = Fleet::of(8);
    let ports = fleet.ports();
    let (mut joined, mut left): (VecDeque<u16>, VecDeque<u16>) =
        (ports[..4].iter().copied().collect(), ports[4..].iter().copied().collect());
    joined.iter().for_each(|port| register(*port));
    let balancer = Balancer::round_robin(&Provider::from_url(url).unwrap());
    balancer.wait_ready(SOON).unwrap();
    let client = Builder::new().balancer(&balancer).build();
    sees(&balancer, joined.make_contiguous(), SOON);

    let (is_over, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    // When it left and, once it is back, when that began.
    let mut absences: Vec<(u16, Instant, Option<Instant>)> = Vec::new();
    let lag = thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            // How late this machine runs what is due.
            let mut lag = Duration::ZERO;
            while !is_over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                thread::sleep(ms(1));
                lag = lag.max(begun.elapsed() - ms(1));
            }
            lag
        });
        for _ in 0..CALLERS {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let answer = client.get("/").unwrap();
                    // On a busy machine an answer may be late enough for a hedge.
                    let tries = answer.attempts.iter().filter(|it| !it.is_hedge).count();
                    assert_eq!((answer.status, tries), (200, 1), "{answer:?}");
                    calls.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(ms(1));
                }
            });
        }
        for change in 0..CHANGES {
            if change % 2 == 0 {
                let port = joined.pop_front().unwrap();
                leave(port);
                absences.push((port, Instant::now(), None));
                left.push_back(port);
            } else {
                let port = left.pop_front().unwrap();
                let begun = Instant::now();
                register(port);
                if let Some(absence) = absences.iter_mut().rfind(|absence| absence.0 == port) {
                    absence.2 = Some(begun);
                }
                joined.push_back(port);
            }
            thread::sleep(ms(25));
        }
        sees(&balancer, joined.make_contiguous(), SOON);
        is_over.store(true, Ordering::Relaxed);
        sleeper.join().unwrap()
    });

    let mut latest = Vec::new();
    for server in &fleet.0 {
        let requests = server.requests();
        for (_, since, until) in absences.iter().filter(|absence| absence.0 == server.port()) {
            let absent = |at: &Instant| at > since && until.is_none_or(|until| *at < until);
            let late = requests.iter().map(|seen| seen.at).filter(absent).map(|at| at - *since);
            latest.push(late.max().unwrap_or_default());
        }
    }
    latest.sort();
    let [half, most] = [latest[latest.len() / 2], latest[latest.len() * 9 / 10]];
    let (last, calls) = (latest[latest.len() - 1], calls.into_inner());
    eprintln!(
        "{name}: {CHANGES} changes under {calls} calls of {CALLERS} threads: none failed; the last request came {half:?} \
         (half), {most:?} (9 of 10), {last:?} (all) after its endpoint left; this machine ran up to {lag:?} late"
    );
    // On its way are the registry, an I/O thread, a caller and a server's thread, each of which may have to wait.
    assert!(most <= LATEST + lag && last <= LATEST + lag * 4, "{latest:?}, with a lag of {lag:?}");
}
