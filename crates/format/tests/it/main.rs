//! The format crate from outside: garbage, real logs, and bytes in to events out.
#![allow(clippy::disallowed_methods, clippy::print_stderr)] // tests read the corpus themselves and say what they skip

mod corpus;
mod garbage;
mod speed;
mod stream;

use std::sync::Arc;
use taffrail_event::{Origin, Timestamp};
use taffrail_format::{Decoder, DecoderSettings};

/// 2026-11-21T21:30:00Z
pub const NOW: Timestamp = Timestamp(1_795_296_600_000_000_000);

/// A decoder whose sourcetype is found out when `sourcetype` is empty.
pub fn decoder(sourcetype: &str) -> Decoder {
    let text = |t: &str| -> Arc<str> { t.into() };
    Decoder::new(DecoderSettings::new(Origin {
        index: text("main"),
        host: text("here"),
        source: text("test"),
        sourcetype: text(sourcetype),
        transport: text("file"),
        peer: text(""),
    }))
}
