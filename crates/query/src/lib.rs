//! The search language, from text to rows.
//!
//! - [`language`]: text to tree, errors that show where.
//! - [`eval`]: expressions over columns.
//! - [`commands`], [`functions`]: what a pipeline is made of, one file or entry each.
//! - [`knowledge`]: macros, saved searches, event types and lookups, in a folder.
//! - [`exec`]: how it runs, on DataFusion.
//! - [`source`], [`table`]: the store as a source of rows.
//! - [`sql`]: SQL over the same events.
//! - [`series`]: series of numbers, and what comes next.
//! - [`text`]: texts compared with each other.
//! - [`Engine`]: searches, timelines, summaries and live tails, for the server and the command line.
//!
//! Nothing here prints, reads settings or the clock, or writes to the store.

pub mod columns;
pub mod commands;
pub mod engine;
pub mod eval;
pub mod exec;
pub mod functions;
pub mod knowledge;
pub mod language;
pub mod messages;
pub mod pipeline;
pub mod rows;
pub mod series;
pub mod source;
pub mod sql;
pub mod summary;
pub mod table;
pub mod text;

pub use engine::{
    Batches, Engine, EngineOptions, ExportOrder, Followed, Language, Place, RawExport, ResultKind, SearchLimits, SearchMessage,
    SearchRequest, StepLimits, Update,
};
pub use knowledge::Knowledge;
pub use language::{Check, QueryError};
pub use messages::{Message, Messages, Severity};
pub use rows::{FieldInfo, Row};
pub use summary::{FieldSummary, PatternSummary, Timeline};
