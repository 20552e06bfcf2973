//! A Parquet file with a plain schema: times in UTC, text, and the event's bytes. Text events are in `_raw`; what is
//! not UTF-8 is in `_raw_bytes`, and one of the two is always null. Times are in microseconds, with which every reader can
//! reckon, and once more in whole nanoseconds as numbers.

use super::{Counts, Encoder, TEXTS, TIMES, column, further, raws, sequences, texts, times};
use crate::output::{Buffer, properties};
use arrow::array::{Array, ArrayRef, BinaryBuilder, Int64Array, RecordBatch, StringBuilder, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use std::sync::Arc;
use taffrail_base::limits::EXPORT_GROUP_BYTES_MAX;
use taffrail_base::{Error, ErrorKind, Result};

/// The names of [`TIMES`] in whole nanoseconds.
const NANOS: [&str; 2] = ["_time_nanos", "_indextime_nanos"];

fn micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Writes events as a Parquet file.
pub struct Parquet {
    schema: SchemaRef,
    fields: Vec<String>,
    written: Buffer,
    writer: Option<ArrowWriter<Buffer>>,
    /// Bytes of events since the last row group.
    held: usize,
    counts: Counts,
}

fn bug(error: ParquetError) -> Error {
    Error::new(ErrorKind::Bug, format!("the Parquet file cannot be made: {error}"))
}

impl Parquet {
    /// With these fields, as text, beside what every event has.
    pub fn new(fields: &[String]) -> Result<Self> {
        let fields = further(fields);
        let mut columns: Vec<Field> = TIMES.iter().map(|name| Field::new(*name, micros(), false)).collect();
        columns.extend(NANOS.iter().map(|name| Field::new(*name, DataType::Int64, false)));
        columns.extend(TEXTS.iter().map(|name| Field::new(*name, DataType::Utf8, *name == "_problems")));
        columns.push(Field::new("_sequence", DataType::Int64, false));
        columns.push(Field::new("_raw", DataType::Utf8, true));
        columns.push(Field::new("_raw_bytes", DataType::Binary, true));
        columns.extend(fields.iter().map(|name| Field::new(name, DataType::Utf8, true)));
        let schema: SchemaRef = Arc::new(Schema::new(columns));
        let written = Buffer::default();
        let writer = ArrowWriter::try_new(written.clone(), schema.clone(), Some(properties())).map_err(bug)?;
        Ok(Self { schema, fields, written, writer: Some(writer), held: 0, counts: Counts::default() })
    }

    /// The batch as the file has it.
    fn shaped(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let raw = raws(batch)?;
        let (mut as_text, mut as_bytes) = (StringBuilder::new(), BinaryBuilder::new());
        for row in 0..raw.len() {
            let text = std::str::from_utf8(raw.value(row)).ok();
            as_text.append_option(text);
            as_bytes.append_option(if text.is_none() { Some(raw.value(row)) } else { None });
        }
        self.counts.events += raw.len() as u64;
        let bytes: usize = (0..raw.len()).map(|row| raw.value(row).len()).sum();
        self.counts.bytes += bytes as u64;
        self.held += bytes;
        let mut columns: Vec<ArrayRef> = Vec::new();
        for name in TIMES {
            let nanos = times(batch, name)?;
            let whole = nanos.values().iter().map(|nanos| nanos.div_euclid(1_000));
            columns.push(Arc::new(TimestampMicrosecondArray::from_iter_values(whole).with_timezone("UTC")));
        }
        for name in TIMES {
            columns.push(Arc::new(Int64Array::from(times(batch, name)?.values().to_vec())));
        }
        for name in TEXTS {
            columns.push(Arc::new(texts(batch, name)?));
        }
        columns.push(Arc::new(sequences(batch)?));
        columns.push(Arc::new(as_text.finish()));
        columns.push(Arc::new(as_bytes.finish()));
        for name in &self.fields {
            columns.push(column(batch, name, &DataType::Utf8)?);
        }
        RecordBatch::try_new(self.schema.clone(), columns).map_err(|e| bug(e.into()))
    }

    fn taken(&self) -> Vec<u8> {
        self.written.take().to_vec()
    }
}

impl Encoder for Parquet {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>> {
        let shaped = self.shaped(batch)?;
        let writer = self.writer.as_mut().ok_or_else(|| Error::new(ErrorKind::Bug, "the Parquet file is finished already"))?;
        writer.write(&shaped).map_err(bug)?;
        // A group is held in memory until it is written: long events make it smaller.
        if self.held >= EXPORT_GROUP_BYTES_MAX || writer.in_progress_size() >= EXPORT_GROUP_BYTES_MAX {
            writer.flush().map_err(bug)?;
            self.held = 0;
        }
        Ok(self.taken())
    }

    fn finish(&mut self) -> Result<Vec<u8>> {
        if let Some(writer) = self.writer.take() {
            writer.close().map_err(bug)?;
        }
        Ok(self.taken())
    }

    fn counts(&self) -> Counts {
        self.counts
    }
}
