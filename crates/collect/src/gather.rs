//! What every listener shares: readers cut bytes into messages, and one thread per listener decodes them, fills
//! batches and hands them over, so that a slow disk never stops a socket from being read while there is room in the
//! queue between the two. A chunk of messages may ask to be told when all of it is durable: what is acknowledged to a
//! sender is acknowledged from there, and nowhere else.

use crate::counters::{InputCounters, SourceCounters};
use crate::decode::{Decoding, Envelope};
use crate::delivery::{Delivery, OnFailure};
use crate::input::{Context, Running, Stop};
use crate::outgoing::{Outgoing, is_full};
use crate::peers::Peers;
use crate::records::{Record, Writer};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use taffrail_event::{EventBatch, Problems, Timestamp};
use taffrail_format::Frame;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// A message that nobody waits for waits at most this long for others to share its batch.
const HAND_OVER_EVERY: Duration = Duration::from_millis(50);

/// Chunks that may wait between the readers and the decoding thread.
const QUEUE_CHUNKS: usize = 64;

/// Some messages as they were cut out, copied into one buffer.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    messages: Vec<Message>,
    /// Told when all of these messages are durable; dropped untold when they were given up.
    pub receipt: Option<oneshot::Sender<()>>,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    end: usize,
    peer: IpAddr,
    problems: Problems,
}

impl Chunk {
    pub fn push(&mut self, peer: IpAddr, frame: Frame<'_>) {
        self.bytes.extend_from_slice(frame.raw);
        self.messages.push(Message { end: self.bytes.len(), peer, problems: frame.problems });
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The bytes of each message.
    #[cfg(test)]
    pub fn raws(&self) -> Vec<Vec<u8>> {
        let starts = std::iter::once(0).chain(self.messages.iter().map(|message| message.end));
        starts.zip(&self.messages).map(|(start, message)| self.bytes[start..message.end].to_vec()).collect()
    }
}

/// What the messages of a listener are.
pub(crate) enum Content {
    /// Events as they stand, in the format that the listener is set to.
    Lines,
    /// Something that holds events.
    Wrapped(Box<dyn Unwrap>),
}

/// Takes events out of messages.
pub(crate) trait Unwrap: Send {
    /// Gives the events of one message, none while more messages belong to it. `refuse` is told the reason for which something is
    /// not taken, once for each thing. `peer` sent it; `now` is monotonic, in nanoseconds.
    fn unwrap(&mut self, peer: IpAddr, raw: &[u8], now: u64, emit: &mut dyn FnMut(Record<'_>), refuse: &mut dyn FnMut(&'static str));
    /// Nothing comes any more: what still waits for more is refused.
    fn finish(&mut self, _refuse: &mut dyn FnMut(&'static str)) {}
}

/// A listener's decoding thread, and the ways to it.
pub(crate) struct Gathering {
    pub counters: Arc<InputCounters>,
    pub chunks: mpsc::Sender<Chunk>,
    pub stop: Stop,
    stopper: tokio::sync::watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Gathering {
    /// Starts the thread; must be called within a tokio runtime.
    pub fn start(context: Context, envelope: Envelope, counters: InputCounters, content: Content) -> Self {
        let counters = Arc::new(counters);
        let (stopper, stop) = Stop::channel();
        let (chunks, receiver) = mpsc::channel(QUEUE_CHUNKS);
        let gatherer = Gatherer {
            context,
            envelope,
            counters: Arc::clone(&counters),
            stop: stop.clone(),
            content,
            decodings: Peers::new(),
            writers: Peers::new(),
            last: None,
        };
        let runtime = Handle::current();
        let thread = tokio::task::spawn_blocking(move || gatherer.run(&runtime, receiver));
        Self { counters, chunks, stop, stopper, thread }
    }

    /// The input at work, given what reads: it must have let go of `chunks` when it ends.
    pub fn running(self, address: SocketAddr, reading: impl Future<Output = ()> + Send + 'static) -> Running {
        let Self { counters, chunks, stopper, thread, .. } = self;
        drop(chunks);
        let task = tokio::spawn(async move {
            reading.await;
            // The last sender of chunks is gone here: the thread comes to its end.
            let _ = thread.await;
        });
        Running::new(counters, Some(address), stopper, task)
    }
}

/// The decoding side of a listener.
struct Gatherer {
    context: Context,
    envelope: Envelope,
    counters: Arc<InputCounters>,
    stop: Stop,
    content: Content,
    decodings: Peers<Decoding>,
    writers: Peers<Writer>,
    /// The sender of the last message, and its account.
    last: Option<(IpAddr, Arc<SourceCounters>)>,
}

impl Gatherer {
    /// Works until every sender of `chunks` is gone and all is handed over. Blocks; has a thread of its own.
    fn run(mut self, runtime: &Handle, mut chunks: mpsc::Receiver<Chunk>) {
        let sink = Arc::clone(&self.context.sink);
        let mut delivery = Delivery::new(sink, runtime.clone(), self.stop.clone(), OnFailure::Drop);
        let mut out = Outgoing::new(self.now());
        while let Some(chunk) = chunks.blocking_recv() {
            let started = self.context.clock.monotonic_nanos();
            out.batch.received = self.now();
            self.decode(chunk, &mut out, &mut delivery);
            loop {
                let spent = Duration::from_nanos(self.context.clock.monotonic_nanos().saturating_sub(started));
                let Some(rest) = HAND_OVER_EVERY.checked_sub(spent).filter(|_| !out.is_full()) else { break };
                // Somebody waits for what is durable: only what is there already shares the batch.
                let next = if out.is_awaited() {
                    chunks.try_recv().ok()
                } else {
                    runtime.block_on(async { tokio::time::timeout(rest, chunks.recv()).await }).ok().flatten()
                };
                match next {
                    Some(chunk) => self.decode(chunk, &mut out, &mut delivery),
                    None => break,
                }
            }
            let next = delivery.next(self.now());
            self.send(std::mem::replace(&mut out, next), &mut delivery);
        }
        if let Content::Wrapped(unwrap) = &mut self.content {
            unwrap.finish(&mut |reason| self.counters.skip(reason));
        }
        if let Err(error) = delivery.settle() {
            self.counters.problem(format!("events were dropped: {error}"));
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.context.clock.now_nanos())
    }

    fn decode(&mut self, mut chunk: Chunk, out: &mut Outgoing, delivery: &mut Delivery) {
        // A chunk that is waited for stays together: it is durable as a whole or not at all.
        let whole = chunk.receipt.is_some();
        let mut start = 0;
        for run in chunk.messages.chunk_by(|a, b| a.peer == b.peer) {
            let source = self.account(run[0].peer);
            let mut rest = run;
            while !rest.is_empty() {
                if out.is_full() && !whole {
                    let next = delivery.next(self.now());
                    self.send(std::mem::replace(out, next), delivery);
                }
                let taken = out.add(&source, |batch| self.take(rest, &chunk.bytes, &mut start, whole, batch));
                rest = &rest[taken..];
            }
        }
        if let Some(receipt) = chunk.receipt.take() {
            out.receipts.push(receipt);
        }
    }

    /// The account of a sender. They come in runs, so the last one is nearly always the right one.
    fn account(&mut self, peer: IpAddr) -> Arc<SourceCounters> {
        if let Some((known, account)) = &self.last
            && *known == peer
        {
            return Arc::clone(account);
        }
        let account = self.counters.source(&peer.to_canonical().to_string());
        self.last = Some((peer, Arc::clone(&account)));
        account
    }

    /// Takes messages of one sender until the batch is full, or all where they have to stay together, and says how many; at least one.
    fn take(&mut self, run: &[Message], bytes: &[u8], start: &mut usize, whole: bool, batch: &mut EventBatch) -> usize {
        let peer = run[0].peer;
        let envelope = || self.envelope.with_peer(&Arc::from(peer.to_canonical().to_string()));
        let frame = |message: &Message, start: usize| Frame { raw: &bytes[start..message.end], problems: message.problems };
        let mut taken = 0;
        let mut each = |batch: &mut EventBatch, take: &mut dyn FnMut(Frame<'_>, &mut EventBatch)| {
            for message in run {
                take(frame(message, *start), batch);
                *start = message.end;
                taken += 1;
                if !whole && is_full(batch) {
                    break;
                }
            }
        };
        match &mut self.content {
            Content::Lines => {
                self.decodings.with(
                    peer,
                    &self.counters,
                    || envelope().decoding(),
                    |decoding| {
                        each(batch, &mut |frame, batch| decoding.push(frame, batch));
                    },
                );
            }
            Content::Wrapped(unwrap) => {
                let now = self.context.clock.monotonic_nanos();
                self.writers.with(
                    peer,
                    &self.counters,
                    || Writer::new(envelope()),
                    |writer| {
                        each(batch, &mut |frame, batch| {
                            let mut push = |mut record: Record<'_>| {
                                record.problems = record.problems.with(frame.problems);
                                writer.push(&record, batch);
                            };
                            unwrap.unwrap(peer, frame.raw, now, &mut push, &mut |reason| self.counters.skip(reason));
                        });
                    },
                );
            }
        }
        taken
    }

    fn send(&self, out: Outgoing, delivery: &mut Delivery) {
        if let Err(error) = delivery.send(out) {
            self.counters.problem(format!("events were dropped: {error}"));
        }
    }
}
