//! `table`: only the named columns, in the order named; the outcome is a table.

use super::words::{expand, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::missing;
use crate::exec::{Flow, transform};
use crate::language::{Args, QueryError};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatchOptions;
use std::fmt;
use std::sync::Arc;

/// What `table` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "table",
    aliases: &[],
    syntax: "table <field> [, <field>]...",
    summary: "Makes a table of the named fields, in the order named; a field that is nowhere gives an empty column.",
    examples: &["status=500 | table _time, host, uri", "* | table host, user*"],
    parse,
};

#[derive(Debug)]
struct Table(Vec<String>);

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let names: Vec<String> = args.fields(&[])?.into_iter().map(|field| field.name).collect();
    if names.is_empty() {
        return Err(args.error("expected a field name"));
    }
    args.finish()?;
    Ok(Box::new(Table(names)))
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(|name| quote_field(name)).collect();
        write!(f, "table {}", names.join(", "))
    }
}

impl Command for Table {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        let kept = Required::of(self.0.iter().cloned());
        if needed.is_open() { kept } else { Required::of(needed.names.into_iter().filter(|name| kept.contains(name))) }
    }

    fn makes_table(&self) -> bool {
        true
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let names = expand(&self.0, &input.names());
        let places: Vec<Option<usize>> = names.iter().map(|name| column_index(&schema, name)).collect();
        let fields = names.iter().zip(&places).map(|(name, at)| match at {
            Some(at) => schema.field(*at).clone(),
            None => Field::new(name, DataType::Utf8, true),
        });
        let shape = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let made = shape.clone();
        let work = transform(move |batch: RecordBatch| {
            let rows = batch.num_rows();
            let columns = places.iter().map(|at| at.map_or_else(|| missing(rows), |at| batch.column(at).clone())).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            Ok(RecordBatch::try_new_with_options(made.clone(), columns, &options)?)
        });
        Ok(Flow { table: true, ..input }.map("table", shape, work).into())
    }
}
