//! What changes while a balancer is used.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use once_cell::sync::OnceCell;
use rand::Rng;

use super::cluster_state::Mode;
use super::list::List;
use super::locality_state::Rules;
use super::observe::observers::Observers;
use super::pick::attempted::Attempted;
use super::pick::constraints::PickConstraints;
use super::pick::pick_state::PickState;
use super::pick::picker::PickContext;
use super::prequal::probe_bell::ProbeBell;
use super::roster::Roster;
use crate::config::BalancerConfig;
use crate::discovery::Subscription;
use crate::policy::{Recovery, RoundRobin};
use crate::runtime::host::caller;
use crate::runtime::{clock, entropy};

/// One balancer's, in one process.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) rules: Rules,
    pub(super) pick_state: ArcSwap<PickState>,
    pub(super) round_robin: RoundRobin,
    /// This process's own draw of a subset.
    pub(super) seed: u64,
    pub(super) list: List,
    /// The part in the provider's watch, where it has one.
    pub(super) joined: OnceCell<Subscription>,
    /// Another balancer took over: the list stays as it is.
    pub(super) retired: AtomicBool,
    /// Begun with the first call of a client.
    pub(super) background_begun: OnceCell<()>,
    /// When the last attempt set out, in the rules' milliseconds; kept only where checks want to know.
    pub(super) last_asked: AtomicU64,
    /// Rung where calls want probes.
    pub(super) bell: Option<ProbeBell>,
    recovery: Option<Mutex<Recovery>>,
    /// Whether the recovery must be asked.
    is_recovering: AtomicBool,
}

impl Live {
    pub(super) fn new(config: &BalancerConfig, observers: Arc<Observers>) -> Self {
        Self::by(config, Rules::new(config, observers, clock::now()))
    }

    pub(super) fn by(config: &BalancerConfig, rules: Rules) -> Self {
        // A random start: clients that all began with the first endpoint would overload it.
        let (start, seed) = entropy::with_rng(|rng| (rng.next_u64() as usize, rng.next_u64()));
        Self {
            rules,
            pick_state: ArcSwap::default(),
            round_robin: RoundRobin::new(start),
            seed,
            list: List::default(),
            joined: OnceCell::new(),
            retired: AtomicBool::new(false),
            background_begun: OnceCell::new(),
            last_asked: AtomicU64::new(0),
            bell: config.algorithm.probing().map(|_| ProbeBell::default()),
            recovery: config.recovery.map(|rule| Mutex::new(Recovery::new(rule))),
            is_recovering: AtomicBool::new(false),
        }
    }

    /// What `before` held back is held back by the new rules too.
    pub(super) fn go_on_from(&mut self, before: &Self) {
        let own = self.recovery.as_mut().map(|own| own.get_mut());
        if let Some((own, old)) = own.zip(before.recovery.as_ref()) {
            let own = own.unwrap_or_else(PoisonError::into_inner);
            *own = old.lock().unwrap_or_else(PoisonError::into_inner).by(own.config());
            *self.is_recovering.get_mut() = before.is_recovering();
        }
    }

    /// Notes whether a mode is on; true where that is news. A balancer that was taken over from sees no more what becomes of
    /// the endpoints: where the two disagree, the new one is right.
    pub(super) fn note_mode(&self, mode: Mode, on: bool) -> bool {
        !self.retired.load(Ordering::Relaxed) && self.rules.cluster.note_mode(mode, on)
    }

    /// Whether an attempt may go, or is held back while the service recovers from an outage of all.
    pub(super) fn lets_through(&self, roster: &Roster, now: Instant) -> bool {
        let Some(recovery) = self.recovery.as_ref().filter(|_| self.is_recovering()) else {
            return true;
        };
        let well = roster.well();
        // Only probes can go, which their circuits hold back already: without them no endpoint would come back.
        if well == 0 {
            return true;
        }
        let mut recovery = recovery.lock().unwrap_or_else(PoisonError::into_inner);
        let lets = entropy::with_rng(|rng| recovery.admits(well, now, rng));
        self.is_recovering.store(recovery.is_recovering(), Ordering::Relaxed);
        lets
    }

    pub(super) fn is_recovering(&self) -> bool {
        self.is_recovering.load(Ordering::Relaxed)
    }

    pub(super) fn note_all_out(&self, now: Instant) {
        if let Some(recovery) = &self.recovery {
            recovery.lock().unwrap_or_else(PoisonError::into_inner).all_out(now);
            self.is_recovering.store(true, Ordering::Relaxed);
        }
    }

    /// What one attempt asks for.
    pub(super) fn context<'a>(
        &self,
        attempted: &'a Attempted,
        key: Option<u64>,
        constraints: PickConstraints,
        now: Instant,
    ) -> PickContext<'a> {
        let tick = self.rules.tick(now);
        PickContext { attempted, key, constraints, now, tick, caller: caller::number() }
    }
}
