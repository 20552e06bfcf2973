//! What a protocol is to the connection loop: bytes in, messages and answers out. Pure; no socket, no clock.

use crate::gather::Chunk;
use std::net::IpAddr;

/// What some bytes of a connection came to.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Messages, each group with the bytes that are answered once all of it is durable. The answers keep their order.
    pub steps: Vec<Step>,
    /// Why messages are refused, one by one, to be counted; the peer is told.
    pub refused: Vec<&'static str>,
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

    /// Whether all bytes are in messages, or in what is refused, told or not whole.
    fn adds_up(kind: &str, bytes: &[u8], given: &[Vec<u8>], taken: &Taken, unfinished: usize) {
        let answers: Vec<u8> = taken.steps.iter().flat_map(|step| step.answer.iter().copied()).collect();
        let count = |what: &[u8]| memchr::memmem::find_iter(&answers, what).count();
        match kind {
            "syslog-tcp" => {
                // Between messages there is nothing but their ends and counts.
                let mut rest = bytes;
                for message in given {
                    let at = memchr::memmem::find(rest, message).expect("it is one of the bytes that came, in their order");
                    assert!(rest[..at].iter().all(|b| matches!(b, b'0'..=b'9' | b' ' | b'\n' | b'\r' | 0)), "{bytes:?} {given:?}");
                    rest = &rest[at + message.len()..];
                }
                assert!(rest.iter().all(|b| matches!(b, b'0'..=b'9' | b' ' | b'\n' | b'\r' | 0)), "{bytes:?} {given:?}");
            }
            "gelf-tcp" => {
                let wanted = bytes.split(|byte| *byte == 0).map(<[u8]>::trim_ascii).filter(|message| !message.is_empty());
                assert!(wanted.eq(given.iter().map(Vec::as_slice)), "{bytes:?} {given:?}");
            }
            "relp" => {
                assert_eq!(count(b" rsp 6 200 OK\n"), given.len(), "each message is acknowledged, and nothing else");
                assert_eq!(count(b" 500 "), taken.refused.len(), "what is refused is counted");
                let told = taken.end.is_some() || !taken.refused.is_empty() || unfinished > 0;
                // Or it ends between two frames.
                let ends = memchr::memmem::find_iter(bytes, b" syslog ").count() == given.len() && bytes.ends_with(b"\n");
                assert!(told || given.len() == 2 || ends, "{:?}", String::from_utf8_lossy(bytes));
            }
            _ => assert!(taken.end.is_some() || unfinished > 0 || !given.is_empty() || bytes.len() < 12, "{bytes:?}"),
        }
    }

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
            let mut mutator = crate::mutator::Mutator::new(b"<> \n\x0019{}");
            let mut messages = 0;
            for round in 0..10_001 {
                let bytes = if round == 0 { right.to_vec() } else { mutator.change(right) };
                let (mut session, mut taken, mut rest) = ((protocol.session)(1024), Taken::default(), &bytes[..]);
                while !rest.is_empty() && taken.end.is_none() {
                    let (now, later) = rest.split_at(1 + mutator.next() % rest.len());
                    session.push(now, peer, &mut taken);
                    assert!(session.held() <= bytes.len());
                    rest = later;
                }
                let unfinished = session.held();
                session.finish(peer, &mut taken);
                let given: Vec<Vec<u8>> = taken.steps.iter().flat_map(|step| step.chunk.raws()).collect();
                adds_up(protocol.kind, &bytes, &given, &taken, unfinished);
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
