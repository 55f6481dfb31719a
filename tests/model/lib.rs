//! See Cargo.toml.

#![cfg(test)]

mod policy;
