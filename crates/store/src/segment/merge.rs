//! Several segments of an index as one: the same events with the same arrival numbers, times, origins and problems.
//!
//! Nothing is put together that need not be: a pattern that several segments have becomes one with its columns
//! joined, so events keep their patterns and no line is looked at. Only where there are more patterns than a segment
//! should have, the rarest are found anew from their lines; small segments often hold patterns that are one in truth.

use super::blocks::BlockWriter;
use super::decode::{self, Values};
use super::encode::{self, column, put_ints, slots};
use super::meta::{ColumnMeta, Footer, NodeMeta, PatternMeta};
use super::{Blocks, MAGIC, MAGIC_2, Segment, SegmentMeta, builder};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use taffrail_base::limits::SEGMENT_PATTERNS_MAX;
use taffrail_base::{Error, ErrorKind, Result, Ulid};
use taffrail_event::{Origin, Timestamp};
use taffrail_pattern::Pattern;

#[cfg(test)]
mod tests;

/// Patterns that are taken over as they are; what is left of the bound is for those that are found anew.
const KEPT_PATTERNS_MAX: usize = if cfg!(test) { 12 } else { SEGMENT_PATTERNS_MAX / 2 };

/// A segment on its way into another.
struct Input<'s> {
    blocks: &'s Blocks<'s>,
    times: Vec<i64>,
    /// Where each of its events is in the new segment.
    places: Vec<u32>,
    /// The rows of each pattern.
    rows: Vec<Vec<u32>>,
}

/// Where a pattern is: the numbers of the input and of the pattern in it.
type Source = (usize, usize);

/// A pattern of the new segment, and where its events come from.
struct Gathered {
    class: u32,
    pattern: Arc<Pattern>,
    sources: Vec<Source>,
    rows: usize,
}

/// Encodes the events of several segments of one index as one segment, in the order of their arrival. Gives the
/// file's bytes and what the catalog needs.
pub fn merge(segments: &[Arc<Segment>], id: Ulid, zstd_level: i32) -> Result<(Vec<u8>, SegmentMeta)> {
    let total: u64 = segments.iter().map(|segment| segment.meta().events).sum();
    let (Some(first), Ok(rows @ 1..)) = (segments.first(), u32::try_from(total)) else {
        return Err(Error::new(ErrorKind::Limit, "a segment holds 1 to 2^32 - 1 events"));
    };
    let blocks: Vec<Blocks<'_>> = segments.iter().map(|segment| Blocks::new(segment)).collect();
    let (order, numbers) = arrivals(&blocks)?;
    let consecutive = numbers.last().is_some_and(|last| last - numbers[0] == i64::from(rows) - 1);
    let mut out = BlockWriter::new(if consecutive { MAGIC.to_vec() } else { MAGIC_2.to_vec() }, zstd_level)?;
    let times = in_order(&order, &blocks, |blocks| blocks.stream(blocks.segment().footer().time))?;
    let (origins, event_origins) = join_origins(&order, &blocks)?;
    let classes = classes(&origins);
    let inputs = inputs(&blocks, &order)?;
    let events = patterns(&inputs, &classes, &times, rows, &mut out)?;
    let (min_time, max_time) = (times.iter().copied().min().unwrap_or(0), times.iter().copied().max().unwrap_or(0));
    let time = put_ints(&times, &mut out)?;
    drop((inputs, times));
    let received = put_ints(&in_order(&order, &blocks, |blocks| blocks.stream(blocks.segment().footer().received))?, &mut out)?;
    let origin = put_ints(&event_origins, &mut out)?;
    let problems = put_ints(&in_order(&order, &blocks, |blocks| blocks.stream(blocks.segment().footer().problems))?, &mut out)?;
    let sequence = if consecutive { None } else { Some(put_ints(&numbers, &mut out)?) };
    let (mut file, written) = out.finish()?;
    let patterns = events.patterns.len() as u64;
    let five = |o: &Origin| [o.host.clone(), o.source.clone(), o.sourcetype.clone(), o.transport.clone(), o.peer.clone()];
    let origins = origins.iter().map(five).collect();
    builder::put_footer(&Footer { blocks: written, classes, origins, time, received, origin, problems, events, sequence }, zstd_level, &mut file)?;
    let meta = SegmentMeta {
        id,
        index: first.meta().index.clone(),
        events: rows.into(),
        raw_bytes: segments.iter().map(|segment| segment.meta().raw_bytes).sum(),
        stored_bytes: file.len() as u64,
        patterns,
        min_time: Timestamp(min_time),
        max_time: Timestamp(max_time),
        first_sequence: numbers[0] as u64,
        end_sequence: numbers[numbers.len() - 1] as u64 + 1,
        summary: Arc::default(),
    };
    Ok((file, meta))
}

/// The number of the input and the row in it of every event, in the order of arrival; and the arrival numbers.
fn arrivals(blocks: &[Blocks<'_>]) -> Result<(Vec<(u32, u32)>, Vec<i64>)> {
    let mut all: Vec<(u64, u32, u32)> = Vec::new();
    for (number, blocks) in (0..).zip(blocks) {
        let arrival = blocks.arrival()?;
        all.extend((0..blocks.segment().footer().events.rows).map(|row| (arrival.of(row), number, row)));
    }
    if !all.is_sorted() {
        all.sort_unstable();
    }
    if let Some(twice) = all.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let what = format!("event {} is in two segments", twice[0].0);
        return Err(Error::corrupt(blocks[twice[1].1 as usize].name(), what));
    }
    let numbers = all.iter().map(|(number, ..)| *number as i64).collect();
    Ok((all.into_iter().map(|(_, input, row)| (input, row)).collect(), numbers))
}

/// A stream of all inputs in the order of arrival.
fn in_order<'s>(order: &[(u32, u32)], blocks: &[Blocks<'s>], stream: impl Fn(&Blocks<'s>) -> Result<Vec<i64>>) -> Result<Vec<i64>> {
    let streams: Vec<Vec<i64>> = blocks.iter().map(stream).collect::<Result<_>>()?;
    Ok(order.iter().map(|(input, row)| streams[*input as usize][*row as usize]).collect())
}

/// All origins, and the number of each event's.
fn join_origins(order: &[(u32, u32)], blocks: &[Blocks<'_>]) -> Result<(Vec<Origin>, Vec<i64>)> {
    let mut known: FxHashMap<&Origin, i64> = FxHashMap::default();
    let mut origins = Vec::new();
    let mut renumbered: Vec<Vec<i64>> = Vec::new();
    for blocks in blocks {
        let number = |origin| {
            *known.entry(origin).or_insert_with(|| {
                origins.push(Origin::clone(origin));
                origins.len() as i64 - 1
            })
        };
        renumbered.push(blocks.segment().origins().iter().map(number).collect());
    }
    let stream = |blocks: &Blocks<'_>| blocks.stream(blocks.segment().footer().origin);
    let streams: Vec<Vec<i64>> = blocks.iter().map(stream).collect::<Result<_>>()?;
    let of = |(input, row): &(u32, u32)| {
        let number = usize::try_from(streams[*input as usize][*row as usize]).ok();
        let found = number.and_then(|number| renumbered[*input as usize].get(number)).copied();
        found.ok_or_else(|| Error::corrupt(blocks[*input as usize].name(), "an event without origin"))
    };
    let numbers = order.iter().map(of).collect::<Result<_>>()?;
    Ok((origins, numbers))
}

/// The sourcetypes of origins.
fn classes(origins: &[Origin]) -> Vec<Arc<str>> {
    let mut classes: Vec<Arc<str>> = Vec::new();
    for origin in origins {
        if !classes.contains(&origin.sourcetype) {
            classes.push(origin.sourcetype.clone());
        }
    }
    classes
}

fn inputs<'s>(blocks: &'s [Blocks<'s>], order: &[(u32, u32)]) -> Result<Vec<Input<'s>>> {
    let mut inputs = Vec::with_capacity(blocks.len());
    for blocks in blocks {
        let node = &blocks.segment().footer().events;
        let rows = decode::rows_by_pattern(&decode::order(blocks, node)?, &node.patterns);
        let times = blocks.stream(blocks.segment().footer().time)?;
        inputs.push(Input { blocks, times, places: vec![0; node.rows as usize], rows });
    }
    for (place, (input, row)) in (0..).zip(order) {
        inputs[*input as usize].places[*row as usize] = place;
    }
    Ok(inputs)
}

/// Writes the columns of all patterns.
fn patterns(inputs: &[Input<'_>], classes: &[Arc<str>], times: &[i64], rows: u32, out: &mut BlockWriter) -> Result<NodeMeta> {
    let (kept, rare) = gather(inputs, classes)?;
    let mut order = vec![0i64; rows as usize];
    let mut patterns = Vec::with_capacity(kept.len());
    for (number, gathered) in (0..).zip(kept) {
        patterns.push(join(inputs, &gathered, &mut |place| order[place as usize] = number, times, out)?);
    }
    if !rare.is_empty() {
        let mut lines = lines(inputs, &rare)?;
        lines.sort_unstable_by_key(|(place, ..)| *place);
        let texts: Vec<&[u8]> = lines.iter().map(|(.., line)| line.as_slice()).collect();
        let line_times: Vec<i64> = lines.iter().map(|(place, ..)| times[*place as usize]).collect();
        let (found, numbers) = encode::patterns(&texts, &|line| lines[line].1, Some(&line_times), 0, out)?;
        for ((place, ..), number) in lines.iter().zip(numbers) {
            order[*place as usize] = patterns.len() as i64 + number;
        }
        patterns.extend(found);
    }
    let order = if patterns.len() > 1 { Some(put_ints(&order, out)?) } else { None };
    Ok(NodeMeta { rows, order, patterns })
}

/// All patterns with where they are: those to be taken over, and those to be found anew.
fn gather(inputs: &[Input<'_>], classes: &[Arc<str>]) -> Result<(Vec<Gathered>, Vec<Gathered>)> {
    let mut known: FxHashMap<(u32, Arc<Pattern>), usize> = FxHashMap::default();
    let mut all: Vec<Gathered> = Vec::new();
    for (input, one) in inputs.iter().enumerate() {
        let segment = one.blocks.segment();
        for (number, meta) in segment.footer().events.patterns.iter().enumerate().filter(|(_, meta)| meta.rows > 0) {
            let class = classes.iter().position(|class| class == segment.sourcetype(meta.class));
            let class = class.ok_or_else(|| Error::corrupt(one.blocks.name(), "a sourcetype that no event has"))? as u32;
            let at = *known.entry((class, meta.pattern.clone())).or_insert_with(|| {
                all.push(Gathered { class, pattern: meta.pattern.clone(), sources: Vec::new(), rows: 0 });
                all.len() - 1
            });
            all[at].sources.push((input, number));
            all[at].rows += meta.rows as usize;
        }
    }
    if all.len() <= KEPT_PATTERNS_MAX {
        return Ok((all, Vec::new()));
    }
    // Stable: of equally rare ones, those met first stay.
    all.sort_by_key(|gathered| std::cmp::Reverse(gathered.rows));
    let rare = all.split_off(KEPT_PATTERNS_MAX);
    Ok((all, rare))
}

/// Joins the columns of a pattern.
fn join(inputs: &[Input<'_>], gathered: &Gathered, place: &mut dyn FnMut(u32), times: &[i64], out: &mut BlockWriter) -> Result<PatternMeta> {
    // The place of each row, which source it is in, and its row there.
    let mut rows: Vec<(u32, u32, u32)> = Vec::with_capacity(gathered.rows);
    for (source, (input, number)) in (0..).zip(&gathered.sources) {
        let input = &inputs[*input];
        rows.extend((0..).zip(&input.rows[*number]).map(|(at, row)| (input.places[*row as usize], source, at)));
    }
    rows.sort_unstable();
    rows.iter().for_each(|(at, ..)| place(*at));
    let row_times: Vec<i64> = rows.iter().map(|(at, ..)| times[*at as usize]).collect();
    let mut columns: Vec<ColumnMeta> = Vec::new();
    for (slot, kind) in slots(&gathered.pattern).enumerate() {
        let sources = gathered.sources.iter().map(|source| Slot::read(inputs, *source, slot)).collect::<Result<Vec<_>>>()?;
        let values: Vec<&[u8]> = rows.iter().map(|(_, source, at)| sources[*source as usize].get(*at as usize)).collect();
        columns.push(column(&values, kind, Some(&row_times), 0, out)?);
    }
    let pattern = gathered.pattern.clone();
    Ok(PatternMeta { class: gathered.class, id: pattern.id(), rows: gathered.rows as u32, pattern, columns })
}

/// The values of a slot in one of the inputs.
struct Slot {
    starts: Vec<usize>,
    pages: Vec<Values>,
}

impl Slot {
    fn read(inputs: &[Input<'_>], (input, number): Source, slot: usize) -> Result<Self> {
        let input = &inputs[input];
        let (mut starts, mut pages, mut start) = (Vec::new(), Vec::new(), 0);
        for page in &input.blocks.segment().footer().events.patterns[number].columns[slot].pages {
            let rows = &input.rows[number][start..start + page.rows as usize];
            let times = || Ok(rows.iter().map(|row| input.times[*row as usize]).collect());
            pages.push(decode::page(input.blocks, page, &times)?);
            starts.push(start);
            start += page.rows as usize;
        }
        Ok(Self { starts, pages })
    }

    fn get(&self, row: usize) -> &[u8] {
        let page = self.starts.partition_point(|start| *start <= row) - 1;
        self.pages[page].get(row - self.starts[page])
    }
}

/// The events of patterns: where each will be, its class, its bytes.
fn lines(inputs: &[Input<'_>], gathered: &[Gathered]) -> Result<Vec<(u32, u32, Vec<u8>)>> {
    let mut lines = Vec::new();
    for one in gathered {
        for source in &one.sources {
            let slots = (0..one.pattern.slots()).map(|slot| Slot::read(inputs, *source, slot)).collect::<Result<Vec<_>>>()?;
            let input = &inputs[source.0];
            for (at, row) in input.rows[source.1].iter().enumerate() {
                let mut line = Vec::new();
                one.pattern.render(|slot| slots[slot].get(at), &mut line);
                lines.push((input.places[*row as usize], one.class, line));
            }
        }
    }
    Ok(lines)
}
