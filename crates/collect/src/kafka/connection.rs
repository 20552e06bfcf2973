//! The way to a cluster: brokers, TLS, and who we are. Connections are made again by who uses them; everything has a time limit.

use super::invalid;
use super::wire::{ANSWER_BYTES_MAX, Failed, Place, Wire};
use crate::outputs::OutputTls;
use crate::outputs::connection::{checked, client_config};
use parking_lot::Mutex;
use rskafka::BackoffConfig;
use rskafka::client::error::Error as KafkaError;
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::limits::{OUTPUT_CONNECT_SECONDS, OUTPUT_REPLY_SECONDS};
use taffrail_base::{Randomness, Result, Secret, SystemRandomness, Vfs};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// `[input.sasl]` and `[routes.output.sasl]`: who we are to the brokers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sasl {
    /// How it is told.
    #[serde(default)]
    pub mechanism: Mechanism,
    /// The name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// How name and password are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// As they are: for connections with TLS.
    Plain,
    /// By proof (RFC 7677).
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// The same with SHA-512.
    #[serde(rename = "scram-sha-512")]
    #[default]
    ScramSha512,
}

/// How long the client waits to try again by itself, at each of its levels: leaders that move are mostly found in less.
const RETRIED_FOR: Duration = Duration::from_millis(500);

/// A cluster. The client that all share is made when it is needed, and anew after it failed.
pub(crate) struct Brokers {
    addresses: Vec<String>,
    tls: Option<Arc<ClientConfig>>,
    sasl: Option<SaslConfig>,
    who: Option<Sasl>,
    client: Mutex<Option<Arc<Client>>>,
}

impl Brokers {
    /// Whether the settings can be right, as far as they can be looked at without files.
    pub fn check(addresses: &[String], tls: Option<&OutputTls>, sasl: Option<&Sasl>) -> Result<()> {
        if addresses.is_empty() {
            return Err(invalid("brokers are not named", "brokers = [\"kafka-1.example.com:9092\"]"));
        }
        for address in addresses {
            checked(address)?;
        }
        if tls.is_some_and(|tls| tls.server_name.is_some()) {
            return Err(invalid("tls.server_name is not for Kafka", "each broker shows a certificate for the name that it is reached by"));
        }
        if sasl.is_some_and(|sasl| sasl.username.is_empty()) {
            return Err(invalid("sasl.username is empty", "give the name, or leave out sasl"));
        }
        Ok(())
    }

    /// Reads the files; nothing is connected yet.
    pub fn new(addresses: &[String], tls: Option<&OutputTls>, sasl: Option<&Sasl>, vfs: &dyn Vfs) -> Result<Self> {
        Self::check(addresses, tls, sasl)?;
        let known = sasl.cloned();
        let sasl = sasl.map(|sasl| {
            let who = Credentials::new(sasl.username.clone(), sasl.password.reveal().to_owned());
            match sasl.mechanism {
                Mechanism::Plain => SaslConfig::Plain(who),
                Mechanism::ScramSha256 => SaslConfig::ScramSha256(who),
                Mechanism::ScramSha512 => SaslConfig::ScramSha512(who),
            }
        });
        let tls = tls.map(|tls| client_config(tls, vfs)).transpose()?.map(Arc::new);
        Ok(Self { addresses: addresses.to_vec(), tls, sasl, who: known, client: Mutex::new(None) })
    }

    /// A client that has reached the cluster.
    pub async fn client(&self) -> std::result::Result<Arc<Client>, String> {
        if let Some(client) = &*self.client.lock() {
            return Ok(Arc::clone(client));
        }
        let mut builder = ClientBuilder::new(self.addresses.clone()).client_id("taffrail").max_message_size(ANSWER_BYTES_MAX);
        // Tried again by us, who can tell people about it.
        builder = builder.backoff_config(BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
            deadline: Some(RETRIED_FOR),
        });
        if let Some(tls) = &self.tls {
            builder = builder.tls_config(Arc::clone(tls));
        }
        if let Some(sasl) = &self.sasl {
            builder = builder.sasl_config(sasl.clone());
        }
        let client = Arc::new(self.limited(OUTPUT_CONNECT_SECONDS, builder.build()).await.map_err(|error| self.told(&error))?);
        *self.client.lock() = Some(Arc::clone(&client));
        Ok(client)
    }

    /// A connection of our own to the broker that leads a partition.
    pub(super) async fn lead(&self, place: Place<'_>) -> std::result::Result<Wire, Failed> {
        let mut failed = Failed::Broken("there is no broker".to_owned());
        for address in &self.addresses {
            let asked = async {
                let mut wire = self.dial(address).await?;
                let (host, port) = wire.leader(place).await?;
                self.dial(&if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }).await
            };
            let late = Duration::from_secs(OUTPUT_CONNECT_SECONDS + OUTPUT_REPLY_SECONDS);
            let slow = |_| Err(Failed::Broken(format!("{address} does not answer in time")));
            match tokio::time::timeout(late, asked).await.unwrap_or_else(slow) {
                Ok(wire) => return Ok(wire),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Connects, and says who we are.
    async fn dial(&self, address: &str) -> std::result::Result<Wire, Failed> {
        let broken = |error: std::io::Error| Failed::Broken(format!("{address}: {error}"));
        let tcp = TcpStream::connect(address).await.map_err(broken)?;
        let _ = tcp.set_nodelay(true);
        let mut wire = match &self.tls {
            None => Wire::new(tcp),
            Some(config) => {
                let host = checked(address).map_err(|error| Failed::Broken(error.to_string()))?.to_owned();
                let name = ServerName::try_from(host).map_err(|error| Failed::Broken(format!("{address}: {error}")))?;
                Wire::new(TlsConnector::from(Arc::clone(config)).connect(name, tcp).await.map_err(broken)?)
            }
        };
        if let Some(who) = &self.who {
            let mut chance = [0; 24];
            SystemRandomness.fill(&mut chance);
            wire.authenticate(who, chance).await?;
        }
        Ok(wire)
    }

    /// Lets a client go that has failed.
    pub fn forget(&self, client: &Arc<Client>) {
        self.client.lock().take_if(|known| Arc::ptr_eq(known, client));
    }

    /// Topics and their partitions.
    pub async fn topics(&self) -> std::result::Result<Vec<rskafka::topic::Topic>, String> {
        let client = self.client().await?;
        self.limited(OUTPUT_REPLY_SECONDS, client.list_topics()).await.map_err(|error| {
            self.forget(&client);
            self.told(&error)
        })
    }

    async fn limited<T>(
        &self,
        seconds: u64,
        work: impl Future<Output = std::result::Result<T, KafkaError>>,
    ) -> std::result::Result<T, KafkaError> {
        tokio::time::timeout(Duration::from_secs(seconds), work).await.unwrap_or(Err(KafkaError::Timeout))
    }

    /// An error in words.
    pub fn told(&self, error: &KafkaError) -> String {
        match error {
            KafkaError::Timeout => format!("{} does not answer in time", self.addresses.join(",")),
            KafkaError::ServerError { protocol_error, .. } => format!("the broker says {protocol_error:?}"),
            error => format!("{}: {error}", self.addresses.join(",")),
        }
    }
}
