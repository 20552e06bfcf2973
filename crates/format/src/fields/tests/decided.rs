//! What the shipped formats decide once per pattern, and what they leave to each event.

use super::packs::under_test;
use super::*;
use crate::fields::file::Sample;
use std::collections::BTreeMap;

/// Fields whose values are others in each event.
const VARY: [&str; 33] = [
    "user",
    "src_user",
    "src",
    "src_host",
    "src_port",
    "dest",
    "dest_host",
    "dest_port",
    "src_nat",
    "dest_nat",
    "url",
    "uri_path",
    "file",
    "object",
    "pid",
    "procid",
    "bytes",
    "bytes_in",
    "bytes_out",
    "packets",
    "duration",
    "session",
    "session_id",
    "sender",
    "recipient",
    "subject",
    "query",
    "answer",
    "useragent",
    "message_id",
    "src_mac",
    "command",
    "attempts",
];

/// Whether a token is nothing but digits, an address or an identifier.
fn is_figure(token: &str) -> bool {
    let figure = |byte: u8| byte.is_ascii_hexdigit() || b".:-/_+%".contains(&byte);
    token.len() > 1 && !is_version(token) && token.bytes().any(|byte| byte.is_ascii_digit()) && token.bytes().all(figure)
}

fn is_version(token: &str) -> bool {
    token.len() <= 6 && token.contains('.') && token.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// The pattern that events like a sample come to: slots for figures and for what varies, but not for what rules ask for.
pub(super) fn pattern_of_sample(file: &str, sample: &Sample) -> (Pattern, Vec<Vec<u8>>) {
    let line = sample.line.as_bytes();
    let (mut tokens, mut shape) = (Vec::new(), Vec::new());
    assert!(split::split(line, &mut tokens, &mut shape, 100_000));
    // A priority, and what makes a time of several words.
    let before = tokens.iter().position(|token| token.kind == SlotKind::Time).filter(|at| *at < 4).unwrap_or(0);
    let vary: Vec<&str> =
        VARY.iter().filter_map(|name| sample.fields.get(*name)).map(String::as_str).filter(|value| value.len() > 1).collect();
    pattern_of(line, |number| {
        let token = String::from_utf8_lossy(tokens[number].of(line)).into_owned();
        let varies = token.len() > 1
            && vary.iter().any(|value| value.split(|c: char| split::is_delimiter(c as u8)).any(|part| part == token) || **value == *token);
        let asked_for = token.len() > 2 && file.contains(token.as_str());
        let in_head = number < before;
        !in_head && (varies || tokens[number].kind == SlotKind::Time || (is_figure(&token) && !asked_for))
    })
}

fn texts() -> BTreeMap<String, String> {
    let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    builtin::texts().map(|(name, rules)| text(name, rules)).collect()
}

/// Nearly all are, with the values of the sample: what rules ask of a slot, its guard asks of the others.
#[test]
fn most_fields_of_the_samples_are_decided_once() {
    let (files, formats) = under_test();
    let texts = texts();
    let (mut decided, mut asked) = (0_usize, 0_usize);
    let mut left = BTreeMap::<&str, (usize, usize, Vec<String>)>::new();
    for (name, file) in &files {
        let rules = texts.get(name).map_or("", String::as_str);
        for sample in &file.sample {
            let (sample, of_file) = (sample.get_ref(), left.entry(name).or_default());
            let sourcetype = samples::sourcetype_of(file, sample);
            let (pattern, values) = pattern_of_sample(rules, sample);
            let mut held = held_by(&pattern, &[&values]);
            held.iter_mut().zip(&values).for_each(|(held, value)| held.sample = Some(value.as_slice().into()));
            let listed = formats.fields(&sourcetype, &pattern, &held);
            let has = formats.fields_of_event(&sourcetype, sample.line.as_bytes());
            let has = |name: &str| has.iter().any(|(known, _)| known == name);
            let mut per_event: Vec<&String> = listed
                .iter()
                .filter(|(_, plan)| matches!(plan, FieldPlan::PerEvent(..)))
                .map(|(name, _)| name)
                .filter(|name| has(name) && formats.guarded(&sourcetype, &pattern, &held, name).is_none())
                .collect();
            let varies = "and what nobody knows".to_owned();
            if formats.fields_vary(&sourcetype, &pattern, &held) {
                per_event.push(&varies);
            }
            let count = listed.iter().filter(|(name, _)| has(name)).count() + 1;
            asked += count;
            decided += count - per_event.len();
            of_file.0 += count - per_event.len();
            of_file.1 += count;
            if !per_event.is_empty() {
                of_file.2.push(format!("{per_event:?} of {} by {:?}", pattern_shown(&pattern), hiding(&formats, &sourcetype, &pattern)));
            }
        }
    }
    let share = decided as f64 / asked as f64;
    for (name, (decided, asked, faults)) in &left {
        eprintln!("{name}: {decided} of {asked}");
        faults.iter().for_each(|fault| eprintln!("    {fault}"));
    }
    eprintln!("{decided} of {asked}: {:.2} %", share * 100.0);
    assert!(share >= 0.97, "{:.2} %", share * 100.0);
}

/// The rules that are followed though their texts may only be in slots.
pub(super) fn hiding(formats: &Formats, sourcetype: &str, pattern: &Pattern) -> Vec<String> {
    let laid = Laid::new(pattern, &[]);
    let all = Span::new(0, (&laid).len());
    let (message, app) = match Shape::of(sourcetype) {
        Shape::Syslog => {
            let read = crate::syslog::read(&laid);
            (read.message, read.app)
        }
        _ => (all, None),
    };
    let candidates = formats.built_in.by_text(&laid, Subject { sourcetype, app, message });
    let hidden = candidates.iter().filter(|rule| candidates.is_hidden(*rule));
    hidden.map(|rule| formats.built_in.shown(rule)).collect()
}

#[test]
fn no_shipped_rule_can_be_hidden_by_one_word() {
    let (_, formats) = under_test();
    let text = |text: &str| Piece::Text(text.into());
    let word = || Piece::Slot(SlotKind::Word);
    let patterns = [
        Pattern::new([word()]),
        Pattern::new([word(), text(" it was nothing")]),
        Pattern::new([text("it was "), word(), text(" nothing")]),
        Pattern::new([text("it was: "), word()]),
        Pattern::new([text("it="), word(), text(", was="), word(), text("; ")]),
        Pattern::new([text("[it] (was) "), word(), text(": nothing")]),
    ];
    let mut hidden = Vec::new();
    for pattern in &patterns {
        let laid = Laid::new(pattern, &[]);
        let message = Span::new(0, (&laid).len());
        for sourcetype in ["text", "syslog"] {
            let candidates = formats.built_in.by_text(&laid, Subject { sourcetype, app: None, message });
            let files = formats.built_in.files_of(&candidates, &laid, Subject { sourcetype, app: None, message });
            let told =
                |rule: usize| ["tag", "user", "src", "action"].iter().any(|name| formats.built_in.rule(rule).1.names.contains(*name));
            let shown = candidates.iter().filter(|rule| files.contains(&formats.built_in.rule(*rule).0) && told(*rule));
            hidden.extend(shown.map(|rule| format!("{}: {}", pattern_shown(pattern), formats.built_in.shown(rule))));
        }
    }
    assert!(hidden.is_empty(), "{} times:\n{}", hidden.len(), hidden.join("\n"));
}

#[test]
fn what_patterns_say_is_what_the_samples_say() {
    let (files, formats) = under_test();
    let texts = texts();
    let mut faults = Vec::new();
    for (name, file) in &files {
        let rules = texts.get(name).map_or("", String::as_str);
        for sample in &file.sample {
            let sample = sample.get_ref();
            let (pattern, values) = pattern_of_sample(rules, sample);
            let sourcetype = samples::sourcetype_of(file, sample);
            let same = same_listed(&formats, &sourcetype, &sample.line, &pattern, &values).and_then(|want| {
                let fields = ["user", "src", "action", "tag"];
                fields.iter().try_for_each(|name| same_field(&formats, &sourcetype, &sample.line, (&pattern, &values), name, &want))
            });
            if let Err(fault) = same {
                faults.push(format!("{name}: {fault}"));
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

fn pattern_shown(pattern: &Pattern) -> String {
    let shown = pattern.pieces().iter().map(|piece| match piece {
        Piece::Text(text) => String::from_utf8_lossy(text).into_owned(),
        Piece::Slot(kind) => format!("<{kind:?}>"),
    });
    shown.collect()
}
