//! The bytes of a journal file: its header and the heads of its records. The layout is specified in
//! `docs/formats/journal.md`. Nothing here touches a file.

use taffrail_base::limits::JOURNAL_RECORD_BYTES_MAX;

/// First bytes of every journal file.
const MAGIC: [u8; 8] = *b"TAFFWAL\n";
/// Layout of the file.
const VERSION: u32 = 1;
/// First bytes of every record; what a search for records behind a damaged one looks for.
pub(super) const RECORD_MAGIC: [u8; 4] = [0xd7, b'R', b'E', b'C'];
/// Bytes of a file's header.
pub(super) const HEADER_LEN: u64 = 64;
/// Bytes of a record before its payload.
pub(super) const HEAD_LEN: usize = 40;

/// What a journal file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Its number, also its name.
    pub number: u64,
    /// A random number that every checksum in the file starts from: bytes of another file, or bytes that a
    /// sender made up, are never taken for a record.
    pub nonce: u64,
    /// Sequence number of its first record.
    pub first_sequence: u64,
    /// The file before it in the chain; 0 for none.
    pub previous: u64,
    /// How many bytes of that file count. What stands after them was never acknowledged, or was copied here.
    pub previous_len: u64,
    /// When it was made, nanoseconds since the epoch.
    pub created: i64,
}

impl Header {
    pub fn encode(&self) -> [u8; HEADER_LEN as usize] {
        let mut out = [0; HEADER_LEN as usize];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        let fields = [self.number, self.nonce, self.first_sequence, self.previous, self.previous_len, self.created as u64];
        for (at, field) in fields.iter().enumerate() {
            out[16 + at * 8..24 + at * 8].copy_from_slice(&field.to_le_bytes());
        }
        let crc = crc32c::crc32c(&out);
        out[12..16].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The header, or what is wrong with it.
    pub fn decode(bytes: &[u8; HEADER_LEN as usize]) -> Result<Self, String> {
        if bytes[..8] != MAGIC {
            return Err("is not a journal file: its first bytes are not those of one".to_owned());
        }
        let version = u32_at(bytes, 8);
        if version > VERSION {
            return Err(format!("has layout {version}, and this program knows layouts up to {VERSION}"));
        }
        let mut unsigned = *bytes;
        unsigned[12..16].fill(0);
        if crc32c::crc32c(&unsigned) != u32_at(bytes, 12) {
            return Err("has a damaged header".to_owned());
        }
        let field = |at: usize| u64_at(bytes, 16 + at * 8);
        Ok(Self {
            number: field(0),
            nonce: field(1),
            first_sequence: field(2),
            previous: field(3),
            previous_len: field(4),
            created: field(5) as i64,
        })
    }
}

/// The fixed part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub len: usize,
    pub crc: u32,
    pub sequence: u64,
    /// Bytes of this file that were known to be durable when the record was written.
    pub horizon: u64,
    pub received: i64,
    pub flags: u32,
}

impl Head {
    /// The head at the start of `bytes`, if it can be one.
    pub fn decode(bytes: &[u8; HEAD_LEN]) -> Option<Self> {
        let len = u32_at(bytes, 4) as usize;
        let fits = bytes[..4] == RECORD_MAGIC && len <= JOURNAL_RECORD_BYTES_MAX;
        fits.then(|| Self {
            len,
            crc: u32_at(bytes, 8),
            sequence: u64_at(bytes, 12),
            horizon: u64_at(bytes, 20),
            received: u64_at(bytes, 28) as i64,
            flags: u32_at(bytes, 36),
        })
    }

    /// Whether the checksum fits the head and this payload.
    pub fn is_valid(&self, bytes: &[u8; HEAD_LEN], payload: &[u8], nonce: u64) -> bool {
        checksum(nonce, bytes, payload) == self.crc
    }
}

fn checksum(nonce: u64, head: &[u8; HEAD_LEN], payload: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&nonce.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &head[4..8]);
    let crc = crc32c::crc32c_append(crc, &head[12..]);
    crc32c::crc32c_append(crc, payload)
}

/// Appends a record whose payload `fill` writes.
pub(super) fn encode(out: &mut Vec<u8>, nonce: u64, sequence: u64, horizon: u64, received: i64, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_LEN]);
    fill(out);
    let (head, payload) = out[start..].split_first_chunk_mut::<HEAD_LEN>().expect("just written");
    head[..4].copy_from_slice(&RECORD_MAGIC);
    head[4..8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    head[12..20].copy_from_slice(&sequence.to_le_bytes());
    head[20..28].copy_from_slice(&horizon.to_le_bytes());
    head[28..36].copy_from_slice(&received.to_le_bytes());
    head[36..40].copy_from_slice(&0u32.to_le_bytes());
    let crc = checksum(nonce, head, payload);
    head[8..12].copy_from_slice(&crc.to_le_bytes());
}

/// A file of a right header and any bytes behind it, for fuzzing; with `mend`, heads that can be records get the
/// sequence numbers and checksums of some. File 2 follows file 1, of which `first_len` bytes behind the header count.
pub(crate) fn fuzzed_file(number: u64, body: &[u8], mend: bool, first_len: u64) -> Vec<u8> {
    let nonce = 77;
    let second = number == 2;
    let (previous, previous_len) = if second { (1, HEADER_LEN + first_len) } else { (0, 0) };
    let header = Header { number, nonce, first_sequence: if second { 3 } else { 1 }, previous, previous_len, created: 0 };
    let mut out = header.encode().to_vec();
    out.extend_from_slice(body);
    let (mut at, mut sequence) = (HEADER_LEN as usize, header.first_sequence);
    while mend && let Some(bytes) = out.get(at..at + HEAD_LEN) {
        let len = u32_at(bytes, 4) as usize % 4_096;
        let Some(record) = out.get_mut(at..at + HEAD_LEN + len) else { break };
        let (head, payload) = record.split_first_chunk_mut::<HEAD_LEN>().expect("as long as a head");
        head[..4].copy_from_slice(&RECORD_MAGIC);
        head[4..8].copy_from_slice(&(len as u32).to_le_bytes());
        head[12..20].copy_from_slice(&sequence.to_le_bytes());
        let crc = checksum(nonce, head, payload);
        head[8..12].copy_from_slice(&crc.to_le_bytes());
        at += HEAD_LEN + len;
        sequence += 1;
    }
    out
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
