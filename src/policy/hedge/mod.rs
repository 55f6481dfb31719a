//! Whether a slow attempt gets another beside it, what slow means, and what comes of the race.

pub mod attempt_limit;
pub mod blame;
pub mod copies;
pub mod elsewhere;
pub mod hedge;
pub mod overdue;
pub mod quantile;
