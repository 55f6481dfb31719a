//! Which instances of a service in Consul are wanted.

use crate::discovery::ProviderConfig;
use crate::options::form::Form;
use crate::options::setting::Setting;
use crate::options::value::{OFF, Value};

pub(super) const SETTINGS: &[Setting<ProviderConfig>] = &[
    Setting::new("consul_datacenter", Form::Text("a name"))
        .or(&[OFF])
        .purpose("The datacenter whose instances are wanted instead of the agent's own")
        .cost("Nothing.")
        .by_text()
        .field(
            |config| Some(Value::or_off(config.consul.datacenter.clone())),
            |config, value| {
                config.consul.datacenter = value.unless_off(Value::text)?;
                Ok(())
            },
        ),
    Setting::new("consul_passing", Form::Flag)
        .purpose("Whether instances whose checks warn are left out, as those are that are critical")
        .cost("One check that warns takes an instance away.")
        .by_text()
        .field(
            |config| Some(Value::Flag(config.consul.passing)),
            |config, value| {
                config.consul.passing = value.flag()?;
                Ok(())
            },
        ),
    Setting::new("consul_tag", Form::Text("a tag"))
        .or(&[OFF])
        .purpose("The tag that the wanted instances have")
        .cost("Nothing.")
        .by_text()
        .field(
            |config| Some(Value::or_off(config.consul.tag.clone())),
            |config, value| {
                config.consul.tag = value.unless_off(Value::text)?;
                Ok(())
            },
        ),
];
