//! The calls to the simulated disk, by name, and what can go wrong with each.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What goes wrong at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails and nothing was done. A failed sync loses an unknown part of what was pending, as real
    /// kernels do: syncing the same file again will not bring it back.
    Error(io::ErrorKind),
    /// It fails with this error number, and nothing was done.
    Os(i32),
    /// It was done, and is reported as failed.
    DoneButFailed(io::ErrorKind),
    /// Half of a write is done before it fails; a read gives half of what was asked for and succeeds. Other
    /// calls fail with nothing done.
    Short(io::ErrorKind),
    /// The power goes: whether the call is still done is chance.
    Crash,
}

/// The calls of [`Vfs`](crate::Vfs) and [`VfsFile`](crate::VfsFile).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // each is the method of the same name
pub enum Op {
    Create,
    OpenRead,
    OpenWrite,
    Rename,
    Remove,
    CreateDirs,
    ReadDir,
    Metadata,
    SyncDir,
    Lock,
    AvailableBytes,
    Read,
    Write,
    Sync,
    SetLen,
    FileMetadata,
}

impl Op {
    /// Whether it can be half done.
    pub fn has_bytes(self) -> bool {
        matches!(self, Self::Read | Self::Write)
    }

    /// Whether a disk that may only be read refuses it.
    pub fn changes(self) -> bool {
        matches!(
            self,
            Self::Create | Self::OpenWrite | Self::Rename | Self::Remove | Self::CreateDirs | Self::Lock | Self::Write | Self::SetLen
        )
    }
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its number, from 1.
    pub number: u64,
    /// Which one.
    pub op: Op,
    /// On what: for an open file its present name.
    pub path: PathBuf,
}

/// What a call is made on.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    Path(&'a Path),
    Node(u64),
}

type Judge = dyn Fn(&Call) -> Option<Fault> + Send + Sync;

/// Says of each call whether it goes wrong.
pub(super) struct Rule(pub Box<Judge>);

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rule")
    }
}
