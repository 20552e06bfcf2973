//! `fieldformat`: how a field is shown. All commands see its value; what is shown is made when the last one is done.

use super::words::quote_field;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::eval::Expr;
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use crate::messages::Severity;
use crate::pipeline::Subsearch;
use parking_lot::Mutex;
use std::fmt;

/// What `fieldformat` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "fieldformat",
    aliases: &[],
    syntax: "fieldformat <field>=<expression> [, <field>=<expression>]...",
    summary: "Shows a field as an expression says, once all commands are done: they sort and compute by its value as it is.",
    examples: &[
        "* | stats max(_time) AS last BY user | fieldformat last=strftime(last, \"%F %T\") | sort -last",
        "* | stats sum(bytes) AS bytes BY host | fieldformat bytes=tostring(bytes, \"commas\")",
    ],
    parse,
};

#[derive(Debug)]
struct FieldFormat(Vec<(String, Expr)>);

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut formats = Vec::new();
    loop {
        let field = args.field("a field name")?;
        if field.is_wildcard() {
            return Err(QueryError::at(field.span, "fieldformat shows one field at a time; `*` cannot be used here"));
        }
        args.expect_symbol("=")?;
        formats.push((field.name, args.expression()?));
        if !args.symbol(",") {
            break;
        }
    }
    args.finish()?;
    Ok(Box::new(FieldFormat(formats)))
}

fn assignment((field, expression): &(String, Expr)) -> String {
    format!("{}={expression}", quote_field(field))
}

impl fmt::Display for FieldFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(assignment).collect();
        write!(f, "{} {}", INFO.name, all.join(", "))
    }
}

impl Command for FieldFormat {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        let shown = self.0.iter().filter(|(field, _)| needed.contains(field));
        let asked: Vec<String> = shown.flat_map(|(_, expression)| expression.required_fields()).collect();
        needed.with(asked)
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        for (field, expression) in &self.0 {
            // What cannot be computed is told here, where it stands.
            expression.compile_assignment(field, &input.schema(), &planner.eval)?;
        }
        planner.shown.0.lock().extend(self.0.iter().cloned());
        Ok(input.into())
    }
}

/// What is to be shown in place of fields, in the order in which it was asked for.
#[derive(Debug, Default)]
pub struct Shown(Mutex<Vec<(String, Expr)>>);

impl Shown {
    /// The rows as they are shown.
    pub async fn apply(&self, mut flow: Flow, planner: &Planner) -> Result<Flow, QueryError> {
        let formats = std::mem::take(&mut *self.0.lock());
        for one in &formats {
            let schema = flow.schema();
            if column_index(&schema, &one.0).is_none() {
                continue;
            }
            let missing: Vec<String> = one.1.required_fields().into_iter().filter(|field| column_index(&schema, field).is_none()).collect();
            if !missing.is_empty() {
                let text = format!("{} is shown as it is: fieldformat needs {}, which is no longer there", one.0, missing.join(", "));
                planner.messages.add(Severity::Warn, text);
                continue;
            }
            let query = Subsearch::commands(&format!("eval {}", assignment(one)))?;
            flow = crate::pipeline::plan(flow, &query.commands, planner).await?;
        }
        Ok(flow)
    }
}
