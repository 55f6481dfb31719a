//! A contestant's row as handles: provider, balancer, breaker, retries, client.

use std::ptr;

use crate::api::{Api, Handle, c};
use crate::contestant::Contestant;
use crate::plan::Load;

/// A client and the balancer whose circuits it goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) client: Handle,
    pub(crate) balancer: Handle,
}

/// One client with all that belongs to it. What a contestant's row does not name is not touched at all.
pub(crate) fn client(
    api: &Api,
    contestant: &Contestant,
    load: &Load,
    ports: &[u16],
) -> Result<Client, String> {
    // SAFETY: every handle below is used while alive and freed once; text outlives the calls.
    unsafe {
        let provider = (api.ahoy_provider_list_new)();
        for port in ports {
            let address = c"127.0.0.1".as_ptr();
            api.checked(|err| (api.ahoy_provider_list_add)(provider, address, *port, err))?;
        }
        let balancer = balancer(api, contestant, provider)?;
        let builder = (api.ahoy_client_builder_new)();
        api.checked(|err| (api.ahoy_client_builder_set_balancer)(builder, balancer, err))?;
        if !contestant.retry_set.is_empty() {
            let retry = (api.ahoy_retry_new)();
            for setter in contestant.retry_set {
                api.set(retry, *setter)?;
            }
            api.checked(|err| (api.ahoy_client_builder_set_retry)(builder, retry, err))?;
            (api.ahoy_retry_free)(retry);
        }
        limit(api, contestant, load, builder)?;
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
        (api.ahoy_provider_free)(provider);
        Ok(Client { client, balancer })
    }
}

/// The balancer with its breaker.
fn balancer(api: &Api, contestant: &Contestant, provider: Handle) -> Result<Handle, String> {
    let constructor = api.first_of(contestant.balancer)?;
    let balancer = api.balancer(constructor, provider, contestant.probe_path)?;
    for setter in contestant.balancer_set {
        api.set(balancer, *setter)?;
    }
    if !contestant.breaker_set.is_empty() {
        // SAFETY: the breaker is freed once, after its last use.
        let breaker = unsafe { (api.ahoy_breaker_new)() };
        for setter in contestant.breaker_set {
            api.set(breaker, *setter)?;
        }
        // SAFETY: as above; the balancer is alive.
        api.checked(|err| unsafe { (api.ahoy_balancer_set_breaker)(balancer, breaker, err) })?;
        // SAFETY: as above.
        unsafe { (api.ahoy_breaker_free)(breaker) };
    }
    Ok(balancer)
}

/// The limits that the contestant sets.
fn limit(api: &Api, contestant: &Contestant, load: &Load, builder: Handle) -> Result<(), String> {
    // A proxy has the limit on attempts itself, and the library waits for all that it tries.
    let attempt = if contestant.proxy.is_some() { load.call_ms } else { load.attempt_ms };
    let set = [
        (api.ahoy_client_builder_set_timeout_ms, load.call_ms),
        (api.ahoy_client_builder_set_attempt_timeout_ms, attempt),
    ];
    for (set, limit) in set {
        if let Some(limit) = limit {
            // SAFETY: the builder is alive.
            api.checked(|err| unsafe { set(builder, limit, err) })?;
        }
    }
    Ok(())
}
