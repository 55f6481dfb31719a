//! What is wrong with an answer, on its way through hyper.

use std::error::Error;
use std::{fmt, io};

use crate::outcome::FailureKind;
use crate::transport::cause::Cause;

/// Why an answer is not read any further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AnswerFault {
    kind: FailureKind,
    detail: String,
}

impl AnswerFault {
    /// The peer speaks something else: another endpoint may do better.
    pub(crate) fn not_http(detail: impl Into<String>) -> Self {
        Self { kind: FailureKind::Protocol, detail: detail.into() }
    }

    /// The answer is HTTP, and refused for a reason that lies in the service: another endpoint would send the same.
    pub(crate) fn refused(detail: impl Into<String>) -> Self {
        Self { kind: FailureKind::Unacceptable, detail: detail.into() }
    }

    /// The answer's head, its interim answers included, is above `bound` bytes.
    pub(crate) fn too_long(bound: usize) -> Self {
        Self::refused(format!("answer's head above {bound} bytes"))
    }

    /// `bound` bytes came that are neither head nor body.
    pub(crate) fn empty_framing(bound: usize) -> Self {
        let detail = format!("more than {bound} bytes of chunk sizes without a byte of the body");
        Self { kind: FailureKind::Protocol, detail }
    }

    /// `bound` bytes came of which nothing came, be it by records of TLS, by frames of HTTP/2 or otherwise.
    pub(in crate::transport) fn of_no_use(bound: usize) -> Self {
        let detail = format!("more than {bound} bytes that are neither head nor body of an answer");
        Self { kind: FailureKind::Protocol, detail }
    }

    pub(in crate::transport) fn cause(&self) -> Cause {
        Cause::new(self.kind, self.detail.clone())
    }
}

impl fmt::Display for AnswerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl Error for AnswerFault {}

impl From<AnswerFault> for io::Error {
    fn from(fault: AnswerFault) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault)
    }
}
