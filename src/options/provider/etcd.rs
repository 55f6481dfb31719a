//! Which keys of etcd are wanted.

use crate::discovery::ProviderConfig;
use crate::options::form::Form;
use crate::options::setting::Setting;
use crate::options::value::{OFF, Value};

pub(super) const SETTINGS: &[Setting<ProviderConfig>] = &[Setting::new(
    "etcd_prefix",
    Form::Text("the beginning of keys"),
)
.or(&[OFF])
.purpose("What the wanted keys begin with, as it is, in place of the path: for keys without a slash in front")
.cost("A service has the keys of one whose name is longer, too, unless a slash ends it.")
.by_text()
.field(
    |config| Some(Value::or_off(config.etcd.prefix.clone())),
    |config, value| {
        config.etcd.prefix = value.unless_off(Value::text)?;
        Ok(())
    },
)];
