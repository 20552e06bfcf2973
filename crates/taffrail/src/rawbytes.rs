//! The bytes of found events exactly as they arrived, each followed by a newline: `--output raw`, locally and for
//! the server's export.

use arrow::array::{Array, AsArray, RecordBatch};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use taffrail_query::{Engine, QueryError, SearchRequest};

/// Runs a search and gives the bytes of what it finds, in its order.
pub async fn search(
    engine: &Engine,
    request: SearchRequest,
) -> Result<impl Stream<Item = Result<Bytes, QueryError>> + Send + Unpin + use<>, QueryError> {
    let found = engine.batches(request, true).await?;
    let names: Vec<&str> = found.schema.fields().iter().map(|f| f.name().as_str()).collect();
    if !names.contains(&"_raw_bytes") && !names.contains(&"_raw") {
        return Err(QueryError {
            message: "raw output needs events, and this query ends with a table".into(),
            span: None,
            hint: Some("use json, csv or table output, or leave the last command out".into()),
            suggestions: Vec::new(),
        });
    }
    Ok(Box::pin(found.batches.map(|batch| batch.map(|b| Bytes::from(lines(&b))))))
}

/// The events of a batch as lines.
fn lines(batch: &RecordBatch) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(column) = batch.column_by_name("_raw_bytes")
        && let Some(raw) = column.as_binary_opt::<i32>()
    {
        out.reserve(raw.value_data().len() + raw.len());
        for row in 0..raw.len() {
            if raw.is_valid(row) {
                out.extend_from_slice(raw.value(row));
                out.push(b'\n');
            }
        }
    } else if let Some(column) = batch.column_by_name("_raw")
        && let Some(raw) = column.as_string_opt::<i32>()
    {
        for row in 0..raw.len() {
            if raw.is_valid(row) {
                out.extend_from_slice(raw.value(row).as_bytes());
                out.push(b'\n');
            }
        }
    }
    out
}
