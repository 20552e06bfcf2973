//! OpenTelemetry's logs over HTTP.

use super::{Push, Refused, in_words, trouble};
use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use taffrail_collect::push::otlp;

/// Records. What is not said to be JSON is protocol buffers.
pub async fn logs(push: Result<Push, Refused>) -> Response {
    let push = match push {
        Ok(push) => push,
        Err(refused) => return in_words(refused.plain()),
    };
    if push.is_of("application/json") {
        return match push.take("otlp", otlp::from_json).await {
            Ok(_) => Json(otlp::accepted()).into_response(),
            Err(error) => in_words(trouble(&error)),
        };
    }
    match push.take("otlp", otlp::from_protobuf).await {
        Ok(_) => ([(header::CONTENT_TYPE, "application/x-protobuf")], otlp::ACCEPTED).into_response(),
        Err(error) => in_words(trouble(&error)),
    }
}
