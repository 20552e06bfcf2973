//! One error type for the library crates: a public kind that tells the caller what to do, and a private
//! detail that tells a person what happened and what to try.

use std::fmt;

/// What the caller should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The call was wrong: fix the input, then call again.
    Invalid,
    /// What was asked for is not there.
    NotFound,
    /// Somebody else holds it (a lock, an address): wait, or stop the other.
    Busy,
    /// The operating system or the disk failed: repair it, then retry.
    Io,
    /// The disk is full: make room. What was acknowledged is safe.
    Full,
    /// Stored bytes are not what was written: the message names the place; run a check.
    Corrupt,
    /// A limit of `base::limits` was reached: the message names it.
    Limit,
    /// The work was cancelled, or the program is stopping.
    Cancelled,
    /// A bug in Taffrail: please report it.
    Bug,
}

/// An error with its kind, what happened, and the way out when there is one.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind`; `message` says what happened and where.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    /// An I/O error at `place` (a path, an address), with a full disk told apart.
    pub fn io(place: impl fmt::Display, error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::Full,
            std::io::ErrorKind::InvalidInput => ErrorKind::Invalid,
            _ => ErrorKind::Io,
        };
        Self::new(kind, format!("{place}: {error}")).with_source(error)
    }

    /// Stored bytes at `place` are damaged.
    pub fn corrupt(place: impl fmt::Display, what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Corrupt, format!("{place}: {what}"))
    }

    /// Adds the way out: a command, a setting, a correction.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What happened, without the hint.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The way out, where there is one.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}
