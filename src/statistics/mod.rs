//! What a client counts, and what is shown of it.
//!
//! A [`Stripe`] holds what the attempts of one shard count, [`ClientCells`] all stripes of a client, [`EndpointCells`]
//! what is counted of one endpoint. A [`Snapshot`] is made of their sums, and [`text`] writes it down for Prometheus.
//!
//! Nothing here is global, and nothing has a thread: counts are summed up when somebody asks.

pub mod cell;
pub mod client_cells;
pub mod cluster_cells;
pub mod counter;
pub mod endpoint_cells;
pub mod histogram;
pub mod key;
pub mod series;
pub mod snapshot;
pub mod stripe;
pub mod text;

pub use cell::Cell;
pub use client_cells::{ClientCells, Totals};
pub use cluster_cells::{ClusterCells, ClusterCounter};
pub use counter::{CloseReason, Counter};
pub use endpoint_cells::{EndpointCells, EndpointCounts, ResultLabel};
pub use histogram::{BOUNDS, Distribution, Histogram};
pub use key::Key;
pub use snapshot::{Family, MetricKind, SameName, Sample, Snapshot, Value};
pub use stripe::Stripe;
pub use text::TextFormat;
