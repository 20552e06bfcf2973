//! Looks at every file of a journal as it is, for a check: goes on behind damage, where recovery stops. Changes
//! nothing; what is told here is judged by [`crate::check`].

use super::record::{HEAD_LEN, HEADER_LEN, Head, Header, RECORD_MAGIC};
use super::recover::{Records, Step, horizon_behind, read_header};
use super::{Span, file_number, file_path, payload};
use std::path::{Path, PathBuf};
use taffrail_base::{Error, ErrorKind, Result, Vfs, VfsFile};
use taffrail_event::Timestamp;

/// Bytes looked through at once for the next record behind damage.
const WINDOW: usize = 1 << 20;

/// What is wrong with a range of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Acknowledged bytes that are not what was written.
    Damage,
    /// The end of the last file is no whole record: a write that was cut off looks like that.
    Torn,
    /// A file that counts for nothing; the next start removes it.
    Leftover,
}

/// Something wrong.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub path: PathBuf,
    pub kind: Kind,
    pub start: u64,
    pub end: u64,
    pub what: String,
}

/// What was found on the whole.
#[derive(Debug, Default)]
pub(crate) struct Examined {
    pub files: u64,
    pub records: u64,
    pub bytes: u64,
    /// The sequence number of the first record that is here, or would be.
    pub first_sequence: Option<u64>,
    /// The sequence number of the last whole record, 0 without any.
    pub last_sequence: u64,
}

/// Who is told what is found.
pub(crate) trait Watcher {
    /// A whole record.
    fn record(&mut self, path: &Path, sequence: u64, spans: &[Span]);
    /// Something wrong.
    fn trouble(&mut self, trouble: Trouble);
}

/// A file of the chain.
struct Link {
    header: Header,
    path: PathBuf,
    /// How much of it counts, as its successor says; the last file has none.
    len: Option<u64>,
}

/// Looks at the journal in `folder`; an error is only what keeps it from being looked at.
pub(crate) fn examine(vfs: &dyn Vfs, folder: &Path, covered: u64, watcher: &mut dyn Watcher) -> Result<Examined> {
    let mut found = Examined::default();
    let chain = chain(vfs, folder, covered, watcher, &mut found)?;
    found.first_sequence = chain.last().map(|link| link.header.first_sequence);
    let mut expected: Option<u64> = None;
    for link in chain.iter().rev() {
        if let Some(expected) = expected.filter(|expected| *expected != link.header.first_sequence) {
            let what =
                format!("it begins with record {}, but the file before it ends before record {expected}", link.header.first_sequence);
            watcher.trouble(Trouble { path: link.path.clone(), kind: Kind::Damage, start: 32, end: 40, what });
        }
        expected = Some(records(vfs, link, watcher, &mut found)?);
    }
    Ok(found)
}

/// The files that count, newest first. What stands outside is told.
fn chain(vfs: &dyn Vfs, folder: &Path, covered: u64, watcher: &mut dyn Watcher, found: &mut Examined) -> Result<Vec<Link>> {
    let mut numbers = Vec::new();
    let length = |path: &Path| vfs.metadata(path).map_or(0, |known| known.len);
    let leftover = |watcher: &mut dyn Watcher, path: PathBuf, what: &str| {
        let end = length(&path);
        watcher.trouble(Trouble { path, kind: Kind::Leftover, start: 0, end, what: what.to_owned() });
    };
    for path in vfs.read_dir(folder).map_err(|e| Error::io(folder.display(), e))? {
        match (file_number(&path, ".wal"), file_number(&path, ".wal.tmp")) {
            (Some(number), _) => numbers.push(number),
            (None, Some(_)) => leftover(watcher, path, "a file of the journal that was never finished"),
            (None, None) => leftover(watcher, path, "not a file of the journal"),
        }
    }
    numbers.sort_unstable();
    found.files = numbers.len() as u64;
    let mut seen = Vec::new();
    let mut chain: Vec<Link> = Vec::new();
    let (mut wanted, mut len) = (numbers.last().copied(), None);
    while let Some(number) = wanted.filter(|number| numbers.binary_search(number).is_ok() && !seen.contains(number)) {
        seen.push(number);
        let path = file_path(folder, number);
        match read_header(vfs, &path, number) {
            Ok(header) => {
                let needed = header.first_sequence > covered + 1;
                (wanted, len) = (needed.then_some(header.previous), {
                    chain.push(Link { header, path, len });
                    Some(header.previous_len)
                });
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                // Without its header nothing tells which file was before it, nor what its records' checksums start from.
                let end = length(&path);
                let what = format!("{}; none of its records can be read", error.message());
                watcher.trouble(Trouble { path, kind: Kind::Damage, start: 0, end, what });
                (wanted, len) = (numbers.iter().rev().find(|other| **other < number).copied(), None);
            }
            Err(error) => return Err(error),
        }
    }
    for number in numbers.iter().filter(|number| !seen.contains(number)) {
        leftover(
            watcher,
            file_path(folder, *number),
            "a file of the journal whose records are all in segments, or were never acknowledged",
        );
    }
    Ok(chain)
}

/// Goes through the records of a file. Gives the sequence number after the last.
fn records(vfs: &dyn Vfs, link: &Link, watcher: &mut dyn Watcher, found: &mut Examined) -> Result<u64> {
    let io = |e| Error::io(link.path.display(), e);
    let file = vfs.open_read(&link.path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len;
    let end = link.len.unwrap_or(size).min(size);
    found.bytes += end;
    let mut tell = |kind, start, end, what: String| watcher.trouble(Trouble { path: link.path.clone(), kind, start, end, what });
    if let Some(len) = link.len.filter(|len| *len > size) {
        tell(Kind::Damage, size, len, format!("it ends at byte {size}, but {len} bytes of it were acknowledged"));
    }
    let mut reader = Records::new(&*file, &link.path, &link.header, end);
    loop {
        let start = reader.offset;
        match reader.step()? {
            Step::End => return Ok(reader.sequence),
            Step::Record(_, raw) => match payload::decode(&raw.payload, Timestamp(raw.received)) {
                Some((_, spans)) => {
                    found.records += 1;
                    found.last_sequence = found.last_sequence.max(raw.sequence);
                    watcher.record(&link.path, raw.sequence, &spans);
                }
                None => {
                    let what = format!("record {} is whole, but not laid out as this program knows it", raw.sequence);
                    watcher.trouble(Trouble { path: link.path.clone(), kind: Kind::Damage, start, end: reader.offset, what });
                }
            },
            Step::Bad(what) => {
                let torn = link.len.is_none() && horizon_behind(&reader, start)? <= start;
                let next = if torn { None } else { next_whole(&*file, &link.path, &reader, start + 1)? };
                let Some((at, sequence)) = next else {
                    let kind = if torn { Kind::Torn } else { Kind::Damage };
                    watcher.trouble(Trouble { path: link.path.clone(), kind, start, end, what: what.to_owned() });
                    return Ok(reader.sequence);
                };
                let lost = match sequence.checked_sub(reader.sequence) {
                    Some(0) => what.to_owned(),
                    Some(lost) => format!("{what}; records {} to {} are lost", reader.sequence, reader.sequence + lost - 1),
                    None => format!("{what}; the record behind it has the number {sequence}"),
                };
                watcher.trouble(Trouble { path: link.path.clone(), kind: Kind::Damage, start, end: at, what: lost });
                (reader.offset, reader.sequence) = (at, sequence);
            }
        }
    }
}

/// The place and the sequence number of the first whole record at or behind `from`.
fn next_whole(file: &dyn VfsFile, path: &Path, reader: &Records<'_>, from: u64) -> Result<Option<(u64, u64)>> {
    let io = |e| Error::io(path.display(), e);
    let mut at = from.max(HEADER_LEN);
    let mut window = Vec::new();
    while at + HEAD_LEN as u64 <= reader.end {
        let len = usize::try_from(reader.end - at).unwrap_or(usize::MAX).min(WINDOW);
        window.resize(len, 0);
        file.read_exact_at(&mut window, at).map_err(io)?;
        for offset in memchr::memmem::find_iter(&window, &RECORD_MAGIC) {
            let place = at + offset as u64;
            let mut bytes = [0; HEAD_LEN];
            if place + HEAD_LEN as u64 > reader.end {
                break;
            }
            file.read_exact_at(&mut bytes, place).map_err(io)?;
            let Some(head) = Head::decode(&bytes) else { continue };
            if place + (HEAD_LEN + head.len) as u64 > reader.end {
                continue;
            }
            let mut payload = vec![0; head.len];
            file.read_exact_at(&mut payload, place + HEAD_LEN as u64).map_err(io)?;
            if head.is_valid(&bytes, &payload, reader.header.nonce) {
                return Ok(Some((place, head.sequence)));
            }
        }
        // A mark may stand across the end of the window.
        at += (len - (RECORD_MAGIC.len() - 1).min(len - 1)) as u64;
    }
    Ok(None)
}
