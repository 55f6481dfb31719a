//! The glossary names types that exist.

use std::fs;
use std::path::Path;

#[test]
fn every_type_of_the_glossary_is_defined() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let glossary = fs::read_to_string(root.join("docs/glossary.md")).expect("the glossary");
    let mut source = String::new();
    read(&root.join("src"), &mut source);
    let is_type = |word: &&str| word.starts_with(|c: char| c.is_ascii_uppercase());
    let types: Vec<&str> = glossary.split('`').skip(1).step_by(2).filter(is_type).collect();
    assert!(types.len() > 30, "{types:?}");
    let defined = |word: &str| {
        ["struct", "enum", "trait", "type"].iter().any(|kind| {
            let definition = format!("{kind} {word}");
            let mut after = source.match_indices(&definition).map(|(at, it)| at + it.len());
            after.any(|end| !source[end..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
    };
    let missing: Vec<_> =
        types.into_iter().filter(|word| !word.contains('-') && !defined(word)).collect();
    assert!(missing.is_empty(), "docs/glossary.md names types that are gone: {missing:?}");
}

fn read(folder: &Path, source: &mut String) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            read(&path, source);
        } else {
            source.push_str(&fs::read_to_string(&path).expect("a readable file"));
        }
    }
}
