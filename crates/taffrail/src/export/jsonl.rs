//! One JSON object a line. Bytes that are no text are in `_raw_base64`, so nothing is lost.

use super::{Counts, Encoder, TEXTS, TIMES, further, raws, sequences, texts, times};
use arrow::array::{Array, RecordBatch};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Map, Value};
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_event::Timestamp;

/// Writes events as JSON lines.
pub struct JsonLines {
    fields: Vec<String>,
    counts: Counts,
}

impl JsonLines {
    /// With these fields beside what every event has.
    pub fn new(fields: &[String]) -> Self {
        Self { fields: further(fields), counts: Counts::default() }
    }

    /// The values of the further fields, row by row.
    fn extracted(&self, batch: &RecordBatch) -> Result<Vec<Map<String, Value>>> {
        let bug = |e| Error::new(ErrorKind::Bug, format!("a field cannot be exported: {e}"));
        let at: Vec<usize> = self.fields.iter().filter_map(|name| batch.schema().index_of(name).ok()).collect();
        let fields = batch.project(&at).map_err(bug)?;
        if at.is_empty() { Ok(vec![Map::new(); batch.num_rows()]) } else { taffrail_query::rows::rows(&fields).map_err(bug) }
    }
}

impl Encoder for JsonLines {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>> {
        let (raw, sequence) = (raws(batch)?, sequences(batch)?);
        let times = [times(batch, TIMES[0])?, times(batch, TIMES[1])?];
        let texts = TEXTS.iter().map(|name| texts(batch, name)).collect::<Result<Vec<_>>>()?;
        let mut out = Vec::with_capacity(raw.value_data().len() * 2);
        for (row, extracted) in self.extracted(batch)?.into_iter().enumerate() {
            let mut line = Map::new();
            for (name, values) in TIMES.iter().zip(&times) {
                line.insert((*name).to_owned(), Timestamp(values.value(row)).to_string().into());
            }
            for (name, values) in TEXTS.iter().zip(&texts).filter(|(_, values)| values.is_valid(row)) {
                let value = match *name {
                    "_problems" => values.value(row).split(',').map(Value::from).collect::<Vec<_>>().into(),
                    _ => values.value(row).into(),
                };
                line.insert((*name).to_owned(), value);
            }
            line.insert("_sequence".to_owned(), sequence.value(row).into());
            match std::str::from_utf8(raw.value(row)) {
                Ok(text) => line.insert("_raw".to_owned(), text.into()),
                Err(_) => line.insert("_raw_base64".to_owned(), BASE64.encode(raw.value(row)).into()),
            };
            // What every event has goes before what was read from it.
            for (name, value) in extracted {
                line.entry(name).or_insert(value);
            }
            serde_json::to_writer(&mut out, &line).map_err(|e| Error::new(ErrorKind::Bug, e.to_string()))?;
            out.push(b'\n');
            self.counts.events += 1;
            self.counts.bytes += raw.value(row).len() as u64;
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
