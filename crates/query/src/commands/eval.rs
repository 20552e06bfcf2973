//! `eval`: sets fields to what expressions give.

use super::words::quote_field;
use super::{Command, CommandInfo, Planned, Planner, Required, column_index};
use crate::columns::normalise;
use crate::eval::{Compiled, Expr};
use crate::exec::{Flow, transform};
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
    summary: "Sets fields to what expressions give, from left to right; what cannot be computed is null.",
    examples: &["* | eval mb=round(bytes/1024/1024, 1)", "* | eval outcome=if(status>=500, \"failed\", \"fine\"), path=lower(uri)"],
    parse,
};

#[derive(Debug)]
struct Eval(Vec<(String, Expr)>);

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut assignments = Vec::new();
    loop {
        let field = args.field("a field name")?;
        if field.name.starts_with('{') {
            let error = QueryError::at(field.span, "a field named by another field's value is not supported yet");
            return Err(error.with_hint("name the field"));
        }
        if field.is_wildcard() {
            return Err(QueryError::at(field.span, "eval sets one field at a time; `*` cannot be used here"));
        }
        args.expect_symbol("=")?;
        assignments.push((field.name, args.expression()?));
        if !args.symbol(",") {
            break;
        }
    }
    args.finish()?;
    Ok(Box::new(Eval(assignments)))
}

impl fmt::Display for Eval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (field, expression)) in self.0.iter().enumerate() {
            write!(f, "{} {}={expression}", if at == 0 { "eval" } else { "," }, quote_field(field))?;
        }
        Ok(())
    }
}

impl Command for Eval {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, mut needed: Required) -> Required {
        for (field, expression) in self.0.iter().rev() {
            needed = needed.without([field.as_str()]).with(expression.required_fields());
        }
        needed
    }

    fn streaming(&self) -> bool {
        true
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn keeps_rows(&self) -> bool {
        true
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let mut schema = input.schema();
        let mut steps: Vec<(Compiled, SchemaRef, String)> = Vec::new();
        for (field, expression) in &self.0 {
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
