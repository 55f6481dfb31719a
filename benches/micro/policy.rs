//! What the resilience path costs without any I/O: pick, permit, settle and statistics of one attempt; picks and
//! updates among many endpoints; memory of an endpoint.
//!
//! Prints one line a figure, as `benches/micro/run.sh` reads it. `policy instructions N` repeats one attempt N times
//! and prints nothing: callgrind counts it. `policy picks ALGORITHM N` repeats a pick among many endpoints.
//!
//! Beside the picks stands what a wait for memory costs where it was measured: a load that depends on the one before,
//! among as many bytes as a pick chooses from.

use std::hint::black_box;
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ahoy::balancer::Balancer;
use ahoy::balancer::pick::attempted::Attempted;
use ahoy::balancer::pick::constraints::PickConstraints;
use ahoy::config::{Algorithm, BalancerConfig};
use ahoy::discovery::Provider;
use ahoy::endpoint::Host;
use ahoy::outcome::Verdict;
use ahoy::policy::{AttemptOutcome, LoadModel, Observation, P2c};
use ahoy::runtime::clock;

const FEW: usize = 1_000;
const MANY: usize = 100_000;
const PORTS: usize = 50_000;
const REPEATS: usize = 15;
const CHANGES: usize = 100;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("instructions"), Some(count)) => {
            let (balancer, _) = balancer(Algorithm::RoundRobin, FEW);
            (0..count.parse().unwrap_or(0)).for_each(|_: u64| assert!(attempt(&balancer)));
        }
        (Some("picks"), Some(name)) => {
            let (_, algorithm) = algorithms().into_iter().find(|it| it.0 == name).expect("a name");
            let count = arguments.next().and_then(|count| count.parse().ok());
            pick(&balancer(algorithm, MANY).0, count.expect("a number"));
        }
        _ => measure(),
    }
}

fn measure() {
    // First, while nothing else was freed that it could be put into.
    bytes_per_endpoint();
    layer();
    picks();
    update();
}

fn tell(name: &str, value: f64, unit: &str) {
    println!("{name}\t{value:.6}\t{unit}\t\t\t\t");
}

/// Answers with the list that was put there for it, so that making it is not measured.
#[derive(Default)]
struct Prepared(Mutex<Vec<Host>>);

impl Prepared {
    fn put(&self, hosts: Vec<Host>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = hosts;
    }
}

impl Provider for Prepared {
    fn discover(&self) -> Result<Vec<Host>, String> {
        Ok(std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Distinct endpoints; among the first thousands the port alone tells them apart.
fn hosts(count: usize) -> Vec<Host> {
    let host = |number: usize| {
        Host::new(format!("10.0.{}.10", number / PORTS), 1024 + (number % PORTS) as u16)
    };
    (0..count).map(host).collect()
}

fn balancer(algorithm: Algorithm, count: usize) -> (Arc<Balancer>, Arc<Prepared>) {
    let provider = Arc::new(Prepared::default());
    provider.put(hosts(count));
    let shared = Arc::clone(&provider) as Arc<dyn Provider>;
    let balancer = Arc::new(Balancer::new(shared, BalancerConfig::new(algorithm)));
    balancer.update().expect("the list is there");
    (balancer, provider)
}

/// What one attempt costs without its exchange: pick, permit, settle and statistics, as of a good answer. False where
/// no endpoint admits.
fn attempt(balancer: &Balancer) -> bool {
    let now = clock::now();
    let Ok(lease) = balancer.lease(Attempted::NONE, None, PickConstraints::ANY, now) else {
        return false;
    };
    let end = clock::now();
    let observation = Observation::new(Verdict::Success, end.saturating_duration_since(now));
    lease.settle(&observation, &AttemptOutcome::Answered { status: 200 }, end);
    true
}

fn layer() {
    for (name, algorithm) in [("", Algorithm::RoundRobin), ("_p2c", p2c())] {
        // Two threads that share no balancer: what they cost each other is the processors'.
        let (shared, apart) = ([few(&algorithm)], [few(&algorithm), few(&algorithm)]);
        tell(&format!("layer_ns{name}"), typical(|| per_attempt(&shared, 1)), "ns");
        tell(&format!("layer_ns{name}_apart"), typical(|| per_attempt(&apart, 2)), "ns");
        let mut worst: f64 = 0.0;
        for threads in [2, 4, 8, 16] {
            let nanos = typical(|| per_attempt(&shared, threads));
            tell(&format!("layer_ns{name}_{threads}_threads"), nanos, "ns");
            worst = worst.max(nanos);
        }
        tell(&format!("layer_ns{name}_contended"), worst, "ns");
    }
}

fn few(algorithm: &Algorithm) -> Arc<Balancer> {
    balancer(algorithm.clone(), FEW).0
}

fn p2c() -> Algorithm {
    Algorithm::P2c { rule: P2c::new(), model: LoadModel::default() }
}

/// Nanoseconds that an attempt keeps a processor, with `threads` at it at once, which take the balancers in turns.
fn per_attempt(balancers: &[Arc<Balancer>], threads: usize) -> f64 {
    const EACH: usize = 50_000;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let start = Barrier::new(threads + 1);
    let began = std::thread::scope(|scope| {
        for balancer in balancers.iter().cycle().take(threads) {
            scope.spawn(|| {
                start.wait();
                (0..EACH).for_each(|_| assert!(attempt(balancer)));
            });
        }
        start.wait();
        Instant::now()
    });
    nanos(began.elapsed()) * threads.min(processors) as f64 / (EACH * threads) as f64
}

fn picks() {
    for (name, bytes) in [("pointers", MANY * 8), ("loads", MANY * 32), ("memory", 64 << 20)] {
        tell(&format!("miss_ns_{name}"), miss(bytes), "ns");
    }
    for (name, algorithm) in algorithms() {
        let (balancer, _) = balancer(algorithm, MANY);
        // All caches as they are after many picks.
        pick(&balancer, MANY);
        tell(&format!("pick_ns_100k_{name}"), in_slices(|count| pick(&balancer, count)), "ns");
    }
}

fn algorithms() -> [(&'static str, Algorithm); 3] {
    [("round_robin", Algorithm::RoundRobin), ("random", Algorithm::Random), ("p2c", p2c())]
}

fn pick(balancer: &Balancer, count: usize) {
    let now = clock::now();
    for _ in 0..count {
        black_box(balancer.peek(now, Arc::as_ptr));
    }
}

/// Nanoseconds of a load that waits for the one before, from anywhere in so many bytes: of each line of 64 bytes the
/// first word names the next line.
fn miss(bytes: usize) -> f64 {
    const WORDS: usize = 8;
    let mut lines: Vec<usize> = (0..bytes / 8 / WORDS).collect();
    let mut drawn = 0_u64;
    for line in (1..lines.len()).rev() {
        // Knuth's generator (MMIX): what no prefetcher guesses, without a crate, so that `instructions.sh` needs no cargo.
        drawn =
            drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Below itself only: one round through all of them.
        lines.swap(line, (drawn >> 33) as usize % line);
    }
    let mut words = vec![0; lines.len() * WORDS];
    for pair in lines.windows(2) {
        words[pair[0] * WORDS] = pair[1] * WORDS;
    }
    words[lines[lines.len() - 1] * WORDS] = lines[0] * WORDS;
    let mut at = 0;
    in_slices(|count| (0..count).for_each(|_| at = black_box(words[at])))
}

/// Nanoseconds of one repetition, as the median of slices so short that another program's turn falls into few.
fn in_slices(mut repeat: impl FnMut(usize)) -> f64 {
    const SLICES: usize = 1_000;
    const EACH: usize = 1_000;
    let mut slice = |_| {
        let began = Instant::now();
        repeat(EACH);
        nanos(began.elapsed()) / EACH as f64
    };
    let mut values: Vec<f64> = (0..SLICES).map(&mut slice).collect();
    values.sort_by(f64::total_cmp);
    values[SLICES / 2]
}

/// One endpoint leaves and joins in turn; and the whole list comes again with one more or less.
fn update() {
    let (balancer, provider) = balancer(Algorithm::RoundRobin, MANY);
    let host = hosts(MANY / 2).pop().expect("there are some");
    let micros = typical(|| {
        let began = Instant::now();
        for _ in 0..CHANGES / 2 {
            assert!(balancer.remove_endpoint(host.clone()).expect("not in a callback"));
            balancer.add_endpoint(host.clone()).expect("not in a callback");
        }
        nanos(began.elapsed()) / 1e3 / CHANGES as f64
    });
    tell("update_us_100k", micros, "us");
    let mut count = MANY;
    let millis = typical(|| {
        count = if count == MANY { MANY - 1 } else { MANY };
        provider.put(hosts(count));
        let began = Instant::now();
        balancer.update().expect("the list is there");
        nanos(began.elapsed()) / 1e6
    });
    tell("full_update_ms_100k", millis, "ms");
}

fn bytes_per_endpoint() {
    let before = resident_bytes();
    let kept = balancer(Algorithm::RoundRobin, MANY);
    tell("bytes_per_endpoint", (resident_bytes() - before) / MANY as f64, "bytes");
    for _ in 0..MANY {
        assert!(attempt(&kept.0));
    }
    tell("bytes_per_used_endpoint", (resident_bytes() - before) / MANY as f64, "bytes");
    drop(kept);
}

fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kilobytes.expect("Linux tells the resident size") * 1024.0
}

/// The median of some repetitions; the first warms up.
fn typical(mut measure: impl FnMut() -> f64) -> f64 {
    measure();
    let mut values: Vec<f64> = (0..REPEATS).map(|_| measure()).collect();
    values.sort_by(f64::total_cmp);
    values[REPEATS / 2]
}

fn nanos(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}
