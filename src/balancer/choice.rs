//! Which endpoint an attempt goes to: the rules of a balancer in the order in which they are asked.
//!
//! ```text
//! 1 tier     of several priorities one by the health of each; of several zones the near one mostly
//! 2 place    the algorithm proposes one of that tier, by its table where it has one
//! 3 admits   in rotation or this attempt's to probe, below its limit, not tried yet, warm: or the next proposal
//! ```
//!
//! Where nobody meets all of that, it gives way in turn: who is warming up gets its full share, the tier need
//! not be the drawn one, an attempt that leaves probes to others makes one, and who was tried may be tried
//! again. A user's function that was shown candidates and names none of them has decided, and is not asked
//! again.

use std::cell::Cell;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::time::Instant;

use rand::Rng;

use super::cells::Cells;
use super::member::{Member, Standing};
use super::roster::Tier;
use super::snapshot::Snapshot;
use super::table::InFlight;
use super::tried::Tried;
use crate::config::{Algorithm, BalancerConfig};
use crate::policy::balance::{Random, RoundRobin};
use crate::policy::{P2c, Probing, Thinning, Tick};
use crate::runtime::entropy::Entropy;

/// What one attempt asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) tried: &'a Tried,
    /// What keyed algorithms go by; drawn where the call has none.
    pub(crate) key: Option<u64>,
    /// Whether it may go where a probe is due.
    pub(crate) probing: Probing,
    pub(crate) now: Instant,
    pub(crate) tick: Tick,
    /// Who asks, as far as it tells callers at the same time apart.
    pub(crate) caller: usize,
}

/// One choice among a snapshot's endpoints.
pub(crate) struct Choice<'a, 'w> {
    pub(crate) config: &'a BalancerConfig,
    pub(crate) rounds: &'a RoundRobin,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) wish: Wish<'w>,
}

/// What a choice came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen<'a> {
    pub(crate) member: &'a Arc<Member>,
    /// Its level serves with all it has.
    pub(crate) panic: bool,
}

/// Goes on where nobody admits; ends with whom it is, or with nobody.
type Search<'a> = ControlFlow<Option<Chosen<'a>>>;

/// What is asked of a candidate.
#[derive(Clone, Copy)]
struct Strictness {
    untried: bool,
    probing: Probing,
    thinning: Option<Thinning>,
    /// Take whoever may answer at all.
    panic: bool,
}

impl<'a> Choice<'a, '_> {
    /// The member to try; none where none admits.
    pub(crate) fn make(&self, rng: &mut Entropy) -> Option<Chosen<'a>> {
        self.search(rng).break_value().flatten()
    }

    fn search(&self, rng: &mut Entropy) -> Search<'a> {
        let thinning = self.config.slow_start.map(|_| Thinning::draw(rng));
        let roster = &self.snapshot.roster;
        let first = self.snapshot.weighing.draw(roster, self.config, self.wish.key, rng);
        let (untried, probing) = (!self.wish.tried.is_empty(), self.wish.probing);
        let strict = Strictness { untried, probing, thinning, panic: first.panic };
        self.within(first.tier, strict, rng)?;
        let cold = Strictness { thinning: None, ..strict };
        self.anywhere(first.tier, cold, rng)?;
        let probes = Strictness { probing: Probing::Due, ..cold };
        if probing != Probing::Due {
            self.anywhere(first.tier, probes, rng)?;
        }
        if !untried {
            return Continue(());
        }
        self.anywhere(first.tier, Strictness { untried: false, ..probes }, rng)
    }

    /// In every tier, the drawn one first; each knows for itself whether it panics.
    fn anywhere(&self, first: usize, strictness: Strictness, rng: &mut Entropy) -> Search<'a> {
        let Snapshot { roster, weighing, .. } = self.snapshot;
        self.near_first(first).try_for_each(|tier| {
            let panic = weighing.panics(roster, self.config, tier);
            self.within(tier, Strictness { panic, ..strictness }, rng)
        })
    }

    /// The drawn tier, and then the others as they stand: by priority.
    fn near_first(&self, first: usize) -> impl Iterator<Item = usize> {
        let others = (0..self.snapshot.roster.tiers.len()).filter(move |tier| *tier != first);
        std::iter::once(first).chain(others)
    }

    fn within(&self, tier: usize, strictness: Strictness, rng: &mut Entropy) -> Search<'a> {
        let Some((tier, table)) = self.snapshot.tier(tier) else {
            return Continue(());
        };
        let any = Cell::new(false);
        let admits = |place: usize| {
            let admits = self.admits(tier, place, strictness);
            any.set(any.get() || admits);
            admits
        };
        let place = match table {
            Some(table) => {
                let key = self.wish.key.unwrap_or_else(|| rng.next_u64());
                table.pick(key, &Loads(tier), admits, rng)
            }
            None => self.propose(tier, admits, strictness.probing, rng),
        };
        // A place that somebody took since this roster was made is empty in it.
        let anyone = || tier.places.members().find(|member| member.admits(self.wish.now));
        match place.and_then(|place| tier.places.get(place).or_else(anyone)) {
            Some(member) => Break(Some(Chosen { member, panic: strictness.panic })),
            None if any.get() && self.config.algorithm.is_users() => Break(None),
            None => Continue(()),
        }
    }

    /// By an algorithm that needs no table.
    fn propose(
        &self,
        tier: &Tier,
        admits: impl Fn(usize) -> bool,
        probing: Probing,
        rng: &mut Entropy,
    ) -> Option<usize> {
        let len = tier.places.len();
        match &self.config.algorithm {
            Algorithm::Random => Random::uniform().pick(len, admits, rng),
            Algorithm::RandomBy(random) => random.pick(len, admits, rng),
            Algorithm::Custom(custom) => custom.pick(len, admits),
            Algorithm::LeastRequest(rule) => {
                let active = |place: usize| Loads(tier).at(place);
                match tier.uneven {
                    None => rule.pick(len, admits, active, rng),
                    Some(most) => {
                        rule.pick_weighted(len, most, |it| tier.weight(it), admits, active, rng)
                    }
                }
            }
            Algorithm::P2c { rule, .. } => self.by_cost(rule, tier, admits, probing, rng),
            Algorithm::Prequal(_) => {
                let (well, now) = (tier.level.well(), self.wish.now);
                let pool = tier.level.pool.as_ref();
                let told = pool.and_then(|pool| pool.pick(well, &admits, now, rng));
                told.or_else(|| self.by_cost(&P2c::new(), tier, admits, probing, rng))
            }
            _ => self.rounds.pick(self.wish.caller, len, admits),
        }
    }

    fn by_cost(
        &self,
        rule: &P2c,
        tier: &Tier,
        admits: impl Fn(usize) -> bool,
        probing: Probing,
        rng: &mut Entropy,
    ) -> Option<usize> {
        let len = tier.places.len();
        let cost = |place: usize| tier.cost(place, probing, self.wish.tick);
        match tier.uneven {
            None => rule.pick(len, admits, cost, rng),
            Some(most) => rule.pick_weighted(len, most, |it| tier.weight(it), admits, cost, rng),
        }
    }

    fn admits(&self, tier: &Tier, place: usize, strictness: Strictness) -> bool {
        let Some(cells) = tier.places.cells(place) else {
            return false;
        };
        // In rotation, so it is there: the member itself would be one more wait for memory.
        if cells.is_rotating(place) && !strictness.untried {
            return self.has_room(cells, place);
        }
        let Some(member) = tier.places.get(place) else {
            return false;
        };
        (cells.is_rotating(place) || self.stands(member, place, strictness))
            && self.has_room(cells, place)
            && !(strictness.untried && self.wish.tried.contains(member))
    }

    /// Whether a member that is not simply in rotation may be tried.
    fn stands(&self, member: &Member, place: usize, strictness: Strictness) -> bool {
        match member.standing(self.wish.now) {
            Standing::In => true,
            Standing::Probe(due_for) => strictness.panic || strictness.probing.takes(due_for),
            Standing::Warming(since) => {
                let factor = self.config.slow_start.map_or(1.0, |rule| rule.factor(since));
                if factor >= 1.0 {
                    member.end_warming();
                }
                strictness.thinning.is_none_or(|thinning| thinning.accepts(place, factor))
            }
            Standing::Tripped => strictness.panic,
            Standing::Out => false,
        }
    }

    fn has_room(&self, cells: &Cells, place: usize) -> bool {
        self.config.max_in_flight.is_none_or(|most| cells.in_flight(place) < most)
    }
}

/// What is in flight to a tier.
struct Loads<'a>(&'a Tier);

impl InFlight for Loads<'_> {
    fn at(&self, place: usize) -> u32 {
        self.0.places.in_flight(place)
    }

    fn all(&self) -> u32 {
        self.0.level.in_flight()
    }
}
