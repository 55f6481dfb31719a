//! What is taken of the entries of a registry that holds keys and values.

use crate::discovery::ProviderConfig;
use crate::discovery::config::{EntryForm, EntryPlace};
use crate::options::form::Form;
use crate::options::setting::Setting;
use crate::options::value::{OFF, Value};

const FORM: [&str; 5] = ["auto", "json", "text", "curator", "serverset"];
const PLACE: [&str; 2] = ["value", "key"];

pub(super) const SETTINGS: &[Setting<ProviderConfig>] = &[
    Setting::new("entry", Form::Choice(&FORM))
        .purpose(
            "How the values are written: the library's own JSON, host:port as text, Apache Curator's JSON, \
             Finagle's ServerSet, or told by what stands in them",
        )
        .cost("Nothing.")
        .by_text()
        .field(
            |config| Some(Value::Word(FORM[config.entry.form as usize])),
            |config, value| {
                config.entry.form = match value.word()? {
                    "json" => EntryForm::Json,
                    "text" => EntryForm::Text,
                    "curator" => EntryForm::Curator,
                    "serverset" => EntryForm::ServerSet,
                    _ => EntryForm::Auto,
                };
                Ok(())
            },
        ),
    Setting::new("entry_endpoint", Form::Text("a name"))
        .or(&[OFF])
        .purpose("The additional endpoint of a ServerSet that is taken instead of its own")
        .cost("Members without it are left out.")
        .by_text()
        .field(
            |config| Some(Value::or_off(config.entry.endpoint.clone())),
            |config, value| {
                config.entry.endpoint = value.unless_off(Value::text)?;
                Ok(())
            },
        ),
    Setting::new("entry_from", Form::Choice(&PLACE))
        .purpose("Where an endpoint stands: in the value, or in the last part of the key as host:port")
        .cost("Nothing.")
        .by_text()
        .field(
            |config| Some(Value::Word(PLACE[config.entry.place as usize])),
            |config, value| {
                config.entry.place = match value.word()? {
                    "key" => EntryPlace::Key,
                    _ => EntryPlace::Value,
                };
                Ok(())
            },
        ),
];
