//! `map`: a search for each row, with the row's values in its text.

use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::columns::{Values, parse_number};
use crate::exec::Flow;
use crate::exec::combine::concat;
use crate::language::lexer::quoted;
use crate::language::{Args, QueryError, Span};
use crate::pipeline::Query;
use arrow::array::RecordBatch;
use futures::StreamExt;
use rustc_hash::FxHashMap;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::MAP_SEARCHES_DEFAULT;

/// What `map` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "map",
    aliases: &[],
    syntax: "map (search=\"<search>\" | [ <search> ] | <saved search>) [maxsearches=<count>]",
    summary: "Runs a search for each row, with $field$ in its text replaced by the row's value; the rows of all of them are the outcome.",
    examples: &[
        "error | stats count BY host | map search=\"search host=$host$ login | head 1\"",
        "* | stats count BY host | map maxsearches=50 [ search host=$host$ | stats max(_time) AS last | eval host=\"$host$\" ]",
    ],
    parse,
};

#[derive(Clone, Debug)]
enum Template {
    Text(String),
    Saved(String),
}

#[derive(Debug)]
struct Map {
    template: Template,
    span: Span,
    most: usize,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let (mut template, mut most) = (None, MAP_SEARCHES_DEFAULT);
    while !args.at_end() {
        let span = args.next_span();
        let found = if let Some((text, span)) = args.bracketed()? {
            (Template::Text(text), span)
        } else if let Some(option) = args.option(&["search", "maxsearches"])? {
            if option.name == "maxsearches" {
                most = option.value.integer("maxsearches", 1)? as usize;
                continue;
            }
            (Template::Text(option.value.text), option.value.span)
        } else {
            (Template::Saved(args.word("a search")?.text), span)
        };
        if template.replace(found).is_some() {
            return Err(QueryError::at(span, "map takes one search").with_hint("put it in quotes: search=\"...\""));
        }
    }
    let Some((template, span)) = template else {
        return Err(args.error("map needs a search").with_hint("write map search=\"search host=$host$\""));
    };
    Ok(Box::new(Map { template, span, most }))
}

impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.template {
            Template::Text(text) => write!(f, "map search={}", quoted(text, '"'))?,
            Template::Saved(name) => write!(f, "map {}", quoted(name, '"'))?,
        }
        write!(f, " maxsearches={}", self.most)
    }
}

/// The names between `$` in a text.
fn names(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        let inside = &rest[start + 1..];
        let end = inside.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '{' | '}' | ':'))).unwrap_or(inside.len());
        if end > 0 && inside[end..].starts_with('$') {
            found.push(inside[..end].to_owned());
            rest = &inside[end + 1..];
        } else {
            rest = inside;
        }
    }
    found
}

/// The text with the values of a row. Within quotes they are escaped; outside, what is not a plain word is quoted, so
/// that a value is never more than a value.
fn filled(text: &str, values: &FxHashMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut within, mut escaped) = (text, false, false);
    while let Some(c) = rest.chars().next() {
        let found = rest.strip_prefix('$').filter(|_| !escaped).and_then(|inside| {
            let end = inside.find('$')?;
            Some((values.get(&inside[..end])?, end + 2))
        });
        if let Some((value, length)) = found {
            let plain = !value.is_empty() && value.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '@'));
            if within {
                let all = quoted(value, '"');
                out.push_str(&all[1..all.len() - 1]);
            } else if (plain && !matches!(value.as_str(), "AND" | "OR" | "NOT" | "IN")) || parse_number(value).is_some() {
                out.push_str(value);
            } else {
                out.push_str(&quoted(value, '"'));
            }
            rest = &rest[length..];
            continue;
        }
        match c {
            _ if escaped => escaped = false,
            '\\' if within => escaped = true,
            '"' => within = !within,
            _ => {}
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// The first rows as maps of the fields that are asked for, and whether there are more rows.
async fn first_rows(
    input: Flow,
    wanted: &[String],
    most: usize,
    planner: &Planner,
) -> Result<(Vec<FxHashMap<String, String>>, bool), QueryError> {
    let mut rows = Vec::new();
    let mut batches = input.stream(planner.context.clone())?;
    while let Some(batch) = batches.next().await {
        let batch: RecordBatch = batch?;
        let mut columns = Vec::new();
        for name in wanted {
            if let Some(column) = batch.column_by_name(name) {
                columns.push((name, Values::of(column)?));
            }
        }
        for row in 0..batch.num_rows() {
            if rows.len() == most {
                return Ok((rows, true));
            }
            let values = columns.iter().filter_map(|(name, values)| Some(((*name).clone(), values.text(row)?)));
            let mut values: FxHashMap<String, String> = values.collect();
            values.entry("_serial_id".to_owned()).or_insert_with(|| rows.len().to_string());
            rows.push(values);
        }
    }
    Ok((rows, false))
}

impl Map {
    fn text(template: &Template, planner: &Planner) -> Result<String, QueryError> {
        match template {
            Template::Text(text) => Ok(text.clone()),
            Template::Saved(name) => Ok(planner.knowledge.saved_search(name)?.search),
        }
    }
}

async fn run(template: Template, most: usize, input: Flow, planner: Planner) -> Result<Flow, QueryError> {
    let text = Map::text(&template, &planner)?;
    let wanted = names(&text);
    let columns = input.names();
    if let Some(missing) = wanted.iter().find(|name| !columns.contains(name) && *name != "_serial_id") {
        let error = QueryError::new(format!("the search of map names ${missing}$, but no row has a field {missing}"));
        return Err(error.with_suggestions(crate::language::suggest::nearest(missing, columns.iter().map(String::as_str))));
    }
    let (rows, more) = first_rows(input, &wanted, most, &planner).await?;
    if more {
        let text = format!("map ran its search for the first {most} rows only; maxsearches= lets it run for more");
        planner.messages.truncated(text);
    }
    let (mut flows, mut skipped) = (Vec::new(), 0);
    for row in rows {
        if wanted.iter().any(|name| !row.contains_key(name)) {
            skipped += 1;
            continue;
        }
        let text = filled(&text, &row);
        // What is wrong lies in a text that nobody typed, so that there is no place to show.
        let wrong =
            |error: QueryError| QueryError { span: None, message: format!("{} (in the search of map: {text})", error.message), ..error };
        let query = Query::parse_with(&text, &planner.knowledge, &planner.eval).map_err(wrong)?;
        flows.push(planner.nested(Arc::new(query), Required::all()).await.map_err(wrong)?.single());
    }
    if skipped > 0 {
        planner.messages.truncated(format!("map ran no search for {skipped} rows, which lack a field that the search names"));
    }
    let table = flows.iter().any(|flow| flow.table);
    Ok(concat("map", flows, table))
}

impl Command for Map {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Reporting
    }

    fn required(&self, _: Required) -> Required {
        match &self.template {
            Template::Text(text) => Required::of(names(text)),
            Template::Saved(_) => Required::all(),
        }
    }

    fn rows_needed(&self) -> Option<usize> {
        Some(self.most.saturating_add(1))
    }

    fn writes(&self) -> bool {
        // What its searches do is known only when they run.
        true
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let span = self.span;
        let run = run(self.template.clone(), self.most, input.single(), planner.clone());
        Ok(Planned::Later(Box::pin(async move { run.await.map_err(|error| error.or_at(span)) })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_never_more_than_a_value() {
        let values = [("a", "x | delete"), ("b", "5"), ("c", "say \"no\""), ("d", "OR")];
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(filled("s a=$a$ b=$b$ \"$c$\" $d$ $e$ $", &values), "s a=\"x | delete\" b=5 \"say \\\"no\\\"\" \"OR\" $e$ $");
        assert_eq!(names("a=$a$ $b.c{}$ cost $5 or $ x$"), ["a", "b.c{}"]);
    }
}
