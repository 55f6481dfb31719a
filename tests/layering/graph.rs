//! The modules of the crate and which of them use which, read from the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Of each module those that it uses.
pub(crate) type Edges = BTreeMap<String, BTreeSet<String>>;

/// What is read of the crate.
struct Crate {
    /// The file of each module.
    files: BTreeMap<String, PathBuf>,
    /// What a folder's module hands on under a name of its own, and where that comes from.
    handed_on: BTreeMap<(String, String), Vec<String>>,
}

/// The uses among all modules, tests left out. A name that a folder's module hands on counts as its origin's.
pub(crate) fn edges() -> Edges {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut it = Crate { files: BTreeMap::new(), handed_on: BTreeMap::new() };
    it.add(&root, &root);
    it.read_handed_on();
    it.files.keys().map(|module| (module.clone(), it.uses_of(module))).collect()
}

impl Crate {
    fn add(&mut self, root: &Path, folder: &Path) {
        for entry in fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                self.add(root, &path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(root).expect("a file in src").with_extension("");
                let mut parts: Vec<_> =
                    inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
                if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
                    parts.pop();
                }
                self.files.insert(parts.join("::"), path);
            }
        }
    }

    fn is_folder(&self, module: &str) -> bool {
        self.files[module].file_name().is_some_and(|name| name == "mod.rs" || name == "lib.rs")
    }

    fn read_handed_on(&mut self) {
        let folders: Vec<_> = self.files.keys().filter(|it| self.is_folder(it)).cloned().collect();
        for module in folders {
            for path in statements(&code(&self.files[&module])).iter().filter(|it| it.public) {
                for full in expanded(&path.path) {
                    let parts: Vec<_> = full.split("::").map(str::to_owned).collect();
                    let name = parts.last().cloned().unwrap_or_default();
                    let origin = match parts[0].as_str() {
                        "crate" | "super" | "self" => self.absolute(&module, &parts),
                        _ => segments(&module).chain(parts).collect(),
                    };
                    self.handed_on.insert((module.clone(), name), origin);
                }
            }
        }
    }

    fn uses_of(&self, module: &str) -> BTreeSet<String> {
        let code = code(&self.files[module]);
        let mut paths = Vec::new();
        for statement in statements(&code) {
            if !(statement.public && self.is_folder(module)) {
                paths.extend(expanded(&statement.path));
            }
        }
        paths.extend(inline_paths(&without_statements(&code)));
        let from_here = |path: &String| path.starts_with("crate::") || path.starts_with("super::");
        let used = paths.iter().filter(|path| from_here(path)).map(|path| {
            let parts: Vec<_> = path.split("::").map(str::to_owned).collect();
            self.module_of(self.absolute(module, &parts), 0)
        });
        used.filter(|used| !used.is_empty() && used != module).collect()
    }

    fn absolute(&self, module: &str, parts: &[String]) -> Vec<String> {
        let ups = parts.iter().take_while(|part| *part == "super").count();
        let rest = parts[ups..].iter().skip_while(|part| *part == "self").cloned();
        if parts[0] == "crate" {
            return parts[1..].to_vec();
        }
        let own: Vec<_> = segments(module).collect();
        own[..own.len().saturating_sub(ups)].iter().cloned().chain(rest).collect()
    }

    /// A seam's `platform` is the file for this system.
    fn on_this_system(&self, parts: &[String]) -> Vec<String> {
        let Some(at) = parts.iter().position(|part| part == "platform") else {
            return parts.to_vec();
        };
        let file = ["linux", "unix"].into_iter().find(|file| {
            let path: Vec<_> = parts[..at].iter().map(String::as_str).chain([*file]).collect();
            self.files.contains_key(&path.join("::"))
        });
        let file = file.map(str::to_owned);
        parts[..at].iter().cloned().chain(file).chain(parts[at + 1..].iter().cloned()).collect()
    }

    /// The module that an absolute path names, or in which what it names was defined.
    fn module_of(&self, path: Vec<String>, depth: usize) -> String {
        let path = self.on_this_system(&path);
        for length in (0..=path.len()).rev() {
            let module = path[..length].join("::");
            if !self.files.contains_key(&module) {
                continue;
            }
            let name = path.get(length).cloned().unwrap_or_default();
            return match self.handed_on.get(&(module.clone(), name)) {
                Some(origin) if depth < 5 => {
                    let rest = path[length + 1..].iter().cloned();
                    self.module_of(origin.iter().cloned().chain(rest).collect(), depth + 1)
                }
                _ => module,
            };
        }
        String::new()
    }
}

fn segments(module: &str) -> impl Iterator<Item = String> {
    module.split("::").filter(|part| !part.is_empty()).map(str::to_owned)
}

/// The file without comments and without its tests.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("a readable file");
    let before_tests = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = before_tests.lines().map(|line| line.split("//").next().unwrap_or_default());
    let mut kept = Vec::new();
    let mut skip = false;
    for line in lines {
        if !skip {
            kept.push(line);
        }
        skip = line.trim() == "#[cfg(test)]";
    }
    kept.join("\n")
}

struct Statement {
    public: bool,
    path: String,
}

/// The `use` statements.
fn statements(code: &str) -> Vec<Statement> {
    let mut found = Vec::new();
    let mut open: Option<Statement> = None;
    for line in code.lines() {
        let line = line.trim();
        let public = line.starts_with("pub");
        let after = if public { line.split_once(' ').map_or("", |(_, rest)| rest) } else { line };
        match (&mut open, after.strip_prefix("use ")) {
            (Some(statement), _) => statement.path.push_str(line),
            (None, Some(path)) => open = Some(Statement { public, path: path.to_owned() }),
            (None, None) => continue,
        }
        if line.ends_with(';')
            && let Some(mut statement) = open.take()
        {
            let path = statement.path.trim_end_matches(';');
            statement.path = path.split(" as ").next().unwrap_or_default().replace(' ', "");
            found.push(statement);
        }
    }
    found
}

/// The code but for its `use` statements, of which only the first line is looked at.
fn without_statements(code: &str) -> String {
    let mut inside = false;
    let mut kept = Vec::new();
    for line in code.lines() {
        let start = line.trim().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        inside |= start.starts_with("use ");
        if !inside {
            kept.push(line);
        }
        inside &= !line.trim().ends_with(';');
    }
    kept.join("\n")
}

/// `a::{b, c::{d}}` as `a::b` and `a::c::d`.
fn expanded(path: &str) -> Vec<String> {
    let Some(open) = path.find('{') else { return vec![path.to_owned()] };
    let (head, group) = (&path[..open], &path[open + 1..path.rfind('}').unwrap_or(path.len())]);
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&group[start..]);
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.flat_map(expanded).map(|part| format!("{head}{part}")).collect()
}

fn inline_paths(code: &str) -> Vec<String> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.split(|c: char| !is_path(c)).map(|path| path.trim_matches(':').to_owned()).collect()
}

/// The sets of modules that each reach each other.
pub(crate) fn circles(edges: &Edges) -> Vec<Vec<String>> {
    let reached: BTreeMap<_, _> = edges.keys().map(|from| (from, reach(edges, from))).collect();
    let mut found = BTreeSet::new();
    for (from, others) in &reached {
        let back = |other: &&String| reached[other].contains(*from);
        let circle: Vec<String> = others.iter().filter(back).cloned().collect();
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

fn reach(edges: &Edges, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut next = vec![from.to_owned()];
    while let Some(module) = next.pop() {
        for used in edges.get(&module).into_iter().flatten() {
            if seen.insert(used.clone()) {
                next.push(used.clone());
            }
        }
    }
    seen
}
