//! The requests of sources and their answers: HTTP/1.1 on a connection whose certificate is good.
//!
//! Envelopes of one source are taken one after the other, so that none overtakes the one before it, and are stored whether or
//! not the source waits for the answer. Bodies that are being received, and envelopes that are being taken apart, are bounded for all
//! connections together.

use super::envelope::{self, Action, Charset, Message};
use super::identity::{Identity, is_same};
use super::progress::{Facts, Note, Progress};
use super::sldc;
use super::subscription::Subscription;
use crate::counters::InputCounters;
use crate::decode::Envelope;
use crate::delivery::{OnFailure, deliver};
use crate::finding;
use crate::input::{Context, Stop};
use crate::outgoing::Outgoing;
use crate::records::{Record, Writer};
use crate::stream::server::{Caller, Serve};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::convert::Infallible;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use taffrail_base::limits::{WEF_BODY_BYTES_MAX, WEF_EXPANDED_BYTES_MAX, WEF_HELD_BYTES_MAX, WEF_SOURCES_MAX, WEF_TOGETHER_MAX};
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_event::{Problems, Timestamp};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, Semaphore};

/// How long a body may take to arrive.
const BODY_WAIT: Duration = Duration::from_secs(60);

/// How long an envelope waits for the one before it, and for a store that is full or busy. Sources give up after a minute, and
/// then send again: they had better be told before.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a connection that is to end may take to be answered what it has asked.
const GOODBYE_WAIT: Duration = Duration::from_secs(15);

/// Sources are spread over so many locks: two of one lock wait for each other, which costs time only.
const LOCKS: usize = 256;

/// Bytes of a request line and its headers.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Where requests go to.
const PATH: &str = "/wsman";

/// A source on a connection.
struct Sender {
    identity: Identity,
    peer: IpAddr,
    /// Requests so far, and those that are being answered.
    asked: AtomicUsize,
    open: AtomicUsize,
}

/// Speaks HTTP on connections.
#[derive(Clone)]
pub(super) struct Connections {
    pub service: Arc<Service>,
    pub stop: Stop,
    /// How long a connection may be without a request.
    pub idle: Duration,
}

impl Serve for Connections {
    async fn serve(self, wire: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, caller: Caller) {
        // TLS lets nobody in without one.
        let Some(certificate) = caller.certificate else { return };
        let identity = Identity::of(&certificate);
        let sender = Sender { identity, peer: caller.peer.to_canonical(), asked: AtomicUsize::default(), open: AtomicUsize::default() };
        self.converse(wire, Arc::new(sender)).await;
    }
}

impl Connections {
    async fn converse(mut self, wire: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, sender: Arc<Sender>) {
        let (service, asking) = (Arc::clone(&self.service), Arc::clone(&sender));
        let answer = service_fn(move |request: Request<Incoming>| {
            let (service, sender) = (Arc::clone(&service), Arc::clone(&asking));
            async move {
                sender.asked.fetch_add(1, Ordering::Relaxed);
                sender.open.fetch_add(1, Ordering::Relaxed);
                let answer = service.answer(&sender, request).await;
                sender.open.fetch_sub(1, Ordering::Relaxed);
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).serve_connection(TokioIo::new(wire), answer);
        tokio::pin!(connection);
        let mut closing = false;
        loop {
            let asked = sender.asked.load(Ordering::Relaxed);
            let wait = if closing { GOODBYE_WAIT } else { self.idle };
            tokio::select! {
                ended = connection.as_mut() => {
                    if ended.is_err_and(|error| error.is_parse()) {
                        self.service.counters.skip("no_http");
                    }
                    return;
                }
                () = self.stop.stopped(), if !closing => closing = true,
                () = tokio::time::sleep(wait) => match closing {
                    true => return,
                    false => closing = sender.open.load(Ordering::Relaxed) == 0 && sender.asked.load(Ordering::Relaxed) == asked,
                },
            }
            if closing {
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// What a service is made of.
pub(super) struct Setup {
    pub context: Context,
    pub counters: Arc<InputCounters>,
    pub stop: Stop,
    pub envelope: Envelope,
    pub subscriptions: Vec<Subscription>,
    /// Check sums of the authorities that sign the certificates of sources.
    pub issuers: Vec<String>,
}

/// What all connections share.
pub(super) struct Service {
    context: Context,
    counters: Arc<InputCounters>,
    stop: Stop,
    envelope: Envelope,
    subscriptions: Vec<Subscription>,
    issuers: Vec<String>,
    locks: Vec<Mutex<()>>,
    together: Semaphore,
    /// Bytes of bodies that are being received, or wait for their turn.
    held: AtomicUsize,
    /// Sources whose progress is kept.
    sources: AtomicUsize,
}

/// Why a request is not taken.
struct Refusal {
    status: StatusCode,
    /// Under which it is counted.
    reason: &'static str,
    text: String,
}

fn refusal(status: StatusCode, reason: &'static str, text: impl Into<String>) -> Refusal {
    Refusal { status, reason, text: text.into() }
}

/// A request, once all of it is there.
struct Received {
    body: Vec<u8>,
    /// While it is there, the bytes of the body are booked as held.
    _booking: Booking,
    packed: bool,
    charset: Option<Charset>,
    /// How the source reaches us.
    host: Option<String>,
}

/// Bytes of a body that are held, given back when it is gone.
struct Booking {
    service: Arc<Service>,
    bytes: usize,
}

impl Booking {
    /// Books some more; false if it is too much for all of them.
    fn add(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.service.held.fetch_add(bytes, Ordering::Relaxed) + bytes <= WEF_HELD_BYTES_MAX
    }
}

impl Drop for Booking {
    fn drop(&mut self) {
        self.service.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// An envelope that was taken apart.
struct Opened {
    message: Message,
    facts: Vec<Facts>,
    charset: Charset,
    is_damaged: bool,
}

impl Service {
    pub fn new(setup: Setup) -> Self {
        let Setup { context, counters, stop, envelope, subscriptions, issuers } = setup;
        let sources = context.sink.positions(&format!("wef/{}/", envelope.index)).len();
        Self {
            context,
            counters,
            stop,
            envelope,
            subscriptions,
            issuers,
            locks: std::iter::repeat_with(Mutex::default).take(LOCKS).collect(),
            together: Semaphore::new(WEF_TOGETHER_MAX),
            held: AtomicUsize::default(),
            sources: AtomicUsize::new(sources),
        }
    }

    /// Returns when nothing is being stored any more.
    pub async fn settled(&self) {
        let _ = self.together.acquire_many(u32::try_from(WEF_TOGETHER_MAX).unwrap_or(1)).await;
    }

    async fn answer(self: &Arc<Self>, sender: &Arc<Sender>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let answered = match self.receive(request).await {
            Ok(None) => return response(StatusCode::OK, "", Charset::Utf8),
            Ok(Some(received)) => {
                let (service, sender) = (Arc::clone(self), Arc::clone(sender));
                // Goes on when the source hangs up: what becomes durable is booked as such.
                let work = tokio::spawn(async move { service.take(&sender, received).await });
                work.await.unwrap_or_else(|_| Err(refusal(StatusCode::INTERNAL_SERVER_ERROR, "not_stored", "the request ended abnormally")))
            }
            Err(refused) => Err(refused),
        };
        answered.unwrap_or_else(|refused| {
            self.counters.skip(refused.reason);
            self.counters.problem(format!("a request of {} was refused: {}", sender.identity.name(), refused.text));
            let fault = envelope::fault(&Message::default(), refused.status.is_server_error(), "w:InternalError", &refused.text);
            response(refused.status, &fault, Charset::Utf8)
        })
    }

    /// Receives a request; nothing if it has no body, as Windows begins by asking whether it is let in.
    async fn receive(self: &Arc<Self>, request: Request<Incoming>) -> Result<Option<Received>, Refusal> {
        if request.uri().path() != PATH && !request.uri().path().starts_with(&format!("{PATH}/")) {
            return Err(refusal(StatusCode::NOT_FOUND, "unsupported", format!("there is nothing but {PATH} here")));
        }
        if request.method() != Method::POST {
            return Err(refusal(StatusCode::METHOD_NOT_ALLOWED, "unsupported", "only POST is answered"));
        }
        let headers = request.headers();
        let packed = match header(headers, CONTENT_ENCODING.as_str()).to_ascii_lowercase().as_str() {
            "" | "identity" => false,
            "sldc" => true,
            _ => return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding", "the only encoding is SLDC")),
        };
        let charset = header(headers, CONTENT_TYPE.as_str()).to_ascii_lowercase();
        let charset = if charset.contains("utf-16") { Some(Charset::Utf16) } else { None };
        let host = Some(header(headers, HOST.as_str())).filter(|host| is_host(host)).map(str::to_owned);
        let mut booking = Booking { service: Arc::clone(self), bytes: 0 };
        let body = tokio::time::timeout(BODY_WAIT, whole(request.into_body(), &mut booking)).await;
        let body = body.map_err(|_| refusal(StatusCode::REQUEST_TIMEOUT, "broken", "its body did not arrive in time"))??;
        Ok((!body.is_empty()).then_some(Received { body, _booking: booking, packed, charset, host }))
    }

    /// Takes an envelope apart and does what it wants.
    async fn take(&self, sender: &Sender, mut received: Received) -> Result<Response<Full<Bytes>>, Refusal> {
        let busy = || refusal(StatusCode::SERVICE_UNAVAILABLE, "busy", "the envelope before it is still being stored");
        let hash = rustc_hash::FxBuildHasher.hash_one(sender.identity.name());
        let lock = &self.locks[(hash % LOCKS as u64) as usize];
        let _turn = tokio::time::timeout(PATIENCE, lock.lock()).await.map_err(|_| busy())?;
        let _permit = tokio::time::timeout(PATIENCE, self.together.acquire()).await.map_err(|_| busy())?.map_err(|_| busy())?;
        // Nothing new is begun: it was not acknowledged, so it comes again.
        if self.stop.is_stopped() {
            return Err(refusal(StatusCode::SERVICE_UNAVAILABLE, "busy", "the collector is stopping"));
        }
        let (body, packed, charset) = (std::mem::take(&mut received.body), received.packed, received.charset);
        let opened = tokio::task::spawn_blocking(move || open(&body, packed, charset)).await;
        let opened =
            opened.unwrap_or_else(|_| Err(refusal(StatusCode::INTERNAL_SERVER_ERROR, "malformed", "reading it ended abnormally")))?;
        let (status, text) = self.act(sender, &opened, received.host.as_deref()).await;
        Ok(response(status, &text, opened.charset))
    }

    async fn act(&self, sender: &Sender, opened: &Opened, host: Option<&str>) -> (StatusCode, String) {
        let message = &opened.message;
        let account = sender.identity.account(&message.machine);
        match message.wants() {
            Some(Action::Enumerate) => match host {
                Some(host) => (StatusCode::OK, self.enumerate(sender, message, &account, host)),
                None => {
                    self.counters.skip("unsupported");
                    (StatusCode::BAD_REQUEST, envelope::fault(message, false, "a:InvalidMessageInformationHeader", "it names no host"))
                }
            },
            Some(Action::End) => (StatusCode::NO_CONTENT, String::new()),
            Some(Action::SubscriptionEnd) => {
                let known = self.subscription(message).map_or("that is not known", |known| known.settings.name.as_str());
                self.counters.problem(format!("{account} has ended the subscription {known}"));
                (StatusCode::NO_CONTENT, String::new())
            }
            Some(Action::Events | Action::Heartbeat) => match self.store(sender, opened, &account).await {
                Ok(()) => (StatusCode::OK, envelope::acknowledgement(message)),
                Err(refused) => {
                    self.counters.skip(refused.reason);
                    self.counters.problem(format!("an envelope of {account} was refused: {}", refused.text));
                    let ours = refused.status.is_server_error();
                    let subcode = if ours { "w:InternalError" } else { "w:DeliveryRefused" };
                    (StatusCode::INTERNAL_SERVER_ERROR, envelope::fault(message, ours, subcode, &refused.text))
                }
            },
            None => {
                self.counters.skip("unsupported");
                let reason = format!("{} is not done here", message.action);
                (StatusCode::INTERNAL_SERVER_ERROR, envelope::fault(message, false, "a:ActionNotSupported", &reason))
            }
        }
    }

    /// The subscriptions of a source.
    fn enumerate(&self, sender: &Sender, message: &Message, account: &str, host: &str) -> String {
        self.counters.source(account).heard(self.context.clock.now_nanos());
        let asked = self.subscriptions.iter().filter(|subscription| subscription.is_for(&sender.identity));
        let items: String = asked
            .map(|subscription| {
                let progress = Progress::of(self.context.sink.position(&self.key(subscription, account)));
                subscription.item(host, progress.bookmark.as_deref(), &self.issuers)
            })
            .collect();
        let body = format!(
            "<n:EnumerateResponse><n:EnumerationContext></n:EnumerationContext><w:Items>{items}</w:Items><w:EndOfSequence/></n:EnumerateResponse>"
        );
        envelope::answer(message, "http://schemas.xmlsoap.org/ws/2004/09/enumeration/EnumerateResponse", &body)
    }

    fn subscription(&self, message: &Message) -> Option<&Subscription> {
        let id = message.identifier.strip_prefix("uuid:").unwrap_or(&message.identifier);
        self.subscriptions.iter().find(|subscription| subscription.id.eq_ignore_ascii_case(id))
    }

    fn key(&self, subscription: &Subscription, account: &str) -> String {
        format!("wef/{}/{}/{account}", self.envelope.index, subscription.id)
    }

    /// Makes the events of an envelope durable, with the progress that they are.
    async fn store(&self, sender: &Sender, opened: &Opened, account: &str) -> Result<(), Refusal> {
        let message = &opened.message;
        let Some(subscription) = self.subscription(message).filter(|subscription| subscription.is_for(&sender.identity)) else {
            return Err(refusal(StatusCode::BAD_REQUEST, "unknown_subscription", "its subscription is not known"));
        };
        let now = Timestamp(self.context.clock.now_nanos());
        let source = self.counters.source(account);
        let key = self.key(subscription, account);
        let position = self.context.sink.position(&key);
        let is_new = position.is_none();
        if is_new && self.sources.load(Ordering::Relaxed) >= WEF_SOURCES_MAX {
            return Err(refusal(StatusCode::SERVICE_UNAVAILABLE, "too_many_sources", "there are too many sources"));
        }
        let before = Progress::of(position);
        let mut progress = before.clone();
        let is_own = |computer: &str| sender.identity.is(computer) || is_same(computer, &message.machine);
        let findings = progress.advance(&opened.facts, is_own, |channel| subscription.is_whole(channel));
        let mut notes = findings.notes;
        if message.bookmark.as_ref().is_some_and(|bookmark| !progress.set_bookmark(bookmark)) {
            notes.push(Note::said("its bookmark is too long to be kept".into()));
        }
        if message.dropped > 0 {
            let text = format!("{} events were too large for it to send", message.dropped);
            notes.push(Note::kept("records_missing", message.dropped, text));
        }
        let mut out = Outgoing::new(now);
        notes.extend(self.fill(sender, opened, &findings.repeated, &source, &mut out));
        let events = out.batch.len();
        let moves = progress != before;
        if moves {
            out.batch.set_position(key, progress.position());
        }
        for Note { action, text, events } in &notes {
            if let Some(action) = action {
                let details = json!({"input": self.counters.name(), "source": account, "text": text, "events": events});
                finding::push(&mut out.batch, &self.context, action, details);
            }
        }
        if !out.is_empty() {
            self.deliver(out).await.map_err(|error| refusal(StatusCode::SERVICE_UNAVAILABLE, "not_stored", error.to_string()))?;
            self.sources.fetch_add(usize::from(is_new && moves), Ordering::Relaxed);
        }
        if events == 0 {
            source.heard(now.nanos());
        }
        self.counters.skip_many("repeated", findings.repeated.iter().filter(|repeated| **repeated).count() as u64);
        self.counters.skip_many("missing", findings.missing.saturating_add(message.dropped));
        notes.iter().for_each(|note| self.counters.problem(format!("{account}: {}", note.text)));
        Ok(())
    }

    /// Adds the events that are not there already. Says so if one of them is of another machine.
    fn fill(
        &self,
        sender: &Sender,
        opened: &Opened,
        repeated: &[bool],
        source: &Arc<crate::counters::SourceCounters>,
        out: &mut Outgoing,
    ) -> Option<Note> {
        let envelope =
            Envelope { default_host: sender.identity.name().into(), ..self.envelope.with_peer(&Arc::from(sender.peer.to_string())) };
        let mut writer = Writer::new(envelope);
        let mut other: Option<Note> = None;
        for ((event, facts), _) in opened.message.events.iter().zip(&opened.facts).zip(repeated).filter(|(_, repeated)| !**repeated) {
            let mut problems = Problems::NONE;
            if !facts.computer.is_empty() && !sender.identity.is(&facts.computer) {
                problems = problems.with(Problems::OTHER_SENDER);
                let note = other.get_or_insert_with(|| {
                    let computer: String = facts.computer.chars().filter(|c| !c.is_control()).take(255).collect();
                    let text = format!("its certificate is that of {}, and it sends events of {computer}", sender.identity.name());
                    Note::kept("events_foreign", 0, text)
                });
                note.events += 1;
            }
            if opened.is_damaged && event.contains(char::REPLACEMENT_CHARACTER) {
                problems = problems.with(Problems::NOT_UTF8);
            }
            if event.is_empty() {
                problems = problems.with(Problems::MALFORMED);
            }
            let log = if self.envelope.source.is_empty() { format!("XmlWinEventLog:{}", facts.channel) } else { String::new() };
            let record = Record { source: log.trim_end_matches(':').into(), problems, ..Record::of(event.as_bytes()) };
            out.add(source, |batch| writer.push(&record, batch));
        }
        other
    }

    /// Hands a batch over; a store that takes none has some time to take it.
    async fn deliver(&self, out: Outgoing) -> Result<()> {
        let (impatience, patient) = Stop::channel();
        let mut stop = self.stop.clone();
        let delivery = deliver(Arc::clone(&self.context.sink), out, patient, OnFailure::Reread);
        tokio::pin!(delivery);
        tokio::select! {
            delivered = delivery.as_mut() => return delivered.map(|_| ()),
            () = stop.stopped() => {}
            () = tokio::time::sleep(PATIENCE) => {}
        }
        impatience.send(true).map_err(|_| Error::new(ErrorKind::Bug, "nobody waits for the end of a delivery"))?;
        delivery.await.map(|_| ())
    }
}

/// Receives a body and books its bytes.
async fn whole(mut incoming: Incoming, booking: &mut Booking) -> Result<Vec<u8>, Refusal> {
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| refusal(StatusCode::BAD_REQUEST, "broken", format!("its body broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if body.len() + data.len() > WEF_BODY_BYTES_MAX {
            let text = format!("its body is larger than {WEF_BODY_BYTES_MAX} bytes");
            return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text));
        }
        if !booking.add(data.len()) {
            return Err(refusal(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many bodies are being received"));
        }
        body.extend_from_slice(&data);
    }
    Ok(body)
}

/// Expands a body, reads it, and what its events say. Takes milliseconds; not for async code.
fn open(body: &[u8], packed: bool, charset: Option<Charset>) -> Result<Opened, Refusal> {
    let bad = |reason, text: &str| refusal(StatusCode::BAD_REQUEST, reason, text);
    let expanded;
    let mut plain = body;
    if packed {
        expanded = sldc::expand(body, WEF_EXPANDED_BYTES_MAX).map_err(|refused| match refused {
            sldc::Refused::Damaged => bad("not_expanded", "it is no SLDC, or damaged"),
            sldc::Refused::TooLong => bad("too_large", "it expands to too many bytes"),
        })?;
        plain = &expanded;
    }
    let text = envelope::text(plain, charset);
    let message = envelope::read(&text.text).map_err(|why| bad("malformed", why))?;
    let facts = message.events.iter().map(|event| Facts::of(event)).collect();
    Ok(Opened { message, facts, charset: text.charset, is_damaged: text.is_damaged })
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
}

/// Whether it can be the host of an address.
fn is_host(host: &str) -> bool {
    !host.is_empty() && host.len() <= 262 && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
}

fn response(status: StatusCode, text: &str, charset: Charset) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    if !text.is_empty() {
        let kind = match charset {
            Charset::Utf8 => "application/soap+xml;charset=UTF-8",
            Charset::Utf16 => "application/soap+xml;charset=UTF-16",
        };
        response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
        *response.body_mut() = Full::from(envelope::bytes(text, charset));
    }
    response
}
