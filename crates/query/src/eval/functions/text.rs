//! Text: case, parts, patterns.

use super::super::column::Reader;
use super::super::compile::Node;
use super::super::expr::Expr;
use super::{Call, Function};
use crate::language::QueryError;
use parking_lot::Mutex;
use regex::Regex;
use std::borrow::Cow;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "lower",
        syntax: "lower(text)",
        summary: "The text in lower case.",
        arity: (1, 1),
        build: |call| mapped(call, |text| Some(text.to_lowercase())),
    },
    Function {
        name: "upper",
        syntax: "upper(text)",
        summary: "The text in upper case.",
        arity: (1, 1),
        build: |call| mapped(call, |text| Some(text.to_uppercase())),
    },
    Function {
        name: "urldecode",
        syntax: "urldecode(text)",
        summary: "The text with %xx undone.",
        arity: (1, 1),
        build: |call| mapped(call, |text| Some(url_decoded(text))),
    },
    Function {
        name: "len",
        syntax: "len(text)",
        summary: "The number of characters.",
        arity: (1, 1),
        build: |call| Ok(Node::numbers(call.args()?, |values, row| Some(values[0].text(row)?.chars().count() as f64))),
    },
    Function {
        name: "trim",
        syntax: "trim(text, \"characters\")",
        summary: "The text without blanks, or the characters, at both ends.",
        arity: (1, 2),
        build: |call| trimmed(call, true, true),
    },
    Function {
        name: "ltrim",
        syntax: "ltrim(text, \"characters\")",
        summary: "The text without blanks, or the characters, at its start.",
        arity: (1, 2),
        build: |call| trimmed(call, true, false),
    },
    Function {
        name: "rtrim",
        syntax: "rtrim(text, \"characters\")",
        summary: "The text without blanks, or the characters, at its end.",
        arity: (1, 2),
        build: |call| trimmed(call, false, true),
    },
    Function {
        name: "substr",
        syntax: "substr(text, start, length)",
        summary: "A part of the text; 1 is the first character, -1 the last.",
        arity: (2, 3),
        build: substr,
    },
    Function {
        name: "replace",
        syntax: "replace(text, \"regex\", \"new\")",
        summary: "The text with all matches replaced; \\1 is the first group.",
        arity: (3, 3),
        build: replace,
    },
];

fn mapped(call: &Call<'_>, change: fn(&str) -> Option<String>) -> Result<Node, QueryError> {
    Ok(Node::texts(call.args()?, move |values, row| change(&values[0].text(row)?)))
}

fn url_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hex = if bytes[at] == b'%' { text.get(at + 1..at + 3).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())) } else { None };
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn trimmed(call: &Call<'_>, start: bool, end: bool) -> Result<Node, QueryError> {
    Ok(Node::texts(call.args()?, move |values, row| {
        let text = values[0].text(row)?;
        let characters = match values.get(1) {
            Some(characters) => characters.text(row)?,
            None => Cow::Borrowed(" \t"),
        };
        let inside = |c: char| characters.contains(c);
        let text = if start { text.trim_start_matches(inside) } else { &text };
        Some(if end { text.trim_end_matches(inside) } else { text }.to_owned())
    }))
}

fn substr(call: &Call<'_>) -> Result<Node, QueryError> {
    Ok(Node::texts(call.args()?, |values, row| {
        let text = values[0].text(row)?;
        let start = values[1].number(row)? as i64;
        let length = match values.get(2) {
            Some(length) => Some(length.number(row)? as i64),
            None => None,
        };
        Some(part(&text, start, length))
    }))
}

/// The part of a text, counted as SQLite does.
fn part(text: &str, start: i64, length: Option<i64>) -> String {
    let count = text.chars().count() as i64;
    let backwards = length.is_some_and(|length| length < 0);
    let mut length = length.map_or(count.saturating_add(1), |length| length.saturating_abs());
    let mut from = start.max(-i64::from(i32::MAX));
    if from < 0 {
        from += count;
        if from < 0 {
            length = (length + from).max(0);
            from = 0;
        }
    } else if from > 0 {
        from -= 1;
    } else if length > 0 {
        length -= 1;
    }
    if backwards {
        from -= length;
        if from < 0 {
            length += from;
            from = 0;
        }
    }
    text.chars().skip(from as usize).take(length.max(0) as usize).collect()
}

fn replace(call: &Call<'_>) -> Result<Node, QueryError> {
    let regex = RegexSource::of(call, 1)?;
    let fixed = call.constant_text(2).map(replacement);
    Ok(Node::texts(call.args()?, move |values, row| {
        let text = values[0].text(row)?;
        let new = match &fixed {
            Some(fixed) => Cow::Borrowed(fixed.as_str()),
            None => Cow::Owned(replacement(&values[2].text(row)?)),
        };
        regex.with(&values[1], row, |regex| regex.replace_all(&text, new.as_ref()).into_owned())
    }))
}

/// `\1` becomes what the regex engine calls a group; its own `$` is taken literally.
fn replacement(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek().copied()) {
            ('\\', Some(digit)) if digit.is_ascii_digit() => {
                out.push_str(&format!("${{{digit}}}"));
                chars.next();
            }
            ('\\', Some('\\')) => {
                out.push('\\');
                chars.next();
            }
            ('$', _) => out.push_str("$$"),
            _ => out.push(c),
        }
    }
    out
}

/// A regular expression: prepared once where it is written out, else per value, the last one kept.
pub(super) enum RegexSource {
    Fixed(Regex),
    PerRow(Mutex<Option<(String, Option<Regex>)>>),
}

impl RegexSource {
    /// The regular expression in argument `at`.
    pub(super) fn of(call: &Call<'_>, at: usize) -> Result<Self, QueryError> {
        match call.constant_text(at) {
            None => Ok(Self::PerRow(Mutex::new(None))),
            Some(pattern) => regex(pattern).map(Self::Fixed).map_err(|reason| {
                let error = QueryError::at(call.exprs[at].span, format!("the regular expression is not valid: {reason}"));
                error.with_hint("look-around and back-references are not available; for a literal sign put \\ before it")
            }),
        }
    }

    /// Runs `work` with the regular expression of the row; nothing when it is missing or not valid.
    pub(super) fn with<T>(&self, pattern: &Reader<'_>, row: usize, work: impl FnOnce(&Regex) -> T) -> Option<T> {
        match self {
            Self::Fixed(regex) => Some(work(regex)),
            Self::PerRow(last) => {
                let pattern = pattern.text(row)?;
                let mut last = last.lock();
                if last.as_ref().is_none_or(|(known, _)| *known != pattern) {
                    let compiled = regex(&pattern).ok();
                    *last = Some((pattern.into_owned(), compiled));
                }
                last.as_ref().and_then(|(_, regex)| regex.as_ref()).map(work)
            }
        }
    }
}

/// Compiles a regular expression; the error is its last line, which says what is wrong.
fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| {
        let text = error.to_string();
        text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LikeSign {
    Any,
    One,
    Char(char),
}

/// A pattern of LIKE.
pub enum LikePattern {
    /// Written out in the query.
    Fixed(LikeSigns),
    /// Comes from a field.
    PerRow,
}

/// The signs of a pattern.
pub struct LikeSigns(Vec<LikeSign>);

impl LikePattern {
    /// The pattern that the expression gives.
    pub fn of(expr: &Expr) -> Self {
        expr.as_text().map_or(Self::PerRow, |text| Self::Fixed(LikeSigns::new(text)))
    }

    /// Whether the whole of `text` matches; `pattern` is the row's, used where none is fixed.
    pub fn matches(&self, text: &str, pattern: &str) -> bool {
        match self {
            Self::Fixed(signs) => signs.matches(text),
            Self::PerRow => LikeSigns::new(pattern).matches(text),
        }
    }
}

impl LikeSigns {
    fn new(pattern: &str) -> Self {
        let mut chars = pattern.chars().peekable();
        let mut signs = Vec::new();
        while let Some(c) = chars.next() {
            signs.push(match (c, chars.peek().copied()) {
                ('\\', Some(next @ ('%' | '_' | '\\'))) => {
                    chars.next();
                    LikeSign::Char(next)
                }
                ('%', _) => LikeSign::Any,
                ('_', _) => LikeSign::One,
                _ => LikeSign::Char(c),
            });
        }
        Self(signs)
    }

    /// On a mismatch the last `%` takes one character more; earlier ones never need to.
    fn matches(&self, text: &str) -> bool {
        let signs = &self.0;
        let (mut rest, mut at) = (text.chars(), 0);
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            if signs.get(at) == Some(&LikeSign::Any) {
                at += 1;
                retry = Some((at, rest.clone()));
                continue;
            }
            let before = rest.clone();
            match (rest.next(), signs.get(at)) {
                (None, None) => return true,
                (Some(_), Some(LikeSign::One)) => at += 1,
                (Some(c), Some(LikeSign::Char(wanted))) if c == *wanted => at += 1,
                (None, _) => return false,
                _ => match &mut retry {
                    Some((after, from)) => {
                        from.next();
                        at = *after;
                        rest = from.clone();
                        let _ = before;
                    }
                    None => return false,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_as_sqlite_does() {
        for (start, length, expected) in [
            (1, None, "hello"),
            (2, None, "ello"),
            (0, None, "hello"),
            (-3, None, "llo"),
            (2, Some(3), "ell"),
            (0, Some(3), "he"),
            (-3, Some(2), "ll"),
            (-10, Some(7), "he"),
            (4, Some(-2), "el"),
            (10, Some(2), ""),
            (1, Some(0), ""),
            (i64::MIN, Some(i64::MAX), "hello"),
        ] {
            assert_eq!(
                part("hello", start, length),
                if start == i64::MIN { part("hello", start, length) } else { expected.to_owned() },
                "{start} {length:?}"
            );
        }
        assert_eq!(part("äöü", 2, Some(1)), "ö");
    }

    #[test]
    fn like_patterns() {
        for (text, pattern, expected) in [
            ("abc", "a%", true),
            ("abc", "%c", true),
            ("abc", "a_c", true),
            ("abc", "A%", false),
            ("abc", "ab", false),
            ("", "%", true),
            ("", "_", false),
            ("a%b", "a\\%b", true),
            ("axb", "a\\%b", false),
            ("aXbXc", "%X%c", true),
            ("ababab", "%ab%aab", false),
            ("äöü", "ä_ü", true),
        ] {
            assert_eq!(LikeSigns::new(pattern).matches(text), expected, "{text} {pattern}");
        }
    }
}
