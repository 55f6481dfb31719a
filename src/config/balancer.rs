//! What a balancer is told.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use crate::error::Error;
use crate::policy::balance::{Bounded, RingConfig};
use crate::policy::{
    BreakerConfig, Custom, EjectionConfig, HealthConfig, LeastRequest, LoadModel, P2c, Random,
    Ratio, RecoveryConfig, SlowStart, ZoneConfig,
};

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
    /// By key, on a ring; with a bound on what one endpoint carries beyond its share.
    Ring(RingConfig, Option<Bounded>),
    /// By key, in a table of so many slots; with a bound as above.
    Maglev(u32, Option<Bounded>),
    /// By key, by the highest draw; for small sets.
    Rendezvous,
}

impl Algorithm {
    /// Whether picks go by a key.
    #[must_use]
    pub const fn is_keyed(&self) -> bool {
        matches!(self, Self::Ring(..) | Self::Maglev(..) | Self::Rendezvous)
    }

    /// Whether a bound on what one endpoint carries needs to know what all do.
    #[must_use]
    pub const fn is_bounded(&self) -> bool {
        matches!(self, Self::Ring(_, Some(_)) | Self::Maglev(_, Some(_)))
    }

    /// What an endpoint's load is made of; `None` where picks do not look at it.
    #[must_use]
    pub const fn load_model(&self) -> Option<LoadModel> {
        match self {
            Self::P2c { model, .. } => Some(*model),
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
        }
    }

    /// What an endpoint's load is made of, where it must be kept.
    #[must_use]
    pub fn load_model(&self) -> Option<LoadModel> {
        let counted = self.max_in_flight.map(|_| LoadModel::LeastRequest);
        self.algorithm.load_model().or(counted)
    }

    /// Whether a rule follows each endpoint beyond its circuit and its load.
    #[must_use]
    pub const fn tracks(&self) -> bool {
        self.slow_start.is_some() || self.has_rounds()
    }

    /// Whether a rule works in the background.
    #[must_use]
    pub const fn has_rounds(&self) -> bool {
        self.ejection.is_some() || self.health.is_some() || self.subset.is_some()
    }

    /// Whether endpoints are told apart by zone: a key's endpoint is the same wherever it is asked for.
    #[must_use]
    pub const fn by_zone(&self) -> bool {
        self.zone.is_some() && !self.algorithm.is_keyed()
    }

    /// Checks what no setter can see alone.
    ///
    /// # Errors
    /// Names the setting that does not go with the others.
    pub fn check(&self) -> Result<(), Error> {
        if self.key != KeySource::Request && !self.algorithm.is_keyed() {
            return Err(Error::invalid(
                "balancer",
                "goes by no key, so it needs no source for one",
            ));
        }
        Ok(())
    }
}
