//! Faults of a text, each with its path in it, gathered until all are known.

use crate::error::{Error, ErrorKind};

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

#[derive(Debug)]
struct Fault {
    kind: ErrorKind,
    path: String,
    problem: String,
}

impl Faults {
    /// One more: a value that cannot be taken.
    pub(super) fn add(&mut self, path: impl Into<String>, problem: impl Into<String>) {
        self.push(ErrorKind::InvalidArgument, path.into(), problem.into());
    }

    /// One more, of this kind.
    pub(super) fn push(&mut self, kind: ErrorKind, path: String, problem: String) {
        self.0.push(Fault { kind, path, problem });
    }

    /// One more, told by an error whose message begins with the name of what it is about.
    pub(super) fn add_error(&mut self, path: &str, error: &Error) {
        let message = error.message();
        let problem = message.split_once(": ").map_or(message, |(_, problem)| problem);
        self.push(error.kind(), path.to_owned(), problem.to_owned());
    }

    /// Whether what stands at `path` has a fault already.
    pub(super) fn has(&self, path: &str) -> bool {
        self.0.iter().any(|fault| fault.path == path)
    }

    /// Whether anything in these fields of the text has.
    pub(super) fn has_below(&self, fields: &[&str]) -> bool {
        let first = |path: &str| path.find(['.', '[']).unwrap_or(path.len());
        self.0.iter().any(|fault| fields.contains(&&fault.path[..first(&fault.path)]))
    }

    /// Keeps what `made`, unless there are faults: then all of them in one error, a line each.
    pub(super) fn or<T>(self, made: T) -> Result<T, Error> {
        if self.0.is_empty() {
            return Ok(made);
        }
        let same = |first: &ErrorKind| self.0.iter().all(|fault| fault.kind == *first);
        let kind = self.0.first().map(|fault| fault.kind).filter(same);
        let kind = kind.unwrap_or(ErrorKind::InvalidArgument);
        let faults: Vec<_> = self.0.into_iter().map(|fault| (fault.path, fault.problem)).collect();
        Err(Error::of_faults(kind, &faults))
    }
}

/// The path of what stands under `key` of the object at `path`.
pub(super) fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The path of the item at `index` of the list at `path`.
pub(super) fn item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}
