//! What is believed of a source of endpoints, and for how long.

use std::time::Duration;

/// What is believed of a source of endpoints, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreshnessConfig {
    /// For how long the last list serves while its source is silent or fails; [`Duration::MAX`] for ever, which is the
    /// default: old endpoints whose circuits tell which of them are well are better than none.
    pub max_stale: Duration,
    /// For how long an empty answer must stand before it applies; default 30 s. Registries that lost their data, or
    /// whose health checks all fail at once, answer so, and to obey would turn their fault into an outage.
    pub empty_hold: Duration,
    /// The least time between two lists that apply; default 50 ms. A roll-out of 200 endpoints is one change, and an
    /// endpoint that left is out within 100 ms all the same.
    pub coalesce: Duration,
}

impl Default for FreshnessConfig {
    fn default() -> Self {
        Self {
            max_stale: Duration::MAX,
            empty_hold: Duration::from_secs(30),
            coalesce: Duration::from_millis(50),
        }
    }
}
