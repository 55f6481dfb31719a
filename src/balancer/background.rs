//! What a balancer does in the background: sweeps for outliers, checks of endpoints, and the renewal of its
//! subset. They run on the first I/O thread, since no caller drives anything while no call is under way.
//!
//! The tasks begin with the first call of a client, whose TLS trust the checks share, and end with the balancer.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::balancer::Balancer;
use super::member::Member;
use super::member_stats::BackgroundState;
use super::prequal::probes;
use crate::config::{BalancerConfig, HealthCheck};
use crate::endpoint::Endpoint;
use crate::outcome::Failure;
use crate::policy::outlier::ejection;
use crate::policy::{Check, CheckFailure, Ejector, Health, Pace, Row};
use crate::runtime::{clock, entropy, io_thread};
use crate::statistics::ClusterCounter;
use crate::transport::{Direct, Exchange, Progress, Transport};

/// Begins the background tasks of `balancer`, if it has any and they have not begun; `transport` carries their
/// exchanges.
///
/// # Errors
/// No thread could be had.
pub(crate) fn begin(
    balancer: &Arc<Balancer>,
    transport: impl FnOnce() -> std::io::Result<Direct>,
) -> std::io::Result<()> {
    let config = balancer.config();
    let probing = balancer.bell().zip(config.algorithm.probing());
    if !config.has_background() && probing.is_none() {
        return Ok(());
    }
    balancer.begin_once(|| {
        let transport = Arc::new(transport()?);
        if let Some((bell, probing)) = probing {
            probes::begin(balancer, bell, probing, Arc::clone(&transport))?;
        }
        if config.has_background() {
            let thread = io_thread::first()?;
            thread.handle().spawn(run(Arc::downgrade(balancer), transport));
        }
        Ok(())
    })
}

async fn run(balancer: Weak<Balancer>, transport: Arc<Direct>) {
    let mut swept = None;
    loop {
        // What was taken over from does not see what becomes of its endpoints.
        let Some(live) = balancer.upgrade().filter(|it| !it.is_retired()) else {
            return;
        };
        let now = clock::now();
        let config = live.config();
        if let Some(rule) = &config.ejection
            && now.saturating_duration_since(*swept.get_or_insert(now)) >= rule.interval
        {
            sweep(&live, &Ejector::new(*rule), now);
            swept = Some(now);
        }
        if let Some(check) = &config.health {
            begin_checks(&live, check, &transport, now);
        }
        live.renew_subset();
        let pause = pause(config);
        drop(live);
        tokio::time::sleep(pause).await;
        transport.sweep();
    }
}

/// Often enough for the shortest interval, rarely enough to cost nothing.
fn pause(config: &BalancerConfig) -> Duration {
    let sweep = config.ejection.map(|rule| rule.interval);
    let check =
        config.health.as_ref().map(|check| check.rule.out_interval().min(check.rule.interval));
    let shortest = sweep.into_iter().chain(check).min().unwrap_or(LONGEST_PAUSE);
    (shortest / 10).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Takes outliers out and brings back those whose time is over.
fn sweep(balancer: &Balancer, ejector: &Ejector, now: Instant) {
    let roster = balancer.roster();
    let members: Vec<&Arc<Member>> =
        roster.members().filter(|member| member.stats().is_some()).collect();
    let mut upkeeps: Vec<_> = members
        .iter()
        .filter_map(|member| member.stats())
        .map(|stats| stats.background_state())
        .collect();
    let stats = members.iter().filter_map(|member| member.stats()).map(|stats| &stats.outlier);
    let mut rows: Vec<Row<'_>> = stats
        .zip(&mut upkeeps)
        .map(|(stats, background_state)| Row { stats, ejection: &mut background_state.ejection })
        .collect();
    let changes = entropy::with_rng(|rng| ejector.sweep(&mut rows, now, rng));
    drop(rows);
    drop(upkeeps);
    for change in changes {
        match change {
            ejection::Change::Ejected { index, .. } => members[index].set_ejected(true, now),
            ejection::Change::Returned { index } => members[index].set_ejected(false, now),
        }
    }
}

/// Begins the checks that are due.
fn begin_checks(
    balancer: &Arc<Balancer>,
    check: &HealthCheck,
    transport: &Arc<Direct>,
    now: Instant,
) {
    let idle = balancer.is_idle(now);
    for member in balancer.roster().members() {
        let Some(stats) = member.stats() else { continue };
        let mut background_state = stats.background_state();
        let pace = match member.admits(now) {
            _ if idle => Pace::Idle,
            true => Pace::Busy,
            false => Pace::Out,
        };
        if background_state.begin_if_due(pace, check, now) {
            drop(background_state);
            let (member, transport) = (Arc::clone(member), Arc::clone(transport));
            tokio::spawn(carry_out(member, check.clone(), transport));
        }
    }
}

impl BackgroundState {
    /// Whether a check is due and none is under way; it then is.
    fn begin_if_due(&mut self, pace: Pace, check: &HealthCheck, now: Instant) -> bool {
        let new = || entropy::with_rng(|rng| Check::new(now, rng));
        let due = self.check.get_or_insert_with(new).next_due(pace, &check.rule) <= now;
        let begins = due && !self.is_checking;
        self.is_checking |= begins;
        begins
    }
}

async fn carry_out(member: Arc<Member>, check: HealthCheck, transport: Arc<Direct>) {
    let endpoint = member.endpoint();
    let asked = clock::timeout(check.timeout, ask(&endpoint, &check, &transport)).await;
    let result = asked.unwrap_or(Err(CheckFailure::NoAnswer));
    let now = clock::now();
    let checks = &member.cluster().cells;
    checks.count(match result {
        Ok(()) => ClusterCounter::ChecksPassed,
        Err(_) => ClusterCounter::ChecksFailed,
    });
    let Some(stats) = member.stats().filter(|_| !member.has_successor()) else { return };
    let mut background_state = stats.background_state();
    background_state.is_checking = false;
    let tells_of_answers = result.is_ok() && check.path.is_some();
    let returned = tells_of_answers && background_state.ejection.end(&stats.outlier);
    let observe =
        |state: &mut Check| entropy::with_rng(|rng| state.observe(result, &check.rule, now, rng));
    let changed = background_state.check.as_mut().and_then(observe);
    drop(background_state);
    if returned {
        member.set_ejected(false, now);
    }
    match changed {
        Some(Health::Unhealthy) => member.set_unhealthy(true, now),
        Some(Health::Healthy) => member.set_unhealthy(false, now),
        Some(Health::Unknown) | None => {}
    }
    // That a port can be connected to says nothing of what answers there, and a server that asked to be left alone for a
    // while can be connected to all the time.
    if tells_of_answers || result.is_ok() && !member.is_tripped_by_answers() {
        member.half_open_early(now);
    }
}

async fn ask(
    endpoint: &Arc<Endpoint>,
    check: &HealthCheck,
    transport: &Direct,
) -> Result<(), CheckFailure> {
    let no_answer = |_: Failure| CheckFailure::NoAnswer;
    let Some(path) = &check.path else {
        return transport.reach(endpoint, check.timeout).await.map_err(no_answer);
    };
    let progress = Progress::default();
    let exchange = Exchange::get(endpoint, path, check.timeout, MOST_BODY, &progress);
    let answer = transport.send(&exchange).await.map_err(no_answer)?;
    check.rule.judge(answer.status.as_u16(), &answer.body)
}

/// A page that says whether it is well is short; a longer one is no answer.
const MOST_BODY: usize = 64 * 1024;
