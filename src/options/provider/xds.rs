//! The name by which a client asks an xDS control plane.

use crate::discovery::ProviderConfig;
use crate::options::form::Form;
use crate::options::setting::Setting;
use crate::options::value::{OFF, Value};

pub(super) const SETTINGS: &[Setting<ProviderConfig>] = &[
    Setting::new("xds_node_cluster", Form::Text("a name"))
        .or(&[OFF])
        .purpose("The cluster that this process says it belongs to, for control planes that answer by it")
        .cost("Nothing.")
        .by_text()
        .field(
            |config| Some(Value::or_off(config.xds.node_cluster.clone())),
            |config, value| {
                config.xds.node_cluster = value.unless_off(Value::text)?;
                Ok(())
            },
        ),
    Setting::new("xds_node_id", Form::Text("a name"))
        .or(&[OFF])
        .purpose("The node that this process says it is, for control planes that answer by it")
        .cost("Nothing.")
        .by_text()
        .field(
            |config| Some(Value::or_off(config.xds.node_id.clone())),
            |config, value| {
                config.xds.node_id = value.unless_off(Value::text)?;
                Ok(())
            },
        ),
];
