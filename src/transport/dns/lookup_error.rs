//! Why a name has no addresses.

use std::error::Error;
use std::fmt;

use crate::outcome::FailureKind;
use crate::transport::cause::Cause;

/// Why a name has no addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupError {
    kind: FailureKind,
    detail: &'static str,
}

impl LookupError {
    /// [`FailureKind::NameNotFound`], [`FailureKind::Resolve`] or [`FailureKind::Local`].
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    pub(in crate::transport) fn cause(&self) -> Cause {
        Cause::new(self.kind, self.detail)
    }

    pub(super) fn no_such_name() -> Self {
        Self { kind: FailureKind::NameNotFound, detail: "no such name" }
    }

    /// The name exists, so that the host may come back at any moment, as a service does that was scaled down to nothing.
    /// That is no more the endpoint's doing than a name service which fails.
    pub(super) fn no_address() -> Self {
        Self::resolve("name has no address at present")
    }

    pub(super) fn not_a_name() -> Self {
        Self { kind: FailureKind::NameNotFound, detail: "not a name" }
    }

    /// The name servers say that they cannot tell.
    pub(super) fn service_failed() -> Self {
        Self::resolve("name service failed")
    }

    pub(super) fn resolve(detail: &'static str) -> Self {
        Self { kind: FailureKind::Resolve, detail }
    }

    pub(super) fn local(detail: &'static str) -> Self {
        Self { kind: FailureKind::Local, detail }
    }

    pub(super) fn stopped() -> Self {
        Self::resolve("name service stopped")
    }

    /// Whether the name may have addresses all the same.
    pub(super) fn is_uncertain(&self) -> bool {
        self.kind != FailureKind::NameNotFound && *self != Self::no_address()
    }

    /// Whether the name servers have said so, and are not silent or out of reach.
    pub(super) fn is_said(&self) -> bool {
        *self == Self::service_failed()
    }

    /// Of two errors the heavier one is told. A name that has no address of one kind exists, whatever is said of the
    /// other kind: some name servers deny a name that has no AAAA record.
    pub(super) fn weight(&self) -> u8 {
        match self.kind {
            FailureKind::Local => 4,
            FailureKind::Resolve if self.is_uncertain() => 3,
            FailureKind::Resolve => 2,
            _ => u8::from(*self == Self::no_such_name()),
        }
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail)
    }
}

impl Error for LookupError {}
