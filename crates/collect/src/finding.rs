//! What an input finds out about the events that it brings, as an event of the server's own: in the same batch as the position that
//! it is about, so that it is durable when that is, and once. For what has to be proved later; all else is a problem of the input.

use crate::input::Context;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use taffrail_event::{EventBatch, Origin, Problems, Timestamp};

/// Adds one. It has the shape of audit events, and is in no account: nobody sent it.
pub(crate) fn push(batch: &mut EventBatch, context: &Context, action: &str, details: Value) {
    let time = Timestamp(context.clock.now_nanos());
    let mut event = Map::new();
    event.insert("time".into(), json!(time.to_string()));
    event.insert("action".into(), json!(action));
    if let Value::Object(details) = details {
        event.extend(details);
    }
    let [index, source, sourcetype, transport, peer] = ["_audit", "taffrail", "taffrail:audit", "audit", ""].map(Arc::from);
    let number = batch.origin(&Origin { index, host: Arc::clone(&context.host), source, sourcetype, transport, peer });
    batch.push(number, time, Problems::NONE, Value::Object(event).to_string().as_bytes());
}
