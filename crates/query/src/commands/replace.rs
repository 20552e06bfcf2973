//! `replace`: other values for those that match, whole, with wildcards.

use super::columns_set::{Maker, changed, changed_field, set};
use super::words::{expand, quote, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field};
use regex::{Regex, RegexBuilder};
use std::fmt;
use std::sync::Arc;

/// What `replace` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "replace",
    aliases: &[],
    syntax: "replace <value> WITH <value> [, <value> WITH <value>]... [IN <field> [, <field>]...]",
    summary: "Replaces values that match as a whole, in any case; `*` stands for anything and is kept where the new value has one.",
    examples: &["* | replace 127.0.0.1 WITH localhost IN host", "* | replace \"*.example.org\" WITH \"*\", err* WITH error IN host, level"],
    parse,
};

#[derive(Clone, Debug)]
struct Pair {
    from: String,
    to: String,
    regex: Regex,
}

#[derive(Debug)]
struct Replace {
    pairs: Vec<Pair>,
    fields: Vec<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut pairs = Vec::new();
    loop {
        let from = args.word("the value to replace")?;
        args.expect_keyword("with")?;
        let to = args.word("the new value")?;
        let (left, right) = (from.text.matches('*').count(), to.text.matches('*').count());
        if right > left {
            let message = format!("the new value has {right} `*`, but the one to replace has {left}");
            return Err(
                QueryError::at(from.span.to(to.span), message).with_hint("a `*` of the new value stands for what the same `*` matched")
            );
        }
        let parts: Vec<String> = from.text.split('*').map(regex::escape).collect();
        let built = RegexBuilder::new(&format!("^{}$", parts.join("(.*?)"))).case_insensitive(true).dot_matches_new_line(true).build();
        let regex = built.map_err(|_| QueryError::at(from.span, "this value is too long to look for"))?;
        pairs.push(Pair { from: from.text, to: to.text, regex });
        args.symbol(",");
        if args.at_end() || args.peek_keyword("in") {
            break;
        }
    }
    let mut fields = Vec::new();
    if args.keyword("in") {
        fields = args.fields(&[])?.into_iter().map(|field| field.name).collect();
        if fields.is_empty() {
            return Err(args.error("expected a field name after IN"));
        }
    }
    args.finish()?;
    Ok(Box::new(Replace { pairs, fields }))
}

impl fmt::Display for Replace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, pair) in self.pairs.iter().enumerate() {
            write!(f, "{} {} WITH {}", if at == 0 { "replace" } else { "," }, quote(&pair.from), quote(&pair.to))?;
        }
        let names: Vec<String> = self.fields.iter().map(|field| quote_field(field)).collect();
        if names.is_empty() { Ok(()) } else { write!(f, " IN {}", names.join(", ")) }
    }
}

impl Command for Replace {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        needed
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let columns = input.names();
        let names = if self.fields.is_empty() {
            columns.into_iter().filter(|name| !name.starts_with('_')).collect()
        } else {
            expand(&self.fields, &columns)
        };
        // A plain value goes before one with `*`, of those with `*` the one that says most; of equal ones the last.
        let mut pairs = self.pairs.clone();
        pairs.reverse();
        pairs.sort_by_key(|pair| (pair.from.contains('*'), std::cmp::Reverse(pair.from.len() - pair.from.matches('*').count())));
        let pairs = Arc::new(pairs);
        let mut made: Vec<(Field, Maker)> = Vec::new();
        for at in names.iter().filter_map(|name| column_index(&schema, name)) {
            let field = schema.field(at);
            if matches!(field.data_type(), DataType::Binary) {
                continue;
            }
            let pairs = pairs.clone();
            let maker = move |batch: &RecordBatch| changed(batch.column(at), |text| Some(replaced(&pairs, text)));
            made.push((changed_field(field), Arc::new(maker)));
        }
        Ok(set("replace", input, made).into())
    }
}

fn replaced(pairs: &[Pair], text: &str) -> String {
    let Some((pair, captures)) = pairs.iter().find_map(|pair| Some((pair, pair.regex.captures(text)?))) else { return text.to_owned() };
    let mut out = String::new();
    for (at, part) in pair.to.split('*').enumerate() {
        if at > 0 {
            out.push_str(captures.get(at).map_or("", |group| group.as_str()));
        }
        out.push_str(part);
    }
    out
}
