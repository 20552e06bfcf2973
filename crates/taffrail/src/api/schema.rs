//! What goes over the wire, with its documentation. The engine has its own types; a test holds the two together
//! by reading real answers with these.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// A row: field name to a string, a number, or a list of strings; a field that is missing is left out.
pub type Row = serde_json::Map<String, serde_json::Value>;

/// A search to run.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"query": "session opened user=root | stats count by host", "earliest": "-24h", "limit": 1000}))]
pub struct SearchBody {
    /// The query; see the search language in the manual.
    pub query: String,
    /// From this time on: relative (`-24h`, `-1d@d`), epoch seconds, or RFC 3339. All time when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "time_argument")]
    #[schema(value_type = Option<String>, example = "-24h")]
    pub earliest: Option<String>,
    /// Up to but not at this time; no end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "time_argument")]
    #[schema(value_type = Option<String>, example = "now")]
    pub latest: Option<String>,
    /// At most this many rows; 0 or absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Whether rows of an unfinished result may be sent (marked `preview`).
    #[serde(default)]
    pub preview: bool,
    /// Seconds that the search may take; not more than `search.timeout_seconds` of the settings, which is also taken when
    /// absent. Events that were found until then are an answer, marked `truncated`; a table is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// Bytes of memory that the search may use; not more than `search.max_memory_bytes` of the settings, which is also taken
    /// when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_memory: Option<u64>,
}

/// A statement of SQL to run.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"query": "SELECT host, count(*) AS n FROM events GROUP BY host ORDER BY n DESC", "earliest": "-24h", "limit": 1000}))]
pub struct SqlBody {
    /// The statement; see SQL in the manual.
    pub query: String,
    /// Only events from this time on, in every table of events: relative (`-24h`, `-1d@d`), epoch seconds, or RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "time_argument")]
    #[schema(value_type = Option<String>, example = "-24h")]
    pub earliest: Option<String>,
    /// Only events up to but not at this time; no end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "time_argument")]
    #[schema(value_type = Option<String>, example = "now")]
    pub latest: Option<String>,
    /// At most this many rows; 0 or absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Seconds that the statement may take, as those of a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// Bytes of memory that the statement may use, as those of a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_memory: Option<u64>,
}

/// A query to explain.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"query": "status=404 | stats count by host", "earliest": "-24h", "analyze": true}))]
pub struct ExplainBody {
    /// The query, or with `sql` the statement.
    pub query: String,
    /// From this time on; all time when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "time_argument")]
    #[schema(value_type = Option<String>, example = "-24h")]
    pub earliest: Option<String>,
    /// Up to but not at this time; no end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "time_argument")]
    #[schema(value_type = Option<String>, example = "now")]
    pub latest: Option<String>,
    /// Whether the query is a statement of SQL.
    #[serde(default)]
    pub sql: bool,
    /// Whether it is run to its end, for real numbers; its rows are thrown away.
    #[serde(default)]
    pub analyze: bool,
}

/// How a query runs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExplainAnswer {
    /// The query as it is understood; a statement of SQL as typed.
    pub query: String,
    /// From this time on, where bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest: Option<String>,
    /// Up to this time, where bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<String>,
    /// The commands, in order; none for SQL.
    pub steps: Vec<ExplainStep>,
    /// What is read of the store: for each table of events.
    pub scans: Vec<ExplainScan>,
    /// The nodes of the plan, the last one first; of a search only when it was run.
    pub plan: Vec<ExplainNode>,
    /// What running it gave, when it was run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran: Option<ExplainRun>,
}

/// A format that is proposed for lines.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LearnAnswer {
    /// The name of the file, without `.toml`, and of the sourcetype where there is a new one.
    pub name: String,
    /// The text of the format file.
    pub file: String,
    /// The sourcetype that the lines have by themselves.
    pub detected: String,
    /// How the lines are built: `json`, `xml`, `columns`, `positions`, `pairs` or `prose`.
    pub layout: String,
    /// The lines that were looked at.
    pub lines: u64,
    /// The events that they make.
    pub events: u64,
    /// The events of which the file tells all that varies.
    pub covered: u64,
    /// The time of the events; absent where none was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<LearnTime>,
    /// The fields, those of most events first.
    pub fields: Vec<LearnField>,
    /// What else has to be said.
    pub notes: Vec<String>,
}

/// Where the events have their time.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LearnTime {
    /// How it is written.
    pub example: String,
    /// In how many events it is.
    pub events: u64,
    /// Whether all of them begin with it.
    pub at_start: bool,
    /// Whether the year or the zone has to be assumed.
    pub inferred: bool,
}

/// A field of a proposed format.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LearnField {
    /// Its name.
    pub name: String,
    /// The kind of its values, such as `address`, `number` or `word`.
    pub kind: String,
    /// Some of its values.
    pub examples: Vec<String>,
    /// In how many events it is.
    pub events: u64,
    /// How sure its name is: `named` by the text, `likely`, or a `guess`.
    pub sure: String,
    /// Why it is called so.
    pub why: String,
}

/// A command of an explained query.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExplainStep {
    /// The command as it is understood.
    pub command: String,
    /// `store`, `streaming`, `ordered` or `transforming`.
    pub runs: String,
    /// The fields that it and what follows need: names, `*` for all, `-name` for what is not needed of all.
    pub needs: Vec<String>,
}

/// The reading of a table of events.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExplainScan {
    /// The fields that are read.
    pub fields: Vec<String>,
    /// Whether events are read newest first.
    pub newest_first: bool,
    /// No more events than this are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Segments there are.
    pub segments: u64,
    /// Segments without an event in the time range.
    pub left_out_by_time: u64,
    /// Segments whose catalog entry shows no such index, host, source or source type.
    pub left_out_by_origin: u64,
    /// Segments that are kept.
    pub kept: u64,
    /// Of those looked into, the segments in which the filter leaves nothing.
    pub left_out_by_filter: u64,
    /// Events of the kept segments.
    pub events: u64,
    /// Stored bytes of the kept segments.
    pub stored_bytes: u64,
    /// The first 100 of the kept segments, newest first.
    pub looked_into: Vec<ExplainSegment>,
}

/// A segment and what the filter decides in it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExplainSegment {
    /// Names it.
    pub id: String,
    /// Its index.
    pub index: String,
    /// The time of its first event.
    pub first: String,
    /// The time of its last event.
    pub last: String,
    /// Its events.
    pub events: u64,
    /// Its stored bytes.
    pub stored_bytes: u64,
    /// Patterns of which all events match.
    pub patterns_all: u64,
    /// Patterns of which some events match.
    pub patterns_some: u64,
    /// Patterns of which none matches.
    pub patterns_none: u64,
    /// Events that match.
    pub matched: u64,
    /// Stored bytes read to decide that; what is in the cache is not read.
    pub decided_by_bytes: u64,
}

/// A node of the plan.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExplainNode {
    /// How deep it is: its inputs are one deeper and follow it.
    pub depth: u64,
    /// What it does.
    pub node: String,
    /// Rows that came out, when it was run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Milliseconds that it computed, of all threads; of a scan, that its rows were waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<f64>,
    /// Bytes that it wrote to disk for want of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spilled_bytes: Option<u64>,
}

/// What running an explained query gave.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExplainRun {
    /// Rows of the answer.
    pub rows: u64,
    /// Events looked at.
    pub events_scanned: u64,
    /// Events that matched.
    pub events_matched: u64,
    /// Stored bytes read; what is in the cache is not read.
    pub bytes_read: u64,
    /// Milliseconds it took.
    pub elapsed_ms: u64,
    /// What there was to say.
    pub messages: Vec<String>,
}

/// A search whose result is written in one form.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"query": "sourcetype=syslog | reverse", "format": "raw"}))]
pub struct ExportBody {
    /// The query.
    pub query: String,
    /// From this time on.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "time_argument")]
    #[schema(value_type = Option<String>, example = "-24h")]
    pub earliest: Option<String>,
    /// Up to but not at this time.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "time_argument")]
    #[schema(value_type = Option<String>, example = "now")]
    pub latest: Option<String>,
    /// At most this many rows; 0 or absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// `json`, `csv`, `csv_exact`, `raw`, `arrow`, `parquet` or `table`.
    pub format: crate::output::Form,
    /// Seconds that the search may take; no limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// Bytes of memory that the search may use; not more than `search.max_memory_bytes` of the settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_memory: Option<u64>,
}

/// Events to download, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"query": "index=main", "format": "parquet", "fields": ["user"]}))]
pub struct EventsExportBody {
    /// Which events: a search without commands.
    pub query: String,
    /// From this time on.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "time_argument")]
    #[schema(value_type = Option<String>, example = "-24h")]
    pub earliest: Option<String>,
    /// Up to but not at this time.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "time_argument")]
    #[schema(value_type = Option<String>, example = "now")]
    pub latest: Option<String>,
    /// The form.
    pub format: crate::export::Format,
    /// What tells raw events apart.
    #[serde(default)]
    pub delimiter: crate::export::Delimiter,
    /// Their order.
    #[serde(default)]
    pub order: crate::export::Order,
    /// Fields read from the events, beside what every event has.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Send it in frames, each its length (32 bits, little-endian) and so many bytes; after an empty one the number of
    /// events, of their bytes, and of events that hold the delimiter (64 bits each).
    #[serde(default)]
    pub framed: bool,
}

/// A range of a query, over time.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"query": "failed password", "earliest": "-7d", "buckets": 120}))]
pub struct TimelineBody {
    /// The query; counted are the events that its base search and streaming filters let through.
    pub query: String,
    /// From this time on.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "time_argument")]
    #[schema(value_type = Option<String>, example = "-7d")]
    pub earliest: Option<String>,
    /// Up to but not at this time.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "time_argument")]
    #[schema(value_type = Option<String>)]
    pub latest: Option<String>,
    /// About how many bars; spans are rounded to what people read.
    #[serde(default = "default_buckets")]
    #[schema(default = 120, minimum = 1, maximum = 2000)]
    pub buckets: usize,
}

fn default_buckets() -> usize {
    120
}

/// A query within a range.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"query": "sourcetype=nginx status>=500", "earliest": "-1h"}))]
pub struct RangeBody {
    /// The query.
    pub query: String,
    /// From this time on.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "time_argument")]
    #[schema(value_type = Option<String>, example = "-1h")]
    pub earliest: Option<String>,
    /// Up to but not at this time.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "time_argument")]
    #[schema(value_type = Option<String>)]
    pub latest: Option<String>,
}

/// A query to look at without running it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"query": "error | stas count by host"}))]
pub struct CheckBody {
    /// The query.
    pub query: String,
}

/// A time argument may be a string or a number of epoch seconds.
fn time_argument<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Number(serde_json::Number),
    }
    Ok(Option::<Either>::deserialize(deserializer)?.and_then(|either| match either {
        Either::Text(text) if text.trim().is_empty() => None,
        Either::Text(text) => Some(text),
        Either::Number(number) => Some(number.to_string()),
    }))
}

/// Whether rows are events or a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResultKind {
    /// Events, newest first unless the query orders them.
    Events,
    /// Rows made by the query.
    Table,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// `string`, `number`, `time` or `list`.
    pub kind: String,
}

/// How much a message weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// The answer is not what it may seem.
    Warn,
    /// Something failed.
    Error,
}

/// One line of a search's answer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SearchLine {
    /// First: what the rows will look like.
    Start {
        /// The search's identity.
        id: String,
        /// Events or a table.
        kind: ResultKind,
        /// The columns.
        fields: Vec<Field>,
        /// The query as it was understood.
        query: String,
        /// Start of the range searched; null means all time.
        #[serde(default)]
        #[schema(value_type = Option<String>)]
        earliest: Option<serde_json::Value>,
        /// End of the range searched.
        #[serde(default)]
        #[schema(value_type = Option<String>)]
        latest: Option<serde_json::Value>,
    },
    /// How far it has come.
    Progress {
        /// Segments finished.
        segments_done: u64,
        /// Segments that are looked at.
        segments_total: u64,
        /// Events looked at.
        events_scanned: u64,
        /// Events that matched.
        events_matched: u64,
        /// Stored bytes read.
        bytes_read: u64,
        /// Milliseconds since the search began.
        elapsed_ms: u64,
    },
    /// Rows. A preview replaces the previews before it.
    Rows {
        /// Whether these rows may still change.
        #[serde(default)]
        preview: bool,
        /// The number of the first row.
        offset: u64,
        /// The rows.
        #[schema(value_type = Vec<Object>)]
        rows: Vec<Row>,
    },
    /// Something to know about the answer.
    Message {
        /// How much it weighs.
        severity: Severity,
        /// What to know.
        text: String,
    },
    /// Last: the answer is complete.
    Done {
        /// Rows sent.
        rows: u64,
        /// Events that matched.
        matched: u64,
        /// Events looked at.
        scanned: u64,
        /// Milliseconds it took.
        elapsed_ms: u64,
        /// Stored bytes read.
        bytes_read: u64,
        /// Whether the answer is exact.
        exact: bool,
        /// Whether rows beyond the limit were left out.
        truncated: bool,
    },
    /// Last: the search failed; rows sent before may be incomplete.
    Error {
        /// What happened.
        #[schema(value_type = Object)]
        error: serde_json::Value,
    },
}

/// A bar of the timeline.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TimelineBucket {
    /// Its start.
    #[schema(example = "2026-11-21T20:00:00Z")]
    pub time: String,
    /// Events in it.
    pub count: u64,
}

/// Events over time.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TimelineAnswer {
    /// Start of the first bar.
    pub earliest: String,
    /// End of the last bar.
    pub latest: String,
    /// Seconds of each bar.
    pub span_seconds: f64,
    /// The bars.
    pub buckets: Vec<TimelineBucket>,
    /// Events in all bars.
    pub total: u64,
}

/// A value with its count.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ValueCount {
    /// The value.
    #[schema(value_type = String)]
    pub value: serde_json::Value,
    /// Events that have it.
    pub count: u64,
}

/// A field of a result.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FieldAnswer {
    /// Its name.
    pub name: String,
    /// `string` or `number`.
    pub kind: String,
    /// Events that have it.
    pub count: u64,
    /// Different values.
    pub distinct: u64,
    /// The most frequent values.
    pub top: Vec<ValueCount>,
    /// The least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The greatest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The mean of the numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
}

/// The fields of a result.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FieldsAnswer {
    /// Events in the result.
    pub events: u64,
    /// Whether counts and values are of all these events; if not, the search was too large to look at every one.
    #[serde(default)]
    pub complete: bool,
    /// Its fields.
    pub fields: Vec<FieldAnswer>,
}

/// A pattern of a result.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PatternAnswer {
    /// Its identity: sixteen hexadecimal digits.
    pub id: String,
    /// What its events have in the field `_pattern`: what differs only in a word or two is shown as one pattern.
    #[serde(default)]
    pub members: Vec<String>,
    /// Its text, `<*>` where it varies.
    pub text: String,
    /// The source type of its events.
    pub sourcetype: String,
    /// Events of this pattern.
    pub count: u64,
    /// Its part of the result, 0 to 1.
    pub share: f64,
    /// Events in each twenty-fourth of the range.
    pub trend: Vec<u64>,
    /// The earliest event's time.
    pub first: String,
    /// The latest event's time.
    pub last: String,
    /// One event.
    pub sample: String,
}

/// The patterns of a result.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PatternsAnswer {
    /// Events in the result.
    pub events: u64,
    /// Its patterns, most frequent first.
    pub patterns: Vec<PatternAnswer>,
}

/// A command of the language.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CommandAnswer {
    /// Its name.
    pub name: String,
    /// How it is written.
    pub syntax: String,
    /// What it does.
    pub summary: String,
}

/// A function of the language.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FunctionAnswer {
    /// Its name.
    pub name: String,
    /// How it is written.
    pub syntax: String,
    /// What it gives.
    pub summary: String,
    /// `eval` or `stats`.
    pub kind: String,
}

/// The language, for completion.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LanguageAnswer {
    /// Commands.
    pub commands: Vec<CommandAnswer>,
    /// Functions.
    pub functions: Vec<FunctionAnswer>,
}

/// A token of a query.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenAnswer {
    /// Byte offset of its start.
    pub start: usize,
    /// Byte offset of its end.
    pub end: usize,
    /// `command`, `function`, `field`, `operator`, `keyword`, `string`, `number`, `term`, `pipe`, `wildcard`,
    /// `comment`, `time` or `error`.
    pub class: String,
}

/// A place in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Span {
    /// Byte offset of its start.
    pub start: usize,
    /// Byte offset of its end.
    pub end: usize,
}

/// What is wrong with a query.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct QueryErrorAnswer {
    /// What is wrong.
    pub message: String,
    /// Where.
    pub span: Option<Span>,
    /// What to do.
    pub hint: Option<String>,
    /// What may have been meant.
    pub suggestions: Vec<String>,
}

/// A query looked at.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckAnswer {
    /// Its tokens.
    pub tokens: Vec<TokenAnswer>,
    /// What is wrong, or null.
    pub error: Option<QueryErrorAnswer>,
}

/// What an index holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexAnswer {
    /// Its name.
    #[schema(example = "main")]
    pub index: String,
    /// Events.
    pub events: u64,
    /// Bytes of the events.
    pub raw_bytes: u64,
    /// Bytes on disk; what is still in memory is not counted.
    pub stored_bytes: u64,
    /// Segment files; what is still in memory is in none.
    pub segments: u64,
    /// Patterns of these files, counted per file.
    pub patterns: u64,
    /// The earliest event time, or null.
    pub earliest: Option<String>,
    /// The latest event time, or null.
    pub latest: Option<String>,
}

/// What the store holds.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StatAnswer {
    /// One entry per index.
    pub indexes: Vec<IndexAnswer>,
}

/// Where events came from.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SourceAnswer {
    /// The index they are in.
    pub index: String,
    /// The machine they speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The file, address or command.
    pub source: String,
    /// The name of their format.
    pub sourcetype: String,
    /// How many.
    pub events: u64,
    /// The latest event time.
    pub latest: Option<String>,
}

/// What the server holds, in short.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HealthData {
    /// Events.
    pub events: u64,
    /// Segment files.
    pub segments: u64,
}

/// The server is well.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HealthAnswer {
    /// Always `ok`.
    #[schema(example = "ok")]
    pub status: String,
    /// The program's version.
    pub version: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Which run of the server this is; also in `server.json` of the data folder.
    pub instance: String,
    /// What it holds.
    pub data: HealthData,
}

/// Events taken in: they are durable.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct IngestAnswer {
    /// Events.
    pub accepted: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The journal's sequence number of the last of them.
    pub sequence: u64,
}

/// A position that an import left.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PositionAnswer {
    /// Whose position.
    pub key: String,
    /// Its bytes.
    pub value: Vec<u8>,
}

/// An error.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorAnswer {
    /// What is wrong.
    pub error: ErrorDetail,
}

/// What is wrong.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"kind": "query", "message": "unknown command `stas`", "span": {"start": 8, "end": 12}, "suggestions": ["stats"]}))]
pub struct ErrorDetail {
    /// `query`, `invalid`, `not_found`, `method_not_allowed`, `too_large`, `unsupported`, `forbidden`, `busy`,
    /// `full`, `io`, `corrupt`, `limit`, `cancelled` or `bug`.
    pub kind: String,
    /// What happened.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where in the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// What may have been meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<String>,
}
