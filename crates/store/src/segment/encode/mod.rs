//! Lines become a node: patterns, the order of patterns, and columns. Slots of several patterns that hold the same
//! thing (the value of a key, the host after the time) share a column.

mod dictionary;
mod learned;
mod numbers;
mod page;
mod shared;

pub use learned::Learned;

use super::blocks::BlockWriter;
use super::ints;
use super::meta::{ColumnMeta, NodeMeta, PageMeta, PatternMeta, Place, ZONE_ROWS};
use learned::ColumnKey;
use page::{Context, column};
use rustc_hash::FxHashMap;
use shared::Dictionaries;
use std::sync::Arc;
use taffrail_base::Result;
use taffrail_pattern::group::{GroupLimits, Grouped, Leaf, SlotName, group, slot_names};
use taffrail_pattern::{Piece, SlotKind};

/// Where encoded bytes go, and what is known from before.
pub struct Output<'o> {
    /// The file's blocks.
    pub blocks: BlockWriter,
    /// What earlier segments taught.
    pub learned: &'o mut Learned,
    /// Values that recur across columns.
    pub dictionaries: Vec<PageMeta>,
}

/// A column to be: which slots of which leaves it holds.
struct Plan {
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
    let plans = plans(&grouped.leaves, depth);
    let dictionaries = if depth == 0 { Dictionaries::find(&grouped, &plans, out)? } else { Dictionaries::default() };
    let mut shared: Vec<Arc<[PageMeta]>> = Vec::new();
    let mut columns: Vec<Vec<Option<ColumnMeta>>> = grouped.leaves.iter().map(|leaf| vec![None; leaf.pattern.slots()]).collect();
    for (number, plan) in plans.iter().enumerate() {
        let row_times = times.filter(|_| plan.kind == SlotKind::Time).map(|times| of_rows(&grouped, plan, times));
        let values = plan.values(&grouped);
        let context = Context { kind: plan.kind, key: plan.key, depth, times: row_times.as_deref() };
        let pages: Arc<[PageMeta]> = match dictionaries.numbers(number) {
            Some((dictionary, numbers)) => shared::column(dictionary, numbers, &values, out)?.into(),
            None => column(&values, &context, out)?.into(),
        };
        let name = (plan.parts.len() > 1).then_some(shared.len() as u32);
        shared.extend(name.map(|_| pages.clone()));
        let mut first = 0;
        for (leaf, slot) in &plan.parts {
            columns[*leaf][*slot] = Some(ColumnMeta { pages: pages.clone(), first, shared: name });
            first += grouped.leaves[*leaf].rows.len() as u32;
        }
    }
    let order = if grouped.leaves.len() > 1 { Some(put_order(&grouped, lines.len(), out)?) } else { None };
    let patterns = grouped.leaves.into_iter().zip(columns).map(|(leaf, columns)| PatternMeta {
        class: leaf.class,
        id: leaf.pattern.id(),
        rows: leaf.rows.len() as u32,
        pattern: Arc::new(leaf.pattern),
        columns: columns.into_iter().map(|column| column.expect("every slot is in a plan")).collect(),
    });
    Ok(NodeMeta { rows: lines.len() as u32, order, shared, patterns: patterns.collect() })
}

fn put_order(grouped: &Grouped<'_, '_>, rows: usize, out: &mut Output<'_>) -> Result<Place> {
    let mut order = vec![0i64; rows];
    for (number, leaf) in grouped.leaves.iter().enumerate() {
        leaf.rows.iter().for_each(|row| order[*row as usize] = number as i64);
    }
    put_ints(&order, &mut out.blocks)
}

/// Event times of a plan's rows.
fn of_rows(grouped: &Grouped<'_, '_>, plan: &Plan, times: &[i64]) -> Vec<i64> {
    plan.parts.iter().flat_map(|(leaf, _)| grouped.leaves[*leaf].rows.iter().map(|row| times[*row as usize])).collect()
}

impl Plan {
    /// All values of the column.
    fn values<'l>(&self, grouped: &Grouped<'_, 'l>) -> Vec<&'l [u8]> {
        let rows = self.parts.iter().map(|(leaf, _)| grouped.leaves[*leaf].rows.len()).sum();
        let mut values = Vec::with_capacity(rows);
        for (leaf, slot) in &self.parts {
            values.extend(grouped.column(&grouped.leaves[*leaf], *slot));
        }
        values
    }
}

/// Which slots make which columns.
fn plans(leaves: &[Leaf], depth: usize) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::new();
    let mut known: FxHashMap<(u32, SlotKind, SlotName), usize> = FxHashMap::default();
    for (number, leaf) in leaves.iter().enumerate() {
        let id = leaf.pattern.id();
        let kinds = leaf.pattern.pieces().iter().filter_map(|piece| match piece {
            Piece::Slot(kind) => Some(*kind),
            Piece::Text(_) => None,
        });
        for (slot, (kind, name)) in kinds.zip(slot_names(&leaf.pattern)).enumerate() {
            // Times are spelled by the events' times, raw lines have no names.
            if matches!(kind, SlotKind::Time | SlotKind::Raw) {
                plans.push(Plan { key: ColumnKey::own(id, slot, depth), kind, parts: vec![(number, slot)] });
                continue;
            }
            let key = ColumnKey::named(leaf.class, &name, depth);
            let at = *known.entry((leaf.class, kind, name)).or_insert_with(|| {
                plans.push(Plan { key, kind, parts: Vec::new() });
                plans.len() - 1
            });
            plans[at].parts.push((number, slot));
        }
    }
    plans
}

/// Writes integers and tells where.
pub fn put_ints(values: &[i64], out: &mut BlockWriter) -> Result<Place> {
    let mut bytes = Vec::new();
    ints::encode(values, &mut bytes);
    out.put(&bytes)
}

/// Writes the range of times of each chunk of rows.
pub fn put_zones(times: &[i64], out: &mut BlockWriter) -> Result<(Place, Place)> {
    let ranges =
        || times.chunks(ZONE_ROWS).map(|chunk| (chunk.iter().min().copied().unwrap_or(0), chunk.iter().max().copied().unwrap_or(0)));
    let least: Vec<i64> = ranges().map(|(least, _)| least).collect();
    let spans: Vec<i64> = ranges().map(|(least, most)| most.wrapping_sub(least)).collect();
    Ok((put_ints(&least, out)?, put_ints(&spans, out)?))
}
