//! Fields of web access logs: `clientip ident user request method uri uri_path uri_query version status bytes
//! referer useragent`, and `vhost` where a virtual host stands first. Values are as written, `-` included.

use super::collector::Collector;
use crate::tape::{Class, Span, Tape};

static WORD: Class = Class::not(b" \t\r\n[\"");

/// The fields that it gives.
#[rustfmt::skip]
pub(super) const NAMES: [&str; 14] = [
    "vhost", "clientip", "ident", "user", "request", "method", "uri", "uri_path", "uri_query", "version", "status", "bytes", "referer", "useragent",
];

/// Extracts the line's fields; gives the span behind them, where servers put pairs of their own.
pub(super) fn extract<T: Tape>(tape: T, out: &mut Collector<'_>) -> Span {
    let whole = Span::new(0, tape.len());
    let Some((words, time_end)) = before_time(tape) else { return whole };
    if !names(tape, &words, out) {
        return whole;
    }
    let mut at = time_end;
    if !(tape.eq(at, b']') && tape.eq(at + 1, b' ') && tape.eq(at + 2, b'"')) {
        return Span::new(at, tape.len());
    }
    let Some(end) = tape.string_end(at + 3) else { return Span::new(at, tape.len()) };
    request(tape, Span::new(at + 3, end), out);
    at = end + 1;
    for name in ["status", "bytes"] {
        let end = tape.run(at + 1, &WORD);
        if !tape.eq(at, b' ') || end == at + 1 {
            return Span::new(at, tape.len());
        }
        out.text(tape, name, Span::new(at + 1, end));
        at = end;
    }
    for name in ["referer", "useragent"] {
        if !(tape.eq(at, b' ') && tape.eq(at + 1, b'"')) {
            break;
        }
        let Some(end) = tape.string_end(at + 2) else { break };
        out.text(tape, name, Span::new(at + 2, end));
        at = end + 1;
    }
    Span::new(at.min(tape.len()), tape.len())
}

/// The words before the bracket with the time, at most six, and where the time ends.
fn before_time<T: Tape>(tape: T) -> Option<(Vec<Span>, usize)> {
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        if tape.eq(at, b'[') {
            // A time that the splitter does not know may stand there all the same.
            let end = match tape.split_time_len(at + 1) {
                Some(units) => at + 1 + units,
                None => at + 1 + tape.time_len(at + 1)?,
            };
            return (words.len() >= 3).then_some((words, end));
        }
        let end = tape.run(at, &WORD);
        if end == at || words.len() == 6 || !tape.eq(end, b' ') {
            return None;
        }
        words.push(Span::new(at, end));
        at = end + 1;
    }
}

/// `[vhost] client ident user`; a user's name may have spaces.
fn names<T: Tape>(tape: T, words: &[Span], out: &mut Collector<'_>) -> bool {
    let with_port = |span: &Span| {
        let mut colons = (span.start..span.end).filter(|at| tape.eq(*at, b':'));
        colons.next().is_some() && colons.next().is_none()
    };
    let nil = |span: &Span| span.end == span.start + 1 && tape.eq(span.start, b'-');
    let vhost = words.len() > 3 && (with_port(&words[0]) || (!nil(&words[1]) && nil(&words[2])));
    let mut words = words;
    if vhost {
        out.text(tape, "vhost", words[0]);
        words = &words[1..];
    }
    let [client, ident, user, ..] = words else { return false };
    let last = words.last().unwrap_or(user);
    out.text(tape, "clientip", *client);
    out.text(tape, "ident", *ident);
    out.text(tape, "user", Span::new(user.start, last.end));
    true
}

fn request<T: Tape>(tape: T, span: Span, out: &mut Collector<'_>) {
    out.text(tape, "request", span);
    out.map(tape, "method", span, |r| split(r).map(|(method, _, _)| method));
    out.map(tape, "uri", span, |r| split(r).map(|(_, uri, _)| uri));
    out.map(tape, "uri_path", span, |r| split(r).map(|(_, uri, _)| uri.split('?').next().unwrap_or(&uri).to_owned()));
    out.map(tape, "uri_query", span, |r| split(r).and_then(|(_, uri, _)| uri.split_once('?').map(|(_, query)| query.to_owned())));
    out.map(tape, "version", span, |r| split(r).and_then(|(_, _, version)| version));
}

/// Method, address and version of a request line; `None` for what is none (a TLS hello on a plain port).
fn split(request: &[u8]) -> Option<(String, String, Option<String>)> {
    let text = String::from_utf8_lossy(request);
    let (method, rest) = text.split_once(' ')?;
    if method.is_empty() || !method.bytes().all(|b| b.is_ascii_uppercase() || b == b'_' || b == b'-') {
        return None;
    }
    // Addresses with spaces are wrong but come: the version is what stands behind the last one.
    let (uri, version) = match rest.rsplit_once(' ') {
        Some((uri, version)) if version.starts_with("HTTP/") => (uri, version.strip_prefix("HTTP/")),
        _ => (rest, None),
    };
    Some((method.to_owned(), uri.to_owned(), version.map(str::to_owned)))
}
