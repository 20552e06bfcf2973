//! Formats on the way in: from an event's bytes to its time and host.
//!
//! One format is one file below `codec/` and one line in [`CODECS`]. A codec never fails and never changes a
//! byte: what it does not understand it marks.

mod access;
mod json;
mod syslog;
mod text;
mod windows;

use crate::TimeFinder;
use taffrail_event::{Problems, Timestamp};

/// What a codec may use: when the event was received, and what is known of its source.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// When the event was received.
    pub received: Timestamp,
    /// Finds times, and remembers how this source writes them.
    pub times: TimeFinder,
}

/// What a codec found in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The event time; the receive time where none was found (`NO_TIME`) or it cannot be (`BAD_TIME`).
    pub time: Timestamp,
    /// The machine that the event itself names.
    pub host: Option<&'a [u8]>,
    /// What was wrong.
    pub problems: Problems,
}

/// A format on the way in.
pub trait Codec: Send + Sync {
    /// The sourcetype it stands for.
    fn sourcetype(&self) -> &'static str;
    /// One line for people.
    fn summary(&self) -> &'static str;
    /// How surely a line is of this format: 0 not at all, 100 without doubt.
    fn recognise(&self, line: &[u8]) -> u8;
    /// The time and host of an event.
    fn decode<'a>(&self, raw: &'a [u8], context: &mut Context) -> Decoded<'a>;
}

/// All formats; where two recognise a line equally well, the earlier one has it.
pub static CODECS: [&dyn Codec; 6] = [&syslog::Syslog, &json::Json, &access::Combined, &access::Common, &windows::EventXml, &text::Text];

/// The codec of a sourcetype; sourcetypes without a codec of their own are read as text.
pub fn codec(sourcetype: &str) -> &'static dyn Codec {
    CODECS.into_iter().find(|c| c.sourcetype() == sourcetype).unwrap_or(&text::Text)
}

/// The sourcetype of a source that begins with `sample`, where the beginning alone tells it.
pub(crate) fn of_beginning(sample: &[u8]) -> Option<&'static str> {
    let event = windows::EventXml;
    (event.recognise(sample) > 0).then(|| event.sourcetype())
}

impl Decoded<'_> {
    /// An event without any time in it.
    fn untimed(received: Timestamp) -> Self {
        Self { time: received, host: None, problems: Problems::NO_TIME }
    }

    /// The time that was looked for, or the receive time.
    fn timed(found: Option<crate::time::Found>, received: Timestamp) -> Self {
        match found {
            Some(found) => Self { time: found.time, host: None, problems: found.problems },
            None => Self::untimed(received),
        }
    }
}

#[cfg(test)]
mod tests;
