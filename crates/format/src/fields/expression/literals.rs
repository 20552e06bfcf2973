//! The texts that every match of an expression holds: what a rule is found by, and what has to be in a pattern for it to match.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Texts of which one has to be there.
pub(crate) type Ways = Vec<Vec<u8>>;

/// Ways in which a text may be written: with more it is cut into shorter ones.
const WAYS_MAX: usize = 16;

/// Bytes of a class up to which each of them is a way.
const CLASS_MAX: usize = 4;

/// The shortest text that is worth looking for.
const TEXT_MIN: usize = 3;

/// How much a text tells: its length, and little where it is short, unless it has a byte that is rare in logs.
pub(crate) fn worth(text: &[u8]) -> usize {
    match text.len() {
        len if len >= TEXT_MIN => len,
        _ => usize::from(text.iter().any(|byte| b"%@#~^|`".contains(byte))),
    }
}

fn worth_of(ways: &Ways) -> usize {
    ways.iter().map(|text| worth(text)).min().unwrap_or(0)
}

/// The most telling texts.
pub(super) fn best(texts: &[Ways]) -> &[Vec<u8>] {
    texts.iter().rev().max_by_key(|ways| worth_of(ways)).map_or(&[], Vec::as_slice)
}

/// The texts that every match holds, in their order.
pub(super) struct Runs {
    /// What has been read without a gap.
    current: Ways,
    pub(super) texts: Vec<Ways>,
    /// Whether the first of them begins the match.
    pub(super) at_start: bool,
    /// Whether something other than text has been passed.
    passed: bool,
}

impl Runs {
    pub(super) fn of(hir: &Hir) -> Self {
        let mut runs = Self { current: vec![Vec::new()], texts: Vec::new(), at_start: false, passed: false };
        runs.walk(hir);
        runs.flush();
        runs
    }

    fn flush(&mut self) {
        let current = std::mem::replace(&mut self.current, vec![Vec::new()]);
        if current.iter().all(|text| !text.is_empty()) {
            self.at_start |= self.texts.is_empty() && !self.passed;
            self.texts.push(current);
        }
        self.passed = true;
    }

    /// Goes on in one of these ways.
    fn go_on(&mut self, ways: &[Vec<u8>]) {
        if self.current.len() * ways.len() > WAYS_MAX {
            self.flush();
        }
        let both = self.current.iter().flat_map(|text| ways.iter().map(move |way| [text.as_slice(), way].concat()));
        self.current = both.collect();
    }

    fn walk(&mut self, hir: &Hir) {
        match hir.kind() {
            HirKind::Literal(literal) => self.current.iter_mut().for_each(|text| text.extend_from_slice(&literal.0)),
            HirKind::Capture(capture) => self.walk(&capture.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.walk(part)),
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Repetition(repetition) => {
                self.flush();
                if repetition.min > 0 {
                    self.walk(&repetition.sub);
                    self.flush();
                }
            }
            HirKind::Class(class) => match bytes(class) {
                Some(ways) => self.go_on(&ways),
                None => self.flush(),
            },
            HirKind::Alternation(parts) => self.one_of(parts),
        }
    }

    fn one_of(&mut self, parts: &[Hir]) {
        let plain = |part: &Hir| match part.kind() {
            HirKind::Literal(literal) => Some(literal.0.to_vec()),
            _ => None,
        };
        let ways: Option<Ways> = parts.iter().map(plain).collect();
        if let Some(ways) = ways.filter(|ways| ways.len() <= WAYS_MAX) {
            self.go_on(&ways);
            return;
        }
        self.flush();
        let mut all = Ways::new();
        for part in parts {
            let runs = Self::of(part);
            match best(&runs.texts) {
                [] => return,
                ways => all.extend_from_slice(ways),
            }
        }
        if all.len() <= WAYS_MAX {
            self.texts.push(all);
        }
    }
}

/// The bytes of a class, if they are few.
fn bytes(class: &Class) -> Option<Ways> {
    let Class::Bytes(class) = class else { return None };
    let count: usize = class.ranges().iter().map(|range| range.len()).sum();
    (count <= CLASS_MAX).then(|| class.ranges().iter().flat_map(|range| range.start()..=range.end()).map(|byte| vec![byte]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex_syntax::ParserBuilder;

    fn texts(expression: &str) -> Vec<Vec<String>> {
        let hir = ParserBuilder::new().unicode(false).utf8(false).build().parse(expression).expect("parses");
        let ways = |ways: Ways| ways.into_iter().map(|text| String::from_utf8(text).expect("text")).collect();
        Runs::of(&hir).texts.into_iter().map(ways).collect()
    }

    #[test]
    fn texts_stand_in_their_order_and_ways() {
        assert_eq!(texts(r"user (?<who>\S+) logged in"), [["user "], [" logged in"]]);
        assert_eq!(texts(r"%(?:ASA|PIX)-\d: "), [vec!["%ASA-", "%PIX-"], vec![": "]]);
        assert_eq!(texts("[Ff]ailed (?:x|y.*z!|w)?now"), [vec!["Failed ", "failed "], vec!["now"]]);
        assert_eq!(texts("a (?:bb|c.*dd!|ee+f) g"), [vec!["a "], vec!["bb", "dd!", "e"], vec![" g"]]);
        assert!(texts(r"\d+|x").is_empty());
    }
}
