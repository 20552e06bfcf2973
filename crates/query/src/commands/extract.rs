//! `extract`: fields of the pairs of names and values in an event's text.

use super::found_fields::{Find, FoundFields, Twice};
use super::words::quote;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use crate::messages::Messages;
use std::fmt;
use std::sync::Arc;

/// What `extract` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "extract",
    aliases: &["kv"],
    syntax: "extract [pairdelim=\"<characters>\"] [kvdelim=\"<characters>\"] [limit=<count>] [maxchars=<count>] [mv_add=<bool>] [clean_keys=<bool>]",
    summary: "Makes fields of the pairs in an event's text, such as name=value or what other delimiters say; fields that there are stay.",
    examples: &["* | extract pairdelim=\"|;\" kvdelim=\"=:\"", "* | kv mv_add=t | stats values(user) BY host"],
    parse,
};

#[derive(Clone, Debug)]
struct Extract {
    pair_ends: String,
    name_ends: String,
    limit: usize,
    max_chars: usize,
    add: bool,
    clean: bool,
}

impl Default for Extract {
    fn default() -> Self {
        Self { pair_ends: " ,;|&\t\r\n".into(), name_ends: "=".into(), limit: 50, max_chars: 10_240, add: false, clean: true }
    }
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut extract = Extract::default();
    while !args.at_end() {
        let Some(option) = args.option(&["pairdelim", "kvdelim", "limit", "maxchars", "mv_add", "clean_keys", "reload"])? else {
            let error = args.error("extract takes options only; there are no named transforms");
            return Err(error.with_hint("say how pairs look by pairdelim and kvdelim, or use `rex`"));
        };
        let value = option.value;
        match option.name.as_str() {
            name @ ("pairdelim" | "kvdelim") if value.text.is_empty() => {
                return Err(QueryError::at(value.span, format!("{name} cannot be empty")));
            }
            "pairdelim" => extract.pair_ends = delimiters(&value.text),
            "kvdelim" => extract.name_ends = delimiters(&value.text),
            "limit" => extract.limit = value.integer("limit", 1)? as usize,
            "maxchars" => extract.max_chars = value.integer("maxchars", 1)? as usize,
            "mv_add" => extract.add = value.boolean("mv_add")?,
            "clean_keys" => extract.clean = value.boolean("clean_keys")?,
            // Nothing is cached that could be read again.
            _ => drop(value.boolean("reload")?),
        }
    }
    Ok(Box::new(extract))
}

/// Delimiters as typed: `\t`, `\n` and `\r` are the characters that they stand for.
fn delimiters(text: &str) -> String {
    text.replace("\\t", "\t").replace("\\n", "\n").replace("\\r", "\r")
}

impl fmt::Display for Extract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = Self::default();
        let typed = |text: &str| quote(text).replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r");
        let options = [
            ("pairdelim", (self.pair_ends != plain.pair_ends).then(|| typed(&self.pair_ends))),
            ("kvdelim", (self.name_ends != plain.name_ends).then(|| typed(&self.name_ends))),
            ("limit", (self.limit != plain.limit).then(|| self.limit.to_string())),
            ("maxchars", (self.max_chars != plain.max_chars).then(|| self.max_chars.to_string())),
            ("mv_add", self.add.then(|| "true".to_owned())),
            ("clean_keys", (!self.clean).then(|| "false".to_owned())),
        ];
        f.write_str("extract")?;
        for (name, value) in options {
            if let Some(value) = value {
                write!(f, " {name}={value}")?;
            }
        }
        Ok(())
    }
}

impl Command for Extract {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        // What is there already stays, so it is needed too.
        needed.with(["_raw"])
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let (extract, messages) = (self.clone(), planner.messages.clone());
        let find: Find = Arc::new(move |text, each| extract.find(text, &messages, each));
        let twice = if self.add { Twice::Added } else { Twice::First };
        FoundFields { command: INFO.name, input: "_raw".into(), find, twice }.plan(input, planner)
    }
}

impl Extract {
    fn find(&self, text: &str, messages: &Messages, each: &mut dyn FnMut(&str, &str)) {
        let mut left = text;
        if let Some((end, _)) = text.char_indices().nth(self.max_chars) {
            left = &text[..end];
            messages.truncated(format!("extract looks at the first {} characters of an event; raise maxchars to see more", self.max_chars));
        }
        let mut count = 0;
        while let Some((name, value, rest)) = self.pair(left) {
            left = rest;
            let name = if self.clean { cleaned(name) } else { name.trim().to_owned() };
            if name.is_empty() {
                continue;
            }
            if count == self.limit {
                messages.truncated(format!("extract takes {} pairs of an event; raise limit to have more", self.limit));
                break;
            }
            count += 1;
            each(&name, &value);
        }
    }

    /// The next pair and what comes after it. A name is what stands between the end of the pair before and the
    /// delimiter; a value is the inside of quotes or goes up to the end of its pair.
    fn pair<'t>(&self, text: &'t str) -> Option<(&'t str, String, &'t str)> {
        let mut start = 0;
        for (at, c) in text.char_indices() {
            if self.name_ends.contains(c) {
                let behind = &text[at + c.len_utf8()..];
                let name = &text[start..at];
                let (value, rest) = self.value(behind);
                return Some((name, value, rest));
            }
            if self.pair_ends.contains(c) {
                start = at + c.len_utf8();
            }
        }
        None
    }

    fn value<'t>(&self, text: &'t str) -> (String, &'t str) {
        let inside =
            text.strip_prefix('"').or_else(|| text.trim_start_matches(' ').strip_prefix('"').filter(|_| !self.pair_ends.contains(' ')));
        if let Some((value, rest)) = inside.and_then(quoted) {
            return (value, rest);
        }
        let end = text.find(|c| self.pair_ends.contains(c)).unwrap_or(text.len());
        (text[..end].trim().to_owned(), &text[end..])
    }
}

/// The text up to the quote that ends it, `\"` and `\\` undone, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, &text[at + 1..])),
            '\\' => match chars.next()? {
                (_, next @ ('"' | '\\')) => out.push(next),
                (_, next) => out.extend(['\\', next]),
            },
            _ => out.push(c),
        }
    }
    None
}

/// A name of letters, digits and `_` that begins with a letter.
fn cleaned(name: &str) -> String {
    let replaced: String = name.trim().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    replaced.trim_start_matches(|c: char| c == '_' || c.is_ascii_digit()).to_owned()
}
