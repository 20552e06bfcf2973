//! Logs as Datadog's agents send them: an array of objects, or objects one behind the other.
//!
//! Each object is an event, as it stands. Its host is `hostname`, its source `ddsource`, else `service`; its time is the
//! `timestamp` or `date` in it.

use super::{Intake, invalid, utf8};
use crate::records::{Record, json};
use taffrail_base::Result;

/// Takes the objects of a body. An error takes nothing.
pub fn logs(body: &[u8], intake: &mut Intake) -> Result<usize> {
    let text = utf8(body)?;
    let (values, end) = json::values(text);
    if end < text.len() {
        return Err(invalid(format!("byte {end} of the body is where it stops being JSON")));
    }
    let all: Vec<&str> =
        values.into_iter().flat_map(|value| if value.starts_with('[') { json::elements(value).collect() } else { vec![value] }).collect();
    if let Some(at) = all.iter().position(|value| !json::is_object(value)) {
        return Err(invalid(format!("entry {at} of the body is no object")));
    }
    for object in &all {
        let named = |name| json::member(object, name).and_then(json::text);
        let record = Record {
            host: named("hostname").or_else(|| named("host")).unwrap_or_default(),
            source: named("ddsource").or_else(|| named("service")).unwrap_or_default(),
            ..Record::json(object.as_bytes())
        };
        intake.push(&record);
    }
    Ok(all.len())
}
