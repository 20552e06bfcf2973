//! Says of each line of a source whether it begins an event. Remembers how the lines before began.

use super::rule::Rule;
use crate::time::read::{self, Layout};
use std::sync::Arc;
use taffrail_base::limits::LOOSE_LINES_MAX;

/// What a line is to the event before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub begins: bool,
    /// The event ends with this line.
    pub ends: bool,
}

impl Verdict {
    pub const BEGINS: Self = Self { begins: true, ends: false };
    const GOES_ON: Self = Self { begins: false, ends: false };
    const ENDS: Self = Self { begins: false, ends: true };
}

/// Judges the lines of one source.
#[derive(Debug)]
pub(super) struct Judge {
    rule: Arc<Rule>,
    memory: Memory,
}

/// What is remembered of the lines before.
#[derive(Debug, Default)]
struct Memory {
    /// Events of this source begin with a time.
    timed: bool,
    /// Too many lines without a time came in a row: only two with one next to each other are believed again.
    doubted: bool,
    /// The line before had a time.
    timed_before: bool,
    /// Lines of the open event that nothing but the lack of a time puts there.
    loose: usize,
    /// The open event began as the rule says, without a time.
    block: bool,
    /// The line before said that another block goes on with the event.
    chained: bool,
    /// The line before was indented.
    below: bool,
    /// What stood before the clock of the last time.
    date: Vec<u8>,
    /// A number alone is a time.
    epochs: bool,
    /// Brackets that are open.
    depth: usize,
}

impl Judge {
    pub fn new(rule: Arc<Rule>) -> Self {
        Self { rule, memory: Memory::default() }
    }

    pub fn rule(&self) -> &Arc<Rule> {
        &self.rule
    }

    /// Looks at lines that were judged before.
    pub fn prime(&mut self, beginning: &[u8]) {
        let mut lines: Vec<&[u8]> = beginning.split(|byte| *byte == b'\n').collect();
        lines.pop(); // not whole
        lines.into_iter().for_each(|line| _ = self.judge(line, true));
        let memory = &mut self.memory;
        (memory.loose, memory.block, memory.below, memory.depth) = (0, false, false, 0);
    }

    /// What `line` is; `open`: there is an event that it may belong to.
    #[inline]
    pub fn judge(&mut self, line: &[u8], open: bool) -> Verdict {
        self.memory.judge(&self.rule, line, open)
    }
}

impl Memory {
    fn judge(&mut self, rule: &Rule, line: &[u8], open: bool) -> Verdict {
        let verdict = match rule {
            _ if rule.brackets => self.by_brackets(line, open),
            _ if rule.time => {
                let begins = self.by_time(rule, line, open).begins;
                // Whatever comes next begins an event where nothing is timed and no block is open: no need to wait.
                Verdict { begins, ends: !self.timed && !self.block }
            }
            _ => by_words(rule, line, open),
        };
        self.below = matches!(line.first(), Some(b' ' | b'\t'));
        if verdict.begins || verdict.ends {
            self.loose = 0;
        }
        verdict
    }

    fn by_time(&mut self, rule: &Rule, line: &[u8], open: bool) -> Verdict {
        if self.has_time(line) {
            self.timed |= !self.doubted || self.timed_before;
            self.doubted &= !self.timed;
            (self.timed_before, self.block, self.chained) = (true, false, false);
            return Verdict::BEGINS;
        }
        self.timed_before = false;
        let belongs = belongs(rule, line);
        let begins = !belongs && rule.begins.as_ref().is_some_and(|begins| begins.is_match(line));
        let chained = self.chained;
        self.chained = belongs && (is_blank(line) && chained || continues(rule, line));
        if !open {
            // Nothing that it could be a part of is open: was there something, it was cut off.
            let part = self.timed || self.block && belongs;
            self.block = begins || self.block && belongs;
            return if part { Verdict::GOES_ON } else { Verdict::BEGINS };
        }
        if self.timed {
            self.loose += usize::from(!belongs && !begins);
            if self.loose <= LOOSE_LINES_MAX {
                return Verdict::GOES_ON;
            }
            // Its lines carry no times after all: the one that did was a heading.
            (self.timed, self.doubted) = (false, true);
        }
        let closes = self.below && rule.closes.as_ref().is_some_and(|closes| closes.is_match(line));
        if self.block && (belongs || begins && chained || closes && !begins) {
            return Verdict::GOES_ON;
        }
        self.block = begins;
        Verdict::BEGINS
    }

    fn by_brackets(&mut self, line: &[u8], open: bool) -> Verdict {
        let text = line.trim_ascii();
        let within = open && self.depth > 0 && line.first() != Some(&b'{') && is_inside(text);
        if !within {
            // An object on one line, or nothing that brackets could end.
            let opens = text.first() == Some(&b'{') && text.last() != Some(&b'}');
            self.depth = if opens { depth_after(0, text) } else { 0 };
            return Verdict { begins: true, ends: self.depth == 0 };
        }
        self.depth = depth_after(self.depth, text);
        if self.depth == 0 { Verdict::ENDS } else { Verdict::GOES_ON }
    }

    /// Whether a time stands at the beginning of the line, behind an opening bracket or a level at most.
    fn has_time(&mut self, line: &[u8]) -> bool {
        if let Some(clock) = line.strip_prefix(&self.date[..])
            && !self.date.is_empty()
            && let [a, b, b':', c, d, ..] = clock
            && [a, b, c, d].into_iter().all(u8::is_ascii_digit)
        {
            return true;
        }
        let start = beginning(line);
        let Some((layout, _, used)) = read::behind_level(&line[start..]).or_else(|| read::any(&line[start..])) else { return false };
        if layout == Layout::Epoch {
            // A number alone is a time only where the first line had one.
            self.epochs |= self.date.is_empty() && !self.timed;
            return self.epochs;
        }
        let clock = (start..(start + used).saturating_sub(7)).rev().find(|at| line[at + 2] == b':' && line[at + 5] == b':');
        self.date.clear();
        self.date.extend_from_slice(&line[..clock.unwrap_or(0)]);
        true
    }
}

fn by_words(rule: &Rule, line: &[u8], open: bool) -> Verdict {
    let begins = match &rule.begins {
        Some(begins) => begins.is_match(line),
        None if rule.only_closes() => !open,
        None => !belongs(rule, line),
    };
    let may_close = !begins || rule.only_closes();
    let ends = may_close && rule.closes.as_ref().is_some_and(|closes| closes.is_match(line));
    match (begins, ends) {
        (true, ends) => Verdict { begins: true, ends },
        (false, true) if open => Verdict::ENDS,
        _ => Verdict::GOES_ON,
    }
}

/// Whether a line goes on by how it begins.
fn belongs(rule: &Rule, line: &[u8]) -> bool {
    let indented = rule.indented && matches!(line.first(), Some(b' ' | b'\t'));
    is_blank(line) || indented || continues(rule, line)
}

fn is_blank(line: &[u8]) -> bool {
    matches!(line, [] | [b'\r'])
}

fn continues(rule: &Rule, line: &[u8]) -> bool {
    rule.continues.as_ref().is_some_and(|continues| continues.is_match(line))
}

/// Where the time of a line would begin.
fn beginning(line: &[u8]) -> usize {
    const LEVELS: [&[u8]; 12] =
        [b"trace", b"debug", b"info", b"notice", b"warn", b"warning", b"error", b"err", b"critical", b"crit", b"fatal", b"severe"];
    let mut at = 0;
    for _ in 0..2 {
        at += usize::from(matches!(line.get(at), Some(b'[' | b'(' | b'<' | b'"' | b'*')));
        let word = line[at..].iter().take(9).take_while(|byte| byte.is_ascii_alphabetic()).count();
        if !LEVELS.iter().any(|level| line[at..at + word].eq_ignore_ascii_case(level)) {
            return at;
        }
        at += word;
        at += line[at..].iter().take(8).take_while(|byte| matches!(byte, b' ' | b'\t' | b']' | b':' | b'|' | b'-')).count();
    }
    at
}

/// Whether a line can stand inside a JSON object that goes over several.
fn is_inside(text: &[u8]) -> bool {
    match text.first() {
        None | Some(b'"' | b'{' | b'}' | b'[' | b']' | b',' | b':' | b'-' | b'0'..=b'9') => true,
        Some(_) => [&b"true"[..], b"false", b"null"].iter().any(|word| text.starts_with(word)),
    }
}

/// How many brackets are open behind `text` if there were `depth` before it.
fn depth_after(mut depth: usize, text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(inside) = text.get(at).filter(|byte| **byte != b'"') {
                    at += if *inside == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            _ => {}
        }
    }
    depth
}
