//! Ingest: bodies of lines or JSON lines become durable events before they are answered.

use super::body::{Params, whole};
use super::error::{ApiError, ApiResult};
use super::push::{self, Door};
use super::schema::{ErrorAnswer, IngestAnswer};
use crate::app::App;
use crate::serve::blocking;
use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use taffrail_base::{Error, ErrorKind, limits};
use taffrail_collect::counters::DropReason;
use taffrail_collect::http::{self, Body, IngestOrigin};
use taffrail_collect::{InputCounters, ZoneName};
use taffrail_event::{EventBatch, Timestamp};

/// What is said of the events; all of it may be left out.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct IngestParams {
    /// The index that the events go to; `main` unless given.
    #[param(example = "main")]
    index: Option<String>,
    /// The machine that the events speak of; what they say, else the sender's address, unless given.
    #[param(example = "web-1")]
    host: Option<String>,
    /// Where they come from; `http` unless given.
    #[param(example = "app.log")]
    source: Option<String>,
    /// The name of their format; found from the content unless given.
    #[param(example = "syslog")]
    sourcetype: Option<String>,
    /// The zone of times that name none, such as `Europe/Berlin` or `+02:00`; what the settings say unless given.
    #[param(example = "Europe/Berlin")]
    zone: Option<String>,
}

/// Take lines as events.
///
/// Any bytes; one event a line, or what the format of the lines says belongs together. `Content-Encoding` may be
/// gzip, deflate or zstd. Answered when durable.
#[utoipa::path(post, path = "/api/v1/ingest/raw", tag = "ingest", params(IngestParams),
    request_body(content = String, content_type = "text/plain", description = "Lines", example = json!("Nov 21 20:14:03 web-1 sshd[812]: session opened for user root\n")),
    responses(
        (status = 200, description = "Durable", body = IngestAnswer),
        (status = 400, description = "Wrong parameters, or a damaged body; nothing was stored", body = ErrorAnswer),
        (status = 413, description = "Too large, as sent or expanded; nothing was stored", body = ErrorAnswer),
        (status = 415, description = "An encoding that is not taken", body = ErrorAnswer),
        (status = 507, description = "The disk is full", body = ErrorAnswer)
    ))]
pub async fn raw(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Params(params): Params<IngestParams>,
    request: Request,
) -> ApiResult<Json<IngestAnswer>> {
    take(app, Body::Raw, params, peer, request).await
}

/// Take JSON lines as events.
///
/// One JSON object a line; a line that is none is kept all the same and marked malformed. `Content-Encoding` may be
/// gzip, deflate or zstd. Answered when durable.
#[utoipa::path(post, path = "/api/v1/ingest/ndjson", tag = "ingest", params(IngestParams),
    request_body(content = String, content_type = "application/x-ndjson", description = "JSON lines", example = json!("{\"time\":\"2026-11-21T20:14:03Z\",\"level\":\"error\",\"msg\":\"disk full\"}\n")),
    responses(
        (status = 200, description = "Durable", body = IngestAnswer),
        (status = 400, description = "Wrong parameters, or a damaged body; nothing was stored", body = ErrorAnswer),
        (status = 413, description = "Too large, as sent or expanded; nothing was stored", body = ErrorAnswer),
        (status = 415, description = "An encoding that is not taken", body = ErrorAnswer),
        (status = 507, description = "The disk is full", body = ErrorAnswer)
    ))]
pub async fn ndjson(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Params(params): Params<IngestParams>,
    request: Request,
) -> ApiResult<Json<IngestAnswer>> {
    take(app, Body::Ndjson, params, peer, request).await
}

async fn take(app: Arc<App>, kind: Body, params: IngestParams, peer: SocketAddr, request: Request) -> ApiResult<Json<IngestAnswer>> {
    let door = Door::of(&request);
    let account = push::account(&app, door.as_ref());
    // The main address takes these from this machine alone, and always; a door asks for its tokens.
    if let Some(door) = &door
        && let Err(error) = door.check(&app, peer, request.headers())
    {
        refused(account, error.status());
        push::let_go(request.into_body()).await;
        return Err(error);
    }
    let _permit = app.bodies.acquire().await.map_err(|_| Error::new(ErrorKind::Cancelled, "the server is stopping"))?;
    let batches = decoded(&app, door.as_deref(), kind, params, peer, request).await.inspect_err(|e| refused(account, e.status()))?;
    let sender = format!("{} {}", if kind == Body::Raw { "lines" } else { "ndjson" }, peer.ip().to_canonical());
    append(&app, account, sender, batches).await.map(Json)
}

/// The events of a request.
async fn decoded(
    app: &App,
    door: Option<&Door>,
    kind: Body,
    params: IngestParams,
    peer: SocketAddr,
    request: Request,
) -> ApiResult<Vec<EventBatch>> {
    let encoding = Encoding::of(request.headers())?;
    let zone = params.zone.as_deref().map(str::parse::<ZoneName>).transpose().map_err(|e| ApiError::invalid(format!("zone: {e}")))?;
    let body = whole(request, limits::INGEST_BODY_BYTES_MAX).await?;
    let received = Timestamp(app.clock.now_nanos());
    let known = push::origin(app, door, peer);
    let origin = IngestOrigin {
        index: params.index.or(known.index),
        host: params.host.or(known.host),
        source: params.source.or(known.source),
        sourcetype: params.sourcetype.or(known.sourcetype),
        peer: known.peer,
        sender: known.sender,
        zone: zone.map_or(known.zone, |name| name.zone(&app.zone)),
        rules: known.rules,
    };
    let batches = blocking(move || {
        let expanded;
        let lines: &[u8] = match encoding {
            Encoding::Identity => &body,
            packed => {
                expanded = expand(packed, &body, limits::INGEST_EXPANDED_BYTES_MAX)?;
                &expanded
            }
        };
        http::batches(kind, lines, &origin, received)
    })
    .await;
    batches.map_err(|e| if e.kind() == ErrorKind::Limit { ApiError::too_large(e.message()) } else { e.into() })
}

/// Makes batches durable, one after the other, and books them on the sender's account. Goes on when the sender hangs up: what
/// becomes durable is booked as such.
pub(super) async fn append(app: &App, account: &Arc<InputCounters>, sender: String, batches: Vec<EventBatch>) -> ApiResult<IngestAnswer> {
    append_all(app, account, sender, batches).await.map(|(answer, _)| answer)
}

/// Of each batch, the numbers of the events that were stored before, as their ids tell.
pub(super) type Repeated = Vec<Vec<u32>>;

/// The same; tells which events were there already.
pub(super) async fn append_all(
    app: &App,
    account: &Arc<InputCounters>,
    sender: String,
    batches: Vec<EventBatch>,
) -> ApiResult<(IngestAnswer, Repeated)> {
    let (sink, account) = (Arc::clone(&app.sink), Arc::clone(account));
    let all = async move {
        let mut answer = IngestAnswer { accepted: 0, bytes: 0, sequence: 0 };
        let mut repeated = Repeated::new();
        for mut batch in batches {
            answer.bytes += batch.raw_bytes() as u64;
            let tally = account.book(&sender, &batch);
            // Which events are there already is looked up in it.
            batch.share();
            match sink.append(batch.clone()).await {
                Ok(receipt) => {
                    tally.stored_but(&receipt.repeated, &batch);
                    answer.accepted += receipt.events;
                    answer.sequence = receipt.sequence;
                    repeated.push(receipt.repeated);
                }
                Err(error) => {
                    tally.dropped(DropReason::Refused);
                    return Err(error);
                }
            }
        }
        Ok((answer, repeated))
    };
    let done = tokio::spawn(all).await;
    Ok(done.unwrap_or_else(|e| Err(Error::new(ErrorKind::Bug, format!("storing events ended abnormally: {e}"))))?)
}

/// Counts a request that is refused before there are events of it.
pub(super) fn refused(account: &InputCounters, status: StatusCode) {
    account.skip(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "denied",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "encoding",
        status if status.is_client_error() => "malformed",
        _ => "busy",
    });
}

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Deflate,
    Zstd,
}

impl Encoding {
    pub(super) fn of(headers: &HeaderMap) -> ApiResult<Self> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let value = values.next().map_or(Ok("identity"), |v| v.to_str()).unwrap_or("?").trim().to_ascii_lowercase();
        match (value.as_str(), values.next()) {
            ("identity" | "", None) => Ok(Self::Identity),
            ("gzip" | "x-gzip", None) => Ok(Self::Gzip),
            ("deflate", None) => Ok(Self::Deflate),
            ("zstd", None) => Ok(Self::Zstd),
            _ => Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported",
                format!("the Content-Encoding {value:?} is not taken"),
            )
            .with_hint("use gzip, deflate, zstd or none")),
        }
    }

    /// What the first bytes say, of a body that is JSON when it is not packed.
    pub(super) fn seen(body: &[u8]) -> Self {
        match body {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            body if has_zlib_header(body) => Self::Deflate,
            _ => Self::Identity,
        }
    }
}

fn has_zlib_header(body: &[u8]) -> bool {
    matches!(body, [first, second, ..] if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)).is_multiple_of(31))
}

/// The body unpacked, at most `most` bytes.
pub(super) fn expand(encoding: Encoding, body: &[u8], most: u64) -> Result<Vec<u8>, Error> {
    let damaged = |e: std::io::Error| Error::new(ErrorKind::Invalid, format!("the {encoding:?} body is damaged: {e}"));
    let reader: Box<dyn Read + '_> = match encoding {
        Encoding::Identity => Box::new(body),
        Encoding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(body)),
        // Senders mean either of two things by deflate: with the zlib header, or bare.
        Encoding::Deflate if has_zlib_header(body) => Box::new(flate2::read::ZlibDecoder::new(body)),
        Encoding::Deflate => Box::new(flate2::read::DeflateDecoder::new(body)),
        Encoding::Zstd => Box::new(zstd::stream::read::Decoder::new(body).map_err(damaged)?),
    };
    let mut expanded = Vec::new();
    reader.take(most + 1).read_to_end(&mut expanded).map_err(damaged)?;
    if expanded.len() as u64 > most {
        return Err(Error::new(ErrorKind::Limit, format!("the body expands to more than {most} bytes")));
    }
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn packed(encoding: Encoding, plain: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::fast();
        match encoding {
            Encoding::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(plain).expect("packs");
                encoder.finish().expect("packs")
            }
            Encoding::Deflate => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(plain).expect("packs");
                encoder.finish().expect("packs")
            }
            Encoding::Zstd => zstd::encode_all(plain, 1).expect("packs"),
            Encoding::Identity => plain.to_vec(),
        }
    }

    #[test]
    fn every_encoding_unpacks_within_the_cap_and_not_beyond() {
        let plain = b"line\n".repeat(2_000);
        for encoding in [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd] {
            let body = packed(encoding, &plain);
            assert_eq!(expand(encoding, &body, 10_000).expect("fits"), plain, "{encoding:?}");
            assert_eq!(expand(encoding, &body, 9_999).expect_err("is too large").kind(), ErrorKind::Limit, "{encoding:?}");
            assert_eq!(expand(encoding, &body[..body.len() - 3], 10_000).expect_err("is cut").kind(), ErrorKind::Invalid, "{encoding:?}");
        }
        let mut bare = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        bare.write_all(&plain).expect("packs");
        assert_eq!(expand(Encoding::Deflate, &bare.finish().expect("packs"), 10_000).expect("fits"), plain);
    }
}
