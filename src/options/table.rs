//! All settings of one kind of handle, with those of its parts.

use super::form::Form;
use super::nearest::nearest;
use super::setting::{Setter, Setting};
use super::value::{Problem, SetResult, Value};
use crate::error::{Error, ErrorKind};

/// The settings of a `C`, sorted by key.
pub struct Table<C> {
    /// What the names of the handle's functions begin with.
    pub prefix: &'static str,
    default: fn() -> C,
    rows: Vec<Row<C>>,
}

/// One setting of a `C` or of a part of it.
pub struct Row<C> {
    /// Its key.
    pub key: String,
    /// The form of its value, with the words that it takes as well.
    pub form: String,
    /// The same for programs, without the words.
    pub range: Form,
    /// These words.
    pub words: &'static [&'static str],
    /// What it is for.
    pub purpose: &'static str,
    /// What it costs to raise it, or to switch it on.
    pub cost: &'static str,
    /// The default, as text.
    pub default: String,
    /// The function of C that sets it, whole.
    pub function: String,
    /// The same, as the row states it.
    pub setter: Setter,
    /// Whether it is a setting of a part.
    pub of_part: bool,
    parse: Box<Parse>,
    read: Box<Read<C>>,
    put: Box<Write<C>>,
}

type Parse = dyn Fn(&str) -> Result<Value, Problem> + Send + Sync;
type Read<C> = dyn Fn(&C) -> Option<String> + Send + Sync;
type Write<C> = dyn Fn(&mut C, Value) -> SetResult + Send + Sync;

/// A setting's new value, and what the parameter is called that brought it.
#[derive(Clone, Debug)]
pub struct Assignment<'a> {
    /// The setting's key.
    pub key: &'a str,
    /// The parameter's name, for errors.
    pub name: &'a str,
    /// The value.
    pub value: Value,
}

impl<C: Clone + 'static> Table<C> {
    /// A table of `settings`, by what they are about. Its `default` is that of a new handle.
    pub(super) fn new(
        prefix: &'static str,
        default: fn() -> C,
        settings: &[&'static [Setting<C>]],
    ) -> Self {
        let row = |setting| Row::new(prefix, default, setting);
        let rows = settings.iter().copied().flatten().map(row).collect();
        let mut table = Self { prefix, default, rows };
        table.sort();
        table
    }

    /// The same with the settings of a part, which begin with `name`.
    pub(super) fn with_part<P: 'static>(
        mut self,
        name: &str,
        part: &'static Table<P>,
        get: fn(&C) -> &P,
        get_mut: fn(&mut C) -> &mut P,
    ) -> Self {
        let rows = part.rows.iter().map(|row| row.of_whole(name, get, get_mut));
        self.rows.extend(rows);
        self.sort();
        self
    }

    fn sort(&mut self) {
        self.rows.sort_by(|a, b| a.key.cmp(&b.key));
    }

    /// Every row, sorted by key.
    #[must_use]
    pub fn rows(&self) -> &[Row<C>] {
        &self.rows
    }

    /// What a new handle has.
    #[must_use]
    pub fn default(&self) -> C {
        (self.default)()
    }

    /// The row of that key.
    #[must_use]
    pub fn row(&self, key: &str) -> Option<&Row<C>> {
        self.rows.binary_search_by(|row| row.key.as_str().cmp(key)).ok().map(|at| &self.rows[at])
    }

    fn unknown(&self, key: &str) -> String {
        match nearest(self.rows.iter().map(|row| row.key.as_str()), key) {
            Some(nearest) => format!("no such option; the nearest is {nearest}"),
            None => "no such option".to_owned(),
        }
    }

    /// Sets one setting from text.
    ///
    /// # Errors
    /// No setting has that key (the message names the nearest), or the value has not its form.
    pub fn set(&self, config: &mut C, key: &str, value: &str) -> Result<(), Error> {
        let Some(row) = self.row(key) else {
            let problem = self.unknown(key);
            return Err(Error::new(ErrorKind::UnknownOption, format!("key: {key}: {problem}")));
        };
        let mut changed = config.clone();
        let put = (row.parse)(value.trim()).and_then(|value| (row.put)(&mut changed, value));
        put.map_err(|problem| {
            Error::new(problem.kind(), format!("value: {key}: {}", problem.about_setting()))
        })?;
        *config = changed;
        Ok(())
    }

    /// Sets many settings from text, whatever their order.
    ///
    /// # Errors
    /// Every fault is named with its key, and nothing is changed.
    pub fn set_all<'a>(
        &self,
        config: &mut C,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), Error> {
        let mut changed = config.clone();
        let faults = self.set_each(&mut changed, pairs);
        if faults.is_empty() {
            *config = changed;
            return Ok(());
        }
        Err(of_faults(faults))
    }

    /// Sets those of `pairs` that can be set, whatever their order, and tells what is wrong with the others.
    pub fn set_each<'a>(
        &self,
        config: &mut C,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<(ErrorKind, Fault)> {
        let (changes, mut faults) = self.parse_all(pairs);
        for (name, problem) in apply(config, changes) {
            faults.push((problem.kind(), (name.to_owned(), problem.about_setting())));
        }
        faults
    }

    /// The changes that `pairs` ask for, and a fault for each that cannot be read.
    fn parse_all<'a>(
        &self,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> (Vec<Change<'_, 'a, C>>, Vec<(ErrorKind, Fault)>) {
        let (mut changes, mut faults) = (Vec::new(), Vec::new());
        for (key, value) in pairs {
            let Some(row) = self.row(key) else {
                faults.push((ErrorKind::UnknownOption, (key.to_owned(), self.unknown(key))));
                continue;
            };
            match (row.parse)(value.trim()) {
                Ok(value) => changes.push(Change { row, name: key, value }),
                Err(problem) => {
                    let fault = (key.to_owned(), problem.about_setting());
                    faults.push((ErrorKind::InvalidArgument, fault));
                }
            }
        }
        (changes, faults)
    }

    /// Sets settings from the parameters of a function.
    ///
    /// # Errors
    /// Every refused parameter is named, and nothing is changed.
    pub fn assign(&self, config: &mut C, assignments: &[Assignment<'_>]) -> Result<(), Error> {
        let changes = assignments.iter().map(|it| self.change(it)).collect::<Result<_, _>>()?;
        let mut changed = config.clone();
        let refused = apply(&mut changed, changes);
        if refused.is_empty() {
            *config = changed;
            return Ok(());
        }
        let mut faults: Vec<_> = refused.into_iter().map(by_parameter).collect();
        // Several rows may blame the same balancer.
        faults.dedup();
        Err(of_faults(faults))
    }

    fn change<'a>(&self, assignment: &Assignment<'a>) -> Result<Change<'_, 'a, C>, Error> {
        let Assignment { key, name, value } = assignment;
        let row = self
            .row(key)
            .ok_or_else(|| Error::new(ErrorKind::Internal, format!("{key}: no such option")))?;
        Ok(Change { row, name, value: value.clone() })
    }

    /// Every setting in effect, as `key = value` lines that [`Self::set_all`] reads.
    #[must_use]
    pub fn text(&self, config: &C) -> String {
        let line =
            |row: &Row<C>| row.text_of(config).map(|value| format!("{} = {value}\n", row.key));
        self.rows.iter().filter_map(line).collect()
    }
}

/// The name of what is refused, and what is wrong with it.
pub type Fault = (String, String);

/// A value on its way to its field.
struct Change<'r, 'a, C> {
    row: &'r Row<C>,
    name: &'a str,
    value: Value,
}

/// Applies `changes` and returns those that are refused. What is refused before another change may be fine after
/// it, as a maximum below a minimum that is lowered next: so the order does not matter.
fn apply<'a, C: Clone>(
    config: &mut C,
    mut changes: Vec<Change<'_, 'a, C>>,
) -> Vec<(&'a str, Problem)> {
    loop {
        let count = changes.len();
        let mut refused = Vec::new();
        for change in changes {
            if let Err(problem) = change.apply(config) {
                refused.push((change, problem));
            }
        }
        if refused.is_empty() || refused.len() == count {
            return refused.into_iter().map(|(change, problem)| (change.name, problem)).collect();
        }
        changes = refused.into_iter().map(|(change, _)| change).collect();
    }
}

impl<C: Clone> Change<'_, '_, C> {
    /// On a copy: a value that is refused changes nothing.
    fn apply(&self, config: &mut C) -> SetResult {
        let mut changed = config.clone();
        (self.row.put)(&mut changed, self.value.clone())?;
        *config = changed;
        Ok(())
    }
}

/// The kind, name and problem of a refused parameter.
fn by_parameter((name, problem): (&str, Problem)) -> (ErrorKind, Fault) {
    let kind = problem.kind();
    let fault = match problem {
        Problem::Value(problem) => (name.to_owned(), problem),
        Problem::Part(part, problem) => (part.to_owned(), problem),
        Problem::Balancer(problem) => ("balancer".to_owned(), problem.to_owned()),
        Problem::Missing(_) => (name.to_owned(), problem.about_setting()),
    };
    (kind, fault)
}

/// One error for all faults, of their kind where they share one.
fn of_faults(faults: Vec<(ErrorKind, Fault)>) -> Error {
    let (kinds, faults): (Vec<_>, Vec<_>) = faults.into_iter().unzip();
    let shared = kinds.first().filter(|first| kinds.iter().all(|kind| kind == *first));
    Error::of_faults(shared.copied().unwrap_or(ErrorKind::InvalidArgument), &faults)
}

impl<C: 'static> Row<C> {
    /// Its value in `config` as text; none where it is not in effect.
    #[must_use]
    pub fn text_of(&self, config: &C) -> Option<String> {
        (self.read)(config)
    }

    fn new(prefix: &str, default: fn() -> C, setting: &'static Setting<C>) -> Self {
        let print = |config: &C| (setting.read)(config).map(|value| setting.form.print(&value));
        Self {
            key: setting.key.to_owned(),
            form: setting.forms(),
            range: setting.form,
            words: setting.words,
            purpose: setting.purpose,
            cost: setting.cost,
            default: default_text(print(&default()), setting.within.and_then(|it| print(&it()))),
            function: format!("{prefix}{}", setting.setter.name()),
            setter: setting.setter,
            of_part: false,
            parse: Box::new(|text| setting.parse(text)),
            read: Box::new(print),
            put: Box::new(|config, value| setting.put(config, value)),
        }
    }

    /// What an option does, its form and its default, in one sentence.
    #[must_use]
    pub fn description(&self) -> String {
        let Self { purpose, form, default, cost, .. } = self;
        format!("{purpose}: {form}; default {default}. {cost}")
    }
}

impl<P: 'static> Row<P> {
    /// The row of a part as one of the whole.
    fn of_whole<C: 'static>(
        &'static self,
        name: &str,
        get: fn(&C) -> &P,
        get_mut: fn(&mut C) -> &mut P,
    ) -> Row<C> {
        Row {
            key: format!("{name}{}", self.key),
            form: self.form.clone(),
            range: self.range,
            words: self.words,
            purpose: self.purpose,
            cost: self.cost,
            default: self.default.clone(),
            function: self.function.clone(),
            setter: self.setter,
            of_part: true,
            parse: Box::new(|text| (self.parse)(text)),
            read: Box::new(move |config| (self.read)(get(config))),
            put: Box::new(move |config, value| (self.put)(get_mut(config), value)),
        }
    }
}

/// The default of a new handle; and the one where another setting switches on what this one belongs to.
fn default_text(new: Option<String>, within: Option<String>) -> String {
    match (new, within) {
        (Some(new), Some(within)) if new != within => {
            format!("{new}; {within} where another setting switches it on")
        }
        (Some(value), _) | (None, Some(value)) => value,
        (None, None) => "none".to_owned(),
    }
}
