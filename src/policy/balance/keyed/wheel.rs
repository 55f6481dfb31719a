//! A circle of slots, each with the endpoint that owns it: what a ring and a Maglev table share.
//!
//! A key comes out at one slot. If the owner does not admit, the owners of the following slots are
//! asked, so each key has its own order of endpoints, and one that is out hands its keys to many
//! others instead of to one neighbour in the list.

/// Owners in a circle.
#[derive(Clone, Debug)]
pub(crate) struct Wheel {
    slots: Box<[u32]>,
    /// Which endpoints may be picked at all. A wheel that is too small leaves some without a slot.
    weighty: Box<[bool]>,
}

impl Wheel {
    pub(crate) const fn new(slots: Box<[u32]>, weighty: Box<[bool]>) -> Self {
        Self { slots, weighty }
    }

    /// How many slots there are.
    pub(crate) const fn len(&self) -> usize {
        self.slots.len()
    }

    /// The owner of the first slot from `start` on that admits. Endpoints without a slot come last.
    pub(crate) fn pick(&self, start: usize, admits: impl Fn(usize) -> bool) -> Option<usize> {
        self.owners_from(start)
            .take(LOOKS)
            .find(|&owner| admits(owner))
            .or_else(|| self.by_survey(start, &admits))
    }

    /// Asks each endpoint once instead of each slot, of which it may have hundreds.
    fn by_survey(&self, start: usize, admits: impl Fn(usize) -> bool) -> Option<usize> {
        let admitted = |(index, &weighty): (usize, &bool)| weighty && admits(index);
        let open: Box<[bool]> = self.weighty.iter().enumerate().map(admitted).collect();
        if !open.contains(&true) {
            return None;
        }
        let on_wheel = self.owners_from(start).find(|&owner| open[owner]);
        on_wheel.or_else(|| {
            let first = start % open.len();
            (first..open.len()).chain(0..first).find(|&index| open[index])
        })
    }

    fn owners_from(&self, start: usize) -> impl Iterator<Item = usize> {
        let (before, after) = self.slots.split_at(start.min(self.slots.len()));
        after.iter().chain(before).map(|&owner| owner as usize)
    }
}

/// Even with nine of ten endpoints out, one pick in thirty at most goes on to the survey.
const LOOKS: usize = 32;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    fn wheel(slots: &[u32], endpoints: usize) -> Wheel {
        Wheel::new(slots.into(), vec![true; endpoints].into())
    }

    #[test]
    fn the_owner_is_the_first_choice() {
        let wheel = wheel(&[2, 0, 1, 0], 3);
        let picks: Vec<_> = (0..4).map(|start| wheel.pick(start, |_| true).unwrap()).collect();
        assert_eq!(picks, [2, 0, 1, 0]);
    }

    #[test]
    fn the_next_slots_are_asked_past_the_end() {
        let wheel = wheel(&[2, 0, 1, 0], 3);
        assert_eq!(wheel.pick(3, |index| index != 0), Some(2));
        assert_eq!(wheel.pick(2, |index| index == 2), Some(2));
    }

    #[test]
    fn who_has_no_slot_comes_last() {
        let wheel = wheel(&[0, 1], 4);
        assert_eq!(wheel.pick(0, |index| index != 0), Some(1));
        assert_eq!(wheel.pick(0, |index| index > 1), Some(2));
        assert_eq!(wheel.pick(0, |index| index == 3), Some(3));
    }

    #[test]
    fn who_weighs_nothing_never_comes() {
        let wheel = Wheel::new([0, 0].into(), [true, false].into());
        assert_eq!(wheel.pick(0, |index| index == 1), None);
    }

    #[test]
    fn an_empty_wheel_has_nobody() {
        assert_eq!(wheel(&[], 0).pick(0, |_| true), None);
    }

    #[test]
    fn a_long_row_of_slots_asks_its_owner_no_more_than_a_few_times() {
        let (slots, asked) = ([vec![0; 10_000], vec![1]].concat(), Cell::new(0));
        let admits = |index| {
            asked.set(asked.get() + 1);
            index == 1
        };
        assert_eq!(wheel(&slots, 2).pick(0, admits), Some(1));
        assert!(asked.get() < 40, "{}", asked.get());
    }

    proptest! {
        #[test]
        fn someone_is_picked_if_anyone_admits(
            open in prop::collection::vec(any::<bool>(), 1..80),
            slots in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
            start in any::<prop::sample::Index>(),
        ) {
            let slots: Vec<_> = slots.iter().map(|slot| slot.index(open.len()) as u32).collect();
            let start = if slots.is_empty() { 0 } else { start.index(slots.len()) };
            let picked = wheel(&slots, open.len()).pick(start, |index| open[index]);
            prop_assert_eq!(picked.is_some(), open.contains(&true));
            prop_assert!(picked.is_none_or(|index| open[index]));
        }
    }
}
