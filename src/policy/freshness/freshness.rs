//! When a list that a source told applies.
//!
//! Only the newest list counts, so that one that still waits is replaced by the next. The first one applies at once, and
//! so does the first after a quiet time; of a flood of them one applies in each `coalesce`. An empty answer waits for
//! `empty_hold`, and counts only while its source goes on to say so: where the source fails meanwhile, as a registry does
//! that lost its data and restarts, the wait begins anew. A list that still waits when an empty answer comes applies: it is
//! the newest that has endpoints, and serves through the hold.

use std::time::{Duration, Instant};

use super::config::FreshnessConfig;

/// The lists of one source: the one that waits, and since when the one that applies was confirmed.
#[derive(Debug)]
pub struct Freshness<L> {
    config: FreshnessConfig,
    waiting: Option<Waiting<L>>,
    /// An empty answer under its hold. The list that waits is older, and is the last good one.
    held: Option<Waiting<L>>,
    /// What applies: whether it is an empty list, and since when.
    applied: Option<Applied>,
    /// When the source last said that what it told holds.
    confirmed: Option<Instant>,
    /// Since when the source says that there is no endpoint.
    empty_since: Option<Instant>,
}

#[derive(Debug)]
struct Waiting<L> {
    list: L,
    is_empty: bool,
    /// Not before that.
    due: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Applied {
    at: Instant,
    is_empty: bool,
    /// The source was silent for too long, and its list was taken away.
    is_stale: bool,
}

/// A list as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// There are endpoints.
    Some,
    /// There is none, which may be the source's fault.
    None,
    /// There is none, and that is meant: it applies as any other list does.
    Meant,
}

/// What has become due.
#[derive(Debug, PartialEq, Eq)]
pub enum Due<L> {
    /// This list applies from now on.
    Applies(L),
    /// The last list was not confirmed for too long: no endpoint is believed any more.
    Stale,
}

impl<L> Freshness<L> {
    /// Nothing was told yet.
    #[must_use]
    pub const fn new(config: FreshnessConfig) -> Self {
        Self {
            config,
            waiting: None,
            held: None,
            applied: None,
            confirmed: None,
            empty_since: None,
        }
    }

    /// An earlier list applies, as a snapshot or what the parent process knew; confirmed that long ago.
    pub fn begin_with(&mut self, is_empty: bool, age: Duration, now: Instant) {
        self.applied = Some(Applied { at: now, is_empty, is_stale: false });
        // An instant before the machine's start cannot be told: what is that old counts as told then.
        self.confirmed = Some(now.checked_sub(age).unwrap_or(now));
    }

    /// The source told `list`.
    pub fn tell(&mut self, list: L, size: Size, now: Instant) {
        self.confirmed = Some(now);
        let is_empty = size != Size::Some;
        if size == Size::None && self.has_endpoints() {
            let since = *self.empty_since.get_or_insert(now);
            let due = since.checked_add(self.config.empty_hold).unwrap_or(now + FAR);
            self.held = Some(Waiting { list, is_empty, due });
            return;
        }
        self.drop_held();
        self.waiting = Some(Waiting { list, is_empty, due: self.next_turn(now) });
    }

    /// Whether there is something to hold on to: the list that waits says so, or else the one that applies.
    fn has_endpoints(&self) -> bool {
        let waiting = self.waiting.as_ref().map(|waiting| waiting.is_empty);
        waiting.or_else(|| self.applied.map(|it| it.is_empty)) == Some(false)
    }

    fn drop_held(&mut self) {
        (self.held, self.empty_since) = (None, None);
    }

    /// The first list applies at once, a later one not sooner than `coalesce` after the one before.
    fn next_turn(&self, now: Instant) -> Instant {
        let Some(applied) = self.applied else { return now };
        applied.at.checked_add(self.config.coalesce).unwrap_or(now + FAR).max(now)
    }

    /// The source says that what it told last holds still. True where that was taken away for its age: it is to be told
    /// anew.
    #[must_use]
    pub fn confirm(&mut self, now: Instant) -> bool {
        if self.confirmed.is_some() {
            self.confirmed = Some(now);
        }
        self.is_stale() && self.waiting.is_none() && self.held.is_none()
    }

    /// The source's session ended, or fails and goes on: an empty list that waits is not believed, whatever else waits is.
    pub fn interrupt(&mut self) {
        self.drop_held();
    }

    /// What has become due by `now`; to be asked at [`Self::next_due`] and after each list.
    pub fn take_due(&mut self, now: Instant) -> Option<Due<L>> {
        let is_due = |waiting: &mut Waiting<L>| waiting.due <= now;
        let held = self.held.take_if(is_due);
        if held.is_some() {
            // The list that still waits is older.
            (self.waiting, self.empty_since) = (None, None);
        }
        if let Some(waiting) = held.or_else(|| self.waiting.take_if(is_due)) {
            self.applied = Some(Applied { at: now, is_empty: waiting.is_empty, is_stale: false });
            return Some(Due::Applies(waiting.list));
        }
        if self.stale_at().is_some_and(|at| at <= now) {
            self.applied = Some(Applied { at: now, is_empty: true, is_stale: true });
            return Some(Due::Stale);
        }
        None
    }

    /// When something becomes due next.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        let waiting = self.waiting.iter().chain(&self.held).map(|waiting| waiting.due);
        waiting.chain(self.stale_at()).min()
    }

    fn stale_at(&self) -> Option<Instant> {
        let applied = self.applied.filter(|it| !it.is_empty && !it.is_stale)?;
        let confirmed = self.confirmed.unwrap_or(applied.at);
        confirmed.checked_add(self.config.max_stale)
    }

    /// How long ago the source last said that its list holds.
    #[must_use]
    pub fn age(&self, now: Instant) -> Option<Duration> {
        self.confirmed.map(|at| now.saturating_duration_since(at))
    }

    /// Whether a list applies, be it an empty one; none does that was taken away.
    #[must_use]
    pub fn has_list(&self) -> bool {
        self.applied.is_some_and(|it| !it.is_stale)
    }

    /// Whether an empty answer is under its hold.
    #[must_use]
    pub const fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    /// Whether a list was taken away for its age.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.applied.is_some_and(|it| it.is_stale)
    }
}

/// Longer than any process runs.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::t0;

    fn at(ms: u64) -> Instant {
        static START: LazyLock<Instant> = LazyLock::new(t0);
        *START + Duration::from_millis(ms)
    }

    fn fresh(config: FreshnessConfig) -> Freshness<u32> {
        Freshness::new(config)
    }

    fn applies(list: u32) -> Option<Due<u32>> {
        Some(Due::Applies(list))
    }

    #[test]
    fn with_a_coalesce_of_forever_the_first_list_alone_applies() {
        let coalesce = Duration::MAX;
        let mut lists = fresh(FreshnessConfig { coalesce, ..FreshnessConfig::default() });
        lists.tell(1, Size::Some, at(0));
        assert_eq!(lists.take_due(at(0)), applies(1));
        lists.tell(2, Size::Some, at(10));
        assert_eq!(lists.take_due(at(1_000_000)), None);
    }

    #[test]
    fn the_first_list_applies_at_once_and_a_flood_once_in_each_interval() {
        let mut lists = fresh(FreshnessConfig::default());
        lists.tell(1, Size::Some, at(0));
        assert_eq!(lists.take_due(at(0)), applies(1));
        lists.tell(2, Size::Some, at(10));
        assert_eq!(lists.take_due(at(10)), None);
        lists.tell(3, Size::Some, at(20));
        assert_eq!(lists.next_due(), Some(at(50)));
        assert_eq!(lists.take_due(at(50)), applies(3));
        lists.tell(4, Size::Some, at(500));
        assert_eq!(lists.take_due(at(500)), applies(4));
    }

    #[test]
    fn an_empty_answer_applies_after_its_hold_and_not_before_p1() {
        let mut lists = fresh(FreshnessConfig::default());
        lists.tell(1, Size::Some, at(0));
        lists.take_due(at(0));
        for second in 0..30 {
            lists.tell(0, Size::None, at(1000 + second * 1000));
            assert_eq!(lists.take_due(at(1000 + second * 1000)), None);
        }
        assert_eq!(lists.next_due(), Some(at(31_000)));
        assert_eq!(lists.take_due(at(30_999)), None);
        assert!(lists.is_holding());
        assert_eq!(lists.take_due(at(31_000)), applies(0));
        assert!(!lists.is_holding());
    }

    #[test]
    fn a_list_ends_the_hold_and_so_does_a_source_that_fails() {
        let mut lists = fresh(FreshnessConfig::default());
        lists.tell(1, Size::Some, at(0));
        lists.take_due(at(0));
        lists.tell(0, Size::None, at(1000));
        lists.tell(2, Size::Some, at(2000));
        assert_eq!(lists.take_due(at(2000)), applies(2));
        lists.tell(0, Size::None, at(3000));
        lists.interrupt();
        assert_eq!(lists.next_due(), None);
        lists.tell(0, Size::None, at(20_000));
        assert_eq!(lists.take_due(at(49_999)), None);
        assert_eq!(lists.take_due(at(50_000)), applies(0));
    }

    #[test]
    fn the_last_list_before_an_empty_answer_serves_through_the_hold() {
        let mut lists = fresh(FreshnessConfig::default());
        lists.tell(1, Size::Some, at(0));
        lists.take_due(at(0));
        lists.tell(2, Size::Some, at(10));
        lists.tell(0, Size::None, at(20));
        assert_eq!(lists.next_due(), Some(at(50)));
        assert_eq!(lists.take_due(at(50)), applies(2));
        lists.tell(0, Size::None, at(1000));
        assert_eq!(lists.next_due(), Some(at(30_020)), "since the first empty answer");
        assert_eq!(lists.take_due(at(30_020)), applies(0));
        // Also where none was there before.
        lists.tell(3, Size::Some, at(30_030));
        lists.tell(0, Size::None, at(30_040));
        lists.interrupt();
        assert_eq!(lists.take_due(at(30_070)), applies(3));
        assert_eq!(lists.next_due(), None);
        // Looked at late: the newest counts alone.
        lists.tell(4, Size::Some, at(30_080));
        lists.tell(0, Size::None, at(30_090));
        assert_eq!(lists.take_due(at(70_000)), applies(0));
        assert_eq!(lists.next_due(), None);
        // A list of none that is meant stays so.
        lists.tell(5, Size::Some, at(80_000));
        lists.take_due(at(80_000));
        lists.tell(0, Size::Meant, at(80_010));
        lists.tell(6, Size::None, at(80_020));
        assert_eq!(lists.take_due(at(80_050)), applies(6));
    }

    #[test]
    fn without_a_list_before_and_where_it_is_meant_an_empty_one_applies_at_once() {
        let mut lists = fresh(FreshnessConfig::default());
        lists.tell(0, Size::None, at(0));
        assert_eq!(lists.take_due(at(0)), applies(0));
        lists.tell(1, Size::Some, at(100));
        assert_eq!(lists.take_due(at(100)), applies(1));
        lists.tell(2, Size::Meant, at(200));
        assert_eq!(lists.take_due(at(200)), applies(2));
    }

    #[test]
    fn a_hold_of_nothing_is_none_p1() {
        let mut lists =
            fresh(FreshnessConfig { empty_hold: Duration::ZERO, ..FreshnessConfig::default() });
        lists.tell(1, Size::Some, at(0));
        lists.take_due(at(0));
        lists.tell(0, Size::None, at(100));
        assert_eq!(lists.take_due(at(100)), applies(0));
    }

    #[test]
    fn a_list_that_nobody_confirms_goes_after_max_stale_and_comes_back() {
        let max_stale = Duration::from_secs(60);
        let mut lists = fresh(FreshnessConfig { max_stale, ..FreshnessConfig::default() });
        lists.tell(1, Size::Some, at(0));
        lists.take_due(at(0));
        assert!(!lists.confirm(at(30_000)));
        assert_eq!(lists.next_due(), Some(at(90_000)));
        assert_eq!(lists.take_due(at(89_999)), None);
        assert_eq!(lists.take_due(at(90_000)), Some(Due::Stale));
        assert!(!lists.has_list() && lists.is_stale());
        assert_eq!(lists.next_due(), None);
        lists.tell(2, Size::Some, at(100_000));
        assert_eq!(lists.take_due(at(100_000)), applies(2));
    }

    #[test]
    fn a_stale_list_that_is_confirmed_is_to_be_told_anew_unless_another_waits() {
        let max_stale = Duration::from_secs(20);
        let mut lists = fresh(FreshnessConfig { max_stale, ..FreshnessConfig::default() });
        lists.tell(1, Size::Some, at(0));
        lists.take_due(at(0));
        assert_eq!(lists.take_due(at(20_000)), Some(Due::Stale));
        assert!(lists.confirm(at(30_000)));
        lists.tell(1, Size::Some, at(30_000));
        assert_eq!(lists.take_due(at(30_000)), applies(1));
        // What was told last is that there is none.
        lists.tell(0, Size::None, at(40_000));
        assert_eq!(lists.take_due(at(60_000)), Some(Due::Stale));
        assert!(!lists.confirm(at(61_000)));
        assert_eq!(lists.take_due(at(70_000)), applies(0));
    }

    #[test]
    fn an_inherited_list_serves_at_once_with_its_age() {
        let mut lists = fresh(FreshnessConfig::default());
        lists.begin_with(false, Duration::from_millis(5), at(1000));
        assert!(lists.has_list());
        assert_eq!(lists.age(at(1010)), Some(Duration::from_millis(15)));
        lists.tell(0, Size::None, at(1100));
        assert_eq!(lists.take_due(at(2000)), None);
    }

    proptest! {
        #[test]
        fn the_newest_list_applies_in_the_end_and_never_two_within_the_interval(
            told in prop::collection::vec((0_u64..200, 1_u32..9), 1..60),
        ) {
            let mut lists = fresh(FreshnessConfig::default());
            let (mut now, mut last, mut applied_at) = (0, None, None);
            for (pause, list) in &told {
                let until = now + pause;
                // Looked at each millisecond, as a timer would be.
                for ms in now..=until {
                    if let Some(Due::Applies(list)) = lists.take_due(at(ms)) {
                        prop_assert!(applied_at.is_none_or(|before| ms >= before + 50));
                        (last, applied_at) = (Some(list), Some(ms));
                    }
                }
                now = until;
                lists.tell(*list, Size::Some, at(now));
            }
            if let Some(Due::Applies(list)) = lists.take_due(at(now + 50)) {
                last = Some(list);
            }
            prop_assert_eq!(last, told.last().map(|it| it.1));
        }
    }
}
