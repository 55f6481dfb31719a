//! What the system's error numbers say that the standard library does not.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

use std::io;

use self::platform::{NO_DESCRIPTOR, SHORTAGES};

/// What this process or machine is short of, where that is the error: no peer is to blame.
#[must_use]
pub fn shortage(error: &io::Error) -> Option<&'static str> {
    let number = error.raw_os_error()?;
    SHORTAGES.iter().find(|(short, _)| *short == number).map(|(_, what)| *what)
}

/// What the system says where this process has no descriptor left.
#[must_use]
pub fn no_descriptor() -> io::Error {
    io::Error::from_raw_os_error(NO_DESCRIPTOR)
}

/// The numbers of every shortage.
#[cfg(test)]
pub(crate) fn shortages() -> impl Iterator<Item = i32> {
    SHORTAGES.iter().map(|(number, _)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_says_what_is_short_or_whose_fault_it_is() {
        for (number, kind) in platform::PEERS {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!((error.kind(), shortage(&error)), (kind, None), "{number}");
        }
        for number in shortages() {
            assert!(shortage(&io::Error::from_raw_os_error(number)).is_some(), "{number}");
        }
        assert_eq!(shortage(&io::ErrorKind::OutOfMemory.into()), None);
        assert!(shortage(&no_descriptor()).is_some());
    }
}
