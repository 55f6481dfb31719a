//! The files of the same directory in the crate that are worth a model.

#[path = "../../../src/policy/bucket.rs"]
mod bucket;
#[path = "../../../src/policy/test_inputs.rs"]
mod test_inputs;
