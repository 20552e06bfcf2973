//! Elasticsearch's `_bulk`, at the root and below `/elastic`, where clients find who answers too. `create` of an `_id` that is there is answered
//! with 409, `index` of the very document that is there with 200 and `noop`: of neither anything is stored.

use super::{Push, Refused, account, trouble};
use crate::api::ingest::refused;
use crate::app::App;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use taffrail_collect::push::bulk;

fn failed((status, message): (StatusCode, String)) -> Response {
    let kind = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "security_exception",
        StatusCode::SERVICE_UNAVAILABLE => "es_rejected_execution_exception",
        _ => "illegal_argument_exception",
    };
    let cause = json!({"type": kind, "reason": message});
    (status, Json(json!({"error": {"root_cause": [cause.clone()], "type": kind, "reason": message}, "status": status.as_u16()})))
        .into_response()
}

/// Says that it is Elasticsearch's answer, where the settings want that: its own client libraries go on with nobody else.
fn product(app: &App, mut response: Response) -> Response {
    if app.settings.ingest.elastic_product {
        response.headers_mut().insert("x-elastic-product", HeaderValue::from_static("Elasticsearch"));
    }
    response
}

/// Documents as events.
pub async fn bulk(
    State(app): State<Arc<App>>,
    Path(path): Path<HashMap<String, String>>,
    uri: Uri,
    push: Result<Push, Refused>,
) -> Response {
    product(&app, taken(path, uri, push).await)
}

async fn taken(path: HashMap<String, String>, uri: Uri, push: Result<Push, Refused>) -> Response {
    let mut push = match push {
        Ok(push) => push,
        Err(refused) => return failed(refused.plain()),
    };
    // `?index=` would be ours; `{index}` of the path is the shipper's.
    let index = path.get("index").filter(|_| uri.path().ends_with("/_bulk")).cloned();
    push.query.retain(|key, _| ["index", "host", "sourcetype"].contains(&key.as_str()));
    let started = push.app.clock.monotonic_nanos();
    let (app, door) = (Arc::clone(&push.app), push.door.clone());
    match push.take_all("bulk", move |body, intake| bulk::documents(body, index.as_deref(), intake)).await {
        Err(error) => failed(trouble(&error)),
        Ok((items, repeated)) => {
            let took = app.clock.monotonic_nanos().saturating_sub(started) / 1_000_000;
            let is_there = |item: &bulk::Item| item.place.is_some_and(|(batch, event)| repeated[batch].binary_search(&event).is_ok());
            let errors = items.iter().any(|item| item.refused.is_some() || (is_there(item) && item.action == "create"));
            let known = account(&app, door.as_ref());
            // Each that is refused is counted, as are requests that are refused as a whole.
            items.iter().filter(|item| item.refused.is_some()).for_each(|_| refused(known, StatusCode::BAD_REQUEST));
            let items: Vec<Value> = items.into_iter().map(|item| answer(is_there(&item), item)).collect();
            Json(json!({"took": took, "errors": errors, "items": items})).into_response()
        }
    }
}

/// What is said of a document, given whether it is there already.
fn answer(is_there: bool, item: bulk::Item) -> Value {
    let mut detail = json!({"_index": item.index});
    match item.refused {
        None if is_there && item.action == "create" => {
            let id = item.id.as_deref().unwrap_or_default();
            let reason = format!("[{id}]: version conflict, document already exists");
            detail["status"] = 409.into();
            detail["error"] = json!({"type": "version_conflict_engine_exception", "reason": reason, "index": item.index});
        }
        None if is_there => {
            detail["status"] = 200.into();
            detail["result"] = "noop".into();
        }
        None => {
            detail["status"] = 201.into();
            detail["result"] = "created".into();
        }
        Some(why) => {
            detail["status"] = 400.into();
            detail["error"] = json!({"type": "document_parsing_exception", "reason": why});
        }
    }
    if let Some(id) = item.id {
        detail["_id"] = id.into();
    }
    json!({item.action: detail})
}

/// Who answers here, for who may push.
pub async fn about_for(State(app): State<Arc<App>>, push: Result<Push, Refused>) -> Response {
    match push {
        Ok(_) => about(State(app)).await,
        Err(refused) => failed(refused.plain()),
    }
}

/// Who answers here.
pub async fn about(State(app): State<Arc<App>>) -> Response {
    let about = Json(json!({
        "name": &*app.host,
        "cluster_name": "taffrail",
        "cluster_uuid": app.instance,
        "version": {"number": "8.19.0", "build_flavor": "default", "taffrail": env!("CARGO_PKG_VERSION")},
        "tagline": "Taffrail takes _bulk here"
    }))
    .into_response();
    product(&app, about)
}
