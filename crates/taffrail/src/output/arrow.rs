//! A stream of Apache Arrow IPC: one record batch after the other, each readable when it has come.

use super::columns::Shown;
use super::{Writer, batches_only};
use crate::api::schema::{Field, ResultKind, Row};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use std::io::{self, Write};

/// Writes Arrow.
pub struct ArrowStream {
    out: Option<Box<dyn Write + Send>>,
    writer: Option<(Shown, StreamWriter<Box<dyn Write + Send>>)>,
}

impl ArrowStream {
    /// To `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Some(out), writer: None }
    }
}

impl Writer for ArrowStream {
    fn start(&mut self, _kind: ResultKind, _fields: &[Field]) -> io::Result<()> {
        Ok(())
    }

    fn rows(&mut self, _rows: &[Row]) -> io::Result<()> {
        Err(batches_only())
    }

    fn schema(&mut self, schema: &SchemaRef) -> io::Result<()> {
        let Some(out) = self.out.take() else { return Ok(()) };
        let shown = Shown::of(schema);
        let writer = StreamWriter::try_new(out, &shown.schema).map_err(io::Error::other)?;
        self.writer = Some((shown, writer));
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let (shown, writer) = self.writer.as_mut().ok_or_else(batches_only)?;
        writer.write(&shown.batch(batch)?).map_err(io::Error::other)
    }

    fn finish(&mut self) -> io::Result<()> {
        let (_, mut writer) = self.writer.take().ok_or_else(batches_only)?;
        writer.finish().map_err(io::Error::other)?;
        writer.into_inner().map_err(io::Error::other)?.flush()
    }
}
