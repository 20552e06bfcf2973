//! Splunk's HTTP event collector. `ackId`s are given out when the events are durable, so each of them is true.

use super::{Denied, Push, Refused, account, trouble};
use crate::api::error::ApiError;
use crate::api::ingest::{append, refused as count};
use crate::app::App;
use crate::serve::blocking;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use taffrail_collect::http::{self, Body};
use taffrail_collect::push::hec;
use taffrail_event::Timestamp;

/// The next `ackId`: one row of numbers for all channels.
static NEXT_ACK: AtomicU64 = AtomicU64::new(0);

fn coded(status: StatusCode, code: u16, text: &str) -> Response {
    (status, Json(json!({"text": text, "code": code}))).into_response()
}

fn refused(refused: Refused, push_token: bool) -> Response {
    match refused {
        Refused::Denied(Denied::Missing) if push_token => coded(StatusCode::BAD_REQUEST, 16, "Query string authorization is not enabled"),
        Refused::Denied(Denied::Missing) => coded(StatusCode::UNAUTHORIZED, 2, "Token is required"),
        Refused::Denied(Denied::Wrong) => coded(StatusCode::FORBIDDEN, 4, "Invalid token"),
        Refused::Other(error) => of_error(&error),
    }
}

fn of_error(error: &ApiError) -> Response {
    let (status, message) = trouble(error);
    match status {
        StatusCode::SERVICE_UNAVAILABLE => coded(status, 9, "Server is busy"),
        _ => coded(status, 6, &format!("Invalid data format: {message}")),
    }
}

fn channel(push: &Push) -> bool {
    push.headers.contains_key("x-splunk-request-channel") || push.query.contains_key("channel")
}

fn success(channel: bool) -> Response {
    if !channel {
        return coded(StatusCode::OK, 0, "Success");
    }
    Json(json!({"text": "Success", "code": 0, "ackId": NEXT_ACK.fetch_add(1, Ordering::Relaxed)})).into_response()
}

fn asks_by_query(uri: &axum::http::Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("token=")))
}

/// Events in envelopes.
pub async fn events(uri: axum::http::Uri, push: Result<Push, Refused>) -> Response {
    let push = match push {
        Ok(push) => push,
        Err(error) => return refused(error, asks_by_query(&uri)),
    };
    let (channel, app, door) = (channel(&push), Arc::clone(&push.app), push.door.clone());
    match push.take("hec", |body, intake| Ok(hec::events(body, intake))).await {
        Err(error) => of_error(&error),
        Ok((_, None)) => success(channel),
        Ok((_, Some(wrong))) => {
            // It, and what stands behind it in the request.
            count(account(&app, door.as_ref()), StatusCode::BAD_REQUEST);
            let mut answer = json!({"text": wrong.text, "code": wrong.code});
            if let Some(number) = wrong.event {
                answer["invalid-event-number"] = number.into();
            }
            (StatusCode::BAD_REQUEST, Json(answer)).into_response()
        }
    }
}

/// Lines.
pub async fn raw(uri: axum::http::Uri, push: Result<Push, Refused>) -> Response {
    let push = match push {
        Ok(push) => push,
        Err(error) => return refused(error, asks_by_query(&uri)),
    };
    if push.body.is_empty() {
        count(account(&push.app, push.door.as_ref()), StatusCode::BAD_REQUEST);
        return coded(StatusCode::BAD_REQUEST, 5, "No data");
    }
    let (channel, received) = (channel(&push), Timestamp(push.app.clock.now_nanos()));
    let mut origin = push.origin();
    let sender = format!("hec {}", origin.peer);
    origin.source.get_or_insert_with(|| "hec".into());
    let Push { app, door, body, permit, .. } = push;
    let batches = blocking(move || http::batches(Body::Raw, &body, &origin, received)).await;
    let stored = match batches {
        Ok(batches) => append(&app, account(&app, door.as_ref()), sender, batches).await.map(|_| ()),
        Err(error) => Err(ApiError::from(error)).inspect_err(|error| count(account(&app, door.as_ref()), error.status())),
    };
    drop(permit);
    stored.map_or_else(|error| of_error(&error), |()| success(channel))
}

/// Whether what was acknowledged by number is durable.
pub async fn acknowledged(uri: axum::http::Uri, push: Result<Push, Refused>) -> Response {
    let push = match push {
        Ok(push) => push,
        Err(error) => return refused(error, asks_by_query(&uri)),
    };
    if !channel(&push) {
        return coded(StatusCode::BAD_REQUEST, 10, "Data channel is missing");
    }
    let asked: Option<Value> = serde_json::from_slice(&push.body).ok();
    let Some(asked) = asked.as_ref().and_then(|asked| asked["acks"].as_array()) else {
        return coded(StatusCode::BAD_REQUEST, 6, "Invalid data format");
    };
    let given = NEXT_ACK.load(Ordering::Relaxed);
    let answers: Map<String, Value> =
        asked.iter().filter_map(Value::as_u64).map(|number| (number.to_string(), Value::from(number < given))).collect();
    Json(json!({"acks": answers})).into_response()
}

/// Whether events can be taken.
pub async fn health(State(app): State<Arc<App>>) -> Response {
    if app.stopping.is_cancelled() {
        return coded(StatusCode::SERVICE_UNAVAILABLE, 23, "Server is shutting down");
    }
    coded(StatusCode::OK, 17, "HEC is healthy")
}
