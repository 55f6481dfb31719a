//! Where the API server of Kubernetes is, and which port of a service is meant.

use std::path::PathBuf;

use crate::discovery::ProviderConfig;
use crate::options::form::Form;
use crate::options::setting::Setting;
use crate::options::value::{OFF, Value};

pub(super) const SETTINGS: &[Setting<ProviderConfig>] = &[
    Setting::new("kubeconfig", Form::Text("a path"))
        .or(&[OFF])
        .purpose("The kubeconfig file that names the API server and holds a token or a certificate; off takes the account of the pod that the process runs in")
        .cost("Nothing.")
        .by_text()
        .field(
            |config| {
                let file = config.kubernetes.kubeconfig.as_ref();
                Some(Value::or_off(file.map(|file| file.display().to_string())))
            },
            |config, value| {
                config.kubernetes.kubeconfig = value.unless_off(Value::text)?.map(PathBuf::from);
                Ok(())
            },
        ),
    Setting::new("kubeconfig_context", Form::Text("a name"))
        .or(&[OFF])
        .purpose("The context of the kubeconfig file; off takes the current one")
        .cost("Nothing.")
        .by_text()
        .field(
            |config| Some(Value::or_off(config.kubernetes.context.clone())),
            |config, value| {
                config.kubernetes.context = value.unless_off(Value::text)?;
                Ok(())
            },
        ),
    Setting::new("kubernetes_server", Form::Text("a url"))
        .or(&[OFF])
        .purpose("The URL of the API server, in place of the kubeconfig file's or of https://kubernetes.default.svc")
        .cost("Nothing.")
        .by_text()
        .field(
            |config| Some(Value::or_off(config.kubernetes.server.clone())),
            |config, value| {
                config.kubernetes.server = value.unless_off(Value::text)?;
                Ok(())
            },
        ),
    Setting::new("port", Form::Text("a name or a number"))
        .or(&[OFF])
        .purpose("Which port of the service's slices is called; off takes the only one, or else the one called http or https")
        .cost("Nothing.")
        .by_text()
        .field(
            |config| Some(Value::or_off(config.kubernetes.port.clone())),
            |config, value| {
                config.kubernetes.port = value.unless_off(Value::text)?;
                Ok(())
            },
        ),
];
