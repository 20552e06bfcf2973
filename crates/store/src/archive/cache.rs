//! What was read of archived segments, kept on disk: one file a segment, parts one after the other, each with its
//! checksum. Bounded; the segments used longest ago go first. Every file may be removed or damaged at any time:
//! what is not there, or not as it was written, is read from the object store again.
//!
//! A file begins with [`MAGIC`]; each part is its offset in the segment (u64), its length (u32), the CRC-32C of
//! these twelve bytes and its own (u32), and its bytes. Integers are little-endian. Nothing is synced.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::{Ulid, Vfs, VfsFile};

const MAGIC: [u8; 8] = *b"TAFBLK\x00\x01";
const HEAD_BYTES: u64 = 16;
const SUFFIX: &str = ".parts";

/// The cache of a data folder.
#[derive(Debug)]
pub struct Cache {
    vfs: Arc<dyn Vfs>,
    folder: PathBuf,
    bytes_max: u64,
    reserve_bytes: u64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Whether the folder was looked through.
    listed: bool,
    files: BTreeMap<Ulid, Cached>,
    bytes: u64,
    uses: u64,
}

/// A file of the cache.
#[derive(Debug)]
struct Cached {
    len: u64,
    last_use: u64,
    opened: Option<Opened>,
}

#[derive(Debug)]
struct Opened {
    file: Box<dyn VfsFile>,
    /// By offset in the segment: the length of the part, and where its bytes are in the file.
    parts: BTreeMap<u64, (u32, u64)>,
}

impl Cache {
    /// A cache in `folder`, which is looked through when it is first used.
    pub fn new(vfs: Arc<dyn Vfs>, folder: PathBuf, bytes_max: u64, reserve_bytes: u64) -> Self {
        Self { vfs, folder, bytes_max, reserve_bytes, inner: Mutex::default() }
    }

    /// Bytes of a segment, if they are there and whole.
    pub fn get(&self, id: Ulid, offset: u64, len: usize) -> Option<Vec<u8>> {
        let mut inner = self.inner.lock();
        self.list(&mut inner);
        inner.uses += 1;
        let now = inner.uses;
        let cached = inner.files.get_mut(&id)?;
        cached.last_use = now;
        let before = cached.len;
        let read = self.read(id, cached, offset, len);
        let after = cached.len;
        inner.bytes = (inner.bytes + after).saturating_sub(before);
        match read {
            Ok(found) => found,
            Err(_) => {
                // Damaged, or gone: it is made anew.
                self.drop_file(&mut inner, id);
                None
            }
        }
    }

    /// Whether a part is there, as far as its file says.
    pub fn has(&self, id: Ulid, offset: u64, len: u64) -> bool {
        let inner = self.inner.lock();
        let opened = inner.files.get(&id).and_then(|cached| cached.opened.as_ref());
        opened.and_then(|opened| opened.parts.get(&offset)).is_some_and(|(there, _)| u64::from(*there) >= len)
    }

    fn read(&self, id: Ulid, cached: &mut Cached, offset: u64, len: usize) -> io::Result<Option<Vec<u8>>> {
        if cached.opened.is_none() {
            cached.opened = Some(open(&*self.vfs, &self.path(id), &mut cached.len)?);
        }
        let opened = cached.opened.as_ref().expect("just opened");
        let end = offset + len as u64;
        let before = opened.parts.range(..=offset).next_back();
        let Some((start, (part_len, at))) = before.filter(|(start, (part_len, _))| **start + u64::from(*part_len) >= end) else {
            return Ok(None);
        };
        let mut head = [0; HEAD_BYTES as usize];
        opened.file.read_exact_at(&mut head, at - HEAD_BYTES)?;
        let mut bytes = vec![0; *part_len as usize];
        opened.file.read_exact_at(&mut bytes, *at)?;
        if head != self::head(*start, &bytes) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let from = (offset - start) as usize;
        Ok(Some(bytes[from..from + len].to_vec()))
    }

    /// Keeps bytes of a segment, if there is room. Failing to is no error: they are read again when needed.
    pub fn put(&self, id: Ulid, offset: u64, bytes: &[u8]) {
        let len = MAGIC.len() as u64 + HEAD_BYTES + bytes.len() as u64;
        // If the system does not tell, the writing will.
        let free = self.vfs.available_bytes(&self.folder).unwrap_or(u64::MAX);
        if len > self.bytes_max || free < self.reserve_bytes.saturating_add(len) {
            return;
        }
        let mut inner = self.inner.lock();
        self.list(&mut inner);
        inner.uses += 1;
        let now = inner.uses;
        if self.write(&mut inner, id, offset, bytes, now).is_err() {
            self.drop_file(&mut inner, id);
        }
        while inner.bytes > self.bytes_max {
            let oldest = inner.files.iter().min_by_key(|(_, cached)| cached.last_use).map(|(id, _)| *id);
            let Some(oldest) = oldest else { break };
            self.drop_file(&mut inner, oldest);
        }
    }

    fn write(&self, inner: &mut Inner, id: Ulid, offset: u64, bytes: &[u8], now: u64) -> io::Result<()> {
        let cached = match inner.files.entry(id) {
            std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::btree_map::Entry::Vacant(free) => {
                self.vfs.create_dir_all(&self.folder)?;
                let _ = self.vfs.remove_file(&self.path(id));
                let file = self.vfs.create_new(&self.path(id))?;
                file.write_all_at(&MAGIC, 0)?;
                inner.bytes += MAGIC.len() as u64;
                let opened = Some(Opened { file, parts: BTreeMap::new() });
                free.insert(Cached { len: MAGIC.len() as u64, last_use: now, opened })
            }
        };
        cached.last_use = now;
        if cached.opened.is_none() {
            let before = cached.len;
            cached.opened = Some(open(&*self.vfs, &self.path(id), &mut cached.len)?);
            inner.bytes = inner.bytes - before + cached.len;
        }
        let opened = cached.opened.as_mut().expect("just opened");
        let len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        if opened.parts.get(&offset).is_some_and(|(there, _)| *there >= len) {
            // Two searches read the same.
            return Ok(());
        }
        let head = head(offset, bytes);
        opened.file.write_all_at(&head, cached.len)?;
        opened.file.write_all_at(bytes, cached.len + HEAD_BYTES)?;
        opened.parts.insert(offset, (len, cached.len + HEAD_BYTES));
        cached.len += HEAD_BYTES + u64::from(len);
        inner.bytes += HEAD_BYTES + u64::from(len);
        Ok(())
    }

    /// Forgets a segment.
    pub fn forget(&self, id: Ulid) {
        let mut inner = self.inner.lock();
        self.list(&mut inner);
        self.drop_file(&mut inner, id);
    }

    /// Bytes of its files.
    pub fn bytes(&self) -> u64 {
        let mut inner = self.inner.lock();
        self.list(&mut inner);
        inner.bytes
    }

    fn drop_file(&self, inner: &mut Inner, id: Ulid) {
        if let Some(cached) = inner.files.remove(&id) {
            inner.bytes = inner.bytes.saturating_sub(cached.len);
            let _ = self.vfs.remove_file(&self.path(id));
        }
    }

    fn path(&self, id: Ulid) -> PathBuf {
        self.folder.join(format!("{id}{SUFFIX}"))
    }

    /// Looks at what an earlier process left, once; the file changed last counts as used last.
    fn list(&self, inner: &mut Inner) {
        if std::mem::replace(&mut inner.listed, true) {
            return;
        }
        let id = |path: &Path| path.file_name()?.to_str()?.strip_suffix(SUFFIX)?.parse::<Ulid>().ok();
        let mut found = Vec::new();
        for path in self.vfs.read_dir(&self.folder).unwrap_or_default() {
            if let (Some(id), Ok(known)) = (id(&path), self.vfs.metadata(&path)) {
                found.push((known.modified_nanos, id, known.len));
            }
        }
        found.sort_unstable();
        for (_, id, len) in found {
            inner.uses += 1;
            inner.bytes += len;
            inner.files.insert(id, Cached { len, last_use: inner.uses, opened: None });
        }
    }
}

fn head(offset: u64, bytes: &[u8]) -> [u8; HEAD_BYTES as usize] {
    let mut head = [0; HEAD_BYTES as usize];
    head[..8].copy_from_slice(&offset.to_le_bytes());
    head[8..12].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&head[..12]), bytes);
    head[12..].copy_from_slice(&crc.to_le_bytes());
    head
}

/// Opens a file and finds its parts; what is cut off at its end is written over. `len` becomes what counts of it.
fn open(vfs: &dyn Vfs, path: &Path, len: &mut u64) -> io::Result<Opened> {
    let file = vfs.open_write(path)?;
    let size = file.metadata()?.len;
    let mut magic = [0; MAGIC.len()];
    file.read_exact_at(&mut magic, 0)?;
    if magic != MAGIC {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let (mut at, mut parts) = (MAGIC.len() as u64, BTreeMap::new());
    while at + HEAD_BYTES < size {
        let mut head = [0; HEAD_BYTES as usize];
        file.read_exact_at(&mut head, at)?;
        let offset = u64::from_le_bytes(head[..8].try_into().expect("eight bytes"));
        let part_len = u32::from_le_bytes(head[8..12].try_into().expect("four bytes"));
        if part_len == 0 || at + HEAD_BYTES + u64::from(part_len) > size || offset.checked_add(part_len.into()).is_none() {
            break;
        }
        parts.insert(offset, (part_len, at + HEAD_BYTES));
        at += HEAD_BYTES + u64::from(part_len);
    }
    *len = at;
    Ok(Opened { file, parts })
}
