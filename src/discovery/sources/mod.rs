//! The sources of endpoints, one a file.

pub mod consul;
pub mod dns;
pub mod etcd;
pub mod file;
pub mod http_sd;
pub mod kubernetes;
pub mod srv;
pub mod xds;
pub mod zookeeper;
