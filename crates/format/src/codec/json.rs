//! JSON lines: the time stands under one of the usual keys of the outermost object.

use super::{Codec, Context, Decoded};
use taffrail_event::{Problems, Timestamp};

/// One JSON object a line.
pub(super) struct Json;

/// Keys that hold an event's time, the most telling first.
const TIME_KEYS: [&[u8]; 16] = [
    b"@timestamp",
    b"timestamp",
    b"time",
    b"ts",
    b"_time",
    b"date",
    b"eventTime",
    b"datetime",
    b"@t",
    b"t",
    b"asctime",
    b"created",
    b"start_time",
    b"UtcTime",
    b"TimeCreated",
    b"__REALTIME_TIMESTAMP",
];

impl Codec for Json {
    fn sourcetype(&self) -> &'static str {
        "json"
    }

    fn summary(&self) -> &'static str {
        "one JSON object a line"
    }

    fn recognise(&self, line: &[u8]) -> u8 {
        let text = line.trim_ascii();
        let inside = text.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
        // A long line may be cut by the end of the sample: its beginning is telling enough.
        if inside.is_some_and(|i| i.starts_with(b"\"") || i == b"}") { 95 } else { 0 }
    }

    fn decode<'a>(&self, raw: &'a [u8], context: &mut Context) -> Decoded<'a> {
        let Some(open) = raw.iter().position(|b| !b.is_ascii_whitespace()).filter(|at| raw[*at] == b'{') else {
            let mut decoded = Decoded::timed(context.times.find(raw, context.received), context.received);
            decoded.problems = decoded.problems.with(Problems::MALFORMED);
            return decoded;
        };
        let (best, broken) = scan(raw, open + 1, context);
        let (time, mut problems) = match best {
            Some((_, time, problems)) => (time, problems),
            None => (context.received, Problems::NO_TIME),
        };
        if broken {
            problems = problems.with(Problems::MALFORMED);
        }
        Decoded { time, host: None, problems }
    }
}

/// Walks the members of the outermost object: the best time under a known key, and whether the object is not
/// whole. Stops at the most telling key, since time is wanted and not validation.
fn scan(raw: &[u8], mut at: usize, context: &mut Context) -> (Option<(usize, Timestamp, Problems)>, bool) {
    let mut best: Option<(usize, Timestamp, Problems)> = None;
    loop {
        at = skip_blank(raw, at);
        match raw.get(at) {
            Some(b'}') => return (best, false),
            Some(b'"') => {}
            _ => return (best, true),
        }
        let Some(key_end) = string_end(raw, at + 1) else { return (best, true) };
        let key = &raw[at + 1..key_end];
        at = skip_blank(raw, key_end + 1);
        if raw.get(at) != Some(&b':') {
            return (best, true);
        }
        at = skip_blank(raw, at + 1);
        let Some(end) = value_end(raw, at) else { return (best, true) };
        if let Some(rank) = rank(key)
            && best.is_none_or(|(known, ..)| rank < known)
            && let Some((time, problems)) = time_of(raw, at, end, context)
        {
            best = Some((rank, time, problems));
            if rank == 0 {
                return (best, !ends_whole(raw));
            }
        }
        at = skip_blank(raw, end);
        match raw.get(at) {
            Some(b',') => at += 1,
            Some(b'}') => return (best, false),
            _ => return (best, true),
        }
    }
}

fn ends_whole(raw: &[u8]) -> bool {
    raw.iter().rev().find(|b| !b.is_ascii_whitespace() && **b != 0) == Some(&b'}')
}

fn rank(key: &[u8]) -> Option<usize> {
    if key.len() > 20 {
        return None;
    }
    TIME_KEYS.iter().position(|known| *known == key)
}

fn time_of(raw: &[u8], at: usize, end: usize, context: &mut Context) -> Option<(Timestamp, Problems)> {
    let (start, text) = if raw[at] == b'"' { (at + 1, &raw[at + 1..end - 1]) } else { (at, &raw[at..end]) };
    let numeric = !text.is_empty() && text.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    if numeric && text.iter().filter(|b| **b == b'-').count() < 2 {
        // Whole numbers exactly; only fractions and exponents through floating point.
        let found = context.times.at(&raw[..end.min(raw.len())], start, context.received);
        if let Some(found) = found.filter(|f| f.end == start + text.len()) {
            return Some((found.time, found.problems));
        }
        let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
        // 2001 on; smaller numbers under a key such as `t` are durations.
        return (number >= 1e9).then(|| context.times.epoch(number, context.received));
    }
    if raw[at] != b'"' {
        return None;
    }
    let found = context.times.at(&raw[..end - 1], start, context.received)?;
    Some((found.time, found.problems))
}

fn skip_blank(raw: &[u8], mut at: usize) -> usize {
    while raw.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// The place of the quote that ends the string whose inside begins at `at`.
fn string_end(raw: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let found = at + memchr::memchr2(b'"', b'\\', raw.get(at..)?)?;
        if raw[found] == b'"' {
            return Some(found);
        }
        at = found + 2;
    }
}

/// Where the value at `at` ends: strings are stepped over, brackets counted, nothing checked.
fn value_end(raw: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0u32;
    loop {
        match raw.get(at)? {
            b'"' => {
                at = string_end(raw, at + 1)? + 1;
                if depth == 0 {
                    return Some(at);
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return Some(at),
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            b',' if depth == 0 => return Some(at),
            _ => {}
        }
        at += 1;
    }
}
