//! The sources of endpoints, one a file.

pub mod dns;
