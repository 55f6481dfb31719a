//! What an algorithm has worked out for one locality before the first pick: by weight or by key, where that needs
//! more than the endpoints themselves.
//!
//! Tables are made by the thread that updates, off the way of picks, and replaced as a whole with the roster.

use std::sync::{Mutex, PoisonError};

use rand::Rng;

use crate::balancer::roster::Locality;
use crate::config::Algorithm;
use crate::endpoint::hash_key;
use crate::policy::balance::{
    Alias, Bounded, BoundedLoad, Maglev, Ring, Smooth, Stride, rendezvous,
};

/// A locality's table.
#[derive(Debug)]
pub(crate) struct PickerTable {
    /// The slots of the entries, in their order.
    slots: Box<[u32]>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Alias(Alias),
    Stride(Stride),
    /// Behind a lock: its turns depend on each other.
    Smooth(Mutex<Smooth>),
    Ring(Ring, Option<Bound>),
    Maglev(Maglev, Option<Bound>),
    Rendezvous {
        keys: Box<[String]>,
        weights: Box<[u32]>,
    },
}

/// What keeps a popular key from overloading its endpoint.
#[derive(Debug)]
struct Bound {
    rule: Bounded,
    /// Each entry's part of all weights.
    shares: Box<[f64]>,
}

/// What is in flight, where keys are bounded.
pub(crate) trait InFlight {
    /// To the endpoint at a slot.
    fn at(&self, slot: usize) -> u32;
    /// To all of the locality.
    fn all(&self) -> u32;
}

impl PickerTable {
    /// The table of `locality`, where `algorithm` needs one; `before` is the one that it replaces.
    pub(crate) fn new(
        locality: &Locality,
        algorithm: &Algorithm,
        before: Option<&Self>,
        rng: &mut impl Rng,
    ) -> Option<Self> {
        if !is_needed(algorithm, locality.uneven.is_some()) {
            return None;
        }
        let entries = Entries::of(locality);
        let kind = entries.kind(locality.uneven.is_some(), algorithm, before, rng)?;
        Some(Self { slots: entries.slots, kind })
    }

    /// A slot that `admits`; `key` and what is in flight matter to keyed tables only.
    pub(crate) fn pick(
        &self,
        key: u64,
        in_flight: &impl InFlight,
        admits: impl Fn(usize) -> bool,
        rng: &mut impl Rng,
    ) -> Option<usize> {
        let slot = |entry: usize| self.slots[entry] as usize;
        let open = |entry: usize| admits(slot(entry));
        let bounded = |home, bound: &Option<Bound>| match bound {
            Some(bound) => {
                bound.pick(key, home, &|entry| in_flight.at(slot(entry)), in_flight.all(), &open)
            }
            None => home,
        };
        let entry = match &self.kind {
            Kind::Alias(alias) => alias.pick(open, rng),
            Kind::Stride(stride) => stride.pick(open),
            Kind::Smooth(smooth) => {
                smooth.lock().unwrap_or_else(PoisonError::into_inner).pick(open)
            }
            Kind::Ring(ring, bound) => bounded(ring.pick(key, open), bound),
            Kind::Maglev(maglev, bound) => bounded(maglev.pick(key, open), bound),
            Kind::Rendezvous { keys, weights } => rendezvous::pick(
                key,
                keys.len(),
                |entry| &keys[entry],
                |entry| weights[entry],
                open,
            ),
        };
        entry.map(slot)
    }
}

/// Whether the algorithm works anything out. Asked first: of many endpoints, to look at each takes long.
const fn is_needed(algorithm: &Algorithm, uneven: bool) -> bool {
    let by_weight = matches!(algorithm, Algorithm::RoundRobin | Algorithm::Random);
    algorithm.is_keyed() || matches!(algorithm, Algorithm::SmoothWeighted) || (by_weight && uneven)
}

impl Bound {
    fn new(factor: Option<Bounded>, weights: &[u32]) -> Option<Self> {
        let all: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        let share = |weight: &u32| if all > 0.0 { f64::from(*weight) / all } else { 0.0 };
        Some(Self { rule: factor?, shares: weights.iter().map(share).collect() })
    }

    fn pick(
        &self,
        key: u64,
        home: Option<usize>,
        in_flight: &impl Fn(usize) -> u32,
        all: u32,
        admits: &impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let load =
            |entry: usize| BoundedLoad { share: self.shares[entry], in_flight: in_flight(entry) };
        self.rule.pick(key, home, self.shares.len(), load, all, admits)
    }
}

/// What tables are made of.
struct Entries {
    slots: Box<[u32]>,
    weights: Vec<u32>,
    keys: Vec<String>,
}

impl Entries {
    fn of(locality: &Locality) -> Self {
        let (mut slots, mut weights, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for member in locality.slots.members() {
            let endpoint = member.endpoint();
            slots.push(member.slot() as u32);
            weights.push(endpoint.weight());
            keys.push(hash_key(endpoint.address(), endpoint.port()));
        }
        Self { slots: slots.into(), weights, keys }
    }

    fn named(&self) -> Vec<(&str, u32)> {
        self.keys.iter().map(String::as_str).zip(self.weights.iter().copied()).collect()
    }

    fn kind(
        &self,
        uneven: bool,
        algorithm: &Algorithm,
        before: Option<&PickerTable>,
        rng: &mut impl Rng,
    ) -> Option<Kind> {
        let kind = match algorithm {
            Algorithm::SmoothWeighted => Kind::Smooth(Mutex::new(self.smooth(before))),
            Algorithm::RoundRobin if uneven => Kind::Stride(match before.map(|it| &it.kind) {
                Some(Kind::Stride(stride)) => stride.next(&self.weights),
                _ => Stride::new(&self.weights, rng.next_u32()),
            }),
            Algorithm::Random if uneven => Kind::Alias(Alias::new(&self.weights)),
            // The sizes were checked when they were set.
            Algorithm::Ring(config, factor) => Kind::Ring(
                Ring::new(&self.named(), *config).ok()?,
                Bound::new(*factor, &self.weights),
            ),
            Algorithm::Maglev(size, factor) => Kind::Maglev(
                Maglev::new(&self.named(), *size).ok()?,
                Bound::new(*factor, &self.weights),
            ),
            Algorithm::Rendezvous => Kind::Rendezvous {
                keys: self.keys.clone().into(),
                weights: self.weights.clone().into(),
            },
            _ => return None,
        };
        Some(kind)
    }

    /// An endpoint that stays keeps its turn.
    fn smooth(&self, before: Option<&PickerTable>) -> Smooth {
        let Some(PickerTable { slots, kind: Kind::Smooth(smooth) }) = before else {
            return Smooth::new(&self.weights);
        };
        let from = |entry: usize| slots.binary_search(&self.slots[entry]).ok();
        smooth.lock().unwrap_or_else(PoisonError::into_inner).next(&self.weights, from)
    }
}
