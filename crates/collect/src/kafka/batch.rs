//! Batches of records as brokers keep and give them (version 2 of the format; older ones are refused). Pure: bytes in, records and problems
//! out. What a batch unpacks to is bounded; records that are whole before damage, or before the bound, are given.

use flate2::read::MultiGzDecoder;
use std::io::{self, Read};
use taffrail_base::limits::{INGEST_EXPANDED_BYTES_MAX, KAFKA_UNPACKED_BYTES_MAX};

/// A batch whose check sum is good, not yet unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch<'a> {
    /// Offset of the first record that it had.
    pub base: i64,
    /// Offset of the last.
    pub last: i64,
    /// Who has written it; for transactions.
    pub producer: i64,
    /// Records that it says it has.
    pub count: i32,
    attributes: i16,
    first_time: i64,
    max_time: i64,
    packed: &'a [u8],
}

/// One record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Its offset.
    pub offset: i64,
    /// Its time, in milliseconds since 1970.
    pub millis: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers, in their order.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// What a batch came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// The records that are whole.
    pub records: Vec<Record>,
    /// Why those from `from` on cannot be read.
    pub lost: Option<Lost>,
}

/// Records of a batch that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The first of them.
    pub from: i64,
    /// Under which they are counted.
    pub reason: &'static str,
    /// Why.
    pub why: String,
}

/// Bytes before the records of a batch, and those of them before what the length and the check sum are over.
const HEAD_BYTES: usize = 61;
const LENGTH_BEHIND: usize = 12;
const SUM_BEHIND: usize = 21;

/// The next batch and its bytes; `None` at the end, or where an answer was cut in the middle of one. An error is damage.
pub fn next(bytes: &[u8]) -> Option<Result<(Batch<'_>, usize), String>> {
    let length = i32::from_be_bytes(*bytes.get(8..)?.first_chunk()?);
    let base = i64::from_be_bytes(*bytes.first_chunk()?);
    let Ok(length) = usize::try_from(length) else { return Some(Err("a batch has a length below zero".into())) };
    // Every format has its number at this place.
    match bytes.get(16) {
        None => return None,
        Some(2) => {}
        Some(other) => return Some(Err(format!("a batch is of format {other}, which is not read"))),
    }
    let end = LENGTH_BEHIND.saturating_add(length);
    let whole = bytes.get(..end)?;
    if whole.len() < HEAD_BYTES {
        return Some(Err("a batch is shorter than its head".into()));
    }
    let long = |at: usize| whole[at..].first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes));
    let number = |at: usize| whole[at..].first_chunk().map_or(0, |bytes| i32::from_be_bytes(*bytes));
    if crc32c::crc32c(&whole[SUM_BEHIND..]) != number(17).cast_unsigned() {
        return Some(Err("a check sum is wrong".into()));
    }
    let delta = i64::from(number(23));
    let Some(last) = base.checked_add(delta).filter(|last| base >= 0 && delta >= 0 && *last < i64::MAX) else {
        return Some(Err("the offsets of a batch are wrong".into()));
    };
    let batch = Batch {
        base,
        last,
        producer: long(43),
        count: number(57),
        attributes: i16::from_be_bytes([whole[21], whole[22]]),
        first_time: long(27),
        max_time: long(35),
        packed: &whole[HEAD_BYTES..],
    };
    Some(Ok((batch, end)))
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It was given up.
    Aborted,
    /// It holds.
    Committed,
    /// A mark of something else.
    Other,
}

impl Batch<'_> {
    /// Whether its records are marks.
    pub fn is_control(&self) -> bool {
        self.attributes & 0x20 != 0
    }

    /// Whether it belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & 0x10 != 0
    }

    /// What it marks, where it is one.
    pub fn mark(&self) -> Mark {
        let key = self.unpack().records.into_iter().next().and_then(|record| record.key).unwrap_or_default();
        match key.get(2..4) {
            Some([0, 0]) => Mark::Aborted,
            Some([0, 1]) => Mark::Committed,
            _ => Mark::Other,
        }
    }

    /// Its records.
    pub fn unpack(&self) -> Unpacked {
        self.unpack_within(KAFKA_UNPACKED_BYTES_MAX)
    }

    fn unpack_within(&self, most: u64) -> Unpacked {
        let expanded;
        let (plain, ended) = match self.attributes & 7 {
            0 => (self.packed, Ok(())),
            method => {
                let mut plain = Vec::new();
                let ended = expand(method, self.packed, most, &mut plain);
                expanded = plain;
                (&expanded[..], ended)
            }
        };
        let mut reader = Reader(plain);
        let mut unpacked = Unpacked::default();
        let mut next = self.base;
        for _ in 0..self.count.max(0) {
            let Some(record) = self.record(&mut reader).filter(|record| (next..=self.last).contains(&record.offset)) else {
                let (reason, why) = ended.err().unwrap_or_else(|| damaged("a record is not as it should be"));
                unpacked.lost = Some(Lost { from: next, reason, why });
                return unpacked;
            };
            next = record.offset + 1;
            unpacked.records.push(record);
        }
        let behind = if reader.0.is_empty() { None } else { Some(damaged("there is something behind its last record")) };
        unpacked.lost = ended.err().or(behind).map(|(reason, why)| Lost { from: next, reason, why });
        unpacked
    }

    fn record(&self, reader: &mut Reader<'_>) -> Option<Record> {
        let length = usize::try_from(reader.number()?).ok()?;
        let mut inside = Reader(reader.take(length)?);
        inside.take(1)?;
        let delta = inside.number()?;
        let offset = self.base.checked_add(inside.number()?)?;
        let (key, value) = (inside.bytes()?, inside.bytes()?);
        let count = inside.number()?;
        let mut headers = Vec::new();
        for _ in 0..count {
            let name = inside.bytes()??;
            let value = inside.bytes()?;
            headers.push((String::from_utf8_lossy(name).into_owned(), value.unwrap_or_default().to_vec()));
        }
        // Where the broker's time counts, it is one for all of them.
        let millis = if self.attributes & 8 != 0 { self.max_time } else { self.first_time.saturating_add(delta) };
        let record = Record { offset, millis, key: key.map(<[u8]>::to_vec), value: value.map(<[u8]>::to_vec), headers };
        inside.0.is_empty().then_some(record)
    }
}

/// Why something cannot be read: the reason under which it is counted, and words.
type Why = (&'static str, String);

fn damaged(why: &str) -> Why {
    ("damaged", why.to_owned())
}

/// Unpacks as far as that goes.
fn expand(method: i16, packed: &[u8], most: u64, plain: &mut Vec<u8>) -> Result<(), Why> {
    let read = |stream: &mut dyn Read, plain: &mut Vec<u8>| stream.take(most + 1).read_to_end(plain).map(|_| ());
    let done = match method {
        1 => read(&mut MultiGzDecoder::new(packed), plain),
        2 => return snappy(packed, most, plain),
        3 => lz4::Decoder::new(packed).and_then(|mut stream| read(&mut stream, plain)),
        4 => zstd::stream::read::Decoder::with_buffer(packed).and_then(|mut stream| {
            // A window of 128 MiB: what it unpacks to is bounded, and so is what it is unpacked with.
            stream.window_log_max(27)?;
            read(&mut stream, plain)
        }),
        _ => Err(io::Error::other("it is packed by a method that is not known")),
    };
    if plain.len() as u64 > most {
        plain.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        return Err(too_large(most));
    }
    done.map_err(|error| damaged(&format!("it cannot be unpacked: {error}")))
}

fn too_large(most: u64) -> Why {
    ("too_large", format!("it unpacks to more than {most} bytes"))
}

/// Java's clients write blocks with a head of their own, others one block.
fn snappy(packed: &[u8], most: u64, plain: &mut Vec<u8>) -> Result<(), Why> {
    const JAVA: &[u8] = &[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
    let Some(blocks) = packed.strip_prefix(JAVA) else { return block(packed, most, plain) };
    let mut reader = Reader(blocks);
    if reader.take(8).is_none() {
        return Err(damaged("it ends within a head"));
    }
    while !reader.0.is_empty() {
        let length = reader.take(4).and_then(|bytes| usize::try_from(u32::from_be_bytes(bytes.try_into().ok()?)).ok());
        let Some(next) = length.and_then(|length| reader.take(length)) else { return Err(damaged("it ends within a block")) };
        block(next, most, plain)?;
    }
    Ok(())
}

fn block(packed: &[u8], most: u64, plain: &mut Vec<u8>) -> Result<(), Why> {
    let wrong = |error: snap::Error| damaged(&format!("it cannot be unpacked: {error}"));
    let length = snap::raw::decompress_len(packed).map_err(wrong)?;
    // A copy makes 64 bytes of 2 or 3: what is claimed beyond that is wrong, and not worth the memory.
    if length > packed.len().saturating_mul(32) {
        return Err(damaged("it says that it unpacks to more than it can"));
    }
    if (plain.len() + length) as u64 > most.min(INGEST_EXPANDED_BYTES_MAX) {
        return Err(too_large(most));
    }
    plain.extend(snap::raw::Decoder::new().decompress_vec(packed).map_err(wrong)?);
    Ok(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of variable length, with its sign in the last bit.
    fn number(&mut self) -> Option<i64> {
        let (number, end) = crate::records::proto::varint(self.0, 0)?;
        self.0 = &self.0[end..];
        Some((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    /// Bytes with their length before them; nothing where that is -1.
    fn bytes(&mut self) -> Option<Option<&'a [u8]>> {
        match self.number()? {
            -1 => Some(None),
            length => self.take(usize::try_from(length).ok()?).map(Some),
        }
    }
}

#[cfg(test)]
#[path = "../../tests/it/batches.rs"]
pub mod made;

#[cfg(test)]
mod tests {
    use super::made::{Made, around, plain, records, varint};
    use super::*;
    use crate::mutator::Mutator;
    use std::io::Write;

    const VALUES: &[&[u8]] = &[b"one", b"", b"three three three three three", b"\xff\0"];

    fn packed(method: i16, plain: &[u8]) -> Vec<u8> {
        match method {
            1 => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(plain).expect("packs");
                encoder.finish().expect("packs")
            }
            2 => snap::raw::Encoder::new().compress_vec(plain).expect("packs"),
            3 => {
                let mut encoder = lz4::EncoderBuilder::new().build(Vec::new()).expect("packs");
                encoder.write_all(plain).expect("packs");
                encoder.finish().0
            }
            4 => zstd::bulk::compress(plain, 1).expect("packs"),
            5 => {
                let block = snap::raw::Encoder::new().compress_vec(plain).expect("packs");
                [&b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"[..], &(block.len() as u32).to_be_bytes(), &block].concat()
            }
            _ => plain.to_vec(),
        }
    }

    /// A batch of each method; 5 is snappy as Java has it.
    fn batch(method: i16) -> Vec<u8> {
        let made = Made { base: 100, attributes: if method == 5 { 2 } else { method }, producer: 7, values: VALUES };
        around(&made, &packed(method, &records(&made)))
    }

    #[test]
    fn batches_of_every_method() {
        for method in 0..6 {
            let bytes = [batch(method), batch(0)].concat();
            let (first, end) = next(&bytes).expect("is one").expect("is good");
            let Unpacked { records, lost } = first.unpack();
            assert_eq!((first.base, first.last, first.producer, lost), (100, 103, 7, None), "{method}");
            let values: Vec<&[u8]> = records.iter().map(|record| record.value.as_deref().unwrap_or_default()).collect();
            assert_eq!(values, VALUES, "{method}");
            assert_eq!((records[3].offset, records[3].millis, records[3].key.as_deref()), (103, 1_500_000_000_005, Some(&b"key"[..])));
            assert_eq!(records[0].headers, [("name".to_owned(), b"header".to_vec())]);
            assert!(next(&bytes[end..]).expect("is another").is_ok());
            assert!(next(&bytes[..end - 1]).is_none(), "cut by the end of the answer");
            let mut wrong = bytes.clone();
            wrong[end - 1] ^= 1;
            assert!(next(&wrong).expect("is there").expect_err("is wrong").contains("check sum"));
            wrong[16] = 1;
            assert!(next(&wrong).expect("is there").expect_err("is old").contains("format 1"));
        }
    }

    #[test]
    fn what_unpacks_to_too_much_is_given_up_to_there() {
        let long = vec![b'x'; 10_000];
        let values = [&b"first"[..], &long, b"last"];
        for method in 1..6 {
            let made = Made { base: 0, attributes: if method == 5 { 2 } else { method }, producer: -1, values: &values };
            let bytes = around(&made, &packed(method, &records(&made)));
            let (batch, _) = next(&bytes).expect("is one").expect("is good");
            assert_eq!(batch.unpack().records.len(), 3);
            let Unpacked { records, lost } = batch.unpack_within(5_000);
            let lost = lost.expect("it is said");
            // A block of snappy is not begun.
            let given = if matches!(method, 2 | 5) { 0 } else { 1 };
            assert_eq!((records.len(), lost.from, lost.reason), (given, given as i64, "too_large"), "{method}");
        }
        // A head of snappy that claims four gigabytes.
        let bytes = around(&Made { base: 0, attributes: 2, producer: -1, values: VALUES }, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0]);
        let (batch, _) = next(&bytes).expect("is one").expect("is good");
        assert_eq!(batch.unpack().lost.map(|lost| (lost.from, lost.reason)), Some((0, "damaged")));
        assert_eq!(varint(-1), [1]);
    }

    #[test]
    fn marks_of_transactions() {
        for (key, mark) in
            [(&b"\0\0\0\0"[..], Mark::Aborted), (b"\0\0\0\x01", Mark::Committed), (b"\0\0\0\x02", Mark::Other), (b"", Mark::Other)]
        {
            let bytes = plain(&Made { base: 5, attributes: 0x30, producer: 7, values: &[key] });
            let (batch, _) = next(&bytes).expect("is one").expect("is good");
            assert_eq!((batch.is_control(), batch.is_transactional(), batch.mark()), (true, true, mark));
        }
    }

    /// Of every batch with a good check sum each offset is a record, or lost and said; what comes by a wrong one is said as a whole.
    #[test]
    fn ten_thousand_malformed_batches() {
        let mut mutator = Mutator::new(b"\0\x01\x02\x04\x80\xff");
        let (mut given, mut lost, mut refused) = (0, 0, 0);
        for round in 0..10_000usize {
            let method = (round % 6) as i16;
            let bytes = if round % 4 == 0 {
                // As a whole, so that the check sum is wrong.
                mutator.change(&batch(method))
            } else {
                let made = Made { base: 100, attributes: if method == 5 { 2 } else { method }, producer: 7, values: VALUES };
                let inside = if round % 4 == 1 {
                    packed(method, &mutator.change(&records(&made)))
                } else {
                    mutator.change(&packed(method, &records(&made)))
                };
                around(&made, &inside)
            };
            match next(&bytes) {
                None => refused += 1,
                Some(Err(_)) => refused += 1,
                Some(Ok((batch, end))) => {
                    assert!(end <= bytes.len());
                    let unpacked = batch.unpack();
                    let mut expected = batch.base;
                    for record in &unpacked.records {
                        assert!(record.offset >= expected && record.offset <= batch.last);
                        expected = record.offset + 1;
                    }
                    match &unpacked.lost {
                        Some(it) => assert_eq!(it.from, expected, "what is lost begins behind what is given"),
                        None => assert_eq!(unpacked.records.len(), usize::try_from(batch.count).unwrap_or(0)),
                    }
                    given += unpacked.records.len();
                    lost += usize::from(unpacked.lost.is_some());
                }
            }
        }
        assert!(given > 5_000 && lost > 2_000 && refused > 2_000, "{given} {lost} {refused}");
    }
}
