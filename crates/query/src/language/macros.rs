//! Macros: names in backticks that stand for text, with arguments.
//!
//! All are expanded before the query is parsed; what stands in double quotes or in a comment is left alone.

use super::error::QueryError;
use super::lexer::{comment_end, quote_end, unescape};
use super::span::Span;
use super::splice::Spliced;
use crate::columns::Values;
use crate::eval::{EvalContext, Expr};
use crate::knowledge::{Knowledge, Macro, substitute};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatchOptions;
use std::sync::Arc;
use taffrail_base::limits::{MACRO_CALLS_MAX, MACRO_DEPTH_MAX, QUERY_BYTES_MAX};

/// The text with its macros expanded; `None` where there are none.
pub fn expand(text: &str, knowledge: &Knowledge, context: &EvalContext) -> Result<Option<Spliced>, QueryError> {
    if !text.contains('`') {
        return Ok(None);
    }
    let mut expansion = Expansion { knowledge, context, calls: 0 };
    let calls = calls(text)?;
    if calls.is_empty() {
        return Ok(None);
    }
    let parts = calls.into_iter().map(|span| {
        let replaced = expansion.call(&text[span.start + 1..span.end - 1], 1).map_err(|error| error.or_at(span))?;
        Ok((span, replaced))
    });
    let spliced = Spliced::new(text, parts.collect::<Result<Vec<_>, QueryError>>()?);
    check_length(&spliced.text)?;
    Ok(Some(spliced))
}

fn check_length(text: &str) -> Result<(), QueryError> {
    if text.len() <= QUERY_BYTES_MAX {
        return Ok(());
    }
    Err(QueryError::new(format!("with its macros expanded, the query is longer than {QUERY_BYTES_MAX} bytes")))
}

/// The calls of macros in a text, backticks included.
fn calls(text: &str) -> Result<Vec<Span>, QueryError> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < text.len() {
        match text.as_bytes()[at] {
            // An open quote is reported when the query is cut into its parts.
            b'"' => at = quote_end(text, at).unwrap_or(text.len()),
            b'`' if text[at..].starts_with("```") => at = comment_end(text, at)?,
            b'`' => {
                let Some(end) = call_end(text, at) else {
                    return Err(QueryError::at(Span::new(at, at + 1), "the macro that opens here is not closed")
                        .with_hint("close it with a backtick; to look for a backtick, put the text in double quotes"));
                };
                found.push(Span::new(at, end));
                at = end;
            }
            _ => at += 1,
        }
    }
    Ok(found)
}

/// The place after the backtick that closes the one at `start`.
fn call_end(text: &str, start: usize) -> Option<usize> {
    let mut at = start + 1;
    while at < text.len() {
        match text.as_bytes()[at] {
            b'"' => at = quote_end(text, at)?,
            b'`' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

struct Expansion<'a> {
    knowledge: &'a Knowledge,
    context: &'a EvalContext,
    calls: usize,
}

impl Expansion<'_> {
    /// What a call, without its backticks, stands for.
    fn call(&mut self, call: &str, depth: usize) -> Result<String, QueryError> {
        self.calls += 1;
        if depth > MACRO_DEPTH_MAX || self.calls > MACRO_CALLS_MAX {
            return Err(QueryError::new(format!("the macros are nested more than {MACRO_DEPTH_MAX} deep, or expanded too often"))
                .with_hint("one of them may use itself"));
        }
        let (name, given) = arguments(call)?;
        let found = self.knowledge.macro_of(name, given.len())?;
        let values = named(name, &found, given)?;
        self.validate(name, &found, &values)?;
        let mut text = substitute(&found.definition, &values);
        if found.iseval {
            text = self.evaluate(name, &text, &[])?.unwrap_or_default();
        }
        check_length(&text)?;
        let inner = calls(&text).map_err(|error| QueryError::new(format!("the macro {name}: {}", error.message)))?;
        let parts = inner.into_iter().map(|span| Ok((span, self.call(&text[span.start + 1..span.end - 1], depth + 1)?)));
        let parts = parts.collect::<Result<Vec<_>, QueryError>>()?;
        let text = Spliced::new(&text, parts).text;
        check_length(&text)?;
        Ok(text)
    }

    fn validate(&self, name: &str, found: &Macro, values: &[(String, String)]) -> Result<(), QueryError> {
        let Some(validation) = &found.validation else { return Ok(()) };
        let fields: Vec<(&str, &str)> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let said = self.evaluate(name, &substitute(validation, values), &fields)?;
        match said.as_deref() {
            None | Some("True") => Ok(()),
            // A condition that does not hold, or the text of what is wrong (as `validate()` gives).
            Some("False") => {
                let error = found.errormsg.clone().unwrap_or_else(|| format!("the arguments of the macro {name} are not valid"));
                Err(QueryError::new(error).with_hint(format!("it asks that {validation}")))
            }
            Some(text) => Err(QueryError::new(text.to_owned())),
        }
    }

    /// The value of an expression over the arguments, which are fields too.
    fn evaluate(&self, name: &str, text: &str, fields: &[(&str, &str)]) -> Result<Option<String>, QueryError> {
        let wrong = |error: QueryError| QueryError { span: None, message: format!("the macro {name}: {}", error.message), ..error };
        let expression = Expr::parse(text).map_err(wrong)?;
        let schema = Arc::new(Schema::new(fields.iter().map(|(name, _)| Field::new(*name, DataType::Utf8, true)).collect::<Vec<_>>()));
        let columns: Vec<ArrayRef> = fields.iter().map(|(_, value)| Arc::new(StringArray::from(vec![*value])) as ArrayRef).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
        let value = expression.compile(&schema, self.context).map_err(wrong)?.evaluate(&batch);
        Ok(Values::of(&value)?.text(0))
    }
}

/// The name of a call and its arguments: `name(a, "b, c")`.
fn arguments(call: &str) -> Result<(&str, Vec<String>), QueryError> {
    let call = call.trim();
    let Some((name, rest)) = call.split_once('(') else { return Ok((call, Vec::new())) };
    let Some(inside) = rest.strip_suffix(')') else {
        return Err(QueryError::new(format!("the arguments of the macro {name} are not closed")).with_hint("add a `)` before the backtick"));
    };
    if inside.trim().is_empty() {
        return Ok((name.trim(), Vec::new()));
    }
    let (mut found, mut start, mut at, mut depth) = (Vec::new(), 0, 0, 0usize);
    while at < inside.len() {
        match inside.as_bytes()[at] {
            b'"' => {
                at = quote_end(inside, at).unwrap_or(inside.len());
                continue;
            }
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                found.push(argument(&inside[start..at]));
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    found.push(argument(&inside[start..]));
    Ok((name.trim(), found))
}

/// An argument without its quotes.
fn argument(text: &str) -> String {
    let text = text.trim();
    match text.starts_with('"') && text.len() > 1 && quote_end(text, 0) == Some(text.len()) {
        true => unescape(&text[1..text.len() - 1], '"'),
        false => text.to_owned(),
    }
}

/// The arguments with the names that the macro gives them; `name=value` says which one it is.
fn named(name: &str, found: &Macro, given: Vec<String>) -> Result<Vec<(String, String)>, QueryError> {
    let by_name = |text: &str| {
        let (key, value) = text.split_once('=')?;
        found.args.iter().find(|arg| *arg == key.trim()).map(|arg| (arg.clone(), argument(value)))
    };
    let all: Vec<Option<(String, String)>> = given.iter().map(|text| by_name(text)).collect();
    if all.iter().any(Option::is_none) {
        return Ok(found.args.iter().cloned().zip(given).collect());
    }
    let all: Vec<(String, String)> = all.into_iter().flatten().collect();
    match found.args.iter().find(|arg| !all.iter().any(|(known, _)| known == *arg)) {
        Some(missing) => Err(QueryError::new(format!("the macro {name} needs its argument {missing}"))),
        None => Ok(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_cut_into_arguments() {
        let cut = |text| arguments(text).unwrap();
        assert_eq!(cut("m"), ("m", vec![]));
        assert_eq!(cut("m()"), ("m", vec![]));
        assert_eq!(cut("m(a, \"b, \\\"c\", f(x,y))"), ("m", vec!["a".to_owned(), "b, \"c".to_owned(), "f(x,y)".to_owned()]));
        assert!(arguments("m(a").is_err());
    }

    #[test]
    fn only_backticks_outside_of_quotes_and_comments_call() {
        let text = "a `m` \"`n`\" ```x `y` ``` `o(\"`\")`";
        let found: Vec<&str> = calls(text).unwrap().iter().map(|span| &text[span.start..span.end]).collect();
        assert_eq!(found, ["`m`", "`o(\"`\")`"]);
        assert!(calls("a `m").is_err());
    }
}
