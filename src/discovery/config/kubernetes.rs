//! Where the API server of Kubernetes is, and which port of a service is meant.

use std::path::PathBuf;

/// Where the API server is, and which port of a service is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubernetesConfig {
    /// Its URL; none for that of the kubeconfig file, or of the cluster that the process runs in.
    pub server: Option<String>,
    /// A kubeconfig file.
    pub kubeconfig: Option<PathBuf>,
    /// The context of it; none for the current one.
    pub context: Option<String>,
    /// The name or number of the port; none for the only one, or else `http`.
    pub port: Option<String>,
}
