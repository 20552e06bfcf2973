//! A text or an expression that crosses tokens, against the columns of a pattern: an automaton goes over the
//! pattern with its slots open, then over the values of those slots alone that decide.

use super::select::{Bits, Selection};
use crate::segment::Blocks;
use crate::segment::decode::{Values, order, rows_by_pattern};
use crate::segment::meta::{Body, ColumnMeta, NodeMeta, PatternMeta, Run};
use crate::segment::stamp;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::rc::Rc;
use std::sync::Arc;
use taffrail_base::Result;
use taffrail_pattern::automaton::symbolic::{Cell, DONE, Hole, Part, Verdict, Walk};
use taffrail_pattern::automaton::{ACCEPT, Automaton, QUIT, REJECT, State};
use taffrail_pattern::{Pattern, PatternId, Piece, SlotKind};

/// An automaton, and what it said of the patterns met so far.
#[derive(Debug)]
pub struct Walker {
    automaton: Automaton,
    /// By kind of slot: the classes of stamps that stand in each class of bytes.
    marks: [Vec<u64>; 4],
    /// Whether it has answers for ASCII text only.
    ascii: bool,
    known: Mutex<FxHashMap<PatternId, (Arc<Pattern>, Verdict)>>,
}

/// Reads the page of a slot's run.
pub type Pages<'p> = &'p dyn Fn(usize, usize, &Run) -> Result<Rc<Values>>;

/// Where rows are: all in one cell, or each in its own.
enum Cells {
    One(Cell),
    Each(Vec<Cell>),
}

/// The label of rows that nobody asked for.
const ASIDE: u16 = 0x7fff;

/// Entries of a table of results up to which it is made for all entries of a dictionary, for each row.
const TABLE_PER_ROW: usize = 2;

impl Walker {
    /// Nothing decided yet; `ascii` when the automaton has answers for ASCII text only.
    pub fn new(automaton: Automaton, ascii: bool) -> Self {
        let marks = [SlotKind::Word, SlotKind::Quoted, SlotKind::Time, SlotKind::Raw];
        let marks = marks.map(|kind| automaton.class_marks(kind, |byte| stamp::mask(&[byte])));
        Self { automaton, marks, ascii, known: Mutex::default() }
    }

    fn hole(&self, kind: SlotKind, mask: u64, longest: usize) -> Hole {
        Hole::new(&self.marks[kind.code() as usize - 1], mask, kind != SlotKind::Word, longest)
    }

    /// What holds for all rows of a pattern, whatever stands in its slots. Asked once per pattern.
    pub fn decided(&self, meta: &PatternMeta) -> Verdict {
        let verdict = self.verdict(meta.id, &meta.pattern);
        // What was decided for slots of ASCII says nothing of others.
        let beyond = |column: &ColumnMeta| column.pages.iter().any(|page| page.mask & stamp::NOT_ASCII != 0);
        if self.ascii && verdict != Verdict::Some && meta.columns.iter().any(beyond) { Verdict::Some } else { verdict }
    }

    fn verdict(&self, id: PatternId, pattern: &Arc<Pattern>) -> Verdict {
        if let Some((known, verdict)) = self.known.lock().get(&id)
            && (Arc::ptr_eq(known, pattern) || known == pattern)
        {
            return *verdict;
        }
        let parts = pattern.pieces().iter().map(|piece| match piece {
            Piece::Text(text) => Part::Text(text),
            Piece::Slot(kind) => Part::Slot(self.hole(*kind, if self.ascii { !stamp::NOT_ASCII } else { u64::MAX }, usize::MAX)),
        });
        let verdict = self.automaton.decide(parts);
        self.known.lock().insert(id, (pattern.clone(), verdict));
        verdict
    }

    /// The rows of a pattern that match; those that the automaton has no answer for are asked of `exact`.
    pub fn rows(
        &self,
        meta: &PatternMeta,
        blocks: &Blocks<'_>,
        pages: Pages<'_>,
        exact: &mut dyn FnMut(usize) -> Result<bool>,
    ) -> Result<Selection> {
        let pass = Pass { walker: self, blocks };
        let start = Cells::One(self.automaton.start());
        let rows = meta.rows as usize;
        let cells = pass.over(meta, pages, start, &mut |state| self.automaton.at_end(state))?;
        match cells {
            Cells::One(cell) if cell == DONE | QUIT => {
                let mut bits = Bits::new(rows);
                for row in 0..rows {
                    if exact(row)? {
                        bits.set(row);
                    }
                }
                Ok(Selection::from_bits(bits))
            }
            Cells::One(cell) => Ok(Selection::all_if(cell == DONE | ACCEPT)),
            Cells::Each(cells) => {
                let mut bits = Bits::new(rows);
                for (row, cell) in cells.into_iter().enumerate() {
                    if cell == DONE | ACCEPT || (cell != DONE | REJECT && exact(row)?) {
                        bits.set(row);
                    }
                }
                Ok(Selection::from_bits(bits))
            }
        }
    }
}

impl Cells {
    /// The different cells of rows that are not done.
    fn live(&self, states: usize) -> Vec<Cell> {
        match self {
            Self::One(cell) if cell & DONE != 0 => Vec::new(),
            Self::One(cell) => vec![*cell],
            Self::Each(cells) => {
                let mut seen = vec![false; states];
                cells.iter().filter(|cell| *cell & DONE == 0).for_each(|cell| seen[*cell as usize] = true);
                (0..).zip(seen).filter(|(_, seen)| *seen).map(|(cell, _)| cell).collect()
            }
        }
    }

    /// Replaces each live cell.
    fn map(&mut self, live: &[Cell], states: usize, to: impl Fn(Cell) -> Cell) {
        match self {
            Self::One(cell) if *cell & DONE == 0 => *cell = to(*cell),
            Self::One(_) => {}
            Self::Each(cells) => {
                let mut table: Vec<Cell> = vec![DONE | QUIT; states];
                live.iter().for_each(|cell| table[*cell as usize] = to(*cell));
                cells.iter_mut().filter(|cell| **cell & DONE == 0).for_each(|cell| *cell = table[*cell as usize]);
            }
        }
    }

    fn spread(self, rows: usize) -> Vec<Cell> {
        match self {
            Self::One(cell) => vec![cell; rows],
            Self::Each(cells) => cells,
        }
    }
}

/// One automaton over the columns of one segment.
struct Pass<'w, 'b> {
    walker: &'w Walker,
    blocks: &'w Blocks<'b>,
}

impl Pass<'_, '_> {
    /// Takes the rows of a pattern from their cells to the labels of their ends.
    fn over(&self, meta: &PatternMeta, pages: Pages<'_>, mut cells: Cells, label: &mut dyn FnMut(State) -> u16) -> Result<Cells> {
        let automaton = &self.walker.automaton;
        let states = automaton.states();
        let live = cells.live(states);
        if live.is_empty() {
            return Ok(cells);
        }
        let runs: Vec<Vec<Run>> = meta.columns.iter().map(|column| column.runs(meta.rows as usize).collect()).collect();
        let parts = self.parts(meta, &runs);
        let walk = Walk::new(automaton, &parts, &live, label);
        cells.map(&live, states, |state| walk.cell(0, state));
        let mut slot = 0;
        for (at, piece) in meta.pattern.pieces().iter().enumerate() {
            if !matches!(piece, Piece::Slot(_)) {
                continue;
            }
            let (column, runs) = (&meta.columns[slot], &runs[slot]);
            slot += 1;
            if matches!(parts[at], Part::Text(_)) {
                // A slot whose values are all alike: what comes after it is known already.
                continue;
            }
            let live = cells.live(states);
            if live.is_empty() {
                break;
            }
            if live.iter().all(|cell| walk.jump(at, *cell).is_some()) {
                cells.map(&live, states, |cell| walk.jump(at, cell).unwrap_or(DONE | QUIT));
                continue;
            }
            let mut each = cells.spread(meta.rows as usize);
            let step = Step { pass: self, after: walk.after(at), live };
            for (number, run) in runs.iter().enumerate() {
                let mine = &mut each[run.start..run.start + run.rows];
                step.read(column, run, &|| pages(slot - 1, number, run), mine)?;
            }
            cells = Cells::Each(each);
        }
        Ok(cells)
    }

    /// The pattern with what its columns say of its slots.
    fn parts<'m>(&self, meta: &'m PatternMeta, runs: &[Vec<Run>]) -> Vec<Part<'m>> {
        let mut columns = meta.columns.iter().zip(runs);
        let part = |piece: &'m Piece| match piece {
            Piece::Text(text) => Part::Text(text),
            Piece::Slot(kind) => {
                let (column, runs) = columns.next().expect("one column a slot");
                if let [run] = runs[..]
                    && let Body::Constant(value) = &column.pages[run.page].body
                {
                    return Part::Text(value);
                }
                let pages = runs.iter().map(|run| &column.pages[run.page]);
                let (mask, longest) = pages.fold((0, 0), |(mask, len), page| (mask | page.mask, len.max(page.max_len as usize)));
                Part::Slot(self.walker.hole(*kind, mask, longest))
            }
        };
        meta.pattern.pieces().iter().map(part).collect()
    }
}

/// The reading of one slot.
struct Step<'s, 'w, 'b> {
    pass: &'s Pass<'w, 'b>,
    /// By state: the cell after the slot.
    after: Vec<Cell>,
    /// The cells of rows that are not done.
    live: Vec<Cell>,
}

impl Step<'_, '_, '_> {
    fn run(&self, cell: Cell, value: &[u8]) -> Cell {
        self.after[self.pass.walker.automaton.run(cell, value) as usize]
    }

    /// Moves the rows of a run over their values.
    fn read(&self, column: &ColumnMeta, run: &Run, values: &dyn Fn() -> Result<Rc<Values>>, cells: &mut [Cell]) -> Result<()> {
        if cells.iter().all(|cell| cell & DONE != 0) {
            return Ok(());
        }
        match &column.pages[run.page].body {
            Body::Constant(value) => {
                let table: Vec<(Cell, Cell)> = self.live.iter().map(|cell| (*cell, self.run(*cell, value))).collect();
                for cell in cells.iter_mut().filter(|cell| **cell & DONE == 0) {
                    *cell = table.iter().find(|(from, _)| from == cell).map_or(DONE | QUIT, |(_, to)| *to);
                }
            }
            Body::Nested(node) => self.nested(node, run, cells)?,
            _ => self.values(&*values()?, run, cells),
        }
        Ok(())
    }

    fn values(&self, values: &Values, run: &Run, cells: &mut [Cell]) {
        match values {
            Values::Dictionary(entries, numbers) if entries.len() * self.live.len() <= cells.len() * TABLE_PER_ROW => {
                let results: Vec<Vec<Cell>> =
                    self.live.iter().map(|cell| (0..entries.len()).map(|at| self.run(*cell, entries.get(at))).collect()).collect();
                let numbers = &numbers[run.skip..run.skip + run.rows];
                if let ([only], [results]) = (&self.live[..], &results[..]) {
                    for (cell, number) in cells.iter_mut().zip(numbers).filter(|(cell, _)| *cell == only) {
                        *cell = results[*number as usize];
                    }
                    return;
                }
                for (cell, number) in cells.iter_mut().zip(numbers).filter(|(cell, _)| **cell & DONE == 0) {
                    let at = self.live.iter().position(|live| live == cell).unwrap_or(0);
                    *cell = results[at][*number as usize];
                }
            }
            values => {
                let mut scratch = Vec::new();
                for (at, cell) in cells.iter_mut().enumerate().filter(|(_, cell)| **cell & DONE == 0) {
                    *cell = self.run(*cell, values.read(run.skip + at, &mut scratch));
                }
            }
        }
    }

    /// Values that are patterns again: each of these is gone over with all the states in which its rows are.
    fn nested(&self, node: &NodeMeta, run: &Run, cells: &mut [Cell]) -> Result<()> {
        let blocks = self.pass.blocks;
        let pages = |pattern: &PatternMeta, slot: usize, run: &Run| blocks.page(&pattern.columns[slot].pages[run.page]);
        let mut outcomes: Vec<Cell> = Vec::new();
        let mut label = |state: State| {
            let cell = self.after[state as usize];
            let known = outcomes.iter().position(|other| *other == cell);
            known.unwrap_or_else(|| {
                outcomes.push(cell);
                outcomes.len() - 1
            }) as u16
        };
        let mut done: Vec<(Vec<u32>, Cells)> = Vec::new();
        let ours = run.skip..run.skip + run.rows;
        let rows = match &node.patterns[..] {
            [_] => vec![(0..node.rows).collect()],
            patterns => rows_by_pattern(&order(blocks, node)?, patterns),
        };
        for (pattern, rows) in node.patterns.iter().zip(rows) {
            let at = |row: &u32| {
                let row = *row as usize;
                if ours.contains(&row) { cells[row - run.skip] } else { DONE | ASIDE }
            };
            // What was done before keeps its cell.
            let start: Vec<Cell> = rows.iter().map(at).map(|cell| if cell & DONE != 0 { DONE | ASIDE } else { cell }).collect();
            let start = match start.first() {
                Some(first) if start.iter().all(|cell| cell == first) => Cells::One(*first),
                _ => Cells::Each(start),
            };
            let read = |slot: usize, _: usize, run: &Run| pages(pattern, slot, run);
            done.push((rows, self.pass.over(pattern, &read, start, &mut label)?));
        }
        for (rows, ends) in done {
            for (at, row) in rows.iter().enumerate() {
                let end = match &ends {
                    Cells::One(cell) => *cell,
                    Cells::Each(cells) => cells[at],
                };
                let label = end & !DONE;
                if label != ASIDE && ours.contains(&(*row as usize)) {
                    cells[*row as usize - run.skip] = outcomes.get(label as usize).copied().unwrap_or(DONE | QUIT);
                }
            }
        }
        Ok(())
    }
}
