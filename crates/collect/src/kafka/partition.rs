//! One partition, read from where it is stored up to. Asks for a part, hands it over, asks for the next.

use super::batch::{self, Batch, Lost, Unpacked};
use super::transactions::Transactions;
use super::wire::{Failed, Fetched, OUT_OF_RANGE, Place, Wire};
use super::{Begin, Brokers, KafkaSettings, RETRY_MAX, RETRY_MIN, TimeOf};
use crate::counters::{InputCounters, SourceCounters};
use crate::decode::Envelope;
use crate::delivery::{OnFailure, deliver};
use crate::finding;
use crate::input::{Context, Stop};
use crate::outgoing::Outgoing;
use crate::records::{Record, Writer, json};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use taffrail_event::Timestamp;
use tokio::sync::Semaphore;

/// Bytes of records that are asked for at once.
const FETCH_BYTES: i32 = 1024 * 1024;

/// How long a broker may wait for records to come.
const FETCH_WAIT: Duration = Duration::from_millis(500);

/// How long a broker may take to answer, beyond that.
const ANSWER: Duration = Duration::from_secs(30);

/// Failures one behind the other in the same place after which what stands there is taken to be undecodable.
const DAMAGED_AFTER: u32 = 3;

/// Headers that say where a record comes from.
const HOSTS: [&str; 3] = ["host", "hostname", "host.name"];

/// What all partitions of an input share.
pub(super) struct Shared {
    pub context: Context,
    pub counters: Arc<InputCounters>,
    pub settings: KafkaSettings,
    pub brokers: Brokers,
    /// Batches that may be unpacked at once.
    pub together: Semaphore,
    pub envelope: Envelope,
    /// All positions begin so.
    pub keys: String,
    pub stop: Stop,
}

impl Shared {
    /// The partitions that are there and to be read.
    pub async fn partitions(&self) -> Result<Vec<(String, i32)>, String> {
        let topics = self.brokers.topics().await?;
        let mut all = Vec::new();
        for name in &self.settings.topics {
            let Some(topic) = topics.iter().find(|topic| topic.name == *name) else {
                self.counters.problem(format!("there is no topic {name:?}; it is read when there is"));
                continue;
            };
            let wanted = &self.settings.partitions;
            all.extend(topic.partitions.iter().filter(|n| wanted.is_empty() || wanted.contains(n)).map(|n| (name.clone(), *n)));
            if let Some(missing) = wanted.iter().find(|number| !topic.partitions.contains(number)) {
                self.counters.problem(format!("topic {name:?} has no partition {missing}"));
            }
        }
        Ok(all)
    }
}

/// How far a partition was read: the value of its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reached {
    /// The record that is read next.
    next: i64,
}

/// Why reading ended.
enum Ended {
    Stopped,
    Trouble(String),
}

impl From<Failed> for Ended {
    fn from(failed: Failed) -> Self {
        Self::Trouble(failed.told())
    }
}

/// Reads a partition until the input stops.
pub(super) async fn follow(shared: Arc<Shared>, topic: String, number: i32) {
    let source = shared.settings.source.clone().unwrap_or_else(|| topic.clone());
    let mut reader = Reader {
        key: format!("{}{topic}/{number}", shared.keys),
        source: shared.counters.source(&format!("{topic}/{number}")),
        writer: Writer::new(Envelope { source: source.into(), ..shared.envelope.clone() }),
        stop: shared.stop.clone(),
        wait: RETRY_MIN,
        failed_at: (-1, 0),
        left_out: BTreeMap::new(),
        topic,
        number,
        shared,
    };
    loop {
        match reader.session().await {
            Err(Ended::Stopped) | Ok(()) => return,
            Err(Ended::Trouble(text)) => reader.shared.counters.problem(format!("{}/{}: {text}", reader.topic, reader.number)),
        }
        if reader.stop.within(reader.wait).await {
            return;
        }
        reader.wait = (reader.wait * 2).min(RETRY_MAX);
    }
}

struct Reader {
    shared: Arc<Shared>,
    topic: String,
    number: i32,
    key: String,
    source: Arc<SourceCounters>,
    writer: Writer,
    stop: Stop,
    wait: Duration,
    /// Where an answer could not be decoded last, and how many times.
    failed_at: (i64, u32),
    /// Records that are no events, by reason; counted once the place behind them is durable, as they may be read again.
    left_out: BTreeMap<&'static str, u64>,
}

impl Reader {
    /// Reads on one connection.
    async fn session(&mut self) -> Result<(), Ended> {
        self.left_out.clear();
        let place = (self.topic.clone(), self.number);
        let place = Place { topic: &place.0, partition: place.1 };
        let mut wire = self.unless_stopped(self.shared.brokers.lead(place)).await??;
        let mut next = self.begin(&mut wire, place).await?;
        loop {
            let asked = self.now();
            let isolation = self.shared.settings.isolation;
            let got = self.asked(wire.fetch(place, next, FETCH_BYTES, millis(FETCH_WAIT), isolation)).await?;
            let before = next;
            next = match got {
                Ok(fetched) => self.keep(&mut wire, place, fetched, next).await?,
                Err(Failed::Refused(OUT_OF_RANGE)) => self.out_of_range(&mut wire, place, next).await?,
                Err(Failed::Damaged(why)) => self.undecodable(&mut wire, place, next, &why).await?,
                Err(failed) => return Err(failed.into()),
            };
            if next == before && self.now().saturating_sub(asked) < FETCH_WAIT.as_nanos() as u64 / 2 {
                // An answer without records came at once: it is not asked for again and again.
                self.unless_stopped(tokio::time::sleep(FETCH_WAIT)).await?;
            }
            self.wait = RETRY_MIN;
        }
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Ended> {
        let mut stop = self.stop.clone();
        tokio::select! { biased; () = stop.stopped() => Err(Ended::Stopped), done = work => Ok(done) }
    }

    /// A question to the broker, with its limit of time.
    async fn asked<T>(&self, work: impl Future<Output = Result<T, Failed>>) -> Result<Result<T, Failed>, Ended> {
        let limited = tokio::time::timeout(ANSWER + FETCH_WAIT, work);
        let late = |_| Err(Failed::Broken("the broker does not answer in time".to_owned()));
        self.unless_stopped(async { limited.await.unwrap_or_else(late) }).await
    }

    async fn offset(&self, wire: &mut Wire, place: Place<'_>, latest: bool) -> Result<i64, Ended> {
        Ok(self.asked(wire.offset(place, latest)).await??)
    }

    fn now(&self) -> u64 {
        self.shared.context.clock.monotonic_nanos()
    }

    fn out(&self) -> Outgoing {
        Outgoing::new(Timestamp(self.shared.context.clock.now_nanos()))
    }

    /// Hands a batch over together with how far it reaches.
    async fn hand_over(&mut self, mut out: Outgoing, next: i64) -> Result<(), Ended> {
        out.batch.set_position(&self.key, serde_json::to_vec(&Reached { next }).expect("a number always serialises"));
        let sent = deliver(Arc::clone(&self.shared.context.sink), out, self.stop.clone(), OnFailure::Reread).await;
        sent.map_err(|error| Ended::Trouble(format!("records will be read again: {error}")))?;
        std::mem::take(&mut self.left_out).into_iter().for_each(|(reason, records)| self.shared.counters.skip_many(reason, records));
        Ok(())
    }

    /// Where to read on, or to begin.
    async fn begin(&mut self, wire: &mut Wire, place: Place<'_>) -> Result<i64, Ended> {
        let stored = self.shared.context.sink.position(&self.key);
        if let Some(Reached { next }) = stored.and_then(|value| serde_json::from_slice(&value).ok()) {
            return Ok(next);
        }
        let next = self.offset(wire, place, self.shared.settings.start == Begin::Latest).await?;
        // What comes from here on is not missed, should nothing come before the next start.
        self.hand_over(self.out(), next).await?;
        Ok(next)
    }

    /// Stores the records of an answer, and says which is next.
    async fn keep(&mut self, wire: &mut Wire, place: Place<'_>, fetched: Fetched, mut next: i64) -> Result<i64, Ended> {
        let mut transactions = Transactions::new(fetched.aborted);
        let (mut bytes, mut out, begun) = (&fetched.batches[..], self.out(), next);
        while let Some(looked) = batch::next(bytes) {
            let (batch, end) = match looked {
                Ok(found) => found,
                // What is before it is stored; it is first in the next answer then.
                Err(_) if next > begun => break,
                Err(why) => return self.undecodable(wire, place, next, &why).await,
            };
            bytes = &bytes[end..];
            if batch.last < next {
                continue;
            }
            if transactions.leaves_out(&batch) {
                let marks = if batch.is_control() { 0 } else { u64::try_from(batch.count).unwrap_or(0) };
                *self.left_out.entry("aborted").or_default() += marks;
                next = batch.last + 1;
            } else {
                next = self.keep_batch(&batch, next, &mut out).await?;
            }
            self.failed_at = (-1, 0);
        }
        if next > begun {
            self.hand_over(out, next).await?;
        } else if !fetched.batches.is_empty() {
            return self.undecodable(wire, place, next, "an answer ends within its first batch").await;
        }
        Ok(next)
    }

    /// Adds the records of a batch from `next` on, hands over what is full, and says which is next.
    async fn keep_batch(&mut self, batch: &Batch<'_>, next: i64, out: &mut Outgoing) -> Result<i64, Ended> {
        let shared = Arc::clone(&self.shared);
        // Held while there are records of it.
        let Ok(Ok(_permit)) = self.unless_stopped(shared.together.acquire()).await else {
            // What was before it will be read again.
            std::mem::take(out).tally.unreceived();
            return Err(Ended::Stopped);
        };
        let Unpacked { records, lost } = batch.unpack();
        for record in records.into_iter().filter(|record| record.offset >= next) {
            let behind = record.offset + 1;
            self.push(record, out);
            if out.is_full() {
                let following = self.out();
                self.hand_over(std::mem::replace(out, following), behind).await?;
            }
        }
        let behind = batch.last + 1;
        let Some(Lost { from, reason, why }) = lost else { return Ok(behind) };
        let from = from.max(next);
        let following = self.out();
        self.hand_over(std::mem::replace(out, following), from).await?;
        self.lost(reason, from, behind, &why).await
    }

    fn push(&mut self, got: batch::Record, out: &mut Outgoing) {
        if got.value.as_ref().is_none_or(Vec::is_empty) {
            *self.left_out.entry("no_value").or_default() += 1;
            return;
        }
        let record = event(got, &self.shared.settings, &self.shared.counters);
        let writer = &mut self.writer;
        out.add(&self.source, |batch| writer.push(&record, batch));
    }

    /// The broker no longer has what comes next, or does not have it yet.
    async fn out_of_range(&mut self, wire: &mut Wire, place: Place<'_>, next: i64) -> Result<i64, Ended> {
        let earliest = self.offset(wire, place, false).await?;
        if earliest > next {
            return self.lost("expired", next, earliest, "the brokers threw them away before they were read").await;
        }
        if self.offset(wire, place, true).await? >= next {
            return Err(Ended::Trouble("the broker finds an offset out of range that is in it".to_owned()));
        }
        let why = "the partition ends before what was read of it: it was made anew, and is read from its beginning";
        self.lost("restarted", next, earliest, why).await
    }

    /// An answer that cannot be decoded: tried again, and when it stays so, left out up to the next batch that can be.
    async fn undecodable(&mut self, wire: &mut Wire, place: Place<'_>, next: i64, why: &str) -> Result<i64, Ended> {
        self.failed_at = if self.failed_at.0 == next { (next, self.failed_at.1 + 1) } else { (next, 1) };
        if self.failed_at.1 < DAMAGED_AFTER {
            return Err(Ended::Trouble(format!("what comes at {next} cannot be decoded: {why}")));
        }
        let latest = self.offset(wire, place, true).await?;
        for from in next + 1..=latest {
            // A broker gives one whole batch at least: this asks for no more.
            let isolation = self.shared.settings.isolation;
            let decoded = from == latest
                || self
                    .asked(wire.fetch(place, from, 2, 0, isolation))
                    .await?
                    .is_ok_and(|got| batch::next(&got.batches).is_some_and(|got| got.is_ok()));
            if decoded {
                return self.lost("damaged", next, from, &format!("they cannot be decoded: {why}")).await;
            }
        }
        Err(Ended::Trouble(format!("what comes at {next} cannot be decoded: {why}")))
    }

    /// Goes on at another place, and says what was not read.
    async fn lost(&mut self, reason: &'static str, next: i64, from: i64, why: &str) -> Result<i64, Ended> {
        let records = u64::try_from(from - next).unwrap_or(0);
        let mut out = self.out();
        let details = json!({"input": self.shared.counters.name(), "topic": self.topic, "partition": self.number, "reason": reason,
            "records": records, "from": next, "to": from, "problem": why});
        finding::push(&mut out.batch, &self.shared.context, "records_lost", details);
        self.hand_over(out, from).await?;
        let counters = &self.shared.counters;
        counters.skip_many(reason, records.max(1));
        let place = format!("{}/{}", self.topic, self.number);
        counters.problem(format!("{place}: {records} records from {next} on are not read, it goes on at {from}: {why}"));
        self.failed_at = (-1, 0);
        Ok(from)
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

/// A record as an event: its value, and what stands beside it as fields where it says more than host and source.
fn event(got: batch::Record, settings: &KafkaSettings, counters: &InputCounters) -> Record<'static> {
    let batch::Record { key, value, headers, millis: time, .. } = got;
    // Of several headers with one name the last counts.
    let headers: BTreeMap<String, Vec<u8>> = headers.into_iter().collect();
    let value = value.unwrap_or_default();
    let time = (settings.time == TimeOf::Record && time >= 0).then(|| Timestamp(time.saturating_mul(1_000_000)));
    let headers: Vec<(String, String)> =
        headers.into_iter().map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned())).collect();
    let said = |names: &[&str]| {
        let found = names.iter().find_map(|name| headers.iter().find(|(key, value)| key == name && !value.is_empty()));
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let (host, source, sourcetype) = (said(&HOSTS), said(&["source"]), said(&["sourcetype"]));
    let known = |name: &str| HOSTS.contains(&name) || matches!(name, "source" | "sourcetype");
    let mut fields: Vec<(String, String)> =
        if settings.headers { headers.iter().filter(|(name, _)| !known(name)).cloned().collect() } else { Vec::new() };
    if settings.keys
        && let Some(key) = key
    {
        fields.push(("key".to_owned(), String::from_utf8_lossy(&key).into_owned()));
    }
    let mut record = match std::str::from_utf8(&value) {
        Ok(text) if !fields.is_empty() => {
            let mut object = json::Object::default();
            if json::is_object(text) && json::is_value(text) {
                object.all(text);
            } else {
                object.text("message", text);
            }
            fields.iter().for_each(|(name, value)| object.text(name, value));
            Record::json(object.finish())
        }
        not_text => {
            if not_text.is_err() && !fields.is_empty() {
                // JSON has no bytes; the value goes before what stands beside it.
                counters.skip("headers");
            }
            Record::of(value)
        }
    };
    if !sourcetype.is_empty() {
        record.sourcetype = sourcetype.into();
    }
    Record { time, host: host.into(), source: source.into(), ..record }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: &[u8], headers: &[(&str, &str)]) -> batch::Record {
        batch::Record {
            key: Some(b"k".to_vec()),
            value: Some(value.to_vec()),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect(),
            millis: 1_500,
            offset: 0,
        }
    }

    #[test]
    fn what_stands_beside_a_value() {
        let (settings, counters) = (KafkaSettings::default(), InputCounters::new("k", "kafka"));
        let of = |value: &[u8], headers: &[(&str, &str)], settings: &KafkaSettings| event(record(value, headers), settings, &counters);
        let text = |record: &Record<'_>| String::from_utf8_lossy(&record.raw).into_owned();
        let plain = of(b"a\nb", &[("host", "fw"), ("source", "/x"), ("sourcetype", "syslog")], &settings);
        assert_eq!((&*text(&plain), plain.time), ("a\nb", Some(Timestamp(1_500_000_000))));
        assert_eq!((&*plain.host, &*plain.source, &*plain.sourcetype), ("fw", "/x", "syslog"));
        let more = of(b"line", &[("trace", "1"), ("hostname", "h")], &settings);
        assert_eq!((&*text(&more), &*more.host, &*more.sourcetype), (r#"{"message":"line","trace":"1"}"#, "h", "json"));
        let json = of(b"{\"a\": 1,\"trace\":2}", &[("trace", "1")], &KafkaSettings { keys: true, ..settings.clone() });
        assert_eq!(text(&json), r#"{"a":1,"trace":2,"trace_2":"1","key":"k"}"#);
        let none = of(b"line", &[("trace", "1")], &KafkaSettings { headers: false, time: TimeOf::Value, ..settings.clone() });
        assert_eq!((&*text(&none), none.time), ("line", None));
        assert_eq!(of(b"\xff", &[("trace", "1")], &settings).raw, &b"\xff"[..]);
        assert_eq!(counters.snapshot().skipped, [("headers", 1)]);
    }
}
