//! Search terms against bytes: one set of rules, used on whole events, on constant text and on variables.
//!
//! A term is a literal, or literals with `*` between. It matches where its bytes stand, ASCII case ignored
//! unless asked, and where what stands before and after is a breaker or the end. `*` stands for any bytes
//! but major breakers. The breakers are those of `docs/manual/search.md`.

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
}

/// A term made ready to match many byte strings.
#[derive(Debug)]
pub struct TermMatcher {}

impl TermMatcher {
    /// Prepares `term`.
    pub fn new(_term: &Term) -> Self {
        Self {}
    }

    /// Whether the term stands in `bytes`; the ends of `bytes` count as breakers.
    pub fn matches(&self, _bytes: &[u8]) -> bool {
        unimplemented!()
    }

    /// The first place at or after `from` where it stands, as start and end; for marking matches.
    pub fn find(&self, _bytes: &[u8], _from: usize) -> Option<(usize, usize)> {
        unimplemented!()
    }
}
