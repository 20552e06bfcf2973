//! `autoregress`: the values of earlier rows beside those of the row.

use super::accum::plain_field;
use super::eval::{with_column, with_field};
use super::words::quote_field;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::exec::before::Before;
use crate::exec::{Flow, Make, Step, Transform};
use crate::language::{Args, QueryError, Word};
use arrow::array::{Array, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::error::Result as ExecResult;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::{LOOK_BACK_COLUMNS_MAX, WINDOW_ROWS_MAX};

/// What `autoregress` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "autoregress",
    aliases: &[],
    syntax: "autoregress <field> [AS <name>] [p=<count>|<from>-<to>]",
    summary: "Copies the value that a field had in the row before, or in several rows before, into fields of the row.",
    examples: &["* | sort 0 _time | autoregress status AS status_before", "* | autoregress bytes p=1-3"],
    parse,
};

#[derive(Clone, Debug)]
struct Autoregress {
    field: String,
    alias: Option<String>,
    from: usize,
    to: usize,
}

/// How many rows back: at least 1, at most what a window holds.
pub fn rows_back(word: &Word) -> Result<usize, QueryError> {
    let rows = word.integer("p", 1)? as usize;
    if rows > WINDOW_ROWS_MAX {
        return Err(QueryError::at(word.span, format!("p goes back {WINDOW_ROWS_MAX} rows at most")));
    }
    Ok(rows)
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut command = Autoregress { field: String::new(), alias: None, from: 1, to: 1 };
    while !args.at_end() {
        let span = args.next_span();
        if let Some(option) = args.option(&["p"])? {
            let part = |text: &str| rows_back(&Word { text: text.trim().to_owned(), ..option.value.clone() });
            (command.from, command.to) = match option.value.text.split_once('-') {
                Some((from, to)) => (part(from)?, part(to)?),
                None => (part(&option.value.text)?, part(&option.value.text)?),
            };
            if command.from > command.to {
                return Err(QueryError::at(option.value.span, "the range of p ends before it begins").with_hint("write p=1-3"));
            }
            if command.to - command.from >= LOOK_BACK_COLUMNS_MAX {
                return Err(QueryError::at(option.value.span, format!("p makes more than {LOOK_BACK_COLUMNS_MAX} fields")));
            }
        } else if command.field.is_empty() {
            command.field = plain_field(args, "autoregress")?;
        } else if args.keyword("as") {
            command.alias = Some(plain_field(args, "autoregress")?);
        } else {
            return Err(QueryError::at(span, "expected AS, p= or the end of the command"));
        }
    }
    if command.field.is_empty() {
        return Err(args.error("expected a field name"));
    }
    if command.alias.is_some() && command.from < command.to {
        return Err(QueryError::new("AS names one field, but p makes several").with_hint("leave AS out, and rename them afterwards"));
    }
    Ok(Box::new(command))
}

impl Autoregress {
    fn names(&self) -> Vec<String> {
        (self.from..=self.to).map(|rows| self.alias.clone().unwrap_or_else(|| format!("{}_p{rows}", self.field))).collect()
    }
}

impl fmt::Display for Autoregress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "autoregress {}", quote_field(&self.field))?;
        if let Some(alias) = &self.alias {
            write!(f, " AS {}", quote_field(alias))?;
        }
        if self.from == self.to { write!(f, " p={}", self.from) } else { write!(f, " p={}-{}", self.from, self.to) }
    }
}

impl Command for Autoregress {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Running
    }

    fn required(&self, needed: Required) -> Required {
        needed.without(self.names().iter().map(String::as_str)).with([self.field.clone()])
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let input = input.single();
        let source = input.schema();
        let at = column_index(&source, &self.field);
        let kind = at.map_or(DataType::Utf8, |at| source.field(at).data_type().clone());
        let mut schemas: Vec<(String, usize, SchemaRef)> = Vec::new();
        let mut schema = source;
        for (name, rows) in self.names().into_iter().zip(self.from..) {
            schema = with_field(&schema, Field::new(&name, kind.clone(), true));
            schemas.push((name, rows, schema.clone()));
        }
        let most = self.to;
        let make: Make = Arc::new(move |_| Ok(Box::new(Copies { at, most, before: Before::new(&kind, most), schemas: schemas.clone() })));
        Ok(input.map("autoregress", schema, make).into())
    }
}

struct Copies {
    at: Option<usize>,
    most: usize,
    before: Before,
    schemas: Vec<(String, usize, SchemaRef)>,
}

impl Transform for Copies {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let rows = batch.num_rows();
        let column = self.at.map_or_else(|| new_null_array(&DataType::Utf8, rows), |at| batch.column(at).clone());
        let all = self.before.extend(&column)?;
        let mut out = batch;
        for (name, back, schema) in &self.schemas {
            out = with_column(&out, schema, name, all.slice(self.most - back, rows))?;
        }
        Ok(Step::Rows(out))
    }
}
