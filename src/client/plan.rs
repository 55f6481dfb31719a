//! What a client is to become.

use std::sync::Arc;

use super::route::Route;
use crate::balancer::balancer::Balancer;
use crate::config::{BalancerConfig, ClientConfig};
use crate::discovery::Supply;
use crate::error::{Error, ErrorKind};

/// A client's next configuration.
pub struct Plan {
    /// Its own settings.
    pub config: ClientConfig,
    /// Where its requests go.
    pub route: NextRoute,
}

/// Where a client's requests go next.
pub enum NextRoute {
    /// Where they went before.
    Kept,
    /// To the endpoints of a balancer with these settings, and this supply of endpoints: without one that
    /// of the present balancer.
    Balanced(Option<Supply>, Box<BalancerConfig>),
    /// To no balancer.
    Other(Route),
}

impl NextRoute {
    /// Whether it has a balancer, after `before`.
    pub(super) fn is_balanced(&self, before: &Route) -> bool {
        match self {
            Self::Kept => before.balancer().is_some(),
            Self::Balanced(..) => true,
            Self::Other(_) => false,
        }
    }

    /// The route itself. A balancer that is there is taken over from, unless something else holds it too.
    ///
    /// # Errors
    /// The present balancer is not this client's alone, or the provider failed; nothing was done.
    pub(super) fn make(self, before: &Route) -> Result<Route, Error> {
        match (self, before) {
            (Self::Kept, before) => Ok(before.clone()),
            (Self::Other(route), _) => Ok(route),
            (Self::Balanced(supply, config), Route::Balanced(balancer)) => {
                if balancer.holder_count() > 1 {
                    return Err(in_use());
                }
                let next = balancer.reconfigured(supply, *config)?;
                Ok(Route::Balanced(Arc::new(next)))
            }
            (Self::Balanced(Some(supply), config), _) => {
                Ok(Route::Balanced(Arc::new(Balancer::new(supply, *config))))
            }
            (Self::Balanced(None, _), _) => Err(Error::invalid("balancer", "has no hosts")),
        }
    }
}

fn in_use() -> Error {
    let message = "balancer: another client, a builder or the balancer's own handle has it as well, so it cannot be \
                   changed for this client alone";
    Error::new(ErrorKind::InUse, message)
}
