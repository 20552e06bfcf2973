//! The bytes of events, told apart by a delimiter.

use super::{Counts, Delimiter, Encoder, raws};
use arrow::array::{Array, RecordBatch};
use taffrail_base::{Error, ErrorKind, Result};

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
