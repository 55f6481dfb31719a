//! The limits of one attempt: when it is late, when its connection must stand, and when it ends.

use std::time::{Duration, Instant};

use super::call::Call;
use crate::balancer::lease::Lease;
use crate::config::{ClientConfig, DEFAULT_ATTEMPT_TIMEOUT, DEFAULT_CONNECT_TIMEOUT};
use crate::endpoint::Scheme;
use crate::policy::LatencyEstimate;
use crate::request::Request;

/// The limits of one attempt. All but the last two count from when it last moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// From here on its endpoint is overdue.
    pub(crate) short: Duration,
    /// From here on a copy may start, where copies start early.
    pub(crate) slow: Duration,
    /// From here on it is late, and its call looks elsewhere.
    pub(crate) soft: Duration,
    /// What a failure counts as at least.
    pub(crate) usual: Duration,
    /// Limit on resolving, TCP and TLS together.
    pub(crate) connect: Duration,
    /// When it is cut; `None` for never.
    pub(crate) end: Option<Instant>,
    /// The attempt's own limit cuts it, before the call's deadline does.
    pub(crate) is_hard: bool,
}

/// What limits depend on beside the settings.
#[derive(Clone, Copy, Debug)]
struct LimitInputs {
    now: Instant,
    deadline: Option<Instant>,
    tries_left: Option<u32>,
    known: LatencyEstimate,
    hedge_delay: Option<Duration>,
    /// How long a probe may take at most.
    probe: Option<Duration>,
    may_hang: bool,
    /// TLS is spoken with its endpoint.
    is_tls: bool,
}

impl Limits {
    /// Of an attempt of `call` by `lease` that sets out now, when `tries_left` remain with it.
    pub(crate) fn new(
        call: &Call<'_>,
        lease: &Lease,
        tries_left: Option<u32>,
        now: Instant,
    ) -> Self {
        let config = &call.core.config;
        let hedge_delay = match call.may_hedge() {
            true => call.timing.hedge_delay(config, now),
            false => None,
        };
        let inputs = LimitInputs {
            now,
            deadline: call.deadline,
            tries_left,
            known: call.timing.known(now),
            hedge_delay,
            probe: lease.probe_limit(),
            may_hang: lease.may_hang(),
            is_tls: lease.endpoint().scheme() == Scheme::Https,
        };
        Self::of(config, call.request, inputs)
    }

    /// An unset limit follows the service; the connect limit is the attempt's share of the time left, as the first
    /// endpoint that cannot be reached must not eat what the others need. But a SYN that was lost, or that a full queue of
    /// the server dropped, is sent again after a second (RFC 6298): a share of no more would lose that connection. And TLS
    /// takes three ways there and back, which a share of little time does not leave.
    fn of(config: &ClientConfig, request: &Request, at: LimitInputs) -> Self {
        let left = at.deadline.map_or(Duration::MAX, |end| end.saturating_duration_since(at.now));
        let share = at.tries_left.map_or(left, |tries| left / tries.max(1));
        let own = request.attempt_timeout.or(config.attempt_timeout);
        let outlasts_syn = left / 2 >= OUTLASTS_LOST_SYN;
        let least = match (outlasts_syn, at.is_tls) {
            (true, _) => OUTLASTS_LOST_SYN,
            (false, true) => left.min(OUTLASTS_HANDSHAKE),
            (false, false) => Duration::ZERO,
        };
        let fair = share.max(least);
        let connect = config.connect_timeout.unwrap_or_else(|| DEFAULT_CONNECT_TIMEOUT.min(fair));
        if request.attempt_timeout_hard.unwrap_or(config.attempt_timeout_hard) {
            let own = own.unwrap_or_else(|| DEFAULT_ATTEMPT_TIMEOUT.min(share));
            return Self::hard(own, connect, at);
        }
        let usual = own.unwrap_or_else(|| at.known.soft(share));
        let short = if usual == Duration::MAX { usual } else { at.known.short(usual) };
        let soft = if at.may_hang { short } else { usual };
        let slow = at.hedge_delay.map_or(soft, |delay| delay.min(soft));
        Self { short, slow, soft, usual, connect, end: at.deadline, is_hard: false }
    }

    fn hard(own: Duration, connect: Duration, at: LimitInputs) -> Self {
        let own = at.probe.map_or(own, |probe| own.min(probe));
        let cut = at.now.checked_add(own);
        let is_hard = cut.is_some_and(|cut| at.deadline.is_none_or(|deadline| cut < deadline));
        let slow = at.hedge_delay.unwrap_or(Duration::MAX);
        let end = if is_hard { cut } else { at.deadline };
        let never = Duration::MAX;
        let short = if own == never { never } else { at.known.short(own) };
        Self { short, slow, soft: never, usual: own, connect, end, is_hard }
    }
}

/// The second SYN, and a quarter of a second for its answer and TLS.
pub(super) const OUTLASTS_LOST_SYN: Duration = Duration::from_millis(1250);

/// Three ways there and back of 80 ms each, as between continents.
const OUTLASTS_HANDSHAKE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::policy::Sample;
    use crate::runtime::clock;

    const MS: Duration = Duration::from_millis(1);

    fn request() -> Request {
        Request::new(Method::GET, "/")
    }

    /// 300 ms left for three tries, and nothing known.
    fn at() -> LimitInputs {
        let now = clock::now();
        LimitInputs {
            now,
            deadline: now.checked_add(300 * MS),
            tries_left: Some(3),
            known: LatencyEstimate::default(),
            hedge_delay: None,
            probe: None,
            may_hang: false,
            is_tls: false,
        }
    }

    fn quick() -> LatencyEstimate {
        LatencyEstimate::new(Some((Sample::Enough, 5 * MS)))
    }

    #[test]
    fn an_unset_limit_is_the_attempts_share_and_cuts_nothing() {
        let limits = Limits::of(&ClientConfig::default(), &request(), at());
        assert_eq!((limits.soft, limits.connect), (100 * MS, 100 * MS));
        assert_eq!(
            (limits.end, limits.is_hard),
            (at().deadline.map(|_| limits.end.unwrap()), false)
        );
        let endless = LimitInputs { deadline: None, tries_left: None, ..at() };
        let limits = Limits::of(&ClientConfig::default(), &request(), endless);
        assert_eq!((limits.soft, limits.connect), (1000 * MS, DEFAULT_CONNECT_TIMEOUT));
        assert_eq!(limits.end, None);
    }

    #[test]
    fn a_lost_syn_is_waited_for_where_another_endpoint_could_be_too() {
        let connect = |left| {
            let deadline = at().now.checked_add(left * MS);
            let at = LimitInputs { deadline, ..at() };
            Limits::of(&ClientConfig::default(), &request(), at).connect
        };
        // Three tries.
        let limits = [900, 2400, 3000, 6000, 30_000].map(|left| connect(left).as_millis());
        let close = |(found, wanted): (&u128, u128)| found.abs_diff(wanted) < 100;
        assert!(limits.iter().zip([300, 800, 1250, 2000, 3000]).all(close), "{limits:?}");
    }

    #[test]
    fn a_handshake_has_time_where_there_is_little() {
        let connect = |left| {
            let deadline = at().now.checked_add(left * MS);
            let at = LimitInputs { deadline, is_tls: true, ..at() };
            Limits::of(&ClientConfig::default(), &request(), at).connect
        };
        // Three tries.
        let limits = [100, 300, 900, 3000].map(|left| connect(left).as_millis());
        let close = |(found, wanted): (&u128, u128)| found.abs_diff(wanted) < 40;
        assert!(limits.iter().zip([100, 250, 300, 1250]).all(close), "{limits:?}");
    }

    #[test]
    fn the_requests_own_limit_comes_before_the_clients() {
        let config = ClientConfig { attempt_timeout: Some(5_000 * MS), ..ClientConfig::default() };
        assert_eq!(Limits::of(&config, &request(), at()).soft, 5_000 * MS);
        let request = Request { attempt_timeout: Some(70 * MS), ..request() };
        assert_eq!(Limits::of(&config, &request, at()).soft, 70 * MS);
    }

    #[test]
    fn where_an_endpoint_may_hang_the_call_soon_looks_elsewhere() {
        let at = LimitInputs { known: quick(), may_hang: true, ..at() };
        let limits = Limits::of(&ClientConfig::default(), &request(), at);
        assert_eq!((limits.short, limits.soft, limits.usual), (50 * MS, 50 * MS, 100 * MS));
    }

    #[test]
    fn an_attempt_without_a_limit_makes_nobody_overdue() {
        let config =
            ClientConfig { attempt_timeout: Some(Duration::MAX), ..ClientConfig::default() };
        let at = LimitInputs { known: quick(), may_hang: true, ..at() };
        let limits = Limits::of(&config, &request(), at);
        assert_eq!((limits.short, limits.soft), (Duration::MAX, Duration::MAX));
    }

    #[test]
    fn a_hard_limit_cuts_and_a_probe_sooner() {
        let config = ClientConfig {
            attempt_timeout: Some(200 * MS),
            attempt_timeout_hard: true,
            ..ClientConfig::default()
        };
        let at = at();
        let limits = Limits::of(&config, &request(), at);
        assert_eq!((limits.end, limits.is_hard), (Some(at.now + 200 * MS), true));
        let probe = LimitInputs { probe: Some(150 * MS), ..at };
        assert_eq!(Limits::of(&config, &request(), probe).end, Some(at.now + 150 * MS));
        let soft = Request { attempt_timeout_hard: Some(false), ..request() };
        assert!(!Limits::of(&config, &soft, at).is_hard);
        let late = LimitInputs { deadline: Some(at.now + 100 * MS), ..at };
        let limits = Limits::of(&config, &request(), late);
        assert_eq!((limits.end, limits.is_hard), (late.deadline, false));
    }

    #[test]
    fn a_copy_may_start_before_the_limit_but_not_after() {
        let early = LimitInputs { hedge_delay: Some(10 * MS), ..at() };
        assert_eq!(Limits::of(&ClientConfig::default(), &request(), early).slow, 10 * MS);
        let late = LimitInputs { hedge_delay: Some(800 * MS), ..at() };
        assert_eq!(Limits::of(&ClientConfig::default(), &request(), late).slow, 100 * MS);
    }
}
