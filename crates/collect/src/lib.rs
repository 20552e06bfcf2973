//! Inputs and outputs: what brings events in, and what sends them on.
//!
//! - [`input`] is the contract: an [`Input`] is started with a [`Context`], runs until it is stopped, and hands
//!   what it read to an `EventSink` together with its position, in one batch.
//! - [`files`] follows growing files through every kind of rotation, [`journald`] follows the systemd journal,
//!   [`import`] reads files once; [`evtx`], [`event_xml`] and [`cloudtrail`] make lines of what holds events; [`command`] runs commands,
//!   [`sql`] reads tables, [`s3`] buckets, [`kafka`] topics, [`sftp`] files of
//!   another machine.
//! - [`stream`] is all that listens for connections (limits, TLS, PROXY protocol, acknowledgements); [`syslog`], `relp`,
//!   [`gelf`] and `lumberjack` are what may be spoken there. [`netflow`] and [`snmp`] listen for datagrams,
//!   [`wef`] for Windows machines that forward their events.
//! - [`requests`] listens for requests over HTTP, which somebody else answers.
//! - [`push`] and [`http`] turn bodies of HTTP requests into batches: one decoder per protocol.
//! - [`network`] says who may send to a listener, [`zone`] in which zone times are that name none.
//! - [`records`] is how events that a protocol has taken apart get into a batch.
//! - [`ids`] are what senders call their events, by which what they send again is told.
//! - [`outputs`] send events on: syslog, RELP, files, HTTP, Kafka; [`forwarding`] is a batch as another Taffrail takes it.
//! - `peers` is what a listener has learnt of its senders, within one bound.
//! - [`counters`] keeps the account of each source: received = stored + dropped, always; what came twice is counted among the dropped.
//!
//! Inputs write to `event::EventSink` and never to a store; what lines mean is the business of `format`. It
//! prints nothing and reads no settings by itself.

pub mod cloudtrail;
pub mod command;
pub mod counters;
pub mod decode;
pub mod delivery;
pub mod event_xml;
pub mod evtx;
pub mod files;
mod finding;
pub mod forwarding;
mod gather;
pub mod gelf;
pub mod http;
pub mod ids;
pub mod import;
pub mod input;
pub mod journald;
pub mod kafka;
mod lumberjack;
#[cfg(test)]
#[path = "../tests/it/mutator.rs"]
mod mutator;
pub mod netflow;
pub mod network;
mod outgoing;
pub mod outputs;
mod peers;
pub mod preset;
pub mod push;
pub mod records;
mod relp;
pub mod requests;
pub mod rhythm;
pub mod s3;
pub mod sftp;
pub mod snmp;
pub mod sql;
pub mod stream;
pub mod syslog;
pub mod unpack;
pub mod wef;
mod whole;
pub mod zone;

pub use counters::{InputCounters, InputSnapshot, SourceSnapshot};
pub use input::{Context, Input, InputSettings, Inputs, Running};
pub use network::Network;
pub use zone::ZoneName;
