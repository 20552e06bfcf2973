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
    /// The parts, pipes not included; one even when the text is empty.
    pub spans: Vec<Span>,
    /// The outermost `[ ... ]`, brackets included.
    pub brackets: Vec<Span>,
}

/// `text` with its comments replaced by blanks of the same length, so that places stay true.
pub fn clean(text: &str) -> Result<String, QueryError> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(QueryError::new(format!("the query has {} bytes, at most {QUERY_BYTES_MAX} are allowed", text.len()))
            .with_hint("split it into several searches"));
    }
    let mut clean = text.as_bytes().to_vec();
    let mut at = 0;
    while at < text.len() {
        match text.as_bytes()[at] {
            b'"' => at = closed_quote(text, at, text.len())?,
            b'`' if text[at..].starts_with("```") => {
                let end = comment_end(text, at)?;
                clean[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
                at = end;
            }
            _ => at += 1,
        }
    }
    Ok(String::from_utf8(clean).expect("whole comments are replaced, and they begin and end with ASCII"))
}

/// The place after the comment that begins at `at`.
pub fn comment_end(text: &str, at: usize) -> Result<usize, QueryError> {
    let length = text[at + 3..].find("```");
    length
        .map(|length| at + length + 6)
        .ok_or_else(|| QueryError::at(Span::new(at, at + 3), "the comment that opens here is not closed").with_hint("close it with ```"))
}

/// Cuts `text[start..end]`, which has no comments, at its pipes outside of quotes and brackets.
pub fn split(text: &str, start: usize, end: usize) -> Result<Parts, QueryError> {
    let (mut spans, mut brackets, mut part_start, mut at) = (Vec::new(), Vec::new(), start, start);
    while at < end {
        match text.as_bytes()[at] {
            b'"' => at = closed_quote(text, at, end)?,
            b'`' => {
                return Err(QueryError::at(Span::new(at, at + 1), "the macro that opens here is not closed")
                    .with_hint("close it with a backtick; to look for a backtick, put the text in double quotes"));
            }
            b'[' => {
                let close = bracket_end(text, at, end)?;
                brackets.push(Span::new(at, close));
                at = close;
            }
            b']' => {
                return Err(QueryError::at(Span::new(at, at + 1), "a `]` without its `[`")
                    .with_hint("to look for a bracket, put the text in double quotes"));
            }
            b'|' => {
                spans.push(Span::new(part_start, at));
                part_start = at + 1;
                at += 1;
            }
            _ => at += 1,
        }
    }
    spans.push(Span::new(part_start, end));
    Ok(Parts { spans, brackets })
}

/// The place after the `]` that closes the `[` at `start`; brackets within quotes do not count.
pub fn bracket_end(text: &str, start: usize, end: usize) -> Result<usize, QueryError> {
    let (mut at, mut depth) = (start, 0usize);
    while at < end {
        match text.as_bytes()[at] {
            b'"' => {
                at = closed_quote(text, at, end)?;
                continue;
            }
            b'[' => depth += 1,
            b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Ok(at);
        }
    }
    Err(QueryError::at(Span::new(start, start + 1), "the bracket that opens here is not closed")
        .with_hint("close it with ]; to look for a bracket, put the text in double quotes"))
}

fn closed_quote(text: &str, at: usize, end: usize) -> Result<usize, QueryError> {
    quote_end(text, at).filter(|close| *close <= end).ok_or_else(|| {
        QueryError::at(Span::new(at, end), "the quote that opens here is not closed")
            .with_hint("close it with \"; for a quote inside quotes write \\\"")
    })
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
        let text_clean = clean(text).unwrap();
        assert_eq!(text_clean.len(), text.len());
        let parts = split(&text_clean, 0, text.len()).unwrap();
        parts.spans.iter().map(|span| text_clean[span.start..span.end].trim().to_owned()).collect()
    }

    fn fault(text: &str) -> QueryError {
        clean(text).and_then(|text| split(&text, 0, text.len())).unwrap_err()
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
        assert!(fault("a ```b").message.contains("comment"));
    }

    #[test]
    fn brackets_hold_their_pipes() {
        assert_eq!(parts("a [search b | c [x | y] \"]\" ] | d"), ["a [search b | c [x | y] \"]\" ]", "d"]);
        let text = "a [b] | c [d [e]] [f]";
        let brackets: Vec<&str> = split(text, 0, text.len()).unwrap().brackets.iter().map(|span| &text[span.start..span.end]).collect();
        assert_eq!(brackets, ["[b]", "[d [e]]", "[f]"]);
    }

    #[test]
    fn open_quotes_brackets_and_macros_are_named() {
        assert_eq!(fault("a \"b").span, Some(Span::new(2, 4)));
        assert_eq!(fault("a [search b").span, Some(Span::new(2, 3)));
        assert_eq!(fault("a ] b").span, Some(Span::new(2, 3)));
        assert!(fault("`x`").message.contains("macro"));
        assert!(clean(&"x".repeat(QUERY_BYTES_MAX + 1)).is_err());
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
