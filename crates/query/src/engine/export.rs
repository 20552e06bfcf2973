//! Export: the events of a search with their bytes and named columns, oldest first, in bounded memory.

use super::run::whole;
use super::{Engine, Prepared, SearchRequest};
use crate::commands::Required;
use crate::language::QueryError;
use crate::source::Source;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_stream::try_stream;
use futures::StreamExt;
use futures::stream::BoxStream;
use std::sync::Arc;
use taffrail_event::Timestamp;
use taffrail_store::scan::{TakeRaw, schema};
use taffrail_store::segment::Frame;
use taffrail_store::{Column, Scan, Snapshot};

/// In which order events are exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExportOrder {
    /// As they arrived, index by index: nothing is sorted.
    #[default]
    Arrival,
    /// By event time, then by index and arrival; sorted within the memory of searches and on the disk.
    Time,
}

/// The rows of a search as record batches.
pub struct Batches {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: BoxStream<'static, Result<RecordBatch, QueryError>>,
}

/// Starts an export of `columns`.
pub async fn export(engine: Engine, request: SearchRequest, columns: &[String], order: ExportOrder) -> Result<Batches, QueryError> {
    if let Some(name) = columns.iter().find(|name| name.contains('*') || name.is_empty()) {
        return Err(QueryError::new(format!("{name:?} is not the name of one field")).with_hint("name each field in full"));
    }
    prepared(&engine, &request)?;
    match order {
        ExportOrder::Arrival => arrival(engine, &request, columns),
        ExportOrder::Time => by_time(engine, &request, columns).await,
    }
}

/// The search of an export.
fn prepared(engine: &Engine, request: &SearchRequest) -> Result<Prepared, QueryError> {
    let prepared = engine.prepare(&request.query, request.earliest.as_deref(), request.latest.as_deref())?;
    if let Some((command, span)) = prepared.query.rest().first() {
        let error = QueryError::at(*span, format!("an export is of events, so it ends before {}", command.name()));
        return Err(error.with_hint("leave the commands out; `search` gives their rows"));
    }
    Ok(prepared)
}

/// The bytes of events as they arrived, to be read on a thread that may block.
pub struct RawExport(Scan);

impl RawExport {
    /// Gives the events to `take`, each in a frame, index by index.
    pub fn run(&self, frame: Frame, take: &mut TakeRaw<'_>) -> Result<(), QueryError> {
        self.0.raw(frame, take).map_err(|error| QueryError::from(&error))
    }
}

/// Prepares an export of bytes in the order of arrival; `None` where only rows can tell which events are wanted.
pub fn raw(engine: &Engine, request: &SearchRequest) -> Result<Option<RawExport>, QueryError> {
    let mut prepared = prepared(engine, request)?;
    // What stands for text is known only when it has been run.
    if prepared.query.first_bracket().is_some() || prepared.asks_rows() {
        return Ok(None);
    }
    let wanted = &mut prepared.wanted;
    if wanted.index_earliest > Timestamp::MIN || wanted.index_latest < Timestamp::MAX {
        return Ok(None);
    }
    wanted.ordered = false;
    Ok(Some(RawExport(engine.source().scan(wanted, Vec::new(), None))))
}

/// What an export in the order of arrival cannot do: it makes no rows.
fn by_rows(why: &str) -> QueryError {
    QueryError::new(format!("{why}, which an export in the order of arrival cannot do")).with_hint("export in the order of time")
}

async fn by_time(engine: Engine, request: &SearchRequest, columns: &[String]) -> Result<Batches, QueryError> {
    let text = format!("{} | sort 0 _time, index, _sequence", request.query);
    let mut prepared = engine.prepare(&text, request.earliest.as_deref(), request.latest.as_deref())?;
    let flow = whole(&mut prepared, &all(&engine), Required::of(columns.iter().cloned()), None).await?;
    let schema = flow.schema();
    let batches = flow.stream(prepared.planner.context.clone())?;
    Ok(Batches { schema, batches: batches.map(|batch| batch.map_err(QueryError::from)).boxed() })
}

fn all(engine: &Engine) -> Arc<dyn Source> {
    Arc::new(engine.source())
}

/// One segment after the other, each read from its first row to its last.
fn arrival(engine: Engine, request: &SearchRequest, columns: &[String]) -> Result<Batches, QueryError> {
    let mut segments = engine.store.snapshot().segments;
    segments.sort_by_key(|segment| (segment.meta().index.clone(), segment.meta().first_sequence));
    let wanted: Vec<Column> = columns.iter().map(|name| Column::named(name)).collect();
    let schema = schema(&wanted);
    let (request, names) = (request.clone(), columns.to_vec());
    // The moment that relative times refer to is the same for all segments.
    let mut prepared = engine.prepare(&request.query, request.earliest.as_deref(), request.latest.as_deref())?;
    let fields = prepared.planner.knowledge.fields();
    if let Some(name) = fields.steps().iter().flat_map(|step| &step.fields).find(|field| names.contains(field)) {
        return Err(by_rows(&format!("the field {name} is computed or looked up")));
    }
    let source = all(&engine);
    let batches = try_stream! {
        prepared.resolve(&source).await?;
        if prepared.asks_rows() {
            Err(by_rows("the search asks for a field that is computed or looked up"))?;
        }
        prepared.wanted.required = Required::of(names);
        prepared.wanted.ordered = false;
        for segment in segments {
            let source = engine.source_of(Snapshot { segments: vec![segment] });
            let opened = source.open(prepared.wanted.clone(), prepared.planner.messages.clone()).await?;
            let mut batches = opened.flow.stream(prepared.planner.context.clone())?;
            while let Some(batch) = batches.next().await {
                let batch: RecordBatch = batch.map_err(QueryError::from)?;
                yield batch;
            }
        }
    };
    Ok(Batches { schema, batches: batches.boxed() })
}
