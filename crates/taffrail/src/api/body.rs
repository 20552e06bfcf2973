//! Request bodies and query strings: read within limits, refused as JSON errors.

use super::error::ApiError;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use taffrail_base::limits;

/// A JSON body. Its type must be said: a form of another site cannot say it.
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let media = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if !media.split(';').next().is_some_and(|m| m.trim().eq_ignore_ascii_case("application/json")) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported",
                format!("a body of type {media:?} is not taken here"),
            )
            .with_hint("send JSON, with the header Content-Type: application/json"));
        }
        let bytes = whole(request, limits::REQUEST_BODY_BYTES_MAX).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|e| {
            ApiError::invalid(format!("the body is not what this route takes: {e}"))
                .with_hint("GET /api/v1/openapi.json describes it, with examples")
        })
    }
}

/// The whole body, if it is within `limit` bytes.
pub async fn whole(request: Request, limit: usize) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::too_large(format!("the body is larger than {limit} bytes")).with_hint("send less at once");
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let body = request.into_body();
    match axum::body::to_bytes(body, limit).await {
        Ok(bytes) => Ok(bytes),
        Err(error) => {
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = cause {
                if error.to_string().contains("length limit exceeded") {
                    return Err(too_large());
                }
                cause = error.source();
            }
            Err(ApiError::invalid(format!("the body ended early: {error}")))
        }
    }
}

/// The query string.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(error) => Err(ApiError::invalid(format!("the parameters are not what this route takes: {}", error.body_text()))
                .with_hint("GET /api/v1/openapi.json describes them")),
        }
    }
}
