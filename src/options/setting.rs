//! One setting of one kind of configuration.

use super::form::{Form, listed};
use super::value::{Problem, SetResult, Value};

/// One setting of a `C`.
pub struct Setting<C> {
    /// Its name in text, such as `attempt_timeout`.
    pub key: &'static str,
    /// The form and range of its value.
    pub form: Form,
    /// Words that it takes as well, such as `off`.
    pub words: &'static [&'static str],
    /// What it is for.
    pub purpose: &'static str,
    /// What it costs to raise it, or to switch it on.
    pub cost: &'static str,
    /// The function of C that sets it.
    pub setter: Setter,
    /// A configuration with the defaults in which the setting is in effect, where that is not so in every one.
    pub within: Option<fn() -> C>,
    /// The feature of cargo without which it stays at its default, where the library was built so.
    missing: Option<&'static str>,
    pub(super) read: fn(&C) -> Option<Value>,
    pub(super) write: fn(&mut C, Value) -> SetResult,
}

/// The function of C that sets a setting, without the prefix of its handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setter {
    /// Its name agrees with the key: `set_`, a stem with which the key begins, and perhaps a unit.
    Of(&'static str),
    /// Its name does not, for this reason.
    Other(&'static str, &'static str),
}

impl Setter {
    /// The function's name without the prefix of its handle.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Of(name) | Self::Other(name, _) => name,
        }
    }

    /// What a key must begin with: the name without `set_` and unit.
    #[must_use]
    pub fn stem(self) -> &'static str {
        let name = self.name();
        let stem = name.strip_prefix("set_").unwrap_or(name);
        let unit = ["_ms", "_bytes"].iter().find_map(|unit| stem.strip_suffix(unit));
        unit.unwrap_or(stem)
    }
}

impl<C> Setting<C> {
    /// A row that is still to be told what it is for, what sets it and which field it sets.
    pub(super) const fn new(key: &'static str, form: Form) -> Self {
        Self {
            key,
            form,
            words: &[],
            purpose: "",
            cost: "",
            setter: Setter::Of(""),
            within: None,
            missing: None,
            read: |_| None,
            write: |_, _| Err(Problem::Value(String::new())),
        }
    }

    /// Takes these words beside its form.
    pub(super) const fn or(self, words: &'static [&'static str]) -> Self {
        Self { words, ..self }
    }

    /// What it is for.
    pub(super) const fn purpose(self, purpose: &'static str) -> Self {
        Self { purpose, ..self }
    }

    /// What raising it, or switching it on, costs.
    pub(super) const fn cost(self, cost: &'static str) -> Self {
        Self { cost, ..self }
    }

    /// The function of C, without the prefix of its handle.
    pub(super) const fn setter(self, name: &'static str) -> Self {
        Self { setter: Setter::Of(name), ..self }
    }

    /// A function of C whose name has not the key's stem, and why.
    pub(super) const fn other_setter(self, name: &'static str, why: &'static str) -> Self {
        Self { setter: Setter::Other(name, why), ..self }
    }

    /// Set by name and text alone, as all settings of providers are: a source needs no function of C for each of its own.
    pub(super) const fn by_text(self) -> Self {
        self.other_setter("set", "the settings of providers are set by name alone")
    }

    /// A configuration in which it is in effect.
    pub(super) const fn within(self, within: fn() -> C) -> Self {
        Self { within: Some(within), ..self }
    }

    /// Stays at its default unless the library was built with the feature `name`.
    pub(super) const fn needs(self, name: &'static str, built_in: bool) -> Self {
        let missing = if built_in { None } else { Some(name) };
        Self { missing, ..self }
    }

    /// The field: how it is read, none where the setting is not in effect, and how it is written.
    pub(super) const fn field(
        self,
        read: fn(&C) -> Option<Value>,
        write: fn(&mut C, Value) -> SetResult,
    ) -> Self {
        Self { read, write, ..self }
    }

    /// The value that stands in `text`.
    pub(super) fn parse(&self, text: &str) -> Result<Value, Problem> {
        if let Some(word) = self.words.iter().find(|word| **word == text) {
            return Ok(Value::Word(word));
        }
        self.form.parse(text).map_err(|problem| self.with_words(problem))
    }

    /// A problem with text, and the words that would have been taken.
    fn with_words(&self, problem: Problem) -> Problem {
        match (problem, self.words) {
            (problem, []) => problem,
            (Problem::Value(text), words) => format!("{text}, or {}", listed(words)).into(),
            (problem, _) => problem,
        }
    }

    /// Sets it in `config`, if the value is in range.
    pub(super) fn put(&self, config: &mut C, value: Value) -> SetResult {
        let value = self.form.check(self.as_word(value))?;
        let Some(feature) = self.missing else { return (self.write)(config, value) };
        let default = (self.read)(config);
        (self.write)(config, value)?;
        if (self.read)(config) == default { Ok(()) } else { Err(Problem::Missing(feature)) }
    }

    /// A text from a function that is one of the words: as a line of text it would be read as that.
    fn as_word(&self, value: Value) -> Value {
        let word = match &value {
            Value::Text(text) => self.words.iter().find(|word| *word == text),
            _ => None,
        };
        word.map_or(value, |word| Value::Word(word))
    }

    /// Its form and the words beside it.
    pub(super) fn forms(&self) -> String {
        let form = self.form.describe();
        match self.words {
            [] => form,
            words => format!("{form}, or {}", listed(words)),
        }
    }
}
