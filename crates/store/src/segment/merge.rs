//! Several segments of an index as one: the same events with the same arrival numbers, times, origins and problems.
//!
//! Nothing is put together that need not be: a pattern that several segments have becomes one with its columns
//! joined, so events keep their patterns and no line is looked at. Only where there are more patterns than a segment
//! should have, the rarest are found anew from their lines; small segments often hold patterns that are one in truth.

use super::blocks::BlockWriter;
use super::cursor::PatternCursor;
use super::encode::{self, Learned, Output, put_ints};
use super::hosts::{self, Whose};
use super::meta::{Footer, NodeMeta};
use super::origins::{Making, OriginTable};
use super::{Blocks, MAGIC, Segment, SegmentMeta, builder, summary};
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::sync::Arc;
use taffrail_base::limits::SEGMENT_PATTERNS_MAX;
use taffrail_base::{Error, ErrorKind, Result, Ulid};
use taffrail_event::Timestamp;
use taffrail_pattern::Pattern;
use taffrail_pattern::group::{GroupLimits, Grouped, Leaf, group};

#[cfg(test)]
mod tests;

/// Patterns that are taken over as they are; what is left of the bound is for those that are found anew.
const KEPT_PATTERNS_MAX: usize = if cfg!(test) { 12 } else { SEGMENT_PATTERNS_MAX / 2 };

/// A segment on its way into another.
struct Input<'s> {
    blocks: &'s Blocks<'s>,
    /// Where each of its events is in the new segment.
    places: Places<'s>,
    /// The rows of each pattern.
    rows: Arc<Vec<Vec<u32>>>,
}

/// Where the events of an input are in the new segment.
enum Places<'s> {
    /// One after the other, from this row on.
    From(u32),
    /// Each.
    Each(&'s [u32]),
}

impl Places<'_> {
    fn of(&self, row: u32) -> u32 {
        match self {
            Self::From(first) => first + row,
            Self::Each(places) => places[row as usize],
        }
    }
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
    // Inputs that follow each other are taken one after the other, which needs no order of single events.
    let mut segments: Vec<&Arc<Segment>> = segments.iter().collect();
    segments.sort_by_key(|segment| segment.meta().first_sequence);
    let blocks: Vec<Blocks<'_>> = segments.iter().map(|segment| Blocks::new(segment)).collect();
    let order = Order::of(&blocks)?;
    let mut learned = Learned::default();
    let (origins, event_origins) = join_origins(&order, &blocks)?;
    let whose = Whose { numbers: &event_origins, origins: &origins };
    let mut out = Output::new(BlockWriter::new(MAGIC.to_vec(), zstd_level)?, &mut learned, whose);
    let times = order.joined(&blocks, |blocks| Ok(blocks.times()?.to_vec()))?;
    let (classes, _) = origins.classes();
    let events = node(&inputs(&blocks, &order)?, &classes, &times, &mut out)?;
    let Output { blocks: mut out, dictionaries, hosts, origin, .. } = out;
    let (min_time, max_time) = (times.iter().copied().min().unwrap_or(0), times.iter().copied().max().unwrap_or(0));
    let (time, zones) = (put_ints(&times, &mut out)?, Some(encode::put_zones(&times, &mut out)?));
    drop(times);
    let received = put_ints(&order.joined(&blocks, |blocks| blocks.stream(blocks.segment().footer().received))?, &mut out)?;
    let origin = put_ints(&origin, &mut out)?;
    let problems = put_ints(&order.joined(&blocks, |blocks| blocks.stream(blocks.segment().footer().problems))?, &mut out)?;
    let (numbers, (first_sequence, end_sequence)) = (order.numbers(&blocks)?, order.ends(&blocks)?);
    let sequence = numbers.map(|numbers| put_ints(&numbers, &mut out)).transpose()?;
    let (mut file, written) = out.finish()?;
    let patterns = events.patterns.len() as u64;
    let summary = summary::of(&origins);
    let version = MAGIC[7];
    let blocks = written;
    let footer =
        Footer { version, blocks, classes, origins, time, received, origin, problems, zones, hosts, dictionaries, events, sequence };
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
        first_sequence,
        end_sequence,
        summary,
    };
    Ok((file, meta))
}

/// The order of the events of all inputs.
enum Order {
    /// Those of an input, then those of the next; each input's first row.
    Inputs(Vec<u32>),
    /// Mixed: of each row, the input and the row there; of each input's rows, the row of the new segment; the arrival
    /// numbers.
    Mixed { rows: Vec<(u32, u32)>, places: Vec<Vec<u32>>, numbers: Vec<i64> },
}

impl Order {
    /// Of inputs that are sorted by their first arrival numbers.
    fn of(blocks: &[Blocks<'_>]) -> Result<Self> {
        let metas = || blocks.iter().map(|blocks| blocks.segment().meta());
        let events = |blocks: &Blocks<'_>| blocks.segment().footer().events.rows;
        if metas().zip(metas().skip(1)).all(|(one, next)| one.end_sequence <= next.first_sequence) {
            let mut first = 0;
            let starts = blocks.iter().map(|blocks| {
                first += events(blocks);
                first - events(blocks)
            });
            return Ok(Self::Inputs(starts.collect()));
        }
        let mut all: Vec<(u64, u32, u32)> = Vec::new();
        for (number, blocks) in (0..).zip(blocks) {
            let arrival = blocks.arrival()?;
            all.extend((0..events(blocks)).map(|row| (arrival.of(row), number, row)));
        }
        all.sort_unstable();
        if let Some(twice) = all.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let what = format!("event {} is in two segments", twice[0].0);
            return Err(Error::corrupt(blocks[twice[1].1 as usize].name(), what));
        }
        let mut places: Vec<Vec<u32>> = blocks.iter().map(|blocks| vec![0; events(blocks) as usize]).collect();
        for (place, (_, input, row)) in (0..).zip(&all) {
            places[*input as usize][*row as usize] = place;
        }
        let numbers = all.iter().map(|(number, ..)| *number as i64).collect();
        Ok(Self::Mixed { rows: all.into_iter().map(|(_, input, row)| (input, row)).collect(), places, numbers })
    }

    /// A stream of all inputs in the order of arrival.
    fn joined<'s>(&self, blocks: &[Blocks<'s>], stream: impl Fn(&Blocks<'s>) -> Result<Vec<i64>>) -> Result<Vec<i64>> {
        let streams = blocks.iter().map(stream);
        match self {
            Self::Inputs(_) => streams.collect::<Result<Vec<_>>>().map(|streams| streams.concat()),
            Self::Mixed { rows, .. } => {
                let streams: Vec<Vec<i64>> = streams.collect::<Result<_>>()?;
                Ok(rows.iter().map(|(input, row)| streams[*input as usize][*row as usize]).collect())
            }
        }
    }

    /// The arrival numbers, where they do not follow each other.
    fn numbers(&self, blocks: &[Blocks<'_>]) -> Result<Option<Vec<i64>>> {
        let (first, end) = self.ends(blocks)?;
        let rows: u64 = blocks.iter().map(|blocks| u64::from(blocks.segment().footer().events.rows)).sum();
        if end - first == rows {
            return Ok(None);
        }
        let each = |blocks: &Blocks<'_>| {
            let arrival = blocks.arrival()?;
            Ok((0..blocks.segment().footer().events.rows).map(|row| arrival.of(row) as i64).collect())
        };
        match self {
            Self::Inputs(_) => self.joined(blocks, each).map(Some),
            Self::Mixed { numbers, .. } => Ok(Some(numbers.clone())),
        }
    }

    /// The first arrival number, and the one after the last.
    fn ends(&self, blocks: &[Blocks<'_>]) -> Result<(u64, u64)> {
        let metas = || blocks.iter().map(|blocks| blocks.segment().meta());
        let first = metas().map(|meta| meta.first_sequence).min();
        let ends = first.zip(metas().map(|meta| meta.end_sequence).max());
        ends.ok_or_else(|| Error::new(ErrorKind::Bug, "nothing was to be merged"))
    }
}

/// All origins, and the number of each event's.
fn join_origins(order: &Order, blocks: &[Blocks<'_>]) -> Result<(OriginTable, Vec<i64>)> {
    let mut origins = Making::default();
    let mut streams: Vec<Vec<i64>> = Vec::new();
    for blocks in blocks {
        let renumbered = origins.add_all(blocks.segment().origins());
        // What is decoded for this is needed once.
        let mut stream = hosts::read(&Blocks::with_streams_of(blocks))?;
        stream.iter_mut().for_each(|number| *number = renumbered[*number as usize].into());
        streams.push(stream);
    }
    let numbers = match order {
        Order::Inputs(_) => streams.concat(),
        Order::Mixed { rows, .. } => rows.iter().map(|(input, row)| streams[*input as usize][*row as usize]).collect(),
    };
    Ok((origins.finish(), numbers))
}

fn inputs<'s>(blocks: &'s [Blocks<'s>], order: &'s Order) -> Result<Vec<Input<'s>>> {
    let input = |(number, blocks): (usize, &'s Blocks<'s>)| {
        let places = match order {
            Order::Inputs(starts) => Places::From(starts[number]),
            Order::Mixed { places, .. } => Places::Each(&places[number]),
        };
        Ok(Input { blocks, places, rows: blocks.rows()? })
    };
    blocks.iter().enumerate().map(input).collect()
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
    encode::node_of(leaves, &Columns { inputs, kept, found: &found, apart: RefCell::default() }, times.len(), times, out)
}

/// The values of all patterns, read column by column.
struct Columns<'c, 'i, 'l> {
    inputs: &'i [Input<'i>],
    kept: Vec<Joined<'i>>,
    found: &'c Grouped<'c, 'l>,
    /// What is decoded of the column that is being read, by input: patterns share columns.
    apart: RefCell<Vec<Blocks<'i>>>,
}

impl encode::Given for Columns<'_, '_, '_> {
    fn next_column(&self) {
        *self.apart.borrow_mut() = self.inputs.iter().map(|input| Blocks::with_streams_of(input.blocks)).collect();
    }

    fn values(&self, leaf: usize, slot: usize, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        match leaf.checked_sub(self.kept.len()) {
            None => self.kept[leaf].each_value(slot, &self.apart.borrow(), each),
            Some(leaf) => {
                self.found.each_row(&self.found.leaves[leaf], |line, values| {
                    let (start, end) = values.nth(slot).expect("a value for each slot");
                    each(&line[start as usize..end as usize]);
                });
                Ok(())
            }
        }
    }

    fn first(&self, leaf: usize, slot: usize, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        match leaf.checked_sub(self.kept.len()) {
            None => self.kept[leaf].first_value(slot, each),
            Some(leaf) => {
                each(self.found.first_row(&self.found.leaves[leaf])[slot]);
                Ok(())
            }
        }
    }
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
    /// The place of each event, the number of its source, and its row there; nothing where the sources are taken one after
    /// the other.
    rows: Vec<(u32, u32, u32)>,
}

impl<'i> Joined<'i> {
    fn new(inputs: &'i [Input<'i>], gathered: Gathered) -> Self {
        let mut joined = Self { inputs, gathered, rows: Vec::new() };
        if inputs.iter().any(|input| matches!(input.places, Places::Each(_))) {
            joined.rows = joined.in_order().collect();
            joined.rows.sort_unstable();
        }
        joined
    }

    /// The place of each event, the number of its source, and its row there, one source after the other.
    fn in_order(&self) -> impl Iterator<Item = (u32, u32, u32)> {
        let sources = (0..).zip(&self.gathered.sources);
        sources.flat_map(|(source, (input, number))| {
            let input = &self.inputs[*input];
            (0..).zip(&input.rows[*number]).map(move |(at, row)| (input.places.of(*row), source, at))
        })
    }

    /// Where its events are in the new segment, ascending.
    fn places(&self) -> Vec<u32> {
        match self.rows.is_empty() {
            true => self.in_order().map(|(place, ..)| place).collect(),
            false => self.rows.iter().map(|(place, ..)| *place).collect(),
        }
    }

    fn leaf(&self) -> Leaf {
        Leaf::given(self.gathered.class, Pattern::clone(&self.gathered.pattern), self.places())
    }

    /// What is decoded to read its sources once: nothing of it is kept.
    fn apart(&self) -> Vec<Blocks<'i>> {
        self.gathered.sources.iter().map(|(input, _)| Blocks::with_streams_of(self.inputs[*input].blocks)).collect()
    }

    /// Its sources, opened to be read.
    fn cursors<'b>(&self, blocks: &'b [Blocks<'b>]) -> Vec<PatternCursor<'b>> {
        blocks.iter().zip(&self.gathered.sources).map(|(blocks, (_, number))| PatternCursor::new(blocks, *number)).collect()
    }

    /// The value of a slot in the first event.
    fn first_value(&self, slot: usize, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        let first = self.rows.first().copied().or_else(|| self.in_order().next());
        let Some((_, source, at)) = first else { return Ok(()) };
        let (input, number) = self.gathered.sources[source as usize];
        let blocks = Blocks::with_streams_of(self.inputs[input].blocks);
        let (cursor, mut value) = (PatternCursor::new(&blocks, number), Vec::new());
        let row = self.inputs[input].rows[number][at as usize];
        cursor.write_one(slot, at as usize, blocks.times()?[row as usize], &mut value)?;
        each(&value);
        Ok(())
    }

    /// The values of a slot; `blocks` are those of the inputs.
    fn each_value(&self, slot: usize, blocks: &[Blocks<'_>], each: &mut dyn FnMut(&[u8])) -> Result<()> {
        let mut scratch = Vec::new();
        let cursors: Vec<PatternCursor<'_>> =
            self.gathered.sources.iter().map(|(input, number)| PatternCursor::new(&blocks[*input], *number)).collect();
        if self.rows.is_empty() {
            for cursor in &cursors {
                for (at, run) in cursor.runs(slot).iter().enumerate() {
                    let values = cursor.page(slot, at)?;
                    (run.skip..run.skip + run.rows).for_each(|at| each(values.read(at, &mut scratch)));
                }
            }
            return Ok(());
        }
        for (_, source, at) in &self.rows {
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
        let blocks = joined.apart();
        let cursors = joined.cursors(&blocks);
        for (place, source, at) in joined.in_order() {
            let mut line = Vec::new();
            cursors[source as usize].render(at as usize, &mut line)?;
            lines.push((place, joined.gathered.class, line));
        }
    }
    Ok(lines)
}
