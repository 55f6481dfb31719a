//! What is taken of the entries of a registry that holds keys and values.

/// How a registered value is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntryForm {
    /// Told by what stands in it.
    #[default]
    Auto,
    /// An object with `address` and `port`, and any property of a host.
    Json,
    /// `host:port`, then `key=value` for each property.
    Text,
    /// What Apache Curator and Spring Cloud register in ZooKeeper.
    Curator,
    /// What Finagle and Aurora register.
    ServerSet,
}

/// Where in a pair of key and value an endpoint stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntryPlace {
    /// In the value.
    #[default]
    Value,
    /// In the last part of the key, as text; the value is not looked at.
    Key,
}

/// What is taken of the entries of one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryConfig {
    /// How the values are written.
    pub form: EntryForm,
    /// The additional endpoint of a ServerSet that is taken instead of the service's.
    pub endpoint: Option<String>,
    /// Where an endpoint stands.
    pub place: EntryPlace,
}
