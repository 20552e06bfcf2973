//! Reads journal files back. Writes nothing: what is cut is cut by the header of the next file.

use super::record::{HEAD_LEN, HEADER_LEN, Head, Header, RECORD_MAGIC};
use super::{file_number, file_path};
use std::io;
use std::path::{Path, PathBuf};
use taffrail_base::{Error, Result, Vfs, VfsFile};

/// A journal file that counts.
#[derive(Clone, Debug)]
pub(super) struct ChainFile {
    pub path: PathBuf,
    pub header: Header,
    /// Bytes of it that count.
    pub len: u64,
}

/// A record as it stands in a file.
#[derive(Clone, Debug)]
pub(super) struct RawRecord {
    pub sequence: u64,
    pub received: i64,
    pub payload: Vec<u8>,
}

/// What was found in the journal's folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The files that count, oldest first.
    pub chain: Vec<ChainFile>,
    /// Records at the end of the last file, after [`ChainFile::len`] of it, that are whole but may never
    /// have been synced: they count too, once they are written anew.
    pub tail: Vec<RawRecord>,
    /// Files that count no more.
    pub leftovers: Vec<PathBuf>,
    /// The highest number in use.
    pub highest: u64,
}

impl Found {
    /// Sequence number of the first record that is here, or would be.
    pub fn first_sequence(&self) -> Option<u64> {
        self.chain.first().map(|file| file.header.first_sequence)
    }
}

/// Looks through the folder. Records up to `covered` are no longer needed, and files that hold nothing else
/// are left over.
pub(super) fn find(vfs: &dyn Vfs, folder: &Path, covered: u64) -> Result<Found> {
    let mut found = Found::default();
    let mut numbers = Vec::new();
    for path in vfs.read_dir(folder).map_err(|e| Error::io(folder.display(), e))? {
        // The number of a file that was never finished is used up all the same.
        let number = file_number(&path, ".wal").or_else(|| file_number(&path, ".wal.tmp"));
        found.highest = found.highest.max(number.unwrap_or(0));
        match file_number(&path, ".wal") {
            Some(number) => numbers.push(number),
            None if number.is_some() => found.leftovers.push(path),
            None => {} // somebody else's
        }
    }
    numbers.sort_unstable();
    let mut wanted = numbers.last().copied().unwrap_or(0);
    let mut len = None;
    while wanted != 0 && numbers.binary_search(&wanted).is_ok() {
        let path = file_path(folder, wanted);
        let header = read_header(vfs, &path, wanted)?;
        let len_here = match len {
            Some(len) => len,
            None => {
                let tail = read_tail(vfs, &path, &header)?;
                found.tail = tail.records;
                tail.durable
            }
        };
        found.chain.push(ChainFile { path, header, len: len_here });
        if header.first_sequence <= covered + 1 {
            break;
        }
        (wanted, len) = (header.previous, Some(header.previous_len));
    }
    found.chain.reverse();
    let kept = |number: &u64| found.chain.iter().any(|file| file.header.number == *number);
    let gone: Vec<PathBuf> = numbers.iter().filter(|n| !kept(n)).map(|n| file_path(folder, *n)).collect();
    found.leftovers.extend(gone);
    Ok(found)
}

pub(super) fn read_header(vfs: &dyn Vfs, path: &Path, number: u64) -> Result<Header> {
    let file = vfs.open_read(path).map_err(|e| Error::io(path.display(), e))?;
    let mut bytes = [0; HEADER_LEN as usize];
    file.read_exact_at(&mut bytes, 0).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => damaged(path, 0, "the file is shorter than its header"),
        _ => Error::io(path.display(), e),
    })?;
    let header = Header::decode(&bytes).map_err(|what| damaged(path, 0, &what))?;
    if header.number != number {
        return Err(damaged(path, 16, &format!("it was written as file {} of the journal", header.number)));
    }
    Ok(header)
}

pub(super) fn damaged(path: &Path, offset: u64, what: &str) -> Error {
    Error::corrupt(format_args!("{} at byte {offset}", path.display()), what)
        .with_hint("the file is left as it is; restore it from a copy, or move it away to start without the events in it")
}

/// Reads records one after the other.
pub(super) struct Records<'a> {
    file: &'a dyn VfsFile,
    path: &'a Path,
    pub header: &'a Header,
    pub offset: u64,
    pub end: u64,
    pub sequence: u64,
}

/// What stands at a place.
pub(super) enum Step {
    Record(u64, RawRecord),
    Bad(&'static str),
    End,
}

impl<'a> Records<'a> {
    pub fn new(file: &'a dyn VfsFile, path: &'a Path, header: &'a Header, end: u64) -> Self {
        Self { file, path, header, offset: HEADER_LEN, end, sequence: header.first_sequence }
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.file.read_exact_at(buffer, offset).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => damaged(self.path, offset, "the file ends before it should"),
            _ => Error::io(self.path.display(), e),
        })
    }

    /// The next record with its horizon; stays where it is at a bad one.
    pub fn step(&mut self) -> Result<Step> {
        let left = self.end - self.offset;
        if left == 0 {
            return Ok(Step::End);
        }
        if left < HEAD_LEN as u64 {
            return Ok(Step::Bad("a record is cut off"));
        }
        let mut bytes = [0; HEAD_LEN];
        self.read(&mut bytes, self.offset)?;
        let Some(head) = Head::decode(&bytes) else { return Ok(Step::Bad("no record starts here")) };
        if left < (HEAD_LEN + head.len) as u64 {
            return Ok(Step::Bad("a record is cut off"));
        }
        let mut payload = vec![0; head.len];
        self.read(&mut payload, self.offset + HEAD_LEN as u64)?;
        if !head.is_valid(&bytes, &payload, self.header.nonce) {
            return Ok(Step::Bad("a record's checksum is wrong"));
        }
        if head.sequence != self.sequence {
            return Ok(Step::Bad("a record is out of sequence"));
        }
        self.sequence += 1;
        self.offset += (HEAD_LEN + head.len) as u64;
        Ok(Step::Record(head.horizon, RawRecord { sequence: head.sequence, received: head.received, payload }))
    }
}

struct Tail {
    durable: u64,
    records: Vec<RawRecord>,
}

/// Where the last file's durable part ends, and the whole records after it.
///
/// A bad record is the torn end of what was being written when the power went, unless a record behind it was
/// written when the bad one was known to be durable.
fn read_tail(vfs: &dyn Vfs, path: &Path, header: &Header) -> Result<Tail> {
    let io = |e| Error::io(path.display(), e);
    let file = vfs.open_read(path).map_err(io)?;
    let len = file.metadata().map_err(io)?.len;
    let mut reader = Records::new(&*file, path, header, len);
    let (mut durable, mut records) = (HEADER_LEN, Vec::new());
    loop {
        match reader.step()? {
            Step::Record(horizon, record) => {
                if horizon > durable {
                    // The records before were synced, so only this one and its companions are in doubt.
                    durable = horizon;
                    records.clear();
                }
                records.push(record);
            }
            Step::End => return Ok(Tail { durable, records }),
            Step::Bad(what) => {
                let bad = reader.offset;
                if horizon_behind(&reader, bad)? > bad {
                    return Err(damaged(path, bad, &format!("{what}, and records behind it are whole")));
                }
                return Ok(Tail { durable, records });
            }
        }
    }
}

/// The highest horizon of whole records behind `bad`.
pub(super) fn horizon_behind(reader: &Records<'_>, bad: u64) -> Result<u64> {
    let mut rest = vec![0; usize::try_from(reader.end - bad).expect("a journal file fits into memory")];
    reader.read(&mut rest, bad)?;
    let mut highest = 0;
    for at in memchr::memmem::find_iter(&rest, &RECORD_MAGIC) {
        let Some((bytes, behind)) = rest[at..].split_first_chunk::<HEAD_LEN>() else { break };
        let Some(head) = Head::decode(bytes) else { continue };
        let Some(payload) = behind.get(..head.len) else { continue };
        if head.horizon > highest && head.is_valid(bytes, payload, reader.header.nonce) {
            highest = head.horizon;
        }
    }
    Ok(highest)
}

/// Calls `each` with every record of a file's durable part, which must be whole.
pub(super) fn replay(vfs: &dyn Vfs, file: &ChainFile, mut each: impl FnMut(RawRecord) -> Result<()>) -> Result<u64> {
    let opened = vfs.open_read(&file.path).map_err(|e| Error::io(file.path.display(), e))?;
    let mut reader = Records::new(&*opened, &file.path, &file.header, file.len);
    loop {
        let offset = reader.offset;
        match reader.step()? {
            Step::Record(_, record) => each(record)?,
            Step::Bad(what) => return Err(damaged(&file.path, offset, what)),
            Step::End => return Ok(reader.sequence),
        }
    }
}
