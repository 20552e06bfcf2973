//! Bytes to events, and events to fields. Pure: no I/O, no clock, no settings.
//!
//! On the way in: [`EventBreaker`] and [`SyslogFramer`] cut byte streams into [`Frame`]s, and a [`Decoder`] per
//! source finds each event's time and host and adds it to an `EventBatch`. On the way out: [`Formats`] says,
//! once per pattern, where the fields of its events are. [`learn()`](learn::learn) proposes a format for lines that nobody described.
//!
//! Nothing here fails on any input: what cannot be understood is kept as it is and marked with `Problems`.

pub mod codec;
pub mod decoder;
pub mod detect;
pub mod events;
pub mod fields;
pub mod frame;
pub mod framing;
pub mod learn;
pub mod lines;
pub mod syslog;
mod tape;
pub mod time;

pub use codec::{Codec, Context, Decoded};
pub use decoder::{Decoder, DecoderSettings};
pub use detect::detect;
pub use events::{EventBreaker, EventRules, Rule};
pub use fields::{AutoLookup, Calculated, Fault, FormatFile, Formats};
pub use frame::Frame;
pub use framing::SyslogFramer;
pub use lines::LineBreaker;
pub use tape::Span;
pub use time::{TimeFinder, Zone};
