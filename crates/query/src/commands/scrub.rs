//! `scrub`: events without what tells who they are about, their shape kept.
//!
//! Words become other words of the same length and case, numbers other numbers of as many digits. The same word becomes
//! the same other one throughout a search, so that what belonged together still does; another search makes others of it.
//! Times, words of the language of logs (`public.txt`) and names before `=` stay as they are.

use super::columns_set::{changed, changed_field, set};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use arrow::array::RecordBatch;
use regex::Regex;
use rustc_hash::{FxHashSet, FxHasher};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

/// What `scrub` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "scrub",
    aliases: &[],
    syntax: "scrub",
    summary: "Replaces the words and numbers of events and their fields by others of the same length, the same by the same; times, common words of logs and names before = stay. What is left may still tell something: read it before it is passed on.",
    examples: &["login | head 100 | scrub | table _time _raw", "* | scrub | stats count BY user"],
    parse,
};

#[derive(Debug)]
struct Scrub;

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    args.finish().map_err(|error| error.with_hint("scrub has no arguments"))?;
    Ok(Box::new(Scrub))
}

impl fmt::Display for Scrub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(INFO.name)
    }
}

/// What events are filed under and says nothing about anyone.
const KEPT: [&str; 4] = ["index", "sourcetype", "linecount", "punct"];

impl Command for Scrub {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        needed
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let seed = planner.eval.seed;
        let schema = input.schema();
        let mut made: Vec<(arrow::datatypes::Field, super::columns_set::Maker)> = Vec::new();
        for (at, field) in schema.fields().iter().enumerate() {
            let name = field.name().as_str();
            let internal = name.starts_with('_') && name != "_raw" || name.starts_with(crate::exec::HIDDEN);
            let time = matches!(field.data_type(), arrow::datatypes::DataType::Timestamp(..));
            if internal || time || KEPT.contains(&name) || name.starts_with("date_") {
                continue;
            }
            let maker = move |batch: &RecordBatch| changed(batch.column(at), |text| Some(scrubbed(text, seed)));
            made.push((changed_field(field), Arc::new(maker)));
        }
        Ok(set(INFO.name, input, made).into())
    }
}

/// Times and dates as logs write them.
static TIMES: LazyLock<Regex> = LazyLock::new(|| {
    let date =
        r"\d{4}-\d\d-\d\d|\d{4}/\d\d/\d\d|\d\d?/(?:\d\d|[A-Za-z]{3})/\d{4}|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d\d?";
    let time = r"\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z| ?[+-]\d\d:?\d\d)?";
    Regex::new(&format!(r"\b(?:(?:{date})(?:[T :]{time})?|{time})\b")).expect("a valid expression")
});

static PUBLIC: LazyLock<FxHashSet<&'static str>> = LazyLock::new(|| include_str!("scrub/public.txt").split_whitespace().collect());

/// The text with its words replaced.
fn scrubbed(text: &str, seed: u64) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for time in TIMES.find_iter(text) {
        words(&text[at..time.start()], seed, &mut out);
        out.push_str(time.as_str());
        at = time.end();
    }
    words(&text[at..], seed, &mut out);
    out
}

fn words(text: &str, seed: u64, out: &mut String) {
    let mut rest = text;
    while let Some(start) = rest.find(char::is_alphanumeric) {
        out.push_str(&rest[..start]);
        let tail = &rest[start..];
        let end = tail.find(|c: char| !c.is_alphanumeric()).unwrap_or(tail.len());
        let (word, after) = tail.split_at(end);
        let lower = word.to_lowercase();
        if after.starts_with('=') || after.starts_with("\":") || PUBLIC.contains(lower.as_str()) {
            out.push_str(word);
        } else {
            replace(word, &lower, seed, out);
        }
        rest = after;
    }
    out.push_str(rest);
}

/// Puts another word in place of one.
fn replace(word: &str, lower: &str, seed: u64, out: &mut String) {
    let mut hasher = FxHasher::default();
    (seed, lower).hash(&mut hasher);
    let mut state = hasher.finish();
    if let Some(number) = word.parse::<u64>().ok().filter(|number| word.len() <= 3 && *number <= 255 && word.is_ascii()) {
        // What may be a part of an address stays one.
        let (low, high) = [(0, 9), (10, 99), (100, 255)][word.len() - 1];
        let made = if number < low { number } else { low + next(&mut state) % (high - low + 1) };
        out.push_str(&format!("{made:0width$}", width = word.len()));
        return;
    }
    for (at, sign) in word.chars().enumerate() {
        let chance = next(&mut state);
        out.push(match sign {
            '0' if at == 0 => '0',
            '0'..='9' if at == 0 => char::from(b'1' + (chance % 9) as u8),
            '0'..='9' => char::from(b'0' + (chance % 10) as u8),
            sign if sign.is_uppercase() => char::from(b'A' + (chance % 26) as u8),
            _ => char::from(b'a' + (chance % 26) as u8),
        });
    }
}

/// The next number of a sequence (splitmix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
