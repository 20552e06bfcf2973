//! Comments, quotes and pipes: how the text of a query falls into commands.
//!
//! Words are not cut here: what a word is depends on the command (`10.0.0.0/8` is one word in a search and a
//! sum in `eval`), so each parser reads its own part of the text.

use super::error::QueryError;
use super::span::Span;
use taffrail_base::limits::QUERY_BYTES_MAX;

/// The parts of a query between its pipes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The text with comments replaced by blanks of the same length.
    pub text: String,
    /// The parts, pipes not included; one even when the text is empty.
    pub spans: Vec<Span>,
}

/// Cuts `text` at its pipes, outside of quotes.
pub fn split(text: &str) -> Result<Parts, QueryError> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(QueryError::new(format!("the query has {} bytes, at most {QUERY_BYTES_MAX} are allowed", text.len()))
            .with_hint("split it into several searches"));
    }
    let bytes = text.as_bytes();
    let mut clean = bytes.to_vec();
    let (mut spans, mut part_start, mut at) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at = quote_end(text, at).ok_or_else(|| {
                    QueryError::at(Span::new(at, text.len()), "the quote that opens here is not closed")
                        .with_hint("close it with \"; for a quote inside quotes write \\\"")
                })?;
                continue;
            }
            b'`' if text[at..].starts_with("```") => {
                let Some(length) = text[at + 3..].find("```") else {
                    return Err(
                        QueryError::at(Span::new(at, at + 3), "the comment that opens here is not closed").with_hint("close it with ```")
                    );
                };
                let end = at + length + 6;
                clean[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
                at = end;
                continue;
            }
            b'`' => {
                return Err(QueryError::at(Span::new(at, at + 1), "macros are not available yet")
                    .with_hint("to look for a backtick, put the text in double quotes"));
            }
            b'[' | b']' => {
                return Err(QueryError::at(Span::new(at, at + 1), "subsearches in [ ] are not available yet")
                    .with_hint("to look for a bracket, put the text in double quotes"));
            }
            b'|' => {
                spans.push(Span::new(part_start, at));
                part_start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    spans.push(Span::new(part_start, text.len()));
    let text = String::from_utf8(clean).expect("whole comments are replaced, and they begin and end with ASCII");
    Ok(Parts { text, spans })
}

/// The place after the quote that closes the one at `start`; nothing when none does.
pub fn quote_end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let quote = bytes[start];
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// The inside of a quoted string: `\"` and `\\` lose their backslash, other backslashes stay.
pub fn unescape(inside: &str, quote: char) -> String {
    let mut out = String::with_capacity(inside.len());
    let mut chars = inside.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(&next)) if next == quote || next == '\\' => {
                out.push(next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    out
}

/// `text` in quotes, such that [`unescape`] gives it back.
pub fn quoted(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        if c == quote || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out.push(quote);
    out
}

/// The place of the first character at or after `at` that is not blank, at most `end`.
pub fn skip_blanks(text: &str, at: usize, end: usize) -> usize {
    text[at..end].find(|c: char| !c.is_whitespace()).map_or(end, |offset| at + offset)
}

/// The place after the run of characters from `at` for which `inside` holds.
pub fn run_end(text: &str, at: usize, end: usize, inside: impl Fn(char) -> bool) -> usize {
    text[at..end].find(|c: char| !inside(c)).map_or(end, |offset| at + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<String> {
        let parts = split(text).unwrap();
        assert_eq!(parts.text.len(), text.len());
        parts.spans.iter().map(|span| parts.text[span.start..span.end].trim().to_owned()).collect()
    }

    #[test]
    fn pipes_split_outside_quotes_only() {
        assert_eq!(parts("a | b|c"), ["a", "b", "c"]);
        assert_eq!(parts("a \"x | \\\" | y\" | b"), ["a \"x | \\\" | y\"", "b"]);
        assert_eq!(parts("error\n\n| stats count\n| sort - count"), ["error", "stats count", "sort - count"]);
        assert_eq!(parts(""), [""]);
        assert_eq!(parts("|"), ["", ""]);
    }

    #[test]
    fn comments_vanish_and_places_stay() {
        assert_eq!(parts("a ```why | ä``` | b"), ["a", "b"]);
        assert_eq!(parts("\"```not a comment```\""), ["\"```not a comment```\""]);
        assert!(split("a ```b").unwrap_err().message.contains("comment"));
    }

    #[test]
    fn open_quotes_brackets_and_macros_are_named() {
        assert_eq!(split("a \"b").unwrap_err().span, Some(Span::new(2, 4)));
        assert_eq!(split("a [search b]").unwrap_err().span, Some(Span::new(2, 3)));
        assert!(split("`x`").unwrap_err().message.contains("macros"));
        assert!(split(&"x".repeat(QUERY_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn escapes_are_undone_once() {
        assert_eq!(unescape(r#"a\"b\\c\d"#, '"'), r#"a"b\c\d"#);
        for text in ["", "\\", "\"", "a\\\"b", "\\d+", "'"] {
            let out = quoted(text, '"');
            assert_eq!(quote_end(&out, 0), Some(out.len()));
            assert_eq!(unescape(&out[1..out.len() - 1], '"'), text);
        }
    }
}
