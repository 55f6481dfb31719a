//! What a balancer is told.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use super::all_hold;
use crate::error::Error;
use crate::policy::balance::{Bounded, Maglev, RingConfig};
use crate::policy::{
    BreakerConfig, Custom, EjectionConfig, HealthConfig, LeastRequest, LoadModel, P2c,
    PrequalConfig, Random, Ratio, RecoveryConfig, SlowStart, ZoneConfig,
};
use crate::request::header_name;

/// What a balancer is told.
#[derive(Clone, Debug)]
pub struct BalancerConfig {
    /// Which endpoint is next.
    pub algorithm: Algorithm,
    /// The rules of the endpoints' circuits.
    pub breaker: BreakerConfig,
    /// What the key of a call is taken from, where its request states none; only for algorithms that go by key.
    pub key: KeySource,
    /// How an endpoint that joins or comes back gets its full share; `None` for at once.
    pub slow_start: Option<SlowStart>,
    /// Below this share of healthy endpoints a level uses all of them; `None` for never.
    pub panic: Option<Ratio>,
    /// Where this process stands; endpoints of its zone come first. `None` where zones do not matter.
    pub zone: Option<Zone>,
    /// How many endpoints of a large set are used; `None` for all.
    pub subset: Option<Subset>,
    /// How many attempts may be in flight to one endpoint; `None` for any number.
    pub max_in_flight: Option<u32>,
    /// When outliers are taken out of rotation; `None` for never.
    pub ejection: Option<EjectionConfig>,
    /// How endpoints are checked; `None` for not at all.
    pub health: Option<HealthCheck>,
    /// How traffic comes back after every endpoint was out; `None` for at once.
    pub recovery: Option<RecoveryConfig>,
    /// The header of answers by which endpoints tell their load; only for algorithms that go by cost.
    pub load_header: Option<HeaderName>,
}

/// Which endpoint is next.
#[derive(Clone, Debug)]
pub enum Algorithm {
    /// One after the other; by weight where weights differ.
    RoundRobin,
    /// One after the other by weight, as evenly spread as can be; for small sets.
    SmoothWeighted,
    /// Any, by weight where weights differ.
    Random,
    /// Any, by the user's own draw.
    RandomBy(Random),
    /// Whichever the user's function names.
    Custom(Custom),
    /// The one of some with the fewest attempts in flight.
    LeastRequest(LeastRequest),
    /// The one of a few that costs least.
    P2c {
        /// How many are compared.
        rule: P2c,
        /// What a cost is.
        model: LoadModel,
    },
    /// The one that says itself that it is idle and quick; where too few are known, as `P2c`.
    Prequal(PrequalProbing),
    /// By key, on a ring; with a bound on what one endpoint carries beyond its share.
    Ring(RingConfig, Option<Bounded>),
    /// By key, in a table of so many slots; with a bound as above.
    Maglev(u32, Option<Bounded>),
    /// By key, by the highest draw; for small sets.
    Rendezvous,
}

/// How endpoints are asked how busy they are.
#[derive(Clone, Debug, PartialEq)]
pub struct PrequalProbing {
    /// How many probes go out, and how long their answers are of use.
    pub rule: PrequalConfig,
    /// The path to GET.
    pub path: Arc<str>,
    /// How many probes may be under way at once.
    pub at_once: u32,
}

impl PrequalProbing {
    /// The defaults, with this path.
    #[must_use]
    pub fn new(path: Arc<str>) -> Self {
        Self { rule: PrequalConfig::default(), path, at_once: PROBES_AT_ONCE }
    }

    /// What is wrong with it, if anything.
    fn check(&self) -> Result<(), &'static str> {
        let PrequalConfig { pool, probes_per_call, removals_per_call, .. } = self.rule;
        let rates = 0.0..=MOST_PROBES_PER_CALL;
        if !(2..=MOST_PROBE_ANSWERS as usize).contains(&pool) {
            return Err("is not between 2 and 256");
        }
        if !(1..=MOST_PROBES_AT_ONCE).contains(&self.at_once) {
            return Err("is not between 1 and 1024");
        }
        if !rates.contains(&probes_per_call) || !rates.contains(&removals_per_call) {
            return Err("is not between 0 and 100");
        }
        // A pool that does not fill up is of no use.
        if probes_per_call <= removals_per_call {
            return Err("leaves no more probes for each call than removals");
        }
        Ok(())
    }
}

/// With answers within a millisecond, enough for twenty thousand calls in a second.
const PROBES_AT_ONCE: u32 = 64;

/// Each may be a connection.
pub(crate) const MOST_PROBES_AT_ONCE: u32 = 1024;

/// More would be compared by each call than it can gain by that.
pub(crate) const MOST_PROBE_ANSWERS: u32 = 256;

/// Far beyond any use: the probes would be the load.
pub(crate) const MOST_PROBES_PER_CALL: f64 = 100.0;

impl Algorithm {
    /// How probes are sent, where the algorithm lives on them.
    #[must_use]
    pub const fn probing(&self) -> Option<&PrequalProbing> {
        match self {
            Self::Prequal(probing) => Some(probing),
            _ => None,
        }
    }

    /// Whether picks go by a key.
    #[must_use]
    pub const fn is_keyed(&self) -> bool {
        matches!(self, Self::Ring(..) | Self::Maglev(..) | Self::Rendezvous)
    }

    /// Whether a function of the user's decides.
    #[must_use]
    pub const fn is_users(&self) -> bool {
        matches!(self, Self::RandomBy(_) | Self::Custom(_))
    }

    /// Whether a bound on what one endpoint carries needs to know what all do.
    #[must_use]
    pub const fn is_bounded(&self) -> bool {
        matches!(self, Self::Ring(_, Some(_)) | Self::Maglev(_, Some(_)))
    }

    /// Whether picks go by what an attempt would cost.
    #[must_use]
    pub const fn is_by_cost(&self) -> bool {
        matches!(self, Self::P2c { .. } | Self::Prequal(_))
    }

    /// What an endpoint's load is made of; `None` where picks do not look at it.
    #[must_use]
    pub fn load_model(&self) -> Option<LoadModel> {
        match self {
            Self::P2c { model, .. } => Some(*model),
            Self::Prequal(_) => Some(LoadModel::default()),
            Self::LeastRequest(_) => Some(LoadModel::LeastRequest),
            _ if self.is_bounded() => Some(LoadModel::LeastRequest),
            _ => None,
        }
    }
}

/// What a call's key is taken from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeySource {
    /// The request states it, or it is drawn.
    #[default]
    Request,
    /// A header of the request.
    Header(HeaderName),
    /// A cookie of the request.
    Cookie(String),
}

impl KeySource {
    /// A header of the request, by its name.
    ///
    /// # Errors
    /// It is no header name.
    pub fn header(name: &str) -> Result<Self, &'static str> {
        header_name(name).map(Self::Header).map_err(|_| "is not a header name")
    }

    /// A cookie of the request, by its name.
    ///
    /// # Errors
    /// It is no cookie name.
    pub fn cookie(name: &str) -> Result<Self, &'static str> {
        let odd = name.is_empty() || name.contains(['=', ';', ' ', ',']);
        if odd { Err("is not a cookie name") } else { Ok(Self::Cookie(name.to_owned())) }
    }
}

impl Subset {
    /// This client's part of a ring that all clients share.
    ///
    /// # Errors
    /// There are not so many clients.
    pub fn deterministic(
        size: NonZeroU32,
        client: u32,
        clients: NonZeroU32,
    ) -> Result<Self, &'static str> {
        match client < clients.get() {
            true => Ok(Self::Deterministic { size, client, clients }),
            false => Err("is not below clients"),
        }
    }
}

/// Where this process stands, and what is known of its like.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// The zone's name.
    pub own: Arc<str>,
    /// When zones are looked at.
    pub rule: ZoneConfig,
}

/// Which endpoints of a large set are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subset {
    /// So many, drawn by a number of this process that peers need not know.
    Rendezvous {
        /// How many healthy ones are wanted.
        size: NonZeroU32,
    },
    /// This client's part of a ring that all clients share evenly.
    Deterministic {
        /// How many endpoints each client wants.
        size: NonZeroU32,
        /// This client's number, from 0.
        client: u32,
        /// How many clients there are.
        clients: NonZeroU32,
    },
}

impl Zone {
    /// A zone by its name, looked at by the usual rule.
    ///
    /// # Errors
    /// It has no name.
    pub fn new(own: &str) -> Result<Self, &'static str> {
        match own {
            "" => Err("is empty"),
            own => Ok(Self { own: own.into(), rule: ZoneConfig::default() }),
        }
    }
}

/// How endpoints are checked.
#[derive(Clone, Debug)]
pub struct HealthCheck {
    /// The path to GET; `None` for a mere connect.
    pub path: Option<Arc<str>>,
    /// How long a check may take.
    pub timeout: Duration,
    /// How often, and what follows from it.
    pub rule: Arc<HealthConfig>,
}

impl Default for HealthCheck {
    /// A connect within a second: the least that can be asked of any endpoint.
    fn default() -> Self {
        Self { path: None, timeout: Duration::from_secs(1), rule: Arc::default() }
    }
}

impl BalancerConfig {
    /// The defaults of every rule beside the algorithm: nothing is on but the circuits.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            breaker: BreakerConfig::default(),
            key: KeySource::Request,
            slow_start: None,
            panic: None,
            zone: None,
            subset: None,
            max_in_flight: None,
            ejection: None,
            health: None,
            recovery: None,
            load_header: None,
        }
    }

    /// What an endpoint's load is made of, where it must be kept.
    #[must_use]
    pub fn load_model(&self) -> Option<LoadModel> {
        let counted = self.max_in_flight.map(|_| LoadModel::LeastRequest);
        self.algorithm.load_model().or(counted)
    }

    /// The profile `resilient`: what helps where endpoints fail in odd ways, at the price of some background
    /// work.
    pub fn make_resilient(&mut self) {
        self.slow_start.get_or_insert_default();
        self.panic.get_or_insert(Ratio::HALF);
        self.ejection.get_or_insert_default();
        self.health.get_or_insert_default();
    }

    /// Whether a rule follows each endpoint beyond its circuit and its load.
    #[must_use]
    pub const fn keeps_stats(&self) -> bool {
        self.slow_start.is_some() || self.load_header.is_some() || self.has_background()
    }

    /// Whether a rule works in the background.
    #[must_use]
    pub const fn has_background(&self) -> bool {
        self.ejection.is_some() || self.health.is_some() || self.subset.is_some()
    }

    /// Whether endpoints are told apart by zone: a key's endpoint is the same wherever it is asked for.
    #[must_use]
    pub const fn by_zone(&self) -> bool {
        self.zone.is_some() && !self.algorithm.is_keyed()
    }

    /// Compares this many endpoints, at most 8; `None` where that depends on their number.
    ///
    /// # Errors
    /// It does not compare costs, or not that many.
    pub fn set_choices(&mut self, choices: Option<u32>) -> Result<(), Misfit> {
        let Algorithm::P2c { rule, .. } = &mut self.algorithm else {
            return Err(Misfit::Balancer("is neither p2c nor peak EWMA"));
        };
        let Some(choices) = choices else {
            *rule = P2c::new();
            return Ok(());
        };
        let wanted = NonZeroUsize::new(choices as usize).filter(|it| it.get() <= 8);
        let wanted = wanted.ok_or_else(|| Misfit::Value("is not between 1 and 8".to_owned()))?;
        *rule = P2c::with_choices(wanted);
        Ok(())
    }

    /// Changes how endpoints are asked for their load.
    ///
    /// # Errors
    /// It does not ask them, or what comes of it is of no use.
    pub fn set_probing(&mut self, change: impl FnOnce(&mut PrequalProbing)) -> Result<(), Misfit> {
        let Algorithm::Prequal(probing) = &mut self.algorithm else {
            return Err(Misfit::Balancer("is not a prequal balancer"));
        };
        let mut wanted = probing.clone();
        change(&mut wanted);
        wanted.check().map_err(|problem| Misfit::Value(problem.to_owned()))?;
        *probing = wanted;
        Ok(())
    }

    /// Bounds the size of the ring.
    ///
    /// # Errors
    /// It has no ring, or the bounds cannot be kept.
    pub fn set_ring(&mut self, size: impl FnOnce(RingConfig) -> RingConfig) -> Result<(), Misfit> {
        let Algorithm::Ring(ring, _) = &mut self.algorithm else {
            return Err(Misfit::Balancer("is not a ring hash balancer"));
        };
        let wanted = size(*ring);
        wanted.check().map_err(|problem| Misfit::Value(problem.to_string()))?;
        *ring = wanted;
        Ok(())
    }

    /// Gives the table so many slots.
    ///
    /// # Errors
    /// It has no table, or cannot have so many.
    pub fn set_table_size(&mut self, slots: u32) -> Result<(), Misfit> {
        let Algorithm::Maglev(size, _) = &mut self.algorithm else {
            return Err(Misfit::Balancer("is not a maglev balancer"));
        };
        Maglev::check(slots).map_err(|problem| Misfit::Value(problem.to_string()))?;
        *size = slots;
        Ok(())
    }

    /// Bounds what an endpoint carries, in shares; `None` for no bound.
    ///
    /// # Errors
    /// It does not go by a ring or a table, or the bound is below a share.
    pub fn set_bounded_load(&mut self, factor: Option<f64>) -> Result<(), Misfit> {
        let checked = |factor| {
            let problem = || Misfit::Value("is below 1 or not finite".to_owned());
            Bounded::new(factor).ok_or_else(problem)
        };
        let wanted = factor.map(checked).transpose()?;
        let (Algorithm::Ring(_, bound) | Algorithm::Maglev(_, bound)) = &mut self.algorithm else {
            return Err(Misfit::Balancer("is neither ring hash nor maglev"));
        };
        *bound = wanted;
        Ok(())
    }

    /// Takes a call's key from `source`, where its request states none.
    ///
    /// # Errors
    /// It does not go by key.
    pub fn set_key(&mut self, source: KeySource) -> Result<(), Misfit> {
        if !self.algorithm.is_keyed() {
            return Err(Misfit::Balancer("does not go by key"));
        }
        self.key = source;
        Ok(())
    }

    /// Lets endpoints tell their load in the header of this name; `None` for not.
    ///
    /// # Errors
    /// It does not go by cost.
    pub fn set_load_header(&mut self, name: Option<HeaderName>) -> Result<(), Misfit> {
        if !self.algorithm.is_by_cost() {
            return Err(Misfit::Balancer("does not go by cost"));
        }
        self.load_header = name;
        Ok(())
    }

    /// Checks what no setter can see alone.
    ///
    /// # Errors
    /// Names every setting that does not go with the others.
    pub fn check(&self) -> Result<(), Error> {
        let keyless = self.key != KeySource::Request && !self.algorithm.is_keyed();
        all_hold(&[
            (keyless, ("balancer", "goes by no key, so it needs no source for one")),
            (
                self.breaker.open_base > self.breaker.open_max,
                ("breaker_open_max", "is below breaker_open_base"),
            ),
        ])
    }
}

/// Why a setting was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It is not for this balancer.
    Balancer(&'static str),
    /// It cannot be had.
    Value(String),
}
