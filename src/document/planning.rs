//! From what a text says to the client that it makes, or to what a client that is there is to become.

use std::sync::Arc;

use super::balancer;
use super::reading::{Document, RouteSpec};
use crate::client::{Balancer, NextRoute, Plan, Route};
use crate::config::{BalancerConfig, ClientConfig};
use crate::discovery::{Origin, Supply};

impl Document {
    /// A new client's settings, and its route.
    #[must_use]
    pub fn into_client(self) -> (ClientConfig, Route) {
        let supply = match self.route_spec {
            RouteSpec::Unstated => return (self.client, Route::Absolute),
            RouteSpec::Base(route) => return (self.client, route),
            RouteSpec::Hosts(hosts) => Supply::listed(hosts),
            RouteSpec::Provider(supply) => supply,
        };
        let config = self.balancer.unwrap_or_else(BalancerConfig::recommended);
        (self.client, Route::Balanced(Arc::new(Balancer::new(supply, config))))
    }

    /// What a client is to become whose requests go by `present`. What stays the same is kept, so that nothing of it is
    /// made anew.
    #[must_use]
    pub fn into_plan(self, present: &Route) -> Plan {
        let route = match (self.route_spec, self.balancer) {
            (RouteSpec::Unstated, None) => NextRoute::Kept,
            (RouteSpec::Unstated, Some(config)) => balanced(None, config, present),
            (RouteSpec::Base(route), _) if is_same(&route, present) => NextRoute::Kept,
            (RouteSpec::Base(route), _) => NextRoute::Other(route),
            (RouteSpec::Hosts(hosts), config) => supplied(Supply::listed(hosts), config, present),
            (RouteSpec::Provider(supply), config) => supplied(supply, config, present),
        };
        Plan { config: self.client, route }
    }
}

fn supplied(supply: Supply, config: Option<BalancerConfig>, present: &Route) -> NextRoute {
    balanced(Some(supply), config.unwrap_or_else(BalancerConfig::recommended), present)
}

fn balanced(supply: Option<Supply>, config: BalancerConfig, present: &Route) -> NextRoute {
    let Route::Balanced(before) = present else {
        return NextRoute::Balanced(supply, Box::new(config));
    };
    let known = before.supply().origin();
    let supply = supply.filter(|it| known == Origin::Host || it.origin() != known);
    let same = balancer::write(&config) == balancer::write(before.config());
    match supply {
        None if same => NextRoute::Kept,
        supply => NextRoute::Balanced(supply, Box::new(config)),
    }
}

/// Whether both go to one base URL.
fn is_same(one: &Route, other: &Route) -> bool {
    match (one, other) {
        (
            Route::Base { endpoint, path },
            Route::Base { endpoint: other_endpoint, path: other_path },
        ) => endpoint.identity() == other_endpoint.identity() && path == other_path,
        _ => false,
    }
}
