//! The unit that breaking and framing give: the bytes of one event, terminator left out.

use taffrail_event::Problems;

/// One event's bytes as cut out of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The bytes, without the LF, NUL or octet count around them. A CR before the LF is part of them.
    pub raw: &'a [u8],
    /// `CONTINUED` for every part but the first of something longer than the limit; `MALFORMED` when the
    /// framing around it was wrong.
    pub problems: Problems,
}
