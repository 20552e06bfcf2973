//! JSON in text.

use super::super::column::{Reader, Type};
use super::super::compile::Node;
use super::{ANY, Call, Function};
use crate::language::QueryError;
use serde_json::{Map, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "json",
        syntax: "json(text)",
        summary: "The text when it is valid JSON, else null.",
        arity: (1, 1),
        build: |call| Ok(Node::texts(call.args()?, |values, row| parsed(&values[0], row).map(|json| json.to_string()))),
    },
    Function {
        name: "json_valid",
        syntax: "json_valid(text)",
        summary: "Whether the text is valid JSON.",
        arity: (1, 1),
        build: |call| {
            Ok(Node::booleans(call.args()?, |values, row| {
                Some(serde_json::from_str::<serde::de::IgnoredAny>(&values[0].text(row)?).is_ok())
            }))
        },
    },
    Function {
        name: "json_extract",
        syntax: "json_extract(json, \"path\", ...)",
        summary: "The value at a path such as a.b{0}.c; several as an array.",
        arity: (1, ANY),
        build: json_extract,
    },
    Function {
        name: "json_extract_exact",
        syntax: "json_extract_exact(json, \"key\", ...)",
        summary: "The value of a key, dots and braces taken literally.",
        arity: (2, ANY),
        build: json_extract_exact,
    },
    Function {
        name: "spath",
        syntax: "spath(json, \"path\")",
        summary: "The values at a path such as a.b{}.c.",
        arity: (2, 2),
        build: spath,
    },
    Function {
        name: "json_object",
        syntax: "json_object(key, value, ...)",
        summary: "A JSON object of keys and values.",
        arity: (0, ANY),
        build: |call| {
            if call.len() % 2 == 1 {
                return Err(call.error(call.len() - 1, "json_object needs a value after each key"));
            }
            let args = call.args()?;
            let types = types(&args);
            Ok(Node::texts(args, move |values, row| {
                let mut object = Map::new();
                for at in (0..values.len()).step_by(2) {
                    object.insert(values[at].text(row)?.into_owned(), value_of(types[at + 1], &values[at + 1], row));
                }
                Some(Value::Object(object).to_string())
            }))
        },
    },
    Function {
        name: "json_array",
        syntax: "json_array(value, ...)",
        summary: "A JSON array of the values.",
        arity: (0, ANY),
        build: |call| {
            let args = call.args()?;
            let types = types(&args);
            Ok(Node::texts(args, move |values, row| {
                Some(Value::Array(values.iter().zip(&types).map(|(value, ty)| value_of(*ty, value, row)).collect()).to_string())
            }))
        },
    },
    Function {
        name: "json_keys",
        syntax: "json_keys(json)",
        summary: "The keys of a JSON object as a JSON array.",
        arity: (1, 1),
        build: |call| {
            Ok(Node::texts(call.args()?, |values, row| match parsed(&values[0], row)? {
                Value::Object(object) => Some(Value::Array(object.into_iter().map(|(key, _)| Value::String(key)).collect()).to_string()),
                _ => None,
            }))
        },
    },
    Function {
        name: "json_array_to_mv",
        syntax: "json_array_to_mv(json, quoted)",
        summary: "The elements of a JSON array as values; with quoted true, text keeps its quotes.",
        arity: (1, 2),
        build: |call| {
            Ok(Node::lists(call.args()?, |values, row| {
                let quoted = values.get(1).is_some_and(|quoted| quoted.boolean(row) == Some(true));
                match parsed(&values[0], row)? {
                    Value::Array(items) if quoted => Some(items.iter().filter(|item| !item.is_null()).map(Value::to_string).collect()),
                    Value::Array(items) => Some(items.into_iter().filter_map(plain).collect()),
                    _ => None,
                }
            }))
        },
    },
    Function {
        name: "mv_to_json_array",
        syntax: "mv_to_json_array(values, infer)",
        summary: "The values as a JSON array; with infer true, numbers and JSON stay what they are.",
        arity: (1, 2),
        build: |call| {
            Ok(Node::texts(call.args()?, |values, row| {
                let infer = values.get(1).is_some_and(|infer| infer.boolean(row) == Some(true));
                let many = values[0].many(row);
                let item = |text: &str| if infer { serde_json::from_str(text).unwrap_or_else(|_| text.into()) } else { Value::from(text) };
                (!many.is_empty()).then(|| Value::Array(many.iter().map(|text| item(text)).collect()).to_string())
            }))
        },
    },
    Function {
        name: "isarray",
        syntax: "isarray(json)",
        summary: "Whether the text is a JSON array.",
        arity: (1, 1),
        build: |call| Ok(Node::booleans(call.args()?, |values, row| Some(parsed(&values[0], row).is_some_and(|json| json.is_array())))),
    },
    Function {
        name: "isobject",
        syntax: "isobject(json)",
        summary: "Whether the text is a JSON object.",
        arity: (1, 1),
        build: |call| Ok(Node::booleans(call.args()?, |values, row| Some(parsed(&values[0], row).is_some_and(|json| json.is_object())))),
    },
    Function {
        name: "json_entries",
        syntax: "json_entries(json)",
        summary: "The keys and values of a JSON object, as a JSON array of objects with key and value.",
        arity: (1, 1),
        build: |call| {
            Ok(Node::texts(call.args()?, |values, row| match parsed(&values[0], row)? {
                Value::Object(object) => {
                    let entry = |(key, value)| serde_json::json!({"key": key, "value": value});
                    Some(Value::Array(object.into_iter().map(entry).collect()).to_string())
                }
                _ => None,
            }))
        },
    },
    Function {
        name: "json_set_exact",
        syntax: "json_set_exact(json, \"key\", value, ...)",
        summary: "The JSON object with the values set at the keys, dots and braces taken literally.",
        arity: (3, ANY),
        build: json_set_exact,
    },
    Function {
        name: "json_set",
        syntax: "json_set(json, \"path\", value, ...)",
        summary: "The JSON with the values set at the paths.",
        arity: (3, ANY),
        build: json_set,
    },
    Function {
        name: "json_delete",
        syntax: "json_delete(json, \"path\", ...)",
        summary: "The JSON without what is at the paths.",
        arity: (2, ANY),
        build: json_delete,
    },
    Function {
        name: "json_append",
        syntax: "json_append(json, \"path\", value, ...)",
        summary: "The JSON with the values put at the end of the arrays at the paths.",
        arity: (3, ANY),
        build: |call| json_grow(call, false),
    },
    Function {
        name: "json_extend",
        syntax: "json_extend(json, \"path\", array, ...)",
        summary: "The JSON with the elements put at the end of the arrays at the paths.",
        arity: (3, ANY),
        build: |call| json_grow(call, true),
    },
    Function {
        name: "json_has_key_exact",
        syntax: "json_has_key_exact(json, \"key\")",
        summary: "Whether the JSON object has the key.",
        arity: (2, 2),
        build: |call| {
            Ok(Node::booleans(call.args()?, |values, row| {
                let key = values[1].text(row)?;
                Some(parsed(&values[0], row)?.get(&*key).is_some())
            }))
        },
    },
];

fn parsed(value: &Reader<'_>, row: usize) -> Option<Value> {
    serde_json::from_str(&value.text(row)?).ok()
}

fn types(args: &[Node]) -> Vec<Type> {
    args.iter().map(|arg| arg.ty).collect()
}

/// A value as JSON: numbers and Booleans as such, JSON objects and arrays nested, else text.
fn value_of(ty: Type, value: &Reader<'_>, row: usize) -> Value {
    let number = |number: f64| {
        if number.fract() == 0.0 && number.abs() < 9e15 { Value::from(number as i64) } else { Value::from(number) }
    };
    match ty {
        Type::Boolean => value.boolean(row).map_or(Value::Null, Value::from),
        Type::Number | Type::Integer | Type::Time => value.number(row).map_or(Value::Null, number),
        Type::List => Value::Array(value.many(row).iter().map(|text| Value::from(&**text)).collect()),
        _ => match value.text(row) {
            None => Value::Null,
            Some(text) if text.starts_with(['{', '[']) => serde_json::from_str(&text).unwrap_or_else(|_| Value::from(&*text)),
            Some(text) => Value::from(&*text),
        },
    }
}

/// A JSON value as a field holds it; null is no value.
fn plain(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    At(usize),
    Each,
}

/// The steps of a path such as `a.b{0}.c{}`.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (key, mut braces) = part.find('{').map_or((part, ""), |at| part.split_at(at));
        if !key.is_empty() {
            steps.push(Step::Key(key.to_owned()));
        }
        while let Some((inside, rest)) = braces.strip_prefix('{').and_then(|braces| braces.split_once('}')) {
            steps.push(match inside.trim() {
                "" => Step::Each,
                index => index.parse().map_or_else(|_| Step::Key(index.to_owned()), Step::At),
            });
            braces = rest;
        }
    }
    steps
}

fn walk<'v>(value: &'v Value, steps: &[Step], found: &mut Vec<&'v Value>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(value);
        return;
    };
    match (step, value) {
        (Step::Key(key), Value::Object(object)) => {
            if let Some(inner) = object.get(key) {
                walk(inner, rest, found);
            }
        }
        (Step::At(at), Value::Array(items)) => {
            if let Some(inner) = items.get(*at) {
                walk(inner, rest, found);
            }
        }
        (Step::Each, Value::Array(items)) => items.iter().for_each(|inner| walk(inner, rest, found)),
        _ => {}
    }
}

/// What is at the path: one value, or an array where the path has `{}`.
fn at_path(json: &Value, path: &str) -> Option<Value> {
    let steps = steps(path);
    let mut found = Vec::new();
    walk(json, &steps, &mut found);
    if steps.contains(&Step::Each) {
        return (!found.is_empty()).then(|| Value::Array(found.into_iter().cloned().collect()));
    }
    found.first().map(|value| (*value).clone())
}

fn extracted(values: &[Reader<'_>], row: usize, at: impl Fn(&Value, &str) -> Option<Value>) -> Option<String> {
    let json = parsed(&values[0], row)?;
    match values.len() {
        1 => plain(json),
        2 => plain(at(&json, &values[1].text(row)?)?),
        _ => {
            let mut found = Vec::new();
            for path in &values[1..] {
                found.push(at(&json, &path.text(row)?).unwrap_or(Value::Null));
            }
            Some(Value::Array(found).to_string())
        }
    }
}

fn json_extract(call: &Call<'_>) -> Result<Node, QueryError> {
    Ok(Node::texts(call.args()?, |values, row| extracted(values, row, at_path)))
}

fn json_extract_exact(call: &Call<'_>) -> Result<Node, QueryError> {
    Ok(Node::texts(call.args()?, |values, row| extracted(values, row, |json, key| json.get(key).cloned())))
}

fn spath(call: &Call<'_>) -> Result<Node, QueryError> {
    let many = call.constant_text(1).is_none_or(|path| path.contains("{}"));
    let found = |values: &[Reader<'_>], row: usize| -> Option<Vec<String>> {
        let json = parsed(&values[0], row)?;
        let mut found = Vec::new();
        walk(&json, &steps(&values[1].text(row)?), &mut found);
        Some(found.into_iter().cloned().filter_map(plain).collect())
    };
    Ok(match many {
        true => Node::lists(call.args()?, found),
        false => Node::texts(call.args()?, move |values, row| found(values, row)?.into_iter().next()),
    })
}

/// Puts `new` at the path, making objects where there is nothing; nothing happens where an array is too short.
fn put(value: &mut Value, steps: &[Step], new: &Value) {
    let Some((step, rest)) = steps.split_first() else {
        *value = new.clone();
        return;
    };
    match (step, value) {
        (Step::Key(key), Value::Object(object)) => {
            let missing = if rest.is_empty() { Value::Null } else { Value::Object(Map::new()) };
            put(object.entry(key.clone()).or_insert(missing), rest, new);
        }
        (Step::At(at), Value::Array(items)) => {
            if let Some(inner) = items.get_mut(*at) {
                put(inner, rest, new);
            }
        }
        (Step::Each, Value::Array(items)) => items.iter_mut().for_each(|inner| put(inner, rest, new)),
        _ => {}
    }
}

fn json_set(call: &Call<'_>) -> Result<Node, QueryError> {
    if call.len().is_multiple_of(2) {
        return Err(call.error(call.len() - 1, "json_set needs a value after each path"));
    }
    let args = call.args()?;
    let types = types(&args);
    Ok(Node::texts(args, move |values, row| {
        let mut json = parsed(&values[0], row)?;
        for at in (1..values.len()).step_by(2) {
            put(&mut json, &steps(&values[at].text(row)?), &value_of(types[at + 1], &values[at + 1], row));
        }
        Some(json.to_string())
    }))
}

fn json_set_exact(call: &Call<'_>) -> Result<Node, QueryError> {
    if call.len().is_multiple_of(2) {
        return Err(call.error(call.len() - 1, "json_set_exact needs a value after each key"));
    }
    let args = call.args()?;
    let types = types(&args);
    Ok(Node::texts(args, move |values, row| {
        let Value::Object(mut object) = parsed(&values[0], row)? else { return None };
        for at in (1..values.len()).step_by(2) {
            object.insert(values[at].text(row)?.into_owned(), value_of(types[at + 1], &values[at + 1], row));
        }
        Some(Value::Object(object).to_string())
    }))
}

fn remove(value: &mut Value, steps: &[Step]) {
    match (steps, value) {
        ([Step::Key(key)], Value::Object(object)) => {
            object.shift_remove(key);
        }
        ([Step::At(at)], Value::Array(items)) if *at < items.len() => {
            items.remove(*at);
        }
        ([Step::Each], Value::Array(items)) => items.clear(),
        ([Step::Key(key), rest @ ..], Value::Object(object)) => {
            if let Some(inner) = object.get_mut(key) {
                remove(inner, rest);
            }
        }
        ([Step::At(at), rest @ ..], Value::Array(items)) => {
            if let Some(inner) = items.get_mut(*at) {
                remove(inner, rest);
            }
        }
        ([Step::Each, rest @ ..], Value::Array(items)) => items.iter_mut().for_each(|inner| remove(inner, rest)),
        _ => {}
    }
}

fn json_delete(call: &Call<'_>) -> Result<Node, QueryError> {
    Ok(Node::texts(call.args()?, |values, row| {
        let mut json = parsed(&values[0], row)?;
        for path in &values[1..] {
            remove(&mut json, &steps(&path.text(row)?));
        }
        Some(json.to_string())
    }))
}

/// Puts `new` at the end of every array at the path; its elements one by one when `each`.
fn grow(value: &mut Value, steps: &[Step], new: &Value, each: bool) {
    match (steps, value) {
        ([], Value::Array(items)) => match new {
            Value::Array(more) if each => items.extend(more.iter().cloned()),
            _ => items.push(new.clone()),
        },
        ([Step::Key(key), rest @ ..], Value::Object(object)) => {
            if let Some(inner) = object.get_mut(key) {
                grow(inner, rest, new, each);
            }
        }
        ([Step::At(at), rest @ ..], Value::Array(items)) => {
            if let Some(inner) = items.get_mut(*at) {
                grow(inner, rest, new, each);
            }
        }
        ([Step::Each, rest @ ..], Value::Array(items)) => items.iter_mut().for_each(|inner| grow(inner, rest, new, each)),
        _ => {}
    }
}

fn json_grow(call: &Call<'_>, each: bool) -> Result<Node, QueryError> {
    if call.len().is_multiple_of(2) {
        return Err(call.error(call.len() - 1, format!("{} needs a value after each path", call.function.name)));
    }
    let args = call.args()?;
    let types = types(&args);
    Ok(Node::texts(args, move |values, row| {
        let mut json = parsed(&values[0], row)?;
        for at in (1..values.len()).step_by(2) {
            grow(&mut json, &steps(&values[at].text(row)?), &value_of(types[at + 1], &values[at + 1], row), each);
        }
        Some(json.to_string())
    }))
}
