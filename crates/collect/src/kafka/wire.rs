//! One connection to a broker, as far as reading takes it: who leads a partition, where it begins and ends, and its batches as they are
//! kept. One question at a time; whoever asks has the limits of time. The versions of the questions are those that brokers answer from
//! 0.11 to 4.

use super::sasl::Exchange;
use super::{Isolation, Sasl};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What goes wrong with a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// The connection is no good any more, or never was.
    Broken(String),
    /// The broker refuses, by a number of its own.
    Refused(i16),
    /// The answer is not as it should be.
    Damaged(String),
}

/// An offset out of what the broker has.
pub(super) const OUT_OF_RANGE: i16 = 1;

/// Bytes of an answer: several times what is asked for at once, since a broker gives a whole batch of records at least.
pub(super) const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

pub(super) trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

/// A connection.
pub(super) struct Wire {
    stream: Box<dyn Both>,
    number: i32,
}

/// Where records are read.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub topic: &'a str,
    pub partition: i32,
}

/// What a broker gives of a partition.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fetched {
    /// Batches one behind the other, the last of them maybe cut.
    pub batches: Vec<u8>,
    /// Transactions that were given up: producers, and where they began.
    pub aborted: Vec<(i64, i64)>,
}

const FETCH: (i16, i16) = (1, 4);
const OFFSETS: (i16, i16) = (2, 1);
const METADATA: (i16, i16) = (3, 1);
const HANDSHAKE: (i16, i16) = (17, 1);
const AUTHENTICATE: (i16, i16) = (36, 0);

fn broken(error: std::io::Error) -> Failed {
    Failed::Broken(match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "the broker has closed the connection".to_owned(),
        _ => error.to_string(),
    })
}

fn text(out: &mut Vec<u8>, text: &str) {
    // Topics and the like have some hundred bytes at most.
    let length = i16::try_from(text.len()).unwrap_or(i16::MAX);
    out.extend(length.to_be_bytes());
    out.extend(&text.as_bytes()[..usize::try_from(length).unwrap_or(0)]);
}

impl Wire {
    pub fn new(stream: impl Both + 'static) -> Self {
        Self { stream: Box::new(stream), number: 0 }
    }

    /// Asks, and gives the answer behind its head.
    async fn ask(&mut self, (key, version): (i16, i16), body: &[u8]) -> Result<Vec<u8>, Failed> {
        self.number = self.number.wrapping_add(1);
        let mut question = [key.to_be_bytes(), version.to_be_bytes()].concat();
        question.extend(self.number.to_be_bytes());
        text(&mut question, "taffrail");
        question.extend(body);
        let length = i32::try_from(question.len()).map_err(|_| Failed::Broken("a question is too long".to_owned()))?;
        self.stream.write_all(&[&length.to_be_bytes()[..], &question].concat()).await.map_err(broken)?;
        self.stream.flush().await.map_err(broken)?;
        let length = self.stream.read_i32().await.map_err(broken)?;
        let Some(length) = usize::try_from(length).ok().filter(|length| (4..=ANSWER_BYTES_MAX).contains(length)) else {
            return Err(Failed::Broken(format!("an answer claims {length} bytes")));
        };
        let mut answer = Vec::new();
        (&mut self.stream).take(length as u64).read_to_end(&mut answer).await.map_err(broken)?;
        if answer.len() < length {
            return Err(broken(std::io::ErrorKind::UnexpectedEof.into()));
        }
        if answer[..4] != self.number.to_be_bytes() {
            return Err(Failed::Broken("an answer is to another question".to_owned()));
        }
        answer.drain(..4);
        Ok(answer)
    }

    /// Says who we are.
    pub async fn authenticate(&mut self, who: &Sasl, chance: [u8; 24]) -> Result<(), Failed> {
        let mut body = Vec::new();
        text(&mut body, who.mechanism.wire_name());
        let answer = self.ask(HANDSHAKE, &body).await?;
        let refused = Answer(&answer).error()?;
        if refused != 0 {
            return Err(Failed::Refused(refused));
        }
        let mut exchange = Exchange::new(who, chance);
        let mut heard = Vec::new();
        while !exchange.is_done() {
            let said = exchange.say(&heard).map_err(|why| Failed::Broken(why.to_owned()))?;
            if exchange.is_done() && said.is_empty() {
                break;
            }
            let length = i32::try_from(said.len()).unwrap_or(0);
            let answer = self.ask(AUTHENTICATE, &[&length.to_be_bytes()[..], &said].concat()).await?;
            let mut answer = Answer(&answer);
            let refused = answer.error()?;
            if refused != 0 {
                return Err(Failed::Refused(refused));
            }
            answer.text()?;
            heard = answer.bytes()?.unwrap_or_default().to_vec();
        }
        Ok(())
    }

    /// Host and port of the broker that leads a partition.
    pub async fn leader(&mut self, place: Place<'_>) -> Result<(String, i32), Failed> {
        let mut body = 1i32.to_be_bytes().to_vec();
        text(&mut body, place.topic);
        let answer = self.ask(METADATA, &body).await?;
        let mut answer = Answer(&answer);
        let mut brokers = Vec::new();
        for _ in 0..answer.count()? {
            brokers.push((answer.int()?, answer.text()?.to_owned(), answer.int()?));
            answer.text()?;
        }
        answer.int()?;
        for _ in 0..answer.count()? {
            let refused = answer.error()?;
            let name = answer.text()?;
            answer.take(1)?;
            for _ in 0..answer.count()? {
                let (error, number, leader) = (answer.error()?, answer.int()?, answer.int()?);
                for _ in 0..2 {
                    let count = answer.count()?;
                    answer.take(count * 4)?;
                }
                if name == place.topic && number == place.partition {
                    let found = brokers.iter().find(|(id, ..)| *id == leader);
                    // Replicas that are not there matter to nobody who reads.
                    let known = found.ok_or(Failed::Refused(if error == 0 { LEADER_NOT_AVAILABLE } else { error }))?;
                    return Ok((known.1.clone(), known.2));
                }
            }
            if name == place.topic && refused != 0 {
                return Err(Failed::Refused(refused));
            }
        }
        Err(Failed::Refused(UNKNOWN_PARTITION))
    }

    /// The first offset that is there, or the one behind the last.
    pub async fn offset(&mut self, place: Place<'_>, latest: bool) -> Result<i64, Failed> {
        let mut body = (-1i32).to_be_bytes().to_vec();
        body.extend(1i32.to_be_bytes());
        text(&mut body, place.topic);
        body.extend(1i32.to_be_bytes());
        body.extend(place.partition.to_be_bytes());
        body.extend(if latest { -1i64 } else { -2 }.to_be_bytes());
        let answer = self.ask(OFFSETS, &body).await?;
        let mut answer = answer_of(place, &answer)?;
        answer.take(8)?;
        answer.long()
    }

    /// Batches from the one on that an offset is in.
    pub async fn fetch(&mut self, place: Place<'_>, from: i64, bytes: i32, wait_ms: i32, isolation: Isolation) -> Result<Fetched, Failed> {
        let mut body = [(-1i32).to_be_bytes(), wait_ms.to_be_bytes(), 1i32.to_be_bytes(), bytes.to_be_bytes()].concat();
        body.push(u8::from(isolation == Isolation::ReadCommitted));
        body.extend(1i32.to_be_bytes());
        text(&mut body, place.topic);
        body.extend(1i32.to_be_bytes());
        body.extend(place.partition.to_be_bytes());
        body.extend(from.to_be_bytes());
        body.extend(bytes.to_be_bytes());
        let answer = self.ask(FETCH, &body).await?;
        fetched(place, answer.get(4..).unwrap_or_default())
    }
}

/// What an answer gives, behind the time for which we are to wait.
fn fetched(place: Place<'_>, answer: &[u8]) -> Result<Fetched, Failed> {
    let mut answer = answer_of(place, answer)?;
    // The ends of the partition, with transactions that are open and without.
    answer.take(16)?;
    let mut aborted = Vec::new();
    for _ in 0..answer.count()? {
        aborted.push((answer.long()?, answer.long()?));
    }
    let batches = answer.bytes()?.unwrap_or_default().to_vec();
    Ok(Fetched { batches, aborted })
}

/// What is said of the one partition that was asked for, behind its error.
fn answer_of<'a>(place: Place<'_>, answer: &'a [u8]) -> Result<Answer<'a>, Failed> {
    let mut answer = Answer(answer);
    let one = answer.int()? == 1 && answer.text()? == place.topic && answer.int()? == 1 && answer.int()? == place.partition;
    if !one {
        return Err(damaged());
    }
    match answer.error()? {
        0 => Ok(answer),
        refused => Err(Failed::Refused(refused)),
    }
}

fn damaged() -> Failed {
    Failed::Damaged("an answer is not as it should be".to_owned())
}

/// Takes an answer apart.
struct Answer<'a>(&'a [u8]);

impl<'a> Answer<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Failed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn error(&mut self) -> Result<i16, Failed> {
        self.take(2).map(|bytes| i16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn int(&mut self) -> Result<i32, Failed> {
        self.take(4)?.try_into().map(i32::from_be_bytes).map_err(|_| damaged())
    }

    fn long(&mut self) -> Result<i64, Failed> {
        self.take(8)?.try_into().map(i64::from_be_bytes).map_err(|_| damaged())
    }

    /// How many there are of something, each of a byte at least; none of -1.
    fn count(&mut self) -> Result<usize, Failed> {
        let count = usize::try_from(self.int()?.max(0)).map_err(|_| damaged())?;
        if count > self.0.len() { Err(damaged()) } else { Ok(count) }
    }

    /// A text; nothing of -1.
    fn text(&mut self) -> Result<&'a str, Failed> {
        let length = self.error()?;
        let bytes = self.take(usize::try_from(length.max(0)).unwrap_or(0))?;
        std::str::from_utf8(bytes).map_err(|_| damaged())
    }

    fn bytes(&mut self) -> Result<Option<&'a [u8]>, Failed> {
        match self.int()? {
            -1 => Ok(None),
            length => self.take(usize::try_from(length).map_err(|_| damaged())?).map(Some),
        }
    }
}

const UNKNOWN_PARTITION: i16 = 3;
const LEADER_NOT_AVAILABLE: i16 = 5;

impl Failed {
    /// It, in words.
    pub fn told(&self) -> String {
        let said = match self {
            Self::Broken(why) | Self::Damaged(why) => return why.clone(),
            Self::Refused(number) => match *number {
                OUT_OF_RANGE => "the offset is out of range",
                UNKNOWN_PARTITION => "there is no such partition",
                LEADER_NOT_AVAILABLE => "nobody leads the partition now",
                6 => "another broker leads the partition now",
                29 => "we may not read this topic",
                33 => "it does not take this way of saying who we are",
                34 | 58 => "it does not know us by this name and password",
                number => return format!("the broker says error {number}"),
            },
        };
        format!("the broker says: {said}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutator::Mutator;

    fn answer(error: i16, aborted: &[(i64, i64)], batches: &[u8]) -> Vec<u8> {
        let mut bytes = 1i32.to_be_bytes().to_vec();
        text(&mut bytes, "logs");
        bytes.extend([1i32.to_be_bytes(), 3i32.to_be_bytes()].concat());
        bytes.extend(error.to_be_bytes());
        bytes.extend([0; 16]);
        bytes.extend((aborted.len() as i32).to_be_bytes());
        aborted.iter().for_each(|(producer, first)| bytes.extend([producer.to_be_bytes(), first.to_be_bytes()].concat()));
        bytes.extend((batches.len() as i32).to_be_bytes());
        bytes.extend(batches);
        bytes
    }

    #[test]
    fn answers_and_what_is_none() {
        let place = Place { topic: "logs", partition: 3 };
        let good = answer(0, &[(7, 100)], b"batches");
        assert_eq!(fetched(place, &good), Ok(Fetched { batches: b"batches".to_vec(), aborted: vec![(7, 100)] }));
        assert_eq!(fetched(place, &answer(OUT_OF_RANGE, &[], b"")), Err(Failed::Refused(OUT_OF_RANGE)));
        assert_eq!(fetched(Place { partition: 4, ..place }, &good), Err(damaged()));
        let mut mutator = Mutator::new(b"\0\x01\xff");
        let (mut whole, mut refused) = (0, 0);
        for _ in 0..10_000 {
            match fetched(place, &mutator.change(&good)) {
                Ok(_) => whole += 1,
                Err(_) => refused += 1,
            }
        }
        assert!(whole > 500 && refused > 3_000, "{whole} {refused}");
    }
}
