//! What begins or ends a transaction: a search, or an expression. Knows nothing of transactions.

use crate::commands::words::quote;
use crate::eval::{Compiled, EvalContext, Expr};
use crate::language::{Args, QueryError, SearchExpr, Span};
use arrow::datatypes::SchemaRef;
use std::fmt;
use std::sync::Arc;

/// A condition on an event.
#[derive(Clone, Debug)]
pub enum Condition {
    /// A search, as at the start of a query.
    Search(SearchExpr),
    /// `eval(...)`.
    Eval(Expr),
}

impl Condition {
    /// Takes `name=` and what follows: `"a search"`, `(a search)`, `eval(an expression)` or a word.
    pub fn parse(args: &mut Args, name: &str) -> Result<Self, QueryError> {
        args.expect_keyword(name)?;
        args.expect_symbol("=")?;
        if args.remaining().starts_with('(') {
            let start = args.next_span().start;
            let text = within_parentheses(args.remaining()).map(str::to_owned);
            let Some(text) = text else { return Err(args.error("the parenthesis that opens here is not closed")) };
            args.symbol(&text);
            return search(&text, start);
        }
        if let Some(call) = args.call() {
            if !call.text.eq_ignore_ascii_case("eval") {
                let error = QueryError::at(call.span, format!("{name} knows no {:?}", call.text));
                return Err(error.with_hint("write eval(expression), or a search in double quotes"));
            }
            let expression = args.expression()?;
            args.expect_symbol(")")?;
            return Ok(Self::Eval(expression));
        }
        let word = args.word("a search in double quotes")?;
        if word.text.trim().is_empty() {
            return Err(QueryError::at(word.span, format!("{name} is empty")).with_hint("give a search that finds the event"));
        }
        // The place is that of the text within the quotes, right as long as nothing in it is escaped.
        search(&word.text, word.span.start + usize::from(word.quoted))
    }

    /// The fields that it looks at.
    pub fn fields(&self) -> Vec<String> {
        match self {
            Self::Search(search) => Expr::from_search(search.clone()).required_fields(),
            Self::Eval(expression) => expression.required_fields(),
        }
    }

    /// Ready for rows of this schema.
    pub fn compile(&self, schema: &SchemaRef, context: &EvalContext) -> Result<Compiled, QueryError> {
        match self {
            Self::Search(search) => Expr::from_search(search.clone()).compile_predicate(schema, context),
            Self::Eval(expression) => expression.compile_predicate(schema, context),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Search(search) => f.write_str(&quote(&search.to_string())),
            Self::Eval(expression) => write!(f, "eval({expression})"),
        }
    }
}

/// Parses a search; places in errors are those of the query.
fn search(text: &str, start: usize) -> Result<Condition, QueryError> {
    let query: Arc<str> = text.into();
    let parsed = Args::new(query, 0, text.len()).search();
    parsed.map(Condition::Search).map_err(|mut error| {
        error.span = error.span.map(|span| Span::new(start + span.start, start + span.end));
        error
    })
}

/// The text up to the parenthesis that closes the first one; quotes and escapes are stepped over.
fn within_parentheses(text: &str) -> Option<&str> {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(&text[..=at]);
                }
            }
            _ => {}
        }
    }
    None
}
