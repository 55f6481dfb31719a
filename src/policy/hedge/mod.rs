//! Whether a slow attempt gets a copy beside it, and what slow means.

pub mod hedge;
pub mod quantile;
