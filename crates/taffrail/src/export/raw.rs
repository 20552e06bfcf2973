//! The bytes of events, told apart by a delimiter.

use super::{Counts, Delimiter, Encoder, Piece, raws};
use arrow::array::{Array, RecordBatch};
use futures::Stream;
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_query::{QueryError, RawExport};
use taffrail_store::segment::Frame;
use tokio::sync::mpsc;

/// Bytes of a piece at least, so that few pieces are handed on; and pieces that wait for a slow reader.
const PIECE_BYTES_MIN: usize = 256 * 1024;
const PIECES_WAITING_MAX: usize = 2;

impl From<Delimiter> for Frame {
    fn from(delimiter: Delimiter) -> Self {
        match delimiter {
            Delimiter::Lf => Self::After(b'\n'),
            Delimiter::Nul => Self::After(0),
            Delimiter::Length => Self::Length,
        }
    }
}

impl Counts {
    /// Counts events whose ends in `bytes` are known, frames included.
    fn add(&mut self, frame: Frame, bytes: &[u8], ends: &[usize]) {
        self.events += ends.len() as u64;
        let framing = if frame == Frame::Length { 4 } else { 1 };
        self.bytes += (bytes.len() - framing * ends.len()) as u64;
        let Frame::After(delimiter) = frame else { return };
        // Only where there are more delimiters than events some event holds one.
        if memchr::memchr_iter(delimiter, bytes).count() > ends.len() {
            let mut from = 0;
            for end in ends {
                self.ambiguous += u64::from(memchr::memchr(delimiter, &bytes[from..end - 1]).is_some());
                from = *end;
            }
        }
    }
}

/// The pieces of an export of bytes. They are read and put together on a thread that may take its time.
pub fn pieces(export: RawExport, delimiter: Delimiter) -> impl Stream<Item = Result<Piece, QueryError>> + Send {
    let (sender, mut receiver) = mpsc::channel(PIECES_WAITING_MAX);
    let work = move || {
        let (frame, mut counts, mut piece) = (Frame::from(delimiter), Counts::default(), Vec::new());
        let gone = || Error::new(ErrorKind::Cancelled, "nobody reads the export any more");
        let exported = export.run(frame, &mut |bytes, ends| {
            counts.add(frame, bytes, ends);
            piece.extend_from_slice(bytes);
            if piece.len() >= PIECE_BYTES_MIN {
                sender.blocking_send(Ok(Piece::Bytes(std::mem::take(&mut piece)))).map_err(|_| gone())?;
            }
            Ok(())
        });
        // Without a reader there is nobody to tell.
        let _ = match exported {
            Ok(()) if piece.is_empty() => sender.blocking_send(Ok(Piece::End(counts))),
            Ok(()) => sender.blocking_send(Ok(Piece::Bytes(piece))).and_then(|()| sender.blocking_send(Ok(Piece::End(counts)))),
            Err(error) => sender.blocking_send(Err(error)),
        };
    };
    async_stream::try_stream! {
        let work = tokio::task::spawn_blocking(work);
        while let Some(piece) = receiver.recv().await {
            yield piece?;
        }
        work.await.map_err(|_| QueryError::new("the export stopped unexpectedly"))?;
    }
}

/// Writes raw events.
pub struct Raw {
    delimiter: Delimiter,
    counts: Counts,
}

impl Raw {
    /// With this between them.
    pub fn new(delimiter: Delimiter) -> Self {
        Self { delimiter, counts: Counts::default() }
    }
}

impl Encoder for Raw {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>> {
        let events = raws(batch)?;
        let mut out = Vec::with_capacity(events.value_data().len() + 4 * events.len());
        for row in 0..events.len() {
            let raw = events.value(row);
            self.counts.events += 1;
            self.counts.bytes += raw.len() as u64;
            let mut ended = |byte: u8| {
                self.counts.ambiguous += u64::from(raw.contains(&byte));
                out.extend_from_slice(raw);
                out.push(byte);
            };
            match self.delimiter {
                Delimiter::Lf => ended(b'\n'),
                Delimiter::Nul => ended(0),
                Delimiter::Length => {
                    let len = u32::try_from(raw.len()).map_err(|_| Error::new(ErrorKind::Limit, "an event beyond 4 GiB"))?;
                    out.extend_from_slice(&len.to_le_bytes());
                    out.extend_from_slice(raw);
                }
            }
        }
        Ok(out)
    }

    fn finish(&mut self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn counts(&self) -> Counts {
        self.counts
    }
}
