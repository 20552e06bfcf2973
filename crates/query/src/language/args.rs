//! The arguments of one command: a cursor over its text with a helper for each kind of argument.
//!
//! Every helper skips blanks first, and leaves the cursor where it was when it finds nothing of its kind.

use super::ast::Place;
use super::error::QueryError;
use super::lexer;
use super::search::SearchExpr;
use super::span::Span;
use super::suggest::nearest;
use super::time::TimeSpan;
use crate::eval::Expr;
use crate::pipeline::Subsearch;
use std::sync::Arc;

/// A word as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The text, without quotes and with escapes undone.
    pub text: String,
    /// Whether it stood in double quotes.
    pub quoted: bool,
    /// Where it stands, quotes included.
    pub span: Span,
}

/// The name of a field as typed; may hold `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldName {
    /// The name without quotes.
    pub name: String,
    /// Where it stands, quotes included.
    pub span: Span,
}

impl FieldName {
    /// Whether the name has a `*`.
    pub fn is_wildcard(&self) -> bool {
        self.name.contains('*')
    }
}

/// An option as typed: `limit=10`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionArg {
    /// The name as it stands in the list of known ones.
    pub name: String,
    /// Where the name stands.
    pub span: Span,
    /// The value.
    pub value: Word,
}

/// The width of a bin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BinSpan {
    /// A length of time: `10m`, `1d`, `1w@w1`.
    Time(TimeSpan),
    /// A plain number.
    Number(f64),
    /// Logarithmic: `log2`, `2log10` (coefficient before, base after).
    Log {
        /// The first bound above zero.
        coefficient: f64,
        /// The factor from a bound to the next.
        base: f64,
    },
}

/// A cursor over the arguments of a command.
#[derive(Clone, Debug)]
pub struct Args {
    query: Arc<str>,
    at: usize,
    end: usize,
    depth: usize,
}

impl Args {
    /// A cursor over `query[start..end]`.
    pub fn new(query: Arc<str>, start: usize, end: usize) -> Self {
        Self { query, at: start, end, depth: 0 }
    }

    /// The same, with so many brackets around the command.
    #[must_use]
    pub fn within(self, depth: usize) -> Self {
        Self { depth, ..self }
    }

    /// A search in brackets, `[ search ... | ... ]`, if one comes next.
    pub fn subsearch(&mut self) -> Result<Option<Subsearch>, QueryError> {
        self.nested(Place::Nested)
    }

    /// Commands in brackets, `[ stats count | ... ]`, that go on with the rows there are.
    pub fn subpipeline(&mut self) -> Result<Option<Subsearch>, QueryError> {
        self.nested(Place::Commands)
    }

    fn nested(&mut self, place: Place) -> Result<Option<Subsearch>, QueryError> {
        let Some((_, inside)) = self.bracketed()? else { return Ok(None) };
        Subsearch::parse(&self.query, inside, place, self.depth + 1).map(Some)
    }

    /// The text in brackets as it stands, if a bracket comes next, and its place.
    pub fn bracketed(&mut self) -> Result<Option<(String, Span)>, QueryError> {
        let start = self.start();
        if !self.remaining().starts_with('[') {
            return Ok(None);
        }
        let end = lexer::bracket_end(&self.query, start, self.end)?;
        self.at = end;
        let inside = Span::new(start + 1, end - 1);
        Ok(Some((self.query[inside.start..inside.end].trim().to_owned(), inside)))
    }

    fn start(&self) -> usize {
        lexer::skip_blanks(&self.query, self.at, self.end)
    }

    fn skip(&mut self) -> &str {
        self.at = self.start();
        &self.query[self.at..self.end]
    }

    /// Whether nothing but blanks is left.
    pub fn at_end(&self) -> bool {
        self.start() == self.end
    }

    /// What is left, without leading blanks; does not consume.
    pub fn remaining(&self) -> &str {
        &self.query[self.start()..self.end]
    }

    /// The place of the next word, or an empty place at the end; for errors.
    pub fn next_span(&self) -> Span {
        let start = self.start();
        let length = self.remaining().chars().next().map_or(0, char::len_utf8);
        let end = match self.query.as_bytes().get(start) {
            Some(b'"' | b'\'') if start < self.end => lexer::quote_end(&self.query, start).filter(|end| *end <= self.end),
            _ => None,
        };
        let end = end.unwrap_or_else(|| lexer::run_end(&self.query, start, self.end, is_bare));
        Span::new(start, end.max(start + length))
    }

    /// An error at the next word.
    pub fn error(&self, message: impl Into<String>) -> QueryError {
        QueryError::at(self.next_span(), message)
    }

    fn expected(&self, what: &str) -> QueryError {
        match self.remaining() {
            "" => self.error(format!("expected {what}, but the command ends here")),
            _ => {
                let span = self.next_span();
                self.error(format!("expected {what}, found `{}`", &self.query[span.start..span.end]))
            }
        }
    }

    /// Consumes `symbol` (`,` `(` `)` `+` `-` `=` ...) if it comes next.
    pub fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.remaining().starts_with(symbol);
        if found {
            self.at = self.start() + symbol.len();
        }
        found
    }

    /// Consumes `symbol` or fails.
    pub fn expect_symbol(&mut self, symbol: &str) -> Result<(), QueryError> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.expected(&format!("`{symbol}`"))) }
    }

    /// Consumes the keyword if it comes next as a whole word, in any case.
    pub fn keyword(&mut self, word: &str) -> bool {
        let found = self.peek_keyword(word);
        if found {
            self.at = self.start() + word.len();
        }
        found
    }

    /// Whether the keyword comes next.
    pub fn peek_keyword(&self, word: &str) -> bool {
        let rest = self.remaining();
        let Some(head) = rest.get(..word.len()) else { return false };
        head.eq_ignore_ascii_case(word) && rest[word.len()..].chars().next().is_none_or(|c| !is_bare(c) || matches!(c, '"' | '\''))
    }

    /// Consumes the keyword or fails.
    pub fn expect_keyword(&mut self, word: &str) -> Result<(), QueryError> {
        if self.keyword(word) { Ok(()) } else { Err(self.expected(&word.to_uppercase())) }
    }

    /// A `name=value` option if one comes next. A name that is not among `known` (any case) is an error with
    /// did-you-mean; `AS`, `BY` and the like never look like one as they have no `=`.
    pub fn option(&mut self, known: &[&str]) -> Result<Option<OptionArg>, QueryError> {
        let start = self.start();
        let end = lexer::run_end(&self.query, start, self.end, |c| c.is_alphanumeric() || c == '_');
        let sign = lexer::skip_blanks(&self.query, end, self.end);
        let after = &self.query[sign..self.end];
        if end == start || !after.starts_with('=') || after.starts_with("==") {
            return Ok(None);
        }
        let span = Span::new(start, end);
        let typed = &self.query[start..end];
        let Some(name) = known.iter().find(|name| name.eq_ignore_ascii_case(typed)) else {
            let error = QueryError::at(span, format!("unknown option `{typed}`")).with_suggestions(nearest(typed, known.iter().copied()));
            let list =
                if known.is_empty() { "this command has no options".to_owned() } else { format!("the options are {}", known.join(", ")) };
            return Err(if error.hint.is_some() { error } else { error.with_hint(list) });
        };
        let name = (*name).to_owned();
        self.at = sign + 1;
        let value = self.option_value(&name)?;
        Ok(Some(OptionArg { name, span, value }))
    }

    /// A quoted text, or everything up to a blank or comma.
    fn option_value(&mut self, name: &str) -> Result<Word, QueryError> {
        let rest = self.skip();
        if rest.starts_with('"') {
            return self.quoted('"');
        }
        let start = self.at;
        let end = lexer::run_end(&self.query, start, self.end, |c| !c.is_whitespace() && !matches!(c, ',' | ')' | '(' | '['));
        if end == start {
            return Err(self.expected(&format!("a value for {name}")));
        }
        self.at = end;
        Ok(Word { text: self.query[start..end].to_owned(), quoted: false, span: Span::new(start, end) })
    }

    fn quoted(&mut self, quote: char) -> Result<Word, QueryError> {
        let start = self.start();
        let Some(end) = lexer::quote_end(&self.query, start).filter(|end| *end <= self.end) else {
            return Err(QueryError::at(Span::new(start, self.end), "the quote that opens here is not closed")
                .with_hint(format!("close it with {quote}")));
        };
        self.at = end;
        Ok(Word { text: lexer::unescape(&self.query[start + 1..end - 1], quote), quoted: true, span: Span::new(start, end) })
    }

    /// The next word: quoted, or up to a blank, comma, `=` or parenthesis. `what` completes "expected ...".
    pub fn word(&mut self, what: &str) -> Result<Word, QueryError> {
        if self.remaining().starts_with('"') {
            return self.quoted('"');
        }
        let start = self.start();
        let end = lexer::run_end(&self.query, start, self.end, is_bare);
        if end == start {
            return Err(self.expected(what));
        }
        self.at = end;
        Ok(Word { text: self.query[start..end].to_owned(), quoted: false, span: Span::new(start, end) })
    }

    /// The next string in double quotes, escapes undone (`\"` and `\\` only).
    pub fn string(&mut self, what: &str) -> Result<Word, QueryError> {
        if self.remaining().starts_with('"') {
            return self.quoted('"');
        }
        Err(self.expected(what).with_hint("put it in double quotes"))
    }

    /// The next field name: bare, in single or in double quotes; may hold `*`.
    pub fn field(&mut self, what: &str) -> Result<FieldName, QueryError> {
        let word = if self.remaining().starts_with('\'') { self.quoted('\'')? } else { self.word(what)? };
        if word.text.is_empty() {
            return Err(QueryError::at(word.span, "the name of a field is empty"));
        }
        Ok(FieldName { name: word.text, span: word.span })
    }

    /// Field names separated by commas or blanks, up to the end, a `)`, or one of the keywords in `stops`
    /// (not consumed). May be empty.
    pub fn fields(&mut self, stops: &[&str]) -> Result<Vec<FieldName>, QueryError> {
        let mut found = Vec::new();
        let mut comma = None;
        loop {
            let stop = self.at_end() || self.remaining().starts_with(')') || stops.iter().any(|stop| self.peek_keyword(stop));
            match (stop, comma) {
                (true, Some(place)) => {
                    return Err(QueryError::at(place, "a field is missing after this comma").with_hint("take the comma away"));
                }
                (true, None) => return Ok(found),
                (false, _) => {}
            }
            found.push(self.field("a field")?);
            let place = self.next_span();
            comma = self.symbol(",").then_some(place);
        }
    }

    /// A function call's name and the place of its arguments: `dc(user)` gives `dc` and leaves the cursor
    /// after the `(`. Nothing when the next word is not followed by `(`.
    pub fn call(&mut self) -> Option<Word> {
        let start = self.start();
        let end = lexer::run_end(&self.query, start, self.end, |c| c.is_alphanumeric() || c == '_' || c == '.');
        if end == start || !self.query[end..self.end].starts_with('(') {
            return None;
        }
        self.at = end + 1;
        Some(Word { text: self.query[start..end].to_owned(), quoted: false, span: Span::new(start, end) })
    }

    /// The next whole number, sign allowed, if one comes next.
    pub fn integer(&mut self) -> Option<(i64, Span)> {
        let start = self.start();
        let sign = usize::from(self.remaining().starts_with(['-', '+']));
        let end = lexer::run_end(&self.query, start + sign, self.end, |c| c.is_ascii_digit());
        let number = self.query[start..end].parse().ok()?;
        let whole = self.query[end..self.end].chars().next().is_none_or(|c| !is_bare(c));
        if !whole {
            return None;
        }
        self.at = end;
        Some((number, Span::new(start, end)))
    }

    /// An expression of `eval`; ends where it cannot go on: at `,`, `)`, a keyword such as BY or AS, the end.
    pub fn expression(&mut self) -> Result<Expr, QueryError> {
        let (expression, at) = crate::eval::parse_at(&self.query, self.at, self.end)?;
        self.at = at;
        Ok(expression)
    }

    /// Everything left as a search expression; names such as `earliest` are fields like any other.
    pub fn search(&mut self) -> Result<SearchExpr, QueryError> {
        let search = super::search::parse(&self.query, self.at, self.end, None)?;
        self.at = self.end;
        Ok(search)
    }

    /// Everything left, without blanks at the ends, and its place.
    pub fn rest(&mut self) -> (String, Span) {
        let start = self.start();
        let text = self.query[start..self.end].trim_end();
        let span = Span::new(start, start + text.len());
        let text = text.to_owned();
        self.at = self.end;
        (text, span)
    }

    /// Fails when anything is left: names what was not understood.
    pub fn finish(&self) -> Result<(), QueryError> {
        if self.at_end() {
            return Ok(());
        }
        let span = self.next_span();
        Err(self.error(format!("`{}` is not understood here", &self.query[span.start..span.end])))
    }
}

/// Characters of a bare word.
fn is_bare(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, ',' | '=' | '(' | ')' | '|' | '"' | '\'' | '[' | ']')
}

impl Word {
    fn wrong(&self, name: &str, what: &str) -> QueryError {
        QueryError::at(self.span, format!("{name} must be {what}, not `{}`", self.text))
    }

    /// The word as a whole number of at least `min`.
    pub fn integer(&self, name: &str, min: i64) -> Result<i64, QueryError> {
        match self.text.parse::<i64>() {
            Ok(number) if number >= min => Ok(number),
            Ok(_) => Err(self.wrong(name, &format!("at least {min}"))),
            Err(_) => Err(self.wrong(name, "a whole number")),
        }
    }

    /// The word as a number.
    pub fn number(&self, name: &str) -> Result<f64, QueryError> {
        crate::eval::parse_number(&self.text).ok_or_else(|| self.wrong(name, "a number"))
    }

    /// The word as a Boolean: t, true, 1, f, false, 0.
    pub fn boolean(&self, name: &str) -> Result<bool, QueryError> {
        match self.text.to_ascii_lowercase().as_str() {
            "t" | "true" | "1" => Ok(true),
            "f" | "false" | "0" => Ok(false),
            _ => Err(self.wrong(name, "true or false")),
        }
    }

    /// The word as the width of a bin.
    pub fn span_value(&self, name: &str) -> Result<BinSpan, QueryError> {
        let wrong = || self.wrong(name, "a span").with_hint("write a time (10m, 1d, 1w@w1), a number, or log2, log10");
        if let Some(span) = TimeSpan::parse(&self.text) {
            return Ok(BinSpan::Time(span));
        }
        if let Some(number) = crate::eval::parse_number(&self.text) {
            return if number > 0.0 { Ok(BinSpan::Number(number)) } else { Err(wrong()) };
        }
        let (coefficient, base) = self.text.split_once("log").ok_or_else(wrong)?;
        let part = |text: &str, default: f64| if text.is_empty() { Some(default) } else { crate::eval::parse_number(text) };
        match (part(coefficient, 1.0), part(base, 10.0)) {
            (Some(coefficient), Some(base)) if base > 1.0 && (1.0..base).contains(&coefficient) => Ok(BinSpan::Log { coefficient, base }),
            _ => Err(wrong()),
        }
    }

    /// The word as one of `values` (any case), with did-you-mean.
    pub fn one_of<'v>(&self, name: &str, values: &[&'v str]) -> Result<&'v str, QueryError> {
        let found = values.iter().find(|value| value.eq_ignore_ascii_case(&self.text));
        found.copied().ok_or_else(|| {
            let error = self.wrong(name, &format!("one of {}", values.join(", ")));
            error.with_suggestions(nearest(&self.text, values.iter().copied()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> Args {
        Args::new(text.into(), 0, text.len())
    }

    #[test]
    fn options_come_with_any_spacing() {
        let mut args = args("limit=10 Span = 1d@d format=\"a b\" host by limit");
        let known = ["limit", "span", "format"];
        let option = args.option(&known).unwrap().unwrap();
        assert_eq!((option.name.as_str(), option.value.integer("limit", 0)), ("limit", Ok(10)));
        let option = args.option(&known).unwrap().unwrap();
        assert_eq!((option.name.as_str(), option.value.text.as_str()), ("span", "1d@d"));
        assert_eq!(args.option(&known).unwrap().unwrap().value.text, "a b");
        assert_eq!(args.option(&known).unwrap(), None);
        assert_eq!(args.field("a field").unwrap().name, "host");
        assert!(args.keyword("BY"));
        assert_eq!(args.option(&known).unwrap(), None);
        assert_eq!(args.rest().0, "limit");
        assert!(args.at_end());
    }

    #[test]
    fn unknown_options_name_the_near_ones() {
        let error = args("limti=10").option(&["limit", "span"]).unwrap_err();
        assert_eq!((error.suggestions, error.span), (vec!["limit".to_owned()], Some(Span::new(0, 5))));
        assert!(args("x=10").option(&[]).unwrap_err().hint.unwrap().contains("no options"));
        assert!(args("limit=").option(&["limit"]).unwrap_err().message.contains("a value for limit"));
        assert_eq!(args("a==b").option(&["a"]), Ok(None));
    }

    #[test]
    fn field_lists() {
        let names = |text: &str| {
            let mut args = args(text);
            let names: Vec<String> = args.fields(&["by", "as"]).unwrap().into_iter().map(|field| field.name).collect();
            format!("{}|{}", names.join(";"), args.rest().0)
        };
        assert_eq!(names("a, b c,d"), "a;b;c;d|");
        assert_eq!(names("a* 'x y' \"p q\" by z"), "a*;x y;p q|by z");
        assert_eq!(names("a.b{}.c user-agent BY"), "a.b{}.c;user-agent|BY");
        assert_eq!(names("bypass assets"), "bypass;assets|");
        assert_eq!(names(""), "|");
        assert!(args("a,").fields(&[]).is_err());
        assert!(args("a,,b").fields(&[]).is_err());
        assert!(args("\"\"").fields(&[]).is_err());
    }

    #[test]
    fn calls_numbers_and_signs() {
        let mut args = args("dc(user) as x -10 +5 10m");
        assert_eq!(args.call().unwrap().text, "dc");
        assert_eq!(args.field("a field").unwrap().name, "user");
        args.expect_symbol(")").unwrap();
        assert!(args.keyword("AS"));
        assert_eq!(args.call(), None);
        assert_eq!(args.word("a name").unwrap().text, "x");
        assert_eq!(args.integer().unwrap().0, -10);
        assert_eq!(args.integer().unwrap().0, 5);
        assert_eq!(args.integer(), None);
        assert!(args.finish().unwrap_err().message.contains("`10m`"));
    }

    #[test]
    fn what_is_missing_is_named_with_its_place() {
        let mut args = args("count  ");
        args.word("a name").unwrap();
        let error = args.word("a field").unwrap_err();
        assert_eq!((error.message.as_str(), error.span), ("expected a field, but the command ends here", Some(Span::new(7, 7))));
        assert!(args.string("a pattern").unwrap_err().hint.is_some());
    }

    #[test]
    fn words_as_values() {
        let word = |text: &str| Word { text: text.to_owned(), quoted: false, span: Span::default() };
        assert_eq!(word("T").boolean("x"), Ok(true));
        assert_eq!(word("0").boolean("x"), Ok(false));
        assert!(word("yes").boolean("x").is_err());
        assert_eq!(word("10m").span_value("span"), Ok(BinSpan::Time(TimeSpan::parse("10m").unwrap())));
        assert_eq!(word("0.5").span_value("span"), Ok(BinSpan::Number(0.5)));
        assert_eq!(word("2log5").span_value("span"), Ok(BinSpan::Log { coefficient: 2.0, base: 5.0 }));
        assert_eq!(word("log").span_value("span"), Ok(BinSpan::Log { coefficient: 1.0, base: 10.0 }));
        for text in ["0", "-5", "log1", "x", ""] {
            assert!(word(text).span_value("span").is_err(), "{text}");
        }
        assert_eq!(word("MAX").one_of("type", &["min", "max"]), Ok("max"));
        assert_eq!(word("maxx").one_of("type", &["min", "max"]).unwrap_err().suggestions, ["max"]);
        assert!(word("-1").integer("n", 0).is_err());
    }
}
