//! Loki's push.

use super::{Push, Refused, in_words, trouble};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use taffrail_collect::push::loki;

/// Lines of streams. What is not said to be JSON is protocol buffers, as the protocol has it.
pub async fn push(push: Result<Push, Refused>) -> Response {
    let push = match push {
        Ok(push) => push,
        Err(refused) => return in_words(refused.plain()),
    };
    let decode = if push.is_of("application/json") { loki::from_json } else { loki::from_protobuf };
    match push.take("loki", decode).await {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => in_words(trouble(&error)),
    }
}
