//! Syslog over TCP and TLS (RFC 6587, 5425).
//!
//! **Promise.** The protocol has no answers: confirmed is what the machine at the other end has acknowledged. A receiver that
//! dies with bytes in its socket loses these; RELP loses none.

use super::connection::{Connection, Dialer, OutputTls};
use super::rewrite::Layout;
use super::{Progress, Streaming, Surroundings};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::ops::Range;
use taffrail_base::Result;
use taffrail_base::limits::OUTPUT_WRITE_BYTES;
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
}

impl Streaming for Syslog {
    type Open = Connection;

    async fn opened(&mut self) -> Result<Connection> {
        // One that was idle may have ended meanwhile: nothing is lost if that is seen before anything is sent.
        if let Some(mut open) = self.connection.take()
            && open.alive().is_ok()
        {
            return Ok(open);
        }
        self.dialer.dial().await
    }

    /// Sends part after part, and notes which of them are acknowledged while there is more to send.
    async fn stream(&self, connection: &mut Connection, batch: &EventBatch, range: Range<usize>, progress: &mut Progress) -> Result<()> {
        let (mut bytes, mut message, mut written) = (Vec::new(), Vec::new(), 0);
        // Where parts end: in bytes, and in events.
        let mut ends = VecDeque::new();
        while progress.sent < range.len() {
            bytes.clear();
            while progress.sent < range.len() && bytes.len() < OUTPUT_WRITE_BYTES {
                message.clear();
                self.layout.write(&batch.event(range.start + progress.sent), &mut message);
                frame(self.framing, &message, &mut bytes);
                progress.sent += 1;
            }
            connection.send(&bytes).await?;
            written += bytes.len();
            ends.push_back((written, progress.sent));
            let waiting = connection.waiting()?;
            while let Some((_, events)) = ends.pop_front_if(|(end, _)| written - *end >= waiting) {
                progress.confirmed = events;
            }
        }
        connection.acknowledged().await?;
        progress.confirmed = progress.sent;
        Ok(())
    }

    fn keep(&mut self, open: Option<Connection>) {
        self.connection = open;
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
