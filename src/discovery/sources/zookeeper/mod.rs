//! The children of a ZooKeeper node: what services register as ephemeral nodes, as Curator, Finagle and Spring Cloud do.

#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod members;
mod zookeeper;

pub(in crate::discovery) use zookeeper::SCHEME;
