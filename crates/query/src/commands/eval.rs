//! `eval`: sets fields to what expressions give.

use super::found_fields::{Find, FoundFields, Twice};
use super::words::quote_field;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::{Values, lists, normalise};
use crate::eval::{Compiled, Expr};
use crate::exec::{Flow, HIDDEN, transform};
use crate::language::{Args, QueryError};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::fmt;
use std::sync::Arc;

/// What `eval` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "eval",
    aliases: &[],
    syntax: "eval <field>=<expression> [, <field>=<expression>]...",
    summary: "Sets fields to what expressions give, from left to right; what cannot be computed is null. {field} names the field by a value.",
    examples: &["* | eval mb=round(bytes/1024/1024, 1)", "* | eval outcome=if(status>=500, \"failed\", \"fine\"), path=lower(uri)"],
    parse,
};

#[derive(Clone, Debug)]
struct Eval(Vec<Assignment>);

#[derive(Clone, Debug)]
struct Assignment {
    /// The field as written; with a field in braces, the name is made of that field's value.
    field: String,
    template: Option<Vec<Part>>,
    expression: Expr,
}

/// A part of a name.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Value(String),
}

/// The parts of a name with fields in braces; `None` where it has none.
fn template(name: &str) -> Option<Vec<Part>> {
    let (mut parts, mut rest) = (Vec::new(), name);
    while let Some((before, behind)) = rest.split_once('{') {
        let (field, after) = behind.split_once('}')?;
        // `a{}.b` and `a{0}` are names of what is in JSON.
        if field.is_empty() || field.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        parts.extend((!before.is_empty()).then(|| Part::Text(before.to_owned())));
        parts.push(Part::Value(field.to_owned()));
        rest = after;
    }
    parts.extend((!rest.is_empty()).then(|| Part::Text(rest.to_owned())));
    parts.iter().any(|part| matches!(part, Part::Value(_))).then_some(parts)
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut assignments = Vec::new();
    loop {
        let field = args.field("a field name")?;
        if field.is_wildcard() {
            return Err(QueryError::at(field.span, "eval sets one field at a time; `*` cannot be used here"));
        }
        args.expect_symbol("=")?;
        let template = template(&field.name);
        assignments.push(Assignment { field: field.name, template, expression: args.expression()? });
        if !args.symbol(",") {
            break;
        }
    }
    args.finish()?;
    Ok(Box::new(Eval(assignments)))
}

impl fmt::Display for Eval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, one) in self.0.iter().enumerate() {
            write!(f, "{} {}={}", if at == 0 { "eval" } else { "," }, quote_field(&one.field), one.expression)?;
        }
        Ok(())
    }
}

impl Assignment {
    fn required(&self, needed: Required) -> Required {
        let needed = match &self.template {
            // Which field it sets is known when the rows are.
            Some(parts) => needed.with(parts.iter().filter_map(|part| match part {
                Part::Value(field) => Some(field.clone()),
                Part::Text(_) => None,
            })),
            None => needed.without([self.field.as_str()]),
        };
        needed.with(self.expression.required_fields())
    }
}

impl Command for Eval {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        self.0.iter().rev().fold(needed, |needed, one| one.required(needed))
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        assign(self.0.clone(), input, planner)
    }
}

/// The flow with what is assigned, from left to right.
fn assign(mut assignments: Vec<Assignment>, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
    let Some(at) = assignments.iter().position(|one| one.template.is_some()) else { return set(&assignments, input, planner) };
    let rest = assignments.split_off(at + 1);
    let named = assignments.pop().expect("it was found");
    let Planned::Flow(input) = set(&assignments, input, planner)? else { unreachable!("plain fields are set at once") };
    let needed = rest.iter().rev().fold(planner.needed.clone(), |needed, one| one.required(needed));
    let planned = set_named(&named, input, &Planner { needed, ..planner.clone() })?;
    match planned {
        Planned::Flow(flow) => assign(rest, flow, planner),
        Planned::Later(later) => {
            let planner = planner.clone();
            Ok(Planned::Later(Box::pin(async move {
                match assign(rest, later.await?, &planner)? {
                    Planned::Flow(flow) => Ok(flow),
                    Planned::Later(later) => later.await,
                }
            })))
        }
    }
}

/// Sets fields whose names are written out.
fn set(assignments: &[Assignment], input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
    if assignments.is_empty() {
        return Ok(input.into());
    }
    let mut schema = input.schema();
    let mut steps: Vec<(Compiled, SchemaRef, String)> = Vec::new();
    for Assignment { field, expression, .. } in assignments {
        let compiled = expression.compile_assignment(field, &schema, &planner.eval)?;
        let kind = match compiled.output_type() {
            DataType::Null => DataType::Utf8,
            kind => kind.clone(),
        };
        schema = with_field(&schema, Field::new(field, kind, true));
        steps.push((compiled, schema.clone(), field.clone()));
    }
    let work = transform(move |mut batch: RecordBatch| {
        for (compiled, schema, field) in &steps {
            let column = normalise(&compiled.evaluate(&batch))?;
            batch = with_column(&batch, schema, field, column)?;
        }
        Ok(batch)
    });
    Ok(input.map("eval", schema, work).into())
}

/// What stands between a name and a value while they are on their way to their field.
const BETWEEN: char = '\u{1f}';

/// Sets the fields that values name: the names travel with the values as text, and become fields as those do that are
/// found in a text.
fn set_named(named: &Assignment, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
    let schema = input.schema();
    let compiled = named.expression.compile_assignment(&named.field, &schema, &planner.eval)?;
    let carrier = format!("{HIDDEN}named");
    let mut parts: Vec<(Option<usize>, String)> = Vec::new();
    for part in named.template.iter().flatten() {
        match part {
            Part::Text(text) => parts.push((None, text.clone())),
            Part::Value(field) => match column_index(&schema, field) {
                Some(at) => parts.push((Some(at), String::new())),
                // Nobody has a name for it.
                None => return Ok(input.into()),
            },
        }
    }
    let maker = move |batch: &RecordBatch| {
        let values = Values::of(&normalise(&compiled.evaluate(batch))?)?;
        let names = parts.iter().map(|(at, text)| Ok((at.map(|at| Values::of(batch.column(at))).transpose()?, text)));
        let names = names.collect::<Result<Vec<_>, arrow::error::ArrowError>>()?;
        let row = |row: usize| {
            let mut name = String::new();
            for (values, text) in &names {
                match values {
                    Some(values) => name.push_str(&values.text(row)?),
                    None => name.push_str(text),
                }
            }
            // Fields of the store and of plans are not set by what stands in events.
            let fit = !name.is_empty() && !name.starts_with('_') && !name.contains(BETWEEN) && !name.starts_with(HIDDEN);
            fit.then(|| values.list(row).into_iter().map(|value| format!("{name}{BETWEEN}{value}")).collect::<Vec<_>>())
        };
        let rows: Vec<Option<Vec<String>>> = (0..batch.num_rows()).map(row).collect();
        Ok(lists(rows.iter().map(Option::as_deref)))
    };
    let carried = super::columns_set::set("eval", input, vec![(super::columns_set::list_field(&carrier), Arc::new(maker))]);
    let find: Find = Arc::new(|text, each| {
        if let Some((name, value)) = text.split_once(BETWEEN) {
            each(name, value);
        }
    });
    let found = FoundFields { command: INFO.name, input: carrier.clone(), find, twice: Twice::Replaced }.plan(carried, planner)?;
    let without = move |flow: Flow| {
        let schema = flow.schema();
        let kept: Vec<usize> = (0..schema.fields().len()).filter(|at| *schema.field(*at).name() != carrier).collect();
        let shown = Arc::new(schema.project(&kept)?);
        Ok::<Flow, QueryError>(flow.map("eval", shown, transform(move |batch: RecordBatch| Ok(batch.project(&kept)?))))
    };
    Ok(match found {
        Planned::Flow(flow) => without(flow)?.into(),
        Planned::Later(later) => Planned::Later(Box::pin(async move { without(later.await?) })),
    })
}

/// The schema with a field replaced, or added at the end.
pub fn with_field(schema: &SchemaRef, field: Field) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    match column_index(schema, field.name()) {
        Some(at) => fields[at] = Arc::new(field),
        None => fields.push(Arc::new(field)),
    }
    Arc::new(Schema::new(fields))
}

/// The batch with a column replaced, or added at the end; `schema` is what [`with_field`] gave.
pub fn with_column(batch: &RecordBatch, schema: &SchemaRef, name: &str, column: ArrayRef) -> Result<RecordBatch, arrow::error::ArrowError> {
    let mut columns = batch.columns().to_vec();
    match column_index(&batch.schema(), name) {
        Some(at) => columns[at] = column,
        None => columns.push(column),
    }
    RecordBatch::try_new(schema.clone(), columns)
}
