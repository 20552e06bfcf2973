//! `lookup`: fields from a table, by the values of fields.

use super::words::quote_field;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, blocking, column_index};
use crate::columns::{Values, list_type, lists};
use crate::exec::combine::{coalesce, common_type, convert, fit};
use crate::exec::{Flow, Make, Step, Transform};
use crate::knowledge::Matcher;
use crate::language::lexer::quoted;
use crate::language::{Args, QueryError, Span};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result as ExecResult;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use std::fmt;
use std::sync::Arc;

/// What `lookup` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "lookup",
    aliases: &[],
    syntax: "lookup <lookup> <column> [AS <field>]... [OUTPUT|OUTPUTNEW <column> [AS <field>]...]",
    summary: "Adds fields from the rows of a lookup whose columns have the values of the row's fields: all other columns, or those named.",
    examples: &["* | lookup people user", "* | lookup hosts name AS host OUTPUTNEW owner AS team | stats count BY team"],
    parse,
};

/// A column of the table and the field of the row.
type Pair = (String, String);

#[derive(Clone, Debug)]
struct Lookup {
    name: String,
    span: Span,
    inputs: Vec<Pair>,
    outputs: Vec<Pair>,
    only_new: bool,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    while let Some(option) = args.option(&["local", "update"])? {
        // Where it would run in a cluster, and how it would be sent there.
        option.value.boolean(&option.name)?;
    }
    let name = args.word("the name of a lookup")?;
    let inputs = pairs(args)?;
    if inputs.is_empty() {
        return Err(args.error("expected a column of the lookup").with_hint("write lookup <lookup> <column> AS <field>"));
    }
    let only_new = args.peek_keyword("outputnew");
    let named = args.keyword("outputnew") || args.keyword("output");
    let outputs = if named { pairs(args)? } else { Vec::new() };
    if named && outputs.is_empty() {
        return Err(args.error("expected a column of the lookup"));
    }
    args.finish()?;
    Ok(Box::new(Lookup { name: name.text, span: name.span, inputs, outputs, only_new }))
}

fn pairs(args: &mut Args) -> Result<Vec<Pair>, QueryError> {
    let mut found = Vec::new();
    while !args.at_end() && !args.peek_keyword("output") && !args.peek_keyword("outputnew") {
        let column = args.field("a column")?.name;
        let field = if args.keyword("as") { args.field("a field name")?.name } else { column.clone() };
        found.push((column, field));
        args.symbol(",");
    }
    Ok(found)
}

impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lookup {}", quoted(&self.name, '"'))?;
        let write = |f: &mut fmt::Formatter<'_>, pairs: &[Pair]| {
            pairs.iter().try_for_each(|(column, field)| match column == field {
                true => write!(f, " {}", column_name(column)),
                false => write!(f, " {} AS {}", column_name(column), column_name(field)),
            })
        };
        write(f, &self.inputs)?;
        if !self.outputs.is_empty() {
            f.write_str(if self.only_new { " OUTPUTNEW" } else { " OUTPUT" })?;
        }
        write(f, &self.outputs)
    }
}

fn column_name(name: &str) -> String {
    if name.eq_ignore_ascii_case("output") || name.eq_ignore_ascii_case("outputnew") { quoted(name, '"') } else { quote_field(name) }
}

impl Command for Lookup {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        // What the lookup has nothing for keeps its value, so that the fields it sets are needed too; the time only by
        // some lookups, but which is not known yet.
        needed.with(self.inputs.iter().map(|(_, field)| field.clone())).with(["_time"])
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let (this, planner) = (self.clone(), planner.clone());
        Ok(Planned::Later(Box::pin(async move {
            let span = this.span;
            let (knowledge, name) = (planner.knowledge.clone(), this.name.clone());
            let columns: Vec<String> = this.inputs.iter().map(|(column, _)| column.clone()).collect();
            let tz = planner.eval.tz.clone();
            let matcher = blocking(move || {
                let found = knowledge.lookup(&name).and_then(|(table, options)| Matcher::new(&name, table, &options, &columns, &tz));
                Ok(found)
            });
            let matcher = matcher.await?.map_err(|error| error.or_at(span))?;
            this.joined(input, matcher).map_err(|error| error.or_at(span))
        })))
    }
}

impl Lookup {
    fn joined(mut self, input: Flow, matcher: Matcher) -> Result<Flow, QueryError> {
        if self.outputs.is_empty() {
            let keys: Vec<&String> = self.inputs.iter().map(|(column, _)| column).collect();
            let others = matcher.table().names().into_iter().filter(|name| !keys.contains(&name));
            self.outputs = others.map(|name| (name.clone(), name)).collect();
        }
        for (column, _) in &self.outputs {
            matcher.table().expect_column(&self.name, column)?;
        }
        let kind = if matcher.gives_many() { list_type() } else { DataType::Utf8 };
        let plain = input.schema();
        let mut fields: Vec<Field> = plain.fields().iter().map(|field| field.as_ref().clone()).collect();
        for (_, target) in &self.outputs {
            match fields.iter_mut().find(|field| field.name() == target) {
                Some(field) => *field = Field::new(target, common_type(target, field.data_type(), &kind), true),
                None => fields.push(Field::new(target, kind.clone(), true)),
            }
        }
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let places = self.inputs.iter().map(|(_, field)| column_index(&plain, field)).collect();
        let time = column_index(&plain, "_time");
        let shared = Arc::new((self, matcher, kind));
        let (made, places): (SchemaRef, Vec<Option<usize>>) = (schema.clone(), places);
        let make: Make = Arc::new(move |context| {
            let memory = MemoryConsumer::new("lookup").register(context.memory_pool());
            memory.try_grow(shared.1.table().bytes())?;
            Ok(Box::new(Finding { shared: shared.clone(), schema: made.clone(), places: places.clone(), time, _memory: memory }))
        });
        Ok(input.map("lookup", schema, make))
    }
}

struct Finding {
    shared: Arc<(Lookup, Matcher, DataType)>,
    schema: SchemaRef,
    places: Vec<Option<usize>>,
    time: Option<usize>,
    _memory: MemoryReservation,
}

impl Transform for Finding {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let (lookup, matcher, kind) = &*self.shared;
        let rows = batch.num_rows();
        let inputs = self.places.iter().map(|at| at.map(|at| Values::of(batch.column(at))).transpose()).collect::<Result<Vec<_>, _>>()?;
        let time = self.time.filter(|_| matcher.is_temporal()).map(|at| Values::of(batch.column(at))).transpose()?;
        let find = |row: usize| {
            let values: Vec<Vec<String>> =
                inputs.iter().map(|values| values.as_ref().map(|values| values.list(row)).unwrap_or_default()).collect();
            matcher.find(&values, time.as_ref().and_then(|time| time.number(row)))
        };
        let found: Vec<Vec<u32>> = (0..rows).map(find).collect();
        let mut out = fit(&batch, &self.schema)?;
        for (column, target) in &lookup.outputs {
            let Some(column) = matcher.table().column(column) else { continue };
            let values: Vec<Vec<String>> = found.iter().map(|rows| matcher.values(rows, column)).collect();
            let fresh: ArrayRef = convert(&lists(values.iter().map(|list| Some(list.as_slice()))), kind)?;
            let at = self.schema.index_of(target)?;
            let mut columns = out.columns().to_vec();
            let wanted = self.schema.field(at).data_type();
            columns[at] = match lookup.only_new {
                true => coalesce(&columns[at], &fresh, wanted)?,
                false => coalesce(&fresh, &columns[at], wanted)?,
            };
            out = RecordBatch::try_new(self.schema.clone(), columns)?;
        }
        Ok(Step::Rows(out))
    }
}
