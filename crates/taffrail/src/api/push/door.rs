//! Doors of their own for what others push: the same routes as on the main address, and nothing else. No page, no API, and no look
//! at the `Host`, since a door may have any name; tokens, networks and certificates say who may come in.

use super::{Denied, check, elastic, let_go, named, protocol};
use crate::api::error::{ApiError, ApiResult};
use crate::api::guard;
use crate::api::routes::{Permission, Routes};
use crate::app::App;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use taffrail_base::Secret;
use taffrail_collect::InputCounters;
use taffrail_collect::http::IngestOrigin;
use taffrail_collect::requests::{Answer, Asked, HttpSettings, Pushed, Requests};
use tower::ServiceExt;
use utoipa::openapi::OpenApi;

/// What a door says of what comes by it.
pub struct Door {
    /// One of them must be named, if there are any.
    pub(super) tokens: Vec<Secret>,
    /// What is known of events for which nobody says it.
    pub(super) origin: IngestOrigin,
    /// The account of the door.
    pub(super) account: Arc<InputCounters>,
}

impl Door {
    fn new(app: &App, settings: &HttpSettings, counters: &Arc<InputCounters>) -> Self {
        let tokens = if settings.tokens.is_empty() { &app.settings.ingest.tokens } else { &settings.tokens };
        Self {
            tokens: tokens.clone(),
            origin: IngestOrigin {
                index: settings.index.clone(),
                host: settings.host.clone(),
                source: settings.source.clone(),
                sourcetype: settings.sourcetype.clone(),
                peer: String::new(),
                sender: String::new(),
                zone: settings.zone.as_ref().map_or_else(|| app.zone.clone(), |name| name.zone(&app.zone)),
                rules: Arc::clone(&app.rules),
            },
            account: Arc::clone(counters),
        }
    }

    /// The door by which a request came; `None`: the main address.
    pub fn of(request: &Request) -> Option<Arc<Self>> {
        request.extensions().get::<Arc<Self>>().cloned()
    }

    /// Refuses who names none of its tokens.
    pub fn check(&self, app: &App, peer: SocketAddr, headers: &HeaderMap) -> ApiResult<()> {
        check(app, Some(self), peer, &named(headers, None)).map_err(|denied| match denied {
            Denied::Missing => ApiError::new(StatusCode::UNAUTHORIZED, "forbidden", "a token is needed"),
            Denied::Wrong => ApiError::forbidden("the token is not known here"),
        })
    }
}

/// Answers at doors.
pub struct Doors(pub Arc<App>);

impl Requests for Doors {
    fn door(&self, settings: &HttpSettings, counters: &Arc<InputCounters>) -> Answer {
        let router = router(&self.0, settings, Arc::new(Door::new(&self.0, settings, counters)));
        Arc::new(move |peer: IpAddr, request: Asked| {
            let router = router.clone();
            Box::pin(async move {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(SocketAddr::new(peer, 0)));
                let answer = router.oneshot(request).await.unwrap_or_else(|never| match never {});
                answer.map(|body| UnsyncBoxBody::new(body.map_err(Into::into)))
            })
        })
    }
}

/// The routes of what a door takes.
fn router(app: &Arc<App>, settings: &HttpSettings, door: Arc<Door>) -> Router {
    let accepted = settings.accepted();
    let mut routes = accepted.iter().fold(Routes::new(OpenApi::default()), |routes, pushed| protocol(routes, *pushed));
    if accepted.contains(&Pushed::Elasticsearch) {
        for path in ["/", "/elastic/"] {
            routes = routes.foreign(Permission::Describe, path, get(elastic::about_for));
        }
    }
    let (router, _, _) = routes.finish();
    router
        .fallback(nothing_here)
        .layer(Extension(door))
        .layer(middleware::from_fn(no_browsers))
        .layer(middleware::from_fn_with_state(Arc::clone(app), guard::count))
        .with_state(Arc::clone(app))
}

async fn nothing_here(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let_go(body).await;
    ApiError::new(StatusCode::NOT_FOUND, "not_found", format!("nothing is taken at {} here", parts.uri.path())).into_response()
}

/// Refuses what a page of some site makes a browser send: who may reach a door from his machine need not mean to.
async fn no_browsers(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::ORIGIN) || request.headers().contains_key("sec-fetch-site") {
        let_go(request.into_body()).await;
        return ApiError::forbidden("the request was caused by a page in a browser").into_response();
    }
    next.run(request).await
}
