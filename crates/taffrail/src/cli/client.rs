//! A client of the HTTP API, for commands that work through a server.

use super::caret::{self, QueryProblem};
use super::exit::{Exit, Failure, Outcome};
use crate::api::schema::{ErrorAnswer, ErrorDetail, HealthAnswer};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use reqwest::{Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A server that answers.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    /// What it said of itself.
    pub health: HealthAnswer,
}

/// Longest line of an answer; a row holds at most one event, escaped.
const LINE_BYTES_MAX: usize = 256 * 1024 * 1024;

impl Client {
    /// Asks the server how it is.
    pub async fn connect(url: &str) -> Outcome<Self> {
        let base = url.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") {
            return Err(Failure::new(Exit::Usage, format!("{url:?} is not an address that starts with http://"))
                .with_hint("for example --url http://127.0.0.1:8514"));
        }
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .no_proxy()
            .build()
            .map_err(|e| Failure::new(Exit::Runtime, format!("cannot make an HTTP client: {e}")))?;
        let response = http.get(format!("{base}/api/v1/health")).timeout(Duration::from_secs(10)).send().await;
        let response = response.map_err(|e| unreachable(&base, &e))?;
        if response.status() != StatusCode::OK {
            return Err(Failure::new(
                Exit::NotFound,
                format!("{base} answers, but not as a Taffrail server (status {})", response.status().as_u16()),
            ));
        }
        let health =
            response.json().await.map_err(|_| Failure::new(Exit::NotFound, format!("{base} answers, but not as a Taffrail server")))?;
        Ok(Self { http, base, health })
    }

    /// The server's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// GET, with the answer as it comes.
    pub async fn get(&self, path: &str) -> Outcome<Response> {
        self.answer(self.http.get(format!("{}{path}", self.base))).await
    }

    /// GET of a JSON answer.
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Outcome<T> {
        self.get(path).await?.json().await.map_err(|e| unexpected(&self.base, &e))
    }

    /// POST of a JSON body, with a JSON answer.
    pub async fn post_json<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Outcome<T> {
        let response = self.post_or_detail(path, body).await?.map_err(failure)?;
        response.json().await.map_err(|e| unexpected(&self.base, &e))
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Outcome {
        self.answer(self.http.delete(format!("{}{path}", self.base))).await.map(drop)
    }

    /// POST of bytes.
    pub async fn post_bytes(&self, path: &str, body: Vec<u8>) -> Outcome<Response> {
        self.answer(self.http.post(format!("{}{path}", self.base)).header("content-type", "application/octet-stream").body(body)).await
    }

    /// GET, with the error as the server describes it.
    pub async fn get_or_detail(&self, path: &str) -> Outcome<Result<Response, ErrorDetail>> {
        self.answer_or_detail(self.http.get(format!("{}{path}", self.base))).await
    }

    /// POST of a JSON body, with the error as the server describes it.
    pub async fn post_or_detail<B: Serialize>(&self, path: &str, body: &B) -> Outcome<Result<Response, ErrorDetail>> {
        self.answer_or_detail(self.http.post(format!("{}{path}", self.base)).json(body)).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Outcome<Response> {
        self.answer_or_detail(request).await?.map_err(failure)
    }

    async fn answer_or_detail(&self, request: reqwest::RequestBuilder) -> Outcome<Result<Response, ErrorDetail>> {
        let response = request.send().await.map_err(|e| unreachable(&self.base, &e))?;
        if response.status().is_success() {
            return Ok(Ok(response));
        }
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        match serde_json::from_str::<ErrorAnswer>(&text) {
            Ok(answer) => Ok(Err(answer.error)),
            Err(_) => Err(Failure::new(Exit::Runtime, format!("{} answered {status}", self.base))),
        }
    }
}

/// The failure that a server's error means here.
pub fn failure(detail: ErrorDetail) -> Failure {
    let exit = match detail.kind.as_str() {
        "query" | "invalid" | "unsupported" | "too_large" => Exit::Usage,
        "not_found" => Exit::NotFound,
        "busy" => Exit::Busy,
        "full" => Exit::Full,
        "corrupt" => Exit::Corrupt,
        _ => Exit::Runtime,
    };
    let failure = Failure::new(exit, detail.message);
    match detail.hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// The failure of a query, drawn with its caret where the server said where.
pub fn query_failure(query: &str, detail: ErrorDetail, colour: bool) -> Failure {
    if detail.kind != "query" {
        return failure(detail);
    }
    let problem = QueryProblem {
        message: detail.message,
        span: detail.span.map(|s| (s.start, s.end)),
        hint: detail.hint,
        suggestions: detail.suggestions,
    };
    Failure::Query(caret::draw(query, &problem, colour))
}

fn unreachable(base: &str, error: &reqwest::Error) -> Failure {
    if error.is_connect() || error.is_timeout() {
        return Failure::new(Exit::NotFound, format!("no server answers at {base}"))
            .with_hint("start one with `taffrail serve --data DIR`");
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Failure::new(Exit::Runtime, format!("{base}: {cause}"))
}

fn unexpected(base: &str, error: &reqwest::Error) -> Failure {
    Failure::new(Exit::Runtime, format!("{base} gave an answer that cannot be read: {error}"))
        .with_hint("compare `taffrail --version` with the server's")
}

/// The lines of an answer as they come, without their newlines.
pub fn lines(base: &str, response: Response) -> impl Stream<Item = Outcome<Bytes>> + use<> {
    let base = base.to_owned();
    async_stream::try_stream! {
        let mut chunks = response.bytes_stream();
        let mut rest = BytesMut::new();
        let mut searched = 0;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|e| unreachable(&base, &e))?;
            rest.extend_from_slice(&chunk);
            while let Some(at) = rest[searched..].iter().position(|b| *b == b'\n') {
                let mut line = rest.split_to(searched + at + 1);
                line.truncate(line.len() - 1);
                searched = 0;
                yield line.freeze();
            }
            searched = rest.len();
            if searched > LINE_BYTES_MAX {
                Err(Failure::new(Exit::Runtime, format!("{base}: a line of the answer is longer than {LINE_BYTES_MAX} bytes")))?;
            }
        }
        if !rest.is_empty() {
            yield rest.freeze();
        }
    }
}
