//! The lines that are learnt from: cut into events, with their time found.

use super::lines::{Lines, cut};
use super::rows::RECEIVED;
use super::{TimeFound, Unlearnable};
use crate::{Formats, Rule, TimeFinder, detect, syslog};
use std::collections::BTreeSet;
use taffrail_base::limits::{LEARN_BYTES_MAX, LEARN_EVENT_BYTES_MAX, LEARN_LINES_MAX};
use taffrail_event::{Problems, Timestamp};
use taffrail_pattern::FieldResolver;

/// An event that is learnt from.
#[derive(Debug)]
pub(super) struct Event {
    /// All of it.
    pub whole: String,
    /// Where the message begins and ends, behind the header of syslog.
    pub message: std::ops::Range<usize>,
}

impl Event {
    /// The message.
    pub(super) fn message(&self) -> &str {
        &self.whole[self.message.clone()]
    }
}

/// Lines that are learnt from.
#[derive(Debug)]
pub(super) struct Sample {
    /// The sourcetype that they have by themselves.
    pub sourcetype: &'static str,
    /// The programs that syslog names.
    pub apps: BTreeSet<String>,
    pub lines: usize,
    pub events: Vec<Event>,
    pub time: Option<TimeFound>,
    /// What is proposed for lines that belong together.
    pub together: Option<Lines>,
    pub notes: Vec<String>,
}

/// Programs that a file names; of more the messages are not of one kind.
const APPS_MAX: usize = 16;

/// Bytes by which it is told whether something is text.
const PROBE_BYTES: usize = 64 * 1024;

impl Sample {
    /// The events of lines, or why there is nothing to learn from them.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, Unlearnable> {
        check_text(bytes)?;
        let mut notes = Vec::new();
        let bytes = first_part(bytes, &mut notes);
        check_array(bytes)?;
        let sourcetype = detect(bytes);
        if !["text", "syslog", "json"].contains(&sourcetype) {
            return Err(Unlearnable::new(
                format!("the lines are of the sourcetype `{sourcetype}`, which is known"),
                "its fields are found without a format: import the lines and search",
            ));
        }
        let mut this = Self { sourcetype, apps: BTreeSet::new(), lines: 0, events: Vec::new(), time: None, together: None, notes };
        this.lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
        let (mut long, mut odd, mut known) = (0, 0, 0);
        this.together = Lines::of(bytes, sourcetype);
        let usual = Rule::of(sourcetype);
        for event in cut(bytes, this.together.as_ref().map(|lines| &lines.rule).or(usual.as_ref()))
            .into_iter()
            .filter(|event| !event.trim_ascii().is_empty())
        {
            if event.len() > LEARN_EVENT_BYTES_MAX {
                long += 1;
                continue;
            }
            let Ok(whole) = String::from_utf8(event) else {
                odd += 1;
                continue;
            };
            if !this.add(whole) {
                known += 1;
            }
        }
        let mut note = |count: usize, what: &str| {
            if count > 0 {
                this.notes.push(format!("{count} {} {what}", if count == 1 { "event" } else { "events" }));
            }
        };
        note(long, "of more than 64 KiB were not looked at");
        note(odd, "that are not UTF-8 were not looked at");
        note(known, "that a built-in format tells already were left out");
        if this.events.is_empty() {
            return Err(match known > 0 {
                true => {
                    Unlearnable::new("built-in formats tell all of these lines already", "import them and search, for instance for `tag=*`")
                }
                false => Unlearnable::new(
                    "there is no event to learn from: all are longer than 64 KiB or not UTF-8",
                    "give some tens of lines of text",
                ),
            });
        }
        this.time = this.find_time();
        Ok(this)
    }

    /// Adds an event, unless a built-in format tells what it is.
    fn add(&mut self, whole: String) -> bool {
        let mut message = 0..whole.len();
        if self.sourcetype == "syslog" {
            let header = syslog::header(whole.as_bytes());
            let found = header.message.range();
            if Formats::new().fields_of_event("syslog", whole.as_bytes()).iter().any(|(name, _)| name == "tag") {
                return false;
            }
            if whole.is_char_boundary(found.start) && whole.is_char_boundary(found.end) {
                message = found;
            }
            let app = header.app.and_then(|app| whole.get(app.range())).unwrap_or_default();
            if self.apps.len() <= APPS_MAX {
                self.apps.insert(app.to_owned());
            }
        }
        self.events.push(Event { whole, message });
        true
    }

    /// Whether the file is for messages of programs rather than for a sourcetype of its own.
    pub(super) fn by_app(&self) -> bool {
        self.sourcetype == "syslog"
    }

    /// The programs, if they are few.
    pub(super) fn few_apps(&self) -> Option<&BTreeSet<String>> {
        Some(&self.apps).filter(|apps| self.by_app() && apps.len() <= APPS_MAX)
    }

    fn find_time(&self) -> Option<TimeFound> {
        let mut times = TimeFinder::default();
        let mut time = TimeFound { example: String::new(), events: 0, at_start: true, inferred: false };
        for event in &self.events {
            let Some(found) = times.find(event.whole.as_bytes(), Timestamp(RECEIVED)) else { continue };
            if found.problems.contains(Problems::BAD_TIME) {
                continue;
            }
            if time.events == 0 {
                time.example = event.whole.get(found.start..found.end).unwrap_or_default().to_owned();
            }
            time.events += 1;
            time.at_start &= found.start <= 1;
            time.inferred |= found.problems.contains(Problems::INFERRED_TIME);
        }
        // A time in one event of many is one that it speaks of.
        (time.events * 4 >= self.events.len()).then_some(time)
    }
}

/// A list of JSON is one value, whatever lines it has.
fn check_array(bytes: &[u8]) -> Result<(), Unlearnable> {
    let text = bytes.trim_ascii();
    if !text.starts_with(b"[") || serde_json::from_slice::<Vec<serde_json::Map<String, serde_json::Value>>>(text).is_err() {
        return Ok(());
    }
    Err(Unlearnable::new(
        "this is one list of JSON objects, not an event a line",
        "write its objects one below the other, for instance with `jq -c '.[]'`",
    ))
}

fn check_text(bytes: &[u8]) -> Result<(), Unlearnable> {
    const LINES: &str = "give about 100 lines of a log";
    if bytes.trim_ascii().is_empty() {
        return Err(Unlearnable::new("there are no lines", LINES));
    }
    let probe = &bytes[..bytes.len().min(PROBE_BYTES)];
    if probe.starts_with(b"\xff\xfe") || probe.starts_with(b"\xfe\xff") {
        return Err(Unlearnable::new("this is UTF-16", "write it as UTF-8, for instance with `iconv -f UTF-16 -t UTF-8`"));
    }
    for (magic, what) in [(&b"\x1f\x8b"[..], "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"PK\x03\x04", "zip"), (b"\xfd7zXZ", "xz")] {
        if probe.starts_with(magic) {
            return Err(Unlearnable::new(format!("this is compressed ({what})"), "unpack it first"));
        }
    }
    let control = probe.iter().filter(|byte| **byte < 32 && !b"\t\r\n\x1b\x0c".contains(byte)).count();
    let nul = memchr::memchr(0, probe).is_some();
    if nul || control * 100 > probe.len() {
        return Err(Unlearnable::new("this is not text: it has bytes that no line has", LINES));
    }
    Ok(())
}

/// As much as is learnt from, in whole lines.
fn first_part<'b>(bytes: &'b [u8], notes: &mut Vec<String>) -> &'b [u8] {
    let mut part = &bytes[..bytes.len().min(LEARN_BYTES_MAX)];
    if part.len() < bytes.len()
        && let Some(end) = memchr::memrchr(b'\n', part)
    {
        part = &part[..end + 1];
    }
    if let Some(end) = memchr::memchr_iter(b'\n', part).nth(LEARN_LINES_MAX - 1) {
        part = &part[..end + 1];
    }
    if part.len() < bytes.len() {
        notes.push(format!("only the first {} bytes were looked at", part.len()));
    }
    part
}
