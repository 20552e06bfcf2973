//! Where the tokens of a line are: one pass over the bytes, no allocation per token.
//!
//! A token is a word (no delimiter in it), the inside of a double-quoted string, or a time. What stands
//! between tokens are delimiters; together they give the line back.

mod delimiters;
pub mod time;

use crate::SlotKind;
use delimiters::Delimiters;

/// A token's place in its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Where it starts.
    pub start: u32,
    /// Where it ends (exclusive).
    pub end: u32,
    /// Word, quoted or time.
    pub kind: SlotKind,
}

impl Token {
    /// Its bytes in `line`.
    pub fn of<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        &line[self.start as usize..self.end as usize]
    }
}

/// Whether `byte` separates tokens. All of these are breakers of the search language too, so that a term
/// without breakers stands within one token.
pub const fn is_delimiter(byte: u8) -> bool {
    matches!(
        byte,
        0..=32
            | 127
            | b'='
            | b':'
            | b','
            | b';'
            | b'('
            | b')'
            | b'['
            | b']'
            | b'{'
            | b'}'
            | b'<'
            | b'>'
            | b'"'
            | b'\''
            | b'|'
            | b'&'
            | b'?'
            | b'!'
            | b'*'
            | b'+'
    )
}

const DELIMITER: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_delimiter(byte as u8);
        byte += 1;
    }
    table
};

/// In a shape, the mark of a word; delimiters are below 0x80 and stand for themselves.
pub const SHAPE_WORD: u8 = 0x80;
/// In a shape, the mark of a quoted string's inside.
pub const SHAPE_QUOTED: u8 = 0x81;
/// In a shape, the mark of a time.
pub const SHAPE_TIME: u8 = 0x82;
/// In a shape, the mark of all lines behind the first, from the line feed on.
pub const SHAPE_LINES: u8 = 0x83;

/// Cuts lines into tokens, and remembers the last time it met: in a row of events the same second stands again
/// and again, and comparing is cheaper than reading.
#[derive(Debug, Default)]
pub struct Splitter {
    /// The tokens of the last line, in order.
    pub tokens: Vec<Token>,
    /// The last line with each token replaced by its mark: lines of equal shape have the same tokens between the
    /// same delimiters.
    pub shape: Vec<u8>,
    last_time: Vec<u8>,
}

impl Splitter {
    /// Tokenises `line`. Gives up with `false` when there are more than `tokens_max` tokens.
    pub fn split(&mut self, line: &[u8], tokens_max: usize) -> bool {
        self.tokens.clear();
        self.shape.clear();
        if u32::try_from(line.len()).is_err() {
            return false;
        }
        let (mut at, mut delimiters) = (0, Delimiters::new(line));
        while let Some(&byte) = line.get(at) {
            if DELIMITER[byte as usize] {
                self.shape.push(byte);
                at += 1;
                if byte == b'"'
                    && let Some(len) = quoted_len(&line[at..])
                {
                    self.push(at, at + len, SlotKind::Quoted);
                    self.shape.push(b'"');
                    at += len + 1;
                    if self.tokens.len() > tokens_max {
                        return false;
                    }
                }
                continue;
            }
            if (byte.is_ascii_digit() || byte.is_ascii_uppercase())
                && let Some(len) = self.time_len(&line[at..])
            {
                self.push(at, at + len, SlotKind::Time);
                at += len;
            } else {
                let end = delimiters.next(at + 1);
                self.push(at, end, SlotKind::Word);
                at = end;
            }
            if self.tokens.len() > tokens_max {
                return false;
            }
        }
        true
    }

    /// Adds all that follows the line, from the line feed at `start` on, as one token.
    pub(crate) fn push_lines(&mut self, start: usize) {
        self.shape.push(SHAPE_LINES);
        self.tokens.push(Token { start: start as u32, end: u32::MAX, kind: SlotKind::Raw });
    }

    fn time_len(&mut self, rest: &[u8]) -> Option<usize> {
        if !time::plausible(rest) {
            return None;
        }
        let known = self.last_time.len();
        if known > 0 && rest.starts_with(&self.last_time) {
            // Where a fraction or a zone may follow, this time may be longer than the last one.
            let longer = |byte: u8| matches!(byte, b'+' | b',') || (byte == b' ' && self.last_time[2] == b'/');
            if rest.get(known).is_none_or(|byte| DELIMITER[*byte as usize] && !longer(*byte)) {
                return Some(known);
            }
        }
        let (_, _, len) = time::parse(rest)?;
        self.last_time.clear();
        self.last_time.extend_from_slice(&rest[..len]);
        Some(len)
    }

    #[inline]
    fn push(&mut self, start: usize, end: usize, kind: SlotKind) {
        self.shape.push(match kind {
            SlotKind::Quoted => SHAPE_QUOTED,
            SlotKind::Time => SHAPE_TIME,
            SlotKind::Word | SlotKind::Raw => SHAPE_WORD,
        });
        // The caller checked that the line's length fits.
        self.tokens.push(Token { start: start as u32, end: end as u32, kind });
    }
}

/// Tokenises one line; see [`Splitter::split`].
pub fn split(line: &[u8], tokens: &mut Vec<Token>, shape: &mut Vec<u8>, tokens_max: usize) -> bool {
    let mut splitter = Splitter { tokens: std::mem::take(tokens), shape: std::mem::take(shape), last_time: Vec::new() };
    let within = splitter.split(line, tokens_max);
    (*tokens, *shape) = (splitter.tokens, splitter.shape);
    within
}

/// The length of a quoted string's inside, when its closing quote is there.
pub fn quoted_len(rest: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let found = at + memchr::memchr2(b'"', b'\\', &rest[at..])?;
        if rest[found] == b'"' {
            return Some(found);
        }
        at = found + 2;
        if at > rest.len() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> Vec<String> {
        let (mut tokens, mut shape) = (Vec::new(), Vec::new());
        assert!(split(line.as_bytes(), &mut tokens, &mut shape, 1000));
        let mut joined = Vec::new();
        let mut next = tokens.iter();
        for byte in &shape {
            if *byte < 0x80 {
                joined.push(*byte);
            } else {
                joined.extend_from_slice(next.next().expect("one token a mark").of(line.as_bytes()));
            }
        }
        assert_eq!(joined, line.as_bytes(), "the shape and the tokens give the line back");
        tokens.iter().map(|t| String::from_utf8_lossy(t.of(line.as_bytes())).into_owned()).collect()
    }

    #[test]
    fn splits_words_quotes_and_times() {
        assert_eq!(shown("a=b, c/d.e"), ["a", "b", "c/d.e"]);
        assert_eq!(shown(r#"x "a \" b" y"#), ["x", r#"a \" b"#, "y"]);
        assert_eq!(shown(r#"x "open y"#), ["x", "open", "y"]);
        assert_eq!(shown(r#"x "a\"#), ["x", r"a\"]);
        assert_eq!(shown("Nov 21 21:14:03 web sshd[12]: hi"), ["Nov 21 21:14:03", "web", "sshd", "12", "hi"]);
        assert_eq!(shown(r#"1.2.3.4 - [21/Nov/2026:21:14:03 +0000] """#), ["1.2.3.4", "-", "21/Nov/2026:21:14:03 +0000", ""]);
        assert_eq!(shown("2026-11-21T21:14:03.120Z x"), ["2026-11-21T21:14:03.120Z", "x"]);
        assert_eq!(shown("2026-11-21 21:14:03,120 UTC"), ["2026-11-21 21:14:03,120", "UTC"]);
        assert_eq!(shown(""), Vec::<String>::new());
    }
}
