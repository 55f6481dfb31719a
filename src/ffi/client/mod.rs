//! The client, how it is built, and its hooks.

// In the order of the header, which follows this one: hence the empty lines, which keep it.
pub mod retry;

pub mod builder;

pub mod certificates;

pub mod proxy;

pub mod names;

pub mod sockets;

pub mod protection;

pub mod hooks;

pub mod judging;

pub mod faults;

pub mod trace;

pub mod options;

pub mod configuration;

pub mod client;
