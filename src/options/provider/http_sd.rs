//! How a document is asked for over HTTP.

use std::time::Duration;

use crate::discovery::ProviderConfig;
use crate::options::form::Form;
use crate::options::setting::Setting;
use crate::options::value::Value;

pub(super) const SETTINGS: &[Setting<ProviderConfig>] = &[Setting::new(
    "refresh",
    Form::Duration(Duration::from_millis(100), Duration::from_secs(3600)),
)
.purpose("How often the document is asked for")
.cost("A change is seen that much later.")
.by_text()
.field(
    |config| Some(Value::Duration(config.http_sd.refresh)),
    |config, value| {
        config.http_sd.refresh = value.duration()?;
        Ok(())
    },
)];
