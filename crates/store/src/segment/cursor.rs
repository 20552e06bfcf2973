//! Reads single values of a pattern's columns, decoding a page when its first value is asked for.

use super::decode::{self, Values};
use super::meta::{PageMeta, PatternMeta};
use super::{Blocks, Segment};
use std::cell::{OnceCell, RefCell};
use taffrail_base::Result;

/// The columns of one pattern of a segment. One thread's.
pub struct PatternCursor<'b> {
    blocks: &'b Blocks<'b>,
    meta: &'b PatternMeta,
    number: usize,
    columns: Vec<Column>,
}

struct Column {
    starts: Vec<usize>,
    pages: Vec<OnceCell<Values>>,
    last: RefCell<usize>,
}

impl<'b> PatternCursor<'b> {
    /// A cursor over pattern `number`; nothing is read yet.
    pub fn new(blocks: &'b Blocks<'b>, number: usize) -> Self {
        let segment: &'b Segment = blocks.segment();
        let meta = &segment.footer().events.patterns[number];
        let columns = meta.columns.iter().map(|column| {
            let starts = column.pages.iter().scan(0, |start, page| {
                let this = *start;
                *start += page.rows as usize;
                Some(this)
            });
            Column { starts: starts.collect(), pages: column.pages.iter().map(|_| OnceCell::new()).collect(), last: 0.into() }
        });
        Self { blocks, meta, number, columns: columns.collect() }
    }

    /// The blocks that it reads.
    pub fn blocks(&self) -> &'b Blocks<'b> {
        self.blocks
    }

    /// The pattern.
    pub fn meta(&self) -> &'b PatternMeta {
        self.meta
    }

    /// A decoded page of a slot's column.
    pub fn page(&self, slot: usize, page: usize) -> Result<&Values> {
        let cell = &self.columns[slot].pages[page];
        if let Some(values) = cell.get() {
            return Ok(values);
        }
        let meta: &PageMeta = &self.meta.columns[slot].pages[page];
        let start = self.columns[slot].starts[page];
        let times = || {
            let (times, rows) = (self.blocks.times()?, self.blocks.rows()?);
            let rows = &rows[self.number][start..start + meta.rows as usize];
            Ok(rows.iter().map(|row| times[*row as usize]).collect())
        };
        let values = decode::page(self.blocks, meta, &times)?;
        Ok(cell.get_or_init(|| values))
    }

    /// The first row of each page of a slot's column.
    pub fn page_starts(&self, slot: usize) -> &[usize] {
        &self.columns[slot].starts
    }

    /// The value of a slot in the pattern's row `row`.
    pub fn value(&self, slot: usize, row: usize) -> Result<&[u8]> {
        let column = &self.columns[slot];
        let mut page = *column.last.borrow();
        let within = |page: usize| column.starts[page] <= row && column.starts.get(page + 1).is_none_or(|next| row < *next);
        if !within(page) {
            page = column.starts.partition_point(|start| *start <= row) - 1;
            *column.last.borrow_mut() = page;
        }
        Ok(self.page(slot, page)?.get(row - column.starts[page]))
    }

    /// Appends the event's bytes of the pattern's row `row`.
    pub fn render(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let mut slot = 0;
        for piece in self.meta.pattern.pieces() {
            match piece {
                taffrail_pattern::Piece::Text(text) => out.extend_from_slice(text),
                taffrail_pattern::Piece::Slot(_) => {
                    out.extend_from_slice(self.value(slot, row)?);
                    slot += 1;
                }
            }
        }
        Ok(())
    }
}
