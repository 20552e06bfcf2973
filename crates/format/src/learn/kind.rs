//! What kind of thing a value is, by its looks alone.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An address of the internet, of version 4 or 6.
    Address,
    /// The address of a network card.
    Mac,
    /// Eight, four, four, four and twelve hexadecimal digits.
    Uuid,
    /// An address of mail.
    Mail,
    /// `scheme://...`
    Url,
    /// A path of a file or of a request.
    Path,
    /// A whole number or one with a fraction.
    Number,
    /// A number with a unit of time, as in `12ms`.
    Duration,
    /// A number with a unit of size, as in `4KiB`.
    Size,
    /// A word for how bad it is, as in `WARN`.
    Level,
    /// A method of HTTP.
    Method,
    /// A name with dots, such as of a machine.
    Host,
    /// At least eight hexadecimal digits, letters among them.
    Hex,
    /// A time.
    Time,
    /// `true` or `false`, `yes` or `no`.
    Flag,
    /// A word.
    Word,
    /// Several words.
    Text,
}

impl Kind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Mac => "mac",
            Self::Uuid => "uuid",
            Self::Mail => "mail",
            Self::Url => "url",
            Self::Path => "path",
            Self::Number => "number",
            Self::Duration => "duration",
            Self::Size => "size",
            Self::Level => "level",
            Self::Method => "method",
            Self::Host => "host",
            Self::Hex => "hex",
            Self::Time => "time",
            Self::Flag => "flag",
            Self::Word => "word",
            Self::Text => "text",
        }
    }

    /// The kind of a value.
    pub(super) fn of(value: &str) -> Self {
        let bytes = value.as_bytes();
        let has = |byte: u8| memchr::memchr(byte, bytes).is_some();
        let all = |test: fn(&u8) -> bool| !bytes.is_empty() && bytes.iter().all(test);
        if value.parse::<Ipv4Addr>().is_ok() || (has(b':') && value.parse::<Ipv6Addr>().is_ok()) {
            return Self::Address;
        }
        if is_number(value) {
            return Self::Number;
        }
        if is_mac(value) {
            return Self::Mac;
        }
        if is_uuid(value) {
            return Self::Uuid;
        }
        if let Some(unit) = unit_of(value) {
            return unit;
        }
        if is_level(value) {
            return Self::Level;
        }
        if METHODS.contains(&value) {
            return Self::Method;
        }
        if ["true", "false", "yes", "no"].iter().any(|flag| value.eq_ignore_ascii_case(flag)) {
            return Self::Flag;
        }
        if value.split_once("://").is_some_and(|(scheme, rest)| {
            !rest.is_empty() && !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        }) {
            return Self::Url;
        }
        if (value.starts_with('/') && bytes.len() > 1)
            || value.starts_with("./")
            || value.get(1..3) == Some(":\\")
            || value.starts_with("\\\\")
        {
            return Self::Path;
        }
        if has(b' ') || has(b'\t') {
            return if taffrail_pattern::split::time::len_at(bytes) == Some(bytes.len()) { Self::Time } else { Self::Text };
        }
        if value.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.') && !host.contains('@')) {
            return Self::Mail;
        }
        if taffrail_pattern::split::time::len_at(bytes) == Some(bytes.len()) {
            return Self::Time;
        }
        if bytes.len() >= 8 && all(u8::is_ascii_hexdigit) && bytes.iter().any(u8::is_ascii_digit) {
            return Self::Hex;
        }
        let dotted = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(byte))
            && value.split('.').count() >= 2
            && value.split('.').all(|part| !part.is_empty())
            && value.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_lowercase()) && last.len() >= 2);
        if dotted { Self::Host } else { Self::Word }
    }

    /// The kind of nine of ten values, or the widest of those that they are.
    pub(super) fn of_all<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut counts: Vec<(Self, usize)> = Vec::new();
        let mut all = 0;
        // The letters that all values are, if they are such.
        let mut letters: Vec<u8> = Vec::new();
        let mut others = 0;
        for value in values.filter(|value| !value.is_empty() && *value != "-").take(KIND_VALUES) {
            all += 1;
            match level_letter(value) {
                Some(letter) if letters.contains(&letter) => {}
                Some(letter) => letters.push(letter),
                None => others += 1,
            }
            let kind = Self::of(value);
            match counts.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, count)) => *count += 1,
                None => counts.push((kind, 1)),
            }
        }
        let Some((most, count)) = counts.iter().copied().max_by_key(|(_, count)| *count) else { return Self::Word };
        if others == 0 && letters.len() > 1 && letters.iter().any(|letter| b"IWE".contains(letter)) {
            return Self::Level;
        }
        if count * 10 >= all * 9 {
            return most;
        }
        let only = |kinds: &[Self]| counts.iter().all(|(kind, _)| kinds.contains(kind));
        match () {
            // Hexadecimal digits may by chance be none but those of numbers.
            () if only(&[Self::Hex, Self::Number]) => Self::Hex,
            () if only(&[Self::Number, Self::Duration]) => Self::Duration,
            () if counts.iter().any(|(kind, _)| *kind == Self::Text) => Self::Text,
            () if only(&[Self::Host, Self::Address]) => Self::Host,
            () => Self::Word,
        }
    }
}

/// Values of which the kind is asked: more of them say no more.
const KIND_VALUES: usize = 1_000;

const METHODS: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE"];

const LEVELS: [&str; 26] = [
    "trace",
    "debug",
    "info",
    "information",
    "notice",
    "warn",
    "warning",
    "error",
    "err",
    "fatal",
    "critical",
    "crit",
    "alert",
    "emerg",
    "emergency",
    "severe",
    "fine",
    "finer",
    "finest",
    "verbose",
    "panic",
    "dbg",
    "inf",
    "wrn",
    "ftl",
    "informational",
];

/// Letters for how bad something is: verbose, trace, debug, info, notice, warning, error, critical, fatal.
const LEVEL_LETTERS: &[u8; 9] = b"VTDINWECF";

/// The letter, where a value is one that may say how bad something is.
pub(super) fn level_letter(value: &str) -> Option<u8> {
    let [letter] = value.as_bytes() else { return None };
    LEVEL_LETTERS.contains(letter).then_some(*letter)
}

/// Whether it is a word for how bad something is.
pub(super) fn is_level(value: &str) -> bool {
    LEVELS.iter().any(|level| value.eq_ignore_ascii_case(level))
}

fn is_number(value: &str) -> bool {
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all(whole) && all(fraction)
}

fn is_mac(value: &str) -> bool {
    let pairs = |with: char| {
        let mut parts = value.split(with);
        parts.clone().count() == 6 && parts.all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    value.len() == 17 && (pairs(':') || pairs('-'))
}

fn is_uuid(value: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    value.len() == 36
        && value.split('-').count() == 5
        && value.split('-').zip(lengths).all(|(part, length)| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// What a number with a unit measures.
fn unit_of(value: &str) -> Option<Kind> {
    let at = value.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (number, unit) = value.split_at(at);
    if !is_number(number) {
        return None;
    }
    measure(unit)
}

/// What a unit measures.
pub(super) fn measure(unit: &str) -> Option<Kind> {
    match unit.to_ascii_lowercase().as_str() {
        "ns" | "us" | "µs" | "ms" | "msec" | "s" | "sec" | "secs" | "second" | "seconds" | "min" | "minutes" | "h" | "hours"
        | "milliseconds" | "microseconds" | "millis" => Some(Kind::Duration),
        "b" | "bytes" | "byte" | "kb" | "mb" | "gb" | "tb" | "kib" | "mib" | "gib" | "tib" => Some(Kind::Size),
        _ => None,
    }
}

/// The length of a value that goes over what are delimiters elsewhere: an address of version 6, of a card, a URL.
pub(super) fn joined_len(rest: &[u8]) -> Option<usize> {
    let end = rest.iter().position(|byte| b" \t\r\n\"'<>[](){},;|".contains(byte)).unwrap_or(rest.len());
    let text = std::str::from_utf8(&rest[..end]).ok()?;
    let text = text.trim_end_matches([':', '.', '!', '?', '=']);
    match Kind::of(text) {
        Kind::Mac | Kind::Url => Some(text.len()),
        Kind::Address if text.contains(':') => Some(text.len()),
        Kind::Path if text.contains(['?', ':', '=', '&']) => Some(text.len()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_by_their_looks() {
        let want = [
            ("10.1.2.3", Kind::Address),
            ("fe80::1", Kind::Address),
            ("00:11:22:33:44:55", Kind::Mac),
            ("6f1c2e0a-77aa-4b1e-9d0c-1234567890ab", Kind::Uuid),
            ("bob@example.org", Kind::Mail),
            ("https://example.org/a?b=c", Kind::Url),
            ("/var/log/x", Kind::Path),
            ("C:\\x", Kind::Path),
            ("-12.5", Kind::Number),
            ("12ms", Kind::Duration),
            ("4KiB", Kind::Size),
            ("WARN", Kind::Level),
            ("GET", Kind::Method),
            ("db1.example.org", Kind::Host),
            ("4f66ad9a0b2e", Kind::Hex),
            ("worker-3", Kind::Word),
            ("two words", Kind::Text),
            ("2026-11-21 21:14:03", Kind::Time),
            ("21:14", Kind::Word),
        ];
        for (value, kind) in want {
            assert_eq!(Kind::of(value), kind, "{value}");
        }
        assert_eq!(Kind::of_all(["12345678", "4f66ad9a", "deadbee1"].into_iter()), Kind::Hex);
        assert_eq!(Kind::of_all(["I", "W", "I"].into_iter()), Kind::Level);
        assert_eq!(Kind::of_all(["T", "F"].into_iter()), Kind::Word);
        assert_eq!(Kind::of_all(["Y", "N", "I"].into_iter()), Kind::Word);
        assert_eq!(Kind::of_all(["web1", "10.1.2.3", "x"].into_iter()), Kind::Word);
        assert_eq!(joined_len(b"fe80::1 port"), Some(7));
        assert_eq!(joined_len(b"http://x.org/a?b=1, and"), Some(18));
        assert_eq!(joined_len(b"key:value"), None);
    }
}
