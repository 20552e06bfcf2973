//! Every bound of the program, each with its reason. Nothing may grow without one of these.

/// Longest event kept in one piece, in bytes. Longer input is split into events of this size, each part but
/// the first marked as a continuation; nothing is cut away.
pub const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Events in one batch handed to the store: bounds what one group commit holds in memory.
pub const BATCH_EVENTS_MAX: usize = 65_536;

/// Raw bytes after which an input hands over its batch: large enough to amortise an fsync.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Raw bytes a memory segment may hold before it is written out: with columns being built beside it,
/// this keeps ingest below 256 MiB.
pub const MEMORY_SEGMENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Events a segment may hold: row numbers are 32 bits, and a search works on one segment at a time.
pub const SEGMENT_EVENTS_MAX: usize = 1_000_000;

/// Age after which a memory segment is written out even if small, in seconds.
pub const MEMORY_SEGMENT_AGE_SECONDS_MAX: u64 = 300;

/// Patterns a segment may hold. Beyond it, rows go to one pattern that is a single raw slot: hostile input
/// then costs no more than plain compression.
pub const SEGMENT_PATTERNS_MAX: usize = 4_096;

/// Bytes of one journal record: a length field beyond it is damage, not data.
pub const JOURNAL_RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of one journal file before the next is started.
pub const JOURNAL_FILE_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Distinct fields that a search for all fields returns as columns; more are counted in a message.
pub const SEARCH_COLUMNS_MAX: usize = 1_000;

/// Rows in one record batch that leaves a scan.
pub const SCAN_BATCH_ROWS: usize = 8_192;

/// Memory that searches share, in bytes; beyond it operators spill to disk.
pub const SEARCH_MEMORY_BYTES: usize = 512 * 1024 * 1024;

/// Bytes of a query's text.
pub const QUERY_BYTES_MAX: usize = 1024 * 1024;

/// Nesting of parentheses, functions and subsearches in a query.
pub const QUERY_DEPTH_MAX: usize = 200;
