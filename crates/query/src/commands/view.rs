//! `view`: events by the names of another vocabulary.

use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::{Values, missing, nanos_of_seconds};
use crate::exec::{Flow, transform};
use crate::language::{Args, QueryError};
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatchOptions;
use std::fmt;
use std::sync::Arc;
use taffrail_event::Timestamp;
use taffrail_format::fields::views::{View, view, views};

/// What `view` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "view",
    aliases: &[],
    syntax: "view ecs | ocsf | cim",
    summary: "Makes a table of the events by the names of ECS, OCSF or the CIM.",
    examples: &["tag=authentication | view ecs", "tag=authentication | view ocsf | head 10"],
    parse,
};

#[derive(Debug)]
struct ViewCommand(&'static View);

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let names: Vec<&str> = views().iter().map(|view| view.name.as_str()).collect();
    let word = args.word(&format!("the name of a view ({})", names.join(", ")))?;
    let found = view(&word.text.to_lowercase()).map_err(|error| QueryError::at(word.span, error))?;
    args.finish()?;
    Ok(Box::new(ViewCommand(found)))
}

impl fmt::Display for ViewCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "view {}", self.0.name)
    }
}

impl ViewCommand {
    /// Its columns: what they are called, and what is asked for.
    fn columns(&self) -> Vec<(&'static str, &'static str)> {
        let stored = self.0.stored.iter().map(|(name, of)| (name.as_str(), of.as_str()));
        let names = self.0.names.keys().map(|name| (name.as_str(), name.as_str()));
        std::iter::once(("_time", "_time")).chain(stored).chain(names).collect()
    }
}

/// Whether a column is the time under another name, which is written as text: only `_time` is shown as one.
fn is_text((name, of): &(&str, &str)) -> bool {
    *of == "_time" && name != of
}

fn written(times: &ArrayRef) -> datafusion::error::Result<ArrayRef> {
    let values = Values::of(times)?;
    let text = |row: usize| {
        if let Values::Time(times) = &values {
            return times.is_valid(row).then(|| Timestamp(times.value(row)).to_string());
        }
        let mut found = None;
        values.each(row, |cell| found = cell.number().and_then(nanos_of_seconds).map(|nanos| Timestamp(nanos).to_string()));
        found
    };
    Ok(Arc::new(StringArray::from_iter((0..times.len()).map(text))))
}

impl Command for ViewCommand {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        let columns = self.columns();
        let wanted = columns.into_iter().filter(|(name, _)| needed.contains(name));
        Required::of(wanted.map(|(_, of)| of))
    }

    fn makes_table(&self) -> bool {
        true
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let columns = self.columns();
        let places: Vec<Option<usize>> = columns.iter().map(|(_, of)| column_index(&schema, of)).collect();
        let fields = columns.iter().zip(&places).map(|((name, of), at)| match at {
            Some(at) if !is_text(&(name, of)) => schema.field(*at).clone().with_name(*name),
            _ => Field::new(*name, DataType::Utf8, true),
        });
        let shape = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let made = shape.clone();
        let texts: Vec<bool> = columns.iter().map(is_text).collect();
        let work = transform(move |batch: RecordBatch| {
            let rows = batch.num_rows();
            let column = |(at, text): (&Option<usize>, &bool)| match at {
                Some(at) if *text => written(batch.column(*at)),
                Some(at) => Ok(batch.column(*at).clone()),
                None => Ok(missing(rows)),
            };
            let columns = places.iter().zip(&texts).map(column).collect::<datafusion::error::Result<Vec<_>>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            Ok(RecordBatch::try_new_with_options(made.clone(), columns, &options)?)
        });
        Ok(Flow { table: true, ..input }.map("view", shape, work).into())
    }
}
