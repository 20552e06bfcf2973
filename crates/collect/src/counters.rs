//! The account of every input and source: received = stored + dropped + in flight, as numbers that anybody may
//! read at any time. What is in flight is counted by itself, so that the sum can be checked. Counts only; decides nothing.

use crate::rhythm::{Arrival, Pulse, Rhythm};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use taffrail_base::limits::{INPUT_PROBLEMS_MAX, INPUT_SOURCES_MAX};
use taffrail_event::{EventBatch, Problems};

/// Why events that were received are not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// The sink failed in a way that cannot be retried without the risk of storing them twice.
    SinkFailed,
    /// The program stopped while the sink refused them.
    Stopped,
    /// The sender was told that they are not stored, and sends them again or not.
    Refused,
    /// They are stored already, as their ids tell. Nothing is lost.
    Duplicate,
}

impl DropReason {
    /// The name as metrics show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SinkFailed => "sink_failed",
            Self::Stopped => "stopped",
            Self::Refused => "refused",
            Self::Duplicate => "duplicate",
        }
    }
}

/// The account of one source of an input: a file, a sender's address.
#[derive(Debug, Default)]
pub struct SourceCounters {
    received_events: AtomicU64,
    received_bytes: AtomicU64,
    stored_events: AtomicU64,
    stored_bytes: AtomicU64,
    in_flight: AtomicU64,
    sink_failed: AtomicU64,
    stopped: AtomicU64,
    refused: AtomicU64,
    duplicate: AtomicU64,
    problem_events: AtomicU64,
    rhythm: Mutex<Rhythm>,
}

impl SourceCounters {
    fn received(&self, events: u64, bytes: u64) {
        self.in_flight.fetch_add(events, Ordering::Relaxed);
        self.received_events.fetch_add(events, Ordering::Relaxed);
        self.received_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// It has said that it is there.
    pub(crate) fn heard(&self, received: i64) {
        self.rhythm.lock().arrived(&Arrival { received, delay: None });
    }

    fn landed(&self, events: u64) {
        self.in_flight.fetch_sub(events, Ordering::Relaxed);
    }

    fn stored(&self, booked: &Booked) {
        self.stored_events.fetch_add(booked.events, Ordering::Relaxed);
        self.stored_bytes.fetch_add(booked.bytes, Ordering::Relaxed);
        self.problem_events.fetch_add(booked.problems, Ordering::Relaxed);
        self.rhythm.lock().arrived(&Arrival { received: booked.received, delay: booked.delay });
        self.landed(booked.events);
    }

    fn dropped(&self, reason: DropReason, events: u64) {
        match reason {
            DropReason::SinkFailed => &self.sink_failed,
            DropReason::Stopped => &self.stopped,
            DropReason::Refused => &self.refused,
            DropReason::Duplicate => &self.duplicate,
        }
        .fetch_add(events, Ordering::Relaxed);
        self.landed(events);
    }

    /// Takes back what was counted as received and will be read again.
    fn unreceived(&self, events: u64, bytes: u64) {
        self.received_events.fetch_sub(events, Ordering::Relaxed);
        self.received_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.landed(events);
    }
}

/// Events and bytes of one source in one batch.
#[derive(Debug)]
struct Booked {
    source: Arc<SourceCounters>,
    events: u64,
    bytes: u64,
    problems: u64,
    /// When they were received.
    received: i64,
    /// Of events that have a time: from that time to when they were received, of the last and at least.
    delay: Option<(i64, i64)>,
}

/// Problems that are the event's own: what a person may want to mend at the source.
const PROBLEMS: [Problems; 5] = [Problems::NO_TIME, Problems::BAD_TIME, Problems::NOT_UTF8, Problems::MALFORMED, Problems::OTHER_SENDER];

fn has_problem(problems: Problems) -> bool {
    PROBLEMS.iter().any(|problem| problems.contains(*problem))
}

/// Events and bytes per source of one batch. What is dropped without a word leaves a gap in the account, which is found.
#[derive(Debug, Default)]
pub struct Tally {
    booked: Vec<Booked>,
    /// Which events of the batch are whose: from, to but not including, number in `booked`.
    runs: Vec<(usize, usize, usize)>,
}

impl Tally {
    /// Books the events of a batch from number `from` on.
    pub(crate) fn add(&mut self, source: &Arc<SourceCounters>, batch: &EventBatch, from: usize) {
        let received = batch.received.nanos();
        let (mut bytes, mut problems, mut delay) = (0, 0, None);
        for at in from..batch.len() {
            let event = batch.event(at);
            bytes += event.raw.len() as u64;
            problems += u64::from(has_problem(event.problems));
            if !event.problems.contains(Problems::NO_TIME) && !event.problems.contains(Problems::BAD_TIME) {
                let last = received.saturating_sub(event.time.nanos());
                delay = Some((last, delay.map_or(last, |(_, least): (i64, i64)| least.min(last))));
            }
        }
        let events = (batch.len() - from) as u64;
        if events == 0 {
            return;
        }
        source.received(events, bytes);
        // Files and connections come in runs, so the last one is nearly always the right one.
        let at = self.booked.iter().rposition(|known| Arc::ptr_eq(&known.source, source));
        self.note(from, batch.len(), at.unwrap_or(self.booked.len()));
        match at.map(|at| &mut self.booked[at]) {
            Some(known) => {
                known.events += events;
                known.bytes += bytes;
                known.problems += problems;
                known.delay = match (known.delay, delay) {
                    (Some((_, before)), Some((last, least))) => Some((last, least.min(before))),
                    (before, now) => now.or(before),
                };
            }
            None => self.booked.push(Booked { source: Arc::clone(source), events, bytes, problems, received, delay }),
        }
    }

    /// Notes whose events these are.
    fn note(&mut self, from: usize, to: usize, of: usize) {
        match self.runs.last_mut() {
            Some(last) if last.1 == from && last.2 == of => last.1 = to,
            _ => self.runs.push((from, to, of)),
        }
    }

    /// The sink has them.
    pub fn stored(mut self) {
        std::mem::take(&mut self.booked).iter().for_each(|booked| booked.source.stored(booked));
    }

    /// The sink has them; those of these numbers of the batch it had before.
    pub fn stored_but(mut self, repeated: &[u32], batch: &EventBatch) {
        if repeated.is_empty() {
            return self.stored();
        }
        let mut booked = std::mem::take(&mut self.booked);
        let mut again = vec![0; booked.len()];
        for number in repeated.iter().map(|number| *number as usize) {
            let run = self.runs.partition_point(|(_, to, _)| *to <= number);
            let Some((_, _, of)) = self.runs.get(run).filter(|(from, ..)| *from <= number) else { continue };
            let event = batch.event(number);
            let whose = &mut booked[*of];
            whose.events -= 1;
            whose.bytes -= event.raw.len() as u64;
            whose.problems -= u64::from(has_problem(event.problems));
            again[*of] += 1;
        }
        for (booked, again) in booked.iter().zip(again) {
            booked.source.dropped(DropReason::Duplicate, again);
            booked.source.stored(booked);
        }
    }

    /// They are given up.
    pub fn dropped(mut self, reason: DropReason) {
        std::mem::take(&mut self.booked).iter().for_each(|booked| booked.source.dropped(reason, booked.events));
    }

    /// They will be read again from where they came.
    pub(crate) fn unreceived(mut self) {
        std::mem::take(&mut self.booked).iter().for_each(|booked| booked.source.unreceived(booked.events, booked.bytes));
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.booked.iter().for_each(|booked| booked.source.landed(booked.events));
    }
}

/// The account of one input.
#[derive(Debug)]
pub struct InputCounters {
    name: String,
    kind: &'static str,
    sources: Mutex<BTreeMap<Arc<str>, Arc<SourceCounters>>>,
    problems: Mutex<Troubles>,
    kernel_drops: AtomicU64,
    lost_bytes: AtomicU64,
    refused_connections: AtomicU64,
    open_connections: AtomicU64,
    skipped: Mutex<BTreeMap<&'static str, u64>>,
    checks: Mutex<BTreeMap<&'static str, u64>>,
}

#[derive(Debug, Default)]
struct Troubles {
    texts: Vec<String>,
    total: u64,
}

/// What [`InputCounters`] hold at one moment.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct InputSnapshot {
    /// The input's name, unique within the program.
    pub name: String,
    /// Its type as in the settings, e.g. `syslog-udp`.
    pub kind: &'static str,
    /// One account per source, sorted by name. Beyond `INPUT_SOURCES_MAX` they share `(others)`.
    pub sources: Vec<SourceSnapshot>,
    /// Datagrams that the kernel dropped before this program could read them. Not part of `received`.
    pub kernel_drops: u64,
    /// Bytes known to have been in a file and gone before they could be read. Not part of `received`.
    pub lost_bytes: u64,
    /// Connections closed at once because there were too many.
    pub refused_connections: u64,
    /// Connections that are open now.
    pub open_connections: u64,
    /// Files that are not read and messages that are refused, by reason: `binary`, `unreadable`, `copy`, `damaged`,
    /// `incomplete`, `too_large`.
    pub skipped: Vec<(&'static str, u64)>,
    /// What came of comparing what was read with what somebody signed, by outcome.
    pub checks: Vec<(&'static str, u64)>,
    /// The last problems in words, oldest first, at most `INPUT_PROBLEMS_MAX`.
    pub problems: Vec<String>,
    /// How many problems there were in all.
    pub problems_total: u64,
}

/// What [`SourceCounters`] hold at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct SourceSnapshot {
    /// The source as events carry it.
    pub source: String,
    /// Events taken in.
    pub received_events: u64,
    /// Their raw bytes.
    pub received_bytes: u64,
    /// Events that the sink has acknowledged as durable.
    pub stored_events: u64,
    /// Their raw bytes.
    pub stored_bytes: u64,
    /// Events given up, by reason.
    pub dropped: Vec<(DropReason, u64)>,
    /// Events on their way to the sink, counted by themselves.
    pub in_flight_events: u64,
    /// Stored events with a problem of their own: no time, a wrong one, not UTF-8, malformed, of another sender.
    pub problem_events: u64,
    /// When and how it sends.
    pub pulse: Pulse,
}

impl SourceSnapshot {
    /// Events that are neither stored nor dropped nor on their way: not zero is a bug. Of a source that is busy the numbers
    /// are of slightly different moments: only what stays is a gap.
    pub fn gap(&self) -> i64 {
        let out = self.stored_events + self.dropped.iter().map(|(_, events)| events).sum::<u64>() + self.in_flight_events;
        self.received_events.wrapping_sub(out).cast_signed()
    }
}

/// A source that has fallen silent, or speaks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Which.
    pub source: Arc<str>,
    /// The silence that is longer than it ever was, in nanoseconds; `None` when it speaks again.
    pub silent: Option<i64>,
}

impl InputSnapshot {
    /// The sum over all sources.
    pub fn total(&self) -> SourceSnapshot {
        let mut sum = SourceSnapshot { source: self.name.clone(), ..SourceSnapshot::default() };
        let mut dropped: BTreeMap<DropReason, u64> = BTreeMap::new();
        for source in &self.sources {
            sum.received_events += source.received_events;
            sum.received_bytes += source.received_bytes;
            sum.stored_events += source.stored_events;
            sum.stored_bytes += source.stored_bytes;
            sum.in_flight_events += source.in_flight_events;
            sum.problem_events += source.problem_events;
            sum.pulse.add(&source.pulse);
            for (reason, events) in &source.dropped {
                *dropped.entry(*reason).or_default() += events;
            }
        }
        sum.dropped = dropped.into_iter().collect();
        sum
    }
}

impl InputCounters {
    /// An account with nothing in it.
    pub fn new(name: impl Into<String>, kind: &'static str) -> Self {
        Self {
            name: name.into(),
            kind,
            sources: Mutex::default(),
            problems: Mutex::default(),
            kernel_drops: AtomicU64::new(0),
            lost_bytes: AtomicU64::new(0),
            refused_connections: AtomicU64::new(0),
            open_connections: AtomicU64::new(0),
            skipped: Mutex::default(),
            checks: Mutex::default(),
        }
    }

    /// The input's name, unique within the program.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The account of a source, opened if new.
    pub fn source(&self, source: &str) -> Arc<SourceCounters> {
        let mut sources = self.sources.lock();
        if let Some(known) = sources.get(source) {
            return Arc::clone(known);
        }
        let name = if sources.len() < INPUT_SOURCES_MAX { source } else { "(others)" };
        Arc::clone(sources.entry(Arc::from(name)).or_default())
    }

    /// Notes trouble that a person should see; repeated texts are counted, not kept twice.
    pub fn problem(&self, text: impl Into<String>) {
        let text = text.into();
        tracing::warn!(input = %self.name, "{text}");
        let mut problems = self.problems.lock();
        problems.total += 1;
        if problems.texts.contains(&text) {
            return;
        }
        if problems.texts.len() >= INPUT_PROBLEMS_MAX {
            problems.texts.remove(0);
        }
        problems.texts.push(text);
    }

    /// Books the events of a batch that is about to be handed to the sink by somebody who is no input of this crate.
    pub fn book(&self, source: &str, batch: &EventBatch) -> Tally {
        let mut tally = Tally::default();
        tally.add(&self.source(source), batch, 0);
        tally
    }

    /// Measures rates and looks who has fallen silent or speaks again, `seconds` after it did so before. `now` is the time of day.
    pub fn tick(&self, now: i64, seconds: f64) -> Vec<Turn> {
        let sources = self.sources.lock();
        let turn = |(name, source): (&Arc<str>, &Arc<SourceCounters>)| {
            let received = source.received_events.load(Ordering::Relaxed);
            source.rhythm.lock().tick(now, seconds, received).map(|silent| Turn { source: Arc::clone(name), silent })
        };
        sources.iter().filter_map(turn).collect()
    }

    /// Notes a file that is not read, or a message that is refused.
    pub fn skip(&self, reason: &'static str) {
        self.skip_many(reason, 1);
    }

    /// The same, of so many; of none it is no news.
    pub(crate) fn skip_many(&self, reason: &'static str, count: u64) {
        if count > 0 {
            *self.skipped.lock().entry(reason).or_default() += count;
        }
    }

    /// Notes what came of comparing something with what somebody signed.
    pub(crate) fn check(&self, outcome: &'static str) {
        *self.checks.lock().entry(outcome).or_default() += 1;
    }

    pub(crate) fn add_kernel_drops(&self, datagrams: u64) {
        self.kernel_drops.fetch_add(datagrams, Ordering::Relaxed);
    }

    pub(crate) fn add_lost_bytes(&self, bytes: u64) {
        self.lost_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn connection_refused(&self) {
        self.refused_connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_opened(&self) {
        self.open_connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_closed(&self) {
        self.open_connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// What it all comes to now.
    pub fn snapshot(&self) -> InputSnapshot {
        let sources = self.sources.lock().iter().map(|(name, counters)| snapshot(name, counters)).collect();
        let (problems, problems_total) = {
            let problems = self.problems.lock();
            (problems.texts.clone(), problems.total)
        };
        InputSnapshot {
            name: self.name.clone(),
            kind: self.kind,
            sources,
            kernel_drops: self.kernel_drops.load(Ordering::Relaxed),
            lost_bytes: self.lost_bytes.load(Ordering::Relaxed),
            refused_connections: self.refused_connections.load(Ordering::Relaxed),
            open_connections: self.open_connections.load(Ordering::Relaxed),
            skipped: self.skipped.lock().iter().map(|(reason, count)| (*reason, *count)).collect(),
            checks: self.checks.lock().iter().map(|(outcome, count)| (*outcome, *count)).collect(),
            problems,
            problems_total,
        }
    }
}

fn snapshot(name: &str, counters: &SourceCounters) -> SourceSnapshot {
    // Stored and dropped are read before received, so that a running input never shows more out than in.
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (stored_events, stored_bytes, problem_events) =
        (load(&counters.stored_events), load(&counters.stored_bytes), load(&counters.problem_events));
    let dropped = [
        (DropReason::SinkFailed, &counters.sink_failed),
        (DropReason::Stopped, &counters.stopped),
        (DropReason::Refused, &counters.refused),
        (DropReason::Duplicate, &counters.duplicate),
    ]
    .into_iter()
    .map(|(reason, count)| (reason, load(count)))
    .filter(|(_, count)| *count > 0)
    .collect();
    let in_flight_events = load(&counters.in_flight);
    SourceSnapshot {
        source: name.to_owned(),
        received_events: load(&counters.received_events),
        received_bytes: load(&counters.received_bytes),
        stored_events,
        stored_bytes,
        dropped,
        in_flight_events,
        problem_events,
        pulse: counters.rhythm.lock().pulse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taffrail_event::{Origin, Timestamp};

    fn batch(events: usize) -> EventBatch {
        let text = |text: &str| -> Arc<str> { text.into() };
        let origin =
            Origin { index: text("main"), host: text("h"), source: text("s"), sourcetype: text("t"), transport: text("x"), peer: text("") };
        let mut batch = EventBatch::new(Timestamp(9_000_000_000));
        let number = batch.origin(&origin);
        for at in 0..events {
            let problems = if at == 0 { Problems::MALFORMED } else { Problems::NONE };
            batch.push(number, Timestamp(7_000_000_000), problems, b"abc");
        }
        batch
    }

    #[test]
    fn what_comes_in_goes_out_and_what_is_forgotten_is_found() {
        let input = InputCounters::new("x", "x");
        let all = |name: &str| input.snapshot().sources.into_iter().find(|source| source.source == name).expect("is there");
        let tally = input.book("a", &batch(3));
        assert_eq!((all("a").received_events, all("a").in_flight_events, all("a").gap()), (3, 3, 0));
        tally.stored();
        let a = all("a");
        assert_eq!((a.stored_events, a.stored_bytes, a.problem_events, a.in_flight_events, a.gap()), (3, 9, 1, 0, 0));
        assert_eq!(
            (a.pulse.last_seen, a.pulse.lag_nanos, a.pulse.skew_nanos),
            (Some(9_000_000_000), Some(2_000_000_000), Some(2_000_000_000))
        );
        input.book("a", &batch(2)).dropped(DropReason::Refused);
        assert_eq!((all("a").dropped.clone(), all("a").gap()), (vec![(DropReason::Refused, 2)], 0));
        input.book("b", &batch(4)).unreceived();
        assert_eq!((all("b").received_events, all("b").gap()), (0, 0));
        // Two sources of one batch in turns; its events 0, 3 and 4 were there already, and 5 is of nobody.
        let (mut tally, mut whole) = (Tally::default(), batch(0));
        for (source, events) in [("c", 1), ("d", 2), ("c", 2)] {
            let from = whole.len();
            batch(events).iter().for_each(|event| whole.push(whole.origins().len() as u32 - 1, event.time, event.problems, event.raw));
            tally.add(&input.source(source), &whole, from);
        }
        whole.push(0, Timestamp(1), Problems::NONE, b"note");
        tally.stored_but(&[0, 3, 4, 5], &whole);
        let [c, d] = ["c", "d"].map(all);
        assert_eq!((c.received_events, c.stored_events, c.stored_bytes, c.problem_events), (3, 0, 0, 0));
        assert_eq!((c.dropped.clone(), c.in_flight_events, c.gap()), (vec![(DropReason::Duplicate, 3)], 0, 0));
        assert_eq!((d.stored_events, d.stored_bytes, d.dropped.len(), d.gap()), (2, 6, 0, 0));
        drop(input.book("b", &batch(5)));
        assert_eq!(all("b").gap(), 5);
        assert_eq!(input.snapshot().total().gap(), 5);
    }
}
