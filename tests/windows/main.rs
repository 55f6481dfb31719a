//! What of the other test programs runs on Windows, in one program: forty of them would take as many links. Under wine by
//! `tests/windows.sh`; what is left out of it stands in `without.txt` beside this file.

#![cfg(windows)]

#[path = "../balancer_rules.rs"]
mod balancer_rules;
#[path = "../balancers.rs"]
mod balancers;
#[path = "../body_idle.rs"]
mod body_idle;
#[path = "../breaker.rs"]
mod breaker;
#[path = "../callbacks_stop.rs"]
mod callbacks_stop;
#[path = "../calls.rs"]
mod calls;
#[path = "../close.rs"]
mod close;
#[path = "../concurrency.rs"]
mod concurrency;
#[path = "../configuration.rs"]
mod configuration;
#[path = "../deadline.rs"]
mod deadline;
#[path = "../discovery.rs"]
mod discovery;
#[path = "../discovery_dns.rs"]
mod discovery_dns;
#[path = "../discovery_files.rs"]
mod discovery_files;
#[path = "../discovery_kubernetes.rs"]
mod discovery_kubernetes;
#[path = "../early_answers.rs"]
mod early_answers;
#[path = "../encodings.rs"]
mod encodings;
#[path = "../environment.rs"]
mod environment;
#[path = "../errors.rs"]
mod errors;
#[path = "../events.rs"]
mod events;
#[path = "../fairness.rs"]
mod fairness;
#[path = "../health.rs"]
mod health;
#[path = "../hooks.rs"]
mod hooks;
#[path = "../large_bodies.rs"]
mod large_bodies;
#[path = "../options.rs"]
mod options;
#[path = "../out_of_the_box.rs"]
mod out_of_the_box;
#[path = "../parity.rs"]
mod parity;
#[path = "../prequal.rs"]
mod prequal;
#[path = "../protection.rs"]
mod protection;
#[path = "../proxy.rs"]
mod proxy;
#[path = "../queue.rs"]
mod queue;
#[path = "../quickstart.rs"]
mod quickstart;
#[path = "../reasons.rs"]
mod reasons;
#[path = "../redirects.rs"]
mod redirects;
#[path = "../reported.rs"]
mod reported;
#[path = "../resting.rs"]
mod resting;
#[path = "../retry.rs"]
mod retry;
#[path = "../safety.rs"]
mod safety;
#[path = "../soft_limit.rs"]
mod soft_limit;
#[path = "../statistics.rs"]
mod statistics;
#[path = "../steering.rs"]
mod steering;
#[path = "../streaming.rs"]
mod streaming;
#[path = "../targets.rs"]
mod targets;
#[path = "../tls.rs"]
mod tls;
#[path = "../transport.rs"]
mod transport;
#[path = "../uploads.rs"]
mod uploads;
