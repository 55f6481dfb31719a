//! Peers, name services and systems that do what they should not: what a call makes of it, through the C ABI.

#[path = "../support/mod.rs"]
mod support;

mod names;
mod shortage;
