//! `ahoy_snapshot`: what a client counted, at one time.

use std::ffi::c_void;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::sample::ahoy_sample;
use crate::error::Error;
use crate::ffi::client::client::ahoy_client;
use crate::ffi::values::callback::{Callback, call_host};
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::{Handle, Out, Shared};
use crate::ffi::values::made_text::ahoy_text;
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::user_data::UserData;
use crate::ffi::values::{entry, guard};
use crate::statistics::{SameName, Snapshot, TextFormat};

/// What a client and its balancer counted, at one time. Others may be added; what is there does not
/// change.
///
/// Ownership: freed with ahoy_snapshot_free. Thread: any.
pub struct ahoy_snapshot {
    /// Without a lock, which a forked child would inherit from a thread that it has not.
    taken: ArcSwap<Snapshot>,
}

impl Handle for ahoy_snapshot {
    type Held = Shared;
}

impl ahoy_snapshot {
    /// What it has now. A host's function may add to it while it is read.
    fn taken(&self) -> Arc<Snapshot> {
        self.taken.load_full()
    }

    fn add(&self, other: &Snapshot) -> Result<(), SameName> {
        let mut added = Ok(());
        self.taken.rcu(|taken| {
            let mut both = Snapshot::clone(taken);
            added = both.add(other.clone());
            both
        });
        added
    }
}

/// Takes a snapshot of all that a client counts, and its balancer with it. The counts of a balancer
/// are those of all clients that share it. docs/statistics.md has every metric.
///
/// Takes no lock that a call waits for longer than a few instructions, and does no I/O. The time
/// grows with the number of endpoints: about 1 ms for 10,000.
///
/// @param snapshot gets the snapshot, to be freed with ahoy_snapshot_free; NULL on failure
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_snapshot(
    client: *const ahoy_client,
    snapshot: *mut *mut ahoy_snapshot,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |snapshot: Out<ahoy_snapshot>, client: &ahoy_client| {
        let taken = ArcSwap::from_pointee(client.native().present().snapshot());
        snapshot.fill(ahoy_snapshot { taken });
        Ok(())
    })
}

/// Adds what another client counts at this time, so that one text has both: Prometheus takes each
/// metric once. Their names tell their series apart (ahoy_client_builder_set_name).
///
/// @return AHOY_E_INVALID_ARGUMENT where a client of that name, or another without a name, is there
///         already; nothing was added
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_snapshot_add_client(
    snapshot: *const ahoy_snapshot,
    client: *const ahoy_client,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |snapshot: &ahoy_snapshot, client: &ahoy_client| {
        let added = snapshot.add(&client.native().present().snapshot());
        added.map_err(|SameName(name)| {
            let name =
                name.map_or_else(|| "no name".to_owned(), |name| format!("the name {name:?}"));
            let problem = format!("has {name}, as one that the snapshot has; {TOLD_APART}");
            Error::invalid("client", problem)
        })
    })
}

const TOLD_APART: &str = "ahoy_client_builder_set_name tells their series apart";

/// Gets one series of a snapshot, which is valid inside the function only.
///
/// Thread: the caller's.
pub type ahoy_sample_fn =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, sample: *const ahoy_sample)>;

/// Hands out every series of a snapshot, metric by metric. A new version of the library may have
/// more of them: take those that you know by name, or all.
///
/// @param fn called on this thread for each series, before this function returns
/// @param user_data passed to fn
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_snapshot_each(
    snapshot: *const ahoy_snapshot,
    fn_: ahoy_sample_fn,
    user_data: *mut c_void,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let fn_ = (fn_, UserData::new(user_data, None));
    entry::status!(err, |snapshot: &ahoy_snapshot, fn_: Callback<ahoy_sample_fn>| {
        for (family, sample) in snapshot.taken().series() {
            let shown = ahoy_sample::new(family, sample);
            call_host!(fn_, &raw const shown);
        }
        Ok(())
    })
}

/// OpenMetrics 1.0, which Prometheus prefers. Its content type is
/// "application/openmetrics-text; version=1.0.0; charset=utf-8".
pub const AHOY_FORMAT_OPENMETRICS: i32 = 0;
/// The text format 0.0.4 of Prometheus. Its content type is
/// "text/plain; version=0.0.4; charset=utf-8".
pub const AHOY_FORMAT_PROMETHEUS: i32 = 1;

/// A snapshot as text, to be served to Prometheus.
///
/// @param format an AHOY_FORMAT_ number
/// @param text gets the text, to be freed with ahoy_text_free; NULL on failure
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_snapshot_text(
    snapshot: *const ahoy_snapshot,
    format: i32,
    text: *mut *mut ahoy_text,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |text: Out<ahoy_text>, snapshot: &ahoy_snapshot| {
        let format = match format {
            AHOY_FORMAT_OPENMETRICS => TextFormat::OpenMetrics,
            AHOY_FORMAT_PROMETHEUS => TextFormat::Prometheus,
            _ => return Err(Error::invalid("format", "is no AHOY_FORMAT_ number")),
        };
        text.fill(ahoy_text::from(snapshot.taken().text(format).as_str()));
        Ok(())
    })
}

/// Frees a snapshot; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_snapshot_free(snapshot: *mut ahoy_snapshot) {
    guard::value!((), |snapshot: Option<Box<ahoy_snapshot>>| drop(snapshot));
}
