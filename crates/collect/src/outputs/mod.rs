//! Outputs: what sends events on. One output type = one file + one line in [`OutputSettings`].
//!
//! An output is given events in their order and tells how many of them, from the first on, the receiver has confirmed; what
//! that is worth depends on the protocol and stands in each module's **promise**. It keeps no queue and never retries: whoever
//! routes remembers the place in the store and offers again what was not confirmed. It decides nothing about which events.

mod connection;
mod file;
mod relp;
mod rewrite;
mod syslog;
mod udp;

pub use connection::OutputTls;
pub use file::FileOutput;
pub use rewrite::Layout;
pub use syslog::{Framing, SyslogOutput};
pub use udp::UdpOutput;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use taffrail_base::{Clock, Result, Vfs};
use taffrail_event::EventBatch;

/// What an output is given to work with.
#[derive(Clone)]
pub struct Surroundings {
    /// The way to files.
    pub vfs: Arc<dyn Vfs>,
    /// The way to the time.
    pub clock: Arc<dyn Clock>,
}

/// What came of sending events.
#[derive(Debug)]
pub struct Delivered {
    /// Events, from the first on, that the receiver has confirmed.
    pub confirmed: usize,
    /// Events, from the first on, that may have reached the receiver; those that are not confirmed are sent again.
    pub attempted: usize,
    /// Of the confirmed ones those that the receiver will never take, and why the last of them: they are not sent again.
    pub refused: Option<(u64, String)>,
    /// What went wrong, if not all are confirmed.
    pub outcome: Result<()>,
}

impl Delivered {
    /// All events are confirmed.
    pub fn all(events: usize) -> Self {
        Self { confirmed: events, attempted: events, refused: None, outcome: Ok(()) }
    }

    /// Nothing is confirmed.
    pub fn failed(attempted: usize, error: taffrail_base::Error) -> Self {
        Self { confirmed: 0, attempted, refused: None, outcome: Err(error) }
    }
}

/// Sends events on.
pub trait Output: Send {
    /// Sends the events from number `from` on, and waits until they are confirmed or it is clear that they are not.
    fn deliver<'a>(&'a mut self, batch: &'a EventBatch, from: usize) -> BoxFuture<'a, Delivered>;

    /// What has to be remembered with the place, beside the place: given to [`Output::resume`] after a restart.
    fn mark(&self) -> Option<String> {
        None
    }

    /// Takes up where `mark` was taken.
    fn resume(&mut self, _mark: &str) {}
}

/// The settings of one output: `[routes.output]` with its `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum OutputSettings {
    /// Syslog datagrams.
    SyslogUdp(UdpOutput),
    /// Syslog over TCP, with TLS if that is set.
    SyslogTcp(SyslogOutput),
    /// Syslog over RELP, with TLS if that is set.
    Relp(SyslogOutput),
    /// A file of lines.
    File(FileOutput),
}

impl OutputSettings {
    /// The type as in the settings.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SyslogUdp(_) => "syslog-udp",
            Self::SyslogTcp(_) => "syslog-tcp",
            Self::Relp(_) => "relp",
            Self::File(_) => "file",
        }
    }

    /// Where it sends to.
    pub fn target(&self) -> String {
        match self {
            Self::SyslogUdp(settings) => settings.address.clone(),
            Self::SyslogTcp(settings) | Self::Relp(settings) => settings.address.clone(),
            Self::File(settings) => settings.path.display().to_string(),
        }
    }

    /// The output that these settings describe, or what is wrong with them. Nothing is connected yet.
    pub fn build(&self, around: &Surroundings) -> Result<Box<dyn Output>> {
        Ok(match self {
            Self::SyslogUdp(settings) => Box::new(udp::Udp::new(settings)?),
            Self::SyslogTcp(settings) => Box::new(syslog::Syslog::new(settings, around)?),
            Self::Relp(settings) => Box::new(relp::Relp::new(settings, around)?),
            Self::File(settings) => Box::new(file::File::new(settings, around)),
        })
    }
}
