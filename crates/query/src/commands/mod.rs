//! The commands of a pipeline: one file each, and one line in [`COMMANDS`].
//!
//! A command parses its own arguments, prints them back, and answers the questions of the planner. The default
//! answers are the safe ones: all fields, in order, on one thread.

pub(crate) mod accum;
pub(crate) mod addcoltotals;
pub(crate) mod addinfo;
pub(crate) mod addtotals;
pub(crate) mod anomalies;
pub(crate) mod anomalousvalue;
pub(crate) mod anomalydetection;
pub(crate) mod append;
pub(crate) mod appendcols;
pub(crate) mod appendpipe;
pub(crate) mod autoregress;
pub(crate) mod bin;
pub(crate) mod chart;
pub(crate) mod cluster;
pub(crate) mod collect;
pub(crate) mod columns_set;
pub(crate) mod concurrency;
pub(crate) mod contingency;
pub(crate) mod convert;
pub(crate) mod correlate;
pub(crate) mod dbinspect;
pub(crate) mod dedup;
pub(crate) mod delta;
pub(crate) mod diff;
pub(crate) mod eval;
pub(crate) mod event_types;
pub(crate) mod eventcount;
pub(crate) mod eventstats;
pub(crate) mod extract;
pub(crate) mod fdiff;
pub(crate) mod fieldformat;
pub(crate) mod fields;
pub(crate) mod fieldsummary;
pub(crate) mod filldown;
pub(crate) mod fillnull;
pub(crate) mod foreach;
pub(crate) mod format;
pub(crate) mod found_fields;
pub(crate) mod from;
pub(crate) mod fromjson;
pub(crate) mod gentimes;
pub(crate) mod head;
pub mod history;
pub(crate) mod inputlookup;
pub(crate) mod iplocation;
pub(crate) mod join;
pub(crate) mod loadjob;
pub(crate) mod lookup;
pub(crate) mod makecontinuous;
pub(crate) mod makemv;
pub(crate) mod makeresults;
pub(crate) mod map;
pub(crate) mod mdiff;
pub(crate) mod metadata;
pub(crate) mod metasearch;
pub(crate) mod multikv;
pub(crate) mod multisearch;
pub(crate) mod mvcombine;
pub(crate) mod mvexpand;
pub(crate) mod nomv;
pub(crate) mod outlier;
pub(crate) mod outputlookup;
pub(crate) mod pair;
pub(crate) mod predict;
pub(crate) mod rangemap;
pub(crate) mod rare;
pub(crate) mod regex;
pub(crate) mod regexes;
pub(crate) mod reltime;
pub(crate) mod rename;
pub(crate) mod replace;
pub(crate) mod require;
pub(crate) mod required;
pub(crate) mod r#return;
pub(crate) mod reverse;
pub(crate) mod rex;
pub(crate) mod savedsearch;
pub(crate) mod scrub;
pub(crate) mod search;
pub(crate) mod series;
pub(crate) mod set;
pub(crate) mod sort;
pub(crate) mod spath;
pub(crate) mod stands_for;
pub(crate) mod stats;
pub(crate) mod strcat;
pub(crate) mod streamstats;
pub(crate) mod table;
pub(crate) mod tags;
pub(crate) mod tail;
pub(crate) mod timechart;
pub(crate) mod timewrap;
pub(crate) mod tojson;
pub(crate) mod top;
pub(crate) mod totals;
pub(crate) mod transaction;
pub(crate) mod transpose;
pub(crate) mod trendline;
pub(crate) mod tstats;
pub(crate) mod typeahead;
pub(crate) mod typer;
pub(crate) mod union;
pub(crate) mod uniq;
pub(crate) mod untable;
pub(crate) mod view;
pub(crate) mod walklex;
pub(crate) mod r#where;
pub mod words;
pub(crate) mod xml;
pub(crate) mod xmlkv;
pub(crate) mod xpath;
pub(crate) mod xyseries;

pub use required::Required;
pub use search::SearchCommand;
pub use timechart::{auto_span, span_text};

use crate::eval::EvalContext;
use crate::exec::Flow;
use crate::knowledge::Knowledge;
use crate::language::{Args, QueryError};
use crate::messages::Messages;
use crate::source::Searches;
use ::regex::Regex;
use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use futures::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
use taffrail_event::{EventSink, Timestamp};
use taffrail_store::scan::{Collector, RunRules, Runs, Summed};

/// What a command is, for the parser, the editor and the manual.
pub struct CommandInfo {
    /// Its name.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// How it is written.
    pub syntax: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Whole queries that use it.
    pub examples: &'static [&'static str],
    /// Parses its arguments.
    pub parse: fn(&mut Args) -> Result<Box<dyn Command>, QueryError>,
}

/// All commands.
pub static COMMANDS: &[CommandInfo] = &[
    accum::INFO,
    addcoltotals::INFO,
    addinfo::INFO,
    addtotals::INFO,
    anomalies::INFO,
    anomalousvalue::INFO,
    anomalydetection::INFO,
    append::INFO,
    appendcols::INFO,
    appendpipe::INFO,
    autoregress::INFO,
    bin::INFO,
    chart::INFO,
    cluster::INFO,
    collect::INFO,
    concurrency::INFO,
    contingency::INFO,
    convert::INFO,
    correlate::INFO,
    dbinspect::INFO,
    dedup::INFO,
    delta::INFO,
    diff::INFO,
    eval::INFO,
    eventcount::INFO,
    eventstats::INFO,
    extract::INFO,
    fdiff::INFO,
    fieldformat::INFO,
    fields::INFO,
    fieldsummary::INFO,
    filldown::INFO,
    fillnull::INFO,
    foreach::INFO,
    format::INFO,
    from::INFO,
    fromjson::INFO,
    gentimes::INFO,
    head::INFO,
    history::INFO,
    inputlookup::INFO,
    iplocation::INFO,
    join::INFO,
    loadjob::INFO,
    lookup::INFO,
    makecontinuous::INFO,
    makemv::INFO,
    makeresults::INFO,
    map::INFO,
    mdiff::INFO,
    metadata::INFO,
    metasearch::INFO,
    multikv::INFO,
    multisearch::INFO,
    mvcombine::INFO,
    mvexpand::INFO,
    nomv::INFO,
    outlier::INFO,
    outputlookup::INFO,
    predict::INFO,
    rangemap::INFO,
    rare::INFO,
    regex::INFO,
    reltime::INFO,
    rename::INFO,
    replace::INFO,
    require::INFO,
    r#return::INFO,
    reverse::INFO,
    rex::INFO,
    savedsearch::INFO,
    scrub::INFO,
    search::INFO,
    set::INFO,
    sort::INFO,
    spath::INFO,
    stats::INFO,
    strcat::INFO,
    streamstats::INFO,
    table::INFO,
    tags::INFO,
    tail::INFO,
    timechart::INFO,
    timewrap::INFO,
    tojson::INFO,
    top::INFO,
    transaction::INFO,
    transpose::INFO,
    tstats::INFO,
    trendline::INFO,
    typeahead::INFO,
    typer::INFO,
    union::INFO,
    uniq::INFO,
    untable::INFO,
    view::INFO,
    walklex::INFO,
    r#where::INFO,
    xmlkv::INFO,
    xpath::INFO,
    xyseries::INFO,
];

/// The names of all commands, then their other names.
pub fn names() -> Vec<&'static str> {
    let others = COMMANDS.iter().flat_map(|info| info.aliases.iter().copied());
    COMMANDS.iter().map(|info| info.name).chain(others).collect()
}

/// The command of a name in lower case.
pub fn find(name: &str) -> Option<&'static CommandInfo> {
    COMMANDS.iter().find(|info| info.name == name || info.aliases.contains(&name))
}

/// Those that can make rows: in brackets they need no pipe before them.
pub(crate) const GENERATING: &[&str] = &[
    "dbinspect",
    "eventcount",
    "from",
    "gentimes",
    "history",
    "inputlookup",
    "loadjob",
    "makeresults",
    "metadata",
    "metasearch",
    "multisearch",
    "savedsearch",
    "set",
    "tstats",
    "typeahead",
    "union",
    "walklex",
];

/// Those whose brackets hold searches or commands; the brackets of all others stand for text.
pub(crate) const TAKE_PIPELINES: &[&str] = &["append", "appendcols", "appendpipe", "foreach", "join", "map", "multisearch", "set", "union"];

/// What a command makes of the pipeline before it.
pub enum Planned {
    /// A longer pipeline.
    Flow(Flow),
    /// A pipeline that is known only when the one before it has run: its columns depend on the rows.
    Later(BoxFuture<'static, Result<Flow, QueryError>>),
}

impl From<Flow> for Planned {
    fn from(flow: Flow) -> Self {
        Self::Flow(flow)
    }
}

/// How a command works, broadly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Makes rows of its own, a table; asks nothing of those before it.
    Generating,
    /// Makes one row of each, whatever the others are.
    RowByRow,
    /// Makes no row, one or several of each, whatever the others are.
    Selecting,
    /// Makes one row of each, which depends on those before it.
    Running,
    /// Makes a table of all rows.
    Reporting,
    /// Anything else; what is assumed then is always safe.
    Whole,
}

/// A command of a pipeline, its arguments parsed. Displaying it gives text that parses to the same command.
pub trait Command: fmt::Debug + fmt::Display + Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// How it works, broadly; the questions after this one are answered by it unless the command knows better.
    fn kind(&self) -> Kind {
        Kind::Whole
    }

    /// The fields it needs from its input, when what follows needs `needed` of its output.
    fn required(&self, _needed: Required) -> Required {
        if self.kind() == Kind::Generating { Required::default() } else { Required::all() }
    }

    /// Whether each row (or none) comes from one row, whatever the others are: it can then run side by side, and live.
    fn streaming(&self) -> bool {
        matches!(self.kind(), Kind::RowByRow | Kind::Selecting)
    }

    /// Whether its outcome depends on the order of its input.
    fn needs_order(&self) -> bool {
        !matches!(self.kind(), Kind::RowByRow | Kind::Selecting)
    }

    /// Whether the order of its input shows in its output.
    fn keeps_order(&self) -> bool {
        true
    }

    /// Whether its output is a table, not events.
    fn makes_table(&self) -> bool {
        matches!(self.kind(), Kind::Generating | Kind::Reporting)
    }

    /// Whether it drops no rows and adds none.
    fn keeps_rows(&self) -> bool {
        matches!(self.kind(), Kind::RowByRow | Kind::Running)
    }

    /// Whether it can make rows without any before it.
    fn generates(&self) -> bool {
        self.kind() == Kind::Generating
    }

    /// Whether it can stand after other commands.
    fn follows(&self) -> bool {
        !self.generates()
    }

    /// Whether running it changes anything: it is then run once, and never for a preview.
    fn writes(&self) -> bool {
        false
    }

    /// The command once it has been looked up what its names mean, where that makes a difference.
    fn informed(&self, _knowledge: &Knowledge) -> Result<Option<Arc<dyn Command>>, QueryError> {
        Ok(None)
    }

    /// How rows become text, when it is the last command of a search that stands for text.
    fn wording(&self) -> Option<&format::Wording> {
        None
    }

    /// How many rows of its input it needs at most, from the first on.
    fn rows_needed(&self) -> Option<usize> {
        None
    }

    /// The search it stands for, when it only keeps the rows that match one.
    fn as_search(&self) -> Option<&crate::language::SearchExpr> {
        None
    }

    /// Expressions that the text of every event that it keeps matches, when there are any.
    fn text_filter(&self) -> Option<&TextFilter> {
        None
    }

    /// Quick answers about its output, from those about its input.
    fn direct(&self, _input: &Arc<dyn Direct>) -> Option<Arc<dyn Direct>> {
        None
    }

    /// Continues the pipeline.
    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError>;
}

/// What a command asks of the text of events.
#[derive(Clone, Debug)]
pub struct TextFilter {
    /// Expressions that all have to match.
    pub regexes: Vec<Regex>,
    /// Whether it asks nothing else.
    pub complete: bool,
}

/// The earliest and latest time of the events that a search reads; may read to find out.
pub type DataRange = Arc<dyn Fn() -> taffrail_base::Result<Option<(Timestamp, Timestamp)>> + Send + Sync>;

/// Which rows are wanted; of two that are equal in this, the newer comes first.
#[derive(Clone, Debug)]
pub enum Wish {
    /// The newest of each combination of values of these fields, without rows that lack one; newest first.
    Newest(Vec<String>),
    /// So many rows with the greatest or least numbers in a field.
    Extreme {
        /// The field.
        field: String,
        /// Whether the greatest are wanted, and first.
        greatest: bool,
        /// How many.
        rows: usize,
    },
}

/// Answers about the events of the base search that need no rows. Exact; both may read, so they block.
pub trait Direct: Send + Sync {
    /// How many there are; `None` where only rows can tell.
    fn count(&self) -> taffrail_base::Result<Option<u64>>;
    /// Whether [`Direct::spans`] has answers.
    fn has_times(&self) -> bool {
        true
    }
    /// How many in each span of this width that has any, by the number of the span from the epoch on; `None` when more
    /// than `most` have.
    fn spans(&self, span_nanos: i64, most: usize) -> taffrail_base::Result<Option<taffrail_store::scan::Spans>>;
    /// How many for each combination of values of fields, in no order, without the events that lack one; `None` where
    /// only rows can tell.
    fn count_by(&self, _fields: &[String]) -> taffrail_base::Result<Option<taffrail_store::scan::Counted>> {
        Ok(None)
    }
    /// The events added up by the values of fields, and by the number of a span of this width where one is given, which
    /// then is the first value; in no order, without those that lack a field. Of each of `numbers` a sum, of each of
    /// `collected` what has its numbers. `None` where only rows can tell.
    fn sums_by(
        &self,
        _span_nanos: Option<i64>,
        _fields: &[String],
        _numbers: &[String],
        _collected: &[(String, Collector)],
    ) -> taffrail_base::Result<Option<Summed>> {
        Ok(None)
    }
    /// Rows picked by the values of some fields, with all columns, in order; and how many there were to pick from. `None`
    /// where all rows have to be looked at.
    fn picked(&self, _wish: &Wish) -> taffrail_base::Result<Option<(Flow, u64)>> {
        Ok(None)
    }
    /// Runs of events that share the value of a field and follow each other closely; `None` where all rows have to be
    /// looked at.
    fn runs(&self, _field: &str, _rules: RunRules) -> taffrail_base::Result<Option<Runs>> {
        Ok(None)
    }
    /// The same for the events with the named groups of an expression (of its first match in `_raw`) as fields.
    fn with_groups(&self, _regex: &Regex) -> Option<Arc<dyn Direct>> {
        None
    }
}

/// The events counted by the values of fields, in no order, where the quick way has the same answer: the fields as
/// text, then the count.
pub async fn counted(direct: Option<Arc<dyn Direct>>, fields: &[String], count: &str) -> Result<Option<Flow>, QueryError> {
    let Some(direct) = direct else { return Ok(None) };
    let asked = fields.to_vec();
    let Some(found) = blocking(move || direct.count_by(&asked)).await? else { return Ok(None) };
    let mut columns: Vec<(Field, ArrayRef)> = Vec::new();
    for (name, values) in fields.iter().zip(found.values) {
        columns.push((Field::new(name, DataType::Utf8, true), Arc::new(values)));
    }
    let counts = Int64Array::from_iter_values(found.events.into_iter().map(|count| count as i64));
    columns.push((Field::new(count, DataType::Int64, true), Arc::new(counts)));
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), arrays)?;
    Ok(Some(Flow { ordered: false, ..Flow::of_batches(schema, vec![batch], true) }))
}

/// Runs what blocks on a thread that may.
pub async fn blocking<T, F>(work: F) -> Result<T, QueryError>
where
    T: Send + 'static,
    F: FnOnce() -> taffrail_base::Result<T> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(|error| QueryError::from(&error)),
        Err(_) => Err(QueryError::new("the search stopped unexpectedly").with_hint("this is a bug; please report it")),
    }
}

/// What planning needs to know beside the commands.
#[derive(Clone)]
pub struct Planner {
    /// Time, zone and seed of expressions.
    pub eval: EvalContext,
    /// What the search has to say.
    pub messages: Messages,
    /// Memory, spilling and batch size.
    pub context: Arc<TaskContext>,
    /// From this time on; [`Timestamp::MIN`] when there is no bound.
    pub earliest: Timestamp,
    /// Up to but not at this time; [`Timestamp::MAX`] when there is no bound.
    pub latest: Timestamp,
    /// The range of the events themselves.
    pub data_range: DataRange,
    /// Macros, saved searches, event types and lookups.
    pub knowledge: Knowledge,
    /// Where `collect` puts events; absent where nothing may be written.
    pub sink: Option<Arc<dyn EventSink>>,
    /// Runs searches within the search; absent until there is something to run them over.
    pub searches: Option<Searches>,
    /// How fields are shown in the end.
    pub shown: Arc<fieldformat::Shown>,
    /// Quick answers; only while the first command is planned, as they are about what it gets.
    pub direct: Option<Arc<dyn Direct>>,
    /// Where a command that learns it only while it is planned puts quick answers about its output.
    pub offered: Arc<parking_lot::Mutex<Option<Arc<dyn Direct>>>>,
    /// The fields that what follows needs of the command's output.
    pub needed: Required,
    /// Whether the order of the command's output shows in the end; a table need not be sorted else.
    pub ordered: bool,
}

impl fmt::Debug for Planner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Planner")
    }
}

/// Where a column stands; names are case-sensitive.
pub fn column_index(schema: &SchemaRef, name: &str) -> Option<usize> {
    schema.fields().iter().position(|field| field.name() == name)
}

/// Errors of execution, for the person who searches: ours come back as they were.
impl From<DataFusionError> for QueryError {
    fn from(error: DataFusionError) -> Self {
        let root = error.find_root();
        if let DataFusionError::External(inner) = root {
            if let Some(ours) = inner.downcast_ref::<Self>() {
                return ours.clone();
            }
            if let Some(ours) = inner.downcast_ref::<taffrail_base::Error>() {
                return ours.into();
            }
        }
        if let DataFusionError::ResourcesExhausted(detail) = root {
            return Self::limit("the search needs more memory than it may use")
                .with_hint(format!("narrow the time range, group by fewer values, or raise the memory limit of searches; {detail}"));
        }
        Self::new(format!("the search failed: {error}"))
    }
}

impl From<&taffrail_base::Error> for QueryError {
    fn from(error: &taffrail_base::Error) -> Self {
        let ours = Self { limit: error.kind() == taffrail_base::ErrorKind::Limit, ..Self::new(error.message()) };
        match error.hint() {
            Some(hint) => ours.with_hint(hint),
            None => ours,
        }
    }
}

impl From<arrow::error::ArrowError> for QueryError {
    fn from(error: arrow::error::ArrowError) -> Self {
        DataFusionError::from(error).into()
    }
}
