//! Receivers over HTTP: HEC, OTLP, Elasticsearch, Loki, GELF, Datadog, journals, lines, JSON lines, another Taffrail. One way of sending, one function
//! a protocol that writes the body.
//!
//! **Promise.** Confirmed is what was answered with a status of success. A body that is refused for what is in it (400, 413,
//! 422) is halved until the event is found that is meant: that one is counted as refused, and the others go on. Where an answer of
//! success says that some are refused (`_bulk`, OTLP), these are counted, and what was taken is not sent again. Elasticsearch and another Taffrail
//! are told an id of each event, so that what is sent again after a broken connection or a kill is there once; `409` of `_bulk` is such an event.

use super::connection::{OutputTls, client_config};
use super::encode;
use super::{Delivered, Output, Surroundings};
use crate::forwarding;
use futures::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use reqwest::{Client, StatusCode, Url};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::Range;
use std::time::Duration;
use taffrail_base::limits::{OUTPUT_CONNECT_SECONDS, OUTPUT_REPLY_BYTES_MAX, OUTPUT_REPLY_SECONDS, OUTPUT_REQUEST_BYTES};
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_event::EventBatch;

/// What names us to a receiver; shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str("(hidden)")
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// `type = "hec"`, `"otlp"`, `"elastic"`, `"loki"`, `"gelf-http"`, `"datadog"`, `"journal-upload"`, `"lines"`, `"json-lines"` and
/// `"taffrail"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpOutput {
    /// Address of the server, such as `https://logs.example.com:8088`. The protocol's own path is added, but for lines and
    /// JSON lines, which go to the very address.
    pub url: String,
    /// What names us to the receiver.
    #[serde(default)]
    pub token: Option<Token>,
    /// Whom to trust and who we are, for `https`; the authorities of this machine if not given.
    #[serde(default)]
    pub tls: Option<OutputTls>,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Hec,
    Otlp,
    Elastic,
    Loki,
    Lines,
    JsonLines,
    Taffrail,
    Gelf,
    Datadog,
    Journal,
}

impl Protocol {
    /// The path, the type of the body and what stands before a token.
    fn facts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Hec => ("services/collector/event", "application/json", "Splunk"),
            Self::Otlp => ("v1/logs", "application/json", "Bearer"),
            Self::Elastic => ("_bulk", "application/x-ndjson", "ApiKey"),
            Self::Loki => ("loki/api/v1/push", "application/json", "Bearer"),
            Self::Lines => ("", "text/plain", "Bearer"),
            Self::JsonLines => ("", "application/x-ndjson", "Bearer"),
            Self::Taffrail => ("api/v1/forward/batch", "application/octet-stream", "Bearer"),
            Self::Gelf => ("gelf", "application/json", "Bearer"),
            Self::Datadog => ("api/v2/logs", "application/json", "Bearer"),
            Self::Journal => ("upload", "application/vnd.fdo.journal", "Bearer"),
        }
    }

    fn body(self, batch: &EventBatch, from: usize, until: usize) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Hec => encode::hec(batch, from, until),
            Self::Otlp => encode::otlp(batch, from, until),
            Self::Elastic => encode::elastic(batch, from, until),
            Self::Loki => encode::loki(batch, from, until),
            Self::Lines => encode::lines(batch, from, until),
            Self::JsonLines => encode::json_lines(batch, from, until),
            Self::Gelf => encode::gelf_lines(batch, from, until),
            Self::Datadog => encode::datadog(batch, from, until),
            Self::Journal => encode::journal(batch, from, until),
            Self::Taffrail => forwarding::encode(&encode::part(batch, from, until))?,
        })
    }
}

pub(super) struct Http {
    protocol: Protocol,
    url: Url,
    /// The header that names us.
    token: Option<(HeaderName, String)>,
    client: Client,
}

/// Why a body was not taken.
enum Failed {
    /// For what is in it.
    Content(String),
    Other(Error),
}

/// What a receiver has taken of a body that it answered with success.
struct Taken {
    /// Events, from the first on, that need not be sent again.
    events: usize,
    /// How many of these it will never take, and why the last of them.
    refused: Option<(u64, String)>,
    /// Why it did not take the others.
    outcome: Result<()>,
}

impl Taken {
    fn all(events: usize) -> Self {
        Self { events, refused: None, outcome: Ok(()) }
    }
}

impl Http {
    pub fn new(protocol: Protocol, settings: &HttpOutput, around: &Surroundings) -> Result<Self> {
        let (path, _, scheme) = protocol.facts();
        let wrong = |what: String| Error::new(ErrorKind::Invalid, what).with_hint("for example https://logs.example.com:8088");
        // What may be a password stands in no error.
        let base = Url::parse(&settings.url).map_err(|e| wrong(format!("url is not an address: {e}")))?;
        if !matches!(base.scheme(), "http" | "https")
            || base.host_str().is_none()
            || !base.username().is_empty()
            || base.password().is_some()
        {
            return Err(wrong("url begins with neither http:// nor https://, names no host, or holds a password".into()));
        }
        let url = match path {
            "" => base,
            path => {
                let text = format!("{}/{path}", settings.url.trim_end_matches('/'));
                Url::parse(&text).map_err(|e| wrong(format!("url is not an address: {e}")))?
            }
        };
        let mut builder = Client::builder()
            .connect_timeout(Duration::from_secs(OUTPUT_CONNECT_SECONDS))
            .timeout(Duration::from_secs(OUTPUT_REPLY_SECONDS))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if let Some(tls) = &settings.tls {
            if tls.server_name.is_some() {
                let error = Error::new(ErrorKind::Invalid, "server_name is for outputs with an address; over HTTP the url has the name");
                return Err(error.with_hint("put the name in the receiver's certificate into url, and leave server_name out"));
            }
            builder = builder.use_preconfigured_tls(client_config(tls, &*around.vfs)?);
        }
        let client = builder.build().map_err(|e| Error::new(ErrorKind::Invalid, format!("an HTTP client cannot be made: {e}")))?;
        let token = settings.token.as_ref().map(|token| match protocol {
            Protocol::Datadog => (HeaderName::from_static("dd-api-key"), token.0.clone()),
            _ => (AUTHORIZATION, format!("{scheme} {}", token.0)),
        });
        Ok(Self { protocol, url, token, client })
    }

    async fn post(&self, body: Vec<u8>, events: usize) -> std::result::Result<Taken, Failed> {
        let mut request = self.client.post(self.url.clone()).header(CONTENT_TYPE, self.protocol.facts().1).body(body);
        if let Some((header, token)) = &self.token {
            request = request.header(header, token);
        }
        let place = self.url.host_str().unwrap_or_default();
        let trouble = |e: reqwest::Error| Failed::Other(Error::new(ErrorKind::Io, format!("{place}: {}", chain(&e.without_url()))));
        let mut response = request.send().await.map_err(trouble)?;
        let status = response.status();
        let mut said = Vec::new();
        while let Some(part) = response.chunk().await.map_err(trouble)? {
            if said.len() + part.len() > OUTPUT_REPLY_BYTES_MAX {
                return Err(Failed::Other(Error::new(ErrorKind::Limit, format!("{place}: the answer is too long"))));
            }
            said.extend_from_slice(&part);
        }
        let text = || String::from_utf8_lossy(&said).chars().filter(|c| !c.is_control()).take(200).collect::<String>();
        match status {
            status if status.is_success() => self.taken(&said, events),
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
                Err(Failed::Content(format!("{place} answers {}: {}", status.as_u16(), text())))
            }
            status => Err(Failed::Other(Error::new(ErrorKind::Io, format!("{place} answers {}: {}", status.as_u16(), text())))),
        }
    }

    /// What an answer of success says: of some protocols, that not all was taken.
    fn taken(&self, said: &[u8], events: usize) -> std::result::Result<Taken, Failed> {
        let answer = || serde_json::from_slice::<serde_json::Value>(said).unwrap_or_default();
        match self.protocol {
            Protocol::Elastic => by_items(&answer(), events),
            Protocol::Otlp => Ok(by_rejected(&answer(), events)),
            _ => Ok(Taken::all(events)),
        }
    }
}

/// What `_bulk` says of each document, in their order.
fn by_items(answer: &serde_json::Value, events: usize) -> std::result::Result<Taken, Failed> {
    if answer["errors"].as_bool() != Some(true) {
        return Ok(Taken::all(events));
    }
    let why = |item: &serde_json::Value| item["error"].to_string().chars().take(200).collect::<String>();
    let items = answer["items"].as_array().map_or(&[][..], Vec::as_slice);
    let items: Vec<_> = items.iter().filter_map(|item| item.as_object()?.values().next()).collect();
    if items.len() != events {
        let what = format!("the answer tells of {} of {events} documents", items.len());
        return Err(Failed::Other(Error::new(ErrorKind::Io, what)));
    }
    let mut taken = Taken::all(events);
    for (at, item) in items.into_iter().enumerate().filter(|(_, item)| !item["error"].is_null()) {
        if item["status"] == 409 {
            // It has the document: we had sent it before.
            continue;
        }
        if matches!(item["status"].as_u64(), Some(429 | 500..)) {
            taken.outcome = Err(Error::new(ErrorKind::Busy, format!("the receiver refuses for now: {}", why(item))));
            taken.events = at;
            break;
        }
        taken.refused = Some((taken.refused.map_or(0, |(before, _)| before) + 1, why(item)));
    }
    Ok(taken)
}

/// What OTLP says: how many records it rejects for good, not which. The others it has, and must not be sent again.
fn by_rejected(answer: &serde_json::Value, events: usize) -> Taken {
    let said = &answer["partialSuccess"];
    let rejected = said["rejectedLogRecords"].as_str().map_or(said["rejectedLogRecords"].as_u64(), |number| number.parse().ok());
    let rejected = rejected.unwrap_or_default().min(events as u64);
    let why: String = said["errorMessage"].as_str().unwrap_or("records are rejected").chars().take(200).collect();
    Taken { refused: (rejected > 0).then_some((rejected, why)), ..Taken::all(events) }
}

/// What an event takes beside its bytes, about: in the request, or in an answer that tells of each.
const EVENT_BYTES: usize = 512;

/// The end of the events that are sent in one request: as many as fit into one, `most` at most, and one at least.
fn request_end(batch: &EventBatch, rest: Range<usize>, most: usize) -> usize {
    let mut bytes = 0;
    let fits = |at: &usize| {
        bytes += batch.event(*at).raw.len() + EVENT_BYTES;
        bytes <= OUTPUT_REQUEST_BYTES
    };
    rest.start + rest.take(most).take_while(fits).count().max(1)
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

impl Output for Http {
    fn wants_ids(&self) -> bool {
        matches!(self.protocol, Protocol::Taffrail | Protocol::Elastic)
    }

    fn deliver<'a>(&'a mut self, batch: &'a EventBatch, range: Range<usize>) -> BoxFuture<'a, Delivered> {
        Box::pin(async move {
            let (mut at, mut most, mut refused) = (range.start, range.len(), None::<(u64, String)>);
            while at < range.end {
                let until = request_end(batch, at..range.end, most);
                let sent = match self.protocol.body(batch, at, until) {
                    Ok(body) => self.post(body, until - at).await,
                    Err(error) => Err(Failed::Other(error)),
                };
                let taken = match sent {
                    Ok(taken) => {
                        most = (most * 2).min(range.len());
                        taken
                    }
                    Err(Failed::Content(_)) if until - at > 1 => {
                        most = (until - at) / 2;
                        continue;
                    }
                    Err(Failed::Content(why)) => Taken { refused: Some((1, why)), ..Taken::all(1) },
                    Err(Failed::Other(error)) => Taken { outcome: Err(error), ..Taken::all(0) },
                };
                at += taken.events;
                if let Some((count, why)) = taken.refused {
                    refused = Some((refused.map_or(0, |(before, _)| before) + count, why));
                }
                if taken.outcome.is_err() {
                    return Delivered { confirmed: at - range.start, attempted: until - range.start, refused, outcome: taken.outcome };
                }
            }
            Delivered { refused, ..Delivered::all(range.len()) }
        })
    }
}
