//! Lumberjack, version 2, to Logstash, Graylog's Beats input or another Taffrail.
//!
//! **Promise.** Confirmed is what the receiver has acknowledged. What it had not when the connection broke is sent again: events have
//! no identity, so that such an event may be there twice.

use super::connection::{Connection, Dialer, OutputTls};
use super::encode;
use super::{Progress, Streaming, Surroundings};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::ops::Range;
use taffrail_base::limits::OUTPUT_WRITE_BYTES;
use taffrail_base::{Error, ErrorKind, Result};
use taffrail_event::EventBatch;

/// `type = "lumberjack"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LumberjackOutput {
    /// Host and port.
    pub address: String,
    /// With TLS.
    #[serde(default)]
    pub tls: Option<OutputTls>,
}

/// Events of one window at most, as Beats have it by default.
const WINDOW: usize = 2_048;

pub(super) struct Lumberjack {
    dialer: Dialer,
    connection: Option<Connection>,
}

impl Lumberjack {
    pub fn new(settings: &LumberjackOutput, around: &Surroundings) -> Result<Self> {
        Ok(Self { dialer: Dialer::new(&settings.address, settings.tls.as_ref(), &*around.vfs)?, connection: None })
    }
}

impl Streaming for Lumberjack {
    type Open = Connection;

    async fn opened(&mut self) -> Result<Connection> {
        // What is said while nothing is asked is no acknowledgement that anybody waits for.
        if let Some(mut open) = self.connection.take()
            && matches!(open.alive(), Ok(false))
        {
            return Ok(open);
        }
        self.dialer.dial().await
    }

    /// Sends window after window, each once the one before is acknowledged.
    async fn stream(&self, connection: &mut Connection, batch: &EventBatch, range: Range<usize>, progress: &mut Progress) -> Result<()> {
        while progress.sent < range.len() {
            let (bytes, events) = window(batch, range.start + progress.sent..range.end)?;
            connection.send(&bytes).await?;
            let before = progress.sent;
            progress.sent += events;
            let mut held = Vec::new();
            while progress.confirmed < progress.sent {
                // A receiver that is slow acknowledges a part, or nothing, to say that it lives.
                if let Some(acknowledged) = acknowledgement(&mut held)? {
                    progress.confirmed = progress.confirmed.max(before + (acknowledged as usize).min(events));
                } else {
                    connection.receive(&mut held).await?;
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, open: Option<Connection>) {
        self.connection = open;
    }
}

/// The next window and how many events are in it.
fn window(batch: &EventBatch, range: Range<usize>) -> Result<(Vec<u8>, usize)> {
    let mut plain = Vec::new();
    let mut events = 0u32;
    for at in range.take(WINDOW) {
        events += 1;
        let json = encode::beat(&batch.event(at)).to_string();
        plain.extend_from_slice(b"2J");
        plain.extend_from_slice(&events.to_be_bytes());
        plain.extend_from_slice(&(json.len() as u32).to_be_bytes());
        plain.extend_from_slice(json.as_bytes());
        if plain.len() >= OUTPUT_WRITE_BYTES {
            break;
        }
    }
    let failed = |e| Error::io("packing a window", e);
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&plain).map_err(failed)?;
    let packed = packed.finish().map_err(failed)?;
    let mut bytes = Vec::with_capacity(packed.len() + 12);
    bytes.extend_from_slice(b"2W");
    bytes.extend_from_slice(&events.to_be_bytes());
    bytes.extend_from_slice(b"2C");
    bytes.extend_from_slice(&(packed.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&packed);
    Ok((bytes, events as usize))
}

/// Takes an acknowledgement off the front, once all of it is there.
fn acknowledgement(held: &mut Vec<u8>) -> Result<Option<u32>> {
    let known = b"2A";
    if held.iter().zip(known).any(|(found, due)| found != due) {
        return Err(Error::new(ErrorKind::Io, "the receiver does not speak Lumberjack 2"));
    }
    let Some(number) = held.get(2..6) else { return Ok(None) };
    let number = u32::from_be_bytes(number.try_into().expect("four bytes"));
    held.drain(..6);
    Ok(Some(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_come_in_parts() {
        let mut held = b"2A\0\0\0".to_vec();
        assert_eq!(acknowledgement(&mut held).expect("is one"), None);
        held.extend_from_slice(b"\x072A");
        assert_eq!(acknowledgement(&mut held).expect("is one"), Some(7));
        assert_eq!((acknowledgement(&mut held).expect("is one"), held.len()), (None, 2));
        assert!(acknowledgement(&mut b"HTTP/1.1 400".to_vec()).is_err());
    }
}
