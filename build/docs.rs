//! Documentation comments, taken apart.

/// A documentation comment by its parts.
#[derive(Default)]
pub(crate) struct Docs {
    /// What stands before the first `@`.
    pub(crate) text: String,
    /// What is said of each parameter.
    pub(crate) parameters: Vec<(String, String)>,
    /// What is said of the result.
    pub(crate) returns: String,
}

impl Docs {
    /// Reads the lines of a comment.
    pub(crate) fn read(lines: &[String]) -> Self {
        let mut docs = Self::default();
        let mut of_parameter = false;
        for line in lines {
            let line = unlink(line);
            if let Some(said) = line.strip_prefix("@param ") {
                let (name, said) = said.split_once(' ').unwrap_or((said, ""));
                docs.parameters.push((name.to_owned(), said.to_owned()));
                of_parameter = true;
            } else if let Some(said) = line.strip_prefix("@return ") {
                said.clone_into(&mut docs.returns);
                of_parameter = false;
            } else if !docs.returns.is_empty() {
                append(&mut docs.returns, &line);
            } else if of_parameter {
                if let Some((_, said)) = docs.parameters.last_mut() {
                    append(said, &line);
                }
            } else {
                append(&mut docs.text, &line);
            }
        }
        docs.text.truncate(docs.text.trim_end().len());
        docs
    }

    /// What is said of a parameter.
    pub(crate) fn of(&self, parameter: &str) -> &str {
        self.parameters.iter().find(|(name, _)| name == parameter).map_or("", |(_, said)| said)
    }

    /// What follows `word` at the beginning of a sentence, up to the sentence's end.
    pub(crate) fn sentence(&self, word: &str) -> Option<&str> {
        let begins =
            |at: usize| self.text[..at].is_empty() || self.text[..at].ends_with([' ', '\n']);
        let after_stop = |at: usize| {
            let before = self.text[..at].trim_end();
            before.is_empty() || before.ends_with('.') || self.text[..at].ends_with('\n')
        };
        let (at, _) =
            self.text.match_indices(word).find(|(at, _)| begins(*at) && after_stop(*at))?;
        let rest = &self.text[at + word.len()..];
        Some(rest.split_once(['.', '\n']).map_or(rest, |(sentence, _)| sentence).trim())
    }
}

/// Adds a line to a text of paragraphs, each on a line of its own.
fn append(text: &mut String, line: &str) {
    let line = line.trim();
    if line.is_empty() {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        return;
    }
    if line.starts_with("- ") && !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    } else if !text.is_empty() && !text.ends_with('\n') {
        text.push(' ');
    }
    text.push_str(line.strip_prefix("# ").unwrap_or(line));
}

/// ``[`name`]`` and ``[`name`](target)`` as `` `name` ``.
pub(crate) fn unlink(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((name, after)) = after.split_once("`]") else { break };
        let target = after.strip_prefix('(').and_then(|a| a.split_once(')'));
        rest = target.map_or(after, |(_, after)| after);
        result.push_str(&format!("{before}`{}`", name.rsplit("::").next().unwrap_or(name)));
    }
    result + rest
}
