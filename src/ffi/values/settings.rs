//! Configure, then share: a handle that freezes when it is first used.
//!
//! A forked child goes on with the handle, so no fork may come while it is locked.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, ErrorKind};
use crate::runtime::process::without_fork;

/// Settings that may be changed until something uses them.
#[derive(Debug)]
pub(crate) struct Settings<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    value: T,
    in_use: bool,
}

impl<T> Settings<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { state: Mutex::new(State { value, in_use: false }) }
    }

    /// Those of something that is in use already.
    pub(crate) fn in_use(value: T) -> Self {
        Self { state: Mutex::new(State { value, in_use: true }) }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the settings of the handle called `name`.
    pub(crate) fn change(
        &self,
        name: &str,
        change: impl FnOnce(&mut T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        without_fork(|| {
            let mut state = self.lock();
            if state.in_use {
                let message = format!("{name}: is in use and can no longer be changed");
                return Err(Error::new(ErrorKind::InUse, message));
            }
            change(&mut state.value)
        })
    }
}

impl<T: Clone> Settings<T> {
    /// The first use, unless the settings do not go together: then they can still be changed.
    pub(crate) fn freeze_if(
        &self,
        check: impl FnOnce(&T) -> Result<(), Error>,
    ) -> Result<T, Error> {
        without_fork(|| {
            let mut state = self.lock();
            check(&state.value)?;
            state.in_use = true;
            Ok(state.value.clone())
        })
    }

    /// The settings as they are; they can still be changed.
    pub(crate) fn read(&self) -> T {
        without_fork(|| self.lock().value.clone())
    }

    /// The first use: from here on the settings stay as they are.
    pub(crate) fn freeze(&self) -> T {
        without_fork(|| {
            let mut state = self.lock();
            state.in_use = true;
            state.value.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_use_freezes() {
        let settings = Settings::new(1);
        let set = |to| {
            settings.change("breaker", |value| {
                *value = to;
                Ok(())
            })
        };
        assert!(set(2).is_ok());
        assert_eq!(settings.freeze(), 2);
        let error = set(3).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InUse);
        assert_eq!(settings.freeze(), 2);
    }
}
