//! The configuration of a balancer.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use super::algorithm::{Algorithm, PrequalProbing};
use super::all_hold;
use crate::error::Error;
use crate::policy::balance::{Bounded, Maglev, RingConfig};
use crate::policy::{
    BreakerConfig, EjectionConfig, HealthConfig, LoadModel, P2c, Ratio, RecoveryConfig, SlowStart,
    ZoneConfig,
};
use crate::request::header_name;

/// The configuration of a balancer.
#[derive(Clone, Debug)]
pub struct BalancerConfig {
    /// The algorithm that picks endpoints.
    pub algorithm: Algorithm,
    /// The rules of the endpoints' circuits.
    pub breaker: BreakerConfig,
    /// The source of a call's key where its request has none; only for algorithms that go by key.
    pub key: KeySource,
    /// How an endpoint that joins or comes back grows to its full share; `None` for at once.
    pub slow_start: Option<SlowStart>,
    /// The share of available endpoints below which a priority level uses all of them; `None` for never.
    pub panic: Option<Ratio>,
    /// The zone of this process, whose endpoints come first; `None` where zones do not matter.
    pub zone: Option<Zone>,
    /// How many endpoints of a large set are used; `None` for all.
    pub subset: Option<Subset>,
    /// How many attempts may be in flight to one endpoint; `None` for any number.
    pub max_in_flight: Option<u32>,
    /// How many endpoints statistics show one by one, the busiest; the others are shown as one.
    pub metrics_endpoints: usize,
    /// Outlier detection; `None` for off.
    pub ejection: Option<EjectionConfig>,
    /// Health checks; `None` for off.
    pub health: Option<HealthCheck>,
    /// How traffic comes back after every endpoint was out; `None` for at once.
    pub recovery: Option<RecoveryConfig>,
    /// The header of answers in which endpoints report their load; only for algorithms that go by cost.
    pub load_header: Option<HeaderName>,
}

/// The source of a call's key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeySource {
    /// The request has it; without one the endpoint is drawn.
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
    /// `client` is not below `clients`.
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

/// The zone of this process.
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
    /// A number of endpoints, drawn by a random number of this process.
    Rendezvous {
        /// How many healthy endpoints are used.
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

impl Subset {
    /// How many healthy endpoints of each priority are wanted.
    pub(crate) const fn size(self) -> u32 {
        match self {
            Self::Rendezvous { size } | Self::Deterministic { size, .. } => size.get(),
        }
    }
}

impl Zone {
    /// A zone by its name, looked at by the usual rule.
    ///
    /// # Errors
    /// It has no name.
    pub fn new(own: &str) -> Result<Self, &'static str> {
        match own {
            "" => Err("is empty"),
            own if own.trim() != own => Err("has blanks around it"),
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
    /// A connect within 1 s: the least that any endpoint must be able to do.
    fn default() -> Self {
        Self { path: None, timeout: Duration::from_secs(1), rule: Arc::default() }
    }
}

impl BalancerConfig {
    /// The defaults of every rule beside the algorithm: only circuit breakers are on.
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
            // More than most services have; 160 bytes and 21 lines of text for each.
            metrics_endpoints: 100,
            ejection: None,
            health: None,
            recovery: None,
            load_header: None,
        }
    }

    /// The recommended balancer with its defaults.
    #[must_use]
    pub fn recommended() -> Self {
        Self::new(Algorithm::p2c())
    }

    /// How an endpoint's load is computed, where it must be kept.
    #[must_use]
    pub fn load_model(&self) -> Option<LoadModel> {
        let counted = self.max_in_flight.map(|_| LoadModel::LeastRequest);
        self.algorithm.load_model().or(counted)
    }

    /// The profile `resilient`: what helps where endpoints fail in odd ways, at the price of some background
    /// work. No panic threshold: with two of three that answer 503, it sends most calls to those two.
    pub fn make_resilient(&mut self) {
        self.slow_start.get_or_insert_default();
        self.ejection.get_or_insert_default();
        self.health.get_or_insert_default();
    }

    /// Whether a rule follows each endpoint beyond its circuit and its load.
    #[must_use]
    pub const fn keeps_stats(&self) -> bool {
        self.slow_start.is_some() || self.load_header.is_some() || self.has_background()
    }

    /// Whether an endpoint in rotation is taken whatever else there is to know of it.
    #[must_use]
    pub const fn takes_any_in_rotation(&self) -> bool {
        self.slow_start.is_none() && self.max_in_flight.is_none()
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
    pub fn set_choices(&mut self, choices: Option<u32>) -> Result<(), SettingError> {
        let Algorithm::P2c { rule, .. } = &mut self.algorithm else {
            return Err(SettingError::Balancer("is neither p2c nor peak EWMA"));
        };
        let Some(choices) = choices else {
            *rule = P2c::new();
            return Ok(());
        };
        let wanted = NonZeroUsize::new(choices as usize).filter(|it| it.get() <= 8);
        let wanted =
            wanted.ok_or_else(|| SettingError::Value("is not between 1 and 8".to_owned()))?;
        *rule = P2c::with_choices(wanted);
        Ok(())
    }

    /// Changes how endpoints are asked for their load.
    ///
    /// # Errors
    /// It is no prequal balancer, or the values are out of range or do not go together.
    pub fn set_probing(
        &mut self,
        change: impl FnOnce(&mut PrequalProbing),
    ) -> Result<(), SettingError> {
        let Algorithm::Prequal(probing) = &mut self.algorithm else {
            return Err(SettingError::Balancer("is not a prequal balancer"));
        };
        let mut wanted = probing.clone();
        change(&mut wanted);
        wanted.check().map_err(|problem| SettingError::Value(problem.to_owned()))?;
        *probing = wanted;
        Ok(())
    }

    /// Bounds the size of the ring.
    ///
    /// # Errors
    /// It has no ring, or the bounds cannot be kept.
    pub fn set_ring(
        &mut self,
        size: impl FnOnce(RingConfig) -> RingConfig,
    ) -> Result<(), SettingError> {
        let Algorithm::Ring(ring, _) = &mut self.algorithm else {
            return Err(SettingError::Balancer("is not a ring hash balancer"));
        };
        let wanted = size(*ring);
        wanted.check().map_err(|problem| SettingError::Value(problem.to_string()))?;
        *ring = wanted;
        Ok(())
    }

    /// Sets the number of slots of the table.
    ///
    /// # Errors
    /// It has no table, or the number is not prime or too large.
    pub fn set_table_size(&mut self, slots: u32) -> Result<(), SettingError> {
        let Algorithm::Maglev(size, _) = &mut self.algorithm else {
            return Err(SettingError::Balancer("is not a maglev balancer"));
        };
        Maglev::check(slots).map_err(|problem| SettingError::Value(problem.to_string()))?;
        *size = slots;
        Ok(())
    }

    /// Bounds the attempts in flight at an endpoint to a multiple of its share; `None` for no bound.
    ///
    /// # Errors
    /// It is neither ring hash nor maglev, or the bound is below 1.
    pub fn set_bounded_load(&mut self, factor: Option<f64>) -> Result<(), SettingError> {
        let checked = |factor| {
            let problem = || SettingError::Value("is below 1 or not finite".to_owned());
            Bounded::new(factor).ok_or_else(problem)
        };
        let wanted = factor.map(checked).transpose()?;
        let (Algorithm::Ring(_, bound) | Algorithm::Maglev(_, bound)) = &mut self.algorithm else {
            return Err(SettingError::Balancer("is neither ring hash nor maglev"));
        };
        *bound = wanted;
        Ok(())
    }

    /// Takes a call's key from `source`, where its request states none.
    ///
    /// # Errors
    /// It does not go by key.
    pub fn set_key(&mut self, source: KeySource) -> Result<(), SettingError> {
        if !self.algorithm.is_keyed() {
            return Err(SettingError::Balancer("does not go by key"));
        }
        self.key = source;
        Ok(())
    }

    /// Lets endpoints report their load in the header of this name; `None` for not.
    ///
    /// # Errors
    /// It does not go by cost.
    pub fn set_load_header(&mut self, name: Option<HeaderName>) -> Result<(), SettingError> {
        if !self.algorithm.is_by_cost() {
            return Err(SettingError::Balancer("does not go by cost"));
        }
        self.load_header = name;
        Ok(())
    }

    /// Checks that the settings go together, which no setter can do alone.
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
            (
                self.ejection.is_some_and(|rule| rule.base > rule.max),
                ("outlier_ejection_max", "is below outlier_ejection_base"),
            ),
        ])
    }
}

/// Why a setting was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingError {
    /// The balancer has no such setting.
    Balancer(&'static str),
    /// The value is out of range.
    Value(String),
}
