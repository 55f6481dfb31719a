//! How important a request is, where not all can be sent.

/// How important a request is. The numbers are part of the C interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Criticality {
    /// Its failure does great harm.
    CriticalPlus = 0,
    /// A person waits for it; the default.
    #[default]
    Critical = 1,
    /// It can be repeated in minutes, as most background work.
    SheddablePlus = 2,
    /// It may fail for hours, as most batch work.
    Sheddable = 3,
}

impl Criticality {
    /// All classes, the most important first.
    pub const ALL: [Self; 4] =
        [Self::CriticalPlus, Self::Critical, Self::SheddablePlus, Self::Sheddable];

    /// Takes a number; none above 3.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}
