//! Breaks a byte stream into lines, whatever the sizes of the reads. Knows nothing of what a line means.
//!
//! The terminator is LF. A CR before it stays in the event, so that the stream can be had back byte for byte
//! by writing each event and a LF. Empty lines are events too, for the same reason. A line longer than the
//! limit is cut into parts of exactly that size, every part but the first marked `CONTINUED`.

use crate::Frame;
use taffrail_base::limits::EVENT_BYTES_MAX;
use taffrail_event::Problems;

/// Incremental line breaking for one stream. Holds at most one unfinished line, and never more than the limit.
#[derive(Debug)]
pub struct LineBreaker {
    held: Vec<u8>,
    continued: bool,
    limit: usize,
}

impl Default for LineBreaker {
    fn default() -> Self {
        Self::new()
    }
}

impl LineBreaker {
    /// A breaker at the start of a line, with the event size limit of `base::limits`.
    pub fn new() -> Self {
        Self::with_limit(EVENT_BYTES_MAX)
    }

    /// A breaker with another limit (at least 1).
    pub fn with_limit(limit: usize) -> Self {
        Self { held: Vec::new(), continued: false, limit: limit.max(1) }
    }

    /// A breaker that takes up where another stopped: `continued` is what [`LineBreaker::continued`] gave then,
    /// and the bytes that were still held are to be pushed again.
    pub fn resume(continued: bool) -> Self {
        Self { continued, ..Self::new() }
    }

    /// Bytes taken that are not in any frame yet. The position to commit with the frames given so far is the
    /// offset of the next unread byte less this.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Takes the unfinished line out.
    pub(crate) fn take_held(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// Whether the next frame continues a line whose beginning was given already.
    pub fn continued(&self) -> bool {
        self.continued
    }

    /// Takes the next bytes of the stream and gives every frame that they complete.
    pub fn push(&mut self, mut bytes: &[u8], mut emit: impl FnMut(Frame<'_>)) {
        while !bytes.is_empty() {
            let room = self.limit - self.held.len();
            // One byte further than there is room: a line of exactly the limit is not a long one.
            let window = &bytes[..bytes.len().min(room + 1)];
            if let Some(at) = memchr::memchr(b'\n', window) {
                self.emit(&bytes[..at], false, &mut emit);
                bytes = &bytes[at + 1..];
            } else if bytes.len() > room {
                self.emit(&bytes[..room], true, &mut emit);
                bytes = &bytes[room..];
            } else {
                self.held.extend_from_slice(bytes);
                return;
            }
        }
    }

    /// The stream has ended: what is left without a LF is a line as well. Returns whether there was any.
    pub fn finish(&mut self, mut emit: impl FnMut(Frame<'_>)) -> bool {
        let some = !self.held.is_empty();
        if some {
            self.emit(&[], false, &mut emit);
        }
        self.continued = false;
        some
    }

    fn emit(&mut self, rest: &[u8], more: bool, emit: &mut impl FnMut(Frame<'_>)) {
        let problems = if self.continued { Problems::CONTINUED } else { Problems::NONE };
        if self.held.is_empty() {
            emit(Frame { raw: rest, problems });
        } else {
            self.held.extend_from_slice(rest);
            emit(Frame { raw: &self.held, problems });
            self.held.clear();
            // A single long line must not keep its memory for the life of the stream.
            self.held.shrink_to(HELD_KEEP);
        }
        self.continued = more;
    }
}

/// Capacity kept between lines: most lines that straddle two reads fit.
const HELD_KEEP: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(limit: usize, chunks: &[&[u8]]) -> Vec<(Vec<u8>, Problems)> {
        let mut breaker = LineBreaker::with_limit(limit);
        let mut out = Vec::new();
        for chunk in chunks {
            breaker.push(chunk, |f| out.push((f.raw.to_vec(), f.problems)));
            assert!(breaker.held() <= limit);
        }
        breaker.finish(|f| out.push((f.raw.to_vec(), f.problems)));
        out
    }

    fn texts(out: &[(Vec<u8>, Problems)]) -> Vec<&str> {
        out.iter().map(|(raw, _)| std::str::from_utf8(raw).unwrap()).collect()
    }

    #[test]
    fn lines_end_at_lf_and_keep_cr() {
        let out = all(100, &[b"one\r\n\ntwo\nthr", b"ee"]);
        assert_eq!(texts(&out), ["one\r", "", "two", "three"]);
        assert!(all(100, &[b""]).is_empty());
        assert_eq!(texts(&all(100, &[b"x\n"])), ["x"]);
    }

    #[test]
    fn long_lines_are_cut_and_marked() {
        let out = all(4, &[b"abcdefghij\nklmn\nop"]);
        assert_eq!(texts(&out), ["abcd", "efgh", "ij", "klmn", "op"]);
        let marks: Vec<bool> = out.iter().map(|(_, p)| p.contains(Problems::CONTINUED)).collect();
        assert_eq!(marks, [false, true, true, false, false]);
        // Exactly twice the limit: no empty third part.
        assert_eq!(texts(&all(4, &[b"abcdefgh\nx"])), ["abcd", "efgh", "x"]);
    }

    proptest! {
        #[test]
        fn every_way_to_cut_the_stream_gives_the_same_lines(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
            limit in 1usize..12,
        ) {
            let mut places: Vec<usize> = cuts.iter().map(|c| c.index(bytes.len() + 1)).collect();
            places.extend([0, bytes.len()]);
            places.sort_unstable();
            let chunks: Vec<&[u8]> = places.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            let cut = all(limit, &chunks);
            prop_assert_eq!(&cut, &all(limit, &[&bytes]));
            let mut back = Vec::new();
            for (at, (raw, problems)) in cut.iter().enumerate() {
                if at > 0 && !problems.contains(Problems::CONTINUED) {
                    back.push(b'\n');
                }
                back.extend_from_slice(raw);
            }
            if bytes.last() == Some(&b'\n') {
                back.push(b'\n');
            }
            prop_assert_eq!(back, bytes);
        }
    }
}
