//! The probes of a balancer that goes by Prequal: small requests beside the calls that ask endpoints how busy
//! they are. Not to be taken for the probes of a circuit, which are calls.
//!
//! A call only counts itself and rings a bell; what it was worth in probes is drawn and sent on the first I/O
//! thread, so no call waits for one. Each locality has a pool of answers of its own: a pool over several would
//! seem well filled where the one that serves has three endpoints.
//!
//! A probe that is not answered in time has failed, but goes on for a moment: connecting takes longer than an
//! answer, and an exchange that is broken off closes its connection, so that the next probe would be late as
//! well. Until then its endpoint gets no other, and one whose answers hang costs one connection and no more.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::probe_bell::ProbeBell;
use super::probe_pool::{ProbeLoad, ProbePool};
use crate::balancer::balancer::Balancer;
use crate::balancer::locality_state::LocalityState;
use crate::balancer::member::{Member, OutReason};
use crate::balancer::roster::{Locality, Roster};
use crate::config::PrequalProbing;
use crate::policy::ProbeAnswer;
use crate::policy::balance::Random;
use crate::runtime::{clock, entropy, io_thread};
use crate::transport::{Answer, Direct, Exchange, Progress, Transport};

/// Begins to send probes whenever `bell` rings, until `balancer` is gone.
pub(crate) fn begin(
    balancer: &Arc<Balancer>,
    bell: &ProbeBell,
    probing: &PrequalProbing,
    transport: Arc<Direct>,
) -> std::io::Result<()> {
    let slots = Arc::new(Semaphore::new(probing.at_once as usize));
    let probing = Arc::new(probing.clone());
    let prober = Prober { probing, transport, slots };
    io_thread::first()?.handle().spawn(run(Arc::downgrade(balancer), bell.notify(), prober));
    Ok(())
}

async fn run(balancer: Weak<Balancer>, bell: Arc<Notify>, prober: Prober) {
    loop {
        if tokio::time::timeout(SWEEP_INTERVAL, bell.notified()).await.is_err() {
            prober.transport.sweep();
        }
        let Some(live) = balancer.upgrade() else {
            return;
        };
        let roster = live.roster();
        drop(live);
        prober.send_wanted(&roster);
    }
}

/// What sends probes.
#[derive(Clone)]
struct Prober {
    probing: Arc<PrequalProbing>,
    transport: Arc<Direct>,
    slots: Arc<Semaphore>,
}

impl Prober {
    /// Sends what the calls since the last time are worth, as far as there is room; the rest is not made up for.
    fn send_wanted(&self, roster: &Roster) {
        let now = clock::now();
        for locality in &roster.localities {
            let Some(pool) = &locality.shared.pool else { continue };
            let wanted = entropy::with_rng(|rng| pool.take_wanted(rng));
            for _ in 0..wanted {
                let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else { return };
                let Some(member) = drawn(locality, pool, now) else { break };
                let probe = Probe::begin(Arc::clone(member), slot);
                tokio::spawn(self.clone().carry_out(probe));
            }
        }
    }

    async fn carry_out(self, probe: Probe) {
        let endpoint = probe.member.endpoint();
        let progress = Progress::default();
        let path = &self.probing.path;
        let exchange = Exchange::get(&endpoint, path, PATIENCE, MOST_BODY, &progress);
        let began = clock::now();
        let mut exchanged = pin!(self.transport.send(&exchange));
        match tokio::time::timeout(self.probing.rule.timeout, &mut exchanged).await {
            Ok(Ok(answer)) if answer.status == StatusCode::OK => probe.answered(&answer, began),
            Ok(_) => probe.failed(),
            Err(_) => {
                probe.failed();
                let _too_late = tokio::time::timeout(PATIENCE, exchanged).await;
            }
        }
    }
}

/// Any endpoint of `locality` that admits and is not being asked already. One whose circuit is about to try it
/// again is asked as well: it would never be picked otherwise.
fn drawn<'a>(locality: &'a Locality, pool: &ProbePool, now: Instant) -> Option<&'a Arc<Member>> {
    let under_way = pool.under_way();
    let admits = |slot: usize| {
        !under_way.contains(&slot) && locality.slots.get(slot).is_some_and(|it| it.admits(now))
    };
    let slot = entropy::with_rng(|rng| Random::uniform().pick(locality.slots.len(), admits, rng))?;
    locality.slots.get(slot)
}

/// One probe under way.
struct Probe {
    member: Arc<Member>,
    _slot: OwnedSemaphorePermit,
}

impl Probe {
    fn begin(member: Arc<Member>, slot: OwnedSemaphorePermit) -> Self {
        let probe = Self { member, _slot: slot };
        if let Some(pool) = &probe.shared().pool {
            pool.probe_began(probe.member.slot());
        }
        probe
    }

    fn shared(&self) -> &LocalityState {
        self.member.hot().shared()
    }

    /// What the answer does not tell, this client knows for itself: what it has in flight, and how long the
    /// probe took.
    fn answered(&self, answer: &Answer, began: Instant) {
        let Some(pool) = &self.shared().pool else { return };
        let now = clock::now();
        let value = answer.headers.get(LOAD_HEADER);
        let told = value.and_then(|value| ProbeAnswer::parse(value.as_bytes()));
        let ProbeAnswer { in_flight, latency } = told.unwrap_or_default();
        let in_flight =
            in_flight.unwrap_or_else(|| self.member.hot().in_flight(self.member.slot()));
        let latency = latency.unwrap_or_else(|| now.saturating_duration_since(began));
        let departed = || self.member.has(OutReason::Departed);
        pool.add(self.member.slot(), departed, ProbeLoad { in_flight, latency }, now);
    }

    fn failed(&self) {
        if let Some(pool) = &self.shared().pool {
            pool.forget(self.member.slot());
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if let Some(pool) = &self.shared().pool {
            pool.probe_ended(self.member.slot());
        }
    }
}

/// In which endpoints tell how busy they are.
const LOAD_HEADER: &str = "ahoy-load";

/// How long a late probe goes on: a handshake over the widest network.
const PATIENCE: Duration = Duration::from_secs(1);

/// An answer to a probe says nothing by its body; one that is longer is no answer.
const MOST_BODY: usize = 4 * 1024;

/// How often connections are looked at while no probe is wanted.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::locality_state::Rules;
    use crate::balancer::register::Register;
    use crate::config::{Algorithm, BalancerConfig};
    use crate::endpoint::Host;
    use crate::runtime::clock::now as t0;

    fn roster(register: &mut Register, before: &Roster, ports: &[u16]) -> Roster {
        let config = BalancerConfig::new(Algorithm::Prequal(PrequalProbing::new("/".into())));
        let hosts: Vec<Host> = ports.iter().map(|port| Host::new("127.0.0.1", *port)).collect();
        register.replace(before, &hosts, &Rules::new(&config, Arc::default(), t0()), t0())
    }

    fn picked(roster: &Roster) -> Option<u16> {
        let locality = &roster.localities[0];
        let pool = locality.shared.pool.as_ref().unwrap();
        let admits = |slot: usize| locality.slots.get(slot).is_some();
        let slot = entropy::with_rng(|rng| pool.pick(locality.shared.well(), admits, t0(), rng))?;
        Some(locality.slots.get(slot)?.endpoint().port())
    }

    fn tells(roster: &Roster, port: u16, in_flight: u32) {
        let member = roster.members().find(|member| member.endpoint().port() == port).unwrap();
        let pool = roster.localities[0].shared.pool.as_ref().unwrap();
        let load = ProbeLoad { in_flight, latency: Duration::ZERO };
        pool.add(member.slot(), || member.has(OutReason::Departed), load, t0());
    }

    const PORTS: [u16; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

    #[test]
    fn the_first_call_rings_and_all_are_counted() {
        let roster = roster(&mut Register::default(), &Roster::default(), &PORTS);
        let (bell, pool) =
            (ProbeBell::default(), roster.localities[0].shared.pool.as_ref().unwrap());
        assert!(!pool.note_call(), "nobody has asked yet how many there are");
        assert_eq!(picked(&roster), None);
        let member = roster.members().next().unwrap();
        bell.note_call(member);
        assert!(!pool.note_call());
        let wanted = || entropy::with_rng(|rng| pool.take_wanted(rng));
        assert_eq!((wanted(), wanted()), (6, 0));
        assert!(pool.note_call());
    }

    #[test]
    fn with_three_nobody_rings() {
        let roster = roster(&mut Register::default(), &Roster::default(), &[1, 2, 3]);
        assert_eq!(picked(&roster), None);
        assert!(!roster.localities[0].shared.pool.as_ref().unwrap().note_call());
    }

    #[test]
    fn an_answer_is_kept_for_whoever_gave_it_alone() {
        let mut register = Register::default();
        let first = roster(&mut register, &Roster::default(), &PORTS);
        assert_eq!(picked(&first), None);
        (2..=4).for_each(|port| tells(&first, port, 1));
        tells(&first, 1, 0);
        assert_eq!(picked(&first), Some(1), "the newest of equally quick ones");
        // Another endpoint stands in its slot, and nothing is known of it.
        tells(&first, 1, 0);
        let second = roster(&mut register, &first, &PORTS[1..]);
        let third = roster(&mut register, &second, &[9, 2, 3, 4, 5, 6, 7, 8]);
        tells(&first, 1, 0);
        assert!(picked(&third).is_some_and(|port| port != 9));
    }

    #[test]
    fn nobody_is_asked_twice_at_once() {
        let roster = roster(&mut Register::default(), &Roster::default(), &PORTS);
        let locality = &roster.localities[0];
        let pool = locality.shared.pool.as_ref().unwrap();
        let slots = Arc::new(Semaphore::new(9));
        let begin = || {
            let slot = Arc::clone(&slots).try_acquire_owned().unwrap();
            Some(Probe::begin(Arc::clone(drawn(locality, pool, t0())?), slot))
        };
        let probes: Vec<_> = std::iter::from_fn(begin).collect();
        let mut ports: Vec<_> = probes.iter().map(|it| it.member.endpoint().port()).collect();
        ports.sort_unstable();
        assert_eq!(ports, PORTS);
        drop(probes);
        assert!(drawn(locality, pool, t0()).is_some());
        assert_eq!(slots.available_permits(), 9);
    }
}
