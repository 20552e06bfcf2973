//! The text that is signed: which log, how many leaves, which root (C2SP tlog-checkpoint).

use crate::merkle::Hash;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use taffrail_base::{Error, ErrorKind, Result};

/// The state of a whole log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log, unique to it.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// Three lines: origin, size in decimal, root in base64.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root.0))
    }

    /// The inverse of [`Checkpoint::text`]. Lines after the third are extensions of other logs and are let pass.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |what: &str| Error::new(ErrorKind::Corrupt, format!("the checkpoint is malformed: {what}"));
        let mut lines = text.split_terminator('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(wrong("it has less than three lines"));
        };
        if origin.is_empty() {
            return Err(wrong("it does not name its log"));
        }
        let number: u64 = size.parse().map_err(|_| wrong("its size is not a number"))?;
        if number.to_string() != size {
            return Err(wrong("its size has a sign or leading zeros"));
        }
        let root = BASE64.decode(root).ok().and_then(|bytes| bytes.try_into().ok());
        let root = Hash(root.ok_or_else(|| wrong("its root is not 32 bytes of base64"))?);
        Ok(Self { origin: origin.to_owned(), size: number, root })
    }
}
