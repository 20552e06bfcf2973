//! The line inside of a JSON event: what senders say beside a line makes it `{"message":"...", ...}`, and an entry of the
//! systemd journal has its text as `MESSAGE` and its program as `SYSLOG_IDENTIFIER`.
//!
//! The formats read such a line as if it stood alone. What the members of the object say goes first. In a pattern the line
//! is one slot as a rule, so its fields are functions of the line, and of the program where that is a slot, too.

use super::collector::{Collector, Value};
use super::set::Subject;
use super::{Formats, json};
use crate::tape::{Span, Tape, Unit};
use std::sync::Arc;
use taffrail_pattern::FieldFunction;

/// What separates the program from the line in what the functions get: JSON has it escaped only.
pub(super) const BETWEEN: &str = "\u{1}";

/// Where a line and its program are.
struct Inside {
    line: Span,
    app: Option<Span>,
}

fn find<T: Tape>(tape: T, of: Subject<'_>) -> Option<Inside> {
    let journal = of.sourcetype == "journald";
    if !journal && of.sourcetype != "json" {
        return None;
    }
    if !journal {
        let line = "{\"message\":\"";
        let inside = of.message.start + line.len();
        // The first unit behind the quote may be a slot, those before it are not.
        let stands = (of.message.start..inside).zip(line.bytes()).all(|(at, byte)| tape.unit(at) == Unit::Byte(byte));
        return stands.then(|| tape.string_end(inside)).flatten().map(|end| Inside { line: Span::new(inside, end), app: None });
    }
    let [line, app] = json::texts(tape, of.message, ["MESSAGE", "SYSLOG_IDENTIFIER"]);
    line.map(|line| Inside { line, app })
}

impl Formats {
    /// Adds what the formats find in the line inside of an event.
    pub(super) fn extract_inside<T: Tape>(&self, tape: T, of: Subject<'_>, out: &mut Collector<'_>) {
        let Some(Inside { line, app }) = find(tape, of) else { return };
        if !tape.has_slot(line) && app.is_none_or(|app| !tape.has_slot(app)) {
            let text = |span: Span| tape.peek(span, json::unescape).flatten();
            let Some(said) = text(line) else { return };
            for (name, value) in self.read_inside(&said, app.and_then(text).as_deref(), out.wanted()) {
                out.add(tape, &name, Span::new(line.start, line.start), Value::Constant(value.into()));
            }
            return;
        }
        let Some(wanted) = out.wanted() else {
            // Which names there are hangs on the line.
            tape.undecided();
            return;
        };
        let (formats, name, has_app) = (self.clone(), wanted.to_owned(), app.is_some());
        let made: FieldFunction = Arc::new(move |bytes: &[u8]| {
            let between = if has_app { bytes.iter().position(|byte| *byte == BETWEEN.as_bytes()[0]) } else { None };
            let (app, line) = between.map_or((None, bytes), |at| (json::unescape(&bytes[..at]), &bytes[at + 1..]));
            let found = formats.read_inside(&json::unescape(line)?, app.as_deref(), Some(&name));
            found.into_iter().find(|(found, _)| *found == name).map(|(_, value)| value)
        });
        let value = app.map_or_else(|| Value::Made(made.clone()), |app| Value::Beside(app, made.clone()));
        out.add(tape, wanted, line, value);
    }

    /// The fields of a line, all of them or one, by the program that wrote it or by what it looks like.
    fn read_inside(&self, line: &str, app: Option<&str>, wanted: Option<&str>) -> Vec<(String, String)> {
        let text = app.map_or_else(|| line.to_owned(), |app| format!("{app}: {line}"));
        let tape = text.as_bytes();
        let mut out = wanted.map_or_else(Collector::all, Collector::only);
        let sourcetype = if app.is_some() { "syslog" } else { crate::detect(tape) };
        let meanings = self.meanings(sourcetype, tape, &mut out);
        let of = match app {
            Some(app) => {
                let (end, message) = (app.len(), Span::new(app.len() + 2, tape.len()));
                out.text(tape, "app", Span::new(0, end));
                Subject { sourcetype, app: Some(Span::new(0, end)), message }
            }
            None => self.subject(sourcetype, tape, &mut out),
        };
        self.extract_subject(tape, of, &meanings, &mut out);
        let found = out.into_found().into_iter().filter_map(|f| f.value.of(&tape[f.span.range()]).map(|value| (f.name, value)));
        found.collect()
    }
}
