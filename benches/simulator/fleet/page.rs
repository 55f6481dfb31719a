//! The page about fleets: the table of sizes, and the plots behind it.

use std::fmt::Write as _;

use super::connections::Connections;
use super::plot::{Line, Plot};
use super::{
    CALLS_OF_ENDPOINT, CAPACITY, Fleet, MOST, SIZES, THRESHOLDS, checks, outage, registry,
};

/// The whole of it, which needs no other file.
pub(crate) fn page() -> String {
    let mut out = String::from(HEAD);
    out.push_str(
        "<h2>The size at which each default must change</h2><div class=\"wide\"><table><thead><tr>",
    );
    for name in ["setting", "default", "holds up to", "by what is bounded", "beyond it"] {
        let _ = write!(out, "<th>{name}</th>");
    }
    out.push_str("</tr></thead><tbody>\n");
    for it in &THRESHOLDS {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td><b>{}</b> {}</td><td>{}</td><td>{}</td></tr>",
            it.setting,
            it.default,
            figure(f64::from(it.stated)),
            it.of,
            it.bound,
            it.beyond
        );
    }
    out.push_str("</tbody></table></div>\n<h2>10,000 clients, from 10 to 10,000 endpoints</h2><div class=\"plots\">");
    by_endpoints().iter().for_each(|plot| out.push_str(&plot.svg()));
    out.push_str("</div>\n<h2>From 10 to 10,000 clients</h2><div class=\"plots\">");
    by_clients().iter().for_each(|plot| out.push_str(&plot.svg()));
    out.push_str("</div></main></body></html>\n");
    out
}

/// What a client and an endpoint have to bear, with all endpoints and with a subset.
fn by_endpoints() -> Vec<Plot<'static>> {
    let with = |value: fn(Fleet) -> f64| {
        let line = |name, subset| Line {
            name,
            points: points(|endpoints| value(Fleet { clients: MOST, endpoints, subset })),
        };
        vec![line("all endpoints", None), line("subset = 20", Some(20))]
    };
    let restart = points(|endpoints| registry::restart(MOST, endpoints).all_served);
    let rest = points(|endpoints| registry::at_rest(MOST, endpoints) / 1e6);
    let over = |title, lines, bound| Plot { title, x: "endpoints", lines, bound };
    vec![
        over(
            "Connections at one endpoint",
            with(|fleet| Connections::of(fleet).at_endpoint),
            Some((1000.0, "1,000")),
        ),
        over(
            "Connections of one client",
            with(|fleet| Connections::of(fleet).of_client),
            Some((1000.0, "1,000 descriptors")),
        ),
        over(
            "Calls without a kept connection, %",
            with(|fleet| Connections::of(fleet).handshakes_percent),
            Some((1.0, "1 %")),
        ),
        over(
            "Health checks a second at one endpoint (profile resilient)",
            with(checks::when_well),
            Some((CAPACITY, "as many as calls that it can do")),
        ),
        over(
            "Registry back after 10 s: seconds until every client has the list",
            vec![Line { name: "full jitter up to 32 s", points: restart }],
            Some((40.0, "40 s")),
        ),
        over(
            "Registry at rest, MB/s: a blocking query each 60 s",
            vec![Line { name: "whole lists", points: rest }],
            Some((registry::BYTES_PER_SECOND / 1e6, "1 Gbit/s")),
        ),
    ]
}

/// What calls do; the service has 20 endpoints and the same calls in all.
fn by_clients() -> Vec<Plot<'static>> {
    let alone = |title, name, found: fn(u32) -> f64, bound| Plot {
        title,
        x: "clients",
        lines: vec![Line { name, points: points(found) }],
        bound,
    };
    let checks_out = |it| checks::when_out(Fleet::all(it, MOST));
    vec![
        alone(
            "Attempts a call while all 20 endpoints answer 503 for 10 s",
            "nothing set",
            outage::attempts,
            Some((1.5, "1.5")),
        ),
        alone(
            "Calls a second to one of 20 endpoints that answers 503, 5 to 10 s after it began",
            "nothing set",
            outage::calls_to_faulty,
            Some((CALLS_OF_ENDPOINT / 2.0, "half of its calls")),
        ),
        alone(
            "Health checks a second at an endpoint that is out (profile resilient)",
            "each second",
            checks_out,
            Some((CAPACITY, "as many as calls that it can do")),
        ),
        alone(
            "Connects in the worst second after the registry is back",
            "full jitter up to 32 s",
            |it| registry::restart(it, 100).peak_connects,
            None,
        ),
        alone(
            "Service of 20 back after 10 s: seconds until 99 % of calls are good",
            "nothing set",
            |it| outage::back_after(it).max(0.1),
            Some((3.0, "the longest open wait")),
        ),
    ]
}

fn points(value: impl Fn(u32) -> f64) -> Vec<(f64, f64)> {
    SIZES.into_iter().map(|size| (f64::from(size), value(size))).collect()
}

/// With a comma between thousands, and three digits where it is small.
pub(crate) fn figure(value: f64) -> String {
    if value < 1000.0 {
        let digits = if value >= 100.0 || value.fract() == 0.0 { 0 } else { 2 };
        return format!("{value:.digits$}");
    }
    let digits = format!("{value:.0}");
    let first = digits.len() % 3;
    let groups = digits.as_bytes()[first..].chunks(3).map(String::from_utf8_lossy);
    let head = (first > 0).then(|| digits[..first].into());
    head.into_iter().chain(groups).collect::<Vec<_>>().join(",")
}

const HEAD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>libahoy in a fleet</title><style>
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5a6675; --grid: #e2e6ec; --paper: #fff; --a: #0b63c5; --b: #c2410c; --bound: #a11d33; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8edf4; --soft: #a3afbf; --grid: #2c3644; --paper: #11161d; --a: #6db1ff; --b: #ffa269; --bound: #ff8095; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 16px; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.2rem; margin-top: 2rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; min-width: 640px; }
th, td { text-align: left; vertical-align: top; padding: 6px 12px 6px 0; border-bottom: 1px solid var(--grid); }
th { color: var(--soft); font-weight: 600; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); gap: 16px; }
figure { margin: 0; max-width: 560px; } figcaption { font-weight: 600; font-size: .95rem; min-height: 1.5em; }
svg { width: 100%; height: auto; display: block; overflow: visible; } svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
.grid { stroke: var(--grid); fill: none; } .line { fill: none; stroke-width: 2; }
path.l0 { stroke: var(--a); } path.l1 { stroke: var(--b); } circle.l0 { fill: var(--a); } circle.l1 { fill: var(--b); }
path.bound { stroke: var(--bound); stroke-dasharray: 5 4; fill: none; } svg text.bound { fill: var(--bound); paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }
</style></head><body><main><h1>What a fleet of clients does to its service and its registry</h1>
<p>From <code>make sim ONLY=fleet</code>: the library's own policies with their defaults, in virtual time. Every endpoint
does 400 calls a second and gets 240, so more endpoints mean more calls; sizes are 10, 20, 50, 100 and so on. Registries
send 200 bytes for each endpoint and have one line of 1 Gbit/s. A client uses every endpoint unless it has a subset.</p>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_at_a_glance() {
        let all = [0.5, 12.0, 7593.0, 1_234_567.0, 10_000.0, 250.4].map(figure);
        assert_eq!(all, ["0.50", "12", "7,593", "1,234,567", "10,000", "250"]);
    }
}
