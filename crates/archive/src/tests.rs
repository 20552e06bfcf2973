//! Against a small server in this process that speaks enough of S3.
#![allow(clippy::disallowed_methods)] // a test waits for a server

use super::*;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use std::sync::Mutex;

type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Put, get with a range, head and delete; whoever is not signed in is refused.
async fn object(State(objects): State<Objects>, UrlPath(key): UrlPath<String>, method: Method, headers: HeaderMap, body: Bytes) -> Response {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !authorization.starts_with("AWS4-HMAC-SHA256 Credential=somebody/") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut objects = objects.lock().unwrap();
    let missing = || (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response();
    match method {
        Method::PUT => {
            objects.insert(key, body.to_vec());
            (StatusCode::OK, [(header::ETAG, "\"1\"")]).into_response()
        }
        Method::DELETE => objects.remove(&key).map_or_else(missing, |_| StatusCode::NO_CONTENT.into_response()),
        _ => {
            let Some(bytes) = objects.get(&key) else { return missing() };
            let modified = (header::LAST_MODIFIED, "Sat, 21 Nov 2026 10:00:00 GMT".to_owned());
            let tag = (header::ETAG, "\"1\"".to_owned());
            let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("bytes="));
            match range.and_then(|range| range.split_once('-')) {
                Some((first, last)) => {
                    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
                    let told = (header::CONTENT_RANGE, format!("bytes {first}-{last}/{}", bytes.len()));
                    (StatusCode::PARTIAL_CONTENT, [modified, tag, told], bytes[first..=last].to_vec()).into_response()
                }
                None => ([modified, tag], bytes.clone()).into_response(),
            }
        }
    }
}

/// A server, the address it listens at, and what it holds.
fn server() -> (Runtime, String, Objects) {
    let runtime = Runtime::new().unwrap();
    let objects = Objects::default();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/{*key}", any(object)).with_state(objects.clone());
    runtime.spawn(async move { axum::serve(listener, router).await });
    (runtime, address, objects)
}

fn open(endpoint: &str, secret: &str) -> (ObjectStores, Arc<dyn Remote>) {
    let access = Access {
        endpoint: Some(endpoint.to_owned()),
        region: Some("here".into()),
        access_key: Some("somebody".into()),
        secret_key: Some(secret.into()),
    };
    let stores = ObjectStores::new(BTreeMap::from([("s3://logs/below".to_owned(), access)]));
    let remote = stores.open("s3://logs/below").unwrap();
    (stores, remote)
}

#[test]
fn what_is_put_is_there_by_ranges_until_it_is_deleted() {
    let (_server, address, objects) = server();
    let (_stores, remote) = open(&address, "secret");
    let bytes: Vec<u8> = (0..100_000u32).map(|at| (at * 31 % 251) as u8).collect();
    remote.put("main/one.seg", bytes.clone()).unwrap();
    assert_eq!(objects.lock().unwrap().keys().collect::<Vec<_>>(), ["logs/below/main/one.seg"]);
    assert_eq!(remote.len("main/one.seg").unwrap(), 100_000);
    assert_eq!(remote.get("main/one.seg", 500..1_500).unwrap(), bytes[500..1_500]);
    assert_eq!(remote.get("main/one.seg", 0..100_000).unwrap(), bytes);
    remote.delete("main/one.seg").unwrap();
    remote.delete("main/one.seg").unwrap();
    assert!(remote.get("main/one.seg", 0..1).is_err());
}

#[test]
fn failures_are_told_without_the_secret() {
    let (server, address, _) = server();
    let (stores, remote) = open(&address, "very-secret");
    drop(server);
    let error = remote.len("main/one.seg").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Io);
    for text in [error.to_string(), format!("{error:?}"), format!("{stores:?}"), format!("{remote:?}")] {
        assert!(!text.contains("very-secret"), "{text}");
    }
}

#[test]
fn addresses_are_checked() {
    assert_eq!(parts("s3://logs/a/b/").unwrap(), ("logs", "a/b"));
    assert_eq!(parts("s3://logs").unwrap(), ("logs", ""));
    for wrong in ["s3://", "s3:///x", "http://x/y", "s3://key:secret@bucket/x", "s3://b u/x", "s3://b/x?y"] {
        assert!(check(wrong).is_err(), "{wrong}");
    }
}
