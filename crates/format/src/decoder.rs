//! One source's way in: lines become events of a batch. What a source is known by is interned, so that an
//! event costs no allocation.

use crate::codec::{Codec, Context, codec};
use crate::time::rule::TimeRule;
use crate::{EventRules, Frame, Rule, TimeFinder, Zone, detect};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use taffrail_base::limits::DECODER_HOSTS_MAX;
use taffrail_event::{EventBatch, Origin, Problems, Timestamp};

/// What is known of a source beforehand.
#[derive(Clone, Debug)]
pub struct DecoderSettings {
    /// Index, source, transport and peer of its events; the host of those that name none. An empty sourcetype
    /// means: find out from the first lines.
    pub origin: Origin,
    /// The zone of times that name none, unless the format says which.
    pub zone: Zone,
    /// Whether a host that the event names goes before that of `origin`.
    pub host_from_event: bool,
    /// What format files of one's own say of the lines of events.
    pub rules: Arc<EventRules>,
}

impl DecoderSettings {
    /// Times in UTC where they do not say, hosts as the events name them.
    pub fn new(origin: Origin) -> Self {
        Self { origin, zone: Zone::Utc, host_from_event: true, rules: Arc::default() }
    }
}

/// The zone of times that name none: what a format file or the W3C's extended format says of its own, else as it is set.
fn zone_of(settings: &DecoderSettings, sourcetype: &str, time: Option<&Arc<TimeRule>>) -> Zone {
    match time.and_then(|rule| rule.zone()) {
        Some(zone) => zone.clone(),
        None if sourcetype == "iis" => Zone::Utc,
        None => settings.zone.clone(),
    }
}

/// Lines after which a source that nothing recognised stays `text`.
const DETECT_LINES_MAX: u32 = 10;

/// Decodes the events of one source (a file, a connection, a sender).
pub struct Decoder {
    settings: DecoderSettings,
    codec: &'static dyn Codec,
    rule: Option<Arc<Rule>>,
    /// The version of the rules that it is of.
    rules_version: u64,
    /// Where a format file says that the time is, and the version of the rules that this is of.
    time: Option<Arc<TimeRule>>,
    time_version: u64,
    context: Context,
    /// Lines that may still change the sourcetype.
    undecided: u32,
    default: Interned,
    hosts: Hosts,
    /// Time, problems and host of the last event, for the parts of it that may follow.
    last: (Timestamp, Problems),
    last_host: Option<usize>,
}

/// The hosts that a source named.
struct Hosts {
    all: Vec<(Box<[u8]>, Interned)>,
    by_name: FxHashMap<Box<[u8]>, usize>,
    /// Where in `all` a host of such a spelling was seen last; to be checked.
    recent: [usize; RECENT_HOSTS],
}

/// Hosts that are found again without hashing all of their name: most sources speak for a few.
const RECENT_HOSTS: usize = 64;

#[derive(Clone, Debug)]
struct Interned {
    origin: Origin,
    /// Its number in the batch that it was last used with; to be checked, since batches change.
    number: u32,
}

impl Decoder {
    /// A decoder for a new source.
    pub fn new(settings: DecoderSettings) -> Self {
        let fixed = !settings.origin.sourcetype.is_empty();
        let mut origin = settings.origin.clone();
        if !fixed {
            origin.sourcetype = "text".into();
        }
        let version = settings.rules.version();
        let time = settings.rules.time_of(&origin.sourcetype);
        Self {
            codec: codec(&origin.sourcetype),
            rules_version: version,
            rule: settings.rules.of(&origin.sourcetype),
            context: Context { times: TimeFinder::new(zone_of(&settings, &origin.sourcetype, time.as_ref())), ..Context::default() },
            time,
            time_version: version,
            undecided: if fixed { 0 } else { DETECT_LINES_MAX },
            default: Interned { origin, number: 0 },
            hosts: Hosts::new(),
            last: (Timestamp::default(), Problems::NO_TIME),
            last_host: None,
            settings,
        }
    }

    /// The sourcetype that its events get now.
    pub fn sourcetype(&self) -> &str {
        &self.default.origin.sourcetype
    }

    /// Whether the sourcetype will not change any more: worth remembering with the source's position.
    pub fn is_decided(&self) -> bool {
        self.undecided == 0
    }

    /// How many hosts of its source are remembered.
    pub fn hosts(&self) -> usize {
        self.hosts.all.len()
    }

    /// How the lines of its events belong together; `None`: each is an event.
    pub fn event_rule(&self) -> Option<&Arc<Rule>> {
        self.rule.as_ref()
    }

    /// Takes the rule of its sourcetype as it is now. Returns whether it is another one.
    pub fn renew_event_rule(&mut self) -> bool {
        let version = self.settings.rules.version();
        if version == self.rules_version {
            return false;
        }
        self.rules_version = version;
        let before = self.rule.take();
        self.rule = self.settings.rules.of(self.sourcetype());
        before.as_ref().map(Arc::as_ptr) != self.rule.as_ref().map(Arc::as_ptr)
    }

    /// From here on times without a year are at most as late as `latest`: when the file that they stand in was last
    /// written to. `None`: as late as they are received.
    pub fn set_latest(&mut self, latest: Option<Timestamp>) {
        self.context.times.set_latest(latest);
    }

    /// Looks at the first bytes of the source, before anything is decoded, to find out its sourcetype.
    pub fn sample(&mut self, bytes: &[u8]) {
        if self.undecided > 0 {
            match self.detect(bytes) {
                // A short sample says little: the next lines may still tell.
                None if memchr::memchr_iter(b'\n', bytes).count() < DETECT_LINES_MAX as usize => {}
                found => self.decide(found.as_deref().unwrap_or("text")),
            }
        }
    }

    /// Decodes one event and adds it to the batch. A part of a longer event has the time and host of its
    /// beginning.
    pub fn decode(&mut self, batch: &mut EventBatch, frame: Frame<'_>) {
        let utf8 = if is_utf8(frame.raw) { Problems::NONE } else { Problems::NOT_UTF8 };
        let problems = frame.problems.with(utf8);
        let cut = frame.problems.contains(Problems::CONTINUED) || frame.problems.contains(Problems::MORE_LINES);
        let part = cut && !frame.problems.contains(Problems::MALFORMED);
        if part && !self.last.1.contains(Problems::NO_TIME) {
            let number = self.origin_number(batch, self.last_host);
            batch.push(number, self.last.0, self.last.1.with(problems), frame.raw);
            return;
        }
        if self.undecided > 0 && !part && !frame.raw.is_empty() {
            self.undecided -= 1;
            if let Some(found) = self.detect(frame.raw) {
                self.decide(&found);
            }
        }
        self.context.received = batch.received;
        self.renew_time_rule();
        let mut decoded = self.codec.decode(frame.raw, &mut self.context);
        if let Some((time, wrong)) = self.ruled_time(frame.raw) {
            let found = Problems::NO_TIME.0 | Problems::BAD_TIME.0 | Problems::INFERRED_TIME.0;
            decoded.problems = Problems(decoded.problems.0 & !found).with(wrong);
            decoded.time = time;
        }
        // The rest of a long line is not of the line's format: that says nothing about the sender.
        let wrong = if part { Problems(decoded.problems.0 & !Problems::MALFORMED.0) } else { decoded.problems };
        let host = decoded.host.filter(|host| self.settings.host_from_event && !host.is_empty());
        self.last = (decoded.time, wrong);
        self.last_host = host.map(|host| self.hosts.number(host, &self.default));
        let number = self.origin_number(batch, self.last_host);
        batch.push(number, decoded.time, problems.with(wrong), frame.raw);
    }

    /// The format of these lines: one of those that format files tell, else of those that are built in; `None`: nothing tells it.
    fn detect(&self, bytes: &[u8]) -> Option<Arc<str>> {
        self.settings.rules.detect(bytes).or_else(|| Some(detect(bytes)).filter(|found| *found != "text").map(Arc::from))
    }

    /// Takes what format files say of the time of its events as it is now.
    #[inline]
    fn renew_time_rule(&mut self) {
        let version = self.settings.rules.version();
        if version != self.time_version {
            self.time_version = version;
            self.set_time_rule();
        }
    }

    fn set_time_rule(&mut self) {
        let sourcetype = Arc::clone(&self.default.origin.sourcetype);
        self.time = self.settings.rules.time_of(&sourcetype);
        self.context.times.set_zone(zone_of(&self.settings, &sourcetype, self.time.as_ref()));
    }

    /// The time where a format file says that it is.
    fn ruled_time(&mut self, raw: &[u8]) -> Option<(Timestamp, Problems)> {
        let rule = self.time.as_ref()?;
        rule.find(raw, &mut self.context.times, self.context.received)
    }

    fn decide(&mut self, sourcetype: &str) {
        self.codec = codec(sourcetype);
        self.rule = self.settings.rules.of(sourcetype);
        self.undecided = 0;
        self.default.origin.sourcetype = sourcetype.into();
        self.set_time_rule();
        self.hosts = Hosts::new();
        self.last_host = None;
    }

    fn origin_number(&mut self, batch: &mut EventBatch, host: Option<usize>) -> u32 {
        host.map_or(&mut self.default, |at| &mut self.hosts.all[at].1).number_in(batch)
    }
}

impl Hosts {
    fn new() -> Self {
        Self { all: Vec::new(), by_name: FxHashMap::default(), recent: [usize::MAX; RECENT_HOSTS] }
    }

    /// The number of a host, which is not empty; a new one gets what `default` has for the rest.
    fn number(&mut self, host: &[u8], default: &Interned) -> usize {
        // Names of one network differ at their end.
        let (last, before) = (host[host.len() - 1], host[host.len().saturating_sub(2)]);
        let place = (usize::from(last) * 7 + usize::from(before) + host.len()) % RECENT_HOSTS;
        let recent = self.recent[place];
        if self.all.get(recent).is_some_and(|(known, _)| **known == *host) {
            return recent;
        }
        let number = self.by_name.get(host).copied().unwrap_or_else(|| self.add(host, default));
        self.recent[place] = number;
        number
    }

    fn add(&mut self, host: &[u8], default: &Interned) -> usize {
        if self.all.len() >= DECODER_HOSTS_MAX {
            *self = Self::new();
        }
        let mut interned = default.clone();
        interned.origin.host = Arc::from(String::from_utf8_lossy(host));
        self.by_name.insert(host.into(), self.all.len());
        self.all.push((host.into(), interned));
        self.all.len() - 1
    }
}

impl Interned {
    fn number_in(&mut self, batch: &mut EventBatch) -> u32 {
        let same = |known: &Origin| {
            Arc::ptr_eq(&known.host, &self.origin.host)
                && Arc::ptr_eq(&known.sourcetype, &self.origin.sourcetype)
                && Arc::ptr_eq(&known.source, &self.origin.source)
                && Arc::ptr_eq(&known.index, &self.origin.index)
                && Arc::ptr_eq(&known.peer, &self.origin.peer)
                && Arc::ptr_eq(&known.transport, &self.origin.transport)
        };
        if !batch.origins().get(self.number as usize).is_some_and(same) {
            // Nobody else gives events to this origin, and this batch has none of ours yet: it need not be looked for.
            self.number = batch.new_origin(&self.origin);
        }
        self.number
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("settings", &self.settings).field("sourcetype", &self.sourcetype()).finish()
    }
}

/// Whether the bytes are UTF-8; nearly all are ASCII, which is decided eight bytes at a time.
fn is_utf8(bytes: &[u8]) -> bool {
    bytes.is_ascii() || std::str::from_utf8(bytes).is_ok()
}
