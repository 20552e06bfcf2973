//! Matching rows as record batches: only the named columns, each field's place decided once per pattern.

use super::Column;
use super::filter::SegmentScan;
use crate::segment::meta::Place;
use crate::segment::render::{Frame, RENDERED_BYTES, Renderer};
use crate::segment::{Arrival, OriginRef};
use arrow::array::{
    ArrayRef, BinaryBuilder, RecordBatch, RecordBatchOptions, StringArray, StringBuilder, TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_event::Problems;
use taffrail_pattern::{FieldPlan, PlanPiece};

/// Rows below which values are read one by one at first.
const FEW_ROWS: usize = if cfg!(test) { 60 } else { 1_024 };

/// A matching event: where it stands in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// Event time; first, so that hits sort by it.
    pub time: i64,
    /// Arrival order within the segment.
    pub row: u32,
    /// Its pattern.
    pub pattern: u32,
    /// Its row among the pattern's.
    pub at: u32,
}

/// The schema of an answer with these columns.
pub fn schema(columns: &[Column]) -> SchemaRef {
    let time = || DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let fields = columns.iter().map(|column| {
        let (data_type, nullable) = match column {
            Column::Time | Column::IndexTime => (time(), false),
            Column::RawBytes => (DataType::Binary, false),
            Column::Sequence => (DataType::UInt64, false),
            Column::Raw | Column::Index | Column::Host | Column::Source | Column::Sourcetype | Column::PatternId => (DataType::Utf8, false),
            Column::Problems | Column::Field(_) => (DataType::Utf8, true),
        };
        Field::new(column.name(), data_type, nullable)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Builds the columns of some hits of one segment.
pub struct RowBuilder<'s, 'b> {
    scan: &'s SegmentScan<'b>,
    columns: &'s [Column],
    schema: SchemaRef,
    /// For each column that is a field, its plan in each pattern met.
    plans: Vec<FxHashMap<u32, FieldPlan>>,
    streams: Streams,
    /// Of the hits that are being built, where they are few.
    origins: Option<Vec<OriginRef<'b>>>,
    renderer: Option<Renderer<'b>>,
}

#[derive(Default)]
struct Streams {
    received: Option<Vec<i64>>,
    problems: Option<Vec<i64>>,
    arrival: Option<Arrival>,
}

impl<'s, 'b> RowBuilder<'s, 'b> {
    /// A builder of these columns.
    pub fn new(scan: &'s SegmentScan<'b>, columns: &'s [Column], schema: SchemaRef) -> Self {
        let plans = vec![FxHashMap::default(); columns.len()];
        Self { scan, columns, schema, plans, streams: Streams::default(), origins: None, renderer: None }
    }

    /// The columns of `hits`, in their order.
    pub fn build(&mut self, hits: &[Hit]) -> Result<RecordBatch> {
        let mut arrays = Vec::with_capacity(self.columns.len());
        self.origins = None;
        for number in 0..self.columns.len() {
            arrays.push(self.column(number, hits)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(hits.len()));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .map_err(|e| Error::new(ErrorKind::Bug, format!("rows do not fit their schema: {e}")))
    }

    fn column(&mut self, number: usize, hits: &[Hit]) -> Result<ArrayRef> {
        let segment = self.scan.segment();
        let utc = |values: Vec<i64>| -> ArrayRef { Arc::new(TimestampNanosecondArray::from(values).with_timezone("UTC")) };
        Ok(match &self.columns[number] {
            Column::Time => utc(hits.iter().map(|hit| hit.time).collect()),
            Column::IndexTime => utc(of_stream(self.scan, segment.footer().received, &mut self.streams.received, hits)?),
            Column::Sequence => {
                if self.streams.arrival.is_none() && hits.len() < FEW_ROWS {
                    let numbers = self.scan.blocks.arrival_at(&hits.iter().map(|hit| hit.row).collect::<Vec<_>>())?;
                    return Ok(Arc::new(UInt64Array::from(numbers)));
                }
                if self.streams.arrival.is_none() {
                    self.streams.arrival = Some(self.scan.blocks.arrival()?);
                }
                let arrival = self.streams.arrival.as_ref().expect("just read");
                Arc::new(UInt64Array::from_iter_values(hits.iter().map(|hit| arrival.of(hit.row))))
            }
            Column::Problems => self.problems(hits)?,
            Column::Raw => self.raw(hits)?,
            Column::RawBytes => {
                let mut builder = BinaryBuilder::new();
                self.each_raw(hits, |raw| builder.append_value(raw))?;
                Arc::new(builder.finish())
            }
            Column::Index => texts(hits, |_| Some(&*segment.meta().index)),
            Column::Host => self.origins(hits, |origin| origin.host)?,
            Column::Source => self.origins(hits, |origin| origin.source())?,
            Column::Sourcetype => self.origins(hits, |origin| origin.sourcetype())?,
            Column::PatternId => {
                let ids: Vec<String> = segment.footer().events.patterns.iter().map(|p| p.id.to_string()).collect();
                texts(hits, |hit| Some(&ids[hit.pattern as usize]))
            }
            Column::Field(name) => self.field(number, &name.clone(), hits)?,
        })
    }

    fn problems(&mut self, hits: &[Hit]) -> Result<ArrayRef> {
        let problems = of_stream(self.scan, self.scan.segment().footer().problems, &mut self.streams.problems, hits)?;
        let mut builder = StringBuilder::new();
        for bits in problems {
            let names: Vec<&str> = Problems(bits as u16).names().collect();
            builder.append_option((!names.is_empty()).then(|| names.join(",")));
        }
        Ok(Arc::new(builder.finish()))
    }

    fn each_raw(&mut self, hits: &[Hit], mut each: impl FnMut(&[u8])) -> Result<()> {
        let (mut line, mut ends) = (Vec::new(), Vec::new());
        if hits.len() < FEW_ROWS || !hits.is_sorted_by_key(|hit| hit.row) {
            for hit in hits {
                line.clear();
                let cursor = self.scan.cursor(hit.pattern as usize);
                match hits.len() {
                    0..FEW_ROWS => cursor.render_one(hit.at as usize, hit.time, &mut line)?,
                    _ => cursor.render(hit.at as usize, &mut line)?,
                }
                each(&line);
            }
            return Ok(());
        }
        let renderer = self.renderer.get_or_insert_with(|| Renderer::new(self.scan.blocks));
        let places: Vec<(u32, u32)> = hits.iter().map(|hit| (hit.pattern, hit.at)).collect();
        let mut done = 0;
        while done < places.len() {
            done += renderer.render(&places[done..], Frame::Bare, RENDERED_BYTES, &mut ends)?;
            let mut from = 0;
            ends.iter().for_each(|end| each(&renderer.bytes()[std::mem::replace(&mut from, *end)..*end]));
        }
        Ok(())
    }

    fn raw(&mut self, hits: &[Hit]) -> Result<ArrayRef> {
        let mut builder = StringBuilder::new();
        self.each_raw(hits, |raw| append_text(&mut builder, raw))?;
        Ok(Arc::new(builder.finish()))
    }

    fn origins(&mut self, hits: &[Hit], part: impl Fn(OriginRef<'b>) -> &'b str) -> Result<ArrayRef> {
        if hits.len() >= FEW_ROWS {
            let (numbers, origins) = (self.scan.event_origins()?, self.scan.segment().origins());
            return Ok(texts(hits, |hit| Some(part(origins.get(numbers[hit.row as usize] as usize)))));
        }
        if self.origins.is_none() {
            self.origins = Some(self.scan.origins_of(hits)?);
        }
        let origins = self.origins.as_ref().expect("just found");
        Ok(Arc::new(StringArray::from_iter_values(origins.iter().map(|origin| part(*origin)))))
    }

    fn field(&mut self, number: usize, name: &str, hits: &[Hit]) -> Result<ArrayRef> {
        let mut builder = StringBuilder::new();
        let mut scratch = Vec::new();
        let few = hits.len() < FEW_ROWS;
        for hit in hits {
            let pattern = hit.pattern as usize;
            let plan = match self.plans[number].entry(hit.pattern) {
                Entry::Occupied(known) => known.into_mut(),
                // To read whole columns does not pay for a few events.
                Entry::Vacant(new) => new.insert(if few { self.scan.plain_plan(pattern, name) } else { self.scan.plan(pattern, name)? }),
            };
            match plan {
                FieldPlan::Absent => builder.append_null(),
                FieldPlan::Constant(value) => builder.append_value(value),
                // The common case, without a string in between.
                FieldPlan::Pieces(pieces) if matches!(pieces[..], [PlanPiece::Slot(_)]) && !few => {
                    let [PlanPiece::Slot(slot)] = pieces[..] else { unreachable!("just matched") };
                    let value = self.scan.cursor(pattern).value(slot, hit.at as usize, &mut scratch)?;
                    append_text(&mut builder, value);
                }
                plan if few => builder.append_option(self.scan.field_one(hit, plan, &mut scratch)?),
                plan => builder.append_option(self.scan.field(pattern, hit.at as usize, plan, &mut scratch)?),
            }
        }
        Ok(Arc::new(builder.finish()))
    }
}

/// Most bytes are text as they are, which is found out faster than what to replace.
fn append_text(builder: &mut StringBuilder, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => builder.append_value(text),
        Err(_) => builder.append_value(String::from_utf8_lossy(bytes)),
    }
}

/// The values of a stream for some hits; where these are many, the whole stream is read and `kept` for the next ones.
fn of_stream(scan: &SegmentScan<'_>, place: Place, kept: &mut Option<Vec<i64>>, hits: &[Hit]) -> Result<Vec<i64>> {
    if kept.is_none() && hits.len() < FEW_ROWS {
        return scan.blocks.stream_at(place, &hits.iter().map(|hit| hit.row).collect::<Vec<_>>());
    }
    if kept.is_none() {
        *kept = Some(scan.blocks.stream(place)?);
    }
    let all = kept.as_ref().expect("just read");
    Ok(hits.iter().map(|hit| all[hit.row as usize]).collect())
}

fn texts<'t>(hits: &[Hit], text: impl Fn(&Hit) -> Option<&'t str>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    hits.iter().for_each(|hit| builder.append_option(text(hit)));
    Arc::new(builder.finish())
}
