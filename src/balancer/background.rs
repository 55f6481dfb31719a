//! What a balancer does in the background: sweeps for outliers, checks of endpoints, and the renewal of its
//! subset. On the first I/O thread, for nobody else drives anything while no call is under way.
//!
//! The rounds begin with the first call of a client, whose trust the checks share, and end with the balancer.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use http::{HeaderMap, Method};

use super::balancer::Balancer;
use super::member::{Member, Out};
use super::member_stats::Upkeep;
use crate::config::{BalancerConfig, HealthCheck};
use crate::endpoint::Endpoint;
use crate::outcome::Failure;
use crate::policy::outlier::ejection;
use crate::policy::{
    AttemptOutcome, Check, CheckFailure, ClusterCounts, Ejector, Health, OutlierEvent, Pace, Row,
};
use crate::runtime::{clock, entropy, io_thread};
use crate::transport::{Direct, Exchange, Progress, Transport};

/// Begins the rounds of `balancer`; checks go over `transport`.
pub(crate) fn begin(balancer: &Arc<Balancer>, transport: Arc<Direct>) -> std::io::Result<()> {
    io_thread::first()?.handle().spawn(run(Arc::downgrade(balancer), transport));
    Ok(())
}

async fn run(balancer: Weak<Balancer>, transport: Arc<Direct>) {
    let mut next_sweep = None;
    loop {
        let Some(live) = balancer.upgrade() else {
            return;
        };
        let now = clock::now();
        let config = live.config();
        if let Some(rule) = &config.ejection
            && *next_sweep.get_or_insert(now + rule.interval) <= now
        {
            sweep(&live, &Ejector::new(*rule), now);
            next_sweep = Some(now + rule.interval);
        }
        if let Some(check) = &config.health {
            begin_checks(&live, check, &transport, now);
        }
        live.renew_subset(now);
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
        config.health.as_ref().map(|check| check.rule.out_interval.min(check.rule.interval));
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
    let mut watches: Vec<_> =
        members.iter().filter_map(|member| member.stats()).map(|stats| stats.watch()).collect();
    let stats = members.iter().filter_map(|member| member.stats()).map(|stats| &stats.stats);
    let mut rows: Vec<Row<'_>> = stats
        .zip(&mut watches)
        .map(|(stats, watch)| Row { stats, ejection: &mut watch.ejection })
        .collect();
    let changes = entropy::with_rng(|rng| ejector.sweep(&mut rows, now, rng));
    drop(rows);
    drop(watches);
    for change in changes {
        match change {
            ejection::Change::Ejected { index, .. } => members[index].set_ejected(true, now),
            ejection::Change::Returned { index } => members[index].set_ejected(false, now),
        }
    }
}

/// What an attempt says to the rules on single endpoints: a run of failures may eject at once, and what calls
/// tell no check needs to ask.
pub(crate) fn note(balancer: &Balancer, member: &Member, ended: &AttemptOutcome, now: Instant) {
    let (Some(stats), Some(sign)) = (member.stats(), OutlierEvent::of(ended)) else {
        return;
    };
    if let Some(check) = &mut stats.watch().check {
        check.traffic_told(now);
    }
    let Some(rule) = balancer.config().ejection else { return };
    if !stats.stats.note(sign, &rule.runs) {
        return;
    }
    let roster = balancer.roster();
    let out = roster.members().filter(|member| member.has(Out::Ejected)).count();
    let counts = ClusterCounts { total: roster.len(), out };
    let ejection = &mut stats.watch().ejection;
    let ejected =
        entropy::with_rng(|rng| Ejector::new(rule).eject(ejection, counts, now, rng).is_some());
    if ejected {
        member.set_ejected(true, now);
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
        let mut watch = stats.watch();
        let pace = match member.admits(now) {
            _ if idle => Pace::Idle,
            true => Pace::Busy,
            false => Pace::Out,
        };
        if watch.begin_if_due(pace, check, now) {
            drop(watch);
            let (member, transport) = (Arc::clone(member), Arc::clone(transport));
            tokio::spawn(carry_out(member, check.clone(), transport));
        }
    }
}

impl Upkeep {
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
    let asked = tokio::time::timeout(check.timeout, ask(&endpoint, &check, &transport)).await;
    let result = asked.unwrap_or(Err(CheckFailure::NoAnswer));
    let now = clock::now();
    let Some(stats) = member.stats() else { return };
    let mut watch = stats.watch();
    watch.is_checking = false;
    let returned = result.is_ok() && watch.ejection.pass_check(&stats.stats);
    let observe =
        |state: &mut Check| entropy::with_rng(|rng| state.observe(result, &check.rule, now, rng));
    let changed = watch.check.as_mut().and_then(observe);
    drop(watch);
    if returned {
        member.set_ejected(false, now);
    }
    match changed {
        Some(Health::Unhealthy) => member.set_unhealthy(true, now),
        Some(Health::Healthy) => member.set_unhealthy(false, now),
        Some(Health::Unknown) | None => {}
    }
    if result.is_ok() {
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
    let exchange = Exchange {
        endpoint,
        method: &Method::GET,
        path,
        headers: &HeaderMap::new(),
        body: &bytes::Bytes::new(),
        source: None,
        connect_timeout: check.timeout,
        body_idle_timeout: None,
        max_body: MOST_BODY,
        gzip: false,
        streams: None,
        progress: &Progress::default(),
    };
    let answer = transport.send(&exchange).await.map_err(no_answer)?;
    check.rule.judge(answer.status.as_u16(), &answer.body)
}

/// A page that says whether it is well is short; a longer one is no answer.
const MOST_BODY: usize = 64 * 1024;
