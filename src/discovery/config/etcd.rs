//! Which keys of etcd are wanted.

/// Which keys of etcd are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EtcdConfig {
    /// What they begin with, as it is; none for the path of the URL with a slash behind it.
    pub prefix: Option<String>,
}
