//! Syslog over TCP and TLS (RFC 6587, 5425).
//!
//! **Promise.** The protocol has no answers: confirmed is what the machine at the other end has acknowledged. A receiver that
//! dies with bytes in its socket loses these; RELP loses none.

use super::connection::{Connection, Dialer, OutputTls};
use super::rewrite::Layout;
use super::{Delivered, Output, Surroundings};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use taffrail_base::{Error, Result};
use taffrail_event::EventBatch;

/// How messages are told apart on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// The number of bytes before each: any bytes arrive as they are.
    #[default]
    OctetCount,
    /// A NUL behind each; for GELF.
    Nul,
    /// A line feed behind each; line feeds within a message are written `#012`.
    Lf,
}

/// `type = "syslog-tcp"` and `type = "relp"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyslogOutput {
    /// Host and port.
    pub address: String,
    /// What is sent of each event.
    #[serde(default)]
    pub layout: Layout,
    /// How messages are told apart; not for RELP, which counts bytes.
    #[serde(default)]
    pub framing: Framing,
    /// With TLS.
    #[serde(default)]
    pub tls: Option<OutputTls>,
}

pub(super) struct Syslog {
    dialer: Dialer,
    layout: Layout,
    framing: Framing,
    connection: Option<Connection>,
}

impl Syslog {
    pub fn new(settings: &SyslogOutput, around: &Surroundings) -> Result<Self> {
        let dialer = Dialer::new(&settings.address, settings.tls.as_ref(), &*around.vfs)?;
        Ok(Self { dialer, layout: settings.layout, framing: settings.framing, connection: None })
    }

    async fn send(&mut self, bytes: &[u8]) -> std::result::Result<(), (bool, Error)> {
        // One that was idle may have ended meanwhile: nothing is lost if that is seen before anything is sent.
        if self.connection.as_mut().is_some_and(|connection| connection.alive().is_err()) {
            self.connection = None;
        }
        let mut connection = match self.connection.take() {
            Some(open) => open,
            None => self.dialer.dial().await.map_err(|e| (false, e))?,
        };
        connection.send(bytes).await.map_err(|e| (true, e))?;
        connection.acknowledged().await.map_err(|e| (true, e))?;
        self.connection = Some(connection);
        Ok(())
    }
}

/// Adds a message in its frame.
pub(super) fn frame(framing: Framing, message: &[u8], out: &mut Vec<u8>) {
    match framing {
        Framing::OctetCount => {
            out.extend_from_slice(format!("{} ", message.len()).as_bytes());
            out.extend_from_slice(message);
        }
        Framing::Nul => {
            out.extend_from_slice(message);
            out.push(0);
        }
        Framing::Lf => {
            for (at, line) in message.split(|b| *b == b'\n').enumerate() {
                out.extend_from_slice(if at > 0 { b"#012" } else { b"" });
                out.extend_from_slice(line);
            }
            out.push(b'\n');
        }
    }
}

impl Output for Syslog {
    fn deliver<'a>(&'a mut self, batch: &'a EventBatch, from: usize) -> BoxFuture<'a, Delivered> {
        Box::pin(async move {
            let (mut bytes, mut message) = (Vec::with_capacity(batch.raw_bytes() + 16 * batch.len()), Vec::new());
            for event in batch.iter().skip(from) {
                message.clear();
                self.layout.write(&event, &mut message);
                frame(self.framing, &message, &mut bytes);
            }
            let events = batch.len() - from;
            match self.send(&bytes).await {
                Ok(()) => Delivered::all(events),
                Err((begun, error)) => Delivered::failed(if begun { events } else { 0 }, error),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames() {
        let mut out = Vec::new();
        frame(Framing::OctetCount, b"a\nb", &mut out);
        frame(Framing::Lf, b"a\nb", &mut out);
        assert_eq!(out, b"3 a\nba#012b\n");
    }
}
