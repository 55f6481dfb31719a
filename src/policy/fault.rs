//! Faults on demand: which of them an attempt suffers, so that a user can test what they do.
//!
//! Each kind has a share of the attempts and is drawn for itself, as Envoy's fault filter does: one attempt may be
//! delayed and aborted. All kinds are drawn for every attempt, whatever came before, so that one share can be changed
//! and the other faults of a seed stay where they are.

use std::time::Duration;

use rand::{Rng, RngExt};

use super::circuit::window::Ratio;

/// Faults and the shares of attempts that suffer them; default none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FaultConfig {
    /// Attempts that are answered with this status at once, and never sent.
    pub abort: Option<(u16, Ratio)>,
    /// Attempts that are sent after this time.
    pub delay: Option<(Duration, Ratio)>,
    /// Attempts whose connection is lost.
    pub reset: Option<Ratio>,
}

/// What one attempt suffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InjectedFault {
    /// It begins after this time.
    pub delay: Option<Duration>,
    /// It ends thus, and is not sent.
    pub end: Option<FaultEnd>,
}

/// How an attempt ends that a fault ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultEnd {
    /// With an answer of this status.
    Abort(u16),
    /// Without an answer, after the request seemed to be sent.
    Reset,
}

impl FaultConfig {
    /// Whether there is any.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.abort.is_some() || self.delay.is_some() || self.reset.is_some()
    }

    /// What the next attempt suffers; none if it is spared.
    #[must_use]
    pub fn draw(&self, rng: &mut impl Rng) -> Option<InjectedFault> {
        let [abort, delay, reset] = [(); 3].map(|()| rng.random::<f64>());
        let abort = self.abort.filter(|(_, share)| abort < share.value());
        let delay = self.delay.filter(|(_, share)| delay < share.value());
        let reset = self.reset.filter(|share| reset < share.value());
        let end = match (abort, reset) {
            (Some((status, _)), _) => Some(FaultEnd::Abort(status)),
            (None, Some(_)) => Some(FaultEnd::Reset),
            (None, None) => None,
        };
        let fault = InjectedFault { delay: delay.map(|(delay, _)| delay), end };
        (fault != InjectedFault::default()).then_some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::test_inputs::{ms, rng};

    fn all(share: f64) -> FaultConfig {
        let share = Ratio::new(share).unwrap();
        FaultConfig { abort: Some((503, share)), delay: Some((ms(200), share)), reset: Some(share) }
    }

    #[test]
    fn a_share_of_the_attempts_suffers_and_the_rest_is_spared() {
        let (faults, mut rng) = (all(0.1), rng());
        let drawn: Vec<_> =
            (0..10_000).map(|_| faults.draw(&mut rng).unwrap_or_default()).collect();
        let share =
            |is: &dyn Fn(&InjectedFault) -> bool| drawn.iter().filter(|fault| is(fault)).count();
        let aborted = share(&|fault| fault.end == Some(FaultEnd::Abort(503)));
        let delayed = share(&|fault| fault.delay == Some(ms(200)));
        let reset = share(&|fault| fault.end == Some(FaultEnd::Reset));
        assert!((900..=1100).contains(&aborted) && (900..=1100).contains(&delayed));
        assert!((800..=1000).contains(&reset), "{reset}: an abort comes first");
        assert!(share(&|fault| fault.delay.is_some() && fault.end.is_some()) > 100);
    }

    #[test]
    fn all_or_nothing() {
        let suffers = InjectedFault { delay: Some(ms(200)), end: Some(FaultEnd::Abort(503)) };
        assert_eq!(all(1.0).draw(&mut rng()), Some(suffers));
        assert_eq!(all(0.0).draw(&mut rng()), None);
        assert!(all(0.0).is_on() && !FaultConfig::default().is_on());
    }

    #[test]
    fn another_share_leaves_the_other_faults_of_a_seed_in_place() {
        let resets = |faults: FaultConfig| {
            let mut rng = rng();
            let drawn = (0..100).map(move |_| faults.draw(&mut rng).unwrap_or_default());
            drawn.map(|fault| fault.end.is_some()).collect::<Vec<_>>()
        };
        let reset = Some(Ratio::TENTH);
        let alone = FaultConfig { reset, ..FaultConfig::default() };
        assert_eq!(
            resets(alone),
            resets(FaultConfig { reset, delay: all(0.5).delay, abort: None })
        );
    }
}
