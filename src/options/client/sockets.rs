//! How the sockets of a client are made.

use std::time::Duration;

use crate::config::ClientConfig;
use crate::options::form::Form;
use crate::options::setting::Setting;
use crate::options::value::{OFF, Problem, Value};

pub(super) const SETTINGS: &[Setting<ClientConfig>] = &[
    Setting::new("local_address", Form::Text("an IP address of this host"))
        .or(&[OFF])
        .purpose("The address that connections come from; endpoints of the other family are then not reached")
        .cost("A port of that address for each connection.")
        .setter("set_local_address")
        .field(
            |config| Some(Value::or_off(config.sockets.local_address.map(|ip| ip.to_string()))),
            |config, value| {
                let text = value.unless_off(Value::text)?;
                let parse = |text: String| {
                    text.parse().map_err(|_| Problem::from(format!("{text} is no ip address")))
                };
                config.sockets.local_address = text.map(parse).transpose()?;
                Ok(())
            },
        ),
    Setting::new("interface", Form::Text("the name of a network interface"))
        .or(&[OFF])
        .purpose("The network interface that connections leave by; only on Linux")
        .cost("Nothing.")
        .setter("set_interface")
        .field(
            |config| Some(Value::or_off(config.sockets.interface.clone())),
            |config, value| {
                let name = value.unless_off(Value::text)?;
                // IFNAMSIZ is 16, with the NUL.
                if name.as_ref().is_some_and(|name| name.is_empty() || name.len() > 15) {
                    return Err("has not 1 to 15 bytes".to_owned().into());
                }
                config.sockets.interface = name;
                Ok(())
            },
        ),
    Setting::new("tcp_keepalive", SECONDS)
        .or(&[OFF])
        .purpose("After how long without traffic the system asks whether a peer is there, and how often then")
        .cost("A packet for each idle connection each time.")
        .setter("set_tcp_keepalive_ms")
        .field(
            |config| Some(Value::or_off(config.sockets.keepalive)),
            |config, value| {
                config.sockets.keepalive = value.unless_off(Value::duration)?;
                Ok(())
            },
        ),
    Setting::new("tcp_user_timeout", SECONDS)
        .or(&[OFF])
        .purpose("How long sent bytes may stay unacknowledged before the system gives a connection up; only on Linux")
        .cost("A path that is silent for longer loses its connections.")
        .setter("set_tcp_user_timeout_ms")
        .field(
            |config| Some(Value::or_off(config.sockets.user_timeout)),
            |config, value| {
                config.sockets.user_timeout = value.unless_off(Value::duration)?;
                Ok(())
            },
        ),
    Setting::new("resolve", Form::Text("name:port:address entries, separated by spaces"))
        .or(&[OFF])
        .purpose("Addresses of names and ports that no name service is asked for, as curl's --resolve: name:port:address,address; not with a proxy")
        .cost("The addresses stay as they are stated.")
        .setter("set_resolve")
        .field(
            |config| {
                let overrides = &config.sockets.overrides;
                Some(Value::or_off((!overrides.is_empty()).then(|| overrides.to_string())))
            },
            |config, value| {
                let text = value.unless_off(Value::text)?;
                config.sockets.overrides = text.unwrap_or_default().parse()?;
                Ok(())
            },
        ),
];

/// The system takes whole seconds, and at most as many as fit into 15 bits.
const SECONDS: Form = Form::Duration(Duration::from_secs(1), Duration::from_secs(32_767));
