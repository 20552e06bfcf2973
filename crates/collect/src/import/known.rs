//! What has been imported already: contents, found again by a hash of their beginning and proved by a hash of
//! all of them.

use parking_lot::{Condvar, Mutex};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use taffrail_event::EventSink;

/// Bytes of the beginning that a content is looked up by.
pub const HEAD_BYTES: usize = 4096;

/// How far a content was imported: the value of a position `import/<index>/<length>-<hash>/<n>`, whose key holds
/// the length and hash of the beginning, and a number where several contents begin alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Decompressed bytes that are stored.
    pub offset: u64,
    /// Hash of the content up to there, in hex.
    pub hash: String,
    /// Whether the next bytes continue a line of which a part is stored.
    pub continued: bool,
    /// Whether the end of the file was reached.
    pub ended: bool,
    /// Where it was read from, for people.
    pub source: String,
}

/// A content that begins like the one asked for.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its position key.
    pub key: String,
    /// How far it was imported.
    pub progress: Progress,
}

/// Length and hash of a beginning.
type Head = (usize, [u8; 16]);

/// All contents known in one index.
pub struct Known {
    prefix: String,
    state: Mutex<State>,
    free: Condvar,
}

#[derive(Default)]
struct State {
    contents: FxHashMap<Head, Vec<Candidate>>,
    /// The lengths of beginnings in use: files shorter than `HEAD_BYTES` have their own.
    lengths: BTreeSet<usize>,
    busy: FxHashSet<Head>,
}

/// The right to import a content that begins in a certain way; others that begin so wait.
pub struct Claim<'a> {
    known: &'a Known,
    head: Head,
    /// The key for it if it turns out to be new.
    pub key: String,
    /// Contents that it may be, or have grown from.
    pub candidates: Vec<Candidate>,
}

fn head_of(bytes: &[u8]) -> Head {
    let mut hash = [0; 16];
    hash.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    (bytes.len(), hash)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn parse_head(text: &str) -> Option<Head> {
    let (length, hash) = text.split_once('-')?;
    let mut bytes = [0; 16];
    if hash.len() != 32 || !hash.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hash[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some((length.parse().ok()?, bytes))
}

impl Known {
    /// Reads what the sink knows of imports into `index`.
    pub fn load(sink: &dyn EventSink, index: &str) -> Self {
        let prefix = format!("import/{index}/");
        let mut state = State::default();
        for (key, value) in sink.positions(&prefix) {
            let head = key[prefix.len()..].split_once('/').and_then(|(head, _)| parse_head(head));
            // What another version wrote and this one cannot read is as if it were not there.
            if let (Some(head), Ok(progress)) = (head, serde_json::from_slice(&value)) {
                state.lengths.insert(head.0);
                state.contents.entry(head).or_default().push(Candidate { key, progress });
            }
        }
        Self { prefix, state: Mutex::new(state), free: Condvar::new() }
    }

    /// Claims the content that begins with `head` (its first `HEAD_BYTES`, or all of it if it is shorter).
    pub fn claim(&self, head: &[u8], again: bool) -> Claim<'_> {
        let own = head_of(head);
        let mut state = self.state.lock();
        while !state.busy.insert(own) {
            self.free.wait(&mut state);
        }
        let mut candidates = Vec::new();
        for &length in state.lengths.range(..=head.len()) {
            let known = state.contents.get(&head_of(&head[..length]));
            candidates.extend(known.into_iter().flatten().cloned());
        }
        let number = match again {
            true => "again".to_owned(),
            false => state.contents.get(&own).map_or(0, Vec::len).to_string(),
        };
        let key = format!("{}{}-{}/{number}", self.prefix, own.0, hex(&own.1));
        drop(state);
        Claim { known: self, head: own, key, candidates: if again { Vec::new() } else { candidates } }
    }
}

impl Claim<'_> {
    /// Remembers how far the content of `key` has come, for others of the same import.
    pub fn note(&self, key: &str, progress: Progress) {
        let head = key.strip_prefix(&self.known.prefix).and_then(|rest| rest.split_once('/')).and_then(|(head, _)| parse_head(head));
        let head = head.unwrap_or(self.head);
        let mut state = self.known.state.lock();
        state.lengths.insert(head.0);
        let alike = state.contents.entry(head).or_default();
        match alike.iter_mut().find(|candidate| candidate.key == key) {
            Some(candidate) => candidate.progress = progress,
            None => alike.push(Candidate { key: key.to_owned(), progress }),
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.known.state.lock().busy.remove(&self.head);
        self.known.free.notify_all();
    }
}
