//! Inputs: what brings events in.
//!
//! - [`input`] is the contract: an [`Input`] is started with a [`Context`], runs until it is stopped, and hands
//!   what it read to an `EventSink` together with its position, in one batch.
//! - [`files`] follows growing files through every kind of rotation, [`syslog`] listens on UDP and TCP,
//!   [`journald`] follows the systemd journal, [`import`] reads files once, [`http`] turns request bodies into
//!   batches.
//! - [`counters`] keeps the account of each source: received = stored + dropped, always.
//!
//! It writes to `event::EventSink` and never to a store; what lines mean is the business of `format`. It
//! prints nothing and reads no settings by itself.

pub mod counters;
pub mod decode;
pub mod delivery;
pub mod files;
pub mod http;
pub mod import;
pub mod input;
pub mod journald;
mod outgoing;
pub mod preset;
pub mod syslog;
pub mod unpack;
mod whole;

pub use counters::{InputCounters, InputSnapshot, SourceSnapshot};
pub use input::{Context, Input, InputSettings, Inputs, Running};
