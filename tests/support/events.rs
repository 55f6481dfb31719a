//! Events, as the C functions tell them.

use std::ffi::{CStr, c_char, c_void};

use ahoy::ffi::observe::event::*;
use ahoy::ffi::observe::events::*;

use super::builder::Builder;
use super::calls::Queue;
use super::handles::{Balancer, boxed, shared};
use super::outcome::{Failure, checked};

/// One event, copied.
#[derive(Clone, Debug)]
pub struct Told {
    pub kind: i32,
    pub time_ms: i64,
    pub endpoint: Option<String>,
    pub text: String,
    pub detail: String,
    numbers: Vec<(i32, i64)>,
    /// As a number.
    pub user_data: usize,
}

impl Told {
    /// The number of a field.
    pub fn number(&self, field: i32) -> Option<i64> {
        self.numbers.iter().find(|(it, _)| *it == field).map(|(_, number)| *number)
    }

    unsafe fn of(event: *const ahoy_event) -> Self {
        // SAFETY: a living event.
        unsafe {
            let number = |field| {
                let mut number = 0;
                ahoy_event_number(event, field, &raw mut number).then_some((field, number))
            };
            Self {
                kind: ahoy_event_kind(event),
                time_ms: ahoy_event_time_ms(event),
                endpoint: copied(ahoy_event_endpoint_url(event)),
                text: copied(ahoy_event_text(event)).unwrap(),
                detail: copied(ahoy_event_detail(event)).unwrap(),
                numbers: (0..20).filter_map(number).collect(),
                user_data: ahoy_event_user_data(event).addr(),
            }
        }
    }
}

unsafe fn copied(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: text of the library's.
    Some(unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned())
}

unsafe extern "C-unwind" fn call<F: Fn(Told)>(user_data: *mut c_void, event: *const ahoy_event) {
    // SAFETY: the box of `boxed`, and an event that is valid in here.
    unsafe { shared::<F>(user_data)(Told::of(event)) }
}

impl Builder {
    pub fn on_event<F: Fn(Told) + Send + Sync + 'static>(self, told: F) -> Self {
        let (data, free) = boxed(told);
        checked(|err| unsafe {
            // SAFETY: the handle is ours.
            ahoy_client_builder_on_event(self.raw(), Some(call::<F>), data, free, err)
        })
        .unwrap();
        self
    }

    pub fn event_queue(self, queue: &Queue) -> Self {
        checked(|err| unsafe {
            // SAFETY: both handles live.
            ahoy_client_builder_add_event_queue(self.raw(), queue.raw(), err)
        })
        .unwrap();
        self
    }
}

impl Balancer {
    pub fn on_event<F: Fn(Told) + Send + Sync + 'static>(&self, told: F) -> Result<(), Failure> {
        let (data, free) = boxed(told);
        // SAFETY: the handle is ours.
        checked(|err| unsafe {
            ahoy_balancer_on_event(self.raw(), Some(call::<F>), data, free, err)
        })
    }

    pub fn event_queue(self, queue: &Queue) -> Self {
        checked(|err| unsafe {
            // SAFETY: both handles live.
            ahoy_balancer_add_event_queue(self.raw(), queue.raw(), err)
        })
        .unwrap();
        self
    }
}

impl Queue {
    pub fn next_event(&self, timeout_ms: u64) -> Option<Told> {
        let mut event = std::ptr::null_mut();
        checked(|err| unsafe {
            // SAFETY: the handle is ours.
            ahoy_queue_next_event(self.raw(), timeout_ms, &raw mut event, err)
        })
        .unwrap();
        if event.is_null() {
            return None;
        }
        // SAFETY: the event is ours and freed once.
        unsafe {
            let told = Told::of(event);
            ahoy_event_free(event);
            Some(told)
        }
    }

    pub fn events_lost(&self) -> u64 {
        // SAFETY: the handle is ours.
        unsafe { ahoy_queue_events_lost(self.raw()) }
    }
}
