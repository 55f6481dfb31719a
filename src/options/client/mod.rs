//! The settings of a client.

mod admission;
mod calls;
mod certificates;
mod connections;
mod faults;
mod propagation;
mod sockets;

use std::sync::Arc;

use super::retry::RETRY;
use super::table::Table;
use crate::config::ClientConfig;
use crate::runtime::racy_lazy::RacyLazy;

/// The settings of a client, with those of its retry rules.
pub static CLIENT: RacyLazy<Table<ClientConfig>> = RacyLazy::new(|| {
    let own = [
        calls::SETTINGS,
        connections::SETTINGS,
        certificates::SETTINGS,
        sockets::SETTINGS,
        admission::SETTINGS,
        propagation::SETTINGS,
        faults::SETTINGS,
    ];
    Table::new("ahoy_client_builder_", ClientConfig::default, &own).with_part(
        "retry_",
        &RETRY,
        |config| &config.retry,
        |config| Arc::make_mut(&mut config.retry),
    )
});

pub(crate) use admission::adaptive_limit_text;
pub(crate) use faults::fault_delay_text;
