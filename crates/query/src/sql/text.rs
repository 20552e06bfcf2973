//! The text of a statement: parsing it, places in it, and errors as a person wants them.

use crate::language::{QueryError, Span};
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer;
use taffrail_base::limits::{QUERY_BYTES_MAX, SQL_DEPTH_MAX};

/// The text of a statement, with the bytes at which its lines begin.
#[derive(Clone, Debug)]
pub struct Text {
    text: String,
    lines: Vec<usize>,
}

/// Finds places of the parser in a text.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a>(&'a Text);

impl Text {
    /// A statement's text.
    pub fn new(text: &str) -> Result<Self, QueryError> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(QueryError::new(format!("the statement is longer than {QUERY_BYTES_MAX} bytes")));
        }
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Ok(Self { text: text.to_owned(), lines })
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Places in it.
    pub fn places(&self) -> Places<'_> {
        Places(self)
    }

    /// Parses the one statement that it is.
    pub fn parse(&self) -> Result<Statement, QueryError> {
        let dialect = GenericDialect {};
        let mut tokens = tokenizer::Tokenizer::new(&dialect, &self.text)
            .tokenize_with_location()
            .map_err(|error| self.unparsed(&ParserError::from(error)))?;
        for token in &mut tokens {
            // A usual name of a field, which the parser would take for the function that tells who asks.
            if let tokenizer::Token::Word(word) = &mut token.token
                && word.keyword == Keyword::USER
            {
                word.keyword = Keyword::NoKeyword;
            }
        }
        let parser = Parser::new(&dialect).with_recursion_limit(SQL_DEPTH_MAX);
        let parsed = parser.with_tokens_with_locations(tokens).parse_statements();
        let mut statements = parsed.map_err(|error| self.unparsed(&error))?;
        match (statements.pop(), statements.is_empty()) {
            (Some(statement), true) => Ok(statement),
            (Some(_), false) => Err(QueryError::new("there are several statements").with_hint("send them one by one")),
            (None, _) => Err(QueryError::new("there is no statement").with_hint("for example: SELECT count(*) FROM events")),
        }
    }

    /// The error of the parser, its place taken out of its words.
    fn unparsed(&self, error: &ParserError) -> QueryError {
        let message = match error {
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => message.as_str(),
            ParserError::RecursionLimitExceeded => {
                return QueryError::new(format!("the statement is nested more than {SQL_DEPTH_MAX} deep"));
            }
        };
        let (words, span) = match message.rsplit_once(" at Line: ") {
            Some((words, place)) => (words, self.place_of(place)),
            None => (message, None),
        };
        let words = words.strip_prefix("sql parser error: ").unwrap_or(words).trim_end_matches(',');
        let words = match words.split_once(", found: ") {
            Some((expected, "EOF")) => format!("{}, but the statement ends here", lower_first(expected)),
            Some((expected, found)) => format!("{}, found {found}", lower_first(expected)),
            None => lower_first(words),
        };
        let words = words.replacen("expected: ", "expected ", 1);
        QueryError { span, ..QueryError::new(format!("the statement is not understood: {words}")) }
            .with_hint("text is written 'so', a name with odd letters \"so\"")
    }

    /// `1, Column: 8`, up to the end of the word there.
    fn place_of(&self, place: &str) -> Option<Span> {
        let (line, column) = place.split_once(", Column: ")?;
        let digits = column.find(|c: char| !c.is_ascii_digit()).unwrap_or(column.len());
        let start = self.byte(line.parse().ok()?, column[..digits].parse().ok()?)?;
        let rest = &self.text[start..];
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let one = rest.chars().next().map_or(0, char::len_utf8);
        Some(Span::new(start, start + word.max(one)))
    }

    /// The byte of a line and a column, which count characters from 1.
    fn byte(&self, line: u64, column: u64) -> Option<usize> {
        let start = *self.lines.get(usize::try_from(line.checked_sub(1)?).ok()?)?;
        let skip = usize::try_from(column.checked_sub(1)?).ok()?;
        let rest = &self.text[start..];
        Some(start + rest.char_indices().nth(skip).map_or(rest.len(), |(at, _)| at))
    }

    /// An error of planning or running, in words, with its place where one is known.
    pub fn planned(&self, error: &DataFusionError) -> QueryError {
        if let Some(ours) = ours(error) {
            return ours;
        }
        let span = error.diagnostic().and_then(|diagnostic| diagnostic.span).and_then(|span| {
            let at = |location: &datafusion::common::Location| self.byte(location.line, location.column);
            Some(Span::new(at(&span.start)?, at(&span.end)?))
        });
        QueryError { span, ..QueryError::new(words(error)) }
    }
}

impl Places<'_> {
    /// The bytes of a place; none for what the parser made up.
    pub fn of(&self, span: tokenizer::Span) -> Option<Span> {
        let (start, end) = (self.0.byte(span.start.line, span.start.column)?, self.0.byte(span.end.line, span.end.column)?);
        Some(Span::new(start, end.max(start)))
    }
}

/// The error of ours that went through the planner.
fn ours(error: &DataFusionError) -> Option<QueryError> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(query) = current.downcast_ref::<QueryError>() {
            return Some(query.clone());
        }
        if let Some(stored) = current.downcast_ref::<taffrail_base::Error>() {
            return Some(QueryError::from(stored));
        }
        cause = match current.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
            Some(DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner)) => Some(inner.as_ref()),
            Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
            _ => current.source(),
        };
    }
    None
}

/// The words of the planner, without its talk of itself and the names that tables have inside.
fn words(error: &DataFusionError) -> String {
    let text = error.find_root().strip_backtrace();
    let mut text = text.as_str();
    if let Some(wrong) = text.split("regex parse error:").nth(1) {
        let what = wrong.lines().find_map(|line| line.trim().strip_prefix("error: ")).unwrap_or("it is not understood");
        return format!("the regular expression is wrong: {what}");
    }
    // Trees of the parser say nothing to a person.
    if let Some(at) = text.find("Ident {").and_then(|_| text.find(" {")) {
        text = text[..at].rsplit_once(' ').map_or(text, |(before, _)| before);
    }
    text = text.split(": While expanding wildcard").next().unwrap_or(text);
    for prefix in [
        "Error during planning: ",
        "This feature is not implemented: ",
        "Schema error: ",
        "Execution error: ",
        "Arrow error: ",
        "External error: ",
    ] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    lower_first(text.lines().next().unwrap_or(text))
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        // Words in capital letters stay.
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}
