//! How a balancer takes over from another one that goes by other rules, or has another list: endpoints that stay keep
//! circuits, counts and connections. Calls under way go on with the balancer that they began with, over the list as it
//! was; what their attempts tell is told to the new one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::balancer::{Balancer, UsageToken};
use super::cluster_state::Mode;
use super::list::{Change, Refresh, Seen};
use super::live::Live;
use super::locality_state::Rules;
use super::pick::pick_state::PickState;
use super::register::Register;
use super::update::no_list;
use crate::config::BalancerConfig;
use crate::discovery::{Listing, Supply};
use crate::endpoint::Host;
use crate::error::Error;
use crate::event::Event;
use crate::runtime::callback_mutex::CallbackGuard;
use crate::runtime::process::PerProcess;
use crate::runtime::{clock, entropy};

impl Balancer {
    /// One that takes over with this `config`, and with another `supply` if there is one. A function of the host is asked
    /// for its list, unless this balancer has not been used yet; a watch that has told none takes over with its first.
    ///
    /// # Errors
    /// The function failed, and nothing was done; or this is inside a callback while an update is under way.
    pub(crate) fn reconfigured(
        &self,
        supply: Option<Supply>,
        config: BalancerConfig,
    ) -> Result<Self, Error> {
        let keeps_supply = supply.is_none();
        let supply = supply.unwrap_or_else(|| self.supply.clone());
        let before = self.live();
        // Held to the end: no update comes between.
        let turn = before.list.turn()?;
        let live = match before.list.updates_done() {
            0 => PerProcess::new(),
            _ => {
                let mut known = known(&supply)?.or_of(before, &turn, &config);
                if keeps_supply {
                    known.seen = Seen { version: known.seen.version, ..turn.value().seen };
                }
                let live = self.taken_over(before, &config, known)?;
                // It has just told its list.
                let is_well = matches!(supply, Supply::Custom(_));
                if is_well && live.note_mode(Mode::SourceFails, false) {
                    self.observers.emit(&Event::SourceWell);
                }
                PerProcess::holding(live)
            }
        };
        drop(turn);
        let observers = Arc::clone(&self.observers);
        let (holders, own_observers) = (UsageToken::default(), self.own_observers.clone());
        Ok(Self { supply, config, holders, observers, own_observers, live })
    }

    /// The endpoints of `before` under the new rules, and then those that `hosts` are.
    fn taken_over(
        &self,
        before: &Live,
        config: &BalancerConfig,
        known: KnownHosts,
    ) -> Result<Live, Error> {
        let rules = Rules::succeeding(&before.rules, config, Arc::clone(&self.observers));
        let mut live = Live::by(config, rules);
        live.seed = before.seed;
        live.go_on_from(before);
        let turn = live.list.turn()?;
        let mut refresh = turn.value();
        let (register, adopted) = Register::adopting(&before.pick_state.load().roster, &live.rules);
        refresh.register = register;
        let (seed, rules) = (live.seed, &live.rules);
        let mut change = Change { config, rules, seed, refresh: &mut refresh, before: &adopted };
        let roster = known.hosts.map_or_else(|| adopted.clone(), |hosts| change.replace(hosts));
        refresh.seen = known.seen;
        let (joined, left) = refresh.register.take_changes();
        let count = roster.len();
        rules.cluster.set_known(count);
        let nothing = PickState::default();
        let picks =
            entropy::with_rng(|rng| PickState::next(&nothing, roster, &config.algorithm, rng));
        live.pick_state.store(Arc::new(picks));
        refresh.register.let_go(rules);
        drop(refresh);
        drop(turn);
        live.list.note_taken(known.seen.version);
        live.list.note_update();
        before.retired.store(true, Ordering::Relaxed);
        if joined + left > 0 {
            let age = before.list.age(clock::now());
            self.observers.emit(&Event::ListChanged { known: count, joined, left, age });
        }
        Ok(live)
    }
}

/// The hosts that a provider has told already.
struct KnownHosts {
    /// None where that is nothing, or not to be believed at once.
    hosts: Option<Vec<Host>>,
    /// What was seen of a watch with them.
    seen: Seen,
}

impl KnownHosts {
    /// The same, or else what `before` had listed where either of them uses a part of it: a part is drawn anew of what is
    /// listed, four times a second.
    fn or_of(
        self,
        before: &Live,
        turn: &CallbackGuard<'_, Refresh>,
        config: &BalancerConfig,
    ) -> Self {
        let hosts = self.hosts.or_else(|| {
            let listed = turn.value().listed().to_vec();
            match listed.is_empty() {
                false => Some(listed),
                true if config.subset.is_none() => None,
                true => {
                    let state = before.pick_state.load();
                    Some(state.roster.members().map(|member| member.endpoint().host()).collect())
                }
            }
        });
        Self { hosts, ..self }
    }
}

fn known(supply: &Supply) -> Result<KnownHosts, Error> {
    match supply {
        Supply::Custom(custom) => {
            let hosts = custom.provider.discover().map_err(|reason| no_list(&reason))?;
            Ok(KnownHosts {
                hosts: Some(hosts).filter(|hosts| !hosts.is_empty()),
                seen: Seen::default(),
            })
        }
        Supply::Watched(watch) => {
            let listing = watch.latest();
            let copied =
                |listing: &Arc<Listing>| listing.hosts.iter().map(|it| Host::clone(it)).collect();
            let version = listing.as_ref().map_or(0, |listing| listing.version);
            let seen = Seen { version, ..Seen::default() };
            Ok(KnownHosts { hosts: listing.as_ref().map(copied), seen })
        }
    }
}
