//! How a session with ZooKeeper is kept.

use std::time::Duration;

use crate::discovery::ProviderConfig;
use crate::options::form::Form;
use crate::options::setting::Setting;
use crate::options::value::Value;

pub(super) const SETTINGS: &[Setting<ProviderConfig>] = &[Setting::new(
    "zookeeper_session_timeout",
    Form::Duration(Duration::from_millis(100), Duration::from_secs(3600)),
)
.purpose("After how much silence a session with ZooKeeper is given up; a ping goes out each third of it. The server may hold it to limits of its own")
.cost("A server that stops is noticed later, after two thirds of it; lowering it means more pings.")
.by_text()
.field(
    |config| Some(Value::Duration(config.zookeeper.session_timeout)),
    |config, value| {
        config.zookeeper.session_timeout = value.duration()?;
        Ok(())
    },
)];
