//! `rangemap`: names for ranges of numbers.

use super::columns_set::{list_field, set, text_field};
use super::words::quote_field;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::{Values, lists, number_text, parse_number};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use arrow::array::{Array, RecordBatch, StringArray};
use std::fmt;
use std::sync::Arc;

/// What `rangemap` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "rangemap",
    aliases: &[],
    syntax: "rangemap field=<field> [<name>=<from>-<to>]... [default=<name>]",
    summary: "Sets `range` to the name of the range that a number is in, bounds included; to the default, None, where it is in none.",
    examples: &["* | stats count BY host | rangemap field=count low=0-99 elevated=100-999 default=severe"],
    parse,
};

#[derive(Clone, Debug)]
struct RangeMap {
    field: String,
    default: String,
    ranges: Vec<(String, f64, f64)>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut map = RangeMap { field: String::new(), default: "None".into(), ranges: Vec::new() };
    while !args.at_end() {
        let name = args.word("a name and its range, such as low=0-9")?;
        args.expect_symbol("=")?;
        let value = args.word("a value")?;
        match name.text.to_ascii_lowercase().as_str() {
            "field" => map.field = value.text,
            "default" => map.default = value.text,
            _ => {
                let wrong = || {
                    let error = QueryError::at(value.span, format!("`{}` is not a range", value.text));
                    error.with_hint("write the lowest and the highest number with a `-` between them: low=0-9.5")
                };
                let (from, to) = range(&value.text).ok_or_else(wrong)?;
                if from > to {
                    let error = QueryError::at(
                        value.span,
                        format!("the range ends ({}) before it begins ({})", number_text(to), number_text(from)),
                    );
                    return Err(error.with_hint("write the lower number first"));
                }
                map.ranges.push((name.text, from, to));
            }
        }
        args.symbol(",");
    }
    if map.field.is_empty() {
        return Err(args.error("expected field=<field>: the field whose numbers are named"));
    }
    Ok(Box::new(map))
}

/// `1-30`, also of negative numbers: `-30--1`.
fn range(text: &str) -> Option<(f64, f64)> {
    let split = text.char_indices().skip(1).find(|(_, c)| *c == '-').map(|(at, _)| at)?;
    Some((parse_number(&text[..split])?, parse_number(&text[split + 1..])?))
}

impl fmt::Display for RangeMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rangemap field={}", quote_field(&self.field))?;
        for (name, from, to) in &self.ranges {
            write!(f, " {}={}-{}", quote_field(name), number_text(*from), number_text(*to))?;
        }
        write!(f, " default={}", quote_field(&self.default))
    }
}

impl RangeMap {
    fn names(&self, number: Option<f64>) -> Vec<String> {
        let inside = |number: f64| self.ranges.iter().filter(move |(_, from, to)| (*from..=*to).contains(&number));
        let names: Vec<String> = number.into_iter().flat_map(inside).map(|(name, ..)| name.clone()).collect();
        if names.is_empty() { vec![self.default.clone()] } else { names }
    }

    /// Whether a number can be in two ranges.
    fn overlaps(&self) -> bool {
        let pairs = self.ranges.iter().enumerate().flat_map(|(at, a)| self.ranges[at + 1..].iter().map(move |b| (a, b)));
        pairs.into_iter().any(|(a, b)| a.1 <= b.2 && b.1 <= a.2)
    }
}

impl Command for RangeMap {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        needed.without(["range"]).with([self.field.clone()])
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let at = column_index(&input.schema(), &self.field);
        let (map, many) = (self.clone(), self.overlaps());
        let maker = move |batch: &RecordBatch| {
            let values = at.map(|at| Values::of(batch.column(at))).transpose()?;
            let number = |row: usize| values.as_ref().and_then(|values| values.number(row));
            let rows: Vec<Vec<String>> = (0..batch.num_rows()).map(|row| map.names(number(row))).collect();
            if many {
                return Ok(lists(rows.iter().map(|names| Some(names.as_slice()))));
            }
            Ok(Arc::new(rows.into_iter().map(|mut names| names.pop()).collect::<StringArray>()) as Arc<dyn Array>)
        };
        let field = if many { list_field("range") } else { text_field("range", false) };
        Ok(set("rangemap", input, vec![(field, Arc::new(maker))]).into())
    }
}
