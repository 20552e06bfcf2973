//! `mvexpand`: a row for each value of a field.

use super::columns_set::is_list;
use super::eval::with_field;
use super::words::quote_field;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::{Values, widest_row};
use crate::exec::{Flow, Make, Step, Transform};
use crate::language::{Args, QueryError};
use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::error::Result as ExecResult;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::{COMPUTED_BYTES_MAX, SCAN_BATCH_ROWS};

/// What `mvexpand` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "mvexpand",
    aliases: &[],
    syntax: "mvexpand <field> [limit=<count>]",
    summary: "Makes a row of each value of a field, the first so many if there is a limit; a row without the field stays.",
    examples: &["* | makemv delim=\";\" recipients | mvexpand recipients", "* | stats values(src) AS src BY user | mvexpand src limit=5"],
    parse,
};

#[derive(Debug)]
struct MvExpand {
    field: String,
    limit: usize,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut expand = MvExpand { field: String::new(), limit: 0 };
    while !args.at_end() {
        if let Some(option) = args.option(&["limit"])? {
            expand.limit = option.value.integer("limit", 0)? as usize;
        } else {
            let field = args.field("a field name")?;
            if !expand.field.is_empty() || field.is_wildcard() {
                let error = QueryError::at(field.span, "mvexpand takes one field");
                return Err(error.with_hint("to keep values of two fields together, join them by `eval x=mvzip(a, b)` first"));
            }
            expand.field = field.name;
        }
    }
    if expand.field.is_empty() {
        return Err(args.error("expected a field name"));
    }
    Ok(Box::new(expand))
}

impl fmt::Display for MvExpand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mvexpand {}", quote_field(&self.field))?;
        if self.limit == 0 { Ok(()) } else { write!(f, " limit={}", self.limit) }
    }
}

impl Command for MvExpand {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Selecting
    }

    fn required(&self, needed: Required) -> Required {
        // Also where nobody wants its values: it decides how many rows there are.
        needed.with([self.field.clone()])
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let Some(at) = column_index(&schema, &self.field).filter(|at| is_list(schema.field(*at))) else { return Ok(input.into()) };
        let schema = with_field(&schema, Field::new(&self.field, DataType::Utf8, true));
        let limit = if self.limit == 0 { usize::MAX } else { self.limit };
        let made = schema.clone();
        let make: Make = Arc::new(move |_| Ok(Box::new(Expand { at, limit, schema: made.clone() })));
        Ok(input.map("mvexpand", schema, make).into())
    }
}

struct Expand {
    at: usize,
    limit: usize,
    schema: SchemaRef,
}

impl Transform for Expand {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let values = Values::of(batch.column(self.at))?;
        // Each value repeats the rest of its row, which may be long itself.
        let rest: Vec<ArrayRef> =
            batch.columns().iter().enumerate().filter(|(at, _)| *at != self.at).map(|(_, column)| column.clone()).collect();
        let most = (COMPUTED_BYTES_MAX / widest_row(&rest).max(1)).clamp(1, SCAN_BATCH_ROWS);
        let parts = Parts { most, batch, values, at: self.at, limit: self.limit, schema: self.schema.clone(), row: 0, skip: 0 };
        Ok(Step::Parts(Box::new(parts)))
    }
}

/// The rows of a batch expanded, part by part: a row of a million values takes room for one part at a time.
struct Parts {
    batch: RecordBatch,
    values: Values,
    at: usize,
    limit: usize,
    schema: SchemaRef,
    row: usize,
    /// Values of the row that are already given.
    skip: usize,
    /// Rows in a part.
    most: usize,
}

impl Parts {
    fn part(&self, rows: Vec<u32>, items: Vec<Option<String>>) -> ExecResult<RecordBatch> {
        let rows = UInt32Array::from(rows);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.batch.num_columns());
        for (at, column) in self.batch.columns().iter().enumerate() {
            columns.push(if at == self.at { Arc::new(StringArray::from_iter(&items)) } else { take(column, &rows, None)? });
        }
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

impl Iterator for Parts {
    type Item = ExecResult<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let (mut rows, mut items) = (Vec::new(), Vec::new());
        while self.row < self.batch.num_rows() && rows.len() < self.most {
            let mut seen = 0;
            let room = self.most - rows.len();
            self.values.each(self.row, |cell| {
                if seen >= self.skip && seen < self.limit.min(self.skip + room) {
                    rows.push(self.row as u32);
                    items.push(Some(cell.text().into_owned()));
                }
                seen += 1;
            });
            if seen == 0 {
                rows.push(self.row as u32);
                items.push(None);
            }
            if seen.min(self.limit) > self.skip + room {
                self.skip += room;
            } else {
                (self.row, self.skip) = (self.row + 1, 0);
            }
        }
        (!rows.is_empty()).then(|| self.part(rows, items))
    }
}
