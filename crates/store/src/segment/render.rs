//! Events as bytes, many at once: pages become text of one form, in which a value is found by one look and written by
//! one copy. Knows no filters: who asks says which rows of which patterns.

use super::Blocks;
use super::decode::{self, Codes, Spelling, Values};
use super::meta::{Body, NodeMeta, PageMeta, PatternMeta, Run};
use super::strings::Strings;
use rustc_hash::FxHashMap;
use std::rc::Rc;
use taffrail_base::limits::PAGE_VALUES_BYTES_MAX;
use taffrail_base::{Error, Result};
use taffrail_pattern::Piece;
use taffrail_pattern::split::time::{self, Family, Layout, Zone};

/// Bytes that are copied at once: most values are shorter, and a copy of a fixed length needs no call.
const COPIED: usize = 32;

/// Rows whose events are rendered in one go, and bytes of them: what stays in a processor's cache until it is written.
pub const RENDERED_ROWS: usize = 4_096;
pub const RENDERED_BYTES: usize = 512 * 1024;

/// What stands around the bytes of each event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Nothing.
    Bare,
    /// This byte after it.
    After(u8),
    /// Its length before it, as 32 bits, little-endian.
    Length,
}

/// Where a value lies among the bytes of its page.
#[derive(Clone, Copy, Debug)]
struct Span {
    at: u32,
    len: u32,
}

impl Span {
    /// Of bytes that are less than 4 GiB.
    fn new(from: usize, to: usize) -> Self {
        Self { at: from as u32, len: (to - from) as u32 }
    }
}

/// The values of a page as text.
struct TextPage {
    bytes: Bytes,
    /// By row.
    spans: Vec<Span>,
}

enum Bytes {
    Own(Vec<u8>),
    Strings(Rc<Strings>),
}

impl TextPage {
    fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Own(bytes) => bytes,
            Bytes::Strings(strings) => strings.bytes(),
        }
    }

    fn own(mut bytes: Vec<u8>, spans: Vec<Span>, name: &str) -> Result<Self> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(Error::corrupt(name, "a page of more than 4 GiB of values"));
        }
        // Room for copies of a fixed length.
        bytes.resize(bytes.len() + COPIED, 0);
        Ok(Self { bytes: Bytes::Own(bytes), spans })
    }

    fn of(values: Values, name: &str) -> Result<Self> {
        match values {
            Values::Constant(value, rows) => {
                let spans = vec![Span::new(0, value.len()); rows];
                Self::own(value, spans, name)
            }
            Values::Dictionary(entries, numbers) => {
                let places = places(&entries);
                let spans = numbers.iter().map(|number| places[*number as usize]).collect();
                Ok(Self { bytes: Bytes::Strings(entries), spans })
            }
            Values::Each(strings) => {
                let spans = places(&strings);
                Ok(Self { bytes: Bytes::Strings(Rc::new(strings)), spans })
            }
            Values::Numbers(spelling, numbers) => spelled(spelling, &numbers, name),
            Values::Affix(prefix, inner, suffix) => {
                let inner = Self::of(*inner, name)?;
                let mut bytes = Vec::new();
                let spans = inner.spans.iter().map(|span| {
                    let from = bytes.len();
                    bytes.extend_from_slice(&prefix);
                    bytes.extend_from_slice(&inner.bytes()[span.at as usize..][..span.len as usize]);
                    bytes.extend_from_slice(&suffix);
                    Span::new(from, bytes.len())
                });
                let spans = spans.collect();
                Self::own(bytes, spans, name)
            }
            values => {
                let mut bytes = Vec::new();
                let spans = (0..values.len()).map(|at| {
                    let from = bytes.len();
                    values.write(at, &mut bytes);
                    Span::new(from, bytes.len())
                });
                let spans = spans.collect();
                Self::own(bytes, spans, name)
            }
        }
    }
}

fn places(strings: &Strings) -> Vec<Span> {
    let mut from = 0;
    let place = |at| {
        let to = strings.end(at);
        Span::new(std::mem::replace(&mut from, to), to)
    };
    (0..strings.len()).map(place).collect()
}

/// Numbers as text; one that is like the one before it is not written again.
fn spelled(spelling: Spelling, numbers: &[i64], name: &str) -> Result<TextPage> {
    let mut bytes = Vec::with_capacity(numbers.len().saturating_mul(6));
    let mut spans: Vec<Span> = Vec::with_capacity(numbers.len());
    let mut clock = if let Spelling::Time(layout) = spelling { Some(Clock::new(layout)) } else { None };
    let mut before = None;
    for number in numbers {
        if before == Some(*number)
            && let Some(last) = spans.last()
        {
            spans.push(*last);
            continue;
        }
        before = Some(*number);
        let from = bytes.len();
        match &mut clock {
            Some(clock) => clock.write(*number, &mut bytes),
            None => spelling.spell(*number, &mut bytes),
        }
        spans.push(Span::new(from, bytes.len()));
    }
    TextPage::own(bytes, spans, name)
}

/// Spells times that come in runs: within a minute only seconds and fraction differ, and within a hundred seconds since
/// 1970 the last two digits and the fraction.
struct Clock {
    layout: Layout,
    /// Nanoseconds within which only these differ, and of the last place of the fraction.
    run: i64,
    unit: i64,
    /// The run spelled last, and where its text is.
    last: Option<(i64, std::ops::Range<usize>)>,
}

const SECOND: i64 = 1_000_000_000;

impl Clock {
    fn new(layout: Layout) -> Self {
        let seconds = if layout.family == Family::Epoch { 100 } else { 60 };
        Self { layout, run: seconds * SECOND, unit: 10i64.pow(9 - u32::from(layout.fraction.min(9))), last: None }
    }

    /// Bytes between seconds and fraction, and from the seconds to the end.
    fn tail(&self) -> (usize, usize) {
        let zone = match self.layout.zone {
            Zone::None => 0,
            Zone::Zulu => 1,
            Zone::Plain(_) => 5,
            Zone::Colon(_) | Zone::Spaced(_) => 6,
        };
        let point = usize::from(self.layout.fraction > 0 && self.layout.point > 0);
        (point, point + self.layout.fraction as usize + zone)
    }

    fn write(&mut self, nanos: i64, out: &mut Vec<u8>) {
        let run = nanos.div_euclid(self.run);
        let from = out.len();
        match &self.last {
            Some((known, text)) if *known == run => {
                out.extend_from_within(text.clone());
                let rest = nanos.rem_euclid(self.run);
                let (point, tail) = self.tail();
                let at = out.len() - tail;
                digits(rest / SECOND, &mut out[at - 2..at]);
                if self.layout.fraction > 0 {
                    digits(rest % SECOND / self.unit, &mut out[at + point..at + point + self.layout.fraction as usize]);
                }
            }
            _ => {
                time::render(nanos, self.layout, out);
                self.last = Some((run, from..out.len()));
            }
        }
    }
}

/// The last digits of a number, as many as there is room for.
fn digits(mut number: i64, out: &mut [u8]) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// A pattern whose events are being rendered.
struct State<'b> {
    meta: &'b PatternMeta,
    /// Its constant text, and the part of it before each slot and after the last.
    text: Vec<u8>,
    cuts: Vec<Span>,
    slots: Vec<Slot>,
    /// Rows whose values are all in the pages at hand.
    rows: std::ops::Range<usize>,
    /// The stretch that it was used in last.
    used: u64,
    /// Its first column among those of the stretch.
    first: usize,
}

struct Slot {
    runs: Vec<Run>,
    /// The run at hand, and its page.
    page: Option<(usize, Rc<TextPage>)>,
}

impl<'b> State<'b> {
    fn new(meta: &'b PatternMeta) -> Self {
        let (mut text, mut cuts, mut from) = (Vec::new(), Vec::new(), 0);
        for piece in meta.pattern.pieces() {
            match piece {
                Piece::Text(bytes) => text.extend_from_slice(bytes),
                Piece::Slot(_) => {
                    cuts.push(Span::new(from, text.len()));
                    from = text.len();
                }
            }
        }
        cuts.push(Span::new(from, text.len()));
        // Room for copies of a fixed length.
        text.resize(text.len() + COPIED, 0);
        Self { meta, text, cuts, slots: Vec::new(), rows: 0..0, used: 0, first: 0 }
    }
}

/// A column as a stretch of rows needs it.
struct Column<'p> {
    bytes: &'p [u8],
    spans: &'p [Span],
    /// What has to be added to the row, modulo 2^64.
    shift: usize,
}

/// Renders the events of a segment, or the values of a nested node. Quickest when rows ascend.
pub struct Renderer<'b> {
    blocks: &'b Blocks<'b>,
    patterns: Vec<State<'b>>,
    /// Whether it is of the segment's events, among which times may be relative.
    top: bool,
    /// Pages of shared columns, with the number of runs that they are still needed for.
    shared: FxHashMap<*const PageMeta, (usize, Rc<TextPage>)>,
    uses: FxHashMap<*const PageMeta, usize>,
    stretch: u64,
    out: Out,
}

/// Bytes that were rendered, and room for more: it is longer than what is in it, so that writing asks for no length.
#[derive(Default)]
struct Out {
    bytes: Vec<u8>,
    len: usize,
}

impl Out {
    /// Makes room for so many bytes, and for a copy of a fixed length after them.
    fn reserve(&mut self, bytes: usize) {
        let needed = self.len + bytes + COPIED;
        if self.bytes.len() < needed {
            self.bytes.resize(needed.max(2 * self.bytes.len()), 0);
        }
    }

    /// Appends a value that there is room for if it is short.
    #[inline(always)]
    fn copy(&mut self, bytes: &[u8], span: Span) {
        let (at, len) = (span.at as usize, span.len as usize);
        let from = bytes.get(at..).and_then(|bytes| bytes.first_chunk::<COPIED>());
        let to = self.bytes.get_mut(self.len..).and_then(|bytes| bytes.first_chunk_mut::<COPIED>());
        match (from, to) {
            (Some(from), Some(to)) if len <= COPIED => {
                *to = *from;
                self.len += len;
            }
            _ => self.copy_long(&bytes[at..at + len]),
        }
    }

    #[inline(never)]
    fn copy_long(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

impl<'b> Renderer<'b> {
    /// Of a segment's events.
    pub fn new(blocks: &'b Blocks<'b>) -> Self {
        Self::of(blocks, &blocks.segment().footer().events, true)
    }

    fn of(blocks: &'b Blocks<'b>, node: &'b NodeMeta, top: bool) -> Self {
        let mut uses: FxHashMap<*const PageMeta, usize> = FxHashMap::default();
        for pattern in &node.patterns {
            for column in pattern.columns.iter().filter(|column| column.shared.is_some()) {
                for run in column.runs(pattern.rows as usize) {
                    *uses.entry(&raw const column.pages[run.page]).or_default() += 1;
                }
            }
        }
        let patterns = node.patterns.iter().map(State::new).collect();
        Self { blocks, patterns, top, shared: FxHashMap::default(), uses, stretch: 0, out: Out::default() }
    }

    /// Renders the events that `hits` name by pattern and row among the pattern's, and puts where each ends into `ends`;
    /// no more once there are `most` bytes. Says how many it were; [`Renderer::bytes`] has them.
    pub fn render(&mut self, hits: &[(u32, u32)], frame: Frame, most: usize, ends: &mut Vec<usize>) -> Result<usize> {
        ends.clear();
        self.out.len = 0;
        let mut done = 0;
        while done < hits.len() && self.out.len < most {
            let ready = self.prepare(&hits[done..])?;
            done += self.write(&hits[done..done + ready], frame, most, ends)?;
        }
        Ok(done)
    }

    /// What was rendered last.
    pub fn bytes(&self) -> &[u8] {
        &self.out.bytes[..self.out.len]
    }

    /// Decodes what the first hits need, and says of how many.
    fn prepare(&mut self, hits: &[(u32, u32)]) -> Result<usize> {
        self.stretch += 1;
        for (number, (pattern, at)) in hits.iter().enumerate() {
            let misfit = || Error::corrupt(self.blocks.name(), "rows in order do not fit the patterns");
            let state = self.patterns.get(*pattern as usize).ok_or_else(misfit)?;
            let within = state.rows.contains(&(*at as usize));
            match (within, state.used == self.stretch) {
                (true, true) => {}
                // Its pages are needed by rows of this stretch.
                (false, true) => return Ok(number),
                (true, false) => self.patterns[*pattern as usize].used = self.stretch,
                (false, false) => {
                    self.turn(*pattern as usize, *at as usize)?;
                    self.patterns[*pattern as usize].used = self.stretch;
                }
            }
        }
        Ok(hits.len())
    }

    /// Turns the pages of a pattern to those that hold its row `at`.
    fn turn(&mut self, pattern: usize, at: usize) -> Result<()> {
        let misfit = || Error::corrupt(self.blocks.name(), "rows in order do not fit the patterns");
        let meta = self.patterns[pattern].meta;
        let mut rows = 0..meta.rows as usize;
        if !rows.contains(&at) {
            return Err(misfit());
        }
        if self.patterns[pattern].slots.is_empty() {
            let slots = meta.columns.iter().map(|column| Slot { runs: column.runs(rows.end).collect(), page: None });
            self.patterns[pattern].slots = slots.collect();
        }
        for slot in 0..meta.columns.len() {
            let column = &self.patterns[pattern].slots[slot];
            let number = column.runs.partition_point(|run| run.start <= at).checked_sub(1).ok_or_else(misfit)?;
            let run = column.runs[number];
            rows = rows.start.max(run.start)..rows.end.min(run.start + run.rows);
            if column.page.as_ref().is_none_or(|(known, _)| *known != number) {
                self.patterns[pattern].slots[slot].page = None;
                let page = self.page(pattern, slot, run)?;
                self.patterns[pattern].slots[slot].page = Some((number, page));
            }
        }
        if !rows.contains(&at) {
            return Err(misfit());
        }
        self.patterns[pattern].rows = rows;
        Ok(())
    }

    fn page(&mut self, pattern: usize, slot: usize, run: Run) -> Result<Rc<TextPage>> {
        let column = &self.patterns[pattern].meta.columns[slot];
        let (meta, key) = (&column.pages[run.page], &raw const column.pages[run.page]);
        if let Some((left, page)) = self.shared.get_mut(&key) {
            let page = page.clone();
            *left -= 1;
            if *left == 0 {
                self.shared.remove(&key);
            }
            return Ok(page);
        }
        let page = Rc::new(self.read(pattern, meta, run)?);
        if page.spans.len() < run.skip + run.rows {
            return Err(Error::corrupt(self.blocks.name(), "a page of fewer values than rows"));
        }
        // Times that are relative are those of this pattern's rows only.
        let left = self.uses.remove(&key).unwrap_or(1) - 1;
        if left > 0 && !meta.body.is_relative() {
            self.shared.insert(key, (left, page.clone()));
        }
        Ok(page)
    }

    fn read(&self, pattern: usize, meta: &'b PageMeta, run: Run) -> Result<TextPage> {
        let blocks = self.blocks;
        if let Body::Nested(node) = &meta.body {
            return nested(blocks, node);
        }
        let times = || {
            let mut found = vec![0; meta.rows as usize];
            if self.top && meta.body.is_relative() {
                let (times, rows) = (blocks.times()?, blocks.rows()?);
                let rows = &rows[pattern][run.start..run.start + run.rows];
                found[run.skip..].iter_mut().zip(rows).for_each(|(found, row)| *found = times[*row as usize]);
            }
            Ok(found)
        };
        TextPage::of(decode::page(blocks, meta, &times)?, blocks.name())
    }

    /// Appends events whose pages are at hand.
    fn write(&mut self, hits: &[(u32, u32)], frame: Frame, most: usize, ends: &mut Vec<usize>) -> Result<usize> {
        let mut out = std::mem::take(&mut self.out);
        let mut columns: Vec<Column<'_>> = Vec::new();
        let mut first = 0;
        for state in self.patterns.iter_mut().filter(|state| state.used == self.stretch) {
            state.first = first;
            first += state.slots.len();
        }
        for state in self.patterns.iter().filter(|state| state.used == self.stretch) {
            columns.extend(state.slots.iter().filter_map(|slot| {
                let (number, page) = slot.page.as_ref()?;
                let run = &slot.runs[*number];
                Some(Column { bytes: page.bytes(), spans: &page.spans, shift: run.skip.wrapping_sub(run.start) })
            }));
        }
        let mut done = 0;
        for (pattern, at) in hits {
            if out.len >= most {
                break;
            }
            let state = &self.patterns[*pattern as usize];
            let start = out.len;
            out.reserve(state.text.len() + COPIED * (state.cuts.len() + 1));
            if frame == Frame::Length {
                out.len += 4;
            }
            out.copy(&state.text, state.cuts[0]);
            for (column, cut) in columns[state.first..].iter().zip(&state.cuts[1..]) {
                out.copy(column.bytes, column.spans[(*at as usize).wrapping_add(column.shift)]);
                out.copy(&state.text, *cut);
            }
            match frame {
                Frame::Bare => {}
                Frame::After(byte) => match out.bytes.get_mut(out.len) {
                    Some(next) => {
                        *next = byte;
                        out.len += 1;
                    }
                    None => out.copy_long(&[byte]),
                },
                Frame::Length => {
                    let len =
                        u32::try_from(out.len - start - 4).map_err(|_| Error::corrupt(self.blocks.name(), "an event beyond 4 GiB"))?;
                    out.bytes[start..start + 4].copy_from_slice(&len.to_le_bytes());
                }
            }
            ends.push(out.len);
            done += 1;
        }
        self.out = out;
        Ok(done)
    }
}

/// The values of a page that are patterns again.
fn nested<'b>(blocks: &'b Blocks<'b>, node: &'b NodeMeta) -> Result<TextPage> {
    let mut order = InOrder::new(blocks, node)?;
    let mut renderer = Renderer::of(blocks, node, false);
    let (mut hits, mut bytes, mut spans, mut ends) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    while order.row() < node.rows as usize {
        hits.clear();
        order.take(order.row() + RENDERED_ROWS, |_, _| true, &mut hits)?;
        let done = renderer.render(&hits, Frame::Bare, PAGE_VALUES_BYTES_MAX, &mut ends)?;
        let mut from = bytes.len();
        let before = from;
        spans.extend(ends.iter().map(|end| Span::new(std::mem::replace(&mut from, before + end), before + end)));
        bytes.extend_from_slice(renderer.bytes());
        if done < hits.len() || bytes.len() > PAGE_VALUES_BYTES_MAX {
            return Err(Error::corrupt(blocks.name(), format_args!("a page of more than {PAGE_VALUES_BYTES_MAX} bytes of values")));
        }
    }
    TextPage::own(bytes, spans, blocks.name())
}

/// The rows of a node in order, each with its pattern and its place among the pattern's rows.
pub struct InOrder<'b> {
    blocks: &'b Blocks<'b>,
    node: &'b NodeMeta,
    codes: Codes,
    row: usize,
    /// For each pattern: its rows so far.
    next: Vec<u32>,
}

impl<'b> InOrder<'b> {
    /// Before the first row.
    pub fn new(blocks: &'b Blocks<'b>, node: &'b NodeMeta) -> Result<Self> {
        Ok(Self { blocks, node, codes: Codes::new(blocks, node)?, row: 0, next: vec![0; node.patterns.len()] })
    }

    /// The next row.
    pub fn row(&self) -> usize {
        self.row
    }

    /// Goes on to row `to`, or the last; appends pattern and place of the rows that are `wanted`.
    pub fn take(&mut self, to: usize, wanted: impl Fn(usize, u32) -> bool, hits: &mut Vec<(u32, u32)>) -> Result<()> {
        let to = to.min(self.node.rows as usize).max(self.row);
        let mut wrong = false;
        let (next, patterns) = (&mut self.next, &self.node.patterns);
        self.codes.each(self.row, to, |pattern| match next.get_mut(pattern) {
            Some(at) if *at < patterns[pattern].rows => {
                if wanted(pattern, *at) {
                    hits.push((pattern as u32, *at));
                }
                *at += 1;
            }
            _ => wrong = true,
        });
        self.row = to;
        if wrong { Err(Error::corrupt(self.blocks.name(), "rows in order do not fit the patterns")) } else { Ok(()) }
    }
}
