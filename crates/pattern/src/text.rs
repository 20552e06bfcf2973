//! Search terms against bytes: one set of rules, used on whole events, on constant text and on variables.
//!
//! A term is a literal, or literals with `*` between. It matches where its bytes stand, case ignored unless
//! asked, and where what stands before and after is a breaker or the end. `*` stands for any bytes but major
//! breakers. A term whose own first or last byte is a breaker needs no breaker beyond it.

use memchr::{memchr_iter, memchr2_iter, memmem};
use regex::bytes::{Regex, RegexBuilder};

/// A search term as typed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Term {
    /// The literals between the `*`; first or last may be empty (open start or end).
    pub parts: Vec<String>,
    /// Whether case counts.
    pub case_sensitive: bool,
    /// Whether it may start and end inside a token (a plain substring).
    pub substring: bool,
}

impl Term {
    /// A word or phrase without wildcards.
    pub fn literal(text: impl Into<String>) -> Self {
        Self { parts: vec![text.into()], case_sensitive: false, substring: false }
    }

    /// A word or phrase in which `*` is a wildcard.
    pub fn wildcard(text: &str) -> Self {
        Self { parts: text.split('*').map(str::to_owned).collect(), case_sensitive: false, substring: false }
    }

    /// A literal that may stand anywhere, also inside a token.
    pub fn substring(text: impl Into<String>, case_sensitive: bool) -> Self {
        Self { parts: vec![text.into()], case_sensitive, substring: true }
    }

    /// The only part that is not empty, when there is just one: then `*` stands at the ends at most.
    pub fn single_literal(&self) -> Option<&str> {
        let mut filled = self.parts.iter().filter(|p| !p.is_empty());
        match (filled.next(), filled.next()) {
            (Some(part), None) => Some(part),
            _ => None,
        }
    }

    /// Whether the start may stand inside a token.
    pub fn open_start(&self) -> bool {
        self.substring || (self.parts.len() > 1 && self.parts.first().is_some_and(String::is_empty))
    }

    /// Whether the end may stand inside a token.
    pub fn open_end(&self) -> bool {
        self.substring || (self.parts.len() > 1 && self.parts.last().is_some_and(String::is_empty))
    }
}

/// Whether `byte` is a major breaker: it ends a segment, and `*` does not cross it.
pub const fn is_major_breaker(byte: u8) -> bool {
    matches!(
        byte,
        0..=32
            | 127
            | b'['
            | b']'
            | b'<'
            | b'>'
            | b'('
            | b')'
            | b'{'
            | b'}'
            | b'|'
            | b'!'
            | b';'
            | b','
            | b'\''
            | b'"'
            | b'*'
            | b'&'
            | b'?'
            | b'+'
    )
}

/// Whether `byte` is a breaker, major or minor: a token of the search language ends there.
pub const fn is_breaker(byte: u8) -> bool {
    is_major_breaker(byte) || matches!(byte, b'/' | b':' | b'=' | b'@' | b'.' | b'-' | b'$' | b'#' | b'%' | b'\\' | b'_')
}

/// The tokens of a text: what stands between breakers.
pub fn tokens(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| is_breaker(*byte)).filter(|token| !token.is_empty())
}

/// Finds a literal, case ignored or not, by its rarest byte.
#[derive(Debug)]
struct Finder {
    needle: Vec<u8>,
    folded: bool,
    rare_at: usize,
    /// Finds the needle in text without upper case letters, if case is ignored.
    many: Box<memmem::Finder<'static>>,
}

/// Bytes that are put in lower case at once.
const FOLDED_AT_ONCE: usize = 2_048;

/// How often a byte stands in logs, roughly: the lower the rarer. Only relative order matters.
fn commonness(byte: u8) -> u8 {
    match byte.to_ascii_lowercase() {
        b' ' | b'0' | b'1' | b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 9,
        b'2'..=b'9' | b'.' | b':' | b'-' | b'd' | b'c' | b'l' => 7,
        b'/' | b'"' | b'=' | b'm' | b'u' | b'p' | b'g' | b'h' | b'f' => 6,
        b'b' | b'y' | b'w' | b'v' | b'[' | b']' | b'(' | b')' | b',' => 4,
        b'k' | b'x' | b'_' => 3,
        _ => 1,
    }
}

impl Finder {
    fn new(needle: &[u8], folded: bool) -> Self {
        let needle = if folded { needle.to_ascii_lowercase() } else { needle.to_vec() };
        let rare_at = (0..needle.len()).min_by_key(|at| commonness(needle[*at])).unwrap_or(0);
        // Without letters there is no case.
        let folded = folded && needle.iter().any(u8::is_ascii_alphabetic);
        let many = Box::new(memmem::Finder::new(&needle).into_owned());
        Self { needle, folded, rare_at, many }
    }

    /// Calls `each` with the start and end of every place where the needle stands in a long text, which says where to
    /// look on.
    fn each(&self, bytes: &[u8], mut each: impl FnMut(usize, usize) -> usize) {
        if self.folded && self.needle.len() <= FOLDED_AT_ONCE / 8 {
            return self.each_folded(bytes, each);
        }
        let lowered = if self.folded { Some(bytes.to_ascii_lowercase()) } else { None };
        let bytes = lowered.as_deref().unwrap_or(bytes);
        let mut from = 0;
        while let Some(start) = bytes.get(from..).and_then(|rest| self.many.find(rest)) {
            from = each(from + start, from + start + self.needle.len());
        }
    }

    /// As `each` where case is ignored: a piece at a time is put in lower case, in memory that stays in the nearest cache.
    fn each_folded(&self, bytes: &[u8], mut each: impl FnMut(usize, usize) -> usize) {
        let len = self.needle.len();
        let mut lowered = [0; FOLDED_AT_ONCE];
        let mut from = 0;
        while bytes.len().checked_sub(len).is_some_and(|last| from <= last) {
            let piece = &bytes[from..bytes.len().min(from + FOLDED_AT_ONCE)];
            let lowered = &mut lowered[..piece.len()];
            lowered.iter_mut().zip(piece).for_each(|(low, byte)| *low = byte.to_ascii_lowercase());
            let mut at = 0;
            while let Some(start) = lowered.get(at..).and_then(|rest| self.many.find(rest)) {
                at = each(from + at + start, from + at + start + len).saturating_sub(from);
            }
            // What begins in the piece and ends behind it is in the next one too.
            from = from.saturating_add(at.max(piece.len() + 1 - len));
        }
    }

    fn stands_at(&self, bytes: &[u8], start: usize) -> bool {
        let Some(found) = bytes.get(start..start + self.needle.len()) else { return false };
        if self.folded { found.eq_ignore_ascii_case(&self.needle) } else { found == self.needle }
    }

    /// The first start at or after `from` where the needle stands and `accept` agrees.
    fn find(&self, bytes: &[u8], from: usize, mut accept: impl FnMut(usize) -> bool) -> Option<usize> {
        let first = from + self.rare_at;
        if first >= bytes.len() || bytes.len() - from < self.needle.len() {
            return None;
        }
        let rare = self.needle[self.rare_at];
        let hay = &bytes[first..];
        let mut check = |offset: usize| {
            let start = from + offset;
            (self.stands_at(bytes, start) && accept(start)).then_some(start)
        };
        if self.folded && rare.is_ascii_alphabetic() {
            memchr2_iter(rare, rare.to_ascii_uppercase(), hay).find_map(&mut check)
        } else {
            memchr_iter(rare, hay).find_map(&mut check)
        }
    }
}

#[derive(Debug)]
enum Matcher {
    /// Matches wherever there is at least nothing: a lone `*`.
    Anything,
    Literal {
        finder: Finder,
        open_start: bool,
        open_end: bool,
    },
    Wildcard {
        prefilter: Option<Finder>,
        regex: Box<Regex>,
    },
}

/// A term made ready to match many byte strings.
#[derive(Debug)]
pub struct TermMatcher(Matcher);

impl TermMatcher {
    /// Prepares `term`.
    pub fn new(term: &Term) -> Self {
        let ascii = term.parts.iter().all(|p| p.is_ascii());
        if term.parts.iter().all(String::is_empty) {
            return Self(Matcher::Anything);
        }
        if let Some(literal) = term.single_literal()
            && (ascii || term.case_sensitive)
        {
            let finder = Finder::new(literal.as_bytes(), !term.case_sensitive);
            return Self(Matcher::Literal { finder, open_start: term.open_start(), open_end: term.open_end() });
        }
        let longest = term.parts.iter().filter(|p| p.is_ascii()).max_by_key(|p| p.len()).filter(|p| !p.is_empty());
        let prefilter = longest.map(|p| Finder::new(p.as_bytes(), !term.case_sensitive));
        Self(Matcher::Wildcard { prefilter, regex: Box::new(wildcard_regex(term)) })
    }

    /// Whether the term stands in `bytes`; the ends of `bytes` count as breakers.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        match &self.0 {
            Matcher::Wildcard { prefilter: Some(finder), .. } if finder.find(bytes, 0, |_| true).is_none() => false,
            _ => self.find(bytes, 0).is_some(),
        }
    }

    fn finder(&self) -> Option<&Finder> {
        match &self.0 {
            Matcher::Literal { finder, .. } | Matcher::Wildcard { prefilter: Some(finder), .. } => Some(finder),
            _ => None,
        }
    }

    /// A literal that every match of the term holds, in any case of its letters; `None` where none can be looked for as
    /// it is.
    pub fn literal(&self) -> Option<&[u8]> {
        self.finder().map(|finder| &*finder.needle)
    }

    /// Calls `each` with the start and end of every place of a long text where a literal of the term stands, whatever is
    /// around it; every match has one. What it gives is where to look on, beyond the start.
    pub fn each_literal(&self, bytes: &[u8], each: impl FnMut(usize, usize) -> usize) {
        if let Some(finder) = self.finder() {
            finder.each(bytes, each);
        }
    }

    /// Whether a match can begin in `before`, which stands right before other bytes, and end in these; or begin in other
    /// bytes and end in `after`.
    pub fn may_cross(&self, before: &[u8], after: &[u8]) -> bool {
        let Some(finder) = self.finder() else { return true };
        let needle = &finder.needle;
        let same = |a: &[u8], b: &[u8]| if finder.folded { a.eq_ignore_ascii_case(b) } else { a == b };
        (1..needle.len()).any(|at| {
            let (first, second) = needle.split_at(at);
            before.len() >= first.len() && same(&before[before.len() - first.len()..], first)
                || after.len() >= second.len() && same(&after[..second.len()], second)
        })
    }

    /// The first place at or after `from` where it stands, as start and end; for marking matches.
    pub fn find(&self, bytes: &[u8], from: usize) -> Option<(usize, usize)> {
        match &self.0 {
            Matcher::Anything => (from <= bytes.len()).then_some((from, bytes.len())),
            Matcher::Literal { finder, open_start, open_end } => {
                let len = finder.needle.len();
                let start = finder.find(bytes, from, |start| {
                    (*open_start || breaks_before(bytes, start)) && (*open_end || breaks_after(bytes, start + len))
                })?;
                Some((start, start + len))
            }
            Matcher::Wildcard { regex, .. } => {
                if from > bytes.len() {
                    return None;
                }
                let captures = regex.captures_at(bytes, from)?;
                captures.get(1).map(|found| (found.start(), found.end()))
            }
        }
    }
}

fn breaks_before(bytes: &[u8], start: usize) -> bool {
    start == 0 || is_breaker(bytes[start - 1]) || is_breaker(bytes[start])
}

fn breaks_after(bytes: &[u8], end: usize) -> bool {
    end == bytes.len() || is_breaker(bytes[end]) || is_breaker(bytes[end - 1])
}

/// Whether a match of the term is decided by bytes alone: none of its letters has another case beyond ASCII.
pub(crate) fn is_exact_in_bytes(term: &Term) -> bool {
    term.case_sensitive || term.parts.iter().all(|p| p.is_ascii())
}

fn wildcard_regex(term: &Term) -> Regex {
    RegexBuilder::new(&term_source(term)).size_limit(1 << 24).build().expect("escaped literals make a valid expression")
}

/// The expression that finds the term in bytes; its first group is the term itself.
pub(crate) fn term_source(term: &Term) -> String {
    let ascii = term.parts.iter().all(|p| p.is_ascii());
    let class = |test: fn(u8) -> bool| -> String { (0..128u8).filter(|b| test(*b)).map(|b| format!("\\x{b:02x}")).collect() };
    let breakers = class(is_breaker);
    let majors = class(is_major_breaker);
    let first = term.parts.first().map_or("", String::as_str);
    let last = term.parts.last().map_or("", String::as_str);
    let mut source = String::new();
    if !term.open_start() && !first.as_bytes().first().is_some_and(|b| is_breaker(*b)) {
        source.push_str(&format!("(?:\\A|(?-u:[{breakers}]))"));
    }
    let case = match (term.case_sensitive, ascii) {
        (true, _) => "",
        (false, true) => "(?i-u)",
        (false, false) => "(?i)",
    };
    let literals: Vec<String> = term.parts.iter().map(|p| format!("(?:{case}{})", regex::escape(p))).collect();
    source.push_str(&format!("({})", literals.join(&format!("(?-u:[^{majors}]*?)"))));
    if !term.open_end() && !last.as_bytes().last().is_some_and(|b| is_breaker(*b)) {
        source.push_str(&format!("(?:\\z|(?-u:[{breakers}]))"));
    }
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(term: &Term, text: &str) -> bool {
        TermMatcher::new(term).matches(text.as_bytes())
    }

    #[test]
    fn words_match_whole_tokens_in_any_case() {
        let fail = Term::literal("fail");
        assert!(matches(&fail, "login FAIL: user"));
        assert!(!matches(&fail, "failure"));
        assert!(matches(&Term::literal("error"), "app-error.log"));
        assert!(matches(&Term::literal("192.168"), "from 192.168.1.1"));
        assert!(!matches(&Term::literal("92.168"), "from 192.168.1.1"));
        assert!(matches(&Term::literal("a.a"), "xa.a.a"));
        assert!(!matches(&Term { case_sensitive: true, ..Term::literal("Error") }, "error"));
    }

    #[test]
    fn every_place_in_a_long_text_is_found_once() {
        let mut text = vec![b'.'; 3 * FOLDED_AT_ONCE];
        let places = [0, 5, FOLDED_AT_ONCE - 4, FOLDED_AT_ONCE - 1, 2 * FOLDED_AT_ONCE - 2, 3 * FOLDED_AT_ONCE - 3];
        places.iter().for_each(|at| text[*at..at + 3].copy_from_slice(b"aBc"));
        let found = |step: usize| {
            let mut found = Vec::new();
            TermMatcher::new(&Term::literal("abC")).each_literal(&text, |start, end| {
                assert_eq!(end, start + 3);
                found.push(start);
                start + step
            });
            found
        };
        assert_eq!(found(1), places);
        // What it gives is where to look on.
        assert_eq!(found(FOLDED_AT_ONCE), [0, 2 * FOLDED_AT_ONCE - 2]);
    }

    #[test]
    fn wildcards_cross_minor_breakers_only() {
        assert!(matches(&Term::wildcard("fail*"), "a failure b"));
        assert!(!matches(&Term::wildcard("ail*"), "a failure b"));
        assert!(matches(&Term::wildcard("*ure"), "a failure b"));
        assert!(matches(&Term::wildcard("us*ot"), "x user=root y"));
        assert!(!matches(&Term::wildcard("us*ot"), "x user root y"));
        assert!(matches(&Term::wildcard("*"), ""));
        assert!(matches(&Term::wildcard("*ail*"), "a failure b"));
    }

    #[test]
    fn phrases_and_substrings() {
        assert!(matches(&Term::literal("for user root"), "opened for user root by"));
        assert!(!matches(&Term::literal("for user roo"), "opened for user root by"));
        assert!(matches(&Term::substring("oo", false), "opened for user rOOt by"));
        assert!(matches(&Term::literal("ГОРОД"), "в городе город"));
        assert!(matches(&Term::literal("user="), "a user=root"));
    }

    #[test]
    fn find_gives_the_place() {
        let matcher = TermMatcher::new(&Term::literal("b"));
        assert_eq!(matcher.find(b"ab b b", 0), Some((3, 4)));
        assert_eq!(matcher.find(b"ab b b", 4), Some((5, 6)));
        let matcher = TermMatcher::new(&Term::wildcard("x*z"));
        assert_eq!(matcher.find(b"a xyz", 0), Some((2, 5)));
    }
}
