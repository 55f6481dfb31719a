//! `ahoy_sample`: one series of a snapshot.

use std::ffi::{CString, c_char};
use std::ptr;

use crate::ffi::values::handle::{Handle, Lent};
use crate::ffi::values::{argument, text};
use crate::statistics::{Family, MetricKind, Sample, Value};

/// One series of a snapshot: a metric's name, labels and a value.
///
/// Ownership: it belongs to the library and is valid inside the function that gets it only. Thread:
/// that of the function.
pub struct ahoy_sample {
    name: CString,
    help: CString,
    kind: i32,
    labels: Vec<(CString, CString)>,
    value: Value,
    /// The bounds of a histogram's buckets, and how many lie at or below each.
    buckets: Vec<(f64, u64)>,
}

impl Handle for ahoy_sample {
    type Held = Lent;
}

impl ahoy_sample {
    pub(crate) fn new(family: &Family, sample: &Sample) -> Self {
        let label = |(name, value): &(&str, String)| (text::owned(name), text::owned(value));
        let kind = match family.kind {
            MetricKind::Counter => AHOY_METRIC_COUNTER,
            MetricKind::Gauge => AHOY_METRIC_GAUGE,
            MetricKind::Histogram => AHOY_METRIC_HISTOGRAM,
        };
        let buckets = match &sample.value {
            Value::Number(_) => Vec::new(),
            Value::Distribution(read) => read.cumulative().collect(),
        };
        Self {
            name: text::owned(&family.sample_name()),
            help: text::owned(family.help),
            kind,
            labels: sample.labels.iter().map(label).collect(),
            value: sample.value,
            buckets,
        }
    }
}

/// A count that only grows. It begins at 0 with its client or balancer, and anew in a forked child.
pub const AHOY_METRIC_COUNTER: i32 = 0;
/// A number that goes up and down.
pub const AHOY_METRIC_GAUGE: i32 = 1;
/// How many took how long, by buckets of seconds.
pub const AHOY_METRIC_HISTOGRAM: i32 = 2;

/// The metric's name, such as "ahoy_client_attempts_total". Valid as long as the sample; NULL for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_sample_name(sample: *const ahoy_sample) -> *const c_char {
    argument::lent!(sample).map_or(ptr::null(), |sample| sample.name.as_ptr())
}

/// What the metric tells, in one sentence. Valid as long as the sample; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_sample_help(sample: *const ahoy_sample) -> *const c_char {
    argument::lent!(sample).map_or(ptr::null(), |sample| sample.help.as_ptr())
}

/// How the metric behaves: an AHOY_METRIC_ number; -1 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_sample_kind(sample: *const ahoy_sample) -> i32 {
    argument::lent!(sample).map_or(-1, |sample| sample.kind)
}

/// How many labels tell the series apart from others of its metric; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_sample_label_count(sample: *const ahoy_sample) -> usize {
    argument::lent!(sample).map_or(0, |sample| sample.labels.len())
}

/// The name of a label. Valid as long as the sample; NULL for NULL and out of range.
///
/// @param index from 0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_sample_label_name_at(
    sample: *const ahoy_sample,
    index: usize,
) -> *const c_char {
    let label = argument::lent!(sample).and_then(|sample| sample.labels.get(index));
    label.map_or(ptr::null(), |(name, _)| name.as_ptr())
}

/// The value of a label, not escaped. Valid as long as the sample; NULL for NULL and out of range.
///
/// @param index from 0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_sample_label_value_at(
    sample: *const ahoy_sample,
    index: usize,
) -> *const c_char {
    let label = argument::lent!(sample).and_then(|sample| sample.labels.get(index));
    label.map_or(ptr::null(), |(_, value)| value.as_ptr())
}

/// The value of a counter or a gauge; of a histogram the sum of what it holds, in seconds. 0 for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_sample_value(sample: *const ahoy_sample) -> f64 {
    argument::lent!(sample).map_or(0.0, |sample| match &sample.value {
        Value::Number(value) => *value,
        Value::Distribution(read) => read.seconds(),
    })
}

/// How many buckets a histogram has, the last of which has no bound; 0 for other metrics and NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_sample_bucket_count(sample: *const ahoy_sample) -> usize {
    argument::lent!(sample).map_or(0, |sample| sample.buckets.len())
}

/// The upper bound of a bucket in seconds, which belongs to it; infinity for the last. 0 out of
/// range and for NULL.
///
/// @param index from 0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_sample_bucket_bound_at(
    sample: *const ahoy_sample,
    index: usize,
) -> f64 {
    let bucket = argument::lent!(sample).and_then(|sample| sample.buckets.get(index));
    bucket.map_or(0.0, |(bound, _)| *bound)
}

/// How many lie at or below a bucket's bound, those of lower buckets included: that of the last
/// bucket is the number of all. 0 out of range and for NULL.
///
/// @param index from 0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_sample_bucket_value_at(
    sample: *const ahoy_sample,
    index: usize,
) -> u64 {
    let bucket = argument::lent!(sample).and_then(|sample| sample.buckets.get(index));
    bucket.map_or(0, |(_, count)| *count)
}
