//! `message repeated 5 times: [ TEXT]`, as rsyslog and others reduce equal messages: the fields are those of the text, and
//! `attempts` is the number. `last message repeated 5 times` speaks of another event and stays as it is.

use super::collector::Collector;
use super::set::Subject;
use crate::tape::{Class, Span, Tape, Unit};

const DIGITS: Class = Class::new(digits());

const fn digits() -> [bool; 256] {
    let mut table = [false; 256];
    let mut digit = b'0';
    while digit <= b'9' {
        table[digit as usize] = true;
        digit += 1;
    }
    table
}

/// Units before the bracket, at most.
const HEAD_MAX: usize = 64;

/// The event with the text inside as its message, where it is one; its number is added to the fields.
pub(super) fn inside<'s, T: Tape>(tape: T, of: Subject<'s>, out: &mut Collector<'_>) -> Subject<'s> {
    let Some((count, message)) = find(tape, of.message) else { return of };
    out.text(tape, "attempts", count);
    Subject { message, ..of }
}

fn find<T: Tape>(tape: T, message: Span) -> Option<(Span, Span)> {
    let is = |at: usize, byte: u8| tape.unit(at) == Unit::Byte(byte);
    // What can be seen without asking what slots hold, first: hardly any other message is of this shape.
    let last = message.end.checked_sub(1).filter(|last| *last > message.start && is(*last, b']'))?;
    let mut head = message.start..last.min(message.start + HEAD_MAX);
    let open = head.find(|at| is(*at, b':') && is(at + 1, b' ') && is(at + 2, b'['))?;
    let start = tape.run(message.start, &BLANK);
    let number = tape.behind(start, b"message repeated ")?;
    let end = tape.run(number, &DIGITS);
    let behind = tape.behind(end, b" times: [").filter(|_| end > number)?;
    (behind == open + 3).then(|| (Span::new(number, end), Span::new(behind, last)))
}

const BLANK: Class = Class::new(blank());

const fn blank() -> [bool; 256] {
    let mut table = [false; 256];
    table[b' ' as usize] = true;
    table
}
