//! The lock, the atomic and the wake-up that the endings of calls stand on.
//!
//! `make loom` exchanges them for modelled ones, so that it can run every order in which threads may meet.

#[cfg(not(all(test, ahoy_loom)))]
pub use std::sync::{Mutex, MutexGuard, atomic::AtomicU8};
#[cfg(not(all(test, ahoy_loom)))]
pub use tokio::sync::Notify;

#[cfg(all(test, ahoy_loom))]
pub use super::sync::notify::Notify;
#[cfg(all(test, ahoy_loom))]
pub use loom::sync::{Mutex, MutexGuard, atomic::AtomicU8};

/// tokio's `Notify` by its documentation: its own cannot be modelled from outside of tokio.
#[cfg(all(test, ahoy_loom))]
mod notify {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use loom::sync::Mutex;

    /// As tokio's.
    #[derive(Debug, Default)]
    pub struct Notify {
        state: Mutex<State>,
    }

    #[derive(Debug, Default)]
    struct State {
        /// Left by `notify_one` where there was no waiter.
        permit: bool,
        /// How often all were notified.
        rounds: usize,
        next_name: usize,
        waiting: Vec<(usize, Waker)>,
    }

    impl Notify {
        /// Wakes one that waits, or leaves a permit.
        pub fn notify_one(&self) {
            let mut state = self.state.lock().unwrap();
            match state.waiting.is_empty() {
                true => state.permit = true,
                false => state.waiting.remove(0).1.wake(),
            }
        }

        /// Wakes all that wait or have asked to.
        pub fn notify_waiters(&self) {
            let mut state = self.state.lock().unwrap();
            state.rounds += 1;
            state.waiting.drain(..).for_each(|(_, waker)| waker.wake());
        }

        /// Ready with a permit, or when all are notified after this.
        pub fn notified(&self) -> impl Future<Output = ()> {
            Notified { notify: self, rounds: self.state.lock().unwrap().rounds, name: None }
        }
    }

    struct Notified<'a> {
        notify: &'a Notify,
        rounds: usize,
        /// Its name among those that wait, once it does.
        name: Option<usize>,
    }

    impl Future for Notified<'_> {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            let mut state = self.notify.state.lock().unwrap();
            if let Some(name) = self.name {
                // The notifier took it out.
                let Some(own) = state.waiting.iter_mut().find(|(other, _)| *other == name) else {
                    return Poll::Ready(());
                };
                own.1.clone_from(cx.waker());
                return Poll::Pending;
            }
            if state.rounds != self.rounds || std::mem::take(&mut state.permit) {
                return Poll::Ready(());
            }
            let name = state.next_name;
            state.next_name += 1;
            state.waiting.push((name, cx.waker().clone()));
            drop(state);
            self.name = Some(name);
            Poll::Pending
        }
    }

    impl Drop for Notified<'_> {
        fn drop(&mut self) {
            if let Some(name) = self.name {
                self.notify.state.lock().unwrap().waiting.retain(|(other, _)| *other != name);
            }
        }
    }
}
