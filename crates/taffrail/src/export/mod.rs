//! Events as files for other programs: their very bytes, JSON lines, or Parquet. An encoder takes record batches of
//! [`columns`] and gives bytes, holding no more than what it has not written yet. Where bytes go is not its business.

mod jsonl;
mod parquet;
mod raw;
#[cfg(test)]
mod tests;

use crate::api::schema::EventsExportBody;
use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampNanosecondType};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_query::{Batches, Engine, QueryError, SearchRequest};

/// The forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The bytes of each event as they arrived, told apart by a delimiter.
    Raw,
    /// One JSON object a line, nothing lost.
    Jsonl,
    /// An Apache Parquet file.
    Parquet,
}

/// How raw events are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delimiter {
    /// A line feed after each; events of more than one line are then not told from several.
    #[default]
    Lf,
    /// A byte 0 after each.
    Nul,
    /// The length before each, as 32 bits, little-endian: whatever the events hold.
    Length,
}

/// The order of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As they arrived, index by index.
    #[default]
    Arrival,
    /// By event time.
    Time,
}

impl From<Order> for taffrail_query::ExportOrder {
    fn from(order: Order) -> Self {
        match order {
            Order::Arrival => Self::Arrival,
            Order::Time => Self::Time,
        }
    }
}

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Events that hold the delimiter themselves.
    pub ambiguous: u64,
}

/// Turns events into bytes of a form.
pub trait Encoder: Send {
    /// The bytes of a batch, or nothing yet.
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>>;
    /// What is left when no more events come.
    fn finish(&mut self) -> Result<Vec<u8>>;
    /// What was taken in so far.
    fn counts(&self) -> Counts;
}

/// An encoder; `fields` are those that were asked for beside what every event has.
pub fn encoder(format: Format, delimiter: Delimiter, fields: &[String]) -> Result<Box<dyn Encoder>> {
    Ok(match format {
        Format::Raw => Box::new(raw::Raw::new(delimiter)),
        Format::Jsonl => Box::new(jsonl::JsonLines::new(fields)),
        Format::Parquet => Box::new(parquet::Parquet::new(fields)?),
    })
}

const TIMES: [&str; 2] = ["_time", "_indextime"];
const TEXTS: [&str; 5] = ["index", "host", "source", "sourcetype", "_problems"];

/// The columns that an export reads.
pub fn columns(format: Format, fields: &[String]) -> Vec<String> {
    let own: &[&str] = match format {
        Format::Raw => &["_raw_bytes"],
        Format::Jsonl | Format::Parquet => {
            &["_time", "_indextime", "index", "host", "source", "sourcetype", "_sequence", "_problems", "_raw_bytes"]
        }
    };
    let mut columns: Vec<String> = own.iter().map(|name| (*name).to_owned()).collect();
    if format != Format::Raw {
        columns.extend(further(fields));
    }
    columns
}

/// The fields that have no column of their own anyway, each once.
fn further(fields: &[String]) -> Vec<String> {
    let has = |name: &str| {
        TIMES.contains(&name)
            || TEXTS.contains(&name)
            || matches!(name, "_sequence" | "_raw" | "_raw_bytes" | "_time_nanos" | "_indextime_nanos")
    };
    let mut further: Vec<String> = Vec::new();
    for name in fields.iter().filter(|name| !has(name)) {
        if !further.contains(name) {
            further.push(name.clone());
        }
    }
    further
}

/// A column of a batch in the type that it is exported in.
fn column(batch: &RecordBatch, name: &str, kind: &DataType) -> Result<ArrayRef> {
    let wrong = |what: String| Error::new(ErrorKind::Bug, format!("the column {name} of an export {what}"));
    let found = batch.column_by_name(name).ok_or_else(|| wrong("is missing".into()))?;
    if found.data_type() == kind { Ok(found.clone()) } else { cast(found, kind).map_err(|e| wrong(format!("is of another type: {e}"))) }
}

fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

fn times(batch: &RecordBatch, name: &str) -> Result<TimestampNanosecondArray> {
    Ok(column(batch, name, &time_type())?.as_primitive::<TimestampNanosecondType>().clone())
}

fn texts(batch: &RecordBatch, name: &str) -> Result<StringArray> {
    Ok(column(batch, name, &DataType::Utf8)?.as_string::<i32>().clone())
}

fn raws(batch: &RecordBatch) -> Result<BinaryArray> {
    Ok(column(batch, "_raw_bytes", &DataType::Binary)?.as_binary::<i32>().clone())
}

fn sequences(batch: &RecordBatch) -> Result<Int64Array> {
    Ok(column(batch, "_sequence", &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

/// A piece of an export.
#[derive(Debug)]
pub enum Piece {
    /// Bytes.
    Bytes(Vec<u8>),
    /// No more bytes come; what was exported.
    End(Counts),
}

/// Starts the export that a request asks for.
pub async fn start(engine: &Engine, body: &EventsExportBody) -> Result<BoxStream<'static, Result<Piece, QueryError>>, QueryError> {
    let (query, earliest, latest) = (body.query.clone(), body.earliest.clone(), body.latest.clone());
    let request = SearchRequest { query, earliest, latest, limit: None, preview: false };
    if (body.format, body.order) == (Format::Raw, Order::Arrival)
        && let Some(export) = engine.raw_export(&request)?
    {
        return Ok(raw::pieces(export, body.delimiter).boxed());
    }
    let encoder = encoder(body.format, body.delimiter, &body.fields).map_err(|error| QueryError::new(error.to_string()))?;
    let batches = engine.export(request, &columns(body.format, &body.fields), body.order.into()).await?;
    Ok(pieces(batches, encoder).boxed())
}

/// The pieces of an export of these batches. Encoding happens on threads that may take their time.
pub fn pieces(batches: Batches, mut encoder: Box<dyn Encoder>) -> impl Stream<Item = Result<Piece, QueryError>> + Send {
    async_stream::try_stream! {
        let mut batches = batches.batches;
        loop {
            let batch = batches.next().await.transpose()?;
            let ended = batch.is_none();
            let (worked, bytes) = tokio::task::spawn_blocking(move || {
                let bytes = match &batch {
                    Some(batch) => encoder.batch(batch),
                    None => encoder.finish(),
                };
                (encoder, bytes)
            })
            .await
            .map_err(|_| QueryError::new("the export stopped unexpectedly"))?;
            encoder = worked;
            let bytes = bytes.map_err(|error| QueryError::new(error.to_string()))?;
            if !bytes.is_empty() {
                yield Piece::Bytes(bytes);
            }
            if ended {
                yield Piece::End(encoder.counts());
                break;
            }
        }
    }
}

/// A piece as it goes over a connection: its length as 32 bits, little-endian, and its bytes; the last is empty, and the
/// three counts follow as 64 bits each. A part can so be told from the whole.
pub fn frame(piece: Piece) -> Vec<u8> {
    match piece {
        Piece::Bytes(bytes) => {
            let mut out = Vec::with_capacity(bytes.len() + 4);
            for part in bytes.chunks(1 << 20) {
                out.extend_from_slice(&(part.len() as u32).to_le_bytes());
                out.extend_from_slice(part);
            }
            out
        }
        Piece::End(counts) => {
            let mut out = vec![0; 4];
            [counts.events, counts.bytes, counts.ambiguous].iter().for_each(|count| out.extend_from_slice(&count.to_le_bytes()));
            out
        }
    }
}

/// Takes frames off what came over a connection.
#[derive(Debug, Default)]
pub struct Frames {
    pending: Vec<u8>,
}

impl Frames {
    /// More bytes came: the pieces that are complete now.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.pending.extend_from_slice(bytes);
        let (mut pieces, mut at) = (Vec::new(), 0);
        while let Some(head) = self.pending[at..].first_chunk::<4>() {
            let len = u32::from_le_bytes(*head) as usize;
            let whole = if len == 0 { 24 } else { len };
            let Some(body) = self.pending.get(at + 4..at + 4 + whole) else { break };
            let count = |at: usize| u64::from_le_bytes(body[at * 8..at * 8 + 8].try_into().expect("eight bytes"));
            pieces.push(match len {
                0 => Piece::End(Counts { events: count(0), bytes: count(1), ambiguous: count(2) }),
                _ => Piece::Bytes(body.to_vec()),
            });
            at += 4 + whole;
        }
        self.pending.drain(..at);
        pieces
    }
}
