//! Topics of Kafka: each record is an event, read partition by partition, without consumer groups.
//!
//! **What may be believed.** How far a partition was read is durable in the same step as its records, so that each is read once, through
//! failures, kills and brokers that change. What the brokers threw away before it was read is counted, record by record, and becomes an
//! event of the server's own; so does what cannot be decoded, or unpacks to too much. A record without a value is none, and counted. Records
//! of transactions that were given up are not read, and counted, unless the settings want them; those of open ones are waited for.
//!
//! [`wire`] asks a broker, [`batch`] takes apart what it gives, [`sasl`] says who we are; `partition` reads. Topics are found, and routes
//! send, through a client of others.

pub(crate) mod batch;
mod connection;
mod partition;
mod sasl;
mod transactions;
mod wire;

pub(crate) use connection::Brokers;
pub use connection::{Mechanism, Sasl};

use crate::counters::InputCounters;
use crate::decode::Envelope;
use crate::input::{Context, Input, Running, Stop, checked_index};
use crate::outputs::OutputTls;
use crate::zone::{ZoneName, Zones};
use partition::{Shared, follow};
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::limits::KAFKA_UNPACKED_MAX;
use taffrail_base::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// `[[input]] type = "kafka"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaSettings {
    /// Addresses with ports of some brokers of the cluster.
    pub brokers: Vec<String>,
    /// The topics.
    pub topics: Vec<String>,
    /// These partitions of each; all if not given.
    pub partitions: Vec<i32>,
    /// Where to begin in what was never read.
    pub start: Begin,
    /// Whether records of transactions are read that were given up, or may still be.
    pub isolation: Isolation,
    /// What the positions are kept under; the brokers if not given.
    pub name: Option<String>,
    /// Whether headers become fields of the event.
    pub headers: bool,
    /// Whether the key does.
    pub keys: bool,
    /// Whose time is the event's.
    pub time: TimeOf,
    /// With TLS.
    pub tls: Option<OutputTls>,
    /// Who we are.
    pub sasl: Option<Sasl>,
    /// Index of the events; `main` if not given.
    pub index: Option<String>,
    /// Sourcetype of the events; found out from the first record of a partition if not given.
    pub sourcetype: Option<String>,
    /// Host of every event, whatever it says.
    pub host: Option<String>,
    /// The zone of times that name none, such as `Europe/Berlin` or `+02:00`; that of this machine if not given.
    pub zone: Option<ZoneName>,
    /// Source of the events; the topic if not given.
    pub source: Option<String>,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            topics: Vec::new(),
            partitions: Vec::new(),
            start: Begin::default(),
            isolation: Isolation::default(),
            name: None,
            headers: true,
            keys: false,
            time: TimeOf::default(),
            tls: None,
            sasl: None,
            index: None,
            sourcetype: None,
            host: None,
            zone: None,
            source: None,
        }
    }
}

/// Where to begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Begin {
    /// With what is there.
    #[default]
    Earliest,
    /// With what comes.
    Latest,
}

/// Which records of transactions are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Those of transactions that hold.
    #[default]
    ReadCommitted,
    /// All.
    ReadUncommitted,
}

/// Whose time is the event's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeOf {
    /// That of the record, as producer or broker set it.
    #[default]
    Record,
    /// The one that stands in the value.
    Value,
}

/// Partitions of one input: each has a connection.
const PARTITIONS_MAX: usize = 512;

/// How often is looked for new partitions.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Wait after a failure, for the first time and at most.
pub(super) const RETRY_MIN: Duration = Duration::from_millis(250);
pub(super) const RETRY_MAX: Duration = Duration::from_secs(15);

/// Topics, not yet read.
pub struct KafkaInput {
    settings: KafkaSettings,
    index: Arc<str>,
}

impl KafkaInput {
    /// Checks the settings; no broker need be there.
    pub fn new(settings: KafkaSettings) -> Result<Self> {
        Brokers::check(&settings.brokers, settings.tls.as_ref(), settings.sasl.as_ref())?;
        if settings.topics.is_empty() || settings.topics.iter().any(String::is_empty) {
            return Err(invalid("topics are not named", "topics = [\"logs\"]"));
        }
        if settings.partitions.iter().any(|number| *number < 0) {
            return Err(invalid("partitions are numbers from 0 on", "leave partitions out: all of them"));
        }
        for (name, value) in [("source", &settings.source), ("host", &settings.host), ("sourcetype", &settings.sourcetype)] {
            crate::http::checked(name, value.as_deref())?;
        }
        Ok(Self { index: checked_index(settings.index.as_deref())?, settings })
    }
}

pub(super) fn invalid(text: &str, hint: &str) -> Error {
    Error::new(ErrorKind::Invalid, text.to_owned()).with_hint(hint.to_owned())
}

impl Input for KafkaInput {
    fn kind(&self) -> &'static str {
        "kafka"
    }

    fn name(&self) -> String {
        format!("kafka {}", self.settings.topics.join(","))
    }

    fn start(&self, context: Context) -> Result<Running> {
        let settings = &self.settings;
        let brokers = Brokers::new(&settings.brokers, settings.tls.as_ref(), settings.sasl.as_ref(), &*context.vfs)?;
        let counters = Arc::new(InputCounters::new(self.name(), self.kind()));
        let (stopper, stop) = Stop::channel();
        let mut place = settings.brokers.clone();
        place.sort_unstable();
        let place = settings.name.clone().unwrap_or_else(|| place.join(","));
        let shared = Shared {
            envelope: Envelope {
                index: Arc::clone(&self.index),
                host: settings.host.as_deref().map(Arc::from),
                default_host: Arc::clone(&context.host),
                source: settings.source.as_deref().unwrap_or_default().into(),
                sourcetype: settings.sourcetype.as_deref().map(Arc::from),
                transport: "kafka".into(),
                peer: "".into(),
                zones: Zones::of(settings.zone.as_ref(), &context),
            },
            keys: format!("kafka/{}/{}/", self.index, &blake3::hash(place.as_bytes()).to_hex()[..16]),
            settings: settings.clone(),
            brokers,
            together: Semaphore::new(KAFKA_UNPACKED_MAX),
            context,
            counters: Arc::clone(&counters),
            stop,
        };
        Ok(Running::new(counters, None, stopper, tokio::spawn(run(Arc::new(shared)))))
    }
}

/// Looks for partitions and reads each by a task of its own.
async fn run(shared: Arc<Shared>) {
    let mut stop = shared.stop.clone();
    let (mut tasks, mut known) = (JoinSet::new(), FxHashSet::default());
    let mut wait = RETRY_MIN;
    while !stop.is_stopped() {
        let looked = tokio::select! {
            biased;
            () = stop.stopped() => break,
            looked = shared.partitions() => looked,
        };
        let next = match looked {
            Err(error) => {
                shared.counters.problem(error);
                wait = (wait * 2).min(RETRY_MAX);
                wait
            }
            Ok(partitions) => {
                for (topic, number) in partitions {
                    if !known.contains(&(topic.clone(), number)) && known.len() < PARTITIONS_MAX {
                        known.insert((topic.clone(), number));
                        tasks.spawn(follow(Arc::clone(&shared), topic, number));
                    } else if known.len() >= PARTITIONS_MAX && !known.contains(&(topic.clone(), number)) {
                        shared.counters.problem(format!("more than {PARTITIONS_MAX} partitions: {number} of {topic} is not read"));
                    }
                }
                wait = RETRY_MIN;
                LOOK_EVERY
            }
        };
        // Whether it is to stop, the loop asks.
        let _ = stop.within(next).await;
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            shared.counters.problem(format!("reading a partition ended abnormally: {error}"));
        }
    }
}
