//! `lookup()`: values of a lookup as JSON.

use super::super::compile::Node;
use super::super::expr::ExprKind;
use super::{Call, Function, compile};
use crate::knowledge::Matcher;
use crate::language::QueryError;
use serde_json::{Map, Value};

pub(super) const FUNCTIONS: &[Function] = &[Function {
    name: "lookup",
    syntax: "lookup(\"table\", json_object(\"column\", value, ...), json_array(\"column\", ...))",
    summary: "The values of columns of a lookup in the rows where other columns have these values, as a JSON object.",
    arity: (3, 3),
    build: lookup,
}];

fn lookup(call: &Call<'_>) -> Result<Node, QueryError> {
    let Some(name) = call.constant_text(0) else {
        return Err(call.error(0, "the name of the lookup has to be a text in quotes"));
    };
    let parts = |at: usize, function: &str| match &call.exprs[at].kind {
        ExprKind::Call(name, args) if name == function => Ok(args.as_slice()),
        _ => Err(call.error(at, format!("this has to be {function}(...)"))),
    };
    let given = parts(1, "json_object")?;
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for pair in given.chunks(2) {
        let [column, value] = pair else { return Err(call.error(1, "a value is missing after the last column")) };
        let column = column.as_text().ok_or_else(|| call.error(1, "the names of columns have to be texts in quotes"))?;
        columns.push(column.to_owned());
        values.push(compile(value, call.scope)?);
    }
    let wanted = parts(2, "json_array")?.iter().map(|item| item.as_text().map(str::to_owned));
    let wanted: Vec<String> =
        wanted.collect::<Option<_>>().ok_or_else(|| call.error(2, "the names of columns have to be texts in quotes"))?;
    let context = call.scope.context;
    let placed = |error: QueryError| error.or_at(call.exprs[0].span);
    let (table, options) = context.knowledge.lookup(name).map_err(placed)?;
    let matcher = Matcher::new(name, table, &options, &columns, &context.tz).map_err(placed)?;
    for column in &wanted {
        matcher.table().expect_column(name, column).map_err(placed)?;
    }
    if matcher.is_temporal() {
        return Err(call.error(0, "a lookup by time needs the command lookup"));
    }
    Ok(Node::texts(values, move |values, row| {
        let asked: Vec<Vec<String>> =
            values.iter().map(|value| value.many(row).into_iter().map(|text| text.to_string()).collect()).collect();
        let rows = matcher.find(&asked, None);
        if rows.is_empty() {
            return None;
        }
        let mut out = Map::new();
        for column in &wanted {
            let mut found = matcher.values(&rows, matcher.table().column(column)?);
            let value = match found.len() {
                0 => continue,
                1 => Value::String(found.remove(0)),
                _ => Value::from(found),
            };
            out.insert(column.clone(), value);
        }
        Some(Value::Object(out).to_string())
    }))
}
