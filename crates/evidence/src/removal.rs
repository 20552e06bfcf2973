//! The record of a segment that is no longer in its place: one line that says what it was, by which rule it went,
//! and when. It stands in the same log as the seals, so that a missing file is told from one that was taken.

use crate::merkle::Hash;
use crate::seal::check_path;

/// What was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentRemoval {
    /// The file, relative to the data folder, parts joined by `/`.
    pub path: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Events that it held.
    pub events: u64,
    /// The root that it was sealed with; none if it was removed before it could be sealed.
    pub root: Option<Hash>,
    /// The earliest event time, nanoseconds since 1970.
    pub earliest: i64,
    /// The latest event time.
    pub latest: i64,
    /// When it was removed.
    pub at: i64,
    /// The rule, without spaces.
    pub rule: String,
}

impl SegmentRemoval {
    /// The line in the log, without its newline. These bytes are the leaf of the tree.
    pub fn line(&self) -> String {
        let root = self.root.map_or_else(|| "-".to_owned(), |root| root.to_string());
        let Self { path, bytes, events, earliest, latest, at, rule, .. } = self;
        format!("removed {bytes} {events} {root} {earliest} {latest} {at} {rule} {path}")
    }

    /// The inverse of [`SegmentRemoval::line`].
    pub fn parse(line: &str) -> Option<Self> {
        let mut parts = line.splitn(9, ' ');
        if parts.next()? != "removed" {
            return None;
        }
        let (bytes, events) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let root = match parts.next()? {
            "-" => None,
            root => Some(Hash::from_hex(root)?),
        };
        let mut time = || parts.next()?.parse().ok();
        let (earliest, latest, at) = (time()?, time()?, time()?);
        let (rule, path) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let removal = Self { path, bytes, events, root, earliest, latest, at, rule };
        (removal.is_valid() && removal.line() == line).then_some(removal)
    }

    /// Whether it can be a line: the path stays below the data folder, the rule is one word.
    pub fn is_valid(&self) -> bool {
        check_path(&self.path) && (1..=200).contains(&self.rule.len()) && self.rule.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// The hash of its leaf.
    pub fn leaf(&self) -> Hash {
        Hash::of_leaf(self.line().as_bytes())
    }

    /// Whether the segment still exists, elsewhere.
    pub fn is_moved(&self) -> bool {
        self.rule.starts_with("archived:")
    }
}
