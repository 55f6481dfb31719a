//! The C ABI: handles, text, status codes and callbacks around the layers below; nothing is decided here.
//!
//! Each entry point lists its arguments with the types that they have in Rust (`values::argument`), calls inward and
//! writes its outputs last, inside a guard that turns a panic into `AHOY_E_INTERNAL`. Its body is safe code.
//! `ahoy.h` is generated from this folder.
//!
//! Safety, for every function here: a pointer is NULL or comes from this library (handles), is valid for
//! what its documentation says (text, bytes, out-parameters), and is not freed by another thread meanwhile.

#![allow(unsafe_code, reason = "this is the one layer that takes raw pointers from C")]
#![allow(non_camel_case_types, reason = "the names are those of the header")]
#![allow(
    clippy::missing_safety_doc,
    reason = "the contract is the same for all and stated in the module's documentation"
)]

// In the order of the header, which follows this one: hence the empty lines, which keep it.
pub mod values;

pub mod balancer;

pub mod client;

pub mod call;

pub mod observe;

// Setters of what is not built in are refused.
#[cfg(all(test, feature = "http2", feature = "proxy"))]
mod keys_and_setters;
