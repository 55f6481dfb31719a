//! Links with libahoy.so in the folder that AHOY_LIB names, as `make tool` does, and looks for it at run time where
//! `make install` puts both: in ../lib beside the program's own folder.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-env-changed=AHOY_LIB");
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release");
    let folder = env::var("AHOY_LIB").unwrap_or_else(|_| built.display().to_string());
    println!("cargo:rustc-link-search=native={folder}");
    println!("cargo:rustc-link-lib=dylib=ahoy");
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib");
}
