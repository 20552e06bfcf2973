//! Syslog over UDP and TCP. The readers only cut bytes into messages; one thread per listener decodes them,
//! fills batches and hands them over, so that a slow disk never stops a socket from being read while there is
//! room in the queue between the two.

pub mod tcp;
pub mod udp;

use crate::counters::InputCounters;
use crate::decode::{Decoding, Envelope};
use crate::delivery::{Delivery, OnFailure};
use crate::input::{Context, Stop};
use crate::outgoing::Outgoing;
use rustc_hash::FxHashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::limits::SYSLOG_PEERS_MAX;
use taffrail_event::{Problems, Timestamp};
use taffrail_format::Frame;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// A message waits at most this long for others to share its batch.
const HAND_OVER_EVERY: Duration = Duration::from_millis(50);

/// Chunks that may wait between the readers and the decoding thread.
const QUEUE_CHUNKS: usize = 64;

/// Some messages as they were cut out, copied into one buffer.
#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    messages: Vec<Message>,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    end: usize,
    peer: IpAddr,
    problems: Problems,
}

impl Chunk {
    fn push(&mut self, peer: IpAddr, frame: Frame<'_>) {
        self.bytes.extend_from_slice(frame.raw);
        self.messages.push(Message { end: self.bytes.len(), peer, problems: frame.problems });
    }
}

/// The decoding side of a listener.
struct Gatherer {
    context: Context,
    envelope: Envelope,
    counters: Arc<InputCounters>,
    stop: Stop,
    decodings: FxHashMap<IpAddr, Decoding>,
}

impl Gatherer {
    fn new(context: Context, envelope: Envelope, counters: Arc<InputCounters>, stop: Stop) -> Self {
        Self { context, envelope, counters, stop, decodings: FxHashMap::default() }
    }

    /// Works until every sender of `chunks` is gone and all is handed over. Blocks; has a thread of its own.
    fn run(mut self, runtime: &Handle, mut chunks: mpsc::Receiver<Chunk>) {
        let sink = Arc::clone(&self.context.sink);
        let mut delivery = Delivery::new(sink, runtime.clone(), self.stop.clone(), OnFailure::Drop);
        while let Some(chunk) = chunks.blocking_recv() {
            let started = self.context.clock.monotonic_nanos();
            let mut out = Outgoing::new(self.now());
            self.decode(&chunk, &mut out, &mut delivery);
            loop {
                let spent = Duration::from_nanos(self.context.clock.monotonic_nanos().saturating_sub(started));
                let Some(rest) = HAND_OVER_EVERY.checked_sub(spent).filter(|_| !out.is_full()) else { break };
                match runtime.block_on(async { tokio::time::timeout(rest, chunks.recv()).await }) {
                    Ok(Some(chunk)) => self.decode(&chunk, &mut out, &mut delivery),
                    Ok(None) | Err(_) => break,
                }
            }
            self.send(out, &mut delivery);
        }
        if let Err(error) = delivery.settle() {
            self.counters.problem(format!("events were dropped: {error}"));
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.context.clock.now_nanos())
    }

    fn decode(&mut self, chunk: &Chunk, out: &mut Outgoing, delivery: &mut Delivery) {
        let source = self.counters.source(&self.envelope.source);
        let mut start = 0;
        for message in &chunk.messages {
            if out.is_full() {
                let full = std::mem::replace(out, Outgoing::new(self.now()));
                self.send(full, delivery);
            }
            let frame = Frame { raw: &chunk.bytes[start..message.end], problems: message.problems };
            start = message.end;
            if self.decodings.len() >= SYSLOG_PEERS_MAX && !self.decodings.contains_key(&message.peer) {
                // Only what was learnt about their times is lost.
                self.decodings.clear();
            }
            let envelope = &self.envelope;
            let decoding = self.decodings.entry(message.peer).or_insert_with(|| {
                let peer = Arc::<str>::from(message.peer.to_canonical().to_string());
                envelope.with_peer(&peer).decoding()
            });
            out.add(&source, |batch| decoding.push(frame, batch));
        }
    }

    fn send(&self, out: Outgoing, delivery: &mut Delivery) {
        if let Err(error) = delivery.send(out) {
            self.counters.problem(format!("events were dropped: {error}"));
        }
    }
}
