//! What other products' senders push: one file per protocol, each a thin route over its decoder in `collect::push`.
//! An answer of success is given when the events are durable, whatever the protocol.

mod door;
mod elastic;
mod grpc;
mod hec;
mod journal;
mod loki;
mod others;
mod otlp;

pub use door::{Door, Doors};

use super::body::whole;
use super::error::{ApiError, ApiResult};
use super::ingest::{self, Encoding, Repeated, append_all, expand, refused};
use super::routes::{Permission, Routes};
use crate::app::App;
use crate::serve::blocking;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Query, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use base64::Engine;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Error, ErrorKind, Result, Secret, limits};
use taffrail_collect::InputCounters;
use taffrail_collect::http::IngestOrigin;
use taffrail_collect::push::Intake;
use taffrail_collect::requests::Pushed;
use taffrail_event::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

/// Where GELF comes.
const GELF: &str = "/gelf";

/// Adds the routes of all protocols of others.
pub fn routes(routes: Routes) -> Routes {
    let foreign = Pushed::ALL.into_iter().filter(|pushed| *pushed != Pushed::Raw);
    foreign.fold(routes, protocol).foreign(Permission::Describe, "/elastic/", get(elastic::about))
}

/// Adds the routes by which something is pushed.
fn protocol(routes: Routes, pushed: Pushed) -> Routes {
    let ingest = |routes: Routes, paths: &[&str], methods: MethodRouter<Arc<App>>| {
        let methods = methods.layer(middleware::from_fn(to_the_end));
        paths.iter().fold(routes, |routes, path| routes.foreign(Permission::Ingest, path, methods.clone()))
    };
    match pushed {
        Pushed::Hec => {
            let events = ["/services/collector", "/services/collector/event", "/services/collector/event/1.0"];
            let routes = ingest(routes, &events, post(hec::events));
            let routes = ingest(routes, &["/services/collector/raw", "/services/collector/raw/1.0"], post(hec::raw));
            let routes = ingest(routes, &["/services/collector/ack"], post(hec::acknowledged));
            let health = ["/services/collector/health", "/services/collector/health/1.0"];
            health.iter().fold(routes, |routes, path| routes.foreign(Permission::Health, path, get(hec::health)))
        }
        Pushed::Elasticsearch => {
            let paths = ["/_bulk", "/elastic/_bulk", "/{index}/_bulk", "/elastic/{index}/_bulk"];
            ingest(routes, &paths, post(elastic::bulk).put(elastic::bulk))
        }
        Pushed::Otlp => ingest(ingest(routes, &["/v1/logs", "/otlp/v1/logs"], post(otlp::logs)), &[grpc::EXPORT], post(grpc::export)),
        Pushed::Loki => ingest(routes, &["/loki/api/v1/push", "/api/prom/push"], post(loki::push)),
        Pushed::Gelf => ingest(routes, &[GELF], post(others::gelf)),
        Pushed::Datadog => ingest(routes, &["/api/v2/logs", "/v1/input", "/v1/input/{token}"], post(others::datadog)),
        Pushed::Journal => ingest(routes, &["/upload"], post(journal::upload)),
        Pushed::Raw => ingest(ingest(routes, &["/api/v1/ingest/raw"], post(ingest::raw)), &["/api/v1/ingest/ndjson"], post(ingest::ndjson)),
    }
}

/// Goes on when the sender hangs up: some wait for no answer, and what they have sent is to be kept.
async fn to_the_end(request: Request, next: Next) -> Response {
    let answer = tokio::spawn(next.run(request)).await;
    answer.unwrap_or_else(|error| in_words((StatusCode::SERVICE_UNAVAILABLE, format!("the request ended abnormally: {error}"))))
}

/// A request that pushes events, with its body unpacked.
struct Push {
    app: Arc<App>,
    /// The door by which it came; `None`: the main address.
    door: Option<Arc<Door>>,
    headers: HeaderMap,
    query: HashMap<String, String>,
    peer: SocketAddr,
    /// Whose ids its events have.
    sender: String,
    body: Vec<u8>,
    /// Held until the events are durable: bounds the memory of all bodies together.
    permit: OwnedSemaphorePermit,
}

/// Why somebody may not push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// No token is named.
    Missing,
    /// The token is none of ours.
    Wrong,
}

/// A request that was not taken, before its protocol says so in its own way.
enum Refused {
    Denied(Denied),
    Other(ApiError),
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self::Other(error)
    }
}

impl Refused {
    /// What is answered where the protocol has no form of its own.
    fn plain(self) -> (StatusCode, String) {
        match self {
            Self::Denied(Denied::Missing) => (StatusCode::UNAUTHORIZED, "a token is needed".to_owned()),
            Self::Denied(Denied::Wrong) => (StatusCode::FORBIDDEN, "the token is not known here".to_owned()),
            Self::Other(error) => trouble(&error),
        }
    }
}

/// The status and the words of an error. What may pass by itself is `503` to every protocol: send again.
fn trouble(error: &ApiError) -> (StatusCode, String) {
    let status = match error.status() {
        StatusCode::INSUFFICIENT_STORAGE | StatusCode::INTERNAL_SERVER_ERROR => StatusCode::SERVICE_UNAVAILABLE,
        status => status,
    };
    (status, error.detail().message.clone())
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        in_words(self.plain())
    }
}

/// Answers in words.
fn in_words((status, message): (StatusCode, String)) -> Response {
    let mut response = (status, message + "\n").into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}

/// The tokens that the request names, in whichever way.
pub(super) fn named(headers: &HeaderMap, path_token: Option<&str>) -> Vec<String> {
    let mut all: Vec<String> = path_token.map(str::to_owned).into_iter().collect();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    all.extend(text("dd-api-key").map(str::to_owned));
    let Some((scheme, value)) = text("authorization").and_then(|value| value.trim().split_once(' ')) else { return all };
    let value = value.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "splunk" | "bearer" => all.push(value.to_owned()),
        // A name and, behind the colon, the token. Elasticsearch's keys look alike, or are given as they are.
        "basic" | "apikey" => {
            let decoded = base64::engine::general_purpose::STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            all.extend(decoded.as_deref().and_then(|text| text.split_once(':')).map(|(_, token)| token.to_owned()));
            all.push(value.to_owned());
        }
        _ => {}
    }
    all
}

/// Whether whoever names these tokens may push.
pub(super) fn check(app: &App, door: Option<&Door>, peer: SocketAddr, named: &[String]) -> Result<(), Denied> {
    let tokens = door.map_or(&app.settings.ingest.tokens, |door| &door.tokens);
    // Who comes to a door without tokens was let in by its address or certificate.
    if tokens.is_empty() && (door.is_some() || peer.ip().to_canonical().is_loopback()) {
        return Ok(());
    }
    if named.is_empty() {
        return Err(Denied::Missing);
    }
    if named.iter().any(|token| is_one(tokens, token)) { Ok(()) } else { Err(Denied::Wrong) }
}

/// Whether it is one of these. Hashes are compared, in a time that tells nothing of the token.
fn is_one(tokens: &[Secret], token: &str) -> bool {
    tokens.iter().any(|ours| blake3::hash(ours.reveal().as_bytes()) == blake3::hash(token.as_bytes()))
}

/// Whose ids events have that come by this door: those of the token that is shown, else of the address.
pub(super) fn sender(app: &App, door: Option<&Door>, peer: SocketAddr, named: &[String]) -> String {
    let tokens = door.map_or(&app.settings.ingest.tokens, |door| &door.tokens);
    let door = door.map_or("", |door| door.account.name());
    match named.iter().find(|token| is_one(tokens, token)) {
        Some(token) => format!("{door} token {}", blake3::hash(token.as_bytes()).to_hex()),
        None => format!("{door} {}", peer.ip().to_canonical()),
    }
}

/// The account of what comes by a door, or to the main address.
pub(super) fn account<'a>(app: &'a App, door: Option<&'a Arc<Door>>) -> &'a Arc<InputCounters> {
    door.map_or(&app.pushes, |door| &door.account)
}

/// What is known of events before a request says anything of them.
pub(super) fn origin(app: &App, door: Option<&Door>, peer: SocketAddr) -> IngestOrigin {
    let known = door.map_or_else(|| IngestOrigin { zone: app.zone.clone(), ..IngestOrigin::default() }, |door| door.origin.clone());
    IngestOrigin { peer: peer.ip().to_canonical().to_string(), rules: Arc::clone(&app.rules), ..known }
}

/// How much of the body of a request that is refused is read, and for how long: so that its sender hears why.
const REFUSED_BYTES: usize = 64 * 1024;
const REFUSED_WAIT: Duration = Duration::from_secs(1);

/// Reads some of a body that nobody wants: a connection or stream that ends while it is still coming may take the answer with it.
pub(super) async fn let_go(body: axum::body::Body) {
    let _ = tokio::time::timeout(REFUSED_WAIT, axum::body::to_bytes(body, REFUSED_BYTES)).await;
}

impl FromRequest<Arc<App>> for Push {
    type Rejection = Refused;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Refused> {
        let door = Door::of(&request);
        Self::read(request, app).await.inspect_err(|refusal| {
            refused(
                account(app, door.as_ref()),
                match refusal {
                    Refused::Denied(_) => StatusCode::FORBIDDEN,
                    Refused::Other(error) => error.status(),
                },
            );
        })
    }
}

impl Push {
    async fn read(request: Request, app: &Arc<App>) -> Result<Self, Refused> {
        let door = Door::of(&request);
        let (mut parts, body) = request.into_parts();
        let ConnectInfo(peer) = ConnectInfo::<SocketAddr>::from_request_parts(&mut parts, app)
            .await
            .map_err(|e| ApiError::invalid(format!("the sender is not known: {e}")))?;
        let Query(query) = Query::<HashMap<String, String>>::from_request_parts(&mut parts, app)
            .await
            .map_err(|e| ApiError::invalid(format!("the parameters cannot be read: {}", e.body_text())))?;
        let in_path = parts.uri.path().strip_prefix("/v1/input/");
        let named = named(&parts.headers, in_path);
        if let Err(denied) = check(app, door.as_deref(), peer, &named) {
            let_go(body).await;
            return Err(Refused::Denied(denied));
        }
        let sender = sender(app, door.as_deref(), peer, &named);
        let headers = parts.headers.clone();
        // Senders of GELF pack as they like, and name several encodings or none: the bytes tell, as they do over UDP.
        let said = if parts.uri.path() == GELF { None } else { Some(Encoding::of(&headers)?) };
        let stopping = |_| ApiError::from(Error::new(ErrorKind::Cancelled, "the server is stopping"));
        let permit = Arc::clone(&app.bodies).acquire_owned().await.map_err(stopping)?;
        let bytes = whole(Request::from_parts(parts, body), limits::INGEST_BODY_BYTES_MAX).await?;
        let body = unpacked(said.unwrap_or_else(|| Encoding::seen(&bytes)), bytes).await?;
        Ok(Self { app: Arc::clone(app), door, headers, query, peer, sender, body, permit })
    }
}

async fn unpacked(encoding: Encoding, bytes: Bytes) -> ApiResult<Vec<u8>> {
    if encoding == Encoding::Identity {
        return Ok(bytes.into());
    }
    let expanded = blocking(move || expand(encoding, &bytes, limits::INGEST_EXPANDED_BYTES_MAX)).await;
    expanded.map_err(|e| if e.kind() == ErrorKind::Limit { ApiError::too_large(e.message()) } else { e.into() })
}

impl Push {
    /// Whether the body is said to be of a type that ends or begins so.
    fn is_of(&self, media: &str) -> bool {
        let said = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        said.split(';').next().is_some_and(|said| said.trim().eq_ignore_ascii_case(media))
    }

    /// What the request says of its events.
    fn origin(&self) -> IngestOrigin {
        let said = |name: &str| self.query.get(name).cloned();
        let known = origin(&self.app, self.door.as_deref(), self.peer);
        IngestOrigin {
            index: said("index").or(known.index),
            host: said("host").or(known.host),
            source: said("source").or(known.source),
            sourcetype: said("sourcetype").or(known.sourcetype),
            sender: self.sender.clone(),
            ..known
        }
    }

    /// Decodes the body and makes its events durable. `source` is that of events that name none.
    async fn take<T: Send + 'static>(
        self,
        source: &'static str,
        decode: impl FnOnce(&[u8], &mut Intake) -> Result<T> + Send + 'static,
    ) -> ApiResult<T> {
        self.take_all(source, decode).await.map(|(said, _)| said)
    }

    /// The same; tells which events of which batch were there already.
    async fn take_all<T: Send + 'static>(
        self,
        source: &'static str,
        decode: impl FnOnce(&[u8], &mut Intake) -> Result<T> + Send + 'static,
    ) -> ApiResult<(T, Repeated)> {
        let (origin, received) = (self.origin(), Timestamp(self.app.clock.now_nanos()));
        let Self { app, door, body, permit, .. } = self;
        let (sender, account) = (format!("{source} {}", origin.peer), account(&app, door.as_ref()));
        let decoded = blocking(move || {
            let mut intake = Intake::new(&origin, source, received)?;
            let said = decode(&body, &mut intake)?;
            Ok((intake.finish(), said))
        })
        .await;
        let (batches, said) = decoded.map_err(ApiError::from).inspect_err(|e| refused(account, e.status()))?;
        let (_, repeated) = append_all(&app, account, sender, batches).await?;
        drop(permit);
        Ok((said, repeated))
    }
}
