//! What a client counts, as its C functions show it.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use ahoy::ffi::balancer::explain::*;
use ahoy::ffi::observe::sample::*;
use ahoy::ffi::observe::snapshot::*;
use ahoy::ffi::values::made_text::*;

use super::builder::Client;
use super::handles::{Balancer, Endpoint, owner};
use super::outcome::{Failure, checked, made};

owner!(
    /// `ahoy_snapshot`.
    Snapshot, ahoy_snapshot, ahoy_snapshot_free
);

/// One series, copied.
#[derive(Clone, Debug)]
pub struct Series {
    pub name: String,
    pub help: String,
    pub kind: i32,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
    pub buckets: Vec<(f64, u64)>,
}

impl Series {
    /// How many a counter counted, or a histogram holds.
    pub fn count(&self) -> f64 {
        self.buckets.last().map_or(self.value, |(_, count)| *count as f64)
    }

    pub fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.labels.get(*name).is_some_and(|it| it == value))
    }
}

impl Client {
    pub fn snapshot(&self) -> Snapshot {
        let taken = made(|snapshot, err| unsafe {
            // SAFETY: the handle is ours.
            ahoy_client_snapshot(self.raw(), snapshot, err)
        });
        Snapshot::owning(taken.unwrap())
    }
}

impl Snapshot {
    /// All series.
    pub fn series(&self) -> Vec<Series> {
        let mut all: Vec<Series> = Vec::new();
        let place = (&raw mut all).cast();
        // SAFETY: the handle is ours, and the function gets the vector above.
        checked(|err| unsafe { ahoy_snapshot_each(self.raw(), Some(keep), place, err) }).unwrap();
        all
    }

    /// The sum over all series of a metric that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let series = self.series().into_iter().filter(|it| it.name == name && it.has(labels));
        series.map(|series| series.count()).sum()
    }

    /// Adds what another client counts.
    pub fn add(&self, client: &Client) -> Result<(), Failure> {
        // SAFETY: both handles live.
        checked(|err| unsafe { ahoy_snapshot_add_client(self.raw(), client.raw(), err) })
    }

    pub fn text(&self, format: i32) -> String {
        let text = made(|text, err| unsafe {
            // SAFETY: the handle is ours.
            ahoy_snapshot_text(self.raw(), format, text, err)
        });
        made_text(text.unwrap())
    }
}

impl Balancer {
    pub fn explain(&self) -> String {
        // SAFETY: the handle is ours.
        let text = made(|text, err| unsafe { ahoy_balancer_explain(self.raw(), text, err) });
        made_text(text.unwrap())
    }
}

impl Endpoint {
    /// The number of the reason, and the sentence.
    pub fn reason(&self) -> (i32, String) {
        let mut reason = -1;
        let text = made(|text, err| unsafe {
            // SAFETY: the handle is ours.
            ahoy_endpoint_reason(self.raw(), &raw mut reason, text, err)
        });
        (reason, made_text(text.unwrap()))
    }
}

/// The text of a handle, which is freed.
pub(super) fn made_text(text: *mut ahoy_text) -> String {
    // SAFETY: the text is freed once, after it was copied.
    unsafe {
        let copied = copied(ahoy_text_bytes(text, ptr::null_mut()));
        ahoy_text_free(text);
        copied
    }
}

unsafe fn copied(text: *const c_char) -> String {
    // SAFETY: text of the library's.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned()
}

unsafe extern "C-unwind" fn keep(user_data: *mut c_void, sample: *const ahoy_sample) {
    // SAFETY: the vector of `series`, and a sample that is valid in here.
    unsafe {
        let all = &mut *user_data.cast::<Vec<Series>>();
        let label = |index| {
            let name = copied(ahoy_sample_label_name_at(sample, index));
            (name, copied(ahoy_sample_label_value_at(sample, index)))
        };
        let bucket = |index| {
            let bound = ahoy_sample_bucket_bound_at(sample, index);
            (bound, ahoy_sample_bucket_value_at(sample, index))
        };
        all.push(Series {
            name: copied(ahoy_sample_name(sample)),
            help: copied(ahoy_sample_help(sample)),
            kind: ahoy_sample_kind(sample),
            labels: (0..ahoy_sample_label_count(sample)).map(label).collect(),
            value: ahoy_sample_value(sample),
            buckets: (0..ahoy_sample_bucket_count(sample)).map(bucket).collect(),
        });
    }
}

/// Of what explain says of the endpoints, the largest cost in milliseconds.
pub fn largest_cost(balancer: &Balancer) -> f64 {
    let explained = balancer.explain();
    let costs = explained.split("cost ").skip(1).filter_map(|it| it.split(" ms").next());
    costs.map(|cost| cost.replace(',', "").parse().unwrap_or(0.0)).fold(0.0, f64::max)
}
