//! From text to an [`Expr`]: a Pratt parser that stops where the expression cannot go on.

use super::expr::{BinaryOp, Expr, ExprKind, UnaryOp, precedence};
use crate::language::lexer::{quote_end, run_end, skip_blanks, unescape};
use crate::language::{QueryError, SearchExpr, Span};
use taffrail_base::limits::QUERY_DEPTH_MAX;

/// Parses an expression from `text[start..end]` and gives the place after it.
pub fn parse_at(text: &str, start: usize, end: usize) -> Result<(Expr, usize), QueryError> {
    let mut parser = Parser { text, at: start, end, depth: 0 };
    let (expr, _) = parser.expression(0)?;
    Ok((expr, parser.at))
}

/// Parses the whole of `text`.
pub fn parse(text: &str) -> Result<Expr, QueryError> {
    let text = crate::language::lexer::clean(text)?;
    let (expr, at) = parse_at(&text, 0, text.len())?;
    let rest = skip_blanks(&text, at, text.len());
    if rest == text.len() {
        return Ok(expr);
    }
    let end = run_end(&text, rest, text.len(), |c| !c.is_whitespace());
    Err(QueryError::at(Span::new(rest, end), format!("`{}` is not understood after the expression", &text[rest..end]))
        .with_hint("an operator may be missing before it"))
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    end: usize,
    depth: usize,
}

/// An expression and how deep its tree is.
type Deep = (Expr, usize);

/// The operator that comes next, how tightly it binds, and its length.
enum Operator {
    Binary(BinaryOp),
    And,
    Or,
    In { negated: bool },
    NotLike,
}

impl Parser<'_> {
    fn rest(&mut self) -> &str {
        self.at = skip_blanks(self.text, self.at, self.end);
        &self.text[self.at..self.end]
    }

    fn word_end(&self, at: usize) -> usize {
        run_end(self.text, at, self.end, |c| c.is_alphanumeric() || c == '_')
    }

    fn check_depth(&self, depth: usize, span: Span) -> Result<(), QueryError> {
        if depth > QUERY_DEPTH_MAX {
            return Err(QueryError::at(span, format!("the expression is nested more than {QUERY_DEPTH_MAX} deep"))
                .with_hint("compute parts of it in fields of their own first"));
        }
        Ok(())
    }

    /// An expression of operators that bind at least as tightly as `least`.
    fn expression(&mut self, least: u8) -> Result<Deep, QueryError> {
        self.depth += 1;
        let here = Span::new(self.at, self.at);
        self.check_depth(self.depth, here)?;
        let (mut left, mut depth) = self.prefix()?;
        while let Some((operator, binds, length)) = self.operator() {
            if binds < least {
                break;
            }
            let sign = Span::new(self.at, self.at + length);
            self.at += length;
            let start = left.span;
            let (kind, right_depth, end) = match operator {
                Operator::In { negated } => {
                    let (items, items_depth) = self.list(sign, "IN needs a list")?;
                    let kind = ExprKind::In(Box::new(left), items);
                    (negate(kind, negated, start), items_depth, self.at)
                }
                _ => {
                    if matches!(self.rest().chars().next(), None | Some(')' | ',')) {
                        let typed = &self.text[sign.start..sign.end];
                        return Err(QueryError::at(sign, format!("`{typed}` needs a value on its right")));
                    }
                    let (right, right_depth) = self.expression(binds + 1)?;
                    let end = right.span.end;
                    (join(operator, left, right), right_depth, end)
                }
            };
            let flat = matches!(kind, ExprKind::And(_) | ExprKind::Or(_));
            depth = depth.max(right_depth) + usize::from(!flat);
            left = Expr::new(kind, Span::new(start.start, end));
            self.check_depth(depth, left.span)?;
            self.refuse_chain(binds, sign)?;
        }
        self.depth -= 1;
        Ok((left, depth))
    }

    /// `a < b < c` has no meaning that everybody would guess.
    fn refuse_chain(&mut self, binds: u8, first: Span) -> Result<(), QueryError> {
        match self.operator() {
            Some((_, next, length)) if binds == precedence::COMPARISON && next == precedence::COMPARISON => {
                let span = Span::new(self.at, self.at + length).to(first);
                Err(QueryError::at(span, "comparisons cannot be chained").with_hint("join them with AND, or use parentheses"))
            }
            _ => Ok(()),
        }
    }

    fn operator(&mut self) -> Option<(Operator, u8, usize)> {
        use Operator::Binary;
        let rest = self.rest();
        let signs = [
            ("==", BinaryOp::Equal),
            ("!=", BinaryOp::NotEqual),
            ("<=", BinaryOp::LessEqual),
            (">=", BinaryOp::GreaterEqual),
            ("=", BinaryOp::Equal),
            ("<", BinaryOp::Less),
            (">", BinaryOp::Greater),
            ("*", BinaryOp::Multiply),
            ("/", BinaryOp::Divide),
            ("%", BinaryOp::Modulo),
            ("+", BinaryOp::Add),
            ("-", BinaryOp::Subtract),
            (".", BinaryOp::Concat),
        ];
        if let Some((sign, op)) = signs.into_iter().find(|(sign, _)| rest.starts_with(sign)) {
            return Some((Binary(op), op.precedence(), sign.len()));
        }
        let (at, end) = (self.at, self.word_end(self.at));
        let word = self.text[at..end].to_lowercase();
        let length = end - at;
        match word.as_str() {
            "and" => Some((Operator::And, precedence::AND, length)),
            "or" => Some((Operator::Or, precedence::OR, length)),
            "xor" => Some((Binary(BinaryOp::Xor), precedence::XOR, length)),
            "like" => Some((Binary(BinaryOp::Like), precedence::COMPARISON, length)),
            "in" => Some((Operator::In { negated: false }, precedence::COMPARISON, length)),
            "not" => {
                let next = skip_blanks(self.text, end, self.end);
                let next_end = self.word_end(next);
                match self.text[next..next_end].to_lowercase().as_str() {
                    "in" => Some((Operator::In { negated: true }, precedence::COMPARISON, next_end - at)),
                    "like" => Some((Operator::NotLike, precedence::COMPARISON, next_end - at)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn prefix(&mut self) -> Result<Deep, QueryError> {
        let next = self.rest().chars().next();
        let start = self.at;
        let Some(c) = next else {
            return Err(QueryError::at(Span::new(start, start), "an expression is missing here"));
        };
        match c {
            '(' => {
                self.at += 1;
                let (inner, depth) = self.expression(0)?;
                self.close(Span::new(start, start + 1))?;
                // The place of the parentheses, so that errors underline all of it.
                Ok((Expr::new(inner.kind, Span::new(start, self.at)), depth))
            }
            '"' => {
                let text = self.quoted('"')?;
                Ok((Expr::new(ExprKind::Text(text), Span::new(start, self.at)), 1))
            }
            '\'' => {
                let name = self.quoted('\'')?;
                if name.is_empty() {
                    return Err(QueryError::at(Span::new(start, self.at), "the name of a field is empty"));
                }
                Ok((Expr::new(ExprKind::Field(name), Span::new(start, self.at)), 1))
            }
            '-' => self.unary(1, UnaryOp::Minus, precedence::UNARY),
            '!' => self.unary(1, UnaryOp::Not, precedence::UNARY),
            '+' => {
                self.at += 1;
                self.expression(precedence::UNARY)
            }
            '.' if self.text[start + 1..self.end].starts_with(|c: char| c.is_ascii_digit()) => self.number(),
            _ if c.is_ascii_digit() => self.number(),
            _ if c.is_alphabetic() || c == '_' => self.name(),
            _ => {
                let span = Span::new(start, start + c.len_utf8());
                let error = QueryError::at(span, format!("`{c}` is not understood in an expression"));
                Err(if c == '$' || c == '{' || c == '@' {
                    error.with_hint("names with such characters go in single quotes: 'a.b{}'")
                } else {
                    error.with_hint("a value, a field or a function is expected here")
                })
            }
        }
    }

    fn unary(&mut self, length: usize, op: UnaryOp, binds: u8) -> Result<Deep, QueryError> {
        let start = self.at;
        self.at += length;
        let (inner, depth) = self.expression(binds)?;
        let span = Span::new(start, inner.span.end);
        self.check_depth(depth + 1, span)?;
        Ok((Expr::new(ExprKind::Unary(op, Box::new(inner)), span), depth + 1))
    }

    fn close(&mut self, open: Span) -> Result<(), QueryError> {
        if self.rest().starts_with(')') {
            self.at += 1;
            return Ok(());
        }
        if self.at == self.end {
            return Err(QueryError::at(open, "the parenthesis that opens here is not closed").with_hint("add a `)`"));
        }
        let end = self.word_end(self.at).max(self.at + self.text[self.at..].chars().next().map_or(0, char::len_utf8));
        let found = &self.text[self.at..end];
        Err(QueryError::at(Span::new(self.at, end), format!("expected `,`, `)` or an operator, found `{found}`"))
            .with_hint("text goes in double quotes, names with dots, dashes or blanks in single quotes"))
    }

    fn quoted(&mut self, quote: char) -> Result<String, QueryError> {
        let start = self.at;
        let Some(end) = quote_end(self.text, start).filter(|end| *end <= self.end) else {
            return Err(QueryError::at(Span::new(start, self.end), "the quote that opens here is not closed")
                .with_hint(format!("close it with {quote}")));
        };
        self.at = end;
        Ok(unescape(&self.text[start + 1..end - 1], quote))
    }

    fn number(&mut self) -> Result<Deep, QueryError> {
        let start = self.at;
        let digits = |at: usize| run_end(self.text, at, self.end, |c| c.is_ascii_digit());
        let mut end = digits(start);
        if self.text[end..self.end].starts_with('.') && digits(end + 1) > end + 1 {
            end = digits(end + 1);
        }
        if self.text[end..self.end].starts_with(['e', 'E']) {
            let sign = usize::from(self.text[end + 1..self.end].starts_with(['+', '-']));
            let exponent = digits(end + 1 + sign);
            if exponent > end + 1 + sign {
                end = exponent;
            }
        }
        let word = self.word_end(end);
        if word > end {
            let span = Span::new(start, word);
            return Err(QueryError::at(span, format!("`{}` is neither a number nor a name", &self.text[start..word]))
                .with_hint("a field whose name begins with a digit goes in single quotes"));
        }
        self.at = end;
        let span = Span::new(start, end);
        let number = self.text[start..end].parse::<f64>().ok().filter(|number| number.is_finite());
        let number = number.ok_or_else(|| QueryError::at(span, "the number is too large"))?;
        Ok((Expr::new(ExprKind::Number(number), span), 1))
    }

    fn name(&mut self) -> Result<Deep, QueryError> {
        let start = self.at;
        let end = self.word_end(start);
        let span = Span::new(start, end);
        let name = &self.text[start..end];
        let lower = name.to_lowercase();
        if lower == "not" {
            return self.unary(3, UnaryOp::Not, precedence::NOT);
        }
        self.at = end;
        let call = self.rest().starts_with('(');
        match lower.as_str() {
            // like(s, p) and in(x, a) are functions as well as operators.
            "like" | "in" if call => {}
            "and" | "or" | "xor" | "like" | "in" => {
                return Err(QueryError::at(span, format!("`{name}` needs a value on its left"))
                    .with_hint("a field of that name goes in single quotes"));
            }
            _ => {}
        }
        if !call {
            self.at = end;
            return Ok((Expr::new(ExprKind::Field(name.to_owned()), span), 1));
        }
        let (args, depth) = self.list(span, "a function needs its arguments")?;
        let place = Span::new(start, self.at);
        if lower == "searchmatch" {
            return Ok((Expr::new(ExprKind::Search(search_text(&args, place)?), place), 1));
        }
        Ok((Expr::new(ExprKind::Call(lower, args), place), depth + 1))
    }

    /// A list in parentheses.
    fn list(&mut self, before: Span, missing: &str) -> Result<(Vec<Expr>, usize), QueryError> {
        if !self.rest().starts_with('(') {
            return Err(QueryError::at(before, missing).with_hint("write the list in parentheses"));
        }
        let open = Span::new(self.at, self.at + 1);
        self.at += 1;
        let (mut items, mut depth) = (Vec::new(), 0);
        if self.rest().starts_with(')') {
            self.at += 1;
            return Ok((items, depth));
        }
        loop {
            let (item, item_depth) = self.expression(0)?;
            items.push(item);
            depth = depth.max(item_depth);
            if !self.rest().starts_with(',') {
                self.close(open)?;
                return Ok((items, depth));
            }
            self.at += 1;
        }
    }
}

/// The search in `searchmatch("...")`: it is prepared once, so it must be written out.
fn search_text(args: &[Expr], place: Span) -> Result<SearchExpr, QueryError> {
    match args {
        [arg] if arg.as_text().is_some() => {
            SearchExpr::parse(arg.as_text().unwrap_or_default()).map_err(|error| QueryError { span: Some(arg.span), ..error })
        }
        _ => Err(QueryError::at(place, "searchmatch takes a search in double quotes").with_hint("write searchmatch(\"error user=root\")")),
    }
}

fn negate(kind: ExprKind, negated: bool, span: Span) -> ExprKind {
    if negated { ExprKind::Unary(UnaryOp::Not, Box::new(Expr::new(kind, span))) } else { kind }
}

fn join(operator: Operator, left: Expr, right: Expr) -> ExprKind {
    match operator {
        Operator::Binary(op) => ExprKind::Binary(op, Box::new(left), Box::new(right)),
        Operator::And => ExprKind::And(flatten(left, right, |kind| match kind {
            ExprKind::And(parts) => Ok(parts),
            other => Err(other),
        })),
        Operator::Or => ExprKind::Or(flatten(left, right, |kind| match kind {
            ExprKind::Or(parts) => Ok(parts),
            other => Err(other),
        })),
        Operator::NotLike | Operator::In { .. } => {
            let span = left.span.to(right.span);
            negate(ExprKind::Binary(BinaryOp::Like, Box::new(left), Box::new(right)), true, span)
        }
    }
}

/// Both sides in one list; sides that are such lists themselves are taken apart.
fn flatten(left: Expr, right: Expr, parts: fn(ExprKind) -> Result<Vec<Expr>, ExprKind>) -> Vec<Expr> {
    let left_span = left.span;
    let mut flat = parts(left.kind).unwrap_or_else(|kind| vec![Expr::new(kind, left_span)]);
    let right_span = right.span;
    match parts(right.kind) {
        Ok(inner) => flat.extend(inner),
        Err(kind) => flat.push(Expr::new(kind, right_span)),
    }
    flat
}
