//! `rename`: gives fields other names.

use super::words::{Wild, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::exec::{Flow, transform};
use crate::language::{Args, QueryError};
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use arrow::record_batch::RecordBatchOptions;
use std::fmt;
use std::sync::Arc;

/// What `rename` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "rename",
    aliases: &[],
    syntax: "rename <field> AS <name> [, <field> AS <name>]...",
    summary: "Gives fields other names; `*` stands for the same on both sides. A field that had the name is replaced.",
    examples: &["* | stats count BY host | rename count AS events", "* | rename src_* AS source_*"],
    parse,
};

#[derive(Debug)]
struct Rename(Vec<(String, String)>);

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut pairs = Vec::new();
    loop {
        let from = args.field("a field name")?;
        args.expect_keyword("as")?;
        let to = args.field("the new name")?;
        let (left, right) = (Wild::new(&from.name).stars(), Wild::new(&to.name).stars());
        if left != right {
            let message = format!("{:?} has {left} `*` and {:?} has {right}", from.name, to.name);
            return Err(QueryError::at(from.span.to(to.span), message).with_hint("both names need the same number of `*`"));
        }
        pairs.push((from.name, to.name));
        args.symbol(",");
        if args.at_end() {
            break;
        }
    }
    Ok(Box::new(Rename(pairs)))
}

impl fmt::Display for Rename {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (from, to)) in self.0.iter().enumerate() {
            write!(f, "{} {} AS {}", if at == 0 { "rename" } else { "," }, quote_field(from), quote_field(to))?;
        }
        Ok(())
    }
}

impl Command for Rename {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, mut needed: Required) -> Required {
        for (from, to) in self.0.iter().rev() {
            if from.contains('*') {
                return Required::all();
            }
            let used = needed.contains(to);
            needed = needed.without([to.as_str()]);
            if used {
                needed = needed.with([from.clone()]);
            }
        }
        needed
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let mut names: Vec<Option<String>> = schema.fields().iter().map(|field| Some(field.name().clone())).collect();
        for (from, to) in &self.0 {
            let wild = Wild::new(from);
            let mut renamed = Vec::new();
            for (at, name) in names.iter().enumerate() {
                if let Some(new) = name.as_ref().and_then(|name| wild.rename(name, to)) {
                    renamed.push((at, new));
                }
            }
            // A field that is not there, renamed to one that is, leaves nothing of that name.
            if renamed.is_empty() && !from.contains('*') {
                names.iter_mut().filter(|name| name.as_ref() == Some(to)).for_each(|name| *name = None);
            }
            for (at, new) in renamed {
                names.iter_mut().filter(|name| **name == Some(new.clone())).for_each(|name| *name = None);
                names[at] = Some(new);
            }
        }
        let kept: Vec<usize> = (0..names.len()).filter(|at| names[*at].is_some()).collect();
        let fields: Vec<Field> =
            kept.iter().map(|at| schema.field(*at).clone().with_name(names[*at].clone().unwrap_or_default())).collect();
        let shape = Arc::new(Schema::new(fields));
        debug_assert!(shape.fields().iter().all(|field| column_index(&shape, field.name()).is_some()));
        let made = shape.clone();
        let work = transform(move |batch: RecordBatch| {
            let columns = kept.iter().map(|at| batch.column(*at).clone()).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            Ok(RecordBatch::try_new_with_options(made.clone(), columns, &options)?)
        });
        Ok(input.map("rename", shape, work).into())
    }
}
