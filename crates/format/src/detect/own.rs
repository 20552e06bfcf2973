//! Formats of people that are told by their lines: the table `[detect]` of format files.
//!
//! With thousands of them only those are asked whose texts stand in a line, found in one pass over it.

use super::LINES_MAX;
use crate::fields::expression::Expression;
use crate::fields::index::{Candidates, Index, Sign};
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;
use std::sync::Arc;
use taffrail_base::limits::EVENT_EXPRESSION_BYTES_MAX;
use toml::Spanned;

/// What tells the lines of a format.
#[derive(Debug)]
pub struct LineSigns {
    /// The sourcetype that such a source gets.
    sourcetype: Arc<str>,
    /// A line of the format matches one of these at its beginning.
    lines: Vec<Regex>,
    signs: Vec<Vec<Sign>>,
}

impl PartialEq for LineSigns {
    fn eq(&self, other: &Self) -> bool {
        let texts = |this: &Self| this.lines.iter().map(|line| line.as_str().to_owned()).collect::<Vec<_>>();
        self.sourcetype == other.sourcetype && texts(self) == texts(other)
    }
}

/// The table as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DetectText {
    lines: Vec<Spanned<String>>,
}

impl DetectText {
    /// What is made ready of it for a sourcetype; or what is wrong, and at which byte of the file.
    pub(crate) fn compile(&self, sourcetype: &str) -> Result<LineSigns, (Option<usize>, String)> {
        if self.lines.is_empty() {
            return Err((None, "[detect] says nothing: write lines = ['...'], what lines of the format begin with".to_owned()));
        }
        let (mut lines, mut signs) = (Vec::new(), Vec::new());
        for spanned in &self.lines {
            let text = spanned.get_ref();
            let fault = |message: String| (Some(spanned.span().start), format!("[detect] lines: {text:?} {message}"));
            let whole = format!("^(?:{text})");
            let built = RegexBuilder::new(&whole).unicode(false).size_limit(EVENT_EXPRESSION_BYTES_MAX).build();
            let line = built.map_err(|error| {
                let reason = error.to_string();
                fault(format!("is no regular expression ({})", reason.lines().last().unwrap_or_default().trim_start_matches("error: ")))
            })?;
            if [&b""[..], b"x", b"7", b" ", b"[", b"\xff"].iter().filter(|any| line.is_match(any)).count() > 1 {
                return Err(fault("matches lines of any format; write what only lines of this one begin with".to_owned()));
            }
            let expression = Expression::deferred(&whole).map_err(fault)?;
            let texts = if expression.prefixes().is_empty() { expression.literals() } else { expression.prefixes() };
            signs.push(Sign::checked(texts.iter().cloned().map(Sign::Holds).collect()));
            lines.push(line);
        }
        Ok(LineSigns { sourcetype: sourcetype.into(), lines, signs })
    }
}

impl LineSigns {
    /// Whether a line is one of the format.
    pub(crate) fn is_line(&self, line: &[u8]) -> bool {
        self.lines.iter().any(|expression| expression.is_match(line))
    }
}

/// The formats that are told by their lines, together.
#[derive(Debug)]
pub(crate) struct Detection {
    formats: Vec<Arc<LineSigns>>,
    /// Of each expression its format, and its place there.
    owners: Vec<(usize, usize)>,
    index: Index,
}

impl Detection {
    /// Formats in the order in which they go; `None` without any.
    pub(crate) fn new(formats: Vec<Arc<LineSigns>>) -> Option<Self> {
        let owners =
            formats.iter().enumerate().flat_map(|(format, signs)| (0..signs.lines.len()).map(move |line| (format, line))).collect();
        let index = Index::new(formats.iter().flat_map(|format| format.signs.iter().cloned()));
        (!formats.is_empty()).then_some(Self { formats, owners, index })
    }

    /// The sourcetype of a sample of lines, if more than half of them are of one format; of two the one with more, then the first.
    pub(crate) fn detect(&self, sample: &[u8]) -> Option<Arc<str>> {
        let (mut votes, mut lines) = (Vec::<(usize, u32)>::new(), 0);
        for line in sample.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(LINES_MAX) {
            lines += 1;
            let mut candidates = Candidates::default();
            self.index.in_text(line, &mut candidates);
            let mut last = None;
            for (format, expression) in candidates.iter().map(|number| self.owners[number]) {
                // One vote a line, whichever of its expressions match.
                if last != Some(format) && self.formats[format].lines[expression].is_match(line) {
                    last = Some(format);
                    match votes.iter_mut().find(|(known, _)| *known == format) {
                        Some((_, votes)) => *votes += 1,
                        None => votes.push((format, 1)),
                    }
                }
            }
        }
        let (format, most) = votes.into_iter().min_by_key(|(format, votes)| (std::cmp::Reverse(*votes), *format))?;
        (most * 2 > lines).then(|| self.formats[format].sourcetype.clone())
    }

    /// How many expressions are asked of a line.
    #[cfg(test)]
    pub(crate) fn asked(&self, line: &[u8]) -> usize {
        let mut candidates = Candidates::default();
        self.index.in_text(line, &mut candidates);
        candidates.iter().count()
    }
}
