//! What a host may be: the checks of its properties, the same for C, for text and for sources of endpoints.

use crate::endpoint::Host;
use crate::error::Error;
use crate::request::is_authority;

/// The largest weight.
pub const MOST_WEIGHT: u32 = u32::MAX;

/// The last priority; as in Envoy.
pub const LAST_PRIORITY: u32 = 127;

impl Host {
    /// Sets its priority.
    ///
    /// # Errors
    /// It is above [`LAST_PRIORITY`].
    pub fn set_priority(&mut self, priority: u32) -> Result<(), Error> {
        if priority > LAST_PRIORITY {
            return Err(Error::invalid("priority", "is above 127"));
        }
        self.priority = priority;
        Ok(())
    }

    /// Sets what the `Host` header carries.
    ///
    /// # Errors
    /// It is no host with an optional port.
    pub fn set_authority(&mut self, authority: &str) -> Result<(), Error> {
        if !is_authority(authority.as_bytes()) {
            return Err(Error::invalid("authority", "is not host or host:port"));
        }
        self.authority = Some(authority.to_owned());
        Ok(())
    }

    /// Sets the name that TLS asks for and verifies.
    ///
    /// # Errors
    /// It is neither a name nor an address.
    pub fn set_server_name(&mut self, server_name: &str) -> Result<(), Error> {
        if rustls::pki_types::ServerName::try_from(server_name).is_err() {
            return Err(Error::invalid("server_name", "is neither a dns name nor an ip address"));
        }
        self.server_name = Some(server_name.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_property_is_named_and_changes_nothing() {
        let mut host = Host::new("a", 1);
        let errors =
            [host.set_priority(128), host.set_authority("a/b"), host.set_server_name("a b")];
        let named =
            errors.map(|error| error.unwrap_err().message().split(':').next().map(str::to_owned));
        let wanted = ["priority", "authority", "server_name"];
        assert_eq!(named, wanted.map(|name| Some(name.to_owned())));
        assert_eq!(host, Host::new("a", 1));
    }
}
