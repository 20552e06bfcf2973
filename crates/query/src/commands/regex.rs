//! `regex`: keeps the rows where a field matches a regular expression, or does not.

use super::regexes::compile;
use super::words::{quote, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, TextFilter, column_index};
use crate::columns::Values;
use crate::exec::{Flow, transform};
use crate::language::{Args, QueryError};
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use regex::Regex;
use std::fmt;

/// What `regex` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "regex",
    aliases: &[],
    syntax: "regex [<field>=|<field>!=]\"<regular expression>\"",
    summary: "Keeps the rows where the regular expression matches anywhere in the field (`_raw` unless told otherwise), or with != nowhere.",
    examples: &["* | regex \"user=(root|admin)\\b\"", "* | regex uri!=\"\\.(css|png)$\""],
    parse,
};

#[derive(Debug)]
struct RegexCommand {
    field: String,
    negated: bool,
    regex: Regex,
    filter: Option<TextFilter>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let (mut field, mut negated) = ("_raw".to_owned(), false);
    if !args.remaining().starts_with('"') {
        let name = args.field("a regular expression in double quotes")?;
        field = name.name;
        // A bare word goes up to the `=` of `!=`.
        if field.ends_with('!') && field.len() > 1 {
            field.pop();
            negated = true;
        } else {
            negated = args.symbol("!");
        }
        args.expect_symbol("=")
            .map_err(|error| error.with_hint("write regex field=\"expression\", and the expression in double quotes"))?;
        args.symbol("=");
    }
    let (text, place) = if args.remaining().starts_with('"') {
        let word = args.string("a regular expression in double quotes")?;
        (word.text, word.span)
    } else if args.at_end() {
        return Err(args.error("expected a regular expression in double quotes"));
    } else {
        args.rest()
    };
    args.finish()?;
    let regex = compile(&text, false, place)?;
    // A row without text is one with empty text here; the store does not ask such rows, and `_raw` is never missing there.
    let exact = field == "_raw" && !negated && !regex.is_match("");
    let filter = exact.then(|| TextFilter { regexes: vec![regex.clone()], complete: true });
    Ok(Box::new(RegexCommand { field, negated, regex, filter }))
}

impl fmt::Display for RegexCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negated { "!=" } else { "=" };
        write!(f, "regex {}{sign}{}", quote_field(&self.field), quote(self.regex.as_str()))
    }
}

impl Command for RegexCommand {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Selecting
    }

    fn required(&self, needed: Required) -> Required {
        needed.with([self.field.clone()])
    }

    fn text_filter(&self) -> Option<&TextFilter> {
        self.filter.as_ref()
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let at = column_index(&schema, &self.field);
        let (regex, negated) = (self.regex.clone(), self.negated);
        let without = regex.is_match("");
        let work = transform(move |batch: RecordBatch| {
            let values = at.map(|at| Values::of(batch.column(at))).transpose()?;
            let keep = |row: usize| {
                let (mut any, mut matched) = (false, false);
                if let Some(values) = &values {
                    values.each(row, |cell| {
                        any = true;
                        matched = matched || regex.is_match(&cell.text());
                    });
                }
                (if any { matched } else { without }) != negated
            };
            let keep: BooleanArray = (0..batch.num_rows()).map(|row| Some(keep(row))).collect();
            Ok(filter_record_batch(&batch, &keep)?)
        });
        Ok(input.map("regex", schema, work).into())
    }
}
