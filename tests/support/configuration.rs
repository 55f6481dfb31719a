//! Clients by one text.

use ahoy::ffi::client::configuration::*;

use super::builder::{Builder, Client};
use super::handles::c;
use super::outcome::{Failure, checked, made};

impl Client {
    pub fn from_config(json: &str) -> Result<Self, Failure> {
        let json = c(json);
        // SAFETY: the text lives through the call.
        made(|out, err| unsafe { ahoy_client_from_config(json.as_ptr(), out, err) })
            .map(Self::owning)
    }

    pub fn reconfigure(&self, config: &impl ToString) -> Result<(), Failure> {
        let json = c(config.to_string());
        // SAFETY: the handle is ours, and the text lives through the call.
        checked(|err| unsafe { ahoy_client_reconfigure(self.raw(), json.as_ptr(), err) })
    }
}

impl Builder {
    pub fn try_config(&self, json: &str) -> Result<(), Failure> {
        let json = c(json);
        // SAFETY: the handle is ours, and the text lives through the call.
        checked(|err| unsafe { ahoy_client_builder_set_config(self.raw(), json.as_ptr(), err) })
    }
}
