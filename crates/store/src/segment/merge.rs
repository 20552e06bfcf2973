//! Several segments of an index as one: the same events with the same arrival numbers, times, origins and problems.
//!
//! Nothing is put together that need not be: a pattern that several segments have becomes one with its columns
//! joined, so events keep their patterns and no line is looked at. Only where there are more patterns than a segment
//! should have, the rarest are found anew from their lines; small segments often hold patterns that are one in truth.

use super::blocks::BlockWriter;
use super::cursor::PatternCursor;
use super::encode::{self, Learned, Output, put_ints};
use super::meta::{Footer, NodeMeta};
use super::hosts::{self, Whose};
use super::{Blocks, MAGIC, Segment, SegmentMeta, builder, summary};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use taffrail_base::limits::SEGMENT_PATTERNS_MAX;
use taffrail_base::{Error, ErrorKind, Result, Ulid};
use taffrail_event::{Origin, Timestamp};
use taffrail_pattern::Pattern;
use taffrail_pattern::group::{GroupLimits, Leaf, group};

#[cfg(test)]
mod tests;

/// Patterns that are taken over as they are; what is left of the bound is for those that are found anew.
const KEPT_PATTERNS_MAX: usize = if cfg!(test) { 12 } else { SEGMENT_PATTERNS_MAX / 2 };

/// A segment on its way into another.
struct Input<'s> {
    blocks: &'s Blocks<'s>,
    /// Where each of its events is in the new segment.
    places: Vec<u32>,
    /// The rows of each pattern.
    rows: Arc<Vec<Vec<u32>>>,
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
    let mut learned = Learned::default();
    let (origins, event_origins) = join_origins(&order, &blocks)?;
    let whose = Whose { numbers: &event_origins, origins: &origins };
    let mut out = Output::new(BlockWriter::new(MAGIC.to_vec(), zstd_level)?, &mut learned, whose);
    let times = in_order(&order, &blocks, |blocks| blocks.stream(blocks.segment().footer().time))?;
    let classes = classes(&origins);
    let inputs = inputs(&blocks, &order)?;
    let events = node(&inputs, &classes, &times, &mut out)?;
    drop(inputs);
    let Output { blocks: mut out, dictionaries, hosts, origin, .. } = out;
    let (min_time, max_time) = (times.iter().copied().min().unwrap_or(0), times.iter().copied().max().unwrap_or(0));
    let (time, zones) = (put_ints(&times, &mut out)?, Some(encode::put_zones(&times, &mut out)?));
    drop(times);
    let received = put_ints(&in_order(&order, &blocks, |blocks| blocks.stream(blocks.segment().footer().received))?, &mut out)?;
    let origin = put_ints(&origin, &mut out)?;
    let problems = put_ints(&in_order(&order, &blocks, |blocks| blocks.stream(blocks.segment().footer().problems))?, &mut out)?;
    let sequence = if consecutive { None } else { Some(put_ints(&numbers, &mut out)?) };
    let (mut file, written) = out.finish()?;
    let patterns = events.patterns.len() as u64;
    let five = |o: &Origin| [o.host.clone(), o.source.clone(), o.sourcetype.clone(), o.transport.clone(), o.peer.clone()];
    let summary = summary::of(&origins);
    let origins = origins.iter().map(five).collect();
    let version = MAGIC[7];
    let blocks = written;
    let footer = Footer { version, blocks, classes, origins, time, received, origin, problems, zones, hosts, dictionaries, events, sequence };
    builder::put_footer(&footer, zstd_level, &mut file)?;
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
        summary,
    };
    Ok((file, meta))
}

/// For each row of the new segment, part and row there; and its arrival number.
type Arrivals = (Vec<(u32, u32)>, Vec<i64>);

/// The number of the input and the row in it of every event, in the order of arrival; and the arrival numbers.
fn arrivals(blocks: &[Blocks<'_>]) -> Result<Arrivals> {
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
    let streams: Vec<Vec<i64>> = blocks.iter().map(hosts::read).collect::<Result<_>>()?;
    let numbers = order.iter().map(|(input, row)| renumbered[*input as usize][streams[*input as usize][*row as usize] as usize]).collect();
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
        let places = vec![0; blocks.segment().footer().events.rows as usize];
        inputs.push(Input { blocks, places, rows: blocks.rows()? });
    }
    for (place, (input, row)) in (0..).zip(order) {
        inputs[*input as usize].places[*row as usize] = place;
    }
    Ok(inputs)
}

/// Writes the columns of all patterns.
fn node(inputs: &[Input<'_>], classes: &[Arc<str>], times: &[i64], out: &mut Output<'_>) -> Result<NodeMeta> {
    let (kept, rare) = gather(inputs, classes)?;
    let kept: Vec<Joined<'_>> = kept.into_iter().map(|gathered| Joined::new(inputs, gathered)).collect();
    let mut leaves: Vec<Leaf> = kept.iter().map(Joined::leaf).collect();
    // Those that are found anew, from their lines.
    let mut lines = lines(inputs, rare)?;
    lines.sort_unstable_by_key(|(place, ..)| *place);
    let texts: Vec<&[u8]> = lines.iter().map(|(.., line)| line.as_slice()).collect();
    let limits = GroupLimits { patterns_max: SEGMENT_PATTERNS_MAX - KEPT_PATTERNS_MAX, ..GroupLimits::default() };
    let found = group(&texts, |line| lines[line].1, limits);
    leaves.extend(found.leaves.iter().map(|leaf| {
        let places = leaf.rows.iter().map(|line| lines[*line as usize].0).collect();
        Leaf::given(leaf.class, leaf.pattern.clone(), places)
    }));
    let given = |leaf: usize, slot: usize, most: usize, each: &mut dyn FnMut(&[u8])| match leaf.checked_sub(kept.len()) {
        None => kept[leaf].each_value(slot, most, each),
        Some(leaf) if most == 1 => {
            each(found.first_row(&found.leaves[leaf])[slot]);
            Ok(())
        }
        Some(leaf) => {
            found.each_row(&found.leaves[leaf], |line, values| {
                let (start, end) = values.nth(slot).expect("a value for each slot");
                each(&line[start as usize..end as usize]);
            });
            Ok(())
        }
    };
    encode::node_of(leaves, &given, times.len(), times, out)
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

/// A pattern of the new segment, and where each of its events comes from.
struct Joined<'i> {
    inputs: &'i [Input<'i>],
    gathered: Gathered,
    /// The place of each event, the number of its source, and its row there.
    rows: Vec<(u32, u32, u32)>,
}

impl<'i> Joined<'i> {
    fn new(inputs: &'i [Input<'i>], gathered: Gathered) -> Self {
        let mut rows: Vec<(u32, u32, u32)> = Vec::with_capacity(gathered.rows);
        for (source, (input, number)) in (0..).zip(&gathered.sources) {
            let input = &inputs[*input];
            rows.extend((0..).zip(&input.rows[*number]).map(|(at, row)| (input.places[*row as usize], source, at)));
        }
        rows.sort_unstable();
        Self { inputs, gathered, rows }
    }

    fn leaf(&self) -> Leaf {
        let rows = self.rows.iter().map(|(place, ..)| *place).collect();
        Leaf::given(self.gathered.class, Pattern::clone(&self.gathered.pattern), rows)
    }

    /// Its sources, opened to be read.
    fn cursors(&self) -> Vec<PatternCursor<'i>> {
        self.gathered.sources.iter().map(|(input, number)| PatternCursor::new(self.inputs[*input].blocks, *number)).collect()
    }

    fn each_value(&self, slot: usize, most: usize, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        let (cursors, mut scratch) = (self.cursors(), Vec::new());
        for (_, source, at) in self.rows.iter().take(most) {
            scratch.clear();
            each(cursors[*source as usize].value(slot, *at as usize, &mut scratch)?);
        }
        Ok(())
    }
}

/// The events of patterns: where each will be, its class, its bytes.
fn lines(inputs: &[Input<'_>], gathered: Vec<Gathered>) -> Result<Vec<(u32, u32, Vec<u8>)>> {
    let mut lines = Vec::new();
    for one in gathered {
        let joined = Joined::new(inputs, one);
        let cursors = joined.cursors();
        for (place, source, at) in &joined.rows {
            let mut line = Vec::new();
            cursors[*source as usize].render(*at as usize, &mut line)?;
            lines.push((*place, joined.gathered.class, line));
        }
    }
    Ok(lines)
}
