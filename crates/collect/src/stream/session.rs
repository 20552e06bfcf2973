//! What a protocol is to the connection loop: bytes in, messages and answers out. Pure; no socket, no clock.

use crate::gather::Chunk;
use std::net::IpAddr;

/// What some bytes of a connection came to.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Messages, each group with the bytes that are answered once all of it is durable. The answers keep their order.
    pub steps: Vec<Step>,
    /// Why the connection must be closed once these are answered; empty for an end that the protocol provides for.
    pub end: Option<String>,
}

/// Some messages and their answer.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub chunk: Chunk,
    /// Written when the messages of this step, and all before it, are durable.
    pub answer: Vec<u8>,
}

impl Taken {
    /// The step that is being filled.
    pub fn step(&mut self) -> &mut Step {
        if self.steps.is_empty() {
            self.steps.push(Step::default());
        }
        let last = self.steps.len() - 1;
        &mut self.steps[last]
    }

    /// What comes next has an answer of its own.
    pub fn next_step(&mut self) {
        self.steps.push(Step::default());
    }
}

/// One connection of a protocol.
pub(crate) trait Session: Send {
    /// Takes the next bytes.
    fn push(&mut self, bytes: &[u8], peer: IpAddr, taken: &mut Taken);
    /// The connection has ended: what is unfinished is kept where the protocol has no acknowledgement.
    fn finish(&mut self, peer: IpAddr, taken: &mut Taken);
    /// Bytes held of unfinished messages.
    fn held(&self) -> usize;
    /// Whether the peer is told what is durable.
    fn acknowledges(&self) -> bool {
        false
    }
    /// What tells a peer that waits for an answer that we are there; nothing if the protocol has no such thing.
    fn still_alive(&self) -> &'static [u8] {
        b""
    }
    /// What is said to a peer before we close because we stop.
    fn farewell(&self) -> &'static [u8] {
        b""
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Protocol;

    /// Changed bytes of what is right, in pieces of any size: nothing panics, what is held is bounded by what was sent, and
    /// nothing is answered twice.
    #[test]
    fn ten_thousand_malformed_streams_of_each_kind() {
        let beats = b"2W\0\0\0\x022J\0\0\0\x01\0\0\0\x02{}2J\0\0\0\x02\0\0\0\x09{\"a\":\"b\"}1W\0\0\0\x011D\0\0\0\x01\0\0\0\x01\0\0\0\x01k\0\0\0\x01v";
        let cases: [(Protocol, &[u8], usize); 4] = [
            (crate::syslog::tcp::TCP, b"34 <13>1 - web app - - - one message\n<13>Mar  1 00:00:00 web app: two\n7 <13>abc<13>three\0", 0),
            (crate::relp::RELP, b"1 open 14 relp_version=0\n2 syslog 9 <13>first\n3 syslog 10 <13>second\n4 close 0\n", 2),
            (crate::lumberjack::LUMBERJACK, beats, 2),
            (crate::gelf::TCP, b"{\"host\":\"web\",\"short_message\":\"hi\"}\0{}\0", 0),
        ];
        let peer = IpAddr::from([127, 0, 0, 1]);
        for (protocol, right, answered) in cases {
            let mut chance = 88_172_645_463_325_252u64;
            let mut next = move || {
                chance ^= chance << 13;
                chance ^= chance >> 7;
                chance ^= chance << 17;
                chance as usize
            };
            let mut messages = 0;
            for round in 0..10_001 {
                let mut bytes = right.to_vec();
                for _ in 0..if round == 0 { 0 } else { 1 + next() % 4 } {
                    let at = next() % bytes.len();
                    match next() % 4 {
                        0 => bytes[at] = next() as u8,
                        1 => bytes.insert(at, next() as u8),
                        2 if bytes.len() > 1 => drop(bytes.remove(at)),
                        _ => bytes.truncate(at.max(1)),
                    }
                }
                let (mut session, mut taken, mut rest) = ((protocol.session)(1024), Taken::default(), &bytes[..]);
                while !rest.is_empty() && taken.end.is_none() {
                    let (now, later) = rest.split_at(1 + next() % rest.len());
                    session.push(now, peer, &mut taken);
                    assert!(session.held() <= bytes.len());
                    rest = later;
                }
                session.finish(peer, &mut taken);
                let answers = taken.steps.iter().filter(|step| !step.answer.is_empty() && !step.chunk.is_empty()).count();
                if round == 0 && answered > 0 {
                    assert!(
                        answers > 0 && taken.end.as_deref().unwrap_or_default().is_empty(),
                        "{}: what is right is refused",
                        protocol.kind
                    );
                }
                messages += taken.steps.iter().filter(|step| !step.chunk.is_empty()).count();
            }
            assert!(messages > 0, "{}", protocol.kind);
        }
    }
}
