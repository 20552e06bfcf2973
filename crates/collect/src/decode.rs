//! Where inputs and formats meet: what a source's events share, and its decoder.

use crate::zone::Zones;
use std::sync::Arc;
use taffrail_event::{EventBatch, Origin, Timestamp};
use taffrail_format::{Decoder, DecoderSettings, EventBreaker, EventRules, Frame, Rule};

/// What is known of the events of a source before they are read.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The index that they go to.
    pub index: Arc<str>,
    /// The host of all of them, whatever they say; `None`: as they say, else `default_host`.
    pub host: Option<Arc<str>>,
    /// The host of those that name none.
    pub default_host: Arc<str>,
    /// The file, address or command.
    pub source: Arc<str>,
    /// Their format; `None`: found out from the first lines.
    pub sourcetype: Option<Arc<str>>,
    /// How they arrive.
    pub transport: Arc<str>,
    /// The network address that sends them, or empty.
    pub peer: Arc<str>,
    /// The zone of times that name none.
    pub zones: Zones,
}

impl Envelope {
    /// The same for one sender: its address is the peer, and the host of events that name none.
    pub(crate) fn with_peer(&self, peer: &Arc<str>) -> Self {
        Self { peer: Arc::clone(peer), default_host: Arc::clone(peer), ..self.clone() }
    }

    /// The same for another source.
    pub(crate) fn with_source(&self, source: &str) -> Self {
        Self { source: Arc::from(source), ..self.clone() }
    }

    /// What these events share; the sourcetype is empty where it is to be found out.
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            index: Arc::clone(&self.index),
            host: Arc::clone(self.host.as_ref().unwrap_or(&self.default_host)),
            source: Arc::clone(&self.source),
            sourcetype: self.sourcetype.clone().unwrap_or_else(|| Arc::from("")),
            transport: Arc::clone(&self.transport),
            peer: Arc::clone(&self.peer),
        }
    }

    /// A decoder for these events, which are given one by one.
    pub(crate) fn decoding(&self) -> Decoding {
        self.decoding_by(&Arc::default())
    }

    /// A decoder for these events, which `rules` cut out of lines.
    pub(crate) fn decoding_by(&self, rules: &Arc<EventRules>) -> Decoding {
        let settings = DecoderSettings {
            host_from_event: self.host.is_none(),
            zone: self.zones.zone(&self.peer),
            origin: self.origin(),
            rules: Arc::clone(rules),
        };
        Decoding { decoder: Decoder::new(settings) }
    }
}

/// The decoder of one source.
#[derive(Debug)]
pub(crate) struct Decoding {
    decoder: Decoder,
}

impl Decoding {
    /// Lets the format be found out from the first bytes of the source.
    pub fn sample(&mut self, bytes: &[u8]) {
        self.decoder.sample(bytes);
    }

    /// Times without a year are at most as late as the file that they stand in was written to last. A time of
    /// modification that nobody set says nothing.
    pub fn set_modified(&mut self, nanos: i64) {
        self.decoder.set_latest((nanos >= MODIFIED_MIN).then_some(Timestamp(nanos)));
    }

    /// How the lines of its events belong together.
    pub fn event_rule(&self) -> Option<&Arc<Rule>> {
        self.decoder.event_rule()
    }

    /// Adds one event to the batch.
    pub fn push(&mut self, frame: Frame<'_>, batch: &mut EventBatch) {
        self.decoder.decode(batch, frame);
    }

    /// The format of the source, once it will not change any more.
    pub fn decided(&self) -> Option<&str> {
        self.decoder.is_decided().then(|| self.decoder.sourcetype())
    }
}

impl crate::peers::Learns for Decoding {
    fn hosts(&self) -> usize {
        self.decoder.hosts()
    }
}

/// 1990-01-01: archives and pictures of disks are made with files of 1970 and 1980.
const MODIFIED_MIN: i64 = 631_152_000_000_000_000;

/// The bytes of one source as they become events: cut, decoded, in a batch.
#[derive(Debug)]
pub(crate) struct Breaking {
    breaker: EventBreaker,
    pub decoding: Decoding,
}

impl Breaking {
    /// At the beginning of a source.
    pub fn new(decoding: Decoding) -> Self {
        let mut breaking = Self { breaker: EventBreaker::new(), decoding };
        breaking.breaker.set_rule(breaking.decoding.decoder.event_rule(), |_| {});
        breaking
    }

    /// Further on, where `beginning` is what the source begins with; `continued` as [`Breaking::continued`] said.
    pub fn resume(decoding: Decoding, continued: bool, beginning: &[u8]) -> Self {
        let mut breaking = Self { breaker: EventBreaker::resume(continued), decoding };
        breaking.breaker.set_rule(breaking.decoding.decoder.event_rule(), |_| {});
        breaking.breaker.prime(beginning);
        breaking
    }

    /// Takes bytes and adds the events that they complete.
    pub fn push(&mut self, bytes: &[u8], batch: &mut EventBatch) {
        let (breaker, decoder) = (&mut self.breaker, &mut self.decoding.decoder);
        if decoder.renew_event_rule() {
            // A format file was changed: what is held is broken by what it says now.
            let rule = decoder.event_rule().cloned();
            breaker.set_rule(rule.as_ref(), |frame| decoder.decode(batch, frame));
        }
        let before = decoder.event_rule().map(Arc::as_ptr);
        breaker.push(bytes, |frame| decoder.decode(batch, frame));
        if decoder.event_rule().map(Arc::as_ptr) != before {
            // The format was found out from the first lines: what is held is broken by its rule.
            let rule = decoder.event_rule().cloned();
            breaker.set_rule(rule.as_ref(), |frame| decoder.decode(batch, frame));
        }
    }

    /// Adds the event that is open. Returns whether its last line had no end: then what comes continues it.
    pub fn finish(&mut self, batch: &mut EventBatch) -> bool {
        let (breaker, decoder) = (&mut self.breaker, &mut self.decoding.decoder);
        let before = breaker.continued();
        let open = breaker.finish(|frame| decoder.decode(batch, frame));
        breaker.set_continued(open || before);
        open
    }

    /// The line that was given without its end ends right here.
    pub fn end_line(&mut self) {
        self.breaker.set_continued(false);
    }

    /// Bytes taken that are in no event yet.
    pub fn held(&self) -> usize {
        self.breaker.held()
    }

    /// Whether the last of them are a line without its end.
    pub fn is_within_line(&self) -> bool {
        self.breaker.is_within_line()
    }

    /// Whether what comes continues a line whose beginning is in an event.
    pub fn continued(&self) -> bool {
        self.breaker.continued()
    }
}
