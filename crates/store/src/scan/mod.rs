//! Reads events back: which match, and the named columns of those.
//!
//! A [`Filter`] is decided per pattern first (all rows, no rows, or some), then per distinct value of a
//! column, last per row. Only the columns that a request names are read.

mod capture;
mod coded;
mod coder;
mod explain;
mod filter;
mod gather;
mod groups;
mod lines;
mod missing;
mod nibbles;
mod picks;
mod plan;
mod plans;
mod raw;
mod rows;
mod runs;
mod salvage;
mod select;
mod shape;
mod spans;
mod summary;
mod sums;
mod term;
#[cfg(test)]
mod tests;
mod times;
mod values;
mod walk;
mod wanted;

pub use coded::ReadNumber;
pub use explain::{LeftOut, ScanPlan, SegmentPlan};
pub use gather::Room;
pub use missing::Missing;
pub use picks::{Pick, Picked};
pub use plan::{Scan, ScanStream};
pub use raw::TakeRaw;
pub use rows::schema;
pub use runs::{EventRun, RunRules, Runs};
pub use spans::Spans;
pub use sums::{Collect, Collector, Counted, Summed, Summing, Sums};
pub use wanted::CountField;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use taffrail_event::Timestamp;
use taffrail_pattern::{FieldResolver, Term};

/// A part of the origin that can be filtered on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OriginField {
    /// The index.
    Index,
    /// The host.
    Host,
    /// The source.
    Source,
    /// The sourcetype.
    Sourcetype,
}

/// Decides about one value.
type Test = dyn Fn(Option<&str>) -> bool + Send + Sync;

/// Gives the arrival number of an index from which on events are wanted.
pub type SequenceFrom = dyn Fn(&str) -> u64 + Send + Sync;

/// A test of one value; `None` stands for a missing field.
#[derive(Clone)]
pub struct ValueTest {
    test: Arc<Test>,
    numbers: Arc<NumberTest>,
}

impl ValueTest {
    /// A test of text alone.
    pub fn new(test: impl Fn(Option<&str>) -> bool + Send + Sync + 'static) -> Self {
        Self { test: Arc::new(test), numbers: Arc::default() }
    }

    /// The same test, which is also known of numbers.
    #[must_use]
    pub fn with_numbers(self, numbers: NumberTest) -> Self {
        Self { numbers: Arc::new(numbers), ..self }
    }

    /// Whether a value passes.
    pub fn passes(&self, value: Option<&str>) -> bool {
        (self.test)(value)
    }
}

/// Numbers from one to another, both included; ascending, and none reaches into the next.
pub type Ranges = Vec<(i64, i64)>;

/// Which numbers pass a test of the text that they are spelled as; `None` where only the text tells. Columns of numbers
/// are then compared as they are stored, and pages skipped by what they say of their least and greatest.
#[derive(Clone, Debug, Default)]
pub struct NumberTest {
    /// Whole numbers of at most [`INTEGER_DIGITS`] digits, without padding.
    pub integers: Option<Ranges>,
    /// IPv4 addresses, as numbers of 32 bits.
    pub addresses: Option<Ranges>,
}

/// Digits up to which whole numbers are compared as numbers: those that a double holds exactly.
pub const INTEGER_DIGITS: u32 = 15;

impl fmt::Debug for ValueTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ValueTest")
    }
}

/// Which events. Evaluated exactly.
#[derive(Clone, Debug)]
pub enum Filter {
    /// Every event.
    All,
    /// No event.
    Nothing,
    /// The raw bytes hold the term.
    Term(Term),
    /// The event as text (see [`Column::Raw`]) matches the expression, which was built without options: its text
    /// says all of it.
    Regex(regex::Regex),
    /// The origin passes the test.
    Origin(OriginField, ValueTest),
    /// An extracted field passes the test.
    Field(String, ValueTest),
    /// All of these.
    And(Vec<Filter>),
    /// Any of these.
    Or(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
}

/// A column of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// `_time`: event time, nanoseconds, UTC.
    Time,
    /// `_indextime`: receive time, nanoseconds, UTC.
    IndexTime,
    /// `_raw`: the event as text; bytes that are not UTF-8 are shown as U+FFFD.
    Raw,
    /// `_raw_bytes`: the event's bytes.
    RawBytes,
    /// `index`.
    Index,
    /// `host`.
    Host,
    /// `source`.
    Source,
    /// `sourcetype`.
    Sourcetype,
    /// `_pattern`: the pattern's id, sixteen hexadecimal digits.
    PatternId,
    /// `_sequence`: the arrival number within its index.
    Sequence,
    /// `_problems`: names of what was wrong with it, separated by commas; null when nothing was.
    Problems,
    /// An extracted field, as text; null where missing.
    Field(String),
}

impl Column {
    /// The column's name in the answer.
    pub fn name(&self) -> &str {
        match self {
            Self::Time => "_time",
            Self::IndexTime => "_indextime",
            Self::Raw => "_raw",
            Self::RawBytes => "_raw_bytes",
            Self::Index => "index",
            Self::Host => "host",
            Self::Source => "source",
            Self::Sourcetype => "sourcetype",
            Self::PatternId => "_pattern",
            Self::Sequence => "_sequence",
            Self::Problems => "_problems",
            Self::Field(name) => name,
        }
    }

    /// The column that a field name means.
    pub fn named(name: &str) -> Self {
        match name {
            "_time" => Self::Time,
            "_indextime" => Self::IndexTime,
            "_raw" => Self::Raw,
            "_raw_bytes" => Self::RawBytes,
            "index" => Self::Index,
            "host" => Self::Host,
            "source" => Self::Source,
            "sourcetype" => Self::Sourcetype,
            "_pattern" => Self::PatternId,
            "_sequence" => Self::Sequence,
            "_problems" => Self::Problems,
            other => Self::Field(other.to_owned()),
        }
    }
}

/// What to read.
#[derive(Clone)]
pub struct ScanRequest {
    /// Which events.
    pub filter: Filter,
    /// From this time on.
    pub earliest: Timestamp,
    /// Up to but not at this time; [`Timestamp::MAX`] means no end.
    pub latest: Timestamp,
    /// Only events whose arrival number within their index is at or above this; for following live.
    pub sequence_from: Option<Arc<SequenceFrom>>,
    /// Knows the fields of patterns.
    pub resolver: Arc<dyn FieldResolver>,
    /// The columns of the answer, in order.
    pub columns: Vec<Column>,
    /// Whether each partition gives its rows newest first (time, then arrival, descending); else as is cheapest.
    pub newest_first: bool,
    /// The reader needs no more rows than this from each partition.
    pub limit: Option<usize>,
}

/// How far a scan has come; counters only grow.
#[derive(Debug, Default)]
pub struct ScanProgress {
    /// Segments that the scan looks at.
    pub segments_total: AtomicU64,
    /// Segments finished, skipped ones included.
    pub segments_done: AtomicU64,
    /// Events in the segments finished.
    pub events_scanned: AtomicU64,
    /// Events that matched.
    pub events_matched: AtomicU64,
    /// Stored bytes read.
    pub bytes_read: AtomicU64,
    /// Stored bytes of all the segments looked at.
    pub bytes_total: AtomicU64,
    /// What could not be read, for a scan that goes on without it.
    pub unread: parking_lot::Mutex<Vec<Unread>>,
}

impl ScanProgress {
    /// Adds these counters to others.
    pub fn add_to(&self, sum: &Self) {
        let pairs = [
            (&self.segments_total, &sum.segments_total),
            (&self.segments_done, &sum.segments_done),
            (&self.events_scanned, &sum.events_scanned),
            (&self.events_matched, &sum.events_matched),
            (&self.bytes_read, &sum.bytes_read),
            (&self.bytes_total, &sum.bytes_total),
        ];
        for (from, to) in pairs {
            to.fetch_add(from.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        sum.unread.lock().extend(self.unread.lock().iter().cloned());
    }
}

/// Events that could not be read because stored bytes are damaged: the answer is without them, though some may match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Their index.
    pub index: Arc<str>,
    /// The arrival number of the first.
    pub first: u64,
    /// The arrival number of the last.
    pub last: u64,
    /// How many of the range.
    pub events: u64,
    /// What is wrong, with file and bytes.
    pub what: String,
}

/// A pattern within a result.
#[derive(Clone, Debug)]
pub struct PatternCount {
    /// The pattern.
    pub pattern: Arc<taffrail_pattern::Pattern>,
    /// The sourcetype of its events.
    pub sourcetype: Arc<str>,
    /// Matching events.
    pub count: u64,
    /// Matching events per bucket of the range asked for.
    pub buckets: Vec<u64>,
    /// The earliest matching event's time.
    pub first: Timestamp,
    /// The latest matching event's time.
    pub last: Timestamp,
    /// One matching event's bytes.
    pub sample: Vec<u8>,
}

/// Buckets of time: `count` spans of `span_nanos` from `start`.
#[derive(Clone, Copy, Debug)]
pub struct Buckets {
    /// Start of the first.
    pub start: Timestamp,
    /// Width of each.
    pub span_nanos: i64,
    /// How many.
    pub count: usize,
}
