//! Calls of aggregation functions as typed: `dc(user) AS users, count(eval(status>499)) BY host`.

use super::sparkline::Sparkline;
use super::{Function, Method, Takes};
use crate::commands::words::{Wild, quote_field};
use crate::eval::Expr;
use crate::language::{Args, QueryError};
use std::fmt::{self, Write};

/// What a function is called with.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    /// Nothing: rows are counted.
    Rows,
    /// A field; `*` in it stands for many.
    Field(String),
    /// `eval(expression)`.
    Eval(Box<Expr>),
    /// A function for each span of time.
    Spark(Sparkline),
}

/// A call of an aggregation function.
#[derive(Clone, Debug)]
pub struct Call {
    /// The function.
    pub function: &'static Function,
    /// The number in its name.
    pub parameter: f64,
    /// The name as typed.
    pub typed: String,
    /// What it is called with.
    pub argument: Argument,
    /// The name after AS.
    pub alias: Option<String>,
    /// The column's name: the one after AS, or the call as typed.
    pub name: String,
}

impl Call {
    /// `count`.
    pub fn count() -> Self {
        let (function, parameter) = Function::find("count").expect("count is in the table");
        Self { function, parameter, typed: "count".into(), argument: Argument::Rows, alias: None, name: "count".into() }
    }

    /// How it is computed.
    pub fn method(&self) -> Method {
        self.function.method
    }

    /// Parses one call and its AS.
    pub fn parse(args: &mut Args) -> Result<Self, QueryError> {
        let mut call = Self::parse_unnamed(args)?;
        if args.keyword("as") {
            call.name = args.field("a name for the column")?.name;
            call.alias = Some(call.name.clone());
        }
        Ok(call)
    }

    /// A call of a function on a field, for plans of our own.
    pub fn of_field(function: &str, field: &str, name: &str) -> Result<Self, QueryError> {
        let (function, parameter) =
            Function::find(function).ok_or_else(|| QueryError::new(format!("there is no function {function:?}")))?;
        let argument = Argument::Field(field.to_owned());
        Ok(Self { function, parameter, typed: function.name.to_owned(), argument, alias: None, name: name.to_owned() })
    }

    /// Parses one call.
    pub fn parse_unnamed(args: &mut Args) -> Result<Self, QueryError> {
        let before = args.remaining().to_owned();
        let (typed, parens) = match args.call() {
            Some(word) => (word, true),
            None => (args.word("a function such as count or avg(field)")?, false),
        };
        let Some((function, parameter)) = Function::find(&typed.text) else {
            let mut error = QueryError::at(typed.span, format!("there is no function {:?} here", typed.text));
            if Function::near(&typed.text).is_empty() {
                error = error.with_hint("functions are count, dc(field), sum(field), avg(field), values(field) and others");
            }
            return Err(error.with_suggestions(Function::near(&typed.text)));
        };
        let argument = match (parens, function.method) {
            (true, Method::Sparkline) => Argument::Spark(Sparkline::parse(args, typed.span)?),
            (true, _) => Self::argument(args)?,
            (false, _) => Argument::Rows,
        };
        if argument == Argument::Rows && function.takes == Takes::One {
            let hint = format!("write {}", function.syntax);
            let what = if matches!(function.method, Method::Sparkline) { "function" } else { "field" };
            return Err(QueryError::at(typed.span, format!("{} needs a {what}", typed.text)).with_hint(hint));
        }
        let used = before.len() - args.remaining().len().min(before.len());
        let default = match &argument {
            Argument::Rows => typed.text.clone(),
            Argument::Field(field) => format!("{}({field})", typed.text),
            Argument::Eval(_) | Argument::Spark(_) => before[..used].trim_end().to_owned(),
        };
        Ok(Self { function, parameter, typed: typed.text, argument, alias: None, name: default })
    }

    fn argument(args: &mut Args) -> Result<Argument, QueryError> {
        if args.symbol(")") {
            return Ok(Argument::Rows);
        }
        let mut ahead = args.clone();
        if ahead.call().is_some_and(|word| word.text.eq_ignore_ascii_case("eval")) {
            let expression = ahead.expression()?;
            ahead.expect_symbol(")")?;
            ahead.expect_symbol(")")?;
            *args = ahead;
            return Ok(Argument::Eval(Box::new(expression)));
        }
        let field = args.field("a field or eval(expression)")?;
        args.expect_symbol(")")?;
        Ok(Argument::Field(field.name))
    }

    /// The fields that it reads.
    pub fn fields(&self) -> Vec<String> {
        let mut fields = match &self.argument {
            Argument::Rows => Vec::new(),
            Argument::Field(field) => vec![field.clone()],
            Argument::Eval(expression) => expression.required_fields(),
            Argument::Spark(line) => line.inner.fields(),
        };
        if self.function.time {
            fields.push("_time".to_owned());
        }
        fields
    }

    /// The calls that a call with a wildcard stands for, one for each matching column.
    pub fn expand(&self, columns: &[String]) -> Vec<Self> {
        let Argument::Field(field) = &self.argument else { return vec![self.clone()] };
        if !field.contains('*') {
            return vec![self.clone()];
        }
        let wild = Wild::new(field);
        let matching = columns.iter().filter(|column| wild.matches(column));
        let expanded = matching.map(|column| {
            let name = match &self.alias {
                Some(alias) if alias.contains('*') => wild.rename(column, alias).unwrap_or_else(|| alias.clone()),
                Some(alias) => format!("{alias}({column})"),
                None => format!("{}({column})", self.typed),
            };
            Self { argument: Argument::Field(column.clone()), name, ..self.clone() }
        });
        expanded.collect()
    }
}

impl Call {
    /// The call without a name.
    pub fn text(&self) -> String {
        match &self.argument {
            Argument::Rows => self.typed.clone(),
            Argument::Field(field) => format!("{}({})", self.typed, quote_field(field)),
            Argument::Eval(expression) => format!("{}(eval({expression}))", self.typed),
            Argument::Spark(line) => format!("{}({line})", self.typed),
        }
    }
}

/// Prints text that parses to the same call.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        f.write_str(&text)?;
        match &self.alias {
            Some(alias) => write!(f, " AS {}", quote_field(alias)),
            // The column is called as was typed, which may have had other blanks.
            None if matches!(self.argument, Argument::Eval(_) | Argument::Spark(_)) && self.name != text => {
                write!(f, " AS {}", quote_field(&self.name))
            }
            None => Ok(()),
        }
    }
}

/// Calls separated by blanks or commas, up to BY, `WHERE` or the end; at least one.
pub fn parse_calls(args: &mut Args, per_span: bool) -> Result<Vec<Call>, QueryError> {
    let mut calls = Vec::new();
    while !args.at_end() && !args.peek_keyword("by") {
        let span = args.next_span();
        let call = Call::parse(args)?;
        if matches!(call.function.method, Method::PerSpan(_)) && !per_span {
            let hint = "use it in timechart, or divide a sum yourself with eval";
            return Err(QueryError::at(span, format!("{} needs the buckets of timechart", call.typed)).with_hint(hint));
        }
        calls.push(call);
        args.symbol(",");
    }
    if calls.is_empty() {
        return Err(args.error("expected a function such as count or avg(field)"));
    }
    Ok(calls)
}

/// `BY field, field`, where it comes next.
pub fn parse_groups(args: &mut Args, stops: &[&str]) -> Result<Vec<String>, QueryError> {
    if !args.keyword("by") {
        return Ok(Vec::new());
    }
    let fields = args.fields(stops)?;
    if fields.is_empty() {
        return Err(args.error("expected a field after BY"));
    }
    if let Some(wild) = fields.iter().find(|field| field.is_wildcard()) {
        return Err(QueryError::at(wild.span, "BY takes no wildcards").with_hint("name each field"));
    }
    let mut names: Vec<String> = Vec::new();
    fields.into_iter().for_each(|field| {
        if !names.contains(&field.name) {
            names.push(field.name);
        }
    });
    Ok(names)
}

/// Prints calls and groups.
pub fn write_calls(out: &mut String, calls: &[Call], groups: &[String]) {
    for (at, call) in calls.iter().enumerate() {
        let _ = write!(out, "{}{call}", if at == 0 { " " } else { ", " });
    }
    for (at, group) in groups.iter().enumerate() {
        let _ = write!(out, "{}{}", if at == 0 { " BY " } else { ", " }, quote_field(group));
    }
}
