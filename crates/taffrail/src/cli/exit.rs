//! Exit codes, and the one error type of the command line. `docs/manual/command-line.md` lists the codes.

use std::fmt;
use taffrail_base::{Error, ErrorKind};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok,
    /// It failed while running: disk, network, damage that was survived.
    Runtime,
    /// The command line, the settings or the query are wrong.
    Usage,
    /// There is no such data folder, file or server.
    NotFound,
    /// Another process holds the data folder or the address.
    Busy,
    /// The disk is full.
    Full,
    /// Stored data is damaged.
    Corrupt,
    /// Stopped by Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The process exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Runtime => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Busy => 4,
            Self::Full => 5,
            Self::Corrupt => 6,
            Self::Interrupted => 130,
        }
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Invalid => Self::Usage,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Busy => Self::Busy,
            ErrorKind::Full => Self::Full,
            ErrorKind::Corrupt => Self::Corrupt,
            ErrorKind::Cancelled => Self::Interrupted,
            ErrorKind::Io | ErrorKind::Limit | ErrorKind::Bug => Self::Runtime,
        }
    }
}

/// Why a command ended early, ready to be shown.
#[derive(Debug)]
pub enum Failure {
    /// An error with its exit code, text and way out.
    Error {
        /// How the program ends.
        exit: Exit,
        /// What happened.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A query error, already drawn with its caret.
    Query(String),
    /// The reader of standard output went away; nothing to say.
    BrokenPipe,
}

/// The result of a command.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// An error without a hint.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self::Error { exit, message: message.into(), hint: None }
    }

    /// Adds the way out.
    #[must_use]
    pub fn with_hint(self, text: impl Into<String>) -> Self {
        match self {
            Self::Error { exit, message, .. } => Self::Error { exit, message, hint: Some(text.into()) },
            other => other,
        }
    }

    /// How the program ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Error { exit, .. } => *exit,
            Self::Query(_) => Exit::Usage,
            Self::BrokenPipe => Exit::Ok,
        }
    }

    /// A failure to write standard output; a reader that went away is not an error.
    pub fn output(error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::BrokenPipe
        } else {
            Self::new(Exit::Runtime, format!("standard output: {error}"))
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error { exit: error.kind().into(), message: error.message().to_owned(), hint: error.hint().map(str::to_owned) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error { message, hint, .. } => {
                write!(f, "error: {message}")?;
                if let Some(hint) = hint {
                    write!(f, "\n  hint: {hint}")?;
                }
                Ok(())
            }
            Self::Query(text) => f.write_str(text),
            Self::BrokenPipe => Ok(()),
        }
    }
}
