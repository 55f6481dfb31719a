//! The health checks that one endpoint gets from a fleet with the profile `resilient`: by the library's own schedule.

use ahoy::policy::{Check, HealthConfig, Pace};

use super::Fleet;
use crate::draws::{Draws, hash};
use crate::time::{Clock, Nanos, SECOND};

/// Checks a second at one endpoint that is well; calls tell as much as a check does.
pub(crate) fn when_well(fleet: Fleet) -> f64 {
    fleet.clients_of_endpoint() * of_pair(Some(1.0 / fleet.pair_rate()), Pace::Busy)
}

/// The same at one that is out, and gets no calls.
pub(crate) fn when_out(fleet: Fleet) -> f64 {
    fleet.clients_of_endpoint() * of_pair(None, Pace::Out)
}

/// Checks a second of one client at one endpoint, with a call each `mean_pause` seconds.
fn of_pair(mean_pause: Option<f64>, pace: Pace) -> f64 {
    let (config, clock) = (HealthConfig::default(), Clock::new());
    let mut draws = Draws::new(hash(&[5, mean_pause.unwrap_or(0.0).to_bits()]));
    let pause = |draws: &mut Draws| -> Nanos {
        mean_pause.map_or(Nanos::MAX / 8, |mean| draws.exponential(mean * SECOND as f64))
    };
    let mut check = Check::new(clock.at(0), &mut draws);
    let (mut now, mut call, mut checks) = (0, pause(&mut draws), 0_u32);
    while now < SPAN {
        let due = check.next_due(pace, &config).duration_since(clock.at(0));
        let due = Nanos::try_from(due.as_nanos()).unwrap_or(Nanos::MAX);
        if call < due {
            now = call;
            check.traffic_told(clock.at(now));
            call = now + pause(&mut draws);
        } else {
            now = due;
            checks += 1;
            let _ = check.observe(Ok(()), &config, clock.at(now), &mut draws);
        }
    }
    f64::from(checks) / (SPAN / SECOND) as f64
}

const SPAN: Nanos = 20_000 * SECOND;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_calls_a_check_comes_by_its_interval() {
        let config = HealthConfig::default();
        for (pace, interval) in [(Pace::Busy, config.interval), (Pace::Out, config.out_interval())]
        {
            let found = of_pair(None, pace) * interval.as_secs_f64();
            assert!((found - 1.0).abs() < 0.02, "{pace:?}: {found}");
        }
    }

    #[test]
    fn calls_take_the_place_of_checks() {
        assert!(of_pair(Some(0.1), Pace::Busy) < 0.001);
    }
}
