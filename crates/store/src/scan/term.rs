//! Terms against patterns and columns: decided on constant text, then on what pages say of themselves, then
//! on distinct values, last on rows.

use super::select::{Bits, Selection};
use crate::segment::cursor::PatternCursor;
use crate::segment::decode::{RunValues, Values, order, rows_by_pattern};
use crate::segment::meta::{Body, NodeMeta, PageMeta, PatternMeta, Run};
use crate::segment::{Blocks, stamp};
use taffrail_base::Result;
use taffrail_pattern::split::is_delimiter;
use taffrail_pattern::text::tokens;
use taffrail_pattern::{Piece, Term, TermMatcher};

/// A term with all that is known of it before any segment is looked at.
#[derive(Debug)]
pub struct PreparedTerm {
    matcher: TermMatcher,
    /// Bytes of the literals: a value without their classes, or shorter, cannot match.
    mask: u64,
    len: usize,
    /// Whole tokens that every match holds; none where letters beyond ASCII make case a question.
    tokens: Vec<Vec<u8>>,
    /// Whether a match lies within one token of the splitter.
    within_token: bool,
    /// Terms within one token of which every match of this one holds all.
    parts: Vec<PreparedTerm>,
}

impl PreparedTerm {
    /// Prepares a term.
    pub fn new(term: &Term) -> Self {
        let literals: Vec<&str> = term.parts.iter().map(String::as_str).filter(|p| !p.is_empty()).collect();
        let ascii = literals.iter().all(|p| p.is_ascii());
        let within_token = term.single_literal().is_some_and(|p| !p.bytes().any(is_delimiter));
        // Only ASCII literals have a mask: other letters may match in another case, with other bytes.
        let mask = if ascii { literals.iter().fold(0, |mask, p| mask | stamp::mask(p.as_bytes())) } else { 0 };
        let len = if ascii { literals.iter().map(|p| p.len()).sum() } else { 0 };
        let parts = if within_token || !ascii { Vec::new() } else { parts(term) };
        let whole = if ascii { whole_tokens(term) } else { Vec::new() };
        Self { matcher: TermMatcher::new(term), mask, len, tokens: whole, within_token, parts }
    }

    /// Whether an event matches.
    pub fn matches(&self, raw: &[u8]) -> bool {
        self.matcher.matches(raw)
    }
}

/// The tokens that are whole in every match of `term`.
fn whole_tokens(term: &Term) -> Vec<Vec<u8>> {
    let mut whole = Vec::new();
    let last = term.parts.len().saturating_sub(1);
    for (at, part) in term.parts.iter().enumerate() {
        let bytes = part.as_bytes();
        let found: Vec<&[u8]> = tokens(bytes).collect();
        for (number, token) in found.iter().enumerate() {
            let starts = number == 0 && bytes.starts_with(token);
            let ends = number + 1 == found.len() && bytes.ends_with(token);
            let open_start = starts && (term.substring || at > 0);
            let open_end = ends && (term.substring || at < last);
            if !open_start && !open_end {
                whole.push(token.to_vec());
            }
        }
    }
    whole
}

/// What a term that crosses tokens is made of: its pieces between delimiters, open where it is.
fn parts(term: &Term) -> Vec<PreparedTerm> {
    let last = term.parts.len() - 1;
    let mut found = Vec::new();
    for (at, part) in term.parts.iter().enumerate() {
        let pieces: Vec<&str> = part.split(|c: char| u8::try_from(c).is_ok_and(is_delimiter)).collect();
        for (number, piece) in pieces.iter().enumerate().filter(|(_, piece)| !piece.is_empty()) {
            let open_start = number == 0 && (term.substring || at > 0);
            let open_end = number + 1 == pieces.len() && (term.substring || at < last);
            let mut literals = vec![(*piece).to_owned()];
            if open_start {
                literals.insert(0, String::new());
            }
            if open_end {
                literals.push(String::new());
            }
            found.push(PreparedTerm::new(&Term { parts: literals, case_sensitive: term.case_sensitive, substring: false }));
        }
    }
    found
}

/// The rows of a segment's pattern whose events match.
pub fn in_pattern(term: &PreparedTerm, cursor: &PatternCursor<'_>) -> Result<Selection> {
    let meta = cursor.meta();
    let column = |slot: usize, part: &PreparedTerm| -> Result<Selection> {
        let mut bits = None;
        for (number, run) in cursor.runs(slot).iter().enumerate() {
            let page = &meta.columns[slot].pages[run.page];
            let found = in_page(part, page, cursor.blocks(), &mut || cursor.page(slot, number))?;
            merge(&mut bits, found, run, page.rows as usize, meta.rows as usize);
        }
        Ok(bits.map_or(Selection::None, Selection::from_bits))
    };
    decide(term, meta, &column, &mut |row, line| cursor.render(row, line))
}

/// Adds what was found in a page to what is known of a pattern's rows.
fn merge(bits: &mut Option<Bits>, found: Selection, run: &Run, page_rows: usize, rows: usize) {
    if found != Selection::None {
        let bits = bits.get_or_insert_with(|| Bits::new(rows));
        let ours = run.skip..run.skip + run.rows;
        found.iter(page_rows).filter(|row| ours.contains(row)).for_each(|row| bits.set(run.start + row - run.skip));
    }
}

/// Decides a term on a pattern; `column` matches a term within one token against a slot's values, `render`
/// gives a whole row.
fn decide(
    term: &PreparedTerm,
    meta: &PatternMeta,
    column: &dyn Fn(usize, &PreparedTerm) -> Result<Selection>,
    render: &mut dyn FnMut(usize, &mut Vec<u8>) -> Result<()>,
) -> Result<Selection> {
    if meta.pattern.is_raw() {
        return column(0, term);
    }
    let constant = |piece: &Piece| matches!(piece, Piece::Text(text) if term.matcher.matches(text));
    if meta.pattern.pieces().iter().any(constant) {
        return Ok(Selection::All);
    }
    if term.within_token {
        let mut found = Selection::None;
        for slot in 0..meta.columns.len() {
            found = found.or(column(slot, term)?);
        }
        return Ok(found);
    }
    if meta.columns.is_empty() {
        let mut line = Vec::new();
        render(0, &mut line)?;
        return Ok(Selection::all_if(term.matches(&line)));
    }
    let mut candidates = Selection::All;
    for part in &term.parts {
        candidates = candidates.and(decide(part, meta, column, render)?);
        if candidates == Selection::None {
            return Ok(Selection::None);
        }
    }
    let rows = meta.rows as usize;
    let mut line = Vec::new();
    let mut bits = Bits::new(rows);
    for row in candidates.iter(rows) {
        line.clear();
        render(row, &mut line)?;
        if term.matches(&line) {
            bits.set(row);
        }
    }
    Ok(Selection::from_bits(bits))
}

/// The rows of a page that match. The ends of a value count as breakers: what stands beside a slot is a
/// delimiter.
fn in_page<'v>(
    term: &PreparedTerm,
    page: &PageMeta,
    blocks: &Blocks<'_>,
    values: &mut dyn FnMut() -> Result<&'v Values>,
) -> Result<Selection> {
    if term.mask & !page.mask != 0 || term.len > page.max_len as usize {
        return Ok(Selection::None);
    }
    if let (Some((known, place)), false) = (page.filter, term.tokens.is_empty()) {
        let block = blocks.filters(place)?;
        let filter = block.range(place)?;
        if !term.tokens.iter().all(|token| stamp::may_hold(known, filter, token)) {
            return Ok(Selection::None);
        }
    }
    match &page.body {
        Body::Constant(value) => Ok(Selection::all_if(term.matches(value))),
        Body::Nested(node) => in_node(term, node, blocks),
        _ => Ok(in_values(term, values()?)),
    }
}

fn in_values(term: &PreparedTerm, values: &Values) -> Selection {
    match values {
        Values::Constant(value, _) => Selection::all_if(term.matches(value)),
        Values::Dictionary(entries, numbers) => {
            let hits: Vec<bool> = (0..entries.len()).map(|at| term.matches(entries.get(at))).collect();
            if !hits.contains(&true) {
                return Selection::None;
            }
            Selection::of(numbers.len(), |row| hits[numbers[row] as usize])
        }
        Values::Each(values) => Selection::of(values.len(), |row| term.matches(values.get(row))),
    }
}

fn in_node(term: &PreparedTerm, node: &NodeMeta, blocks: &Blocks<'_>) -> Result<Selection> {
    let mut found = Vec::with_capacity(node.patterns.len());
    for meta in &node.patterns {
        let column = |slot: usize, part: &PreparedTerm| -> Result<Selection> {
            let mut bits = None;
            for run in meta.columns[slot].runs(meta.rows as usize) {
                let page = &meta.columns[slot].pages[run.page];
                let read = std::cell::OnceCell::new();
                let mut values = || {
                    if read.get().is_none() {
                        let _ = read.set(blocks.page(page)?);
                    }
                    Ok(&**read.get().expect("just set"))
                };
                let selection = in_page(part, page, blocks, &mut values)?;
                merge(&mut bits, selection, &run, page.rows as usize, meta.rows as usize);
            }
            Ok(bits.map_or(Selection::None, Selection::from_bits))
        };
        let mut whole: Option<Vec<RunValues>> = None;
        let mut render = |row: usize, line: &mut Vec<u8>| -> Result<()> {
            if whole.is_none() {
                let read = |column| RunValues::new(blocks, column, meta.rows as usize);
                whole = Some(meta.columns.iter().map(read).collect::<Result<_>>()?);
            }
            let columns = whole.as_ref().expect("just set");
            meta.pattern.render(|slot| columns[slot].get(row), line);
            Ok(())
        };
        found.push(decide(term, meta, &column, &mut render)?);
    }
    if let [one] = &found[..] {
        return Ok(one.clone());
    }
    if found.iter().all(|s| *s == Selection::None) {
        return Ok(Selection::None);
    }
    let rows = rows_by_pattern(&order(blocks, node)?, &node.patterns);
    let mut bits = Bits::new(node.rows as usize);
    for (selection, rows) in found.iter().zip(&rows) {
        selection.iter(rows.len()).for_each(|at| bits.set(rows[at] as usize));
    }
    Ok(Selection::from_bits(bits))
}
