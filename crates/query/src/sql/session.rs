//! From a statement to a plan.

use super::counts::CountsFromStore;
use super::events::{EventsTable, Order, Reading, events_table};
use super::functions;
use super::names::{Catalog, Names, search_text};
use super::newest::NewestFirst;
use super::operators::Operators;
use super::pushdown::sort_key;
use super::refused;
use super::scope::{CORE, Mention, What};
use super::shape::shaped;
use super::text::Text;
use crate::commands::{Planner, Required};
use crate::engine::{TimeRange, wanted};
use crate::exec::Flow;
use crate::language::{CompareOp, QueryError, SearchExpr, SearchValue};
use crate::pipeline::Query;
use crate::source::{Source, Wanted, Watched};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session as PlanningSession, TableProvider};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNodeRecursion};
use datafusion::datasource::{MemTable, source_as_provider};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::context::SessionContext;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, TableScan, TableType};
use datafusion::optimizer::Optimizer;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement as PlannedStatement;
use datafusion::sql::sqlparser::ast::{ObjectName, ObjectNamePart, Query as SqlQuery, Statement, TableFactor, Visit, Visitor};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

/// What a statement is planned with.
pub struct Session {
    /// Where the events are.
    pub source: Arc<dyn Source>,
    /// The planner of the search language: its time, its messages, its knowledge; it can run searches.
    pub planner: Planner,
    /// The bounds of the request, which hold for every table of events.
    pub range: TimeRange,
    /// Where the reading of all tables is told.
    pub watched: Watched,
    /// The indexes that have events.
    pub indexes: Vec<String>,
}

/// A statement, ready to run.
pub struct SqlPlan {
    /// Its rows.
    pub flow: Flow,
    /// The statement as it is planned, conditions at their tables.
    optimized: LogicalPlan,
}

impl SqlPlan {
    /// What each table of events wants of its source.
    pub fn wanted(&self) -> Result<Vec<Wanted>, QueryError> {
        let mut all = Vec::new();
        let collect = |node: &LogicalPlan| {
            if let LogicalPlan::TableScan(scan) = node
                && let Ok(provider) = source_as_provider(&scan.source)
                && let Some(table) = events_table(&provider)
            {
                all.push(asked_of(table, scan));
            }
            Ok(TreeNodeRecursion::Continue)
        };
        self.optimized.apply_with_subqueries(collect).map_err(QueryError::from)?;
        Ok(all)
    }
}

/// What a scan of a table of events wants of its source.
fn asked_of(table: &EventsTable, scan: &TableScan) -> Wanted {
    let mut wanted = table.wanted(&scan.filters);
    wanted.required = Required::of(scan.projected_schema.fields().iter().map(|field| field.name().clone()));
    wanted.limit = match (table.order(), scan.fetch) {
        (Order::NewestOf(most), fetch) => Some(fetch.unwrap_or(most).min(most)),
        (_, fetch) => fetch,
    };
    wanted.ordered = wanted.limit.is_some() || table.order() != Order::Any;
    wanted.watched = Watched::default();
    wanted
}

/// The tables of a statement, by the names that the planner knows.
type Tables = Vec<(String, Arc<dyn TableProvider>)>;

impl Session {
    /// Looks whether a statement can be understood: its form, its tables, its functions.
    pub async fn check(&self, text: &str) -> Result<(), QueryError> {
        let text = Text::new(text)?;
        check_first_word(text.as_str())?;
        let mut statement = text.parse()?;
        let mut mentioned = Mentioned::default();
        let _ = statement.visit(&mut mentioned);
        let query = query_of(&mut statement)?.is_some();
        // What columns a search gives is known only when parts of it were run: that waits for its turn.
        if !query || !mentioned.searches.is_empty() {
            return Ok(());
        }
        let catalog = self.catalog(&statement).await?;
        if let Some(query) = query_of(&mut statement)? {
            Names::new(&catalog, &text).settle(query)?;
        }
        Ok(())
    }

    /// Plans a statement; no more than `limit` rows of a query are wanted.
    pub async fn plan(&self, text: &str, limit: Option<usize>) -> Result<SqlPlan, QueryError> {
        let text = Text::new(text)?;
        check_first_word(text.as_str())?;
        let mut statement = text.parse()?;
        match &statement {
            Statement::ShowTables { .. } => {
                let batch = self.tables()?;
                let query = "SELECT * FROM answer";
                return self.planned(&Text::new(query)?, Text::new(query)?.parse()?, memory(batch)?, limit).await;
            }
            Statement::ExplainTable { table_name, .. } => {
                let described = format!("SELECT * FROM {table_name}");
                let plan = Box::pin(self.plan(&described, None)).await?;
                let query = "SELECT * FROM answer";
                return self
                    .planned(&Text::new(query)?, Text::new(query)?.parse()?, memory(columns_of(&plan.flow.schema())?)?, limit)
                    .await;
            }
            _ => {}
        }
        let catalog = self.catalog(&statement).await?;
        let mut names = Names::new(&catalog, &text);
        let limit = if matches!(statement, Statement::Query(_)) { limit } else { None };
        let Some(query) = query_of(&mut statement)? else { return Err(refused("a statement only reads")) };
        names.settle(query)?;
        let alike = names.alike().to_vec();
        let mut mentions = names.mentions;
        if mentions.iter().any(|mention| mention.everything && !matches!(mention.what, What::Lookup(_) | What::Search(_))) {
            self.discover(&text, &statement, &mut mentions, limit).await?;
            for group in &alike {
                let fields: BTreeSet<String> = group.iter().flat_map(|at| mentions[*at].fields.clone()).collect();
                group.iter().for_each(|at| mentions[*at].fields.clone_from(&fields));
            }
        }
        let tables = self.providers(&mentions).await?;
        self.planned(&text, statement, tables, limit).await
    }

    /// Plans a statement whose names are settled.
    async fn planned(&self, text: &Text, statement: Statement, tables: Tables, limit: Option<usize>) -> Result<SqlPlan, QueryError> {
        let state = self.state(tables).map_err(|error| text.planned(&error))?;
        let work = async {
            let logical = logical(&state, statement, limit).await?;
            let optimized = state.optimize(&logical)?;
            let physical = state.query_planner().create_physical_plan(&optimized, &state).await?;
            Ok::<_, DataFusionError>((optimized, shaped(physical, logical.schema())))
        };
        let (optimized, flow) = work.await.map_err(|error| text.planned(&error))?;
        Ok(SqlPlan { flow, optimized })
    }

    /// Finds the fields that the events of `SELECT *` have, given the conditions on them.
    async fn discover(&self, text: &Text, statement: &Statement, mentions: &mut [Mention], limit: Option<usize>) -> Result<(), QueryError> {
        let state = self.state(self.providers(mentions).await?).map_err(|error| text.planned(&error))?;
        let query = match statement {
            Statement::Explain { statement, .. } => statement.as_ref().clone(),
            other => other.clone(),
        };
        let work = async { state.optimize(&logical(&state, query, limit).await?) };
        let optimized = work.await.map_err(|error| text.planned(&error))?;
        let mut asked: Vec<(String, Wanted)> = Vec::new();
        let collect = |node: &LogicalPlan| {
            if let LogicalPlan::TableScan(scan) = node
                && let Ok(provider) = source_as_provider(&scan.source)
                && let Some(table) = events_table(&provider)
            {
                let wanted = Wanted { required: Required::all(), ..asked_of(table, scan) };
                asked.push((table.name().to_owned(), wanted));
            }
            Ok(TreeNodeRecursion::Continue)
        };
        optimized.apply_with_subqueries(collect).map_err(|error| text.planned(&error))?;
        for (name, wanted) in asked {
            let Some(mention) = mentions.iter_mut().find(|mention| mention.name == name && mention.everything) else { continue };
            let opened = self.source.open(wanted, self.planner.messages.clone()).await?;
            let found = opened.flow.names();
            mention.fields.extend(found.into_iter().filter(|name| !name.starts_with('_') && !CORE.contains(&name.as_str())));
        }
        Ok(())
    }

    /// The tables behind the mentions of a statement.
    async fn providers(&self, mentions: &[Mention]) -> Result<Tables, QueryError> {
        let mut tables: Tables = Vec::new();
        for mention in mentions {
            let provider: Arc<dyn TableProvider> = match &mention.what {
                What::Lookup(name) => {
                    let (table, _) = self.planner.knowledge.lookup(name)?;
                    memory_table(table.batch().clone())?
                }
                What::Search(text) => Arc::new(FoundTable::new(self.planner.clone(), text).await?),
                What::Events(index) => {
                    let mut wanted = self.base(&Query::parse("*")?)?;
                    if let Some(index) = index {
                        let value = SearchValue { text: index.clone(), case_sensitive: true };
                        wanted.search = SearchExpr::Compare { field: "index".into(), op: CompareOp::Equal, value };
                    }
                    self.events(mention, wanted).await?
                }
                What::Found(text) => {
                    let query = self.query(text).await?;
                    self.events(mention, self.base(&query)?).await?
                }
            };
            tables.push((mention.name.clone(), provider));
        }
        Ok(tables)
    }

    async fn events(&self, mention: &Mention, base: Wanted) -> Result<Arc<dyn TableProvider>, QueryError> {
        let reading = Reading { source: self.source.clone(), eval: self.planner.eval.clone(), messages: self.planner.messages.clone() };
        let fields: Vec<String> = mention.fields.iter().cloned().collect();
        let mut searches = Vec::new();
        for text in &mention.searches {
            let query = self.query(text).await?;
            if !query.commands.is_empty() || query.generating {
                let error = QueryError::new(format!("search('{text}') is a condition here, so it has no commands"));
                return Err(error.with_hint("a search with commands is a table: FROM search('...')"));
            }
            if !query.bounds.is_empty() {
                let error = QueryError::new(format!("search('{text}') is a condition here, so it has no time range"));
                return Err(error.with_hint("compare _time: _time >= '-24h'"));
            }
            searches.push(query.search.clone());
        }
        Ok(Arc::new(EventsTable::new(mention.name.clone(), reading, base, &fields, searches)))
    }

    /// A query of the search language, its brackets run.
    async fn query(&self, text: &str) -> Result<Query, QueryError> {
        parsed(&self.planner, text).await
    }

    /// What a search wants, within the bounds of the request.
    fn base(&self, query: &Query) -> Result<Wanted, QueryError> {
        let (mut wanted, _) = wanted(query, self.range, &self.planner.eval)?;
        wanted.watched = self.watched.part();
        let watched = wanted.watched.clone();
        self.planner.messages.watch(move || watched.unread());
        Ok(wanted)
    }

    fn state(&self, tables: Tables) -> DataFusionResult<SessionState> {
        let context = &self.planner.context;
        let mut config: SessionConfig = context.session_config().clone().with_default_catalog_and_schema("taffrail", "tables");
        let options = config.options_mut();
        options.sql_parser.enable_ident_normalization = false;
        options.sql_parser.map_string_types_to_utf8view = false;
        options.sql_parser.collect_spans = true;
        options.sql_parser.default_null_ordering = "nulls_last".into();
        options.execution.time_zone = Some("UTC".into());
        let mut planners = SessionStateDefaults::default_expr_planners();
        planners.insert(0, Arc::new(Operators(self.planner.eval.clone())));
        let mut physical = PhysicalOptimizer::new().rules;
        physical.insert(0, Arc::new(CountsFromStore));
        let mut logical = Optimizer::new().rules;
        logical.push(Arc::new(NewestFirst));
        let mut functions = SessionStateDefaults::default_scalar_functions();
        functions.extend(functions::all());
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(context.runtime_env())
            .with_default_features()
            .with_expr_planners(planners)
            .with_scalar_functions(functions)
            .with_optimizer_rules(logical)
            .with_physical_optimizer_rules(physical)
            .build();
        let session = SessionContext::new_with_state(state);
        for (name, provider) in tables {
            session.register_table(datafusion::common::TableReference::bare(name), provider)?;
        }
        let mut state = session.state();
        let now = arrow::temporal_conversions::timestamp_ns_to_datetime(self.planner.eval.now.nanos());
        state.execution_props_mut().query_execution_start_time = now.map(|now| now.and_utc());
        Ok(state)
    }

    /// The tables and functions that a statement may name.
    async fn catalog(&self, statement: &Statement) -> Result<Catalog, QueryError> {
        let state = self.state(Vec::new()).map_err(QueryError::from)?;
        let scalar = state.scalar_functions().keys().chain(state.aggregate_functions().keys()).chain(state.window_functions().keys());
        let functions = scalar.chain(state.higher_order_functions().keys()).cloned().collect();
        let mut catalog = Catalog { indexes: self.indexes.clone(), functions, ..Catalog::default() };
        let mut mentioned = Mentioned::default();
        let _ = statement.visit(&mut mentioned);
        let knowledge = &self.planner.knowledge;
        for name in knowledge.lookups()? {
            let meant = |typed: &String| typed.strip_suffix(".csv").unwrap_or(typed).eq_ignore_ascii_case(&name);
            let columns = if mentioned.names.iter().any(meant) { knowledge.lookup(&name)?.0.names() } else { Vec::new() };
            catalog.lookups.insert(name, columns);
        }
        for text in mentioned.searches {
            let query = self.query(&text).await?;
            let columns = if query.generating || !query.rest().is_empty() {
                Some(
                    FoundTable::new(self.planner.clone(), &text)
                        .await?
                        .schema()
                        .fields()
                        .iter()
                        .map(|field| field.name().clone())
                        .collect(),
                )
            } else {
                None
            };
            catalog.searches.insert(text, columns);
        }
        Ok(catalog)
    }

    /// `SHOW TABLES`.
    fn tables(&self) -> Result<RecordBatch, QueryError> {
        let mut rows: Vec<(String, &str)> = vec![("events".to_owned(), "what a search without an index sees")];
        rows.extend(self.indexes.iter().map(|name| (name.clone(), "index")));
        let mut lookups = self.planner.knowledge.lookups()?;
        lookups.sort();
        rows.extend(lookups.into_iter().map(|name| (name, "lookup")));
        let (names, kinds): (Vec<String>, Vec<&str>) = rows.into_iter().unzip();
        table([("table", names), ("kind", kinds.into_iter().map(str::to_owned).collect())])
    }
}

/// The query in a statement; none where it asks for the tables there are.
fn query_of(statement: &mut Statement) -> Result<Option<&mut SqlQuery>, QueryError> {
    match statement {
        Statement::Query(query) => Ok(Some(query)),
        Statement::Explain { statement, .. } => match statement.as_mut() {
            Statement::Query(query) => Ok(Some(query)),
            _ => Err(refused("EXPLAIN is of a query")),
        },
        Statement::ShowTables { .. } | Statement::ExplainTable { .. } => Ok(None),
        _ => Err(refused("a statement only reads")),
    }
}

/// A query of the search language, its brackets run and its names looked up.
async fn parsed(planner: &Planner, text: &str) -> Result<Query, QueryError> {
    let query = Query::parse_with(text, &planner.knowledge, &planner.eval);
    let inside = |error: QueryError| QueryError { span: None, message: format!("in search('{text}'): {}", error.message), ..error };
    let query = query.map_err(inside)?;
    if query.writes() {
        return Err(refused("a search in a statement writes nothing"));
    }
    query.resolved(planner).await.map_err(inside)
}

async fn logical(state: &SessionState, statement: Statement, limit: Option<usize>) -> DataFusionResult<LogicalPlan> {
    let plan = state.statement_to_plan(PlannedStatement::Statement(Box::new(statement))).await?;
    let plan = sorted_by_value(plan)?;
    match limit {
        Some(limit) => LogicalPlanBuilder::from(plan).limit(0, Some(limit))?.build(),
        None => Ok(plan),
    }
}

/// Has text sorted by value: numbers as numbers.
fn sorted_by_value(plan: LogicalPlan) -> DataFusionResult<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Sort(mut sort) = node else { return Ok(Transformed::no(node)) };
        for key in &mut sort.expr {
            let is_text = functions::is_text(&key.expr.get_type(sort.input.schema())?) && !matches!(key.expr, Expr::Literal(..));
            key.expr = sort_key(&key.expr, is_text);
        }
        Ok(Transformed::yes(LogicalPlan::Sort(sort)))
    })
    .data()
}

/// Refuses what changes something by its first word: the parser does not know all of these.
fn check_first_word(text: &str) -> Result<(), QueryError> {
    let mut rest = text.trim_start();
    // Comments before it.
    loop {
        let skipped = match rest {
            _ if rest.starts_with("--") => rest.find('\n').map_or("", |at| &rest[at..]),
            _ if rest.starts_with("/*") => rest.find("*/").map_or("", |at| &rest[at + 2..]),
            _ => break,
        };
        rest = skipped.trim_start();
    }
    let typed: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let word = typed.to_uppercase();
    if ["", "SELECT", "WITH", "VALUES", "EXPLAIN", "SHOW", "DESCRIBE", "DESC"].contains(&word.as_str()) {
        return Ok(());
    }
    let at = text.len() - rest.len();
    let span = crate::language::Span::new(at, at + word.len());
    let changes = ["INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "DROP", "ALTER", "TRUNCATE", "COPY", "SET", "RESET", "GRANT", "REVOKE"];
    let message = if changes.contains(&word.as_str()) {
        format!("{word} is refused: statements only read")
    } else {
        format!("a statement does not begin with {typed}")
    };
    Err(QueryError { span: Some(span), ..refused(&message) })
}

fn table<const N: usize>(columns: [(&str, Vec<String>); N]) -> Result<RecordBatch, QueryError> {
    let fields: Vec<Field> = columns.iter().map(|(name, _)| Field::new(*name, DataType::Utf8, true)).collect();
    let arrays = columns.into_iter().map(|(_, values)| Arc::new(StringArray::from(values)) as ArrayRef).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

/// `DESCRIBE`.
fn columns_of(schema: &Schema) -> Result<RecordBatch, QueryError> {
    let shown = schema.fields().iter().filter(|field| !field.name().starts_with(crate::exec::HIDDEN));
    let kind = |kind: &DataType| match kind {
        DataType::Timestamp(..) => "timestamp",
        DataType::Float64 => "double",
        DataType::Int64 => "bigint",
        DataType::List(_) => "list of text",
        _ => "text",
    };
    let (names, kinds) = shown.map(|field| (field.name().clone(), kind(field.data_type()).to_owned())).unzip();
    table([("column", names), ("type", kinds)])
}

fn memory_table(batch: RecordBatch) -> Result<Arc<dyn TableProvider>, QueryError> {
    Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]]).map_err(QueryError::from)?))
}

fn memory(batch: RecordBatch) -> Result<Tables, QueryError> {
    Ok(vec![("answer".to_owned(), memory_table(batch)?)])
}

/// Gathers what has to be looked up before the names of a statement are settled.
#[derive(Default)]
struct Mentioned {
    names: Vec<String>,
    searches: BTreeSet<String>,
}

impl Visitor for Mentioned {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        if let Some(ObjectNamePart::Identifier(name)) = name.0.last() {
            self.names.push(name.value.clone());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { args: Some(args), .. } = factor {
            self.searches.extend(search_text(&args.args));
        }
        ControlFlow::Continue(())
    }
}

/// The rows of a search with commands.
struct FoundTable {
    planner: Planner,
    text: String,
    schema: SchemaRef,
    /// The plan that told the columns, for who scans first: a plan is run once.
    first: Mutex<Option<Flow>>,
}

impl FoundTable {
    async fn new(planner: Planner, text: &str) -> Result<Self, QueryError> {
        let flow = Self::flow(&planner, text).await?;
        Ok(Self { planner, text: text.to_owned(), schema: flow.schema(), first: Mutex::new(Some(flow)) })
    }

    async fn flow(planner: &Planner, text: &str) -> Result<Flow, QueryError> {
        let query = parsed(planner, text).await?;
        planner.nested(Arc::new(query), Required::all()).await
    }
}

impl fmt::Debug for FoundTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FoundTable({})", self.text)
    }
}

#[async_trait::async_trait]
impl TableProvider for FoundTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _: &dyn PlanningSession,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let first = self.first.lock().take();
        let flow = match first {
            Some(flow) => flow,
            None => Self::flow(&self.planner, &self.text).await.map_err(|error| DataFusionError::External(Box::new(error)))?,
        };
        let mut flow = flow.single();
        if let Some(limit) = limit {
            flow = crate::commands::head::first_rows(flow, limit);
        }
        if let Some(places) = projection {
            let schema = Arc::new(self.schema.project(places)?);
            let places = places.clone();
            flow = flow.map("columns", schema, crate::exec::transform(move |batch: RecordBatch| Ok(batch.project(&places)?)));
        }
        debug_assert_eq!(flow.plan.output_partitioning().partition_count(), 1);
        Ok(super::events::leaf(flow, format!("search=[{}]", self.text)))
    }
}
