//! Text that was put in place of other text, and where each part of it comes from.
//!
//! Macros and subsearches are replaced by text before the query is parsed again; errors must still show what was typed.

use super::error::QueryError;
use super::span::Span;

/// A text with some of its parts replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spliced {
    /// The new text.
    pub text: String,
    /// The replaced parts: where they are now, and where they were.
    replaced: Vec<(Span, Span)>,
}

impl Spliced {
    /// `text` with each of these parts replaced; they come in order and do not touch.
    pub fn new(text: &str, parts: impl IntoIterator<Item = (Span, String)>) -> Self {
        let mut out = Self::default();
        let mut at = 0;
        for (old, new) in parts {
            out.text.push_str(&text[at..old.start]);
            let start = out.text.len();
            out.text.push_str(&new);
            out.replaced.push((Span::new(start, out.text.len()), old));
            at = old.end;
        }
        out.text.push_str(&text[at..]);
        out
    }

    /// Where a place of the new text was in the old one; what lies in a replaced part is all of that part.
    pub fn origin(&self, place: Span) -> Span {
        Span::new(self.old(place.start, false), self.old(place.end, true)).ordered()
    }

    fn old(&self, at: usize, end: bool) -> usize {
        let mut moved = (0, 0);
        for (new, old) in &self.replaced {
            if at < new.start || (end && at == new.start) {
                break;
            }
            if at < new.end || (end && at == new.end) {
                return if end { old.end } else { old.start };
            }
            moved = (new.end, old.end);
        }
        at - moved.0 + moved.1
    }

    /// The error with its place in the old text.
    pub fn place(&self, error: QueryError) -> QueryError {
        QueryError { span: error.span.map(|span| self.origin(span)), ..error }
    }
}

impl Span {
    fn ordered(self) -> Self {
        Self { start: self.start, end: self.end.max(self.start) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lead_back() {
        let old = "ab `m` cd `n` ef";
        let spliced = Spliced::new(old, [(Span::new(3, 6), "long text".to_owned()), (Span::new(10, 13), String::new())]);
        assert_eq!(spliced.text, "ab long text cd  ef");
        let origin = |word: &str| {
            let at = spliced.text.find(word).unwrap();
            let span = spliced.origin(Span::new(at, at + word.len()));
            &old[span.start..span.end]
        };
        assert_eq!(origin("ab"), "ab");
        assert_eq!(origin("text"), "`m`");
        assert_eq!(origin("cd"), "cd");
        assert_eq!(origin("ef"), "ef");
        assert_eq!(origin("b long"), "b `m`");
        assert_eq!(origin("cd  ef"), "cd `n` ef");
    }
}
