//! The search language, for editors: completion and highlighting.

use super::body::JsonBody;
use super::error::{ApiError, ApiResult};
use super::schema::{CheckAnswer, CheckBody, ErrorAnswer, LanguageAnswer};
use crate::app::App;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use taffrail_base::limits;

/// Commands and functions of the language.
#[utoipa::path(get, path = "/api/v1/language", tag = "language", responses((status = 200, description = "With syntax and summary", body = LanguageAnswer)))]
pub async fn language(State(app): State<Arc<App>>) -> Response {
    Json(app.engine.language()).into_response()
}

/// Look at a query without running it: its tokens, and what is wrong with it.
#[utoipa::path(post, path = "/api/v1/check", tag = "language", request_body = CheckBody, responses(
    (status = 200, description = "Tokens, and an error or null", body = CheckAnswer),
    (status = 400, description = "The body is wrong", body = ErrorAnswer)
))]
pub async fn check(State(app): State<Arc<App>>, JsonBody(body): JsonBody<CheckBody>) -> ApiResult<Response> {
    if body.query.len() > limits::QUERY_BYTES_MAX {
        return Err(ApiError::too_large(format!("the query is longer than {} bytes", limits::QUERY_BYTES_MAX)));
    }
    Ok(Json(app.engine.check(&body.query)).into_response())
}
