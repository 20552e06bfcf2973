//! The server's own events: started, stopped, settings, searches run. They go into the index `_audit` through
//! the same store as everything else, so that they are kept, searched and proved like other events.

use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Clock, limits};
use taffrail_event::{EventBatch, EventSink, Origin, Problems, Timestamp};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The index of audit events.
pub const INDEX: &str = "_audit";

/// How long events are gathered before they are written together, and up to how many.
const GATHERED_FOR: Duration = Duration::from_millis(50);
const GATHERED_MAX: usize = limits::AUDIT_QUEUE_EVENTS_MAX;

/// When something happened, and the event that says so.
type Record = (Timestamp, Vec<u8>);

/// Takes audit events; cheap to clone.
pub struct Audit {
    sender: parking_lot::Mutex<Option<mpsc::Sender<Record>>>,
    writer: parking_lot::Mutex<Option<JoinHandle<()>>>,
    clock: Arc<dyn Clock>,
}

impl Audit {
    /// Starts the writer, unless audit events are off.
    pub fn start(enabled: bool, sink: Arc<dyn EventSink>, clock: Arc<dyn Clock>, host: Arc<str>) -> Self {
        let off = Self { sender: parking_lot::Mutex::new(None), writer: parking_lot::Mutex::new(None), clock: Arc::clone(&clock) };
        if !enabled {
            return off;
        }
        let (sender, receiver) = mpsc::channel(limits::AUDIT_QUEUE_EVENTS_MAX);
        *off.sender.lock() = Some(sender);
        *off.writer.lock() = Some(tokio::spawn(write(receiver, sink, clock, host)));
        off
    }

    /// Records that `action` happened. Waits when the queue is full: an action that cannot be recorded must not
    /// run ahead of its record for ever.
    pub async fn record(&self, action: &str, details: Value) {
        let sender = self.sender.lock().clone();
        let Some(sender) = sender else { return };
        // The writer ends only when the server stops.
        let _ = sender.send(self.event(action, details)).await;
    }

    /// Records that `action` happened, from where nobody can wait: when the queue is full, a task waits for it.
    pub fn note(&self, action: &str, details: Value) {
        let sender = self.sender.lock().clone();
        let Some(sender) = sender else { return };
        if let Err(mpsc::error::TrySendError::Full(record)) = sender.try_send(self.event(action, details))
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { sender.send(record).await });
        }
    }

    fn event(&self, action: &str, details: Value) -> Record {
        let time = Timestamp(self.clock.now_nanos());
        let mut event = Map::new();
        event.insert("time".into(), json!(time.to_string()));
        event.insert("action".into(), json!(action));
        // One user so far: whoever has this machine's loopback.
        event.insert("user".into(), json!("local"));
        if let Value::Object(details) = details {
            event.extend(details);
        }
        (time, Value::Object(event).to_string().into_bytes())
    }

    /// Writes what is waiting and ends.
    pub async fn stop(&self) {
        self.sender.lock().take();
        let writer = self.writer.lock().take();
        if let Some(writer) = writer
            && let Err(error) = writer.await
        {
            tracing::error!("the audit writer ended abnormally: {error}");
        }
    }
}

async fn write(mut receiver: mpsc::Receiver<Record>, sink: Arc<dyn EventSink>, clock: Arc<dyn Clock>, host: Arc<str>) {
    let origin = Origin {
        index: INDEX.into(),
        host,
        source: "taffrail".into(),
        sourcetype: "taffrail:audit".into(),
        transport: "audit".into(),
        peer: "".into(),
    };
    let mut waiting = Vec::new();
    while receiver.recv_many(&mut waiting, limits::AUDIT_QUEUE_EVENTS_MAX).await > 0 {
        // What else happens in this moment shares the sync of the journal. A server that stops does not wait for it.
        let more = async { while waiting.len() < GATHERED_MAX && receiver.recv_many(&mut waiting, GATHERED_MAX).await > 0 {} };
        let _ = tokio::time::timeout(GATHERED_FOR, more).await;
        let mut batch = EventBatch::new(Timestamp(clock.now_nanos()));
        let number = batch.origin(&origin);
        for (time, raw) in waiting.drain(..) {
            batch.push(number, time, Problems::NONE, &raw);
        }
        let events = batch.len();
        if let Err(error) = sink.append(batch).await {
            tracing::error!("{events} audit events are lost: {error}");
        }
    }
}
