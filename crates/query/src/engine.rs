//! Searches over a store: the one door for the server and the command line.

mod explain;
mod export;
mod follow;
mod limits;
mod memory;
mod message;
mod over;
mod preview;
mod run;
mod tail;

pub use explain::{ExplainedNode, ExplainedRun, ExplainedScan, ExplainedSegment, ExplainedStep, Explanation};
pub use export::Batches;
pub use export::{ExportOrder, RawExport};
pub use follow::{Followed, Place, StepLimits};
pub use limits::SearchLimits;
pub use message::{ResultKind, SearchMessage, SearchRequest};
pub use over::{Outcome, over};
pub use run::Update;

use crate::commands::{self, COMMANDS, Planner};
use crate::eval::{self, EvalContext};
use crate::functions::FUNCTIONS;
use crate::knowledge::{AddedFields, Knowledge};
use crate::language::{self, Check, QueryError};
use crate::messages::{Message, Messages, Severity};
use crate::pipeline::Query;
use crate::rows::Row;
use crate::source::{Opened, Searches, Source, StoredSource, Wanted};
use crate::sql::Session;
use crate::summary::{self, FieldSummary, PatternSummary, Timeline};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::SessionConfig;
use futures::Stream;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use taffrail_base::limits::{SCAN_BATCH_ROWS, SEARCH_SPILL_BYTES_MAX};
use taffrail_base::{Clock, Stop};
use taffrail_event::{EventSink, Timestamp};
use taffrail_format::Formats;
use taffrail_store::{Snapshot, Store};

/// The parts that an engine works with.
pub struct EngineOptions {
    /// What is searched.
    pub store: Arc<Store>,
    /// Knows the fields of events.
    pub formats: Arc<Formats>,
    /// The time that `now` means.
    pub clock: Arc<dyn Clock>,
    /// Memory that all searches share, in bytes; beyond it sorts and aggregations spill to disk.
    pub memory_bytes: usize,
    /// Macros, saved searches, event types and lookups.
    pub knowledge: Knowledge,
}

/// Runs searches. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) store: Arc<Store>,
    pub(crate) formats: Arc<Formats>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tz: TimeZone,
    knowledge: Knowledge,
    context: Arc<TaskContext>,
    /// Whether queries are statements of SQL.
    sql: bool,
    /// Where `collect` puts events.
    sink: Option<Arc<dyn EventSink>>,
    memory_bytes: usize,
    /// Ends everything that is run through this engine; what many searches share never ends.
    pub(crate) stop: Stop,
    /// Whether this engine is for one search.
    single: bool,
    runtime: Option<tokio::runtime::Handle>,
}

/// A command or function, for completion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WordInfo {
    /// Its name.
    pub name: String,
    /// How it is written.
    pub syntax: String,
    /// What it does.
    pub summary: String,
    /// For functions: `eval` or `stats`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// What the language has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Language {
    /// The commands.
    pub commands: Vec<WordInfo>,
    /// The functions of expressions and of aggregations.
    pub functions: Vec<WordInfo>,
}

/// A search, prepared: what it asks of its source, and what to plan with.
pub(crate) struct Prepared {
    pub query: Query,
    pub wanted: Wanted,
    pub planner: Planner,
    pub earliest: Option<Timestamp>,
    pub latest: Option<Timestamp>,
    /// The bounds of the request, which hold for searches in brackets too.
    pub asked: TimeRange,
    /// The statement that is meant instead, where it is one of SQL; the query is then one for all events.
    pub sql: Option<Arc<str>>,
}

impl Engine {
    /// An engine over a store.
    pub fn new(options: EngineOptions) -> Self {
        let pool = Arc::new(FairSpillPool::new(options.memory_bytes));
        let disk = RuntimeEnvBuilder::new().with_max_temp_directory_size(SEARCH_SPILL_BYTES_MAX);
        let runtime = disk.with_memory_pool(pool).build_arc().unwrap_or_default();
        Self {
            store: options.store,
            formats: options.formats,
            clock: options.clock,
            tz: TimeZone::UTC,
            knowledge: options.knowledge,
            context: task_context(runtime, options.memory_bytes, &Stop::never()),
            memory_bytes: options.memory_bytes,
            stop: Stop::never(),
            single: false,
            runtime: None,
            sql: false,
            sink: None,
        }
    }

    /// The engine with a place for the events that searches make.
    #[must_use]
    pub fn collecting(mut self, sink: Arc<dyn EventSink>) -> Self {
        self.sink = Some(sink);
        self
    }

    /// Runs a search: its messages as they come. Errors of the query come at once; dropping the stream stops it.
    pub async fn search(&self, request: SearchRequest) -> Result<impl Stream<Item = SearchMessage> + Send + 'static, QueryError> {
        run::search(self.single(), request)
    }

    /// Runs a search: what it tells, its rows as record batches. With `raw_bytes`, events come as the one column
    /// `_raw_bytes` (and what the query's commands use); a query that makes a table has no such column.
    pub async fn updates(
        &self,
        request: SearchRequest,
        raw_bytes: bool,
    ) -> Result<impl Stream<Item = Update> + Send + Unpin + 'static, QueryError> {
        Ok(Box::pin(run::updates(self.single(), request, run::Form::Batches { raw_bytes })?))
    }

    /// Runs a statement of SQL: messages as those of a search. Errors of the statement come at once.
    pub async fn sql(&self, request: SearchRequest) -> Result<impl Stream<Item = SearchMessage> + Send + 'static, QueryError> {
        let engine = self.in_sql().single();
        let mut prepared = engine.prepare(&request.query, request.earliest.as_deref(), request.latest.as_deref())?;
        let source: Arc<dyn Source> = Arc::new(engine.source());
        prepared.resolve(&source).await?;
        prepared.session(&source).check(&request.query).await?;
        run::search(engine, request)
    }

    /// Explains how a search runs; with `analyze`, it is run to its end and its rows are thrown away.
    pub async fn explain(&self, request: SearchRequest, analyze: bool) -> Result<Explanation, QueryError> {
        self.apart(move |engine| explain::explain(engine, request, analyze)).await
    }

    /// The same engine, whose queries are statements of SQL.
    #[must_use]
    pub fn in_sql(&self) -> Self {
        Self { sql: true, ..self.clone() }
    }

    /// The events of a search, oldest first, with the named columns; the search must be one without commands.
    pub async fn export(&self, request: SearchRequest, columns: &[String], order: ExportOrder) -> Result<Batches, QueryError> {
        export::export(self.single(), request, columns, order).await
    }

    /// The bytes of the events of a search as they arrived, without rows; `None` where only rows can tell which they are.
    pub fn raw_export(&self, request: &SearchRequest) -> Result<Option<RawExport>, QueryError> {
        export::raw(&self.single(), request)
    }

    /// Counts the events over time that the base search and the row-by-row commands after it let through.
    pub async fn timeline(
        &self,
        query: &str,
        earliest: Option<&str>,
        latest: Option<&str>,
        buckets: usize,
    ) -> Result<Timeline, QueryError> {
        let (query, earliest, latest) = owned(query, earliest, latest);
        self.apart(move |engine| async move { summary::timeline(&engine, &query, earliest.as_deref(), latest.as_deref(), buckets).await })
            .await
    }

    /// The fields of these events, with counts and top values.
    pub async fn fields(&self, query: &str, earliest: Option<&str>, latest: Option<&str>) -> Result<FieldSummary, QueryError> {
        let (query, earliest, latest) = owned(query, earliest, latest);
        self.apart(move |engine| async move { summary::fields(&engine, &query, earliest.as_deref(), latest.as_deref()).await }).await
    }

    /// The patterns of these events, with counts and trends.
    pub async fn patterns(&self, query: &str, earliest: Option<&str>, latest: Option<&str>) -> Result<PatternSummary, QueryError> {
        let (query, earliest, latest) = owned(query, earliest, latest);
        self.apart(move |engine| async move { summary::patterns(&engine, &query, earliest.as_deref(), latest.as_deref()).await }).await
    }

    /// Follows: rows as events arrive that match. Only for queries whose commands work row by row.
    pub async fn tail(&self, query: &str) -> Result<impl Stream<Item = Result<Row, QueryError>> + Send + 'static, QueryError> {
        tail::tail(self.clone(), query)
    }

    /// Whether [`Engine::follow`] can follow a search, and what is to be said of it.
    pub fn can_follow(&self, query: &str) -> Result<Vec<Message>, QueryError> {
        follow::check(self, query)
    }

    /// The place behind all events that are there.
    pub fn newest_place(&self) -> Place {
        follow::newest(self)
    }

    /// The next events from a place on that a search finds, in the order of arrival. `turn` is that of the step before.
    pub async fn follow(&self, query: &str, from: &Place, turn: &str, limits: StepLimits) -> Result<Followed, QueryError> {
        follow::step(self, query, from, turn, limits).await
    }

    /// The commands and functions there are.
    pub fn language(&self) -> Language {
        let word = |name: &str, syntax: &str, summary: &str, kind: Option<&str>| WordInfo {
            name: name.to_owned(),
            syntax: syntax.to_owned(),
            summary: summary.to_owned(),
            kind: kind.map(str::to_owned),
        };
        let of_eval = eval::functions().into_iter().map(|f| word(f.name, f.syntax, f.summary, Some("eval")));
        let of_stats = FUNCTIONS.iter().map(|f| word(f.name, f.syntax, f.summary, Some("stats")));
        Language {
            commands: COMMANDS.iter().map(|c| word(c.name, c.syntax, c.summary, None)).collect(),
            functions: of_eval.chain(of_stats).collect(),
        }
    }

    /// The tokens of a query and what is wrong with it, without running it.
    pub fn check(&self, query: &str) -> Check {
        let mut check = language::check(query, &commands::names());
        check.error = Query::parse_with(query, &self.knowledge, &EvalContext::new(self.now(), self.tz.clone())).err();
        check
    }

    /// The moment a search starts.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.clock.now_nanos())
    }

    /// What plans run with: the same for all searches.
    pub(crate) fn context(&self) -> Arc<TaskContext> {
        self.context.clone()
    }

    /// The events as they are now.
    pub(crate) fn source(&self) -> StoredSource {
        self.source_of(self.store.snapshot())
    }

    /// The events of a snapshot.
    pub(crate) fn source_of(&self, snapshot: Snapshot) -> StoredSource {
        let source = StoredSource::new(snapshot, self.knowledge.fields().formats(&self.formats));
        source.stopping(&self.stop).within(self.context.memory_pool())
    }

    /// Parses a query and settles its time range: bounds in the text go before those of the request.
    pub(crate) fn prepare(&self, text: &str, earliest: Option<&str>, latest: Option<&str>) -> Result<Prepared, QueryError> {
        let mut eval = EvalContext::new(self.now(), self.tz.clone());
        eval.clock = Some(self.clock.clone());
        if self.sql {
            let prepared = prepare("*", earliest, latest, eval, self.context(), self.knowledge.clone())?;
            return Ok(Prepared { sql: Some(text.into()), ..prepared });
        }
        let mut prepared = prepare(text, earliest, latest, eval, self.context(), self.knowledge.clone())?;
        prepared.planner.sink.clone_from(&self.sink);
        Ok(prepared)
    }
}

fn owned(query: &str, earliest: Option<&str>, latest: Option<&str>) -> (String, Option<String>, Option<String>) {
    (query.to_owned(), earliest.map(str::to_owned), latest.map(str::to_owned))
}

fn task_context(runtime: Arc<RuntimeEnv>, memory_bytes: usize, stop: &Stop) -> Arc<TaskContext> {
    // What a sort keeps back for merging what it has spilled; DataFusion's 10 MB would be most of a small pool.
    let merging = (memory_bytes / 8).min(10 << 20);
    // And a batch of each spilled part: of rows of a kilobyte, a sixty-fourth of the memory.
    let rows = (memory_bytes >> 16).clamp(512, SCAN_BATCH_ROWS);
    let config = SessionConfig::new().with_batch_size(rows).with_sort_spill_reservation_bytes(merging);
    let config = config.with_extension(Arc::new(stop.clone()));
    Arc::new(TaskContext::default().with_session_config(config).with_runtime(runtime))
}

/// Bounds of time, where there are any.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeRange {
    /// From this time on.
    pub earliest: Option<Timestamp>,
    /// Up to but not at this time.
    pub latest: Option<Timestamp>,
}

/// As [`Engine::prepare`], without an engine.
pub(crate) fn prepare(
    text: &str,
    earliest: Option<&str>,
    latest: Option<&str>,
    mut eval: EvalContext,
    context: Arc<TaskContext>,
    knowledge: Knowledge,
) -> Result<Prepared, QueryError> {
    eval.knowledge = knowledge.clone();
    let query = Query::parse_with(text, &knowledge, &eval)?.informed(&knowledge)?;
    let bound = |text: Option<&str>| {
        let text = text.map(str::trim).filter(|text| !text.is_empty());
        text.map(|text| language::resolve(text, eval.now, &eval.tz)).transpose()
    };
    let asked = TimeRange { earliest: bound(earliest)?, latest: bound(latest)? };
    let (wanted, range) = wanted(&query, asked, &eval).map_err(|error| query.place(error))?;
    let messages = Messages::default();
    let fields = knowledge.fields();
    fields.problems.iter().for_each(|problem| messages.add(Severity::Warn, problem));
    if let Some((typed, meant)) = std::iter::once(&wanted.search).chain(&wanted.more).find_map(language::SearchExpr::severity_by_number) {
        let text =
            format!("{typed} goes by letters where severity is a name, as in syslog (emerg, alert, crit ...); {meant} goes by its number");
        messages.add(Severity::Info, text);
    }
    let planner = Planner {
        eval,
        messages,
        context,
        earliest: wanted.earliest,
        latest: wanted.latest,
        data_range: Arc::new(|| Ok(None)),
        knowledge,
        sink: None,
        searches: None,
        shown: Arc::default(),
        direct: None,
        offered: Arc::default(),
        needed: commands::Required::all(),
        ordered: true,
    };
    Ok(Prepared { query, wanted, planner, earliest: range.earliest, latest: range.latest, asked, sql: None })
}

/// What a query wants from its source, and its time range: bounds in the text go before those `asked` for.
pub(crate) fn wanted(query: &Query, asked: TimeRange, eval: &EvalContext) -> Result<(Wanted, TimeRange), QueryError> {
    let (tz, bounds) = (&eval.tz, &query.bounds);
    let now = bounds.now.as_ref().map_or(Ok(eval.now), |text| text.resolve(eval.now, tz))?;
    let in_text = bounds.earliest.is_some() || bounds.latest.is_some();
    let mut range = if in_text { TimeRange::default() } else { asked };
    if let Some(text) = &bounds.earliest {
        // With only a beginning in the text, the end is now.
        range = TimeRange { earliest: Some(text.resolve(now, tz)?), latest: Some(now) };
    }
    if let Some(text) = &bounds.latest {
        range.latest = Some(text.resolve(now, tz)?);
    }
    let index_earliest = bounds.index_earliest.as_ref().map(|text| text.resolve(now, tz)).transpose()?;
    let index_latest = bounds.index_latest.as_ref().map(|text| text.resolve(now, tz)).transpose()?;
    if let (Some(from), Some(to)) = (range.earliest, range.latest)
        && from > to
    {
        let error = QueryError::new(format!("the time range ends ({to}) before it begins ({from})"));
        return Err(error.with_hint("earliest has to come before latest"));
    }
    let wanted = Wanted {
        search: query.search.clone(),
        more: query.leading_searches().cloned().collect(),
        regexes: query.leading_regexes(),
        filters: Vec::new(),
        earliest: range.earliest.unwrap_or(Timestamp::MIN),
        latest: range.latest.unwrap_or(Timestamp::MAX),
        index_earliest: index_earliest.unwrap_or(Timestamp::MIN),
        index_latest: index_latest.unwrap_or(Timestamp::MAX),
        required: commands::Required::all(),
        ordered: true,
        limit: None,
        watched: crate::source::Watched::default(),
    };
    Ok((wanted, range))
}

impl Prepared {
    /// Runs the searches in brackets that stand for text, and settles what names stand for.
    pub async fn resolve(&mut self, source: &Arc<dyn Source>) -> Result<(), QueryError> {
        self.planner.searches = Some(Searches::new(source.clone(), self.asked));
        self.query = self.query.resolved(&self.planner).await.map_err(|error| self.query.place(error))?;
        let (fresh, range) = wanted(&self.query, self.asked, &self.planner.eval).map_err(|error| self.query.place(error))?;
        self.wanted = Wanted { watched: self.wanted.watched.clone(), ..fresh };
        (self.planner.earliest, self.planner.latest) = (self.wanted.earliest, self.wanted.latest);
        (self.earliest, self.latest) = (range.earliest, range.latest);
        Ok(())
    }

    /// Opens `source` for what the commands need, of whose outcome `needed` is wanted.
    pub async fn open(
        &mut self,
        source: &Arc<dyn Source>,
        needed: commands::Required,
        limit: Option<usize>,
    ) -> Result<crate::source::Opened, QueryError> {
        self.resolve(source).await?;
        if let Some(text) = self.sql.clone() {
            let flow = self.session(source).plan(&text, limit).await?.flow;
            return Ok(crate::source::Opened { flow, ..crate::source::Opened::nothing() });
        }
        self.open_resolved(&**source, needed, limit).await
    }

    /// Settles what is wanted of the source, given what is wanted of the outcome.
    pub async fn settle(&mut self, needed: commands::Required, limit: Option<usize>) -> Result<(), QueryError> {
        self.add_fields(&needed).await?;
        let rest = self.query.rest();
        self.wanted.required = crate::pipeline::required(rest, needed.clone());
        self.planner.needed = needed;
        self.wanted.ordered = crate::pipeline::needs_order(rest);
        self.wanted.limit = if self.wanted.ordered { crate::pipeline::rows_needed(rest, limit) } else { None };
        Ok(())
    }

    /// As [`Prepared::open`], when nothing is left to be resolved.
    pub async fn open_resolved(
        &mut self,
        source: &dyn Source,
        needed: commands::Required,
        limit: Option<usize>,
    ) -> Result<crate::source::Opened, QueryError> {
        self.settle(needed, limit).await?;
        self.open_settled(source).await
    }

    /// As [`Prepared::open`], when it is settled what is wanted.
    pub async fn open_settled(&mut self, source: &dyn Source) -> Result<crate::source::Opened, QueryError> {
        let opened =
            if self.query.generating { Opened::nothing() } else { source.open(self.wanted.clone(), self.planner.messages.clone()).await? };
        self.planner.data_range = opened.data_range.clone();
        self.planner.direct = opened.direct.clone();
        Ok(opened)
    }

    /// What a statement is planned with.
    pub fn session(&self, source: &Arc<dyn Source>) -> Session {
        Session {
            source: source.clone(),
            planner: self.planner.clone(),
            range: self.asked,
            watched: self.wanted.watched.clone(),
            indexes: source.indexes(),
        }
    }

    /// Whether the outcome is a table.
    pub fn is_table(&self) -> bool {
        self.sql.is_some() || self.query.is_table()
    }

    /// Whether it may be run over a part of the data, for preliminary rows.
    pub fn can_preview(&self) -> bool {
        self.sql.is_none() && self.query.can_preview()
    }

    /// Puts what computes and looks up fields before the first command that needs them, and asks what the base search
    /// says of such fields of the rows.
    async fn add_fields(&mut self, needed: &commands::Required) -> Result<(), QueryError> {
        if self.query.generating {
            return Ok(());
        }
        let fields = self.planner.knowledge.fields();
        let named = crate::pipeline::required(self.query.rest(), needed.clone()).names;
        // Event types are looked at where they are named: each is a search of its own.
        let mut typing = Vec::new();
        let commands = || self.query.commands.iter().map(|(command, _)| command.name());
        let wanted = |field: &str, by: &str| named.contains(field) && !commands().any(|name| name == by);
        let (types, tags) = (wanted("eventtype", "typer"), wanted("tag", "tags"));
        if types || tags {
            let meant = |step: &AddedFields| step.fields.iter().any(|field| if field == "tag" { tags } else { types });
            match self.planner.knowledge.typing() {
                Ok(steps) => typing = steps.into_iter().filter(meant).collect(),
                Err(error) => self.planner.messages.add(Severity::Warn, error.message),
            }
        }
        if fields.steps().is_empty() && typing.is_empty() {
            return Ok(());
        }
        let later = fields.concerns(&self.query.search).then(|| self.query.search.clone());
        let place = if later.is_some() { 0 } else { self.query.leading_unconcerned(&fields) };
        let mut rest = self.query.commands.split_off(place);
        if let Some(search) = later {
            self.query.search = fields.without_added(&search);
            rest.insert(0, (Arc::new(commands::SearchCommand::new(search)), language::Span::new(0, 0)));
        }
        let mut required = crate::pipeline::required(&rest, needed.clone());
        let mut steps = Vec::new();
        for step in fields.steps().iter().chain(&typing).rev() {
            if step.fields.iter().any(|field| required.contains(field)) && self.can_look_up(step).await? {
                required = crate::pipeline::required(&step.commands, required);
                steps.push(&step.commands);
            }
        }
        self.query.commands.extend(steps.into_iter().rev().flatten().cloned());
        self.query.commands.extend(rest);
        self.wanted.search = self.query.search.clone();
        self.wanted.more = self.query.leading_searches().cloned().collect();
        self.wanted.regexes = self.query.leading_regexes();
        Ok(())
    }

    /// Whether a step's lookup can be done. One that cannot is told and left out: it is not this search that is wrong.
    async fn can_look_up(&self, step: &AddedFields) -> Result<bool, QueryError> {
        let Some(lookup) = step.lookup.clone() else { return Ok(true) };
        let knowledge = self.planner.knowledge.clone();
        match commands::blocking(move || Ok(knowledge.check_lookup(&lookup))).await? {
            Ok(()) => Ok(true),
            Err(error) => {
                let text = format!("fields are missing that a format file looks up ({}): {}", step.fields.join(", "), error.message);
                self.planner.messages.add(Severity::Warn, text);
                Ok(false)
            }
        }
    }

    /// Whether the base search asks for fields that only rows have, as they are computed or looked up.
    pub fn asks_rows(&self) -> bool {
        self.planner.knowledge.fields().concerns(&self.query.search)
    }

    /// The whole plan over an opened source, its fields as they are shown.
    pub async fn plan(&self, opened: &crate::source::Opened) -> Result<crate::exec::Flow, QueryError> {
        let planner = Planner { shown: Arc::default(), ..self.planner.clone() };
        let flow = self.plan_values(opened, &planner).await?;
        planner.shown.apply(flow, &planner).await
    }

    /// The whole plan, its fields as they are.
    pub async fn plan_values(&self, opened: &crate::source::Opened, planner: &Planner) -> Result<crate::exec::Flow, QueryError> {
        if self.sql.is_some() {
            return Ok(opened.flow.clone());
        }
        let plan = crate::pipeline::plan(opened.flow.clone(), self.query.rest(), planner).await;
        plan.map_err(|error| self.query.place(error))
    }
}
