//! Where a search gets its events from: the store, or rows that are already there.

mod given;
mod nested;
mod stored;

pub use given::{GivenSource, batch_of_json};
pub use nested::Searches;
pub use stored::StoredSource;

use crate::commands::{DataRange, Direct, Required};
use crate::exec::Flow;
use crate::language::{QueryError, SearchExpr};
use crate::messages::Messages;
use futures::future::BoxFuture;
use regex::Regex;
use std::sync::Arc;
use taffrail_event::Timestamp;
use taffrail_store::scan::ScanProgress;
use taffrail_store::{Filter, Scan};

/// What a search wants from its source.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which events.
    pub search: SearchExpr,
    /// Searches that directly follow; events have to match these too.
    pub more: Vec<SearchExpr>,
    /// Expressions that the text of the events has to match too.
    pub regexes: Vec<Regex>,
    /// Conditions that only the store decides; the search language makes none.
    pub filters: Vec<Filter>,
    /// From this time on.
    pub earliest: Timestamp,
    /// Up to but not at this time; [`Timestamp::MAX`] when there is no bound.
    pub latest: Timestamp,
    /// Received from this time on.
    pub index_earliest: Timestamp,
    /// Received up to but not at this time.
    pub index_latest: Timestamp,
    /// The fields that are needed.
    pub required: Required,
    /// Whether newest first matters; else any order will do.
    pub ordered: bool,
    /// No more rows than this are needed.
    pub limit: Option<usize>,
    /// Where the source tells how far reading has come.
    pub watched: Watched,
}

/// The progress of whatever is being read for a search at the moment; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Watched(Arc<parking_lot::Mutex<Reading>>);

/// What is being read: the newest, and that of the parts, which are read at the same time.
#[derive(Debug, Default)]
struct Reading {
    current: Arc<ScanProgress>,
    parts: Vec<Watched>,
}

impl Watched {
    /// From now on this is read.
    pub fn set(&self, progress: Arc<ScanProgress>) {
        self.0.lock().current = progress;
    }

    /// One of several things that are read at the same time; the progress of all is added up.
    #[must_use]
    pub fn part(&self) -> Self {
        let part = Self::default();
        self.0.lock().parts.push(part.clone());
        part
    }

    /// What is being read.
    pub fn get(&self) -> Arc<ScanProgress> {
        let reading = self.0.lock();
        if reading.parts.is_empty() {
            return reading.current.clone();
        }
        let sum = ScanProgress::default();
        for progress in reading.parts.iter().map(Self::get) {
            progress.add_to(&sum);
        }
        Arc::new(sum)
    }

    /// The events that the answer is without since they could not be read, in words.
    pub fn unread(&self) -> Vec<String> {
        let tell = |unread: &taffrail_store::scan::Unread| {
            let range = format!("{} to {} of index {}", unread.first, unread.last, unread.index);
            let what = format!("the answer is without {} of the events {range}, which cannot be read: {}", unread.events, unread.what);
            format!("{what} (`taffrail fsck` says what to do)")
        };
        self.get().unread.lock().iter().map(tell).collect()
    }
}

/// An opened source.
pub struct Opened {
    /// The rows.
    pub flow: Flow,
    /// The time range of the matching events.
    pub data_range: DataRange,
    /// Quick answers, where these are the same as those of the rows.
    pub direct: Option<Arc<dyn Direct>>,
}

impl Opened {
    /// No rows and no columns.
    pub fn nothing() -> Self {
        let schema = Arc::new(arrow::datatypes::Schema::empty());
        Self { flow: Flow::of_batches(schema, Vec::new(), false), data_range: Arc::new(|| Ok(None)), direct: None }
    }
}

/// A part of what a source holds.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its name.
    pub id: String,
    /// The index it belongs to.
    pub index: String,
    /// Where it is: `hot` in memory, `warm` on disk, `cold` in an object store.
    pub state: &'static str,
    /// The time of its first event.
    pub earliest: Timestamp,
    /// The time of its last event.
    pub latest: Timestamp,
    /// Events in it.
    pub events: u64,
    /// Bytes of these events.
    pub raw_bytes: u64,
    /// Bytes that it takes where it is kept; 0 in memory.
    pub stored_bytes: u64,
    /// Patterns in it.
    pub patterns: u64,
}

/// Something that has events.
pub trait Source: Send + Sync {
    /// The parts that all of its events are in.
    fn parts(&self) -> Vec<Part>;

    /// Opens it; may read to learn which fields there are.
    fn open(&self, wanted: Wanted, messages: Messages) -> BoxFuture<'_, Result<Opened, QueryError>>;

    /// The scan of the store for what is wanted, without its columns; none where there is no store behind it.
    fn scan_of(&self, _wanted: &Wanted) -> Option<Scan> {
        None
    }

    /// The indexes that it has events of, by name.
    fn indexes(&self) -> Vec<String> {
        Vec::new()
    }
}
