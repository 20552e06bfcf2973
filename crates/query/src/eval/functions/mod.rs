//! The functions of expressions: one table entry each, grouped by file.

mod conditional;
mod convert;
mod crypto;
mod date;
mod info;
mod json;
mod lookup;
mod math;
mod multivalue;
mod printf;
pub(super) mod text;

use super::compile::{Node, Scope, compile, condition};
use super::expr::Expr;
use crate::language::suggest::nearest;
use crate::language::{QueryError, Span};

/// A function.
struct Function {
    /// Its name, in lower case.
    name: &'static str,
    /// How it is called.
    syntax: &'static str,
    /// What it gives.
    summary: &'static str,
    /// The least and the most arguments.
    arity: (usize, usize),
    /// Prepares a call.
    build: fn(&Call<'_>) -> Result<Node, QueryError>,
}

/// As many arguments as one likes.
const ANY: usize = usize::MAX;

/// A call of a function, not yet prepared.
struct Call<'a> {
    function: &'static Function,
    exprs: &'a [Expr],
    span: Span,
    scope: &'a Scope<'a>,
}

impl Call<'_> {
    fn len(&self) -> usize {
        self.exprs.len()
    }

    fn arg(&self, at: usize) -> Result<Node, QueryError> {
        compile(&self.exprs[at], self.scope)
    }

    fn condition(&self, at: usize) -> Result<Node, QueryError> {
        condition(&self.exprs[at], self.scope)
    }

    fn args(&self) -> Result<Vec<Node>, QueryError> {
        (0..self.len()).map(|at| self.arg(at)).collect()
    }

    /// The text of an argument that is written out in the query.
    fn constant_text(&self, at: usize) -> Option<&str> {
        self.exprs.get(at).and_then(Expr::as_text)
    }

    fn error(&self, at: usize, message: impl Into<String>) -> QueryError {
        let span = self.exprs.get(at).map_or(self.span, |expr| expr.span);
        QueryError::at(span, message).with_hint(format!("{} is called so: {}", self.function.name, self.function.syntax))
    }
}

const TABLES: &[&[Function]] = &[
    conditional::FUNCTIONS,
    convert::FUNCTIONS,
    crypto::FUNCTIONS,
    date::FUNCTIONS,
    info::FUNCTIONS,
    json::FUNCTIONS,
    lookup::FUNCTIONS,
    math::FUNCTIONS,
    multivalue::FUNCTIONS,
    text::FUNCTIONS,
];

fn all() -> impl Iterator<Item = &'static Function> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// A function of expressions, as the manual and the editor show it.
#[derive(Clone, Copy, Debug)]
pub struct FunctionInfo {
    /// Its name.
    pub name: &'static str,
    /// How it is called.
    pub syntax: &'static str,
    /// What it gives, in one sentence.
    pub summary: &'static str,
}

/// All functions, sorted by name.
pub fn functions() -> Vec<FunctionInfo> {
    let mut found: Vec<FunctionInfo> = all().map(|f| FunctionInfo { name: f.name, syntax: f.syntax, summary: f.summary }).collect();
    // It is part of the grammar, as its argument is a search.
    found.push(FunctionInfo { name: "searchmatch", syntax: "searchmatch(\"search\")", summary: "Whether the row matches the search." });
    found.sort_by_key(|info| info.name);
    found
}

/// Compiles a call by name.
pub fn compile_call(name: &str, exprs: &[Expr], span: Span, scope: &Scope<'_>) -> Result<Node, QueryError> {
    let Some(function) = all().find(|function| function.name == name) else {
        let place = Span::new(span.start, span.start + name.len());
        let error = QueryError::at(place, format!("unknown function `{name}`")).with_suggestions(nearest(name, all().map(|f| f.name)));
        return Err(if error.hint.is_some() { error } else { error.with_hint("a field before a parenthesis needs an operator between") });
    };
    let (least, most) = function.arity;
    if exprs.len() < least || exprs.len() > most {
        let wanted = match (least, most) {
            (0, 0) => "no arguments".to_owned(),
            (a, b) if a == b => format!("{a} argument{}", if a == 1 { "" } else { "s" }),
            (a, ANY) => format!("at least {a} argument{}", if a == 1 { "" } else { "s" }),
            (a, b) => format!("{a} to {b} arguments"),
        };
        return Err(QueryError::at(span, format!("{name} takes {wanted}, not {}", exprs.len()))
            .with_hint(format!("{name} is called so: {}", function.syntax)));
    }
    (function.build)(&Call { function, exprs, span, scope })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        let infos = functions();
        for pair in infos.windows(2) {
            assert!(pair[0].name < pair[1].name, "{} is there twice", pair[0].name);
        }
        for info in infos {
            assert!(info.syntax.starts_with(&format!("{}(", info.name)), "{}", info.syntax);
            assert!(info.summary.ends_with('.') && info.summary.len() > 4, "{}", info.name);
        }
    }
}
