//! The EndpointSlices of a Kubernetes service, listed and watched at the API server.

mod access;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod kubeconfig;
mod kubernetes;
mod slices;

pub(in crate::discovery) use kubernetes::SCHEME;
