//! `foreach`: commands for each of several fields, or an `eval` for each value of one.

use super::words::{Wild, expand, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::Values;
use crate::eval::{Compiled, Expr};
use crate::exec::combine::{common_type, convert, fit};
use crate::exec::{Flow, transform};
use crate::language::lexer::quoted;
use crate::language::{Args, QueryError, Span};
use crate::pipeline::Subsearch;
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::compute::kernels::zip::zip;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use std::fmt;
use std::sync::Arc;

/// What `foreach` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "foreach",
    aliases: &[],
    syntax: "foreach <field>... [ <commands with <<FIELD>>, <<MATCHSTR>>, <<MATCHSEG1>>> ] | foreach mode=multivalue|json_array <field> [ eval <field>=<expression with <<ITEM>>> ]",
    summary: "Runs commands once for each field that matches, with its name in their text; or an eval for each value of one field.",
    examples: &[
        "* | foreach *_ms [ eval <<MATCHSTR>>_s='<<FIELD>>'/1000 ]",
        "* | eval n=0 | foreach mode=multivalue tags [ eval n=n+len(<<ITEM>>) ]",
    ],
    parse,
};

const MODES: [&str; 3] = ["multifield", "multivalue", "json_array"];

/// What stands for names in the template, in the order of [`DEFAULTS`].
type Tokens = [String; 6];

const DEFAULTS: [(&str, &str); 6] = [
    ("fieldstr", "<<FIELD>>"),
    ("matchstr", "<<MATCHSTR>>"),
    ("matchseg1", "<<MATCHSEG1>>"),
    ("matchseg2", "<<MATCHSEG2>>"),
    ("matchseg3", "<<MATCHSEG3>>"),
    ("itemstr", "<<ITEM>>"),
];

/// The name of an item's column while an `eval` runs for each value.
const ITEM: &str = "__item";

#[derive(Debug)]
struct ForEach {
    mode: &'static str,
    fields: Vec<String>,
    tokens: Tokens,
    template: String,
    span: Span,
    /// In the modes for values: what is set.
    assignments: Vec<(String, Expr)>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let (mut mode, mut fields, mut tokens) = ("multifield", Vec::new(), DEFAULTS.map(|(_, token)| token.to_owned()));
    let known: Vec<&str> = std::iter::once("mode").chain(DEFAULTS.map(|(name, _)| name)).collect();
    while !args.at_end() && !args.remaining().starts_with('[') {
        if let Some(option) = args.option(&known)? {
            match DEFAULTS.iter().position(|(name, _)| *name == option.name) {
                Some(at) => tokens[at] = option.value.text,
                None => mode = option.value.one_of("mode", &MODES)?,
            }
        } else {
            fields.push(args.field("a field name")?.name);
            args.symbol(",");
        }
    }
    let Some((template, span)) = args.bracketed()? else {
        return Err(args.error("expected commands in brackets").with_hint("write [ eval <<FIELD>>=... ]"));
    };
    args.finish()?;
    let mut each = ForEach { mode, fields, tokens, template, span, assignments: Vec::new() };
    if each.fields.is_empty() {
        return Err(QueryError::at(span, "foreach needs a field").with_hint("name fields, or a pattern such as *"));
    }
    if mode == "multifield" {
        each.check()?;
    } else {
        each.assignments = each.assigned()?;
    }
    Ok(Box::new(each))
}

impl fmt::Display for ForEach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("foreach")?;
        if self.mode != "multifield" {
            write!(f, " mode={}", self.mode)?;
        }
        for ((name, default), token) in DEFAULTS.iter().zip(&self.tokens) {
            if token != default {
                write!(f, " {name}={}", quoted(token, '"'))?;
            }
        }
        self.fields.iter().try_for_each(|field| write!(f, " {}", quote_field(field)))?;
        write!(f, " [ {} ]", self.template)
    }
}

impl ForEach {
    /// The template for a field that a pattern matches.
    fn filled(&self, pattern: &str, field: &str) -> String {
        let (mut matched, mut segments) = (field, Vec::new());
        if let (Some(first), Some(last)) = (pattern.find('*'), pattern.rfind('*')) {
            matched = &field[first.min(field.len())..field.len().saturating_sub(pattern.len() - last - 1).max(first.min(field.len()))];
            let signs = vec!["*"; pattern.matches('*').count()].join("\u{1}");
            let all = Wild::new(pattern).rename(field, &signs).unwrap_or_default();
            segments = all.split('\u{1}').map(str::to_owned).collect();
        }
        let segment = |at: usize| segments.get(at).cloned().unwrap_or_default();
        let values = [field.to_owned(), matched.to_owned(), segment(0), segment(1), segment(2)];
        self.tokens
            .iter()
            .zip(&values)
            .fold(self.template.clone(), |text, (token, value)| if token.is_empty() { text } else { text.replace(token, value) })
    }

    /// Parses the template for some field, so that mistakes are shown while typing.
    fn check(&self) -> Result<(), QueryError> {
        let pattern = &self.fields[0];
        let query = Subsearch::commands(&self.filled(pattern, &pattern.replace('*', "x"))).map_err(|error| self.inside(error))?;
        match query.commands.iter().find(|(command, _)| !command.streaming()) {
            Some((command, _)) => {
                Err(QueryError::at(self.span, format!("{} does not work row by row, so it cannot be in foreach", command.name()))
                    .with_hint("use eval, where, rex, rename or fields"))
            }
            None => Ok(()),
        }
    }

    /// The error, at the template: its own place is in a text that nobody typed.
    fn inside(&self, error: QueryError) -> QueryError {
        QueryError { span: Some(self.span), ..error }
    }

    /// What an `eval` for each value sets.
    fn assigned(&self) -> Result<Vec<(String, Expr)>, QueryError> {
        let ([field], Some(text)) = (&self.fields[..], strip_eval(&self.template)) else {
            return Err(QueryError::at(self.span, format!("foreach mode={} takes one field and one eval", self.mode))
                .with_hint("write foreach mode=multivalue tags [ eval n=n+len(<<ITEM>>) ]"));
        };
        if field.contains('*') {
            return Err(QueryError::at(self.span, format!("foreach mode={} takes one field, not a pattern", self.mode)));
        }
        let item = &self.tokens[5];
        let text: Arc<str> = text.replace(&quoted(item, '"'), ITEM).replace(item.as_str(), ITEM).into();
        let mut args = Args::new(text.clone(), 0, text.len());
        let mut found = Vec::new();
        let parsed = loop {
            let one = args.field("a field name").and_then(|field| {
                args.expect_symbol("=")?;
                Ok((field.name, args.expression()?))
            });
            match one {
                Ok(one) => found.push(one),
                Err(error) => break Err(error),
            }
            if !args.symbol(",") {
                break args.finish();
            }
        };
        parsed.map_err(|error| self.inside(error))?;
        Ok(found)
    }

    /// The `eval` for each value of a field.
    fn each_value(&self, input: Flow, planner: &Planner) -> Result<Flow, QueryError> {
        let plain = input.schema();
        let (schema, compiled) = self.compiled(&plain, planner).map_err(|error| self.inside(error))?;
        let places: Vec<usize> = self.assignments.iter().map(|(field, _)| schema.index_of(field)).collect::<Result<_, _>>()?;
        let steps: Arc<Vec<(usize, Compiled)>> = Arc::new(places.into_iter().zip(compiled).collect());
        let (source, json, made) = (column_index(&plain, &self.fields[0]), self.mode == "json_array", schema.clone());
        let work = transform(move |batch: RecordBatch| Ok(each_item(&fit(&batch, &made)?, source, json, &steps)?));
        Ok(input.map("foreach", schema, work))
    }

    /// The columns of the outcome, and the expressions made ready for them. What is set may read itself, so its type
    /// has to hold what it was and what it becomes.
    fn compiled(&self, plain: &SchemaRef, planner: &Planner) -> Result<(SchemaRef, Vec<Compiled>), QueryError> {
        let mut fields: Vec<Field> = plain.fields().iter().map(|field| field.as_ref().clone()).collect();
        // Twice: the type of a sum may depend on the type that it is assigned to.
        for _ in 0..3 {
            for (target, expression) in &self.assignments {
                let mut seen = fields.clone();
                seen.push(Field::new(ITEM, DataType::Utf8, true));
                let kind = expression.compile_assignment(target, &Schema::new(seen), &planner.eval)?.output_type().clone();
                match fields.iter_mut().find(|field| field.name() == target) {
                    Some(field) => *field = Field::new(target, common_type(target, field.data_type(), &kind), true),
                    None => fields.push(Field::new(target, if kind == DataType::Null { DataType::Utf8 } else { kind }, true)),
                }
            }
        }
        let schema: SchemaRef = Arc::new(Schema::new(fields.clone()));
        fields.push(Field::new(ITEM, DataType::Utf8, true));
        let with_item = Schema::new(fields);
        let compiled = self.assignments.iter().map(|(target, expression)| expression.compile_assignment(target, &with_item, &planner.eval));
        Ok((schema, compiled.collect::<Result<_, _>>()?))
    }
}

/// What follows the word `eval`.
fn strip_eval(template: &str) -> Option<&str> {
    let text = template.trim_start().trim_start_matches('|').trim_start();
    let head = text.get(..4).filter(|head| head.eq_ignore_ascii_case("eval"))?;
    text[head.len()..].starts_with(char::is_whitespace).then(|| &text[head.len()..])
}

/// The values of a row: those of the field, or those of the JSON array in it.
fn items(values: &Values, row: usize, json: bool) -> Vec<String> {
    if !json {
        return values.list(row);
    }
    let parsed = values.text(row).and_then(|text| serde_json::from_str::<Vec<serde_json::Value>>(&text).ok());
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    parsed.unwrap_or_default().into_iter().map(text).collect()
}

/// Runs the steps for the first value of each row, then for the second, and so on; rows without one stay as they are.
fn each_item(batch: &RecordBatch, source: Option<usize>, json: bool, steps: &[(usize, Compiled)]) -> Result<RecordBatch, ArrowError> {
    let Some(source) = source else { return Ok(batch.clone()) };
    let rows = batch.num_rows();
    let values = Values::of(batch.column(source))?;
    let all: Vec<Vec<String>> = (0..rows).map(|row| items(&values, row, json)).collect();
    let mut batch = batch.clone();
    for at in 0..all.iter().map(Vec::len).max().unwrap_or(0) {
        let there: BooleanArray = all.iter().map(|list| Some(list.len() > at)).collect();
        let column: ArrayRef = Arc::new(all.iter().map(|list| list.get(at).map(String::as_str)).collect::<StringArray>());
        for (target, compiled) in steps {
            let mut fields: Vec<Field> = batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
            fields.push(Field::new(ITEM, DataType::Utf8, true));
            let mut columns = batch.columns().to_vec();
            columns.push(column.clone());
            let value = compiled.evaluate(&RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?);
            let mut columns = batch.columns().to_vec();
            let value = convert(&value, columns[*target].data_type())?;
            columns[*target] = zip(&there, &value, &columns[*target])?;
            batch = RecordBatch::try_new(batch.schema(), columns)?;
        }
    }
    Ok(batch)
}

impl Command for ForEach {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Selecting
    }

    fn required(&self, needed: Required) -> Required {
        if self.mode == "multifield" {
            // Which fields the commands read is known only when the fields are.
            return Required::all();
        }
        let read =
            self.assignments.iter().flat_map(|(target, expression)| std::iter::once(target.clone()).chain(expression.required_fields()));
        needed.with(read.filter(|field| field != ITEM)).with([self.fields[0].clone()])
    }

    fn plan(&self, mut input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        if self.mode != "multifield" {
            return Ok(self.each_value(input, planner)?.into());
        }
        let columns = input.names();
        // What a command makes may be for the next one.
        let planner = &Planner { needed: Required::all(), ..planner.clone() };
        for pattern in &self.fields {
            for field in expand(std::slice::from_ref(pattern), &columns) {
                let query = Subsearch::commands(&self.filled(pattern, &field)).map_err(|error| self.inside(error))?;
                for (command, _) in &query.commands {
                    input = match command.plan(input, planner).map_err(|error| self.inside(error))? {
                        Planned::Flow(flow) => flow,
                        Planned::Later(_) => {
                            return Err(QueryError::at(self.span, format!("{} cannot be in foreach", command.name())));
                        }
                    };
                }
            }
        }
        Ok(input.into())
    }
}
