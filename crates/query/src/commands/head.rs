//! `head`: the first rows, by number or as long as a condition holds.

use super::{Command, CommandInfo, Planned, Planner, Required};
use crate::eval::{Compiled, Expr};
use crate::exec::{Flow, Make, Step, Transform};
use crate::language::{Args, QueryError};
use arrow::array::{Array, BooleanArray, RecordBatch};
use datafusion::error::Result as ExecResult;
use std::fmt;
use std::sync::Arc;

/// What `head` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "head",
    aliases: &[],
    syntax: "head [<count>] | head (<condition>) [limit=<count>] [null=<bool>] [keeplast=<bool>]",
    summary: "Keeps the first rows: 10, the given number, or as long as the condition is true. Events come newest first.",
    examples: &["error | head 5", "* | head (bytes>0) keeplast=true"],
    parse,
};

#[derive(Debug)]
struct Head {
    limit: Option<usize>,
    condition: Option<Expr>,
    null: bool,
    keep_last: bool,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut head = Head { limit: None, condition: None, null: false, keep_last: false };
    while !args.at_end() {
        if let Some(option) = args.option(&["limit", "null", "keeplast"])? {
            match option.name.as_str() {
                "limit" => head.limit = Some(option.value.integer("limit", 0)? as usize),
                "null" => head.null = option.value.boolean("null")?,
                _ => head.keep_last = option.value.boolean("keeplast")?,
            }
        } else if let Some((count, span)) = args.integer() {
            head.limit = Some(usize::try_from(count).map_err(|_| QueryError::at(span, "the number of rows cannot be negative"))?);
        } else if head.condition.is_none() && args.symbol("(") {
            head.condition = Some(args.expression()?);
            args.expect_symbol(")")?;
        } else {
            return Err(args.error("expected a number of rows or a condition in parentheses"));
        }
    }
    Ok(Box::new(head))
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("head")?;
        if let Some(condition) = &self.condition {
            write!(f, " ({condition})")?;
        }
        if let Some(limit) = self.limit {
            write!(f, " limit={limit}")?;
        }
        if self.null {
            f.write_str(" null=true")?;
        }
        if self.keep_last {
            f.write_str(" keeplast=true")?;
        }
        Ok(())
    }
}

impl Head {
    fn rows(&self) -> usize {
        self.limit.unwrap_or(if self.condition.is_some() { usize::MAX } else { 10 })
    }
}

impl Command for Head {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        match &self.condition {
            Some(condition) => needed.with(condition.required_fields()),
            None => needed,
        }
    }

    fn rows_needed(&self) -> Option<usize> {
        (self.rows() < usize::MAX).then(|| self.rows())
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let condition = self.condition.as_ref().map(|c| c.compile(&schema, &planner.eval)).transpose()?;
        if let (Some(condition), Some(compiled)) = (&self.condition, &condition)
            && *compiled.output_type() != arrow::datatypes::DataType::Boolean
        {
            // The same words as everywhere else for what is not a condition.
            condition.compile_predicate(&schema, &planner.eval)?;
        }
        let (limit, null, keep_last) = (self.rows(), self.null, self.keep_last);
        let make: Make = Arc::new(move |_| Ok(Box::new(Take { left: limit, condition: condition.clone(), null, keep_last })));
        Ok(input.single().map("head", schema, make).into())
    }
}

struct Take {
    left: usize,
    condition: Option<Compiled>,
    null: bool,
    keep_last: bool,
}

impl Transform for Take {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let mut rows = batch.num_rows().min(self.left);
        let mut ended = false;
        if let Some(condition) = &self.condition {
            let column = condition.evaluate(&batch);
            if let Some(flags) = column.as_any().downcast_ref::<BooleanArray>() {
                let passes = |row: usize| if flags.is_null(row) { self.null } else { flags.value(row) };
                if let Some(stop) = (0..rows).find(|row| !passes(*row)) {
                    rows = stop + usize::from(self.keep_last);
                    ended = true;
                }
            } else if !self.null {
                (rows, ended) = (usize::from(self.keep_last).min(rows), true);
            }
        }
        self.left -= rows;
        let taken = batch.slice(0, rows);
        Ok(if ended || self.left == 0 { Step::Last(taken) } else { Step::Rows(taken) })
    }
}

/// Keeps the first `limit` rows.
pub fn first_rows(input: Flow, limit: usize) -> Flow {
    let schema = input.schema();
    let make: Make = Arc::new(move |_| Ok(Box::new(Take { left: limit, condition: None, null: false, keep_last: false })));
    input.single().map("limit", schema, make)
}
