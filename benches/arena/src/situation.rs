//! The situations that a user meets with nothing set, or only a time limit: what must become of each stands in its
//! row, and beside the measured number in the report.
//!
//! A smaller service than that of `scenario.rs`, so that a machine of two cores has room: the figures that matter here
//! are errors and seconds of waiting, and not a millisecond more or less.

use crate::plan::{Arrivals, Mode, Work};
use crate::scenario::{HEALTHY, Rate, Scenario, Times, Trouble};

const fn poisson(per_second: f64) -> Rate {
    Rate::Exactly(Arrivals::Poisson { per_second })
}

const fn own(warm_up_ms: u64, trouble_ms: u64, after_ms: u64, quick_part: u64) -> Times {
    Times::Own { warm_up_ms, trouble_ms, after_ms, quick_part }
}

/// Slowed down 20 times, twelve endpoints serve 150 calls a second of 300: the line before them grows by half a second
/// each second, and each caller that asks once more makes it grow faster.
const BROWNOUT: Scenario = Scenario {
    name: "brownout",
    title: "All slow for 3 s",
    about: "All hosts are 20 times slower for 3 s, and then well again. Slow, they serve half of what comes, so a line \
            grows: a caller that waits gets nearly every answer within 2 s, one that asks twice makes it worse.",
    rate: poisson(300.0),
    endpoints: 12,
    work: Work::Exponential { mean_us: 16_000.0 },
    trouble: Trouble::Heals(12, Mode::Slow { factor: 20.0 }),
    times: own(2_000, 3_000, 3_000, 1),
    honours_cancel: false,
    targets: &[("errors", 3.0)],
    quick: true,
    ..HEALTHY
};

/// 6 endpoints of 2 slots serve 600 calls a second.
const OVERLOAD: Scenario = Scenario {
    name: "overload_1_5",
    title: "1.5 times the capacity for 5 s",
    about: "Calls come 1.5 times as fast as all servers together can serve them. The line reaches 2.5 s; calls may \
            take 3 s here, so that a caller that waits gets nearly all answers.",
    rate: Rate::Use(0.5),
    endpoints: 6,
    slots: 2,
    work: Work::Exponential { mean_us: 20_000.0 },
    surge: Some(3.0),
    times: own(2_000, 5_000, 4_000, 1),
    call_ms: Some(3_000),
    limits_ms: (3_000, 500),
    honours_cancel: false,
    targets: &[("errors", 3.0), ("attempts", 1.03)],
    ..HEALTHY
};

/// Three hosts that are well and quick, where one hangs.
const ONE_HANGS: Scenario = Scenario {
    name: "hang_of_three",
    title: "One of three hangs, GET, 30 calls/s",
    about: "It takes requests and never answers. No limit belongs to the scenario: a call may take as long as the \
            contestant lets it.",
    rate: poisson(30.0),
    endpoints: 3,
    slots: 16,
    work: Work::Exponential { mean_us: 5_000.0 },
    clients: 1,
    trouble: Trouble::Stays(1, Mode::Hang),
    times: own(2_000, 30_000, 0, 3),
    call_ms: None,
    slow_ms: 1_200,
    targets: &[("errors", 0.0), ("slow_calls", 3.0)],
    ..HEALTHY
};

const TIGHT: Scenario = Scenario {
    name: "tight_1_2",
    title: "Well, but 1.2 s of 3 s, GET",
    about: "Three healthy hosts that take 1.2 s, a limit of 3 s on the call, 20 calls at once on a new client, three \
            times. A third of the call's limit for each of three tries is less than an answer takes.",
    rate: Rate::Exactly(Arrivals::Batches { calls: 20, every_ms: 5_000 }),
    endpoints: 3,
    slots: 64,
    work: Work::Lognormal { mean_us: 1_200_000.0, cv: 0.0 },
    clients: 1,
    times: own(0, 15_000, 0, 1),
    call_ms: Some(3_000),
    limits_ms: (3_000, 1_000),
    slow_ms: 3_000,
    targets: &[("failed", 0.0), ("requests", 66.0), ("open_circuits", 0.0)],
    ..HEALTHY
};

const BURST: Scenario = Scenario {
    name: "burst",
    title: "200 calls at once on a new client",
    about: "One host is dead, one answers 503, one is good and has room for all. The client has never made a call.",
    rate: Rate::Exactly(Arrivals::Batches { calls: 200, every_ms: 3_000 }),
    endpoints: 3,
    slots: 256,
    work: Work::Exponential { mean_us: 5_000.0 },
    clients: 1,
    trouble: Trouble::Always(&[Mode::Refuse, Mode::Fail { share: 1.0 }]),
    times: own(0, 3_000, 0, 1),
    call_ms: None,
    targets: &[("failed", 0.0)],
    quick: true,
    ..HEALTHY
};

const BACK: Scenario = Scenario {
    name: "back_503",
    title: "Back after 45 s of 503",
    about: "One of three answers 503 for 45 s and is then well. How long until it is used again?",
    trouble: Trouble::Heals(1, Mode::Fail { share: 1.0 }),
    times: own(2_000, 45_000, 35_000, 5),
    targets: &[("errors", 0.0), ("first_use", 3_000.0)],
    ..ONE_HANGS
};

/// All of them, in the report's order.
pub(crate) const ALL: &[Scenario] = &[
    BROWNOUT,
    Scenario {
        name: "brownout_post",
        title: "All slow for 3 s, POST",
        method: "POST",
        quick: false,
        ..BROWNOUT
    },
    OVERLOAD,
    Scenario {
        name: "overload_3",
        title: "3 times the capacity for 5 s",
        about: "Nobody can answer two of three calls. What counts is how many are answered, and that it ends.",
        surge: Some(6.0),
        call_ms: Some(2_000),
        limits_ms: (2_000, 500),
        targets: &[],
        ..OVERLOAD
    },
    Scenario {
        name: "trigger",
        title: "All slow for 2 s at 0.8 of the capacity",
        about: "All hosts are 30 times slower for 2 s, with calls at 0.8 of what they can do when well. What hangs over \
                must be worked off: does the service come back, or do second tries keep it down?",
        rate: Rate::Use(0.8),
        // 30 times 20 ms would hold every slot for most of a second after the trigger, and nobody could be in time.
        endpoints: 4,
        slots: 1,
        work: Work::Exponential { mean_us: 6_000.0 },
        surge: None,
        trouble: Trouble::Heals(4, Mode::Slow { factor: 30.0 }),
        times: own(2_000, 2_000, 6_000, 1),
        call_ms: Some(2_000),
        limits_ms: (2_000, 500),
        targets: &[("errors_after", 5.0), ("recovery", 4_000.0)],
        ..OVERLOAD
    },
    TIGHT,
    Scenario {
        name: "tight_1_2_post",
        title: "Well, but 1.2 s of 3 s, POST",
        method: "POST",
        ..TIGHT
    },
    Scenario {
        name: "tight_2_5",
        title: "Well, but 2.5 s of 3 s, GET",
        about: "The same with hosts that take 2.5 s.",
        work: Work::Lognormal { mean_us: 2_500_000.0, cv: 0.0 },
        targets: &[("failed", 0.0), ("open_circuits", 0.0)],
        ..TIGHT
    },
    Scenario {
        name: "tight_2_5_post",
        title: "Well, but 2.5 s of 3 s, POST",
        about: "The same as POST.",
        method: "POST",
        work: Work::Lognormal { mean_us: 2_500_000.0, cv: 0.0 },
        targets: &[("failed", 0.0), ("open_circuits", 0.0)],
        ..TIGHT
    },
    BURST,
    ONE_HANGS,
    Scenario {
        name: "hang_of_three_post",
        title: "One of three hangs, POST, 30 calls/s",
        about: "What may not be sent twice can only wait. Nobody knows before the first call that the host hangs.",
        method: "POST",
        targets: &[("failed", 3.0)],
        ..ONE_HANGS
    },
    Scenario {
        name: "lone",
        title: "One of three hangs, a lone GET caller",
        about: "One caller for 80 s, a call 200 ms after the end of the last: how long does it wait in all, beyond 100 ms \
                a call?",
        rate: Rate::Exactly(Arrivals::Lone { pause_ms: 200 }),
        times: own(2_000, 80_000, 0, 8),
        slow_ms: 100,
        targets: &[("errors", 0.0), ("waited", 4_000.0)],
        ..ONE_HANGS
    },
    Scenario {
        name: "lone_post",
        title: "One of three hangs, a lone POST caller",
        about: "The same as POST: one deadline of 30 s, and not one more.",
        method: "POST",
        rate: Rate::Exactly(Arrivals::Lone { pause_ms: 200 }),
        times: own(2_000, 80_000, 0, 8),
        slow_ms: 100,
        targets: &[("waited", 30_500.0)],
        ..ONE_HANGS
    },
    BACK,
    Scenario {
        name: "back_hung",
        title: "Back after 45 s of hanging",
        about: "One of three takes requests and does not answer for 45 s, and is then well.",
        trouble: Trouble::Heals(1, Mode::Hang),
        ..BACK
    },
    Scenario {
        name: "back_refused",
        title: "Back after 45 s of refusing",
        about: "One of three refuses connections for 45 s and is then well.",
        trouble: Trouble::Heals(1, Mode::Refuse),
        ..BACK
    },
    Scenario {
        name: "hedge_low",
        title: "One of three is 100 times slower, 10 calls/s",
        about: "Half a second instead of 5 ms: how many calls wait for it? Few calls make a quantile slowly.",
        rate: poisson(10.0),
        trouble: Trouble::Stays(1, Mode::Slow { factor: 100.0 }),
        times: own(5_000, 30_000, 0, 3),
        // An exponential draw of the slow one is above that in 86 of 100 cases, of the others never.
        slow_ms: 75,
        targets: &[("slow_share", 2.0)],
        ..ONE_HANGS
    },
    Scenario {
        name: "hedge_hung",
        title: "One of 25 hangs, 100 calls/s",
        about: "Hedges answer in its place; does anybody notice that it hangs? Its share of first attempts in the second \
                half of the time: a fair share is 16 calls, a probe now and then is a quarter of it.",
        rate: poisson(100.0),
        endpoints: 25,
        times: own(3_000, 8_000, 0, 1),
        targets: &[("errors", 0.0), ("residue", 30.0)],
        ..ONE_HANGS
    },
    Scenario {
        name: "silent",
        title: "Pooled connections go dead without a word",
        about: "One endpoint only. Connections that are open at that moment take requests and never answer, as behind a \
                firewall that forgot them; new ones work.",
        rate: poisson(10.0),
        endpoints: 1,
        trouble: Trouble::Stays(1, Mode::Silent),
        times: own(2_000, 12_000, 0, 1),
        targets: &[("errors", 0.0), ("longest", 2_000.0)],
        ..ONE_HANGS
    },
    Scenario {
        name: "two_groups",
        title: "10 % of requests take 8 s",
        about: "The others take 5 ms; the client is told which is which, by two groups. All hosts are well.",
        rate: poisson(20.0),
        slots: 64,
        work: Work::Bimodal { short_us: 5_000.0, long_us: 8_000_000.0, long_share: 0.1 },
        inherent: true,
        groups: Some(0.1),
        trouble: Trouble::None,
        times: own(2_000, 40_000, 0, 2),
        limits_ms: (30_000, 10_000),
        slow_ms: 9_000,
        targets: &[("errors", 0.0), ("attempts", 1.1), ("gap", 10_000.0)],
        ..ONE_HANGS
    },
];
