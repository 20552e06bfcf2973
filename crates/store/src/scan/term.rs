//! Terms and expressions against patterns and columns: decided on constant text, then on what pages say of
//! themselves, then on distinct values, last on rows.

use super::select::{Bits, Selection};
use super::values::{self, Spellings};
use super::walk::{Pages, Walker};
use crate::segment::cursor::PatternCursor;
use crate::segment::decode::{self, RunValues, Values, order, render, rows_by_pattern};
use crate::segment::meta::{Body, NodeMeta, PageMeta, PatternMeta, Run};
use crate::segment::{Blocks, grams, stamp};
use parking_lot::Mutex;
use regex::Regex;
use regex_syntax::hir::{Hir, HirKind};
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use taffrail_base::Result;
use taffrail_pattern::automaton::Automaton;
use taffrail_pattern::automaton::symbolic::Verdict;
use taffrail_pattern::split::is_delimiter;
use taffrail_pattern::text::tokens;
use taffrail_pattern::{Pattern, PatternId, Piece, SlotKind, Term, TermMatcher};

/// A term with all that is known of it before any segment is looked at.
#[derive(Debug)]
pub struct PreparedTerm {
    matcher: TermMatcher,
    /// Bytes of the literals: a value without their classes, or shorter, cannot match.
    mask: u64,
    len: usize,
    /// The runs of three bytes of a literal that every match holds.
    runs: Vec<u32>,
    /// Whole tokens that every match holds; none where letters beyond ASCII make case a question.
    tokens: Vec<Vec<u8>>,
    /// Whether a match lies within one token of the splitter.
    within_token: bool,
    spellings: Spellings,
    /// The longest run of digits that every match has.
    digits: usize,
    /// The delimiters that stand right before and after every match, where they are known.
    beside: [Option<u8>; 2],
    /// Terms within one token of which every match of this one holds all.
    parts: Vec<PreparedTerm>,
    /// Decides terms that cross tokens.
    walker: Option<Walker>,
    /// Patterns met so far, and whether their constant text matches.
    texts: Mutex<FxHashMap<PatternId, (Arc<Pattern>, bool)>>,
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
        let matcher = TermMatcher::new(term);
        Self {
            runs: matcher.literal().into_iter().flat_map(grams::runs).collect(),
            matcher,
            mask,
            len,
            tokens: if ascii { whole_tokens(term) } else { Vec::new() },
            within_token,
            digits: if ascii { longest_digits(&literals) } else { 0 },
            spellings: if within_token { Spellings::of(term) } else { Spellings::default() },
            beside: [None; 2],
            parts: if within_token || !ascii { Vec::new() } else { parts(term) },
            walker: if within_token { None } else { Automaton::of_term(term).map(|automaton| Walker::new(automaton, false)) },
            texts: Mutex::default(),
        }
    }

    /// Whether an event matches.
    pub fn matches(&self, raw: &[u8]) -> bool {
        self.matcher.matches(raw)
    }

    /// Whether the constant text of a pattern matches; asked once per pattern.
    fn in_text(&self, meta: &PatternMeta) -> bool {
        if let Some((known, found)) = self.texts.lock().get(&meta.id)
            && (Arc::ptr_eq(known, &meta.pattern) || **known == *meta.pattern)
        {
            return *found;
        }
        let found = meta.pattern.pieces().iter().any(|piece| matches!(piece, Piece::Text(text) if self.matcher.matches(text)));
        self.texts.lock().insert(meta.id, (meta.pattern.clone(), found));
        found
    }

    /// Whether the page can hold a match, as far as it says.
    fn may_be_in(&self, page: &PageMeta, blocks: &Blocks<'_>) -> Result<bool> {
        if self.mask & !page.mask != 0 || self.len > page.max_len as usize {
            return Ok(false);
        }
        if !self.spellings.may_be_in(&page.body, page.range) {
            return Ok(false);
        }
        if let Body::Time { layout, .. } = &page.body
            && self.digits > values::digits_of_times(*layout)
        {
            return Ok(false);
        }
        if let (Some((known, place)), false) = (page.filter, self.tokens.is_empty()) {
            let block = blocks.filters(place)?;
            let filter = block.range(place)?;
            return Ok(self.tokens.iter().all(|token| stamp::may_hold(known, filter, token)));
        }
        Ok(true)
    }

    /// Whether the term can stand in a row of the pattern at all, as far as its text and its pages' stamps and filters
    /// say; of one that crosses tokens each of its parts is asked for.
    pub fn may_stand_in(&self, meta: &PatternMeta, blocks: &Blocks<'_>) -> Result<bool> {
        if self.within_token {
            return self.is_possible(meta, blocks);
        }
        for part in &self.parts {
            if !part.is_possible(meta, blocks)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The same of a term within one token.
    fn is_possible(&self, meta: &PatternMeta, blocks: &Blocks<'_>) -> Result<bool> {
        if self.in_text(meta) {
            return Ok(true);
        }
        for column in self.slots(meta).map(|slot| &meta.columns[slot]) {
            if self.mask & !column.mask != 0 || self.len > column.max_len as usize {
                continue;
            }
            for run in column.runs(meta.rows as usize) {
                if self.may_be_in_parts(&column.pages[run.page], blocks)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The slots of a pattern whose values a match within one token can stand in, by what is beside them.
    fn slots<'m>(&self, meta: &'m PatternMeta) -> impl Iterator<Item = usize> + use<'m> {
        let ([before, after], pieces) = (self.beside, meta.pattern.pieces());
        // A value is a whole token, so what stands beside the match stands beside the slot.
        let fits = move |at: usize| {
            let last = at.checked_sub(1).and_then(|at| text_of(pieces.get(at)?)?.last());
            let first = pieces.get(at + 1).and_then(|piece| text_of(piece)?.first());
            let same = |wanted: Option<u8>, found: Option<&u8>| wanted.is_none_or(|wanted| found.is_none_or(|found| wanted == *found));
            same(before, last) && same(after, first)
        };
        let slots = pieces.iter().enumerate().filter_map(|(at, piece)| if let Piece::Slot(kind) = piece { Some((at, kind)) } else { None });
        let slots = slots.enumerate().filter(move |(_, (at, kind))| **kind != SlotKind::Word || fits(*at));
        slots.map(|(slot, _)| slot)
    }

    /// As [`PreparedTerm::may_be_in`], looking at what a page refers to as well.
    fn may_be_in_parts(&self, page: &PageMeta, blocks: &Blocks<'_>) -> Result<bool> {
        if !self.may_be_in(page, blocks)? {
            return Ok(false);
        }
        let node = match &page.body {
            Body::Nested(node) => node,
            Body::Lines(lines) => &lines.list,
            Body::Shared { dictionary, .. } => {
                return self.may_be_in(&blocks.segment().footer().dictionaries[*dictionary as usize], blocks);
            }
            _ => return Ok(true),
        };
        for pattern in &node.patterns {
            if self.is_possible(pattern, blocks)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A segment's blocks, and what was found in pages and dictionaries that patterns share. One thread's.
pub struct Reading<'a, 'b> {
    blocks: &'a Blocks<'b>,
    pages: RefCell<FxHashMap<(*const PreparedTerm, *const PageMeta), Rc<Selection>>>,
    /// By number of the segment's dictionary.
    dictionaries: RefCell<FxHashMap<(*const PreparedTerm, u32), Rc<Selection>>>,
}

impl<'a, 'b> Reading<'a, 'b> {
    /// Nothing found yet.
    pub fn new(blocks: &'a Blocks<'b>) -> Self {
        Self { blocks, pages: RefCell::default(), dictionaries: RefCell::default() }
    }

    /// The segment's blocks.
    pub fn blocks(&self) -> &'a Blocks<'b> {
        self.blocks
    }

    /// The entries of one of the segment's dictionaries that match.
    fn dictionary(&self, term: &PreparedTerm, number: u32) -> Result<Rc<Selection>> {
        let key = (std::ptr::from_ref(term), number);
        if let Some(found) = self.dictionaries.borrow().get(&key) {
            return Ok(found.clone());
        }
        let page = &self.blocks.segment().footer().dictionaries[number as usize];
        let found = Rc::new(in_page(term, page, self, &|| self.blocks.page(page))?);
        self.dictionaries.borrow_mut().insert(key, found.clone());
        Ok(found)
    }
}

/// Texts of ASCII that stand in every match of an expression, in this case: where case does not count there are classes.
fn literals(regex: &Regex) -> Vec<String> {
    fn collect(hir: &Hir, found: &mut Vec<String>) {
        match hir.kind() {
            HirKind::Literal(literal) => {
                found.extend(std::str::from_utf8(&literal.0).ok().filter(|text| text.is_ascii()).map(str::to_owned))
            }
            HirKind::Concat(parts) => parts.iter().for_each(|part| collect(part, found)),
            HirKind::Capture(capture) => collect(&capture.sub, found),
            HirKind::Repetition(repetition) if repetition.min > 0 => collect(&repetition.sub, found),
            _ => {}
        }
    }
    let mut found = Vec::new();
    if let Ok(hir) = regex_syntax::parse(regex.as_str()) {
        collect(&hir, &mut found);
    }
    found
}

/// A regular expression with all that is known of it before any segment is looked at.
#[derive(Debug)]
pub struct PreparedRegex {
    regex: Regex,
    walker: Option<Walker>,
    /// Texts of which every match holds all.
    parts: Vec<PreparedTerm>,
}

impl PreparedRegex {
    /// Prepares an expression.
    pub fn new(regex: &Regex) -> Self {
        let walker = Automaton::of_regex(regex.as_str()).map(|automaton| Walker::new(automaton, true));
        let telling = literals(regex).into_iter().filter(|literal| literal.bytes().filter(|b| !is_delimiter(*b)).count() > 1);
        Self { regex: regex.clone(), walker, parts: telling.map(|literal| PreparedTerm::new(&Term::substring(literal, true))).collect() }
    }

    /// Whether an event matches.
    pub fn matches(&self, raw: &[u8]) -> bool {
        self.regex.is_match(&String::from_utf8_lossy(raw))
    }

    /// The group `name` of the first match in an event.
    pub fn group(&self, raw: &[u8], name: &str) -> Option<String> {
        let text = String::from_utf8_lossy(raw);
        self.regex.captures(&text).and_then(|captures| captures.name(name)).map(|group| group.as_str().to_owned())
    }

    /// Whether a row of the pattern can match, as far as its texts and its pages' stamps and filters say.
    pub fn is_possible(&self, meta: &PatternMeta, blocks: &Blocks<'_>) -> Result<bool> {
        for part in &self.parts {
            if !part.may_stand_in(meta, blocks)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The rows of a segment's pattern whose events match.
    pub fn in_pattern<'c, 'b: 'c>(
        &self,
        meta: &PatternMeta,
        reading: &Reading<'_, '_>,
        cursor: &dyn Fn() -> &'c PatternCursor<'b>,
    ) -> Result<Selection> {
        let blocks = reading.blocks;
        if !self.is_possible(meta, blocks)? {
            return Ok(Selection::None);
        }
        // Looking for a text in columns takes less than walking through them.
        for part in &self.parts {
            if in_pattern(part, meta, reading, cursor)? == Selection::None {
                return Ok(Selection::None);
            }
        }
        let render_row = |row: usize| -> Result<bool> {
            let mut line = Vec::new();
            cursor().render(row, &mut line)?;
            Ok(self.matches(&line))
        };
        let Some(walker) = &self.walker else {
            let mut bits = Bits::new(meta.rows as usize);
            for row in 0..meta.rows as usize {
                if render_row(row)? {
                    bits.set(row);
                }
            }
            return Ok(Selection::from_bits(bits));
        };
        match walker.decided(meta) {
            Verdict::None => Ok(Selection::None),
            Verdict::All => Ok(Selection::All),
            Verdict::Some => walker.rows(meta, blocks, &|slot, number, _| cursor().shared(slot, number), &mut |row| render_row(row)),
        }
    }
}

fn longest_digits(literals: &[&str]) -> usize {
    let runs = literals.iter().flat_map(|literal| literal.split(|c: char| !c.is_ascii_digit()));
    runs.map(str::len).max().unwrap_or(0)
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

/// The constant text of a piece, if it is one.
fn text_of(piece: &Piece) -> Option<&[u8]> {
    if let Piece::Text(text) = piece { Some(text) } else { None }
}

/// What a term that crosses tokens is made of: its pieces between delimiters, open where it is.
fn parts(term: &Term) -> Vec<PreparedTerm> {
    let last = term.parts.len() - 1;
    let mut found = Vec::new();
    for (at, part) in term.parts.iter().enumerate() {
        let pieces: Vec<&str> = part.split(|c: char| u8::try_from(c).is_ok_and(is_delimiter)).collect();
        let mut end = 0;
        for (number, piece) in pieces.iter().enumerate() {
            let start = end + usize::from(number > 0);
            end = start + piece.len();
            if piece.is_empty() {
                continue;
            }
            let beside = [start.checked_sub(1).map(|at| part.as_bytes()[at]), part.as_bytes().get(end).copied()];
            let open_start = number == 0 && (term.substring || at > 0);
            let open_end = number + 1 == pieces.len() && (term.substring || at < last);
            let mut literals = vec![(*piece).to_owned()];
            if open_start {
                literals.insert(0, String::new());
            }
            if open_end {
                literals.push(String::new());
            }
            let made = PreparedTerm::new(&Term { parts: literals, case_sensitive: term.case_sensitive, substring: false });
            found.push(PreparedTerm { beside, ..made });
        }
    }
    found
}

/// The rows of a segment's pattern whose events match.
pub fn in_pattern<'c, 'b: 'c>(
    term: &PreparedTerm,
    meta: &PatternMeta,
    reading: &Reading<'_, '_>,
    cursor: &dyn Fn() -> &'c PatternCursor<'b>,
) -> Result<Selection> {
    let column = |slot: usize, part: &PreparedTerm| -> Result<Selection> {
        in_column(part, meta, slot, reading, &|number, _| cursor().shared(slot, number))
    };
    let pages = |slot: usize, number: usize, _: &Run| cursor().shared(slot, number);
    decide(term, meta, reading, &Access { column: &column, pages: &pages, render: &|row, line| cursor().render(row, line) })
}

/// The rows of a pattern where a term stands within the values of a slot.
fn in_column(
    term: &PreparedTerm,
    meta: &PatternMeta,
    slot: usize,
    reading: &Reading<'_, '_>,
    read: &dyn Fn(usize, &Run) -> Result<Rc<Values>>,
) -> Result<Selection> {
    let column = &meta.columns[slot];
    if term.mask & !column.mask != 0 || term.len > column.max_len as usize {
        return Ok(Selection::None);
    }
    let rows = meta.rows as usize;
    let mut bits = None;
    for (number, run) in column.runs(rows).enumerate() {
        let page = &column.pages[run.page];
        let key = (std::ptr::from_ref(term), std::ptr::from_ref(page));
        let known = if column.shared.is_some() { reading.pages.borrow().get(&key).cloned() } else { None };
        let found = match known {
            Some(found) => found,
            None => {
                let found = Rc::new(in_page(term, page, reading, &|| read(number, &run))?);
                if column.shared.is_some() {
                    reading.pages.borrow_mut().insert(key, found.clone());
                }
                found
            }
        };
        if run.rows == rows && page.rows as usize == rows {
            return Ok((*found).clone());
        }
        merge(&mut bits, &found, &run, rows);
    }
    Ok(bits.map_or(Selection::None, Selection::from_bits))
}

/// The rows of a page where a term stands within the values.
fn in_page(term: &PreparedTerm, page: &PageMeta, reading: &Reading<'_, '_>, read: &dyn Fn() -> Result<Rc<Values>>) -> Result<Selection> {
    if !term.may_be_in(page, reading.blocks)? {
        return Ok(Selection::None);
    }
    Ok(match &page.body {
        Body::Constant(value) => Selection::all_if(term.matches(value)),
        Body::Nested(node) => in_node(term, node, reading)?,
        Body::Lines(lines) if term.within_token => super::lines::rows(term, lines, page.rows as usize, reading)?,
        // The different values are asked first: where none matches, the rows' numbers need not be read.
        Body::Shared { dictionary, .. } => match &*reading.dictionary(term, *dictionary)? {
            Selection::Some(hits) if page.range.is_some_and(|range| !hits.any_within(range)) => Selection::None,
            hits => values::of_entries(hits, page, reading.blocks)?,
        },
        body if !values::may_be_in_text(&term.matcher, &term.runs, body, reading.blocks)? => Selection::None,
        Body::Dictionary { .. } => {
            let hits = values::strings(&term.matcher, &decode::entries(reading.blocks, page)?);
            values::of_entries(&hits, page, reading.blocks)?
        }
        _ => values::rows(&term.matcher, &term.spellings, &*read()?),
    })
}

/// Adds what was found in a page to what is known of a pattern's rows.
fn merge(bits: &mut Option<Bits>, found: &Selection, run: &Run, rows: usize) {
    match found {
        Selection::None => {}
        Selection::All => {
            bits.get_or_insert_with(|| Bits::new(rows)).set_range(run.start, run.start + run.rows);
        }
        Selection::Some(found) => {
            bits.get_or_insert_with(|| Bits::new(rows)).set_from(run.start, found, run.skip, run.rows);
        }
    }
}

/// How the rows of a pattern are read, at the top of a segment or within a column.
struct Access<'a> {
    /// Matches a term within one token against a slot's values.
    column: &'a dyn Fn(usize, &PreparedTerm) -> Result<Selection>,
    /// Gives the page of a slot's run.
    pages: Pages<'a>,
    /// Appends a whole row.
    render: &'a dyn Fn(usize, &mut Vec<u8>) -> Result<()>,
}

/// Rows up to which columns are walked through without looking for a piece first.
const WALKED_ROWS: u32 = if cfg!(test) { 4 } else { 1_024 };

/// Decides a term on a pattern.
fn decide(term: &PreparedTerm, meta: &PatternMeta, reading: &Reading<'_, '_>, access: &Access<'_>) -> Result<Selection> {
    let blocks = reading.blocks;
    if meta.pattern.is_raw() {
        return (access.column)(0, term);
    }
    if term.in_text(meta) {
        return Ok(Selection::All);
    }
    if term.within_token {
        let mut found = Selection::None;
        for slot in term.slots(meta) {
            found = found.or((access.column)(slot, term)?);
        }
        return Ok(found);
    }
    if !term.may_stand_in(meta, blocks)? {
        return Ok(Selection::None);
    }
    match term.walker.as_ref().map(|walker| walker.decided(meta)) {
        Some(Verdict::None) => return Ok(Selection::None),
        Some(Verdict::All) => return Ok(Selection::All),
        _ => {}
    }
    // Looking for a piece in columns takes less than walking through them; the longest is the rarest, mostly.
    if let Some(longest) = term.parts.iter().max_by_key(|part| part.len)
        && meta.rows > WALKED_ROWS
        && decide(longest, meta, reading, access)? == Selection::None
    {
        return Ok(Selection::None);
    }
    let mut line = Vec::new();
    let mut exact = |row: usize| {
        line.clear();
        (access.render)(row, &mut line)?;
        Ok(term.matches(&line))
    };
    if let Some(walker) = &term.walker {
        return walker.rows(meta, blocks, access.pages, &mut exact);
    }
    let rows = meta.rows as usize;
    let mut bits = Bits::new(rows);
    for row in 0..rows {
        if exact(row)? {
            bits.set(row);
        }
    }
    Ok(Selection::from_bits(bits))
}

/// The rows of a nested node that match. The ends of a value count as breakers: what stands beside a slot is a
/// delimiter.
pub fn in_node(term: &PreparedTerm, node: &NodeMeta, reading: &Reading<'_, '_>) -> Result<Selection> {
    let blocks = reading.blocks;
    let mut found = Vec::with_capacity(node.patterns.len());
    for meta in &node.patterns {
        let page = |slot: usize, run: &Run| blocks.page(&meta.columns[slot].pages[run.page]);
        let column = |slot: usize, part: &PreparedTerm| in_column(part, meta, slot, reading, &|_, run| page(slot, run));
        let pages = |slot: usize, _: usize, run: &Run| page(slot, run);
        let whole = std::cell::OnceCell::new();
        let read_row = |row: usize, line: &mut Vec<u8>| -> Result<()> {
            if whole.get().is_none() {
                let read = |column| RunValues::new(blocks, column, meta.rows as usize);
                let _ = whole.set(meta.columns.iter().map(read).collect::<Result<Vec<RunValues>>>()?);
            }
            let columns = whole.get().expect("just set");
            render(&meta.pattern, line, |slot, line| columns[slot].write(row, line));
            Ok(())
        };
        found.push(decide(term, meta, reading, &Access { column: &column, pages: &pages, render: &read_row })?);
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
