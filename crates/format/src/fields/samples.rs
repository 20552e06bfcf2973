//! Runs the samples of a format file.

use super::Formats;
use super::file::{Fault, File, FormatFile, Sample, line_of};
use crate::{EventBreaker, Frame, TimeFinder};
use std::sync::Arc;
use taffrail_event::Timestamp;

/// The faults of a file whose samples have not the fields that it says.
pub(super) fn run(file: &Arc<FormatFile>, text: &str, written: &File) -> Vec<Fault> {
    if written.sample.is_empty() {
        return Vec::new();
    }
    let formats = Formats::new().with([Arc::clone(file)]);
    let mut faults = Vec::new();
    for sample in &written.sample {
        let line = line_of(text, sample.span().start);
        faults.extend(wrong_time(file, sample.get_ref()).map(|message| Fault { line, message }));
        faults.extend(wrong_fields(&formats, written, sample.get_ref()).into_iter().map(|message| Fault { line, message }));
    }
    faults
}

/// The faults of a file whose streams are cut into other events than it says.
pub(super) fn run_streams(file: &FormatFile, text: &str, written: &File) -> Vec<Fault> {
    let Some(rule) = &file.event else { return Vec::new() };
    let each = written.stream.iter().filter_map(|stream| {
        let mut breaker = EventBreaker::new();
        breaker.set_rule(Some(rule).filter(|rule| !rule.is_each_line()), |_| {});
        let mut lines = Vec::new();
        let mut count = |frame: Frame<'_>| lines.push(memchr::memchr_iter(b'\n', frame.raw).count() + 1);
        breaker.push(stream.get_ref().text.as_bytes(), &mut count);
        breaker.finish(&mut count);
        let message = || format!("the lines make events of {lines:?} lines, not of {:?}", stream.get_ref().lines);
        (lines != stream.get_ref().lines).then(|| Fault { line: line_of(text, stream.span().start), message: message() })
    });
    each.collect()
}

/// What the time of a sample is instead, if it says one.
fn wrong_time(file: &FormatFile, sample: &Sample) -> Option<String> {
    let written = sample.time.as_deref()?;
    let Some(want) = written.parse::<jiff::Timestamp>().ok().and_then(|time| i64::try_from(time.as_nanosecond()).ok()) else {
        return Some(format!("time = {written:?} is no time: write it as 2026-11-21T21:14:03Z"));
    };
    // Received an hour later: so years that are missing come out as they should.
    let received = Timestamp(want.saturating_add(3_600_000_000_000));
    let mut times = TimeFinder::new(file.time.as_ref().and_then(|rule| rule.zone()).cloned().unwrap_or_default());
    let raw = sample.line.as_bytes();
    let ruled = file.time.as_ref().and_then(|rule| rule.find(raw, &mut times, received));
    let found = ruled.map(|(time, _)| time).or_else(|| times.find(raw, received).map(|found| found.time));
    match found {
        Some(found) if found.0 == want => None,
        Some(found) => Some(format!("the time of the sample is {found}, not {written}")),
        None => Some(format!("the sample has no time, it should be {written}")),
    }
}

/// The sourcetype of a sample: its own, else the first of its file. A `*` in the name stands for something; what it makes fits as well.
pub(super) fn sourcetype_of(file: &File, sample: &Sample) -> String {
    let named = file.sourcetypes.first().map(|name| name.replace('*', "x"));
    sample.sourcetype.clone().or(named).unwrap_or_else(|| "syslog".to_owned())
}

/// What the fields of a sample are instead.
pub(super) fn wrong_fields(formats: &Formats, written: &File, sample: &Sample) -> Vec<String> {
    let sourcetype = sourcetype_of(written, sample);
    let found = taffrail_pattern::FieldResolver::fields_of_event(formats, &sourcetype, sample.line.as_bytes());
    let wrong = sample.fields.iter().filter_map(|(field, want)| {
        let value = found.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str());
        match (value, want.as_str()) {
            (None, "") => None,
            (Some(value), want) if value == want => None,
            (Some(value), "") => Some(format!("the sample has {field}={value:?}, and should not have it")),
            (Some(value), want) => Some(format!("the sample has {field}={value:?}, not {want:?}")),
            (None, want) => Some(format!("the sample has no {field}, it should be {want:?}")),
        }
    });
    let mut wrong: Vec<String> = wrong.collect();
    let (is, should) = (found.iter().find(|(name, _)| name == "tag").map(|(_, value)| value.as_str()), sample.kind.as_deref());
    if is != should && (should.is_some() || written.has_types()) {
        wrong.push(format!("the sample is of type {}, not {}", is.unwrap_or("none"), should.unwrap_or("none")));
    }
    wrong
}
