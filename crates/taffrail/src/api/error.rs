//! Errors of the API: always JSON, always with a kind, what happened and the way out.

use super::schema::{ErrorAnswer, ErrorDetail, Span};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use taffrail_base::{Error, ErrorKind};
use taffrail_query::QueryError;

/// An error on its way to a client.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    // Boxed: results that carry it stay small.
    detail: Box<ErrorDetail>,
}

/// The result of a handler.
pub type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// An error with this status and kind.
    pub fn new(status: StatusCode, kind: &str, message: impl Into<String>) -> Self {
        let detail = ErrorDetail { kind: kind.into(), message: message.into(), hint: None, span: None, suggestions: Vec::new() };
        Self { status, detail: Box::new(detail) }
    }

    /// The call is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    /// The body is too large.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// The caller may not.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// Adds the way out.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.detail.hint = Some(hint.into());
        self
    }

    /// The error of a stream that has begun: its text is for the log, the client sees it break off.
    pub fn into_io(self) -> std::io::Error {
        std::io::Error::other(self.detail.message)
    }

    /// The status that it is answered with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong.
    pub fn detail(&self) -> &ErrorDetail {
        &self.detail
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let (status, kind) = match error.kind() {
            ErrorKind::Invalid => (StatusCode::BAD_REQUEST, "invalid"),
            ErrorKind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            ErrorKind::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            ErrorKind::Full => (StatusCode::INSUFFICIENT_STORAGE, "full"),
            ErrorKind::Limit => (StatusCode::UNPROCESSABLE_ENTITY, "limit"),
            ErrorKind::Cancelled => (StatusCode::SERVICE_UNAVAILABLE, "cancelled"),
            ErrorKind::Io => (StatusCode::INTERNAL_SERVER_ERROR, "io"),
            ErrorKind::Corrupt => (StatusCode::INTERNAL_SERVER_ERROR, "corrupt"),
            ErrorKind::Bug => (StatusCode::INTERNAL_SERVER_ERROR, "bug"),
        };
        let api = Self::new(status, kind, error.message());
        match error.hint() {
            Some(hint) => api.with_hint(hint),
            None => api,
        }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let (status, kind) = if error.limit { (StatusCode::UNPROCESSABLE_ENTITY, "limit") } else { (StatusCode::BAD_REQUEST, "query") };
        let mut api = Self::new(status, kind, error.message);
        api.detail.hint = error.hint;
        api.detail.span = error.span.map(|span| Span { start: span.start, end: span.end });
        api.detail.suggestions = error.suggestions;
        api
    }
}

/// The error of a search that had begun. Where it names a place the query is at fault, else the work.
pub fn of_running_search(error: QueryError) -> ErrorDetail {
    let mut api = ApiError::from(error);
    if api.detail.span.is_none() && api.detail.kind == "query" {
        api.detail.kind = "io".into();
    }
    *api.detail
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(ErrorAnswer { error: *self.detail })).into_response()
    }
}
