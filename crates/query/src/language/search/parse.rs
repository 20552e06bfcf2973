//! From text to a [`SearchExpr`]. OR binds tighter than AND; AND may be left out.

use super::filter::is_row_field;
use super::times::{Length, by_format, set_length};
use super::{CompareOp, SearchExpr, SearchValue};
use crate::language::ast::{TimeBounds, TimeText};
use crate::language::error::QueryError;
use crate::language::lexer::{quote_end, run_end, skip_blanks, unescape};
use crate::language::span::Span;
use crate::language::time::TimeFormat;
use jiff::tz::TimeZone;
use taffrail_base::limits::QUERY_DEPTH_MAX;
use taffrail_event::Timestamp;

/// Parses `text[start..end]`. With `bounds`, time bounds such as `earliest=` are put there; without, they are
/// fields like any other (a row may have a field of that name).
pub fn parse(text: &str, start: usize, end: usize, bounds: Option<&mut TimeBounds>) -> Result<SearchExpr, QueryError> {
    let mut parser = Parser { text, at: start, end, depth: 0, bounds, bounds_seen: 0, time_format: None, length: None };
    let search = parser.all()?;
    if let (Some(length), Some(bounds)) = (parser.length.take(), parser.bounds.as_deref_mut()) {
        set_length(bounds, &length)?;
    }
    match parser.peek() {
        None => Ok(search),
        Some(_) => Err(QueryError::at(Span::new(parser.at, parser.at + 1), "a `)` without its `(`")
            .with_hint("to look for a parenthesis, put the text in double quotes")),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    end: usize,
    depth: usize,
    bounds: Option<&'a mut TimeBounds>,
    bounds_seen: usize,
    /// How the times that follow are written.
    time_format: Option<TimeFormat>,
    /// How long the range is.
    length: Option<Length>,
}

/// A word or quoted text as it stands.
struct Piece {
    text: String,
    quoted: bool,
    span: Span,
}

/// The words for bounds of time, for what they count from and for how they are written.
const BOUNDS: &[&str] =
    &["earliest", "latest", "_index_earliest", "_index_latest", "starttime", "endtime", "starttimeu", "endtimeu", "now", "timeformat"];

/// The unit of `searchtimespandays` and the like.
fn length_unit(name: &str) -> Option<&'static str> {
    let unit = name.strip_prefix("searchtimespan")?;
    Some(match unit {
        "days" => "d",
        "hours" => "h",
        "minutes" => "m",
        "months" => "mon",
        _ => return None,
    })
}

/// Whether a name at the start of a search is a word about time, not a field.
pub(super) fn is_time_word(name: &str) -> bool {
    BOUNDS.contains(&name) || length_unit(name).is_some() || ago(name).is_some()
}

/// The bound and the unit of `daysago`, `starthoursago`, `endmonthsago` and the like.
fn ago(name: &str) -> Option<(&'static str, &'static str)> {
    let rest = name.strip_suffix("sago")?;
    let (bound, unit) = match rest.strip_prefix("start") {
        Some(unit) => ("earliest", unit),
        None => rest.strip_prefix("end").map_or(("earliest", rest), |unit| ("latest", unit)),
    };
    let unit = [("day", "d"), ("hour", "h"), ("minute", "m"), ("month", "mon")].into_iter().find(|(name, _)| *name == unit)?.1;
    Some((bound, unit))
}

impl Parser<'_> {
    fn peek(&mut self) -> Option<char> {
        self.at = skip_blanks(self.text, self.at, self.end);
        self.text[self.at..self.end].chars().next()
    }

    fn rest(&self) -> &str {
        &self.text[self.at..self.end]
    }

    /// Whether the operator (upper case only) comes next as a whole word.
    fn peek_operator(&mut self, word: &str) -> bool {
        self.peek();
        self.rest().strip_prefix(word).is_some_and(|rest| rest.chars().next().is_none_or(|c| c.is_whitespace() || "()\"".contains(c)))
    }

    fn operator(&mut self, word: &str) -> bool {
        let found = self.peek_operator(word);
        if found {
            self.at += word.len();
        }
        found
    }

    /// A list of terms, up to a `)` or the end.
    fn all(&mut self) -> Result<SearchExpr, QueryError> {
        let mut parts = Vec::new();
        let mut needs_right: Option<Span> = None;
        loop {
            let next = self.peek();
            if next.is_none() || next == Some(')') {
                return match needs_right {
                    Some(span) => {
                        Err(QueryError::at(span, "AND needs a term on its right")
                            .with_hint("to look for the word, put it in quotes: \"AND\""))
                    }
                    None => Ok(SearchExpr::and(parts)),
                };
            }
            if self.peek_operator("AND") {
                let span = Span::new(self.at, self.at + 3);
                if parts.is_empty() || needs_right.is_some() {
                    return Err(
                        QueryError::at(span, "AND needs a term on its left").with_hint("to look for the word, put it in quotes: \"AND\"")
                    );
                }
                self.operator("AND");
                needs_right = Some(span);
                continue;
            }
            parts.push(self.any()?);
            needs_right = None;
        }
    }

    /// Terms with OR between.
    fn any(&mut self) -> Result<SearchExpr, QueryError> {
        let seen = self.bounds_seen;
        if self.peek_operator("OR") {
            return Err(QueryError::at(Span::new(self.at, self.at + 2), "OR needs a term on its left")
                .with_hint("to look for the word, put it in quotes: \"OR\""));
        }
        let mut parts = vec![self.negated()?];
        while self.peek_operator("OR") {
            let span = Span::new(self.at, self.at + 2);
            self.operator("OR");
            if matches!(self.peek(), None | Some(')')) || self.peek_operator("OR") || self.peek_operator("AND") {
                return Err(
                    QueryError::at(span, "OR needs a term on its right").with_hint("to look for the word, put it in quotes: \"OR\"")
                );
            }
            parts.push(self.negated()?);
        }
        if parts.len() > 1 && self.bounds_seen > seen {
            return Err(self.misplaced_bound());
        }
        Ok(SearchExpr::or(parts))
    }

    fn misplaced_bound(&self) -> QueryError {
        QueryError::at(Span::new(self.at.min(self.end), self.at.min(self.end)), "time bounds hold for the whole search")
            .with_hint("take earliest= and latest= out of OR and NOT")
    }

    fn negated(&mut self) -> Result<SearchExpr, QueryError> {
        if !self.peek_operator("NOT") {
            return self.term();
        }
        let span = Span::new(self.at, self.at + 3);
        self.operator("NOT");
        if matches!(self.peek(), None | Some(')')) || self.peek_operator("OR") || self.peek_operator("AND") {
            return Err(QueryError::at(span, "NOT needs a term on its right").with_hint("to look for the word, put it in quotes: \"NOT\""));
        }
        let seen = self.bounds_seen;
        self.enter(span)?;
        let inner = self.negated()?;
        self.depth -= 1;
        if self.bounds_seen > seen {
            return Err(self.misplaced_bound());
        }
        Ok(SearchExpr::Not(Box::new(inner)))
    }

    fn enter(&mut self, span: Span) -> Result<(), QueryError> {
        self.depth += 1;
        if self.depth > QUERY_DEPTH_MAX {
            return Err(
                QueryError::at(span, format!("nested more than {QUERY_DEPTH_MAX} deep")).with_hint("write it with fewer parentheses")
            );
        }
        Ok(())
    }

    fn term(&mut self) -> Result<SearchExpr, QueryError> {
        let start = self.at;
        if self.peek() == Some('(') {
            let open = Span::new(self.at, self.at + 1);
            self.enter(open)?;
            self.at += 1;
            let inner = self.all()?;
            if self.peek() != Some(')') {
                return Err(QueryError::at(open, "the parenthesis that opens here is not closed").with_hint("add a `)`"));
            }
            self.at += 1;
            self.depth -= 1;
            return Ok(inner);
        }
        if let Some(op) = self.comparison() {
            let _ = op;
            return Err(QueryError::at(Span::new(start, self.at), "a comparison needs a field on its left").with_hint("write field=value"));
        }
        for (name, whole) in [("TERM(", true), ("CASE(", false)] {
            if self.rest().starts_with(name) {
                let text = self.directive(name.len())?;
                return Ok(SearchExpr::term(text, !whole, whole));
            }
        }
        let piece = self.piece(is_word)?;
        let after = self.at;
        if let Some(op) = self.comparison() {
            return self.compare(piece, op);
        }
        if self.operator("IN") {
            if self.peek() == Some('(') {
                return self.in_list(piece);
            }
            return Err(QueryError::at(Span::new(self.at, self.at), "IN needs a list")
                .with_hint("write field IN (a, b); to look for the word, put it in quotes: \"IN\""));
        }
        self.at = after;
        if let Some((name, value)) = piece.text.split_once("::").filter(|_| !piece.quoted)
            && ["host", "source", "sourcetype", "index"].contains(&name)
        {
            let value = SearchValue { text: value.to_owned(), case_sensitive: false };
            return Ok(SearchExpr::Compare { field: name.to_owned(), op: CompareOp::Equal, value });
        }
        Ok(SearchExpr::term(piece.text, false, false))
    }

    /// The inside of `TERM(...)` or `CASE(...)`.
    fn directive(&mut self, length: usize) -> Result<String, QueryError> {
        let open = Span::new(self.at, self.at + length);
        self.at += length;
        let text = match self.peek() {
            Some('"') => self.piece(is_word)?.text,
            _ => {
                let start = self.at;
                self.at = run_end(self.text, start, self.end, |c| c != ')');
                self.text[start..self.at].trim().to_owned()
            }
        };
        if self.peek() != Some(')') {
            return Err(QueryError::at(open, "the parenthesis that opens here is not closed").with_hint("add a `)`"));
        }
        self.at += 1;
        if text.is_empty() {
            return Err(QueryError::at(open, "nothing is named in the parentheses").with_hint("write TERM(192.0.2.1)"));
        }
        Ok(text)
    }

    /// A comparison sign, consumed if it comes next.
    fn comparison(&mut self) -> Option<CompareOp> {
        self.peek();
        let signs = [
            ("==", CompareOp::Equal),
            ("!=", CompareOp::NotEqual),
            ("<=", CompareOp::LessEqual),
            (">=", CompareOp::GreaterEqual),
            ("=", CompareOp::Equal),
            ("<", CompareOp::Less),
            (">", CompareOp::Greater),
        ];
        let (sign, op) = signs.into_iter().find(|(sign, _)| self.rest().starts_with(sign))?;
        self.at += sign.len();
        Some(op)
    }

    /// A quoted text, or a run of characters that are `inside`.
    fn piece(&mut self, inside: fn(char) -> bool) -> Result<Piece, QueryError> {
        self.peek();
        let start = self.at;
        if self.rest().starts_with('"') {
            let Some(end) = quote_end(self.text, start).filter(|end| *end <= self.end) else {
                return Err(
                    QueryError::at(Span::new(start, self.end), "the quote that opens here is not closed").with_hint("close it with \"")
                );
            };
            self.at = end;
            return Ok(Piece { text: unescape(&self.text[start + 1..end - 1], '"'), quoted: true, span: Span::new(start, end) });
        }
        let mut end = start;
        for (offset, c) in self.rest().char_indices() {
            // A `!` belongs to the word unless it begins `!=`.
            if !inside(c) || (c == '!' && !inside('=') && self.text[start + offset + 1..self.end].starts_with('=')) {
                break;
            }
            end = start + offset + c.len_utf8();
        }
        if end == start {
            let length = self.rest().chars().next().map_or(0, char::len_utf8);
            return Err(QueryError::at(Span::new(start, start + length), "a word is expected here")
                .with_hint("to look for this sign, put it in double quotes"));
        }
        self.at = end;
        Ok(Piece { text: self.text[start..end].to_owned(), quoted: false, span: Span::new(start, end) })
    }

    fn field_name(&self, piece: Piece) -> Result<String, QueryError> {
        if self.bounds.is_some() && is_row_field(&piece.text) {
            let hint = format!("bound times with earliest= and latest=, or ask behind a pipe: | search {}=...", piece.text);
            return Err(QueryError::at(piece.span, format!("`{}` cannot be compared in the first search", piece.text)).with_hint(hint));
        }
        if piece.text.contains('*') {
            return Err(QueryError::at(piece.span, "a field's name cannot have a wildcard in a search")
                .with_hint("name the field, or look for the value alone"));
        }
        if piece.text.is_empty() {
            return Err(QueryError::at(piece.span, "a field's name is empty"));
        }
        Ok(piece.text)
    }

    fn value(&mut self, sign: Span, inside: fn(char) -> bool) -> Result<(SearchValue, Span), QueryError> {
        let next = self.peek();
        if next.is_none() || next == Some(')') {
            return Err(QueryError::at(sign, "a value is missing").with_hint("for an empty value write field=\"\", for any value field=*"));
        }
        if next == Some('(') {
            return Err(
                QueryError::at(sign, "a value cannot begin with a parenthesis").with_hint("for several values write field IN (a, b)")
            );
        }
        let start = self.at;
        if self.rest().starts_with("CASE(") {
            let text = self.directive("CASE(".len())?;
            return Ok((SearchValue { text, case_sensitive: true }, Span::new(start, self.at)));
        }
        let piece = self.piece(inside)?;
        Ok((SearchValue { text: piece.text, case_sensitive: false }, piece.span))
    }

    fn compare(&mut self, piece: Piece, op: CompareOp) -> Result<SearchExpr, QueryError> {
        let sign = Span::new(piece.span.start, self.at);
        let name = piece.text.clone();
        if self.bounds.is_some() && !piece.quoted && is_time_word(&name) {
            return self.bound(&name, op, sign);
        }
        let field = self.field_name(piece)?;
        let (value, _) = self.value(sign, is_value)?;
        Ok(SearchExpr::Compare { field, op, value })
    }

    fn bound(&mut self, name: &str, op: CompareOp, sign: Span) -> Result<SearchExpr, QueryError> {
        if op != CompareOp::Equal {
            return Err(QueryError::at(sign, format!("`{name}` takes `=` only")).with_hint("earliest= is the first time, latest= the end"));
        }
        let (mut value, mut span) = self.value(sign, is_value)?;
        let mut name = name;
        let whole = |value: &SearchValue, hint: String| {
            let digits = !value.text.is_empty() && value.text.bytes().all(|byte| byte.is_ascii_digit());
            let wrong = || QueryError::at(span, format!("`{name}` takes a whole number, not `{}`", value.text)).with_hint(hint);
            digits.then_some(()).ok_or_else(wrong)
        };
        if name == "timeformat" || length_unit(name).is_some() {
            self.bounds_seen += 1;
            let bounds = self.bounds.as_deref().expect("only called with bounds");
            if let Some(unit) = length_unit(name) {
                whole(&value, format!("write {name}=7, or earliest=-7{unit}"))?;
                self.length = Some(Length { text: format!("{}{unit}", value.text), span });
            } else if bounds.is_empty() {
                self.time_format = Some(TimeFormat::new(&value.text));
            } else {
                return Err(QueryError::at(span, "timeformat says how the times after it are written, and there is one before it")
                    .with_hint("put timeformat= first"));
            }
            return Ok(SearchExpr::All);
        }
        if let Some((bound, unit)) = ago(name) {
            whole(&value, format!("write {name}=7, or {bound}=-7{unit}"))?;
            (name, value.text) = (bound, format!("-{}{unit}", value.text));
        }
        if value.text == "now" && self.rest().starts_with("()") {
            self.at += 2;
            span.end += 2;
        }
        if let Some(format) = &self.time_format
            && let Some(text) = by_format(&value.text, format, span)?
        {
            value.text = text;
        }
        // Checked here so that the mistake is shown while typing; which `now` does not matter for that.
        crate::language::time::resolve(&value.text, Timestamp(0), &TimeZone::UTC)
            .map_err(|error| QueryError { span: Some(span), ..error })?;
        let time = Some(TimeText { text: value.text, span });
        let bounds = self.bounds.as_deref_mut().expect("only called with bounds");
        match name {
            "earliest" | "starttime" | "starttimeu" => bounds.earliest = time,
            "latest" | "endtime" | "endtimeu" => bounds.latest = time,
            "_index_earliest" => bounds.index_earliest = time,
            "now" => bounds.now = time,
            _ => bounds.index_latest = time,
        }
        self.bounds_seen += 1;
        Ok(SearchExpr::All)
    }

    fn in_list(&mut self, piece: Piece) -> Result<SearchExpr, QueryError> {
        let open = Span::new(self.at, self.at + 1);
        let field = self.field_name(piece)?;
        self.at += 1;
        let mut values = Vec::new();
        loop {
            match self.peek() {
                Some(',') => self.at += 1,
                Some(')') => {
                    self.at += 1;
                    break;
                }
                None => return Err(QueryError::at(open, "the parenthesis that opens here is not closed").with_hint("add a `)`")),
                Some('(') => {
                    return Err(QueryError::at(Span::new(self.at, self.at + 1), "a list cannot hold a parenthesis")
                        .with_hint("put the value in double quotes"));
                }
                Some(_) => values.push(self.value(open, is_listed)?.0),
            }
        }
        if values.is_empty() {
            return Err(QueryError::at(open, "the list is empty").with_hint("write field IN (a, b)"));
        }
        Ok(SearchExpr::In { field, values })
    }
}

/// Characters of a word that may turn out to be a field's name.
fn is_word(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '(' | ')' | '|' | '"' | '=' | '<' | '>')
}

/// Characters of a value.
fn is_value(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '(' | ')' | '|' | '"')
}

/// Characters of a value in a list.
fn is_listed(c: char) -> bool {
    is_value(c) && c != ','
}
