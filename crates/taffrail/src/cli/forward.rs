//! A sink that hands events to a running server, for imports into a data folder that the server holds.

use super::client::Client;
use super::exit::Outcome;
use crate::api::schema::{IngestAnswer, PositionAnswer};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_collect::forwarding;
use taffrail_event::{EventBatch, EventSink, Receipt};

/// Sends batches to a server. Positions are fetched once; nobody else imports the same files meanwhile, and if
/// so, the worst is that a file is stored twice.
pub struct ServerSink {
    client: Client,
    positions: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl ServerSink {
    /// Fetches the positions that earlier imports left.
    pub async fn connect(client: Client) -> Outcome<Self> {
        let path = format!("/api/v1/forward/positions?prefix={}", forwarding::POSITION_PREFIX);
        let known: Vec<PositionAnswer> = client.get_json(&path).await?;
        let positions = known.into_iter().map(|p| (p.key, p.value)).collect();
        Ok(Self { client, positions: Arc::new(Mutex::new(positions)) })
    }
}

impl EventSink for ServerSink {
    fn append(&self, batch: EventBatch) -> BoxFuture<'static, Result<Receipt>> {
        let client = self.client.clone();
        let positions = Arc::clone(&self.positions);
        Box::pin(async move {
            let answer = client.post_bytes("/api/v1/forward/batch", forwarding::encode(&batch)?).await;
            // Whether it was stored is not known when the connection broke: not to be sent again blindly.
            let lost = |e: super::exit::Failure| Error::new(ErrorKind::Io, e.to_string().trim_start_matches("error: ").to_owned());
            let answer: IngestAnswer = answer.map_err(lost)?.json().await.map_err(|e| Error::new(ErrorKind::Io, e.to_string()))?;
            let mut positions = positions.lock();
            for position in batch.positions {
                if position.value.is_empty() {
                    positions.remove(&position.key);
                } else {
                    positions.insert(position.key, position.value);
                }
            }
            Ok(Receipt { events: answer.accepted, sequence: answer.sequence, repeated: Vec::new() })
        })
    }

    fn position(&self, key: &str) -> Option<Vec<u8>> {
        self.positions.lock().get(key).cloned()
    }

    fn positions(&self, prefix: &str) -> Vec<(String, Vec<u8>)> {
        let positions = self.positions.lock();
        positions.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix)).map(|(k, v)| (k.clone(), v.clone())).collect()
    }
}
