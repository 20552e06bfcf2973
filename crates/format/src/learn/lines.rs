//! Which lines of a sample belong together, and how a format file says it: the table `[event]`.

use super::layout;
use super::rules::quoted;
use crate::events::EventText;
use crate::{EventBreaker, Rule, TimeFinder};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use taffrail_event::Timestamp;

/// What is proposed for lines that belong together.
#[derive(Debug)]
pub(super) struct Lines {
    /// The keys of `[event]`.
    pub table: String,
    /// Why, as a sentence for a person.
    pub why: String,
    pub rule: Arc<Rule>,
}

/// The events of lines.
pub(super) fn cut(bytes: &[u8], rule: Option<&Arc<Rule>>) -> Vec<Vec<u8>> {
    let mut breaker = EventBreaker::new();
    breaker.set_rule(rule, |_| {});
    let mut events = Vec::new();
    breaker.push(bytes, |frame| events.push(frame.raw.to_vec()));
    breaker.finish(|frame| events.push(frame.raw.to_vec()));
    events
}

/// Lines of an event that say something.
fn filled(event: &[u8]) -> usize {
    event.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count()
}

impl Lines {
    /// What to propose for lines of a sourcetype; `None` where each line is an event by itself.
    pub(super) fn of(bytes: &[u8], sourcetype: &str) -> Option<Self> {
        let known = Rule::of(sourcetype)?;
        if let Some(objects) = objects(bytes).filter(|_| sourcetype == "text") {
            return Some(objects);
        }
        let events = cut(bytes, Some(&known));
        if events.iter().any(|event| filled(event) > 1) {
            if sourcetype == "json" {
                return Self::new("brackets = true\n".to_owned(), OBJECTS.to_owned());
            }
            let timed = Self::new("time = true\nindented = true\n".to_owned(), "a line with a time begins an event".to_owned())?;
            if cut(bytes, Some(&timed.rule)) == events {
                return Some(timed);
            }
            let table = "time = true\nindented = true\nbegins = ['Traceback \\(most recent call last\\):', 'Exception in thread \"']\n\
                         continues = ['Caused by: ', 'Suppressed: ', 'at [\\w.$]+\\(', 'During handling of the above exception', \
                         'The above exception was the direct cause']\ncloses = ['[A-Za-z_][\\w.]*(:|$)']\n";
            return Self::new(table.to_owned(), "lines of an exception belong together".to_owned());
        }
        let text = std::str::from_utf8(bytes).ok().filter(|_| sourcetype == "text")?;
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        if has_times(&lines) || layout::columns(&lines).is_some() || layout::positions(&lines).is_some() {
            return None;
        }
        indented(&lines).or_else(|| marked(&lines))
    }

    fn new(table: String, why: String) -> Option<Self> {
        let written: EventText = toml::from_str(&table).ok()?;
        let rule = Arc::new(written.compile().ok()?);
        Some(Self { table, why, rule })
    }
}

/// Why brackets count.
const OBJECTS: &str = "objects of JSON go over several lines";

/// Objects of JSON over several lines, which look like other text line by line.
fn objects(bytes: &[u8]) -> Option<Lines> {
    let lines = bytes.trim_ascii_start().starts_with(b"{").then(|| Lines::new("brackets = true\n".to_owned(), OBJECTS.to_owned()))??;
    let events = cut(bytes, Some(&lines.rule));
    let whole = |event: &&Vec<u8>| serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(event).is_ok();
    let objects = events.iter().filter(whole).count();
    (events.iter().any(|event| filled(event) > 1) && objects * 10 >= events.len() * 8).then_some(lines)
}

/// Lines that are looked at for times.
const TIMES_LINES: usize = 100;

/// Whether lines begin with a time.
fn has_times(lines: &[&str]) -> bool {
    let mut times = TimeFinder::default();
    let looked = &lines[..lines.len().min(TIMES_LINES)];
    let begins = |line: &&&str| {
        let mut found = || times.find(line.as_bytes(), Timestamp(super::rows::RECEIVED)).is_some_and(|found| found.start <= 1);
        super::rows::glog(line).is_some() || found()
    };
    looked.iter().filter(begins).count() * 4 > looked.len()
}

/// Lines below one that stands at the margin.
fn indented(lines: &[&str]) -> Option<Lines> {
    let is_below = |line: &&&str| line.starts_with([' ', '\t']);
    let below = lines.iter().filter(is_below).count();
    if is_below(&lines.first()?) || below * 10 < lines.len() || lines.len() - below < 2 {
        return None;
    }
    Lines::new("indented = true\n".to_owned(), "a guess: lines that begin with a blank belong to the one above".to_owned())
}

/// Lines of an event that begins with a word of its own, as in `ORDER 17`.
fn marked(lines: &[&str]) -> Option<Lines> {
    (1..=2).find_map(|words| {
        let keys: Vec<String> = lines.iter().map(|line| key(line, words)).collect();
        let first = keys.first().filter(|key| key.len() > 1)?;
        let starts: Vec<usize> = (0..keys.len()).filter(|at| keys[*at] == *first).collect();
        let mut next: FxHashMap<&str, usize> = FxHashMap::default();
        for start in &starts {
            *next.entry(keys.get(start + 1).map_or("", String::as_str)).or_default() += 1;
        }
        let (second, most) = next.into_iter().max_by_key(|(_, count)| *count)?;
        // One that was cut off at the end counts for little.
        let regular = second != first && !second.is_empty() && most * 10 >= (starts.len() - 1) * 8;
        let longest = starts.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(usize::MAX);
        if starts.len() < 3 || !regular || longest > MARKED_LINES_MAX || lines.len() < starts.len() * 2 - 1 {
            return None;
        }
        let table = format!("begins = [{}]\n", quoted(&expression(first)));
        Lines::new(table, format!("a guess: `{}` begins each event", first.replace(DIGITS, "1").trim_end()))
    })
}

/// Lines of an event that is told by its first.
const MARKED_LINES_MAX: usize = 100;

/// Stands for digits.
const DIGITS: char = '\u{1}';

/// The first words of a line, with one sign for each run of digits.
fn key(line: &str, words: usize) -> String {
    let mut key = String::new();
    let mut left = words;
    for c in line.chars().take(60) {
        if c.is_ascii_digit() {
            if !key.ends_with(DIGITS) {
                key.push(DIGITS);
            }
            continue;
        }
        key.push(c);
        if matches!(c, ' ' | '\t' | ':' | '=') {
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }
    key
}

fn expression(key: &str) -> String {
    let mut out = String::new();
    for c in key.chars() {
        match c {
            DIGITS => out.push_str("\\d+"),
            c if c.is_control() => out.push_str("\\s"),
            '-' | '#' | '&' | '~' => out.push(c),
            c => out.push_str(&regex_syntax::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}
