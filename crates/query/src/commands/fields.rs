//! `fields`: keeps or removes columns; events stay events.

use super::words::{Wild, expand, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::exec::{Flow, HIDDEN, transform};
use crate::language::{Args, QueryError};
use arrow::array::RecordBatch;
use arrow::record_batch::RecordBatchOptions;
use std::fmt;
use std::sync::Arc;

/// What `fields` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "fields",
    aliases: &[],
    syntax: "fields [+|-] <field> [, <field>]...",
    summary: "Keeps the named fields (and `_time`, `_raw` and other internal ones), or with `-` removes them.",
    examples: &["error | fields host, user", "error | fields - _raw, date_*"],
    parse,
};

/// The internal fields that stay although they are not named.
const INTERNAL: [&str; 6] = ["_time", "_raw", "_indextime", "_pattern", "_sequence", "_problems"];

#[derive(Debug)]
struct Fields {
    remove: bool,
    names: Vec<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let remove = args.symbol("-");
    if !remove {
        args.symbol("+");
    }
    let names: Vec<String> = args.fields(&[])?.into_iter().map(|field| field.name).collect();
    if names.is_empty() {
        return Err(args.error("expected a field name"));
    }
    args.finish()?;
    Ok(Box::new(Fields { remove, names }))
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.names.iter().map(|name| quote_field(name)).collect();
        write!(f, "fields {}{}", if self.remove { "- " } else { "" }, names.join(", "))
    }
}

impl Command for Fields {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        if self.remove {
            return needed.without(self.names.iter().map(String::as_str));
        }
        let kept = Required::of(self.names.iter().cloned()).with(INTERNAL);
        if needed.is_open() {
            return kept;
        }
        Required::of(needed.names.into_iter().filter(|name| kept.contains(name)))
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let columns = input.names();
        let names = if self.remove {
            let gone: Vec<Wild> = self.names.iter().map(|name| Wild::new(name)).collect();
            columns.into_iter().filter(|column| !gone.iter().any(|wild| wild.matches(column))).collect()
        } else {
            let mut names: Vec<String> = expand(&self.names, &columns).into_iter().filter(|name| columns.contains(name)).collect();
            let internal = columns.into_iter().filter(|column| column.starts_with('_') && !names.contains(column));
            let internal: Vec<String> = internal.collect();
            names.extend(internal);
            names
        };
        Ok(select("fields", input, &names)?.into())
    }
}

/// Only the named columns, in this order; what is not there is left out. Hidden columns stay.
pub fn select(name: &'static str, input: Flow, names: &[String]) -> Result<Flow, QueryError> {
    let schema = input.schema();
    let mut kept: Vec<usize> = names.iter().filter_map(|name| column_index(&schema, name)).collect();
    kept.extend((0..schema.fields().len()).filter(|at| schema.field(*at).name().starts_with(HIDDEN)));
    let projected = Arc::new(schema.project(&kept)?);
    let shape = projected.clone();
    let work = transform(move |batch: RecordBatch| {
        let columns = kept.iter().map(|at| batch.column(*at).clone()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(shape.clone(), columns, &options)?)
    });
    Ok(input.map(name, projected, work))
}
