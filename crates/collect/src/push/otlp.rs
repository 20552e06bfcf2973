//! OpenTelemetry's logs, as JSON or as protocol buffers.
//!
//! A record becomes one flat JSON object: `message` (the body), severity, ids, then the attributes of the record, of its
//! scope and of its resource under their own names; a name that is there already gets `resource.` or `scope.` before it.
//! Its host is `host.name` of the resource, its source `log.file.path` of the record, else `service.name`. A body that is
//! text of a record without anything else stays text.

use super::{Intake, invalid, utf8};
use crate::records::{Record, json, proto};
use serde_json::{Map, Number, Value};
use taffrail_base::Result;
use taffrail_event::Timestamp;

/// Values within values: deeper ones are refused, as JSON's are.
const DEPTH_MAX: usize = 64;

type Attributes = Vec<(String, Value)>;

/// One record with what it shares with others.
#[derive(Default)]
struct Log {
    time: i64,
    observed: i64,
    severity: i64,
    severity_text: String,
    event_name: String,
    body: Value,
    attributes: Attributes,
    flags: u64,
    trace: String,
    span: String,
}

#[derive(Default)]
struct Shared {
    resource: Attributes,
    scope_name: String,
    scope: Attributes,
}

/// Takes the records of a body of protocol buffers. An error takes nothing.
pub fn from_protobuf(body: &[u8], intake: &mut Intake) -> Result<usize> {
    let mut taken = Vec::new();
    for resource_logs in messages(body, 1) {
        let resource_logs = resource_logs?;
        let mut shared = Shared::default();
        for resource in messages(resource_logs, 1) {
            shared.resource = attributes(resource?, 1, 0)?;
        }
        for scope_logs in messages(resource_logs, 2) {
            let scope_logs = scope_logs?;
            (shared.scope_name, shared.scope) = Default::default();
            for scope in messages(scope_logs, 1) {
                let scope = scope?;
                shared.scope = attributes(scope, 3, 0)?;
                if let Some(name) = messages(scope, 1).last().transpose()? {
                    shared.scope_name = utf8(name)?.to_owned();
                }
            }
            for log in messages(scope_logs, 2) {
                taken.push(record(log_of(log?)?, &shared));
            }
        }
    }
    taken.iter().for_each(|record| intake.push(record));
    Ok(taken.len())
}

fn damaged<T>(_: T) -> taffrail_base::Error {
    invalid("the body is no export request")
}

fn messages(message: &[u8], wanted: u64) -> impl Iterator<Item = Result<&[u8]>> {
    proto::fields(message).filter_map(move |field| match field {
        Ok((number, value)) if number == wanted => Some(value.message().map_err(damaged)),
        Ok(_) => None,
        Err(error) => Some(Err(damaged(error))),
    })
}

fn log_of(message: &[u8]) -> Result<Log> {
    let mut log = Log { attributes: attributes(message, 6, 0)?, ..Log::default() };
    for field in proto::fields(message) {
        let (number, value) = field.map_err(damaged)?;
        let text = || utf8(value.message().map_err(damaged)?).map(str::to_owned);
        match number {
            1 => log.time = value.number() as i64,
            2 => log.severity = value.number() as i64,
            3 => log.severity_text = text()?,
            5 => log.body = any(value.message().map_err(damaged)?, 0)?,
            8 => log.flags = value.number(),
            9 => log.trace = hex(value.bytes()),
            10 => log.span = hex(value.bytes()),
            11 => log.observed = value.number() as i64,
            12 => log.event_name = text()?,
            _ => {}
        }
    }
    Ok(log)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The pairs of a field.
fn attributes(message: &[u8], wanted: u64, depth: usize) -> Result<Attributes> {
    let mut all = Vec::new();
    for pair in messages(message, wanted) {
        let pair = pair?;
        let name = messages(pair, 1).last().transpose()?.unwrap_or_default();
        let value = messages(pair, 2).last().transpose()?.map_or(Ok(Value::Null), |value| any(value, depth))?;
        all.push((utf8(name)?.to_owned(), value));
    }
    Ok(all)
}

/// A value of any kind.
fn any(message: &[u8], depth: usize) -> Result<Value> {
    if depth > DEPTH_MAX {
        return Err(invalid("values are nested too deeply"));
    }
    let mut found = Value::Null;
    for field in proto::fields(message) {
        let (number, value) = field.map_err(damaged)?;
        found = match number {
            1 => Value::from(utf8(value.message().map_err(damaged)?)?),
            2 => Value::from(value.number() != 0),
            3 => Value::from(value.number() as i64),
            4 => float(f64::from_bits(value.number())),
            5 => Value::Array(messages(value.message().map_err(damaged)?, 1).map(|value| any(value?, depth + 1)).collect::<Result<_>>()?),
            6 => object(attributes(value.message().map_err(damaged)?, 1, depth + 1)?),
            7 => Value::from(hex(value.bytes())),
            _ => found,
        };
    }
    Ok(found)
}

/// A number; what JSON has no number for is text.
fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| Value::from(number.to_string()), Value::Number)
}

fn object(pairs: Attributes) -> Value {
    Value::Object(pairs.into_iter().collect())
}

/// Takes the records of a JSON body. An error takes nothing.
pub fn from_json(body: &[u8], intake: &mut Intake) -> Result<usize> {
    let body: Value = serde_json::from_slice(body).map_err(|e| invalid(format!("the body is not JSON: {e}")))?;
    if !body.is_object() {
        return Err(invalid("the body is no object"));
    }
    let mut taken = Vec::new();
    for resource_logs in list(&body, "resourceLogs")? {
        let mut shared = Shared { resource: json_attributes(&resource_logs["resource"], 0)?, ..Shared::default() };
        for scope_logs in list(resource_logs, "scopeLogs")? {
            let scope = &scope_logs["scope"];
            shared.scope = json_attributes(scope, 0)?;
            shared.scope_name = text(scope, "name");
            for log in list(scope_logs, "logRecords")? {
                taken.push(record(json_log(log)?, &shared));
            }
        }
    }
    taken.iter().for_each(|record| intake.push(record));
    Ok(taken.len())
}

/// The members of a list that may be left out. What is something else would be lost, and is refused.
fn list<'a>(object: &'a Value, key: &str) -> Result<&'a [Value]> {
    match &object[key] {
        Value::Null => Ok(&[]),
        Value::Array(all) if all.iter().all(Value::is_object) => Ok(all),
        _ => Err(invalid(format!("{key} is no list of objects"))),
    }
}

fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_default().to_owned()
}

/// A whole number, which may stand as text.
fn number(value: &Value) -> Result<i64> {
    match value {
        Value::Null => Ok(0),
        Value::String(text) if text.is_empty() => Ok(0),
        Value::String(text) => text.parse().map_err(|_| invalid(format!("{text:?} is no whole number"))),
        other => other.as_i64().ok_or_else(|| invalid(format!("{other} is no whole number"))),
    }
}

fn json_log(log: &Value) -> Result<Log> {
    let severity = log["severityNumber"].as_str().filter(|text| text.starts_with("SEVERITY_NUMBER_"));
    Ok(Log {
        time: number(&log["timeUnixNano"])?,
        observed: number(&log["observedTimeUnixNano"])?,
        // Newer protobuf writers give names of enumerations.
        severity: if severity.is_some() { 0 } else { number(&log["severityNumber"])? },
        severity_text: severity
            .filter(|_| log["severityText"].is_null())
            .map_or_else(|| text(log, "severityText"), |name| name[16..].to_owned()),
        event_name: text(log, "eventName"),
        body: json_any(&log["body"], 0)?,
        attributes: json_attributes(log, 0)?,
        flags: number(&log["flags"])?.max(0) as u64,
        trace: text(log, "traceId"),
        span: text(log, "spanId"),
    })
}

fn json_attributes(holder: &Value, depth: usize) -> Result<Attributes> {
    json_pairs(list(holder, "attributes")?, depth)
}

fn json_pairs(pairs: &[Value], depth: usize) -> Result<Attributes> {
    pairs.iter().map(|pair| Ok((text(pair, "key"), json_any(&pair["value"], depth)?))).collect()
}

fn json_any(value: &Value, depth: usize) -> Result<Value> {
    if depth > DEPTH_MAX {
        return Err(invalid("values are nested too deeply"));
    }
    // What is no value of theirs is kept as it is.
    let Some(members) = value.as_object() else { return Ok(value.clone()) };
    let Some((kind, inner)) = members.iter().next() else { return Ok(Value::Null) };
    Ok(match kind.as_str() {
        "intValue" => Value::from(number(inner)?),
        "arrayValue" => Value::Array(list(inner, "values")?.iter().map(|value| json_any(value, depth + 1)).collect::<Result<_>>()?),
        "kvlistValue" => object(json_pairs(list(inner, "values")?, depth + 1)?),
        "stringValue" | "boolValue" | "doubleValue" | "bytesValue" => inner.clone(),
        _ => value.clone(),
    })
}

fn string(pairs: &Attributes, key: &str) -> Option<String> {
    pairs.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.as_str()).map(str::to_owned)
}

fn record<'a>(log: Log, shared: &Shared) -> Record<'a> {
    let host = string(&shared.resource, "host.name").unwrap_or_default();
    let source = string(&log.attributes, "log.file.path").or_else(|| string(&shared.resource, "service.name")).unwrap_or_default();
    let time = [log.time, log.observed].into_iter().find(|time| *time != 0).map(Timestamp);
    let bare = log.attributes.is_empty() && shared.resource.is_empty() && shared.scope.is_empty() && shared.scope_name.is_empty();
    let bare = bare && log.severity == 0 && [&log.severity_text, &log.event_name, &log.trace, &log.span].iter().all(|text| text.is_empty());
    let plain = match &log.body {
        Value::String(text) if bare => Some(Record::of(text.clone().into_bytes())),
        _ => None,
    };
    let record = plain.unwrap_or_else(|| Record::json(flat(log, shared)));
    Record { time, host: host.into(), source: source.into(), ..record }
}

fn flat(log: Log, shared: &Shared) -> Vec<u8> {
    let mut object = json::Object::default();
    if !log.body.is_null() {
        object.json("message", &log.body.to_string());
    }
    for (key, value) in [
        ("severity", &log.severity_text),
        ("event_name", &log.event_name),
        ("trace_id", &log.trace),
        ("span_id", &log.span),
        ("scope_name", &shared.scope_name),
    ] {
        if !value.is_empty() {
            object.text(key, value);
        }
    }
    for (key, value) in [("severity_number", log.severity), ("flags", log.flags as i64)] {
        if value != 0 {
            object.json(key, &value.to_string());
        }
    }
    for (prefix, pairs) in [("attributes", &log.attributes), ("scope", &shared.scope), ("resource", &shared.resource)] {
        for (key, value) in pairs {
            let taken = object.has(key).then(|| format!("{prefix}.{key}"));
            object.json(taken.as_deref().unwrap_or(key), &value.to_string());
        }
    }
    object.finish()
}

/// The answer of success, in protocol buffers: nothing is rejected.
pub const ACCEPTED: &[u8] = b"";

/// The answer of success in JSON.
pub fn accepted() -> Value {
    Value::Object(Map::from_iter([("partialSuccess".to_owned(), Value::Object(Map::new()))]))
}
