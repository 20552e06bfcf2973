//! Receivers over HTTP: HEC, OTLP, Elasticsearch, Loki, lines, JSON lines, another Taffrail. One way of sending, one function
//! a protocol that writes the body.
//!
//! **Promise.** Confirmed is what was answered with a status of success. A body that is refused for what is in it (400, 413,
//! 422) is halved until the event is found that is meant: that one is counted as refused, and the others go on.

use super::connection::{OutputTls, client_config};
use super::encode;
use super::{Delivered, Output, Surroundings};
use crate::forwarding;
use futures::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, StatusCode, Url};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;
use taffrail_base::limits::{OUTPUT_CONNECT_SECONDS, OUTPUT_REPLY_BYTES_MAX, OUTPUT_REPLY_SECONDS};
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

/// `type = "hec"`, `"otlp"`, `"elastic"`, `"loki"`, `"lines"`, `"json-lines"` and `"taffrail"`.
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
            Self::Taffrail => forwarding::encode(&encode::part(batch, from, until))?,
        })
    }
}

pub(super) struct Http {
    protocol: Protocol,
    url: Url,
    token: Option<String>,
    client: Client,
}

/// Why a body was not taken.
enum Failed {
    /// For what is in it.
    Content(String),
    Other(Error),
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
        let token = settings.token.as_ref().map(|token| format!("{scheme} {}", token.0));
        Ok(Self { protocol, url, token, client })
    }

    async fn post(&self, body: Vec<u8>) -> std::result::Result<(), Failed> {
        let mut request = self.client.post(self.url.clone()).header(CONTENT_TYPE, self.protocol.facts().1).body(body);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
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
            status if status.is_success() => self.partly(&said),
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
                Err(Failed::Content(format!("{place} answers {}: {}", status.as_u16(), text())))
            }
            status => Err(Failed::Other(Error::new(ErrorKind::Io, format!("{place} answers {}: {}", status.as_u16(), text())))),
        }
    }

    /// Protocols that answer with success and say within that not all was taken.
    fn partly(&self, said: &[u8]) -> std::result::Result<(), Failed> {
        let answer: serde_json::Value = match self.protocol {
            Protocol::Elastic | Protocol::Otlp => serde_json::from_slice(said).unwrap_or_default(),
            _ => return Ok(()),
        };
        if self.protocol == Protocol::Otlp {
            return match answer["partialSuccess"]["rejectedLogRecords"]
                .as_str()
                .map_or(answer["partialSuccess"]["rejectedLogRecords"].as_u64(), |n| n.parse().ok())
            {
                // They were refused for good, and which they are is not said.
                Some(refused) if refused > 0 => Err(Failed::Content(format!("{refused} records are rejected"))),
                _ => Ok(()),
            };
        }
        if answer["errors"].as_bool() != Some(true) {
            return Ok(());
        }
        let items = answer["items"].as_array().map_or(&[][..], Vec::as_slice);
        let statuses = || items.iter().filter_map(|item| item.as_object()?.values().next()).filter(|item| !item["error"].is_null());
        let busy = statuses().any(|item| matches!(item["status"].as_u64(), Some(429 | 500..)));
        let why = statuses().next().map(|item| item["error"].to_string().chars().take(200).collect::<String>()).unwrap_or_default();
        if busy {
            Err(Failed::Other(Error::new(ErrorKind::Busy, format!("the receiver refuses for now: {why}"))))
        } else {
            Err(Failed::Content(why))
        }
    }
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
    fn deliver<'a>(&'a mut self, batch: &'a EventBatch, from: usize) -> BoxFuture<'a, Delivered> {
        Box::pin(async move {
            let all = batch.len() - from;
            let (mut confirmed, mut size, mut refused) = (0, all, None::<(u64, String)>);
            while confirmed < all {
                let until = (confirmed + size).min(all);
                let sent = match self.protocol.body(batch, from + confirmed, from + until) {
                    Ok(body) => self.post(body).await,
                    Err(error) => Err(Failed::Other(error)),
                };
                match sent {
                    Ok(()) => {
                        confirmed = until;
                        size = (size * 2).min(all);
                    }
                    Err(Failed::Content(_)) if until - confirmed > 1 => size = (until - confirmed) / 2,
                    Err(Failed::Content(why)) => {
                        refused = Some((refused.map_or(0, |(before, _)| before) + 1, why));
                        confirmed = until;
                    }
                    Err(Failed::Other(error)) => return Delivered { confirmed, attempted: until, refused, outcome: Err(error) },
                }
            }
            Delivered { refused, ..Delivered::all(all) }
        })
    }
}
