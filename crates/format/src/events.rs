//! Cuts a stream into events of one or more lines. What a line is to the event before it is the [`Rule`] of the
//! source's format; without a rule every line is an event.
//!
//! The bytes between the lines of an event stay in it, so the stream can still be had back by writing each event
//! and a LF: where an event is cut off between two lines, the rest is marked `MORE_LINES`; where it is cut within a
//! line, `CONTINUED`.
//!
//! An event stays open until the line after it says that it is over: whoever follows something that grows calls
//! [`EventBreaker::finish`] once it rests, and commits positions less what is [`EventBreaker::held`].

mod files;
mod judge;
mod rule;

pub use files::EventRules;
pub use rule::Rule;
pub(crate) use rule::{EventText, Wrong};

use crate::{Frame, LineBreaker};
use judge::{Judge, Verdict};
use std::sync::Arc;
use taffrail_base::limits::{EVENT_BYTES_MAX, MULTILINE_BYTES_MAX, MULTILINE_LINES_MAX};
use taffrail_event::Problems;

/// Incremental breaking of one stream into events. Holds at most one unfinished event.
#[derive(Debug)]
pub struct EventBreaker {
    /// Where every line is an event.
    lines: LineBreaker,
    /// Where lines are judged: the open event and the line after it as far as it is there.
    held: Vec<u8>,
    judge: Option<Judge>,
    /// Where the first line of `held` that is not judged yet begins.
    line: usize,
    /// No LF is in `held` from `line` up to here.
    searched: usize,
    /// Lines of the open event.
    count: usize,
    /// The line goes on that was given without its end.
    continued: bool,
    /// Something was given before: what continues an event now has lost its beginning.
    begun: bool,
    /// The open event is the rest of one that was cut off.
    more: bool,
    /// What was open before the line that is not complete was given for its size: that line is judged as if it still were.
    given_early: bool,
    limits: Limits,
}

/// How large an event may become.
#[derive(Clone, Copy, Debug)]
struct Limits {
    line: usize,
    bytes: usize,
    lines: usize,
}

impl Default for EventBreaker {
    fn default() -> Self {
        Self::new()
    }
}

impl EventBreaker {
    /// A breaker at the beginning of a stream whose lines are events, until a rule is set.
    pub fn new() -> Self {
        Self {
            lines: LineBreaker::new(),
            held: Vec::new(),
            judge: None,
            line: 0,
            searched: 0,
            count: 0,
            continued: false,
            begun: false,
            more: false,
            given_early: false,
            limits: Limits { line: EVENT_BYTES_MAX, bytes: MULTILINE_BYTES_MAX, lines: MULTILINE_LINES_MAX },
        }
    }

    /// A breaker that takes up where another stopped, not at the beginning of the stream: `continued` is what
    /// [`EventBreaker::continued`] gave then, and the bytes that were still held are to be pushed again.
    pub fn resume(continued: bool) -> Self {
        Self { lines: LineBreaker::resume(continued), continued, begun: true, ..Self::new() }
    }

    /// Sets the rule of the stream's format; it may change as long as the format is being found out.
    pub fn set_rule(&mut self, rule: Option<&Arc<Rule>>, emit: impl FnMut(Frame<'_>)) {
        if rule.map(Arc::as_ptr) == self.judge.as_ref().map(|judge| Arc::as_ptr(judge.rule())) {
            return;
        }
        let held = match &self.judge {
            Some(_) => std::mem::take(&mut self.held),
            None => self.lines.take_held(),
        };
        let continued = self.continued();
        (self.line, self.searched, self.count) = (0, 0, 0);
        self.given_early = false;
        self.judge = rule.map(|rule| Judge::new(Arc::clone(rule)));
        self.lines = LineBreaker::resume(continued);
        self.continued = continued;
        self.push(&held, emit);
    }

    /// Looks at the beginning of a stream that is taken up later on, to know its lines as if they had been read.
    pub fn prime(&mut self, beginning: &[u8]) {
        if let Some(judge) = &mut self.judge {
            judge.prime(beginning);
        }
    }

    /// Bytes taken that are not in any frame yet.
    pub fn held(&self) -> usize {
        if self.judge.is_some() { self.held.len() } else { self.lines.held() }
    }

    /// Whether the last of the bytes held are a line without its end.
    pub fn is_within_line(&self) -> bool {
        if self.judge.is_some() { self.held.len() > self.line } else { self.lines.held() > 0 }
    }

    /// Whether the next frame continues a line whose beginning was given already.
    pub fn continued(&self) -> bool {
        if self.judge.is_some() { self.continued } else { self.lines.continued() }
    }

    /// Takes the next bytes of the stream and gives every event that they complete.
    pub fn push(&mut self, bytes: &[u8], mut emit: impl FnMut(Frame<'_>)) {
        if self.judge.is_none() {
            self.begun |= !bytes.is_empty();
            return self.lines.push(bytes, emit);
        }
        if self.held.is_empty() {
            let used = self.run(bytes, &mut emit);
            self.held.extend_from_slice(&bytes[used..]);
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(bytes);
            let used = self.run(&held, &mut emit);
            held.drain(..used);
            // A single large event must not keep its memory for the life of the stream.
            if held.len() < HELD_KEEP {
                held.shrink_to(2 * HELD_KEEP);
            }
            self.held = held;
        }
    }

    /// The line that goes on here was given without its end (or was not, after all).
    pub fn set_continued(&mut self, continued: bool) {
        self.continued = continued;
        if self.judge.is_none() {
            self.lines = LineBreaker::resume(continued);
        }
    }

    /// The stream has ended, or rests: gives what is open. Returns whether its last line had no end.
    pub fn finish(&mut self, mut emit: impl FnMut(Frame<'_>)) -> bool {
        if self.judge.is_none() {
            return self.lines.finish(emit);
        }
        let mut held = std::mem::take(&mut self.held);
        let open = held.len() > self.line;
        if open {
            // As if the line had ended, which only the frame has to know otherwise.
            held.push(b'\n');
            let used = self.run(&held, &mut emit);
            held.drain(..used);
        }
        if self.line > 0 {
            self.give(&held[..self.line - 1], &mut emit);
        }
        (self.line, self.searched, self.count) = (0, 0, 0);
        (self.continued, self.given_early) = (false, false);
        open
    }

    /// Gives the events in `bytes` that are complete, and says how many bytes are done with.
    fn run(&mut self, bytes: &[u8], emit: &mut impl FnMut(Frame<'_>)) -> usize {
        let mut start = 0;
        loop {
            // One byte further than a line may be long: a line of exactly the limit is not cut.
            let stop = bytes.len().min(self.line.saturating_add(self.limits.line + 1));
            let from = self.searched.max(self.line);
            match memchr::memchr(b'\n', &bytes[from..stop]) {
                Some(found) => start = self.line_ends(bytes, start, from + found, emit),
                None if stop - self.line > self.limits.line => {
                    self.close(bytes, start, emit);
                    let end = self.line + self.limits.line;
                    self.give(&bytes[self.line..end], emit);
                    (start, self.line, self.searched, self.count) = (end, end, end, 0);
                    self.continued = true;
                }
                None => {
                    // Nothing that goes before a line this long waits for its end.
                    if self.line > start && bytes.len() - start > self.limits.bytes {
                        self.close(bytes, start, emit);
                        start = self.line;
                        self.given_early = true;
                    }
                    self.searched = bytes.len() - start;
                    self.line -= start;
                    return start;
                }
            }
        }
    }

    /// Judges the line that ends at `end`; where the open event begins from here on.
    fn line_ends(&mut self, bytes: &[u8], mut start: usize, end: usize, emit: &mut impl FnMut(Frame<'_>)) -> usize {
        let judge = self.judge.as_mut().expect("lines are judged");
        let open = self.line > start;
        let judged_open = open || std::mem::take(&mut self.given_early);
        let verdict = if self.continued && !open { Verdict::BEGINS } else { judge.judge(&bytes[self.line..end], judged_open) };
        let full = self.count >= self.limits.lines || end - start > self.limits.bytes;
        if open && (verdict.begins || full) {
            self.close(bytes, start, emit);
            start = self.line;
        }
        if self.line == start {
            self.count = 0;
            self.more = !verdict.begins && self.begun;
        }
        self.count += 1;
        if verdict.ends {
            self.give(&bytes[start..end], emit);
            start = end + 1;
        }
        (self.line, self.searched) = (end + 1, end + 1);
        start
    }

    /// Gives the open event, without the LF before `line`.
    fn close(&mut self, bytes: &[u8], start: usize, emit: &mut impl FnMut(Frame<'_>)) {
        if self.line > start {
            self.give(&bytes[start..self.line - 1], emit);
        }
    }

    fn give(&mut self, raw: &[u8], emit: &mut impl FnMut(Frame<'_>)) {
        let mut problems = Problems::NONE;
        if std::mem::take(&mut self.continued) {
            problems = Problems::CONTINUED;
        } else if std::mem::take(&mut self.more) {
            problems = Problems::MORE_LINES;
        }
        self.begun = true;
        emit(Frame { raw, problems });
    }
}

/// Capacity kept between events: most fit.
const HELD_KEEP: usize = 64 * 1024;

#[cfg(test)]
mod own;
#[cfg(test)]
mod tests;
