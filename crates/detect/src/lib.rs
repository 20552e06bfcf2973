//! What watches the events that come in.
//!
//! So far one thing: [`NewPatterns`] tells which patterns of a sealed segment its index has never had before.
//! It works on pattern ids, once per pattern and never per event. It does not read events, run searches or
//! tell anybody: the binary hands segments in and passes on what comes out.

mod new_patterns;

pub use new_patterns::{NewPatterns, Seen};
