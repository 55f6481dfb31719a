//! A client's whole configuration as one text in JSON: [`read()`] makes it of a text, [`write()`] makes the text of it,
//! and [`schema()`] tells other programs what a text may say. Settings are those of [`crate::options`].

mod balancer;
mod faults;
mod headers;
mod hosts;
mod json;
mod object;
mod planning;
mod reading;
mod schema;
mod section;
mod tls;
mod writing;

pub use reading::{CurrentClient, Document, Loaders, MakeProvider, RouteSpec, read};
pub use schema::schema;
pub use tls::ReadFile;
pub use writing::write;

#[cfg(test)]
mod tests;
