//! An Apache Parquet file of whatever columns the result has. Held in memory is one group of rows.

use super::columns::Shown;
use super::{Writer, batches_only};
use crate::api::schema::{Field, ResultKind, Row};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::io::{self, Write};
use taffrail_base::limits::{EXPORT_GROUP_BYTES_MAX, EXPORT_GROUP_ROWS_MAX};

/// How Parquet files are written.
pub fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(EXPORT_GROUP_ROWS_MAX))
        .set_created_by(format!("Taffrail {}", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Writes Parquet.
pub struct Parquet {
    out: Option<Box<dyn Write + Send>>,
    writer: Option<(Shown, ArrowWriter<Box<dyn Write + Send>>)>,
    /// Bytes of rows since the last group.
    held: usize,
}

impl Parquet {
    /// To `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Some(out), writer: None, held: 0 }
    }
}

impl Writer for Parquet {
    fn start(&mut self, _kind: ResultKind, _fields: &[Field]) -> io::Result<()> {
        Ok(())
    }

    fn rows(&mut self, _rows: &[Row]) -> io::Result<()> {
        Err(batches_only())
    }

    fn schema(&mut self, schema: &SchemaRef) -> io::Result<()> {
        let Some(out) = self.out.take() else { return Ok(()) };
        let shown = Shown::of(schema);
        let writer = ArrowWriter::try_new(out, shown.schema.clone(), Some(properties())).map_err(io::Error::other)?;
        self.writer = Some((shown, writer));
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let (shown, writer) = self.writer.as_mut().ok_or_else(batches_only)?;
        let batch = shown.batch(batch)?;
        self.held += batch.get_array_memory_size();
        writer.write(&batch).map_err(io::Error::other)?;
        // Long values make groups smaller.
        if self.held >= EXPORT_GROUP_BYTES_MAX || writer.in_progress_size() >= EXPORT_GROUP_BYTES_MAX {
            writer.flush().map_err(io::Error::other)?;
            self.held = 0;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let (_, writer) = self.writer.take().ok_or_else(batches_only)?;
        writer.into_inner().map_err(io::Error::other)?.flush()
    }
}
