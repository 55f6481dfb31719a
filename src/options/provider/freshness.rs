//! When a list applies, and for how long.

use std::path::PathBuf;

use crate::discovery::{Callbacks, ProviderConfig};
use crate::options::form::{Form, WAIT};
use crate::options::setting::Setting;
use crate::options::value::{OFF, Value};

/// The choices of `callbacks`.
const CALLBACKS: [&str; 3] = ["any", "thread", "caller"];

pub(super) const SETTINGS: &[Setting<ProviderConfig>] = &[
    Setting::new("empty_hold", WAIT)
        .purpose("How long an empty answer must stand before it applies")
        .cost("Endpoints that are gone are tried for that long.")
        .by_text()
        .field(
            |config| Some(Value::Duration(config.freshness.empty_hold)),
            |config, value| {
                config.freshness.empty_hold = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("max_stale", WAIT)
        .purpose("How long the last list serves while its source is silent or fails")
        .cost(
            "Endpoints that are gone are tried for that long. Below `refresh` or `silence`, a list goes although its source is \
             well, until that says that nothing changed.",
        )
        .by_text()
        .field(
            |config| Some(Value::Duration(config.freshness.max_stale)),
            |config, value| {
                config.freshness.max_stale = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("coalesce", WAIT)
        .purpose("The least time between two lists that apply")
        .cost("A change is seen that much later while there are many.")
        .by_text()
        .field(
            |config| Some(Value::Duration(config.freshness.coalesce)),
            |config, value| {
                config.freshness.coalesce = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("snapshot", Form::Text("a path"))
        .or(&[OFF])
        .purpose("The file that keeps the last list, for a start while the registry is down; readable by its owner only")
        .cost("A file written when the list changes, at most once a second, and where it does not in each tenth of `max_stale`, at least once an hour.")
        .by_text()
        .field(
            |config| Some(Value::or_off(config.snapshot.as_ref().map(|path| path.display().to_string()))),
            |config, value| {
                config.snapshot = value.unless_off(Value::text)?.map(PathBuf::from);
                Ok(())
            },
        ),
    Setting::new("callbacks", Form::Choice(&CALLBACKS))
        .purpose("Where a function of the host runs that tells the list: any is the thread of a blocking call, and for other calls a thread of its own; thread is always that one, so that a blocking call keeps its limit too; caller is only inside library calls that the host makes itself")
        .cost("With caller, a call that was started finds a new list only when the host calls the library.")
        .by_text()
        .field(
            |config| {
                Some(Value::Word(match config.callbacks {
                    Callbacks::Any => CALLBACKS[0],
                    Callbacks::Thread => CALLBACKS[1],
                    Callbacks::Caller => CALLBACKS[2],
                }))
            },
            |config, value| {
                config.callbacks = match value.word()? {
                    "thread" => Callbacks::Thread,
                    "caller" => Callbacks::Caller,
                    _ => Callbacks::Any,
                };
                Ok(())
            },
        ),
];
