//! The value of a setting, on its way between text or a C parameter and the field that it sets.

use std::num::NonZeroU32;
use std::time::Duration;

use http::HeaderName;

use crate::config::SettingError;
use crate::error::{Error, ErrorKind};
use crate::policy::{Factor, Ratio};
use crate::request::header_name;

/// The value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// On or off.
    Flag(bool),
    /// A whole number, a size in bytes, or the number of a choice.
    Count(u64),
    /// A number with or without a fraction.
    Real(f64),
    /// A duration; [`Duration::MAX`] is `forever`.
    Duration(Duration),
    /// Text.
    Text(String),
    /// One of the words that the setting takes beside its form, such as `off`, or a choice.
    Word(&'static str),
}

/// The word for a rule that is switched off.
pub const OFF: &str = "off";

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The value itself.
    Value(String),
    /// One part of a value that has several.
    Part(&'static str, String),
    /// The balancer, which has no such setting.
    Balancer(&'static str),
    /// The library, which was built without this feature of cargo.
    Missing(&'static str),
}

/// Whether a value was taken.
pub type SetResult = Result<(), Problem>;

impl Value {
    /// Milliseconds as C has them, where `u64::MAX` is `forever`.
    #[must_use]
    pub const fn milliseconds(milliseconds: u64) -> Self {
        Self::Duration(match milliseconds {
            u64::MAX => Duration::MAX,
            milliseconds => Duration::from_millis(milliseconds),
        })
    }

    /// `off` for none.
    pub(super) fn or_off(value: Option<impl Into<Self>>) -> Self {
        value.map_or(Self::Word(OFF), Into::into)
    }

    /// None for `off`, and else what `read` makes of it.
    pub(super) fn unless_off<T>(
        self,
        read: impl FnOnce(Self) -> Result<T, Problem>,
    ) -> Result<Option<T>, Problem> {
        if self == Self::Word(OFF) { Ok(None) } else { read(self).map(Some) }
    }

    pub(super) fn flag(self) -> Result<bool, Problem> {
        match self {
            Self::Flag(flag) => Ok(flag),
            _ => Err("is neither true nor false".into()),
        }
    }

    pub(super) fn count(self) -> Result<u32, Problem> {
        match self {
            Self::Count(count) => u32::try_from(count).map_err(|_| "is too large".into()),
            _ => Err("is no whole number".into()),
        }
    }

    pub(super) fn positive(self) -> Result<NonZeroU32, Problem> {
        NonZeroU32::new(self.count()?).ok_or_else(|| "is 0; the least is 1".into())
    }

    pub(super) fn size(self) -> Result<usize, Problem> {
        match self {
            // C has 64 bits for it everywhere: what is larger than memory is no bound.
            Self::Count(count) => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
            _ => Err("is no size".into()),
        }
    }

    pub(super) fn real(self) -> Result<f64, Problem> {
        match self {
            Self::Real(real) => Ok(real),
            _ => Err("is no number".into()),
        }
    }

    pub(super) fn ratio(self) -> Result<Ratio, Problem> {
        Ratio::new(self.real()?).ok_or_else(|| "is not between 0 and 1".into())
    }

    pub(super) fn factor(self) -> Result<Factor, Problem> {
        Factor::new(self.real()?).ok_or_else(|| "is negative or not finite".into())
    }

    pub(super) fn duration(self) -> Result<Duration, Problem> {
        match self {
            Self::Duration(duration) => Ok(duration),
            _ => Err("is no duration".into()),
        }
    }

    pub(super) fn text(self) -> Result<String, Problem> {
        match self {
            Self::Text(text) => Ok(text),
            _ => Err("is no text".into()),
        }
    }

    /// The name of a header that a caller may set.
    pub(super) fn header(self) -> Result<HeaderName, Problem> {
        header_name(&self.text()?).map_err(|error| Problem::of(&error, "name"))
    }

    pub(super) fn word(self) -> Result<&'static str, Problem> {
        match self {
            Self::Word(word) => Ok(word),
            _ => Err("is none of the choices".into()),
        }
    }
}

impl Problem {
    /// What an error says of the parameter `name`.
    pub(super) fn of(error: &Error, name: &str) -> Self {
        let message = error.message();
        let problem = message.strip_prefix(name).and_then(|rest| rest.strip_prefix(": "));
        problem.unwrap_or(message).into()
    }

    /// The problem as a sentence about the setting.
    pub(super) fn about_setting(&self) -> String {
        match self {
            Self::Value(problem) => problem.clone(),
            Self::Part(part, problem) => format!("{part} {problem}"),
            Self::Balancer(problem) => format!("the balancer {problem}"),
            Self::Missing(feature) => format!("the library was built without {feature}"),
        }
    }

    /// The kind of error that it makes.
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing(_) => ErrorKind::Unsupported,
            _ => ErrorKind::InvalidArgument,
        }
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u32> for Value {
    fn from(count: u32) -> Self {
        Self::Count(count.into())
    }
}

impl From<i32> for Value {
    /// A negative number is above every range, as no setting has one.
    fn from(count: i32) -> Self {
        Self::Count(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

impl From<NonZeroU32> for Value {
    fn from(count: NonZeroU32) -> Self {
        count.get().into()
    }
}

impl From<usize> for Value {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<f64> for Value {
    fn from(real: f64) -> Self {
        Self::Real(real)
    }
}

impl From<Ratio> for Value {
    fn from(ratio: Ratio) -> Self {
        Self::Real(ratio.value())
    }
}

impl From<Factor> for Value {
    fn from(factor: Factor) -> Self {
        Self::Real(factor.value())
    }
}

impl From<Duration> for Value {
    fn from(duration: Duration) -> Self {
        Self::Duration(duration)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Problem {
    fn from(problem: &str) -> Self {
        Self::Value(problem.to_owned())
    }
}

impl From<String> for Problem {
    fn from(problem: String) -> Self {
        Self::Value(problem)
    }
}

impl From<SettingError> for Problem {
    fn from(error: SettingError) -> Self {
        match error {
            SettingError::Balancer(problem) => Self::Balancer(problem),
            SettingError::Value(problem) => Self::Value(problem),
        }
    }
}
