//! Reads single values of a pattern's columns, decoding a page when its first value is asked for.

use super::decode::{self, Part, Values};
use super::meta::{PatternMeta, Run};
use super::{Blocks, Segment};
use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use taffrail_base::Result;

/// The columns of one pattern of a segment. One thread's.
pub struct PatternCursor<'b> {
    blocks: &'b Blocks<'b>,
    meta: &'b PatternMeta,
    number: usize,
    columns: Vec<OnceCell<Column>>,
}

/// A slot's column, as far as its rows are the pattern's.
struct Column {
    runs: Vec<Run>,
    pages: Vec<OnceCell<Rc<Values>>>,
    last: Cell<usize>,
    /// Single values read so far.
    asked: Cell<usize>,
}

/// Values of a column that are read one by one before whole pages are decoded, which may have thousands of values.
const SINGLE_READS_MAX: usize = 256;

impl<'b> PatternCursor<'b> {
    /// A cursor over pattern `number`; nothing is read yet.
    pub fn new(blocks: &'b Blocks<'b>, number: usize) -> Self {
        let segment: &'b Segment = blocks.segment();
        let meta = &segment.footer().events.patterns[number];
        let columns = std::iter::repeat_with(OnceCell::new).take(meta.columns.len()).collect();
        Self { blocks, meta, number, columns }
    }

    /// The pattern.
    pub fn meta(&self) -> &'b PatternMeta {
        self.meta
    }

    fn column(&self, slot: usize) -> &Column {
        self.columns[slot].get_or_init(|| {
            let runs = self.meta.columns[slot].runs(self.meta.rows as usize).collect::<Vec<_>>();
            let pages = runs.iter().map(|_| OnceCell::new()).collect();
            Column { runs, pages, last: Cell::new(0), asked: Cell::new(0) }
        })
    }

    /// Where the pattern's values of a slot stand in the column's pages.
    pub fn runs(&self, slot: usize) -> &[Run] {
        &self.column(slot).runs
    }

    /// The decoded page of a slot's run; the run's values begin at its `skip`.
    pub fn page(&self, slot: usize, run: usize) -> Result<&Values> {
        let column = self.column(slot);
        let cell = &column.pages[run];
        if let Some(values) = cell.get() {
            return Ok(values);
        }
        let place = column.runs[run];
        let meta = &self.meta.columns[slot].pages[place.page];
        let values = if meta.body.is_relative() {
            // Rows of the page that other patterns have stand for nothing here.
            let times = || {
                let (times, rows) = (self.blocks.times()?, self.blocks.rows()?);
                let mut found = vec![0; meta.rows as usize];
                let rows = &rows[self.number][place.start..place.start + place.rows];
                found[place.skip..].iter_mut().zip(rows).for_each(|(found, row)| *found = times[*row as usize]);
                Ok(found)
            };
            Rc::new(decode::page(self.blocks, meta, &times)?)
        } else {
            self.blocks.page(meta)?
        };
        Ok(cell.get_or_init(|| values))
    }

    /// Calls back with the values of a slot's run, part by part. They are decoded for this, and not kept, unless they are
    /// there already or are only to be had as a whole.
    pub fn in_parts(&self, slot: usize, run: usize, each: &mut dyn FnMut(Part<'_>) -> Result<()>) -> Result<()> {
        let column = self.column(slot);
        let place = column.runs[run];
        let meta = &self.meta.columns[slot].pages[place.page];
        let range = place.skip..place.skip + place.rows;
        if column.pages[run].get().is_none() && decode::in_parts(self.blocks, meta, range.clone(), each)? {
            return Ok(());
        }
        each(self.page(slot, run)?.part(range))
    }

    /// The least and the greatest number of a slot's run, where its values are stored as numbers.
    pub fn range(&self, slot: usize, run: usize) -> Option<(i64, i64)> {
        self.meta.columns[slot].pages[self.column(slot).runs[run].page].range
    }

    /// A decoded page as [`PatternCursor::page`] gives it, to be kept.
    pub fn shared(&self, slot: usize, run: usize) -> Result<Rc<Values>> {
        self.page(slot, run)?;
        Ok(self.column(slot).pages[run].get().expect("just read").clone())
    }

    /// The page that holds the pattern's row `row` of a slot, and the row's place in it.
    fn place(&self, slot: usize, row: usize) -> Result<(&Values, usize)> {
        let column = self.column(slot);
        let mut run = column.last.get();
        let within = |run: &Run| (run.start..run.start + run.rows).contains(&row);
        if !within(&column.runs[run]) {
            run = column.runs.partition_point(|run| run.start <= row) - 1;
            column.last.set(run);
        }
        let place = column.runs[run];
        Ok((self.page(slot, run)?, row - place.start + place.skip))
    }

    /// Appends the value of a slot in the pattern's row `row`.
    pub fn write(&self, slot: usize, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let (values, at) = self.place(slot, row)?;
        values.write(at, out);
        Ok(())
    }

    /// As [`PatternCursor::render`] for a few rows of many: pages are decoded as a whole when they are asked for
    /// again and again only. `time` is the event's.
    pub fn render_one(&self, row: usize, time: i64, out: &mut Vec<u8>) -> Result<()> {
        let mut slots = 0..;
        for piece in self.meta.pattern.pieces() {
            match piece {
                taffrail_pattern::Piece::Text(text) => out.extend_from_slice(text),
                taffrail_pattern::Piece::Slot(_) => self.write_one(slots.next().unwrap_or(0), row, time, out)?,
            }
        }
        Ok(())
    }

    /// As [`PatternCursor::render_one`] of one slot.
    pub fn write_one(&self, slot: usize, row: usize, time: i64, out: &mut Vec<u8>) -> Result<()> {
        let column = self.column(slot);
        let run = column.runs.partition_point(|run| run.start <= row) - 1;
        let place = column.runs[run];
        let page = &self.meta.columns[slot].pages[place.page];
        let asked = column.asked.get();
        column.asked.set(asked + 1);
        let few = asked < SINGLE_READS_MAX && column.pages[run].get().is_none();
        let at = row - place.start + place.skip;
        if few && decode::one(self.blocks, &page.body, page.rows as usize, at, Some(time), out)? {
            return Ok(());
        }
        self.write(slot, row, out)
    }

    /// The value of a slot in the pattern's row `row`; `scratch` is overwritten.
    pub fn value<'v>(&'v self, slot: usize, row: usize, scratch: &'v mut Vec<u8>) -> Result<&'v [u8]> {
        let (values, at) = self.place(slot, row)?;
        Ok(values.read(at, scratch))
    }

    /// Appends the event's bytes of the pattern's row `row`.
    pub fn render(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let mut slot = 0;
        for piece in self.meta.pattern.pieces() {
            match piece {
                taffrail_pattern::Piece::Text(text) => out.extend_from_slice(text),
                taffrail_pattern::Piece::Slot(_) => {
                    self.write(slot, row, out)?;
                    slot += 1;
                }
            }
        }
        Ok(())
    }
}
