//! The policies in virtual time.
mod attempt; mod call; mod client; mod contestant; mod draws; mod fault; mod figures; mod member; mod prove; mod queue; mod server; mod setup; mod stats; mod time; mod world;
use time::*; use contestant::*; use setup::*; use fault::*; use figures::*;
fn main() {
    let t = std::time::Instant::now();
    let arg = std::env::args().nth(1).unwrap_or_default();
    if arg == "prove" { for p in prove::all(1000, 4_000_000) { println!("{p:?} {:.3}% {:?}", 100.0*p.error(), t.elapsed()); } return; }
    let f = |mode| Fault { servers: 0..1, mode, from: WARM_UP, until: WARM_UP + 40 * SECOND };
    let span = 40 * SECOND;
    for s in [Setup::twenty("healthy", 0.6, span), Setup::twenty("slow", 0.6, span).with(f(Mode::Slow(10.0))), Setup::twenty("hang", 0.6, span).with(f(Mode::Hang)), Setup::twenty("fail", 0.6, span).with(f(Mode::FailFast)), Setup::twenty("refuse", 0.6, span).with(f(Mode::Refuse)), Setup::twenty("pause", 0.6, span).with(f(Mode::Pause{lasting:400*MS, every:2*SECOND})), Setup::twenty("flap", 0.6, span).with(f(Mode::Flap{lasting:SECOND, every:3*SECOND}))] {
    for c in [Contestant::plain("rr", Balance::RoundRobin), Contestant::plain("lr", Balance::of_fewest(2)), Contestant::plain("peak", Balance::PEAK_EWMA), Contestant::plain("ahoy2", Balance::AHOY_TWO), Contestant::plain("ahoy", Balance::AHOY), Contestant::unhedged(), Contestant::full_pack()] {
    let x = figures::Figures::of(&s, &c, 1);
    println!("{:8} {:20} p50 {:.1} p99 {:.1} p999 {:.1} err {:.4}% att {:.4} hedge {:.2}% det {:.2} spread {:.3} {:?}", s.name, c.name, x.get(Figure::P50), x.get(Figure::P99), x.get(Figure::P999), x.get(Figure::ErrorPercent), x.get(Figure::Attempts), x.get(Figure::HedgePercent), x.get(Figure::Detection), x.get(Figure::MaxToMean), t.elapsed());
    }}
}
