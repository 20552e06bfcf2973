//! Where inputs and formats meet: what a source's events share, and its decoder.

use std::sync::Arc;
use taffrail_event::{EventBatch, Origin};
use taffrail_format::{Decoder, DecoderSettings, Frame};

/// What is known of the events of a source before they are read.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The index that they go to.
    pub index: Arc<str>,
    /// The host of all of them, whatever they say; `None`: as they say, else `default_host`.
    pub host: Option<Arc<str>>,
    /// The host of those that name none.
    pub default_host: Arc<str>,
    /// The file, address or command.
    pub source: Arc<str>,
    /// Their format; `None`: found out from the first lines.
    pub sourcetype: Option<Arc<str>>,
    /// How they arrive.
    pub transport: Arc<str>,
    /// The network address that sends them, or empty.
    pub peer: Arc<str>,
}

impl Envelope {
    /// The same for one sender: its address is the peer, and the host of events that name none.
    pub(crate) fn with_peer(&self, peer: &Arc<str>) -> Self {
        Self { peer: Arc::clone(peer), default_host: Arc::clone(peer), ..self.clone() }
    }

    /// The same for another source.
    pub(crate) fn with_source(&self, source: &str) -> Self {
        Self { source: Arc::from(source), ..self.clone() }
    }

    /// A decoder for these events.
    pub(crate) fn decoding(&self) -> Decoding {
        let origin = Origin {
            index: Arc::clone(&self.index),
            host: Arc::clone(self.host.as_ref().unwrap_or(&self.default_host)),
            source: Arc::clone(&self.source),
            sourcetype: self.sourcetype.clone().unwrap_or_else(|| Arc::from("")),
            transport: Arc::clone(&self.transport),
            peer: Arc::clone(&self.peer),
        };
        let settings = DecoderSettings { host_from_event: self.host.is_none(), ..DecoderSettings::new(origin) };
        Decoding { decoder: Decoder::new(settings) }
    }
}

/// The decoder of one source.
#[derive(Debug)]
pub(crate) struct Decoding {
    decoder: Decoder,
}

impl Decoding {
    /// Lets the format be found out from the first bytes of the source.
    pub fn sample(&mut self, bytes: &[u8]) {
        self.decoder.sample(bytes);
    }

    /// Adds one event to the batch.
    pub fn push(&mut self, frame: Frame<'_>, batch: &mut EventBatch) {
        self.decoder.decode(batch, frame);
    }

    /// The format of the source, once it will not change any more.
    pub fn decided(&self) -> Option<&str> {
        self.decoder.is_decided().then(|| self.decoder.sourcetype())
    }
}
