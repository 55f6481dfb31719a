//! How names are asked for.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::discovery::ProviderConfig;
use crate::discovery::config::{DnsTransport, Family};
use crate::discovery::target::host_and_port;
use crate::options::form::{Form, LIMIT};
use crate::options::setting::Setting;
use crate::options::value::{Problem, SetResult, Value};

const FAMILY: [&str; 3] = ["any", "ipv4", "ipv6"];
const TRANSPORT: [&str; 2] = ["udp", "tcp"];
const SYSTEM: &str = "system";

pub(super) const SETTINGS: &[Setting<ProviderConfig>] = &[
    Setting::new("dns_server", Form::Text("IP addresses with or without a port, parted by commas"))
        .or(&[SYSTEM])
        .purpose("The name servers that are asked, in their order")
        .cost("Nothing.")
        .by_text()
        .field(
            |config| {
                let servers: Vec<_> = config.dns.servers.iter().map(SocketAddr::to_string).collect();
                Some(match servers.is_empty() {
                    true => Value::Word(SYSTEM),
                    false => Value::Text(servers.join(",")),
                })
            },
            |config, value| put_servers(&mut config.dns.servers, value),
        ),
    Setting::new("dns_timeout", LIMIT)
        .purpose("How long a name server may take to answer")
        .cost("Servers that are all silent are given up that much later.")
        .by_text()
        .field(
            |config| Some(Value::Duration(config.dns.timeout)),
            |config, value| {
                config.dns.timeout = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("family", Form::Choice(&FAMILY))
        .purpose("Which addresses of a name are endpoints")
        .cost("With any, a server that has both is two endpoints.")
        .by_text()
        .field(
            |config| {
                Some(Value::Word(match config.dns.family {
                    Family::Any => FAMILY[0],
                    Family::V4 => FAMILY[1],
                    Family::V6 => FAMILY[2],
                }))
            },
            |config, value| {
                config.dns.family = match value.word()? {
                    "ipv4" => Family::V4,
                    "ipv6" => Family::V6,
                    _ => Family::Any,
                };
                Ok(())
            },
        ),
    Setting::new("transport", Form::Choice(&TRANSPORT))
        .purpose("Over what the name servers are asked; with udp, an answer that is cut or from which records are missing is asked for again over TCP")
        .cost("With tcp, a connection to the name server.")
        .by_text()
        .field(
            |config| {
                Some(Value::Word(match config.dns.transport {
                    DnsTransport::Udp => TRANSPORT[0],
                    DnsTransport::Tcp => TRANSPORT[1],
                }))
            },
            |config, value| {
                config.dns.transport = match value.word()? {
                    "tcp" => DnsTransport::Tcp,
                    _ => DnsTransport::Udp,
                };
                Ok(())
            },
        ),
    Setting::new("min_ttl", Form::Duration(Duration::from_secs(1), Duration::from_secs(3600)))
        .purpose("The least time between two questions for a name")
        .cost("A change is seen that much later.")
        .by_text()
        .field(
            |config| Some(Value::Duration(config.dns.min_ttl)),
            |config, value| {
                config.dns.min_ttl = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("max_ttl", Form::Duration(Duration::from_secs(1), Duration::MAX))
        .purpose("How long an answer is believed at most, whatever its time to live")
        .cost("A change is seen that much later.")
        .by_text()
        .field(
            |config| Some(Value::Duration(config.dns.max_ttl)),
            |config, value| {
                config.dns.max_ttl = value.duration()?;
                Ok(())
            },
        ),
];

fn put_servers(field: &mut Vec<SocketAddr>, value: Value) -> SetResult {
    if value == Value::Word(SYSTEM) {
        field.clear();
        return Ok(());
    }
    let text = value.text()?;
    let servers: Result<Vec<_>, Problem> = text.split(',').map(server).collect();
    *field = servers?;
    Ok(())
}

fn server(text: &str) -> Result<SocketAddr, Problem> {
    let (host, port) = host_and_port(text.trim(), Some(53)).map_err(Problem::Value)?;
    let address: Option<IpAddr> = host.parse().ok();
    let address = address.ok_or_else(|| Problem::Value("is no ip address".to_owned()))?;
    Ok(SocketAddr::new(address, port))
}
