//! What an event is, and where events go.
//!
//! An event is its raw bytes, never altered, with an envelope: when it happened, when it arrived, where it
//! came from. This crate holds those types and the [`EventSink`] that inputs write to; it does no I/O.

pub mod batch;
pub mod ids;
pub mod origin;
pub mod origins;
pub mod problems;
pub mod sink;
pub mod time;

pub use batch::{EventBatch, EventRef, Position};
pub use ids::{EventId, IdScope, Marked, Same};
pub use origin::Origin;
pub use origins::Origins;
pub use problems::Problems;
pub use sink::{EventSink, Receipt};
pub use time::Timestamp;
