//! Lines become a node: patterns, the order of patterns, and columns. Slots of several patterns that hold the same
//! thing (the value of a key, the host after the time) share a column.

mod dictionary;
mod learned;
mod lines;
mod numbers;
mod page;
mod shared;

pub use learned::Learned;

use super::blocks::{BlockWriter, Kind};
use super::hosts::Whose;
use super::ints;
use super::meta::{ColumnMeta, NodeMeta, PageMeta, PatternMeta, Place, ZONE_ROWS};
use learned::ColumnKey;
use numbers::Spelling;
use page::{Context, column};
use rustc_hash::FxHashMap;
use shared::Dictionaries;
use std::sync::Arc;
use taffrail_base::Result;
use taffrail_pattern::bytes::same;
use taffrail_pattern::group::{GroupLimits, Grouped, Leaf, SlotName, group, slot_names};
use taffrail_pattern::split::time;
use taffrail_pattern::{Piece, SlotKind};

/// Where encoded bytes go, and what is known from before.
pub struct Output<'o> {
    /// The file's blocks.
    pub blocks: BlockWriter,
    /// What earlier segments taught.
    pub learned: &'o mut Learned,
    /// Values that recur across columns.
    pub dictionaries: Vec<PageMeta>,
    /// Whose events the lines are.
    pub whose: Whose<'o>,
    /// For each pattern, the slot that holds the host of its events; and the stream of origins that is left.
    pub hosts: Vec<Option<u32>>,
    pub origin: Vec<i64>,
}

impl<'o> Output<'o> {
    /// Nothing written yet.
    pub fn new(blocks: BlockWriter, learned: &'o mut Learned, whose: Whose<'o>) -> Self {
        Self { blocks, learned, dictionaries: Vec::new(), whose, hosts: Vec::new(), origin: Vec::new() }
    }
}

/// A column to be: which slots of which leaves it holds.
pub struct Plan {
    key: ColumnKey,
    kind: SlotKind,
    /// Leaf and slot, in the order of the leaves.
    parts: Vec<(usize, usize)>,
}

/// Encodes lines as a node; `times` are the event times of the lines at the top.
pub fn node(lines: &[&[u8]], class: &dyn Fn(usize) -> u32, times: Option<&[i64]>, depth: usize, out: &mut Output<'_>) -> Result<NodeMeta> {
    let limits = match depth {
        0 => GroupLimits::default(),
        _ => GroupLimits { patterns_max: 256, tokens_max: 64, line_bytes_max: 4_096 },
    };
    let grouped = group(lines, class, limits);
    let spellings = |leaf: usize| Ok(grouped.first_row(&grouped.leaves[leaf]).into_iter().map(Spelling::of).collect());
    let plans = plans(&grouped.leaves, &spellings, depth)?;
    let gathered = Gathered::of(&grouped, &plans);
    let leaves = grouped.into_leaves();
    finish(leaves, &plans, &Source::All(gathered), lines.len(), times, depth, out)
}

/// Values that somebody else has.
pub trait Given {
    /// Another column is asked for from here on: nothing of the one before is needed.
    fn next_column(&self);

    /// Calls back with the values of a slot of a leaf, in the order of its rows.
    fn values(&self, leaf: usize, slot: usize, each: &mut dyn FnMut(&[u8])) -> Result<()>;

    /// Calls back with the first of these.
    fn first(&self, leaf: usize, slot: usize, each: &mut dyn FnMut(&[u8])) -> Result<()>;
}

/// Encodes `rows` lines whose patterns are known as a node: all of them are in one leaf each, and `given` gives the
/// values of leaf and slot.
pub fn node_of(leaves: Vec<Leaf>, given: &dyn Given, rows: usize, times: &[i64], out: &mut Output<'_>) -> Result<NodeMeta> {
    let spellings = |leaf: usize| {
        let kinds = leaves[leaf].pattern.pieces().iter().filter_map(|piece| match piece {
            Piece::Slot(kind) => Some(*kind),
            Piece::Text(_) => None,
        });
        let first = |(slot, kind): (usize, SlotKind)| {
            if kind != SlotKind::Word {
                return Ok(Spelling::Text);
            }
            let mut spelling = None;
            given.first(leaf, slot, &mut |value| spelling = Some(Spelling::of(value)))?;
            Ok(spelling.unwrap_or(Spelling::Text))
        };
        kinds.enumerate().map(first).collect()
    };
    let plans = plans(&leaves, &spellings, 0)?;
    finish(leaves, &plans, &Source::Given(given), rows, Some(times), 0, out)
}

fn finish(
    leaves: Vec<Leaf>,
    plans: &[Plan],
    source: &Source<'_>,
    rows: usize,
    times: Option<&[i64]>,
    depth: usize,
    out: &mut Output<'_>,
) -> Result<NodeMeta> {
    let (columns, shared) = columns(&leaves, plans, source, times, depth, out)?;
    if depth == 0 {
        let told = leaves.iter().zip(&out.hosts).filter(|(_, slot)| slot.is_some()).map(|(leaf, _)| &leaf.rows[..]);
        out.origin = out.whose.stream(told);
    }
    let order = if leaves.len() > 1 { Some(put_order(&leaves, rows, out)?) } else { None };
    let patterns = leaves.into_iter().zip(columns).map(|(leaf, columns)| PatternMeta {
        class: leaf.class,
        id: leaf.pattern.id(),
        rows: leaf.rows.len() as u32,
        pattern: Arc::new(leaf.pattern),
        columns: columns.into_iter().map(|column| column.expect("every slot is in a plan")).collect(),
    });
    Ok(NodeMeta { rows: rows as u32, order, shared, patterns: patterns.collect() })
}

/// Notes for each leaf that has rows in a column whether the column holds the host of all of them.
fn note_hosts(leaves: &[Leaf], plan: &Plan, values: &[&[u8]], whose: Whose<'_>, slots: &mut [Option<u32>]) {
    if whose.origins.len() < 2 || plan.kind != SlotKind::Word {
        return;
    }
    let mut first = 0;
    for (leaf, slot) in &plan.parts {
        let rows = &leaves[*leaf].rows;
        let tells = |(value, row): (&&[u8], &u32)| same(value, whose.host(*row));
        if slots[*leaf].is_none() && values[first..].iter().zip(rows).all(tells) {
            slots[*leaf] = Some(*slot as u32);
        }
        first += rows.len();
    }
}

/// The columns of each leaf, and those that several share.
type Columns = (Vec<Vec<Option<ColumnMeta>>>, Vec<Arc<[PageMeta]>>);

/// Encodes the columns.
fn columns(
    leaves: &[Leaf],
    plans: &[Plan],
    source: &Source<'_>,
    times: Option<&[i64]>,
    depth: usize,
    out: &mut Output<'_>,
) -> Result<Columns> {
    let dictionaries = if depth == 0 { Dictionaries::find(leaves, plans, source, times, out)? } else { Dictionaries::default() };
    if depth == 0 {
        out.hosts = vec![None; leaves.len()];
    }
    let mut shared: Vec<Arc<[PageMeta]>> = Vec::new();
    let mut columns: Vec<Vec<Option<ColumnMeta>>> = leaves.iter().map(|leaf| vec![None; leaf.pattern.slots()]).collect();
    for (number, plan) in plans.iter().enumerate() {
        let texts = source.texts(number, plan)?;
        let values: Vec<&[u8]> = texts.iter().collect();
        let row_times = times.and_then(|times| row_times(leaves, plan, &values, times));
        if depth == 0 {
            note_hosts(leaves, plan, &values, out.whose, &mut out.hosts);
        }
        let context = Context { kind: plan.kind, key: plan.key, depth, times: row_times.as_deref() };
        let pages: Arc<[PageMeta]> = match dictionaries.numbers(number) {
            Some((dictionary, numbers)) => shared::column(dictionary, numbers, &values, out)?.into(),
            None => column(&values, &context, out)?.into(),
        };
        let name = (plan.parts.len() > 1).then_some(shared.len() as u32);
        shared.extend(name.map(|_| pages.clone()));
        let mut first = 0;
        for (leaf, slot) in &plan.parts {
            columns[*leaf][*slot] = Some(ColumnMeta::new(pages.clone(), name.map(|name| (name, first))));
            first += leaves[*leaf].rows.len() as u32;
        }
    }
    Ok((columns, shared))
}

fn put_order(leaves: &[Leaf], rows: usize, out: &mut Output<'_>) -> Result<Place> {
    let mut order = vec![0i64; rows];
    for (number, leaf) in leaves.iter().enumerate() {
        leaf.rows.iter().for_each(|row| order[*row as usize] = number as i64);
    }
    put_ints(&order, &mut out.blocks)
}

/// The event times of a plan's rows, where its values may be spelled by them.
fn row_times(leaves: &[Leaf], plan: &Plan, values: &[&[u8]], times: &[i64]) -> Option<Vec<i64>> {
    let may_tell = match plan.kind {
        SlotKind::Time => true,
        SlotKind::Word => values.first().is_some_and(|first| time::epoch(first).is_some()),
        SlotKind::Quoted | SlotKind::Raw => false,
    };
    may_tell.then(|| plan.parts.iter().flat_map(|(leaf, _)| leaves[*leaf].rows.iter().map(|row| times[*row as usize])).collect())
}

/// Where the values of columns come from.
pub enum Source<'g> {
    /// They are all there.
    All(Gathered),
    /// They are read when a column is written, so that never more than a few columns are in memory.
    Given(&'g dyn Given),
}

/// The values of a column, borrowed or read for this.
pub enum Held<'s> {
    Borrowed(&'s Texts),
    Read(Texts),
}

impl std::ops::Deref for Held<'_> {
    type Target = Texts;

    fn deref(&self) -> &Texts {
        match self {
            Self::Borrowed(texts) => texts,
            Self::Read(texts) => texts,
        }
    }
}

impl Source<'_> {
    /// The values of a plan's column.
    pub fn texts(&self, number: usize, plan: &Plan) -> Result<Held<'_>> {
        let given = match self {
            Self::All(gathered) => return Ok(Held::Borrowed(&gathered.0[number])),
            Self::Given(given) => given,
        };
        let mut texts = Texts::default();
        let mut push = |value: &[u8]| texts.push(value, (0, value.len() as u32));
        given.next_column();
        plan.parts.iter().try_for_each(|(leaf, slot)| given.values(*leaf, *slot, &mut push))?;
        Ok(Held::Read(texts))
    }
}

/// The values of all columns, those of a column beside each other: gathered in one pass over the lines, so that
/// encoding does not walk through the lines once for every column.
pub struct Gathered(Vec<Texts>);

/// Values one after the other.
#[derive(Default)]
pub struct Texts {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

/// Bytes that are copied at once.
const COPIED: usize = 16;

impl Texts {
    /// Adds what stands at a place of a line.
    #[inline]
    fn push(&mut self, line: &[u8], (start, end): (u32, u32)) {
        let (start, end) = (start as usize, end as usize);
        let before = self.bytes.len();
        match line.get(start..start + COPIED) {
            // Values are a few bytes long: copying a fixed number of them and taking some back needs no call.
            Some(sixteen) if end - start <= COPIED => {
                self.bytes.extend_from_slice(<&[u8; COPIED]>::try_from(sixteen).expect("sixteen bytes"));
                self.bytes.truncate(before + end - start);
            }
            _ => self.bytes.extend_from_slice(&line[start..end]),
        }
        self.ends.push(self.bytes.len() as u32);
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let value = &self.bytes[start..*end as usize];
            start = *end as usize;
            value
        })
    }
}

impl Gathered {
    fn of(grouped: &Grouped<'_, '_>, plans: &[Plan]) -> Self {
        let mut of_slot: Vec<Vec<usize>> = grouped.leaves.iter().map(|leaf| vec![0; leaf.pattern.slots()]).collect();
        for (number, plan) in plans.iter().enumerate() {
            plan.parts.iter().for_each(|(leaf, slot)| of_slot[*leaf][*slot] = number);
        }
        let mut columns: Vec<Texts> = plans.iter().map(|_| Texts::default()).collect();
        for (leaf, numbers) in grouped.leaves.iter().zip(&of_slot) {
            // A column that two slots of a pattern share holds the rows of the one before those of the other.
            let mut sorted = numbers.clone();
            sorted.sort_unstable();
            if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
                for (slot, number) in numbers.iter().enumerate() {
                    grouped.each_row(leaf, |line, values| columns[*number].push(line, values.nth(slot).expect("a value for each slot")));
                }
            } else {
                grouped.each_row(leaf, |line, values| {
                    numbers.iter().zip(values).for_each(|(number, place)| columns[*number].push(line, place))
                });
            }
        }
        Self(columns)
    }
}

/// Which slots make which columns.
fn plans(leaves: &[Leaf], spellings: &dyn Fn(usize) -> Result<Vec<Spelling>>, depth: usize) -> Result<Vec<Plan>> {
    let mut plans: Vec<Plan> = Vec::new();
    let mut known: FxHashMap<(u32, SlotKind, Spelling, SlotName), usize> = FxHashMap::default();
    for (number, leaf) in leaves.iter().enumerate() {
        let id = leaf.pattern.id();
        let kinds = leaf.pattern.pieces().iter().filter_map(|piece| match piece {
            Piece::Slot(kind) => Some(*kind),
            Piece::Text(_) => None,
        });
        let first = spellings(number)?;
        for (slot, (kind, name)) in kinds.zip(slot_names(&leaf.pattern)).enumerate() {
            // Times may be spelled by the events' times, raw lines have no names.
            let is_rest = kind == SlotKind::Raw && !leaf.pattern.is_raw();
            if kind == SlotKind::Time || first[slot] == Spelling::Epoch || leaf.pattern.is_raw() {
                plans.push(Plan { key: ColumnKey::own(id, slot, depth), kind, parts: vec![(number, slot)] });
                continue;
            }
            // Whatever stands before them: lines below different first lines are alike.
            let name = if is_rest { SlotName::Key(b"\n".to_vec()) } else { name };
            let spelling = if is_rest { Spelling::Text } else { first[slot] };
            let key = ColumnKey::named(leaf.class, &name, depth);
            let at = *known.entry((leaf.class, kind, spelling, name)).or_insert_with(|| {
                plans.push(Plan { key, kind, parts: Vec::new() });
                plans.len() - 1
            });
            plans[at].parts.push((number, slot));
        }
    }
    Ok(plans)
}

/// Writes integers and tells where.
pub fn put_ints(values: &[i64], out: &mut BlockWriter) -> Result<Place> {
    let mut bytes = Vec::new();
    ints::encode(values, &mut bytes);
    out.put(Kind::Numbers, &bytes)
}

/// Writes the range of times of each chunk of rows.
pub fn put_zones(times: &[i64], out: &mut BlockWriter) -> Result<(Place, Place)> {
    let ranges =
        || times.chunks(ZONE_ROWS).map(|chunk| (chunk.iter().min().copied().unwrap_or(0), chunk.iter().max().copied().unwrap_or(0)));
    let least: Vec<i64> = ranges().map(|(least, _)| least).collect();
    let spans: Vec<i64> = ranges().map(|(least, most)| most.wrapping_sub(least)).collect();
    Ok((put_ints(&least, out)?, put_ints(&spans, out)?))
}
