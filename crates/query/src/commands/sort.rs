//! `sort`: puts the rows in order.

use super::words::quote_field;
use super::{Command, CommandInfo, Planned, Planner, Required, Wish, blocking};
use crate::exec::order::{Key, KeyKind, sort};
use crate::exec::{Flow, Make, Step, Transform};
use crate::language::{Args, QueryError};
use crate::messages::Messages;
use arrow::array::RecordBatch;
use datafusion::error::Result as ExecResult;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::SORT_ROWS_DEFAULT;

/// What `sort` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "sort",
    aliases: &[],
    syntax: "sort [<count>] [-|+]<field> [, [-|+]<field>]... [desc]",
    summary: "Puts the rows in order: numbers by value, addresses by value, else by text. Keeps 10,000 rows, with a message; `sort 0` keeps all.",
    examples: &["* | stats count BY host | sort -count", "* | sort 0 +ip(src), -num(bytes)"],
    parse,
};

#[derive(Clone, Debug)]
struct Sort {
    limit: Option<usize>,
    keys: Vec<Key>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut limit = None;
    if let Some(option) = args.option(&["limit"])? {
        limit = Some(option.value.integer("limit", 0)? as usize);
    } else if let Some((count, span)) = args.integer() {
        let count = usize::try_from(count).map_err(|_| QueryError::at(span, "the number of rows cannot be negative"))?;
        limit = Some(count);
    }
    let keys = parse_keys(args)?;
    args.finish()?;
    Ok(Box::new(Sort { limit, keys }))
}

/// Keys up to the end, at least one.
pub fn parse_keys(args: &mut Args) -> Result<Vec<Key>, QueryError> {
    let mut keys: Vec<Key> = Vec::new();
    let mut all_descending = false;
    let mut flip = false;
    while !args.at_end() {
        let sign = args.remaining().to_owned();
        let minus = args.symbol("-");
        let plus = !minus && args.symbol("+");
        if (minus || plus) && sign[1..].starts_with(char::is_whitespace) {
            // A sign on its own is for all that follow.
            all_descending = minus;
        }
        if !minus && !plus && !keys.is_empty() && is_last(args, &["d", "desc", "a", "asc"]) {
            flip = args.keyword("d") || args.keyword("desc");
            if !flip && !args.keyword("a") {
                args.keyword("asc");
            }
            break;
        }
        let (field, kind) = key_field(args)?;
        let descending = if plus { false } else { minus || all_descending };
        keys.push(Key { field, kind, descending });
        args.symbol(",");
    }
    if keys.is_empty() {
        return Err(args.error("expected a field to sort by"));
    }
    if flip {
        keys.iter_mut().for_each(|key| key.descending = !key.descending);
    }
    Ok(keys)
}

fn is_last(args: &Args, words: &[&str]) -> bool {
    let rest = args.remaining().trim_end();
    words.iter().any(|word| rest.eq_ignore_ascii_case(word))
}

fn key_field(args: &mut Args) -> Result<(String, KeyKind), QueryError> {
    if let Some(call) = args.call() {
        let kind = match call.text.to_ascii_lowercase().as_str() {
            "auto" => KeyKind::Auto,
            "ip" => KeyKind::Ip,
            "num" => KeyKind::Number,
            "str" => KeyKind::Text,
            _ => {
                let error = QueryError::at(call.span, format!("sort knows no {:?}", call.text));
                return Err(error.with_hint("use auto(field), ip(field), num(field) or str(field)"));
            }
        };
        let field = args.field("a field name")?;
        args.expect_symbol(")")?;
        return Ok((field.name, kind));
    }
    let field = args.field("a field to sort by")?;
    if field.is_wildcard() {
        return Err(QueryError::at(field.span, "sort takes no wildcards").with_hint("name each field"));
    }
    Ok((field.name, KeyKind::Auto))
}

/// Prints keys.
pub fn write_keys(f: &mut fmt::Formatter<'_>, keys: &[Key]) -> fmt::Result {
    for (at, key) in keys.iter().enumerate() {
        let (comma, sign) = (if at == 0 { " " } else { ", " }, if key.descending { "-" } else { "+" });
        let field = quote_field(&key.field);
        match key.kind {
            KeyKind::Auto | KeyKind::Distinct => write!(f, "{comma}{sign}{field}")?,
            KeyKind::Ip => write!(f, "{comma}{sign}ip({field})")?,
            KeyKind::Number => write!(f, "{comma}{sign}num({field})")?,
            KeyKind::Text => write!(f, "{comma}{sign}str({field})")?,
        }
    }
    Ok(())
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sort")?;
        if let Some(limit) = self.limit {
            write!(f, " {limit}")?;
        }
        write_keys(f, &self.keys)
    }
}

impl Command for Sort {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        needed.with(self.keys.iter().map(|key| key.field.clone()))
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let (limit, default) = match self.limit {
            None => (SORT_ROWS_DEFAULT, true),
            Some(0) => return Ok(sort(input, &self.keys, None)?.into()),
            Some(limit) => (limit, false),
        };
        if let ([key], true, Some(direct)) = (&self.keys[..], input.ordered, planner.direct.clone())
            && matches!(key.kind, KeyKind::Auto | KeyKind::Number)
        {
            let (key, keys, messages) = (key.clone(), self.keys.clone(), planner.messages.clone());
            return Ok(Planned::Later(Box::pin(async move {
                let wish = Wish::Extreme { field: key.field, greatest: key.descending, rows: limit };
                match blocking(move || direct.picked(&wish)).await? {
                    Some((flow, events)) if flow.schema() == input.schema() => {
                        tell(&messages, default, limit, events as usize);
                        Ok(flow)
                    }
                    _ => over_rows(input, &keys, limit, default, &messages),
                }
            })));
        }
        Ok(over_rows(input, &self.keys, limit, default, &planner.messages)?.into())
    }
}

/// Says that the default limit has cut rows off, where it has.
fn tell(messages: &Messages, default: bool, limit: usize, rows: usize) {
    if default && rows > limit {
        messages.truncated(format!("sort kept the first {limit} of {rows} rows; write `sort 0` to keep all"));
    }
}

/// Sorts row after row.
fn over_rows(input: Flow, keys: &[Key], limit: usize, default: bool, messages: &Messages) -> Result<Flow, QueryError> {
    let input = input.single();
    let schema = input.schema();
    let messages = messages.clone();
    let make: Make = Arc::new(move |_| Ok(Box::new(Count { rows: 0, limit, tell: default, messages: messages.clone() })));
    Ok(sort(input.map("count rows", schema, make), keys, Some(limit))?)
}

/// Counts the rows that come in, and says when the default limit cuts some off.
struct Count {
    rows: usize,
    limit: usize,
    tell: bool,
    messages: Messages,
}

impl Transform for Count {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        self.rows += batch.num_rows();
        Ok(Step::Rows(batch))
    }

    fn finish(&mut self) -> ExecResult<Option<RecordBatch>> {
        tell(&self.messages, self.tell, self.limit, self.rows);
        Ok(None)
    }
}
