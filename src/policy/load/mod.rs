//! How loaded an endpoint is: by this client's own attempts, and by what the endpoint reports.

pub mod load;
pub mod reported;
pub mod tick;
mod word;
