//! `where`: keeps the rows for which an expression is true; null is not true.

use super::search::keep;
use super::{Command, CommandInfo, Planned, Planner, Required};
use crate::eval::Expr;
use crate::exec::Flow;
use crate::language::{Args, QueryError};
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
struct Where(Expr);

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let expression = args.expression()?;
    args.finish()?;
    Ok(Box::new(Where(expression)))
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "where {}", self.0)
    }
}

impl Command for Where {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        needed.with(self.0.required_fields())
    }

    fn streaming(&self) -> bool {
        true
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        keep("where", &self.0, input, planner)
    }
}
