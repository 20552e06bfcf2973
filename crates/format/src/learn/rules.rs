//! Templates as rules of a format file.

use super::name::Named;
use super::rows::{Mark, Row};
use super::templates::{Part, Place, Template};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A rule that is proposed.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// Its lines but the samples: `match = ...` and so on.
    pub text: String,
    /// Its fields with how they got their names.
    pub named: Vec<Named>,
    /// The event that shows it, and what its fields are there.
    pub sample: Option<(usize, BTreeMap<String, String>)>,
    /// Bytes of constant text: of rules of which one is the beginning of another the longer one goes first.
    pub constant: usize,
}

/// A text as a string of TOML.
pub(super) fn quoted(text: &str) -> String {
    if text.chars().all(|c| c != '\'' && !c.is_control()) {
        return format!("'{text}'");
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out + "\""
}

/// Which names a rule gives.
#[derive(Clone, Copy)]
struct Gives {
    /// Places before this token are those of the head.
    head: usize,
    /// Whether those of the head are given, too.
    with_head: bool,
}

impl Gives {
    fn name(self, place: &Place) -> Option<&Named> {
        place.named.as_ref().filter(|_| self.with_head || place.token >= self.head)
    }
}

/// A rule for a template; `None` where it has nothing to give.
pub(super) fn draft(rows: &[Row<'_>], template: &Template, head_tokens: usize, is_head: bool) -> Option<Draft> {
    let head = if template.headed && !is_head { head_tokens } else { 0 };
    let places = || template.parts.iter().filter_map(|part| if let Part::Place(place) = part { Some(place) } else { None });
    let own = Gives { head, with_head: false };
    places().find(|place| own.name(place).is_some())?;
    let literal = as_match(rows, template);
    // A rule with an expression leaves the head to the rule of the head: both are used.
    let gives = Gives { head, with_head: literal.is_some() };
    let mut text = match literal {
        Some(text) => format!("match = {}\n", quoted(&text)),
        None => format!("regex = {}\n", quoted(&as_regex(rows, template, gives))),
    };
    if let Some(action) = login(template, head).filter(|_| !is_head) {
        let _ = writeln!(text, "# A guess, by its words.\ntype = \"authentication\"\nset = {{ action = \"{action}\" }}");
    }
    let shown = *template.rows.iter().min_by_key(|row| (rows[**row].line.len() > SAMPLE_BYTES, **row))?;
    let row = &rows[shown];
    let values = places().filter_map(|place| Some((gives.name(place)?.name.clone(), row.text(place.token).to_owned())));
    Some(Draft {
        text,
        named: places().filter_map(|place| gives.name(place).cloned()).collect(),
        sample: Some((row.number, values.collect())),
        constant: template.parts.iter().map(|part| if let Part::Text { text, .. } = part { text.len() } else { 0 }).sum(),
    })
}

/// A line of more bytes is only a sample where there is no other.
const SAMPLE_BYTES: usize = 512;

/// The byte that stands behind a part.
fn next_byte(parts: &[Part], at: usize) -> Option<u8> {
    match parts.get(at + 1) {
        Some(Part::Text { text, .. }) => text.bytes().next(),
        _ => None,
    }
}

/// `text {name} text`, where that takes the very values.
fn as_match(rows: &[Row<'_>], template: &Template) -> Option<String> {
    let mut out = String::new();
    for (at, part) in template.parts.iter().enumerate() {
        match part {
            Part::Text { text, loose } => {
                if *loose || text.contains(['{', '}']) {
                    return None;
                }
                out.push_str(text);
            }
            // Nothing says where the first of two ends.
            Part::Place(_) if matches!(template.parts.get(at + 1), Some(Part::Place(_))) => return None,
            Part::Place(place) => {
                let next = next_byte(&template.parts, at);
                let values = || template.rows.iter().map(|row| rows[*row].text(place.token));
                let taken = |word: &str| !word.is_empty() && word.bytes().all(|byte| !b" \t\"\0".contains(&byte));
                let words = values().next()?.split(' ').count();
                let fits = |value: &str| {
                    value.split(' ').count() == words
                        && value.split(' ').all(taken)
                        && !value.rsplit(' ').next().is_some_and(|last| last.bytes().any(|byte| Some(byte) == next))
                };
                if place.mark == Mark::Quoted || (words > 1 && place.mark != Mark::Time) || !values().all(fits) {
                    return None;
                }
                match &place.named {
                    Some(named) => {
                        let _ = write!(out, "{{{}}}", named.name);
                    }
                    None => out.push_str(&vec!["{}"; words].join(" ")),
                }
            }
        }
    }
    Some(out)
}

/// An expression that takes the values.
fn as_regex(rows: &[Row<'_>], template: &Template, gives: Gives) -> String {
    let mut out = String::from("^");
    for (at, part) in template.parts.iter().enumerate() {
        match part {
            Part::Text { text, loose } => out.push_str(&escaped(text, *loose)),
            Part::Place(place) => {
                let values = || template.rows.iter().map(|row| rows[*row].text(place.token));
                let inner = expression(values, next_byte(&template.parts, at));
                // `thread:Class@line`: a thread may have colons itself, a class has none.
                let class =
                    next_byte(&template.parts, at) == Some(b'@') && out.ends_with(':') && !values().any(|value| value.contains(':'));
                let inner = if class { "[^:@\\s]+".to_owned() } else { inner };
                match gives.name(place) {
                    Some(named) => {
                        let _ = write!(out, "(?<{}>{inner})", named.name);
                    }
                    None => out.push_str(&inner),
                }
            }
        }
    }
    out
}

/// What matches values up to what stands behind them.
fn expression<'a, I: Iterator<Item = &'a str>>(values: impl Fn() -> I, next: Option<u8>) -> String {
    let blank = values().any(|value| value.contains([' ', '\t']));
    let empty = if values().any(str::is_empty) { '*' } else { '+' };
    let delimiter = next.filter(u8::is_ascii_punctuation);
    match delimiter {
        Some(byte) if !values().any(|value| value.as_bytes().contains(&byte)) => {
            let escaped = if b"]\\^-[&~".contains(&byte) { format!("\\{}", byte as char) } else { (byte as char).to_string() };
            if blank || byte == b'"' { format!("[^{escaped}]{empty}") } else { format!("[^{escaped}\\s]{empty}") }
        }
        // Of several words: as many as there always are, or as few as what stands behind allows.
        _ if blank => {
            let words = |value: &str| value.split(' ').filter(|word| !word.is_empty()).count();
            let first = values().next().map_or(1, words);
            if values().all(|value| words(value) == first) { vec!["\\S+"; first].join("[ \\t]+") } else { ".*?".to_owned() }
        }
        // A letter that says how bad it is may stand right before a date.
        None if next.is_none() && values().all(|value| value.len() == 1 && value.as_bytes()[0].is_ascii_uppercase()) => "[A-Z]".to_owned(),
        _ => format!("\\S{empty}"),
    }
}

fn escaped(text: &str, loose: bool) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            ' ' if loose => out.push_str("[ \\t]+"),
            '\t' => out.push_str("\\t"),
            // What `escape` makes of it is for expressions of all flags; these need none.
            '-' | '#' | '&' | '~' => out.push(c),
            c => out.push_str(&regex_syntax::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}

const OF_LOGINS: [&str; 14] = [
    "login",
    "logon",
    "logged",
    "log-in",
    "signin",
    "sign-in",
    "signed",
    "authentication",
    "authenticated",
    "authenticate",
    "auth",
    "password",
    "credentials",
    "logs",
];
const OF_FAILURE: [&str; 12] =
    ["failed", "failure", "denied", "invalid", "rejected", "incorrect", "wrong", "refused", "bad", "unsuccessful", "fails", "unknown"];
const OF_SUCCESS: [&str; 8] = ["success", "succeeded", "successful", "successfully", "accepted", "authenticated", "granted", "in"];
const OF_OTHERS: [&str; 9] = ["out", "logout", "session", "changed", "change", "reset", "expires", "closed", "timeout"];

/// Whether the words of a message are those of a login, and how it went.
fn login(template: &Template, head: usize) -> Option<&'static str> {
    let mut words: Vec<String> = Vec::new();
    let mut begun = head == 0;
    let mut names = false;
    for part in &template.parts {
        match part {
            Part::Place(place) => {
                begun |= place.token >= head;
                names |= begun && place.named.as_ref().is_some_and(|named| ["user", "src", "mail"].contains(&named.name.as_str()));
                // The text behind the last place of the head is the message's.
                begun |= place.token + 1 >= head;
            }
            Part::Text { text, .. } if begun => {
                words.extend(text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).map(str::to_ascii_lowercase));
            }
            Part::Text { .. } => {}
        }
    }
    let has = |of: &[&str]| words.iter().any(|word| of.contains(&word.as_str()));
    if !names || !has(&OF_LOGINS) || has(&OF_OTHERS) {
        return None;
    }
    match (has(&OF_FAILURE), has(&OF_SUCCESS)) {
        (true, _) => Some("failure"),
        (false, true) => Some("success"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_toml() {
        assert_eq!(quoted("a \"b\" \\d"), "'a \"b\" \\d'");
        assert_eq!(quoted("it's\n\u{1}"), "\"it's\\n\\u0001\"");
        for text in ["a'b\t\"c\"\\", "\u{7f}", "plain", "'''"] {
            let read: toml::Table = toml::from_str(&format!("x = {}", quoted(text))).expect("is TOML");
            assert_eq!(read["x"].as_str(), Some(text));
        }
    }

    #[test]
    fn expressions_of_values() {
        let of = |values: &'static [&'static str], next: Option<u8>| expression(|| values.iter().copied(), next);
        assert_eq!(of(&["a", "b"], Some(b' ')), r"\S+");
        assert_eq!(of(&["I", "W"], None), "[A-Z]");
        assert_eq!(of(&["a", "b"], Some(b']')), r"[^\]\s]+");
        assert_eq!(of(&["a b", ""], Some(b'"')), "[^\"]*");
        assert_eq!(of(&["2026-11-21 21:14:03", "2026-11-21 21:14:04"], Some(b' ')), r"\S+[ \t]+\S+");
        assert_eq!(of(&["fe80::1"], Some(b':')), r"\S+");
    }
}
