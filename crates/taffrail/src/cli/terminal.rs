//! What is different when a person looks: colours, width, and control characters of logs made harmless.
//!
//! Text from events is hostile: an escape sequence in a log line must not reach a terminal. Only `raw`, `json`
//! and `csv` output, and output that goes to a file or a pipe, carry bytes as they are.

use std::borrow::Cow;
use std::io::IsTerminal;

/// Whether standard output is a terminal.
pub fn stdout_is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Whether standard error is a terminal.
pub fn stderr_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Whether to colour what goes to a stream that is (or is not) a terminal; `NO_COLOR` and a dumb terminal say no.
pub fn colours(is_terminal: bool) -> bool {
    is_terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
}

/// Replaces control characters (C0 but for tab, DEL, C1) and what reorders text (bidirectional overrides) by a
/// visible spelling, so that log text cannot steer a terminal.
pub fn neutral(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_dangerous) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if !is_dangerous(c) => safe.push(c),
            '\n' => safe.push('⏎'),
            '\r' => safe.push('␍'),
            c if (c as u32) < 0x20 => safe.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
            '\u{7f}' => safe.push('␡'),
            c => safe.push_str(&format!("\\u{{{:x}}}", c as u32)),
        }
    }
    Cow::Owned(safe)
}

fn is_dangerous(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\n'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_lose_their_power() {
        assert_eq!(neutral("plain\ttext é"), "plain\ttext é");
        assert_eq!(neutral("a\x1b[31mred\x07\u{9b}2J\x7f"), "a␛[31mred␇\\u{9b}2J␡");
        assert_eq!(neutral("one\r\ntwo\0"), "one␍⏎two␀");
        assert_eq!(neutral("\u{202e}evil"), "\\u{202e}evil");
    }

    proptest::proptest! {
        #[test]
        fn nothing_dangerous_is_left(text in ".*") {
            proptest::prop_assert!(!neutral(&text).chars().any(is_dangerous));
        }
    }
}
