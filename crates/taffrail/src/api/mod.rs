//! The HTTP API: one file per group of routes. Handlers translate between HTTP and the parts of [`App`]; what a
//! search or a store does is decided elsewhere. Every route is registered in [`routes`] with its permission and
//! described for OpenAPI; whatever the page does goes through here.

pub mod body;
pub mod error;
pub mod explain;
pub mod export;
pub mod formats;
pub mod forward;
pub mod guard;
pub mod hosts;
pub mod ingest;
pub mod inputs;
pub mod jobs;
pub mod language;
pub mod lifecycle;
pub mod metrics;
pub mod outputs;
pub mod push;
pub mod routes;
pub mod saved;
pub mod schema;
pub mod search;
pub mod sql;
pub mod status;
pub mod tail;

use crate::app::App;
use crate::page;
use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use error::ApiError;
use routes::{Permission, Registered, Routes};
use std::sync::{Arc, OnceLock};
use utoipa::OpenApi;
use utoipa_axum::routes;

/// The document's head.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Taffrail",
        description = "Collect, keep, search and show logs. Times are RFC 3339 in UTC; time arguments may also be relative (`-24h`, `-1d@d`, `now`) or epoch seconds. Errors have one shape everywhere. The server listens on loopback only and refuses requests of other sites.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "search", description = "Run searches and look at results."),
        (name = "jobs", description = "Searches that run by themselves, and searches that ran."),
        (name = "live", description = "Follow events as they arrive."),
        (name = "ingest", description = "Send events."),
        (name = "language", description = "The search language, for editors."),
        (name = "status", description = "How the server does and what it holds."),
        (name = "lifecycle", description = "What is removed, and what must not be.")
    )
)]
struct Document;

/// Every route.
fn all() -> Routes {
    push::routes(Routes::new(Document::openapi()))
        .add(Permission::Read, routes!(search::search))
        .add(Permission::Read, routes!(export::export))
        .add(Permission::Read, routes!(export::export_events))
        .add(Permission::Read, routes!(search::timeline))
        .add(Permission::Read, routes!(search::fields))
        .add(Permission::Read, routes!(search::patterns))
        .add(Permission::Read, routes!(explain::explain))
        .add(Permission::Read, routes!(sql::sql))
        .add(Permission::Read, routes!(jobs::start, jobs::list))
        .add(Permission::Read, routes!(jobs::show, jobs::remove))
        .add(Permission::Read, routes!(jobs::results))
        .add(Permission::Read, routes!(jobs::finalize))
        .add(Permission::Read, routes!(jobs::history))
        .add(Permission::Read, routes!(saved::list))
        .add(Permission::Define, routes!(saved::show, saved::save, saved::remove))
        .add(Permission::Read, routes!(formats::learn))
        .add(Permission::Read, routes!(tail::tail))
        .add(Permission::Describe, routes!(language::language))
        .add(Permission::Describe, routes!(language::check))
        .add(Permission::Ingest, routes!(ingest::raw))
        .add(Permission::Ingest, routes!(ingest::ndjson))
        .add(Permission::Ingest, routes!(forward::batch))
        .add(Permission::Ingest, routes!(forward::positions))
        .add(Permission::Health, routes!(status::health))
        .add(Permission::Operate, routes!(status::stat))
        .add(Permission::Operate, routes!(status::sources))
        .add(Permission::Operate, routes!(inputs::inputs))
        .add(Permission::Operate, routes!(hosts::hosts))
        .add(Permission::Operate, routes!(outputs::routes))
        .add(Permission::Operate, routes!(metrics::metrics))
        .add(Permission::Operate, routes!(lifecycle::holds))
        .add(Permission::Operate, routes!(lifecycle::removals))
        .add(Permission::Administer, routes!(lifecycle::add_hold))
        .add(Permission::Administer, routes!(lifecycle::remove_hold))
        .add(Permission::Administer, routes!(lifecycle::delete))
        .add(Permission::Describe, routes!(openapi))
}

/// Everything that the server answers.
pub fn router(app: Arc<App>) -> Router {
    let (router, _, _) = all().finish();
    router
        .fallback(page::serve)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(guard::name_caller))
        .layer(middleware::from_fn(guard::check_caller))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard::count))
        .layer(middleware::from_fn(guard::security_headers))
        .with_state(app)
}

/// The routes with their permissions.
pub fn registered() -> Vec<Registered> {
    all().finish().2
}

/// The description of the API as JSON text.
pub fn document() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let (_, document, _) = all().finish();
        document.to_pretty_json().unwrap_or_else(|e| format!("{{\"error\":{:?}}}", e.to_string()))
    })
}

async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", format!("{} does not take {method}", uri.path()))
        .with_hint("GET /api/v1/openapi.json describes what there is")
        .into_response()
}

/// This document: OpenAPI 3.1.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "language", responses((status = 200, description = "The description of this API", body = serde_json::Value, content_type = "application/json")))]
async fn openapi() -> Response {
    ([("content-type", "application/json")], document()).into_response()
}

#[cfg(test)]
mod tests;
