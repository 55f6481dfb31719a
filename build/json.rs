//! Writes JSON for people as well: what fits on a line stands on one.

use std::fmt::Write as _;

/// A line holds no more than this.
const WIDTH: usize = 100;

/// A value of JSON; an object keeps its order.
pub(crate) enum Json {
    Flag(bool),
    Number(String),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(&'static str, Self)>),
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Json {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl FromIterator<Self> for Json {
    fn from_iter<I: IntoIterator<Item = Self>>(values: I) -> Self {
        Self::List(values.into_iter().collect())
    }
}

impl Json {
    /// The value on one line.
    fn line(&self) -> String {
        let joined = |parts: Vec<String>| parts.join(", ");
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.clone(),
            Self::Text(text) => quoted(text),
            Self::List(list) => format!("[{}]", joined(list.iter().map(Self::line).collect())),
            Self::Object(fields) => {
                let field = |(name, value): &(&str, Self)| format!("\"{name}\": {}", value.line());
                format!("{{{}}}", joined(fields.iter().map(field).collect()))
            }
        }
    }

    /// The value after `before` at a depth of `indent`, on as few lines as fit.
    fn write(&self, out: &mut String, before: &str, indent: usize, after: &str) {
        let margin = "  ".repeat(indent);
        let line = self.line();
        let fits = margin.len() + before.len() + line.len() + after.len() <= WIDTH;
        match self {
            Self::List(list) if !fits => {
                let _ = writeln!(out, "{margin}{before}[");
                for (index, value) in list.iter().enumerate() {
                    value.write(out, "", indent + 1, comma(index, list.len()));
                }
                let _ = writeln!(out, "{margin}]{after}");
            }
            Self::Object(fields) if !fits => {
                let _ = writeln!(out, "{margin}{before}{{");
                for (index, (name, value)) in fields.iter().enumerate() {
                    let name = format!("\"{name}\": ");
                    value.write(out, &name, indent + 1, comma(index, fields.len()));
                }
                let _ = writeln!(out, "{margin}}}{after}");
            }
            _ => {
                let _ = writeln!(out, "{margin}{before}{line}{after}");
            }
        }
    }

    /// A field of the outermost object, each value of its list on lines of its own.
    pub(crate) fn field(&self, name: &str, after: &str) -> String {
        let mut out = String::new();
        self.write(&mut out, &format!("\"{name}\": "), 1, after);
        out
    }
}

fn comma(index: usize, count: usize) -> &'static str {
    if index + 1 < count { "," } else { "" }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out + "\""
}
