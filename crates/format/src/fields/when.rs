//! Rules that go by the fields of an event: what it is, and the names of the model for what it has under names of its own.
//!
//! They come last, over what the event says by itself, and go before that. A condition that depends on what a slot holds
//! makes the fields of its rule uncertain.

use super::collector::{Collector, Value};
use super::file::wildcard;
use crate::tape::{Span, Tape};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Values, and what they mean.
pub(super) type Meanings = Arc<BTreeMap<String, Arc<str>>>;

/// The conditions of a rule, and what it gives beside its constants.
#[derive(Debug)]
pub(super) struct When {
    /// A field, and the values of which it must have one; an empty one: it must not be there; `*`: it must.
    pub(super) conditions: Vec<(String, Vec<String>)>,
    /// A field, and those of which it is a copy, the first that is there.
    pub(super) copy: Vec<(String, Vec<String>)>,
    /// A field, the one that it is told from, and what its values mean.
    pub(super) map: Vec<(String, String, Meanings)>,
}

/// A cleaning function: what stands for nothing, or is written in another way, as everyone writes it.
pub(super) type Clean = fn(&[u8]) -> Option<String>;

/// The functions of `clean`.
pub(super) fn cleaner(name: &str) -> Option<Clean> {
    Some(match name {
        "address" => address,
        "lower" => |text| (!text.is_empty()).then(|| String::from_utf8_lossy(text).to_lowercase()),
        "first" => first,
        "hex" => hex,
        "labels" => labels,
        "nil" => nil,
        "account" => account,
        _ => return None,
    })
}

/// The names of the functions of `clean`, for people.
pub(super) const CLEANERS: &str = "account, address, first, hex, labels, lower, nil";

/// An empty text, `-`, `N/A`, `(null)` and the like are nothing.
fn nil(text: &[u8]) -> Option<String> {
    let nothing = matches!(text, b"" | b"-" | b"?" | b"(null)" | b"null" | b"N/A" | b"n/a" | b"none" | b"(none)" | b"<unknown>");
    (!nothing).then(|| String::from_utf8_lossy(text).into_owned())
}

/// An IPv4 address that is written as one of IPv6 is that; brackets around an address are none of it.
fn address(text: &[u8]) -> Option<String> {
    let text = nil(text)?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(&text);
    let four = bare.strip_prefix("::ffff:").or_else(|| bare.strip_prefix("::FFFF:")).filter(|rest| rest.contains('.'));
    Some(four.unwrap_or(bare).to_owned())
}

/// The audit daemon writes a name that has anything but plain letters in it as the hexadecimal digits of its bytes.
fn hex(text: &[u8]) -> Option<String> {
    let digits = text.len() >= 2 && text.len().is_multiple_of(2) && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
    if !digits {
        return nil(text);
    }
    let digit = |byte: u8| if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' + 10 };
    let bytes: Vec<u8> = text.chunks_exact(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1])).collect();
    Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
}

/// A name as the DNS server of Windows writes it, `(3)www(7)example(3)org(0)`, with dots.
fn labels(text: &[u8]) -> Option<String> {
    let text = nil(text)?;
    let labels: Vec<&str> = text.split(['(', ')']).skip(2).step_by(2).filter(|label| !label.is_empty()).collect();
    Some(if labels.is_empty() { text } else { labels.join(".") })
}

/// The first text of an array of JSON.
fn first(text: &[u8]) -> Option<String> {
    let inside = text.strip_prefix(b"[\"")?;
    let end = inside.iter().position(|byte| *byte == b'"')?;
    nil(&inside[..end])
}

/// An account without the domain before it.
fn account(text: &[u8]) -> Option<String> {
    let text = nil(text)?;
    Some(text.rsplit('\\').next().unwrap_or(&text).to_owned())
}

/// What a value means.
fn means(meanings: &BTreeMap<String, Arc<str>>, text: &str) -> Option<Arc<str>> {
    meanings.get(text).or_else(|| meanings.get("*")).cloned()
}

/// What is known of a condition.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    Unknown,
}

impl When {
    /// Fields that have to be known.
    pub(super) fn needs(&self) -> impl Iterator<Item = &str> {
        let conditions = self.conditions.iter().map(|(name, _)| name.as_str());
        let copied = self.copy.iter().flat_map(|(_, from)| from.iter().map(String::as_str));
        conditions.chain(copied).chain(self.map.iter().map(|(_, from, _)| from.as_str()))
    }

    /// Whether the rule holds; `None` where that depends on what a slot holds.
    pub(super) fn holds<T: Tape>(&self, tape: T, out: &Collector<'_>) -> Option<bool> {
        let mut all = Answer::Yes;
        for (field, wanted) in &self.conditions {
            match answer(tape, out, field, wanted) {
                Answer::No => return Some(false),
                Answer::Unknown => all = Answer::Unknown,
                Answer::Yes => {}
            }
        }
        (all == Answer::Yes).then_some(true)
    }

    /// Gives the fields, once the rule holds.
    pub(super) fn give<T: Tape>(&self, tape: T, at: usize, set: &[(String, Arc<str>)], clean: &[(String, Clean)], out: &mut Collector<'_>) {
        // How many attempts it was the event may say itself.
        for (name, value) in set.iter().filter(|(name, _)| name != "attempts") {
            out.mean(tape, name, Span::new(at, at), Value::Constant(value.clone()));
        }
        for (name, from, meanings) in &self.map {
            self.mapped(tape, name, from, meanings, out);
        }
        for (name, from) in &self.copy {
            let clean = clean.iter().find(|(field, _)| field == name).map_or(nil as Clean, |(_, clean)| *clean);
            copied(tape, name, from, clean, out);
        }
        if let Some((name, value)) = set.iter().find(|(name, _)| name == "attempts") {
            out.add(tape, name, Span::new(at, at), Value::Constant(value.clone()));
        }
    }

    fn mapped<T: Tape>(&self, tape: T, name: &str, from: &str, meanings: &Meanings, out: &mut Collector<'_>) {
        let Some(found) = out.find(from) else {
            if tape.is_undecided() || out.is_doubtful(from) {
                out.doubt(name);
            }
            return;
        };
        let (span, value) = (found.span, found.value.clone());
        if found.certain && tape.has_slot(span) && meanings.contains_key("*") {
            let meanings = Arc::clone(meanings);
            let made = move |bytes: &[u8]| value.of(bytes).and_then(|text| means(&meanings, &text)).map(|text| text.to_string());
            out.mean(tape, name, span, Value::Made(Arc::new(made)));
            return;
        }
        if found.certain && tape.has_slot(span) {
            let known = (meanings.clone(), value.clone());
            let meant = move |bytes: &[u8]| known.1.of(bytes).and_then(|text| means(&known.0, &text));
            let made = meant.clone();
            match tape.asked(span, move |bytes| Some(meant(bytes).is_some())) {
                Some(true) => out.mean(tape, name, span, Value::Made(Arc::new(move |bytes| made(bytes).map(|text| text.to_string())))),
                Some(false) => {}
                None => out.doubt(name),
            }
            return;
        }
        if !found.certain {
            out.doubt(name);
        }
        let Some(text) = tape.peek(span, |bytes| value.of(bytes)) else { return };
        if let Some(value) = text.and_then(|text| means(meanings, &text)) {
            out.mean(tape, name, span, Value::Constant(value));
        }
    }
}

fn copied<T: Tape>(tape: T, name: &str, all: &[String], clean: Clean, out: &mut Collector<'_>) {
    for (number, from) in all.iter().enumerate() {
        let Some(found) = out.find(from) else {
            // It may be there in some events.
            if tape.is_undecided() || out.is_doubtful(from) {
                out.doubt(name);
            }
            continue;
        };
        let (span, value, certain) = (found.span, found.value.clone(), found.certain);
        if !certain {
            out.doubt(name);
            return;
        }
        // The last one that may be there has the name even where what it holds stands for nothing.
        let may_be = |name: &String| tape.is_undecided() || out.is_doubtful(name) || out.find(name).is_some();
        if !all[number + 1..].iter().any(may_be) {
            out.mean(tape, name, span, value.then(clean));
            return;
        }
        if tape.has_slot(span) {
            let cleaned = value.clone().then(clean);
            let asked = cleaned.clone();
            match tape.asked(span, move |bytes| Some(asked.of(bytes).is_some())) {
                Some(true) => out.mean(tape, name, span, cleaned),
                Some(false) => continue,
                None => out.doubt(name),
            }
            return;
        }
        let made = tape.peek(span, |bytes| value.of(bytes)).flatten().and_then(|text| clean(text.as_bytes()));
        if let Some(text) = made {
            out.mean(tape, name, span, Value::Constant(text.into()));
            return;
        }
    }
}

fn answer<T: Tape>(tape: T, out: &Collector<'_>, field: &str, wanted: &[String]) -> Answer {
    let Some(found) = out.find(field) else {
        let may_be = tape.is_undecided() || out.is_doubtful(field);
        return match wanted.iter().any(String::is_empty) {
            _ if may_be => Answer::Unknown,
            true => Answer::Yes,
            false => Answer::No,
        };
    };
    if !found.certain {
        return Answer::Unknown;
    }
    let yes = |text: Option<&str>, wanted: &[String]| match text {
        None | Some("") => wanted.iter().any(String::is_empty),
        Some(text) => wanted.iter().any(|wanted| !wanted.is_empty() && wildcard(wanted, text)),
    };
    let answer = |yes: bool| if yes { Answer::Yes } else { Answer::No };
    if let Some(text) = tape.peek(found.span, |bytes| found.value.of(bytes)) {
        return answer(yes(text.as_deref(), wanted));
    }
    if matches!(found.value, Value::Text) && tape.is_word(found.span) && wanted.iter().any(|wanted| wanted == "*") {
        return Answer::Yes;
    }
    let (value, wanted) = (found.value.clone(), wanted.to_vec());
    tape.asked(found.span, move |bytes| Some(yes(value.of(bytes).as_deref(), &wanted))).map_or(Answer::Unknown, answer)
}
