//! Splunk's HTTP event collector: JSON objects one behind the other (or in an array), each an envelope around an event.
//!
//! The bytes of an event are those of `event`: of a text its characters, of anything else its JSON as it stood. `fields`
//! are added to it; a text with `fields` becomes an object with the text as `message`.

use super::Intake;
use crate::records::{Record, epoch, json};
use std::borrow::Cow;
use taffrail_event::Origin;

/// What is wrong with a body, as the protocol numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The protocol's code.
    pub code: u16,
    /// What it says.
    pub text: &'static str,
    /// Which event of the body it is, the first being 0.
    pub event: Option<usize>,
}

const NO_DATA: (u16, &str) = (5, "No data");
const BAD_FORMAT: (u16, &str) = (6, "Invalid data format");
const BAD_INDEX: (u16, &str) = (7, "Incorrect index");
const NO_EVENT: (u16, &str) = (12, "Event field is required");
const BLANK_EVENT: (u16, &str) = (13, "Event field cannot be blank");
const BAD_FIELDS: (u16, &str) = (15, "Error in handling indexed fields");

/// Takes the events of a body and says how many there were, and what was wrong with the one behind the last of them:
/// those before it are taken all the same, as the protocol has it.
pub fn events(body: &[u8], intake: &mut Intake) -> (usize, Option<Refusal>) {
    let refusal = |(code, text): (u16, &'static str), event| Some(Refusal { code, text, event });
    let Ok(text) = std::str::from_utf8(body) else { return (0, refusal(BAD_FORMAT, Some(0))) };
    let (values, end) = json::values(text);
    let mut taken = 0;
    for value in values {
        let inner: Vec<&str> = if value.starts_with('[') { json::elements(value).collect() } else { vec![value] };
        for envelope in inner {
            match record(envelope) {
                Ok(record) => intake.push(&record),
                Err(wrong) => return (taken, refusal(wrong, Some(taken))),
            }
            taken += 1;
        }
    }
    if end < text.len() {
        return (taken, refusal(BAD_FORMAT, Some(taken)));
    }
    if taken == 0 {
        return (0, refusal(NO_DATA, None));
    }
    (taken, None)
}

fn record(envelope: &str) -> Result<Record<'_>, (u16, &'static str)> {
    if !json::is_object(envelope) {
        return Err(BAD_FORMAT);
    }
    let (mut record, mut event, mut fields) = (Record::default(), None, None);
    for (key, value) in json::members(envelope) {
        let named = || json::scalar(value).unwrap_or_default();
        match json::text(key).as_deref() {
            // A time that cannot be read is looked for in the event.
            Some("time") => record.time = json::scalar(value).and_then(|time| epoch(&time)),
            Some("host") => record.host = named(),
            Some("source") => record.source = named(),
            Some("sourcetype") => record.sourcetype = named(),
            Some("index") => record.index = named(),
            Some("event") => event = Some(value),
            Some("fields") => fields = Some(value),
            _ => {}
        }
    }
    if !record.index.is_empty() && !Origin::check_index(&record.index) {
        return Err(BAD_INDEX);
    }
    let fields = fields.filter(|fields| *fields != "null");
    if fields.is_some_and(|fields| !json::is_object(fields)) {
        return Err(BAD_FIELDS);
    }
    let event = event.filter(|event| *event != "null").ok_or(NO_EVENT)?;
    let text = json::text(event);
    if event == "\"\"" {
        return Err(BLANK_EVENT);
    }
    let is_json = text.is_none() || fields.is_some();
    record.raw = match fields.filter(|fields| json::members(fields).next().is_some()) {
        None => text.map_or(Cow::Borrowed(event.as_bytes()), |text| match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }),
        Some(fields) => {
            let mut object = json::Object::default();
            match json::is_object(event) {
                true => object.all(event),
                false => object.json("message", event),
            }
            object.all(fields);
            Cow::Owned(object.finish())
        }
    };
    // What the sender calls it holds, unless it became JSON only here.
    let wrapped = fields.is_some() && !json::is_object(event);
    if wrapped || (is_json && record.sourcetype.is_empty()) {
        record.sourcetype = "json".into();
    }
    Ok(record)
}
