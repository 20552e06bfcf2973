//! How far a source has come with a subscription: its bookmark, the last record of each of its channels, and which events its
//! last envelope held. It is kept as a position, durable together with the events, and tells which events come again, which are
//! missing, and where a log was cleared or began anew. Pure.
//!
//! **What is known of a gap.** Windows numbers the records of a channel. Where a subscription asks for all of them, a
//! number left out is an event that is missing: the log had gone around before it was sent, or was cleared. Where it
//! asks for some, a number left out says nothing, and nothing is said. A number that is not larger than the last one is a log that was
//! begun anew if its time is later; otherwise the source sends again what it had sent. Of events that a source has gathered
//! from other machines nothing is known: what asks for them is not ours.

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;
use taffrail_base::limits::{WEF_BOOKMARK_BYTES_MAX, WEF_CHANNELS_MAX, WEF_RECENT_EVENTS_MAX};

/// Bytes of the name of a channel.
const CHANNEL_BYTES_MAX: usize = 255;

/// What an event says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The log that it stands in.
    pub channel: String,
    /// Its number there.
    pub record: Option<u64>,
    /// Its time, as it stands there.
    pub time: String,
    /// The machine that it is of.
    pub computer: String,
    /// The log that was cleared, if that is what it says.
    pub cleared: Option<String>,
    /// A check sum of all of it.
    pub sum: u64,
}

impl Facts {
    /// Reads them; what cannot be read is empty.
    pub fn of(event: &str) -> Self {
        let sum = u64::from_le_bytes(blake3::hash(event.as_bytes()).as_bytes()[..8].try_into().unwrap_or_default());
        let Some((system, rest)) = split(event, "<System", "</System>") else { return Self { sum, ..Self::default() } };
        let text = |name: &str| element(system, name).unwrap_or_default().to_owned();
        let channel = text("Channel");
        let cleared = match element(system, "EventID") {
            Some("1102") if channel.eq_ignore_ascii_case("Security") => Some(channel.clone()),
            Some("104") if rest.contains("<LogFileCleared") => element(rest, "Channel").map(str::to_owned),
            _ => None,
        };
        Self {
            record: element(system, "EventRecordID").and_then(|number| number.parse().ok()),
            time: attribute(system, "<TimeCreated", "SystemTime=").unwrap_or_default().to_owned(),
            computer: text("Computer"),
            channel,
            cleared,
            sum,
        }
    }
}

/// What is between the first `open` and the first `close` behind it, and what is behind that.
fn split<'a>(text: &'a str, open: &str, close: &str) -> Option<(&'a str, &'a str)> {
    let inside = &text[text.find(open)? + open.len()..];
    let end = inside.find(close)?;
    Some((&inside[..end], &inside[end + close.len()..]))
}

/// The text of the first element of this name.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text;
    loop {
        rest = &rest[rest.find(&format!("<{name}"))? + name.len() + 1..];
        match rest.as_bytes().first()? {
            b'>' | b' ' | b'\t' | b'\r' | b'\n' => break,
            _ => {}
        }
    }
    let inside = &rest[rest.find('>')? + 1..];
    Some(inside[..inside.find('<')?].trim())
}

/// An attribute of the first element that begins like this.
fn attribute<'a>(text: &'a str, element: &str, name: &str) -> Option<&'a str> {
    let (tag, _) = split(text, element, ">")?;
    let value = &tag[tag.find(name)? + name.len()..];
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    value[1..].split(quote).next()
}

/// The last record of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Last {
    record: u64,
    time: String,
}

/// See the top of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// What the source has last said of how far it is.
    pub bookmark: Option<String>,
    channels: BTreeMap<String, Last>,
    /// Check sums of the events of the last envelope, in hexadecimal.
    recent: String,
}

/// What is to be said of an envelope once it is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Whether each of its events is there already.
    pub repeated: Vec<bool>,
    /// Events that are missing.
    pub missing: u64,
    /// What happened.
    pub notes: Vec<Note>,
}

/// Something that happened to the records of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What it is called where it is kept as an event; nothing if it is only to be said.
    pub action: Option<&'static str>,
    /// It, in words.
    pub text: String,
    /// Events that are concerned.
    pub events: u64,
}

impl Note {
    /// Something that is kept as an event.
    pub fn kept(action: &'static str, events: u64, text: String) -> Self {
        Self { action: Some(action), text, events }
    }

    /// Something that is only said.
    pub fn said(text: String) -> Self {
        Self { action: None, text, events: 0 }
    }
}

impl Progress {
    /// From a position.
    pub fn of(position: Option<Vec<u8>>) -> Self {
        position.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default()
    }

    /// As a position.
    pub fn position(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Takes what the source says of how far it is. False if that is too long to be kept.
    pub fn set_bookmark(&mut self, bookmark: &str) -> bool {
        let fits = bookmark.len() <= WEF_BOOKMARK_BYTES_MAX;
        if fits {
            self.bookmark = Some(bookmark.to_owned());
        }
        fits
    }

    /// Goes on by the events of an envelope. `is_own` tells the names of the source itself, `is_whole` channels of which every event
    /// is asked for.
    pub fn advance(&mut self, events: &[Facts], is_own: impl Fn(&str) -> bool, is_whole: impl Fn(&str) -> bool) -> Findings {
        let before = self.recent();
        let mut findings = Findings::default();
        for event in events {
            let repeated = event.record.is_some() && before.contains(&event.sum);
            findings.repeated.push(repeated);
            if repeated {
                continue;
            }
            if let Some(cleared) = &event.cleared {
                let (record, Facts { channel, computer, .. }) = (event.record.unwrap_or_default(), event);
                let text = format!("the log {cleared} of {computer} was cleared, as record {record} of {channel} says");
                findings.notes.push(Note::kept("log_cleared", 0, text));
            }
            if is_own(&event.computer) {
                self.step(event, &is_whole, &mut findings);
            }
        }
        let numbered: Vec<u64> = events.iter().filter(|event| event.record.is_some()).map(|event| event.sum).collect();
        if !numbered.is_empty() {
            self.recent.clear();
            for sum in &numbered[numbered.len().saturating_sub(WEF_RECENT_EVENTS_MAX)..] {
                let _ = write!(self.recent, "{sum:016x}");
            }
        }
        findings
    }

    fn recent(&self) -> FxHashSet<u64> {
        let sums = self.recent.as_bytes().chunks(16);
        sums.filter_map(|sum| u64::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()).collect()
    }

    fn step(&mut self, event: &Facts, is_whole: &impl Fn(&str) -> bool, findings: &mut Findings) {
        let channel = &event.channel;
        let Some(record) = event.record.filter(|_| !channel.is_empty() && channel.len() <= CHANNEL_BYTES_MAX) else { return };
        let now = Last { record, time: event.time.trim_end_matches('Z').to_owned() };
        let Some(last) = self.channels.get_mut(channel) else {
            if self.channels.len() < WEF_CHANNELS_MAX {
                self.channels.insert(channel.clone(), now);
            }
            return;
        };
        if record > last.record {
            let missing = record - last.record - 1;
            if missing > 0 && is_whole(channel) {
                findings.missing = findings.missing.saturating_add(missing);
                let text = format!("{missing} records of {channel} are missing between {} and {record}", last.record);
                findings.notes.push(Note::kept("records_missing", missing, text));
            }
        } else if now.time > last.time {
            // Times have the same form, so the later one is the greater one, whatever its fraction.
            let text = format!("the records of {channel} begin again: {record} comes behind {}", last.record);
            findings.notes.push(Note::kept("records_restarted", 0, text));
        } else {
            // Said once for all that follow.
            let text = format!("records of {channel} come again and are kept twice");
            match findings.notes.iter_mut().find(|note| note.text == text) {
                Some(note) => note.events += 1,
                None => findings.notes.push(Note::kept("records_repeated", 1, text)),
            }
            return;
        }
        *last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(channel: &str, record: u64, time: &str) -> Facts {
        Facts::of(&format!(
            "<Event><System><EventID Qualifiers='0'>7</EventID><TimeCreated SystemTime='2026-11-22T{time}Z'/>\
             <EventRecordID>{record}</EventRecordID><Channel>{channel}</Channel><Computer>ws7</Computer></System></Event>"
        ))
    }

    fn run(progress: &mut Progress, events: &[Facts]) -> (Vec<bool>, u64, Vec<String>) {
        let findings = progress.advance(events, |computer| computer == "ws7", |channel| channel == "System");
        // As after a restart.
        *progress = Progress::of(Some(progress.position()));
        (findings.repeated, findings.missing, findings.notes.into_iter().map(|note| note.text).collect())
    }

    #[test]
    fn facts_of_events() {
        let facts = event("System", 12, "10:00:00.5");
        assert_eq!((&*facts.channel, facts.record, &*facts.time, &*facts.computer), ("System", Some(12), "2026-11-22T10:00:00.5Z", "ws7"));
        let security = "<Event xmlns=\"x\">\n<System>\n<EventID>1102</EventID><EventRecordIDs>3</EventRecordIDs><EventRecordID>4</EventRecordID>\
             <Channel>Security</Channel></System><UserData/></Event>";
        let facts = Facts::of(security);
        assert_eq!((facts.cleared.as_deref(), facts.record), (Some("Security"), Some(4)));
        let system = "<Event><System><EventID>104</EventID><Channel>System</Channel></System><UserData>\
             <LogFileCleared xmlns='y'><SubjectUserName>a</SubjectUserName><Channel>Application</Channel></LogFileCleared></UserData></Event>";
        assert_eq!(Facts::of(system).cleared.as_deref(), Some("Application"));
        for text in [
            "",
            "x",
            "<System",
            "<System></System>",
            "<System><Channel></System>",
            "<System><Channel>a</System>",
            "<System><TimeCreated SystemTime=></System>",
        ] {
            assert_eq!(Facts::of(text).record, None, "{text}");
        }
    }

    #[test]
    fn gaps_are_told_where_they_can_be_known() {
        let mut progress = Progress::default();
        let first = [event("System", 100, "10:00:00"), event("Security", 7, "10:00:00")];
        assert_eq!(run(&mut progress, &first), (vec![false, false], 0, vec![]), "the first of all has none before it");
        let next = [event("System", 101, "10:00:01"), event("Security", 90, "10:00:01"), event("System", 105, "10:00:02")];
        let (_, missing, notes) = run(&mut progress, &next);
        assert_eq!((missing, notes), (3, vec!["3 records of System are missing between 101 and 105".to_owned()]));
        // Of a machine that the source gathers from nothing is known.
        let gathered = [Facts { computer: "dc1".into(), ..event("System", 900, "10:00:03") }, event("System", 106, "10:00:04")];
        assert_eq!(run(&mut progress, &gathered).1, 0);
    }

    #[test]
    fn events_that_come_again_are_known() {
        let mut progress = Progress::default();
        let mut batch = vec![event("System", 1, "10:00:00"), event("System", 2, "10:00:01"), Facts::of("<Event/>")];
        assert_eq!(run(&mut progress, &batch).0, [false; 3]);
        // The answer was lost: it sends all of it again, and more.
        batch.push(event("System", 3, "10:00:02"));
        assert_eq!(run(&mut progress, &batch), (vec![true, true, false, false], 0, vec![]), "what has no number is not told from another");
        // An envelope without numbered events is none to forget the last one for.
        run(&mut progress, &[Facts::of("<Event/>")]);
        assert_eq!(run(&mut progress, &batch[3..]).0, [true]);
        // The same number with something else in it is another event, later or not.
        let again = [event("System", 2, "10:00:01.5"), event("System", 1, "10:00:01")];
        let (repeated, missing, notes) = run(&mut progress, &again);
        assert_eq!((repeated, missing, notes), (vec![false, false], 0, vec!["records of System come again and are kept twice".to_owned()]));
        assert_eq!(run(&mut progress, &[event("System", 4, "10:00:03")]).1, 0);
    }

    #[test]
    fn a_log_that_begins_again_is_no_gap() {
        let mut progress = Progress::default();
        run(&mut progress, &[event("System", 5_000, "10:00:00.25")]);
        let cleared = Facts { cleared: Some("System".into()), ..event("System", 1, "10:00:00.3") };
        let (_, missing, notes) = run(&mut progress, &[cleared, event("System", 2, "10:00:00.9999999")]);
        assert_eq!(
            (missing, notes),
            (
                0,
                vec![
                    "the log System of ws7 was cleared, as record 1 of System says".to_owned(),
                    "the records of System begin again: 1 comes behind 5000".to_owned()
                ]
            )
        );
        assert_eq!(run(&mut progress, &[event("System", 4, "10:00:02")]).1, 1);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut progress = Progress::default();
        assert!(progress.set_bookmark("<BookmarkList/>") && !progress.set_bookmark(&"x".repeat(WEF_BOOKMARK_BYTES_MAX + 1)));
        let many: Vec<Facts> = (0..20_000).map(|n| event(&format!("channel {n}"), n, "10:00:00")).collect();
        progress.advance(&many, |_| true, |_| true);
        assert_eq!((progress.channels.len(), progress.recent.len()), (WEF_CHANNELS_MAX, WEF_RECENT_EVENTS_MAX * 16));
        assert_eq!(Progress::of(Some(b"damaged".to_vec())), Progress::default());
        assert_eq!(Progress::of(Some(progress.position())).bookmark.as_deref(), Some("<BookmarkList/>"));
    }
}
