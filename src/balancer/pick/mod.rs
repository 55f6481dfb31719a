//! Which endpoint an attempt goes to. [`picker`] has the way of one pick.

pub mod attempted;
pub mod constraints;
mod early;
pub mod error;
pub(crate) mod pick_state;
pub(crate) mod picker;
pub(crate) mod picker_table;
pub(crate) mod priority_load;
