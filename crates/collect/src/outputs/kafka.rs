//! Records of a topic of Kafka.
//!
//! **Promise.** Confirmed is what all replicas that are in step have taken (`acks=all`). A record whose answer did not come is sent again, and
//! may then be there twice. Events of one host are one partition's, in their order.

use super::connection::OutputTls;
use super::{Delivered, Output, Surroundings};
use crate::kafka::{Brokers, Sasl};
use futures::future::{BoxFuture, join_all};
use rskafka::chrono::DateTime;
use rskafka::client::error::{Error as KafkaError, ProtocolError};
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::record::Record;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use taffrail_base::limits::OUTPUT_REPLY_SECONDS;
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_event::{EventBatch, EventRef};

/// `type = "kafka"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaOutput {
    /// Addresses with ports of some brokers of the cluster.
    pub brokers: Vec<String>,
    /// The topic.
    pub topic: String,
    /// What is sent of each event.
    #[serde(default)]
    pub value: Value,
    /// How records are packed.
    #[serde(default)]
    pub compression: Packed,
    /// With TLS.
    #[serde(default)]
    pub tls: Option<OutputTls>,
    /// Who we are.
    #[serde(default)]
    pub sasl: Option<Sasl>,
}

/// What is sent of each event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// Its bytes; host, source and sourcetype as headers.
    #[default]
    Raw,
    /// One JSON object with all of it.
    Json,
}

/// How records are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Packed {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// LZ4.
    Lz4,
    /// Snappy.
    Snappy,
    /// Zstandard, for brokers from 2.1 on.
    Zstd,
}

/// Bytes of records in one request: brokers take a megabyte unless they are told otherwise.
const REQUEST_BYTES: usize = 512 * 1024;

/// What a record takes beside its key, value and headers, at most.
const RECORD_BYTES: usize = 64;

/// Sends to a topic.
pub(super) struct Kafka {
    settings: KafkaOutput,
    brokers: Brokers,
    partitions: Vec<PartitionClient>,
}

impl Kafka {
    pub fn new(settings: &KafkaOutput, around: &Surroundings) -> Result<Self> {
        if settings.topic.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "the topic is not named").with_hint("topic = \"logs\""));
        }
        let brokers = Brokers::new(&settings.brokers, settings.tls.as_ref(), settings.sasl.as_ref(), &*around.vfs)?;
        Ok(Self { settings: settings.clone(), brokers, partitions: Vec::new() })
    }

    /// Finds the partitions, if they are not known.
    async fn connect(&mut self) -> std::result::Result<(), String> {
        if !self.partitions.is_empty() {
            return Ok(());
        }
        let topic = &self.settings.topic;
        let client = self.brokers.client().await?;
        let open = async {
            // Asked for by name, a topic is made by brokers that may do so.
            let first = client.partition_client(topic, 0, UnknownTopicHandling::Error).await?;
            let topics = client.list_topics().await?;
            let numbers = topics.into_iter().find(|known| known.name == *topic).map(|known| known.partitions).unwrap_or_default();
            let mut partitions = BTreeMap::from([(0, first)]);
            for number in numbers {
                if number > 0 {
                    partitions.insert(number, client.partition_client(topic, number, UnknownTopicHandling::Error).await?);
                }
            }
            Ok(partitions.into_values().collect())
        };
        self.partitions = limited(open).await.map_err(|error| {
            self.brokers.forget(&client);
            format!("topic {topic:?}: {}", self.brokers.told(&error))
        })?;
        Ok(())
    }

    fn record(&self, event: &EventRef<'_>) -> Record {
        let origin = event.origin;
        let value = match self.settings.value {
            Value::Raw => event.raw.to_vec(),
            Value::Json => super::encode::object(event).to_string().into_bytes(),
        };
        let said = [("host", &origin.host), ("source", &origin.source), ("sourcetype", &origin.sourcetype)];
        let said = said.iter().filter(|(_, value)| self.settings.value == Value::Raw && !value.is_empty());
        Record {
            key: (!origin.host.is_empty()).then(|| origin.host.as_bytes().to_vec()),
            value: Some(value),
            headers: said.map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect(),
            timestamp: DateTime::from_timestamp_millis(event.time.nanos().div_euclid(1_000_000)).unwrap_or_default(),
        }
    }

    fn compression(&self) -> Compression {
        match self.settings.compression {
            Packed::None => Compression::NoCompression,
            Packed::Gzip => Compression::Gzip,
            Packed::Lz4 => Compression::Lz4,
            Packed::Snappy => Compression::Snappy,
            Packed::Zstd => Compression::Zstd,
        }
    }
}

async fn limited<T>(work: impl Future<Output = std::result::Result<T, KafkaError>>) -> std::result::Result<T, KafkaError> {
    tokio::time::timeout(Duration::from_secs(OUTPUT_REPLY_SECONDS), work).await.unwrap_or(Err(KafkaError::Timeout))
}

/// What became of the events of one partition, in their order.
#[derive(Default)]
struct Sent {
    confirmed: usize,
    refused: Vec<(usize, String)>,
    failure: Option<KafkaError>,
}

/// Sends records to their partition, request by request.
async fn send(partition: &PartitionClient, records: Vec<(usize, Record)>, compression: Compression) -> Sent {
    let mut sent = Sent::default();
    let mut most = records.len();
    while sent.confirmed < records.len() {
        let rest = &records[sent.confirmed..];
        let mut bytes = 0;
        let fits = |(_, record): &&(usize, Record)| {
            bytes += record.approximate_size() + RECORD_BYTES;
            bytes <= REQUEST_BYTES
        };
        let count = rest.iter().take_while(fits).count().clamp(1, most.max(1));
        let part = rest[..count].iter().map(|(_, record)| record.clone()).collect();
        match limited(partition.produce(part, compression)).await {
            Ok(_) => {
                sent.confirmed += count;
                most = most.saturating_mul(2);
            }
            Err(KafkaError::ServerError { protocol_error, .. }) if is_of_content(&protocol_error) => {
                if count > 1 {
                    most = count / 2;
                } else {
                    sent.refused.push((rest[0].0, format!("the broker says {protocol_error:?}")));
                    sent.confirmed += 1;
                }
            }
            Err(error) => {
                sent.failure = Some(error);
                break;
            }
        }
    }
    sent
}

/// Errors that stay, whenever it is sent.
fn is_of_content(error: &ProtocolError) -> bool {
    matches!(
        error,
        ProtocolError::MessageTooLarge | ProtocolError::RecordListTooLarge | ProtocolError::InvalidRecord | ProtocolError::InvalidTimestamp
    )
}

/// The partition of a key as Kafka's own clients choose it (murmur2), so that it is the same whoever sends.
fn partition_of(key: &[u8], partitions: usize) -> usize {
    const M: u32 = 0x5bd1_e995;
    let mix = |k: u32| {
        let k = k.wrapping_mul(M);
        (k ^ (k >> 24)).wrapping_mul(M)
    };
    let mut hash = 0x9747_b28c ^ u32::try_from(key.len()).unwrap_or(u32::MAX);
    let (whole, rest) = key.as_chunks::<4>();
    for bytes in whole {
        hash = hash.wrapping_mul(M) ^ mix(u32::from_le_bytes(*bytes));
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| tail << 8 | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^= hash >> 15;
    (hash & 0x7fff_ffff) as usize % partitions
}

impl Output for Kafka {
    fn deliver<'a>(&'a mut self, batch: &'a EventBatch, range: Range<usize>) -> BoxFuture<'a, Delivered> {
        Box::pin(async move {
            if let Err(text) = self.connect().await {
                return Delivered::failed(0, Error::new(ErrorKind::Io, text));
            }
            let all = range.len();
            let mut groups: Vec<Vec<(usize, Record)>> = self.partitions.iter().map(|_| Vec::new()).collect();
            for at in 0..all {
                let record = self.record(&batch.event(range.start + at));
                let group = partition_of(record.key.as_deref().unwrap_or_default(), groups.len());
                groups[group].push((at, record));
            }
            let numbers: Vec<Vec<usize>> = groups.iter().map(|group| group.iter().map(|(at, _)| *at).collect()).collect();
            let compression = self.compression();
            let sent = join_all(self.partitions.iter().zip(groups).map(|(partition, group)| send(partition, group, compression))).await;
            // The first that is not confirmed, of any partition: what comes behind it is sent again.
            let confirmed = numbers.iter().zip(&sent).filter_map(|(numbers, sent)| numbers.get(sent.confirmed)).min().copied();
            let confirmed = confirmed.unwrap_or(all);
            let refused: Vec<_> = sent.iter().flat_map(|sent| &sent.refused).filter(|(at, _)| *at < confirmed).collect();
            let refused = refused.last().map(|(_, why)| (refused.len() as u64, why.clone()));
            let failure = sent.into_iter().find_map(|sent| sent.failure);
            let outcome = match failure {
                None => Ok(()),
                Some(error) => {
                    // Leaders move, and connections end: it is all found out anew.
                    self.partitions.clear();
                    Err(Error::new(ErrorKind::Io, format!("topic {:?}: {}", self.settings.topic, self.brokers.told(&error))))
                }
            };
            Delivered { confirmed, attempted: all, refused, outcome }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Kafka's own tests of this function, before the sign is taken off.
    #[test]
    fn partitions_are_those_of_other_clients() {
        for (key, hash) in [("21", -973_932_308_i32), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536)] {
            let positive = (hash & 0x7fff_ffff) as usize;
            assert_eq!(partition_of(key.as_bytes(), 1_000_003), positive % 1_000_003, "{key}");
        }
    }
}
