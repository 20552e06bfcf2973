//! What a followed file is, apart from its name and inode: its content. A content is known by its first bytes
//! and by the bytes just before the place up to which it is stored; it may move from file to file (renamed,
//! copied, compressed).

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use taffrail_base::{FileIdentity, VfsFile};
use taffrail_event::EventSink;

use crate::unpack::{self, Packing, read_full};

/// Bytes of the beginning that make the fingerprint.
pub const HEAD_BYTES: usize = 1024;

/// Bytes before the position that must be as they were: what tells that a file was truncated and grew again.
pub const TAIL_BYTES: usize = 256;

/// A content and how far it is stored: the value of a position `file/<index>/<length>-<hash>/<n>`. The key is made
/// from the fingerprint at first sight and stays; the fingerprint in the value grows with the file up to
/// `HEAD_BYTES`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Decompressed bytes that are stored.
    pub offset: u64,
    /// Whether the next bytes continue a line of which a part is stored.
    pub continued: bool,
    /// Bytes of the beginning that `head` is the hash of.
    pub head_len: usize,
    /// Hash of the first `head_len` bytes, in hex.
    pub head: String,
    /// Hash of the up to `TAIL_BYTES` bytes before `offset`, in hex.
    pub tail: String,
    /// Device of the file that it was in last.
    pub device: u64,
    /// Inode of the file that it was in last.
    pub inode: u64,
    /// When that inode was made, nanoseconds since the epoch; 0 where nobody said.
    #[serde(default)]
    pub born: i64,
    /// Size of the compressed file that was read to its end; 0 for plain files.
    pub packed_size: u64,
    /// The source of its events: the path that it was first read under.
    pub source: String,
    /// The format that was found out.
    pub sourcetype: Option<String>,
    /// When it was last written, in seconds since the epoch.
    pub seen: i64,
}

/// The hash that fingerprints are made of: 128 bits in hex.
pub fn print(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..32].to_owned()
}

impl Content {
    /// The inode that it was in last.
    pub fn identity(&self) -> FileIdentity {
        FileIdentity { device: self.device, inode: self.inode, born_nanos: self.born }
    }

    /// Whether a file that begins with `head` may be it.
    pub fn begins_like(&self, head: &[u8]) -> bool {
        self.head_len <= head.len() && self.head_len > 0 && print(&head[..self.head_len]) == self.head
    }
}

/// An open file that is to be told what it is.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The file.
    pub file: Arc<dyn VfsFile>,
    /// How it is compressed.
    pub packing: Packing,
    /// Its bytes on disk.
    pub len: u64,
    /// Its inode.
    pub identity: FileIdentity,
    /// The first up to `HEAD_BYTES` bytes of its decompressed content.
    pub head: Vec<u8>,
}

/// The decompressed bytes of a file from some place on.
pub type Stream = Box<dyn io::Read + Send>;

impl Opened {
    /// Looks at an open file.
    pub fn look(file: Arc<dyn VfsFile>) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let (packing, mut stream) = unpack::open(Arc::clone(&file), Arc::default())?;
        let mut head = vec![0; HEAD_BYTES];
        let mut len = 0;
        while len < head.len() {
            match stream.read(&mut head[len..]) {
                Ok(0) => break,
                Ok(n) => len += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Still being compressed, or damaged: what there is has to do.
                Err(_) if packing != Packing::Plain => break,
                Err(error) => return Err(error),
            }
        }
        head.truncate(len);
        Ok(Self { file, packing, len: metadata.len, identity: metadata.identity, head })
    }

    /// The bytes just before `content.offset`, if this file holds that content up to there.
    pub fn holds(&self, content: &Content) -> Option<Vec<u8>> {
        if !content.begins_like(&self.head) {
            return None;
        }
        let tail = self.tail(content.offset).ok()?;
        (print(&tail) == content.tail).then_some(tail)
    }

    /// The up to `TAIL_BYTES` decompressed bytes before `offset`; an error if the file ends before.
    fn tail(&self, offset: u64) -> io::Result<Vec<u8>> {
        let len = offset.min(TAIL_BYTES as u64);
        let mut tail = vec![0; usize::try_from(len).expect("it is small")];
        match self.packing {
            Packing::Plain => self.file.read_exact_at(&mut tail, offset - len)?,
            _ => {
                let mut stream = self.stream_from(offset - len)?;
                if read_full(&mut stream, &mut tail)? < tail.len() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        Ok(tail)
    }

    /// The decompressed content from `offset` on.
    pub fn stream_from(&self, offset: u64) -> io::Result<Stream> {
        if self.packing == Packing::Plain {
            return Ok(Box::new(unpack::FileReader::new(Arc::clone(&self.file), offset, Arc::default())));
        }
        let (_, mut stream) = unpack::open(Arc::clone(&self.file), Arc::default())?;
        let skipped = io::copy(&mut io::Read::take(&mut stream, offset), &mut io::sink())?;
        if skipped < offset {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(stream)
    }

    /// Whether a compressed file ends as it should: then nobody is writing it any more.
    pub fn is_complete(&self) -> bool {
        self.stream_from(0).and_then(|mut stream| io::copy(&mut stream, &mut io::sink())).is_ok()
    }

    /// Compares the whole of this file with the beginning of another.
    pub fn compare(&self, other: &dyn VfsFile) -> io::Result<Prefix> {
        let mut stream = self.stream_from(0)?;
        let (mut ours, mut theirs) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        let mut offset = 0;
        loop {
            let n = read_full(&mut stream, &mut ours)?;
            if n == 0 {
                return Ok(Prefix::Equal);
            }
            let mut got = 0;
            while got < n {
                match other.read_at(&mut theirs[got..n], offset + got as u64)? {
                    0 => break,
                    more => got += more,
                }
            }
            if ours[..got] != theirs[..got] {
                return Ok(Prefix::Differs);
            }
            if got < n {
                return Ok(Prefix::Longer);
            }
            offset += n as u64;
        }
    }
}

/// How a file compares with the beginning of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// All of it is the beginning of the other.
    Equal,
    /// All of the other is the beginning of it.
    Longer,
    /// Some byte differs.
    Differs,
}

/// All contents that are known in one index, and which of them are in a file that is followed now.
#[derive(Debug, Default)]
pub struct Book {
    prefix: String,
    contents: FxHashMap<String, Content>,
    bound: FxHashSet<String>,
    /// Lengths of fingerprints in use: files that were shorter than `HEAD_BYTES` have their own.
    lengths: BTreeSet<usize>,
    by_head: FxHashMap<String, Vec<String>>,
    by_identity: FxHashMap<FileIdentity, Vec<String>>,
}

impl Book {
    /// Reads what the sink knows of followed files of `index`.
    pub fn load(sink: &dyn EventSink, index: &str) -> Self {
        Self::load_from(sink, format!("file/{index}/"))
    }

    /// Reads what the sink knows of contents whose keys begin with `prefix`.
    pub fn load_from(sink: &dyn EventSink, prefix: String) -> Self {
        let mut book = Self { prefix, ..Self::default() };
        for (key, value) in sink.positions(&book.prefix) {
            // What another version wrote and this one cannot read is as if it were not there.
            if let Ok(content) = serde_json::from_slice(&value) {
                book.set(&key, content);
            }
        }
        book
    }

    /// Enters or updates a content.
    pub fn set(&mut self, key: &str, content: Content) {
        let (head, identity) = (content.head.clone(), content.identity());
        self.lengths.insert(content.head_len);
        let before = self.contents.insert(key.to_owned(), content);
        if before.as_ref().is_none_or(|before| before.head != head) {
            if let Some(before) = &before {
                remove(&mut self.by_head, &before.head, key);
            }
            self.by_head.entry(head).or_default().push(key.to_owned());
        }
        if before.as_ref().is_none_or(|before| before.identity() != identity) {
            if let Some(before) = &before {
                remove(&mut self.by_identity, &before.identity(), key);
            }
            self.by_identity.entry(identity).or_default().push(key.to_owned());
        }
    }

    /// Forgets a content.
    pub fn forget(&mut self, key: &str) {
        if let Some(content) = self.contents.remove(key) {
            remove(&mut self.by_head, &content.head, key);
            remove(&mut self.by_identity, &content.identity(), key);
        }
    }

    /// A content by its key.
    pub fn get(&self, key: &str) -> Option<&Content> {
        self.contents.get(key)
    }

    /// Marks a content as being in a file that is followed.
    pub fn bind(&mut self, key: &str) {
        self.bound.insert(key.to_owned());
    }

    /// Its file is gone, truncated, or not followed any more.
    pub fn unbind(&mut self, key: &str) {
        self.bound.remove(key);
    }

    /// Whether it is in a file that is followed.
    pub fn is_bound(&self, key: &str) -> bool {
        self.bound.contains(key)
    }

    /// A key for a content that begins with `head` and is not known yet.
    pub fn new_key(&self, head: &[u8]) -> String {
        let stem = format!("{}{}-{}", self.prefix, head.len(), print(head));
        (0..)
            .map(|number| format!("{stem}/{number}"))
            .find(|key| !self.contents.contains_key(key) && !self.bound.contains(key))
            .expect("there are more numbers than contents")
    }

    /// Contents that were in this inode last and are in no followed file, the one read furthest first.
    pub fn in_inode(&self, identity: FileIdentity) -> Vec<String> {
        let unsaid = FileIdentity { born_nanos: 0, ..identity };
        let known = self.by_identity.get(&identity).into_iter().flatten();
        // Written down when nobody said when inodes were made.
        self.free(known.chain(self.by_identity.get(&unsaid).into_iter().filter(|_| identity != unsaid).flatten()))
    }

    /// Contents that begin like `head` and are in no followed file, the one read furthest first.
    pub fn beginning_like(&self, head: &[u8]) -> Vec<String> {
        let prints: Vec<String> = self.lengths.range(1..=head.len()).map(|len| print(&head[..*len])).collect();
        self.free(prints.iter().filter_map(|print| self.by_head.get(print)).flatten())
    }

    fn free<'a>(&'a self, keys: impl Iterator<Item = &'a String>) -> Vec<String> {
        let mut keys: Vec<String> = keys.filter(|key| !self.bound.contains(*key)).cloned().collect();
        keys.sort_by_key(|key| std::cmp::Reverse(self.contents[key].offset));
        keys
    }

    /// Contents in no followed file that were last written before `seconds`, oldest first.
    pub fn stale(&self, seconds: i64) -> Vec<String> {
        let mut stale: Vec<&String> = self
            .contents
            .iter()
            .filter(|(key, content)| content.seen < seconds && !self.bound.contains(*key))
            .map(|(key, _)| key)
            .collect();
        stale.sort_by_key(|key| self.contents[*key].seen);
        stale.into_iter().cloned().collect()
    }
}

fn remove<K: std::hash::Hash + Eq>(map: &mut FxHashMap<K, Vec<String>>, at: &K, key: &str) {
    if let Some(keys) = map.get_mut(at) {
        keys.retain(|known| known != key);
        if keys.is_empty() {
            map.remove(at);
        }
    }
}

/// Whether two files can be one log before and after a rotation, by their names: the part before the first `.`
/// and before a `-` or `_` with a digit behind it is the same, and the names are not.
pub fn related(one: &Path, other: &Path) -> bool {
    one != other && stem(one).is_some() && stem(one) == stem(other) && one.file_name() != other.file_name()
}

fn stem(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let bytes = name.as_bytes();
    let end = (1..bytes.len())
        .find(|at| bytes[*at] == b'.' || matches!(bytes[*at], b'-' | b'_') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit))
        .unwrap_or(bytes.len());
    Some(&name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_names_are_related() {
        let yes = [("app.log", "app.log.1"), ("app.log.1", "app.log.2.gz"), ("messages", "messages-20260101"), ("a.log", "old/a-2026.log")];
        for (one, other) in yes {
            assert!(related(Path::new(one), Path::new(other)), "{one} {other}");
        }
        let no = [("a.log", "b.log"), ("a.log", "a.log"), ("one/a.log", "two/a.log"), ("app-server.log", "app-client.log")];
        for (one, other) in no {
            assert!(!related(Path::new(one), Path::new(other)), "{one} {other}");
        }
    }
}
