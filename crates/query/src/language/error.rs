//! What is wrong with a query, where, and the way out. Made for the person who typed it.

use super::span::Span;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An error in a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryError {
    /// What is wrong.
    pub message: String,
    /// Where in the text, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// The way out, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Names that may have been meant, the likeliest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<String>,
    /// Whether the query is well, but goes beyond what a search may take: its time, its memory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub limit: bool,
}

impl QueryError {
    /// An error without a place.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), span: None, hint: None, suggestions: Vec::new(), limit: false }
    }

    /// A limit that was reached.
    pub fn limit(message: impl Into<String>) -> Self {
        Self { limit: true, ..Self::new(message) }
    }

    /// An error at a place.
    pub fn at(span: Span, message: impl Into<String>) -> Self {
        Self { span: Some(span), ..Self::new(message) }
    }

    /// Adds the way out.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds names that may have been meant; they become the hint too where there is none.
    #[must_use]
    pub fn with_suggestions(mut self, names: Vec<String>) -> Self {
        if self.hint.is_none() && !names.is_empty() {
            self.hint = Some(format!("did you mean {}?", names.join(" or ")));
        }
        self.suggestions = names;
        self
    }

    /// Sets the place where none is set.
    #[must_use]
    pub fn or_at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }

    /// The error as text: the message, the line of the query with carets below the place, and the hint.
    pub fn render(&self, query: &str) -> String {
        let mut out = self.message.clone();
        if let Some(span) = self.span {
            let start = floor_boundary(query, span.start);
            let end = floor_boundary(query, span.end).max(start);
            let line_start = query[..start].rfind('\n').map_or(0, |at| at + 1);
            let line_end = query[start..].find('\n').map_or(query.len(), |at| start + at);
            let before = query[line_start..start].chars().count();
            let marked = query[start..end.min(line_end).max(start)].chars().count().max(1);
            let line: String = query[line_start..line_end].chars().map(blank_control).collect();
            out.push_str(&format!("\n  {line}\n  {}{}", " ".repeat(before), "^".repeat(marked)));
        }
        if let Some(hint) = &self.hint {
            out.push_str("\nhint: ");
            out.push_str(hint);
        }
        out
    }
}

/// Control characters would move the carets (or the terminal's cursor), so they are shown as blanks.
fn blank_control(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for QueryError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_stand_below_the_place() {
        let query = "error\n| statz count";
        let error = QueryError::at(Span::new(8, 13), "unknown command `statz`").with_suggestions(vec!["stats".into()]);
        assert_eq!(error.render(query), "unknown command `statz`\n  | statz count\n    ^^^^^\nhint: did you mean stats?");
    }

    #[test]
    fn a_place_past_the_end_or_inside_a_character_is_no_panic() {
        for start in 0..12 {
            QueryError::at(Span::new(start, start + 3), "x").render("ä\u{7}öü");
        }
        assert!(QueryError::at(Span::new(1, 1), "x").render("a").ends_with(" ^"));
    }
}
