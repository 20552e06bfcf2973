//! How the server does and what it holds.

use super::error::ApiResult;
use super::schema::{ErrorAnswer, HealthAnswer, HealthData, IndexAnswer, SourceAnswer, StatAnswer};
use super::search;
use crate::app::App;
use axum::Json;
use axum::extract::State;
use serde_json::Value;
use std::sync::Arc;
use taffrail_store::Store;

/// Is the server well?
///
/// Answers as soon as the server takes requests; says in short what it holds.
#[utoipa::path(get, path = "/api/v1/health", tag = "status", responses((status = 200, description = "It is", body = HealthAnswer)))]
pub async fn health(State(app): State<Arc<App>>) -> Json<HealthAnswer> {
    let stat = app.store.stat();
    Json(HealthAnswer {
        status: "ok".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        uptime_seconds: app.uptime_seconds(),
        instance: app.instance.clone(),
        data: HealthData { events: stat.iter().map(|i| i.events).sum(), segments: stat.iter().map(|i| i.segments).sum() },
    })
}

/// What the store holds, per index.
#[utoipa::path(get, path = "/api/v1/stat", tag = "status", responses((status = 200, description = "One entry per index", body = StatAnswer)))]
pub async fn stat(State(app): State<Arc<App>>) -> Json<StatAnswer> {
    Json(StatAnswer { indexes: indexes(&app.store) })
}

/// What a store holds, as the API and the command line show it.
pub fn indexes(store: &Store) -> Vec<IndexAnswer> {
    store
        .stat()
        .into_iter()
        .map(|stat| IndexAnswer {
            index: stat.index.to_string(),
            events: stat.events,
            raw_bytes: stat.raw_bytes,
            stored_bytes: stat.stored_bytes,
            segments: stat.segments,
            patterns: stat.patterns,
            earliest: stat.earliest.map(|t| t.to_string()),
            latest: stat.latest.map(|t| t.to_string()),
        })
        .collect()
}

/// Where events came from.
///
/// Every combination of index, host, source and source type, with its events and the time of the latest.
#[utoipa::path(get, path = "/api/v1/sources", tag = "status", responses(
    (status = 200, description = "The sources, most events first", body = Vec<SourceAnswer>),
    (status = 503, description = "Busy or stopping", body = ErrorAnswer)
))]
pub async fn sources(State(app): State<Arc<App>>) -> ApiResult<Json<Vec<SourceAnswer>>> {
    let query = "(index=* OR index=_*) | stats count AS events, max(_time) AS latest BY index, host, source, sourcetype | sort 0 -events";
    let rows = search::rows_of(&app, query).await?;
    Ok(Json(rows.iter().filter_map(source).collect()))
}

fn source(row: &super::schema::Row) -> Option<SourceAnswer> {
    let text = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
    let events = row.get("events")?;
    let latest = match row.get("latest") {
        Some(Value::String(text)) => match text.parse::<f64>() {
            Ok(seconds) => Some(time(seconds)),
            Err(_) => Some(text.clone()),
        },
        Some(Value::Number(seconds)) => seconds.as_f64().map(time),
        _ => None,
    };
    Some(SourceAnswer {
        index: text("index")?,
        host: text("host"),
        source: text("source")?,
        sourcetype: text("sourcetype")?,
        events: events.as_u64().or_else(|| events.as_str()?.parse().ok())?,
        latest,
    })
}

fn time(seconds: f64) -> String {
    taffrail_event::Timestamp((seconds * 1e6).round() as i64 * 1_000).to_string()
}
