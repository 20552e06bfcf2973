//! Anything: a line whose time is found wherever it stands.

use super::{Codec, Context, Decoded};

/// Lines of no known format.
pub(super) struct Text;

impl Codec for Text {
    fn sourcetype(&self) -> &'static str {
        "text"
    }

    fn summary(&self) -> &'static str {
        "any lines; the time is looked for wherever it stands"
    }

    fn recognise(&self, _line: &[u8]) -> u8 {
        1
    }

    fn decode<'a>(&self, raw: &'a [u8], context: &mut Context) -> Decoded<'a> {
        Decoded::timed(context.times.find(raw, context.received), context.received)
    }
}
