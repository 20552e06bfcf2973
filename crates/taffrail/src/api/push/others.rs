//! Protocols that need no more than a few lines: GELF over HTTP, and logs for Datadog.

use super::{Push, Refused, in_words, trouble};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use taffrail_base::{Error, ErrorKind};
use taffrail_collect::push::datadog as logs;
use taffrail_collect::{gelf as format, records::json as values};

/// One GELF message, or several one behind the other.
pub async fn gelf(push: Result<Push, Refused>) -> Response {
    let push = match push {
        Ok(push) => push,
        Err(refused) => return in_words(refused.plain()),
    };
    let stored = push.take("gelf", |body, intake| {
        let text = std::str::from_utf8(body).map_err(|e| Error::new(ErrorKind::Invalid, format!("the body is not UTF-8: {e}")))?;
        let (messages, end) = values::values(text);
        if end < text.len() || messages.is_empty() || !messages.iter().all(|message| values::is_object(message)) {
            return Err(Error::new(ErrorKind::Invalid, "the body is no JSON object"));
        }
        messages.iter().for_each(|message| intake.push(&format::record(message.as_bytes())));
        Ok(())
    });
    stored.await.map_or_else(|error| in_words(trouble(&error)), |()| StatusCode::ACCEPTED.into_response())
}

/// Logs as Datadog's agents send them.
pub async fn datadog(push: Result<Push, Refused>) -> Response {
    let push = match push {
        Ok(push) => push,
        Err(refused) => return in_words(refused.plain()),
    };
    match push.take("datadog", logs::logs).await {
        Ok(_) => (StatusCode::ACCEPTED, Json(json!({}))).into_response(),
        Err(error) => in_words(trouble(&error)),
    }
}
