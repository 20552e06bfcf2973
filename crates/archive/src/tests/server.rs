//! A small server that speaks enough of S3 for tests: objects, ranges, uploads in parts, deletion, and every failure
//! that is asked for. It refuses who is not signed in and what is not what was signed.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;

/// The name of the key that is let in.
pub const KEY_NAME: &str = "somebody";

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status, with a code as S3 gives it.
    Status(u16, &'static str),
    /// No answer for a long time.
    Slow,
    /// The connection ends before the answer.
    Cut,
    /// The connection ends in the middle of what is read.
    CutInside,
    /// A bit of what is sent is stored wrongly.
    Garble,
}

#[derive(Default)]
struct Inner {
    objects: BTreeMap<String, Vec<u8>>,
    /// Uploads that are not complete: the object, and its parts by number.
    uploads: BTreeMap<String, (String, BTreeMap<u32, Vec<u8>>)>,
    begun: u32,
    requests: Vec<(&'static str, String)>,
    faults: Vec<(&'static str, usize, Fault)>,
}

/// The server; it is gone when dropped.
pub struct Server {
    runtime: Option<Runtime>,
    /// As in `http://127.0.0.1:9000`.
    pub address: String,
    inner: Arc<Mutex<Inner>>,
}

impl Server {
    /// One that is empty, at a free port.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Mutex::new(Inner::default()));
        let router = Router::new().route("/{*key}", any(answer)).layer(DefaultBodyLimit::disable()).with_state(inner.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { runtime: Some(runtime), address, inner }
    }

    /// Has the next requests of a kind fail; of any kind where it is `*`.
    pub fn fail(&self, kind: &'static str, times: usize, fault: Fault) {
        self.inner.lock().unwrap().faults.push((kind, times, fault));
    }

    /// No request fails any more.
    pub fn heal(&self) {
        self.inner.lock().unwrap().faults.clear();
    }

    /// The requests since this was last asked, each with its range.
    pub fn requests(&self) -> Vec<(&'static str, String)> {
        std::mem::take(&mut self.inner.lock().unwrap().requests)
    }

    /// Names and sizes of the objects.
    pub fn objects(&self) -> Vec<(String, usize)> {
        self.inner.lock().unwrap().objects.iter().map(|(key, bytes)| (key.clone(), bytes.len())).collect()
    }

    /// How many uploads were begun and neither completed nor given up.
    pub fn uploads(&self) -> usize {
        self.inner.lock().unwrap().uploads.len()
    }

    /// Ends it, and all its connections.
    pub fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waits until nothing is answered any more.
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn value<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn kind(method: &Method, query: &str) -> &'static str {
    let begins =
        |name: &str| query.split('&').any(|pair| pair == name || pair.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')));
    match *method {
        Method::PUT if begins("partNumber") => "part",
        Method::PUT => "put",
        Method::HEAD => "head",
        Method::GET => "get",
        Method::POST if begins("uploads") => "begin",
        Method::POST if begins("uploadId") => "complete",
        Method::POST if begins("delete") => "delete",
        Method::DELETE if begins("uploadId") => "abort",
        _ => "unknown",
    }
}

fn refused(status: u16, code: &str, signed_by: &str) -> Response {
    // As S3 does, with the name of the key.
    let page = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><AWSAccessKeyId>{signed_by}</AWSAccessKeyId></Error>");
    (StatusCode::from_u16(status).unwrap(), page).into_response()
}

type Shared = Arc<Mutex<Inner>>;

async fn answer(
    State(inner): State<Shared>,
    Path(key): Path<String>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let query = query.unwrap_or_default();
    let kind = kind(&method, &query);
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let authorization = text("authorization");
    let name = authorization.strip_prefix("AWS4-HMAC-SHA256 Credential=").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let fault = {
        let mut inner = inner.lock().unwrap();
        inner.requests.push((kind, text("range").to_owned()));
        let found = inner.faults.iter_mut().find(|(what, times, _)| (*what == kind || *what == "*") && *times > 0);
        found.map(|(_, times, fault)| {
            *times -= 1;
            *fault
        })
    };
    match fault {
        Some(Fault::Status(status, code)) => return refused(status, code, name),
        Some(Fault::Slow) => tokio::time::sleep(Duration::from_secs(60)).await,
        // Ends the task that has the connection, without a message.
        Some(Fault::Cut) => std::panic::resume_unwind(Box::new(())),
        _ => {}
    }
    if name != KEY_NAME {
        return refused(403, "InvalidAccessKeyId", name);
    }
    let sum: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    if text("x-amz-content-sha256") != sum && !body.is_empty() {
        return refused(400, "XAmzContentSHA256Mismatch", name);
    }
    let mut body = body.to_vec();
    if fault == Some(Fault::Garble) {
        let middle = body.len() / 2;
        body[middle] ^= 1;
    }
    let mut inner = inner.lock().unwrap();
    let upload = value(&query, "uploadId").unwrap_or_default().to_owned();
    match kind {
        "put" => stored(inner.objects.insert(key, body)),
        "begin" => begin(&mut inner, key),
        "part" => {
            let number = value(&query, "partNumber").and_then(|number| number.parse().ok()).unwrap();
            match inner.uploads.get_mut(&upload) {
                Some((_, parts)) => stored(parts.insert(number, body)),
                None => refused(404, "NoSuchUpload", name),
            }
        }
        "complete" => match inner.uploads.remove(&upload) {
            Some((key, parts)) => {
                inner.objects.insert(key, parts.into_values().flatten().collect());
                "<CompleteMultipartUploadResult><ETag>\"1\"</ETag></CompleteMultipartUploadResult>".into_response()
            }
            None => refused(404, "NoSuchUpload", name),
        },
        "abort" => {
            inner.uploads.remove(&upload);
            StatusCode::NO_CONTENT.into_response()
        }
        "delete" => delete(&mut inner, &key, &String::from_utf8_lossy(&body)),
        "get" | "head" => read(&inner, &key, text("range"), fault, name),
        _ => refused(405, "MethodNotAllowed", name),
    }
}

fn stored<T>(_: T) -> Response {
    (StatusCode::OK, [(header::ETAG, "\"1\"")]).into_response()
}

fn begin(inner: &mut Inner, key: String) -> Response {
    inner.begun += 1;
    let id = format!("upload{}", inner.begun);
    inner.uploads.insert(id.clone(), (key, BTreeMap::new()));
    format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>").into_response()
}

fn delete(inner: &mut Inner, bucket: &str, body: &str) -> Response {
    let mut page = "<DeleteResult>".to_owned();
    for part in body.split("<Key>").skip(1) {
        let key = part.split("</Key>").next().unwrap();
        inner.objects.remove(&format!("{bucket}/{key}"));
        page.push_str(&format!("<Deleted><Key>{key}</Key></Deleted>"));
    }
    (page + "</DeleteResult>").into_response()
}

fn read(inner: &Inner, key: &str, range: &str, fault: Option<Fault>, name: &str) -> Response {
    let Some(bytes) = inner.objects.get(key) else { return refused(404, "NoSuchKey", name) };
    let known = |len: usize| {
        let modified = (header::LAST_MODIFIED, "Sat, 21 Nov 2026 10:00:00 GMT".to_owned());
        [modified, (header::ETAG, "\"1\"".to_owned()), (header::CONTENT_LENGTH, len.to_string())]
    };
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return (known(bytes.len()), bytes.clone()).into_response();
    };
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    if first >= bytes.len() {
        return refused(416, "InvalidRange", name);
    }
    let part = bytes[first..=last.min(bytes.len() - 1)].to_vec();
    let told = [(header::CONTENT_RANGE, format!("bytes {first}-{}/{}", first + part.len() - 1, bytes.len()))];
    let len = part.len();
    let body = match fault {
        Some(Fault::CutInside) => {
            let half = Bytes::copy_from_slice(&part[..len / 2]);
            Body::from_stream(futures::stream::unfold(Some(half), |left| async {
                match left {
                    Some(half) if !half.is_empty() => Some((Ok(half), Some(Bytes::new()))),
                    _ => {
                        // What was sent is on its way by then.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        Some((Err(std::io::Error::other("cut")), None))
                    }
                }
            }))
        }
        _ => Body::from(part),
    };
    (StatusCode::PARTIAL_CONTENT, known(len), told, body).into_response()
}
