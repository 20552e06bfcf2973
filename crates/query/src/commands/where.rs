//! `where`: keeps the rows for which an expression is true; null is not true.

use super::search::keep;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, TextFilter};
use crate::eval::{Expr, ExprKind};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use regex::Regex;
use std::fmt;

/// What `where` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "where",
    aliases: &[],
    syntax: "where <expression>",
    summary: "Keeps the rows for which the expression is true; fields can be compared with each other.",
    examples: &["* | where bytes>1000 AND like(uri, \"/api/%\")", "* | stats dc(user) AS users BY src | where users>1"],
    parse,
};

#[derive(Debug)]
struct Where {
    expression: Expr,
    text: Option<TextFilter>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let expression = args.expression()?;
    args.finish()?;
    let text = text_filter(&expression);
    Ok(Box::new(Where { expression, text }))
}

/// What of the expression is `match(_raw, "...")`, alone or beside other conditions.
fn text_filter(expression: &Expr) -> Option<TextFilter> {
    let parts = match &expression.kind {
        ExprKind::And(parts) => &parts[..],
        _ => std::slice::from_ref(expression),
    };
    let regex = |part: &Expr| match &part.kind {
        ExprKind::Call(name, args) if name == "match" => match &args[..] {
            [text, pattern] if text.as_field() == Some("_raw") => Regex::new(pattern.as_text()?).ok(),
            _ => None,
        },
        _ => None,
    };
    let regexes: Vec<Regex> = parts.iter().filter_map(regex).collect();
    let complete = regexes.len() == parts.len();
    (!regexes.is_empty()).then_some(TextFilter { regexes, complete })
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "where {}", self.expression)
    }
}

impl Command for Where {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Selecting
    }

    fn required(&self, needed: Required) -> Required {
        needed.with(self.expression.required_fields())
    }

    fn text_filter(&self) -> Option<&TextFilter> {
        self.text.as_ref()
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        keep("where", &self.expression, input, planner)
    }
}
