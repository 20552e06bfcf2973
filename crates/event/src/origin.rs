//! Where an event came from: what many events share.

use std::sync::Arc;

/// The part of the envelope that many events of a batch share.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// The named set of events it is kept in. Letters, digits, `_`, `-`; see [`Origin::check_index`].
    pub index: Arc<str>,
    /// The machine that it speaks of.
    pub host: Arc<str>,
    /// The file, address or command that it was read from.
    pub source: Arc<str>,
    /// The name of its format.
    pub sourcetype: Arc<str>,
    /// How it arrived: `file`, `import`, `syslog+udp`, `syslog+tcp`, `http`, `journald`, `audit`.
    pub transport: Arc<str>,
    /// The network address that sent it, or empty.
    pub peer: Arc<str>,
}

impl Origin {
    /// Whether `name` can be an index: 1 to 64 of `a-z 0-9 _ -`, no `-` first. A name becomes part of a path,
    /// so nothing else is let through.
    pub fn check_index(name: &str) -> bool {
        !name.is_empty()
            && name.len() <= 64
            && !name.starts_with('-')
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
    }
}
