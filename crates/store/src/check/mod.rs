//! Checks everything that a data folder's store holds, changes nothing, and names what is wrong, where, and how
//! to mend it. It works on a stopped folder and beside a running writer; findings come as data, one by one.
//!
//! Evidence is checked by its own crate; printing is the binary's work.

mod folder;
mod journal;
mod segment;
#[cfg(test)]
mod tests;

use crate::catalog::{Catalog, Removal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::{Result, Vfs};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// Not as it should be; nothing that was acknowledged is known to be lost.
    Warning,
    /// Stored bytes are not what was written, or are gone.
    Damage,
}

/// A range of a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ByteRange {
    /// The first.
    pub start: u64,
    /// Behind the last.
    pub end: u64,
}

/// Events that are concerned.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct EventRange {
    /// Their index.
    pub index: String,
    /// The arrival number of the first.
    pub first: u64,
    /// The arrival number of the last.
    pub last: u64,
    /// How many of the range; others of it are not concerned.
    pub count: u64,
}

/// Something found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file or folder, below the data folder.
    pub file: String,
    /// Which bytes of it, where that is known.
    pub bytes: Option<ByteRange>,
    /// Which events, where that is known.
    pub events: Option<EventRange>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// What was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Checked {
    /// Whether a writer had the folder meanwhile.
    pub in_use: bool,
    /// Segment files.
    pub segments: u64,
    /// Blocks of these.
    pub blocks: u64,
    /// Pages that were decoded.
    pub pages: u64,
    /// Events in the segments.
    pub events: u64,
    /// Bytes of the segment files.
    pub segment_bytes: u64,
    /// Files of the journal.
    pub journal_files: u64,
    /// Its records.
    pub journal_records: u64,
    /// Its bytes.
    pub journal_bytes: u64,
}

/// What to check.
#[derive(Clone, Debug, Default)]
pub struct CheckOptions {
    /// Only segments of this index.
    pub index: Option<String>,
    /// Checksums and figures only: pages are not decoded.
    pub quick: bool,
}

/// Who is told what is found, and how far it is.
pub trait Watch {
    /// Something found.
    fn finding(&mut self, finding: Finding);
    /// So many of all stored bytes are checked.
    fn progress(&mut self, _done: u64, _total: u64) {}
}

/// A data folder being checked.
struct Check<'a> {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    options: CheckOptions,
    watch: &'a mut dyn Watch,
    checked: Checked,
    /// What the catalog says was removed.
    removals: Vec<Removal>,
}

/// Opens the catalog for reading.
pub type OpenCatalog<'a> = &'a dyn Fn(&Path) -> Result<Box<dyn Catalog>>;

/// Checks the data folder `dir`. What is wrong is told to `watch`; an error is only what keeps the check from being
/// made.
pub fn check(
    vfs: Arc<dyn Vfs>,
    dir: &Path,
    options: CheckOptions,
    open_catalog: OpenCatalog<'_>,
    watch: &mut dyn Watch,
) -> Result<Checked> {
    let mut check = Check { vfs, dir: dir.to_owned(), options, watch, checked: Checked::default(), removals: Vec::new() };
    check.run(open_catalog)?;
    Ok(check.checked)
}

/// The catalog of a data folder on the real disk, for [`check`].
pub fn real_catalog(dir: &Path) -> Result<Box<dyn Catalog>> {
    Ok(Box::new(crate::catalog::SqliteCatalog::open_read_only(&dir.join("catalog.db"))?))
}

impl Check<'_> {
    /// The path as findings have it.
    fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.dir).unwrap_or(path).display().to_string()
    }

    fn tell(&mut self, severity: Severity, path: &Path, what: impl Into<String>, remedy: &str) {
        self.tell_range(severity, path, None, None, what, remedy);
    }

    fn tell_range(
        &mut self,
        severity: Severity,
        path: &Path,
        bytes: Option<ByteRange>,
        events: Option<EventRange>,
        what: impl Into<String>,
        remedy: &str,
    ) {
        let file = self.name(path);
        // Messages name the file by its whole path; the finding names it already.
        let what = what.into().replace(&format!("{}: ", path.display()), "").replace(&format!("{}, ", path.display()), "");
        self.watch.finding(Finding { severity, file, bytes, events, what, remedy: remedy.to_owned() });
    }
}
