//! A contestant's row as handles: provider, balancer, breaker, retries, client.

use std::ptr;

use crate::api::{Api, Handle, c};
use crate::contestant::Contestant;
use crate::plan::Load;

/// One client with all that belongs to it.
pub(crate) fn client(
    api: &Api,
    contestant: &Contestant,
    load: &Load,
    ports: &[u16],
) -> Result<Handle, String> {
    // SAFETY: every handle below is used while alive and freed once; text outlives the calls.
    unsafe {
        let provider = (api.ahoy_provider_list_new)();
        for port in ports {
            let address = c"127.0.0.1".as_ptr();
            api.checked(|err| (api.ahoy_provider_list_add)(provider, address, *port, err))?;
        }
        let balancer = api.balancer(contestant.balancer, provider, contestant.probe_path)?;
        for setter in contestant.balancer_set {
            api.set(balancer, *setter)?;
        }
        let breaker = (api.ahoy_breaker_new)();
        for setter in contestant.breaker_set {
            api.set(breaker, *setter)?;
        }
        api.checked(|err| (api.ahoy_balancer_set_breaker)(balancer, breaker, err))?;
        let retry = (api.ahoy_retry_new)();
        for setter in contestant.retry_set {
            api.set(retry, *setter)?;
        }
        let builder = (api.ahoy_client_builder_new)();
        api.checked(|err| (api.ahoy_client_builder_set_balancer)(builder, balancer, err))?;
        api.checked(|err| (api.ahoy_client_builder_set_retry)(builder, retry, err))?;
        let limit = load.deadline_ms;
        api.checked(|err| (api.ahoy_client_builder_set_timeout_ms)(builder, limit, err))?;
        // A proxy has the limit on attempts itself, and the library waits for all that it tries.
        let limit = if contestant.proxy.is_some() { load.deadline_ms } else { load.attempt_ms };
        api.checked(|err| (api.ahoy_client_builder_set_attempt_timeout_ms)(builder, limit, err))?;
        for setter in contestant.client_set {
            api.set(builder, *setter)?;
        }
        for (key, value) in contestant.options {
            let (key, value) = (c(key), c(value));
            api.checked(|err| {
                (api.ahoy_client_builder_set)(builder, key.as_ptr(), value.as_ptr(), err)
            })?;
        }
        let mut client = ptr::null_mut();
        api.checked(|err| (api.ahoy_client_builder_build)(builder, &raw mut client, err))?;
        (api.ahoy_client_builder_free)(builder);
        (api.ahoy_retry_free)(retry);
        (api.ahoy_breaker_free)(breaker);
        (api.ahoy_balancer_free)(balancer);
        (api.ahoy_provider_free)(provider);
        Ok(client)
    }
}
