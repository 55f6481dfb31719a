//! The copies that are committed, in `include/`.

use std::path::Path;
use std::{env, fs, process};

use crate::Result;

/// Keeps a committed file in step with what the sources say.
pub(crate) fn sync(root: &Path, name: &str, made: &str) -> Result<()> {
    let committed = root.join("include").join(name);
    let current = fs::read_to_string(&committed).unwrap_or_default();
    let mode = env::var("AHOY_HEADER").unwrap_or_else(|_| "write".to_owned());
    match mode.as_str() {
        "skip" => Ok(()),
        _ if current == *made => Ok(()),
        "check" => Err(stale(name, &current, made).into()),
        "write" if !is_checkout(root) => Ok(()),
        "write" => {
            // Distributions build from read-only sources: they have the files that they were given.
            if let Err(error) = replace(&committed, made) {
                println!("cargo::warning={} is stale and stays so: {error}", committed.display());
            }
            Ok(())
        }
        other => Err(format!("AHOY_HEADER is `{other}`, not check, write or skip").into()),
    }
}

fn stale(name: &str, current: &str, made: &str) -> String {
    let same = current.lines().zip(made.lines()).take_while(|(a, b)| a == b).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(end of file)").to_owned();
    format!(
        "include/{name} is not what src/ffi says: line {} is `{}` and should be `{}`; \
         build without AHOY_HEADER=check and commit what changed in include/",
        same + 1,
        line(current),
        line(made)
    )
}

/// Packaged sources belong to a registry or to `cargo package`, which refuses changed files.
fn is_checkout(root: &Path) -> bool {
    let packaged = [".cargo_vcs_info.json", "Cargo.toml.orig"];
    let folders = ["target/package", "registry/src"];
    let place = root.to_string_lossy().replace('\\', "/");
    !packaged.iter().any(|name| root.join(name).exists())
        && !folders.iter().any(|name| place.contains(name))
}

/// Writes beside the target and renames, so that a compiler running meanwhile never sees half a file.
pub(crate) fn replace(target: &Path, text: &str) -> Result<()> {
    let folder = target.parent().ok_or("a header needs a folder")?;
    fs::create_dir_all(folder)?;
    let temporary = folder.join(format!(".ahoy.{}", process::id()));
    let written = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, target));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    Ok(written?)
}
