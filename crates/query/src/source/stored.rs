//! The store as a source: which columns are read, by which scan.

use super::{Opened, Part, Source, Wanted};
use crate::commands::fields::select;
use crate::commands::{Direct, Required, Wish, blocking};

use crate::exec::{Flow, transform};
use crate::language::QueryError;
use crate::language::search::{to_filter, with_store_fields};
use crate::messages::Messages;
use crate::table::{scan_flow, shaped};
use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, TimestampNanosecondType};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use futures::future::BoxFuture;
use regex::Regex;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use taffrail_base::limits::SEARCH_COLUMNS_MAX;
use taffrail_base::{Error, ErrorKind, Result, Stop};
use taffrail_event::Timestamp;
use taffrail_pattern::FieldResolver;
use taffrail_store::scan::{Collector, Missing, Pick, RunRules, Runs, ScanProgress, Spans, Summed, Summing};
use taffrail_store::{Column, CountField, Filter, Scan, ScanRequest, SegmentRef, Snapshot};

/// Rows up to which the fields of each event are read from it, instead of asking first which there are.
const DISCOVERED_ROWS_MAX: usize = 10_000;

/// What every event has.
const CORE: [&str; 10] = ["_time", "_indextime", "_raw", "index", "host", "source", "sourcetype", "_pattern", "_sequence", "_problems"];

/// Arrival numbers by index, from which on events are wanted.
pub type SequenceFrom = Arc<dyn Fn(&str) -> u64 + Send + Sync>;

/// A snapshot of the store.
#[derive(Clone)]
pub struct StoredSource {
    snapshot: Arc<Snapshot>,
    resolver: Arc<dyn FieldResolver>,
    sequence_from: Option<SequenceFrom>,
    missing: Option<Arc<Missing>>,
    tolerant: bool,
    stop: Stop,
    memory: Option<Arc<dyn MemoryPool>>,
}

impl StoredSource {
    /// All of the snapshot.
    pub fn new(snapshot: Snapshot, resolver: Arc<dyn FieldResolver>) -> Self {
        Self {
            snapshot: Arc::new(snapshot),
            resolver,
            sequence_from: None,
            missing: None,
            tolerant: false,
            stop: Stop::never(),
            memory: None,
        }
    }

    /// Goes on where stored bytes are damaged; whoever asks has to tell what could not be read.
    #[must_use]
    pub fn tolerating_damage(mut self) -> Self {
        self.tolerant = true;
        self
    }

    /// What is gathered from columns asks this pool for its memory.
    #[must_use]
    pub fn within(mut self, memory: &Arc<dyn MemoryPool>) -> Self {
        self.memory = Some(memory.clone());
        self
    }

    /// Ends its scans once `stop` says so.
    #[must_use]
    pub fn stopping(mut self, stop: &Stop) -> Self {
        self.stop = stop.clone();
        self
    }

    /// Only what arrived since; for following live.
    #[must_use]
    pub fn since(mut self, from: SequenceFrom) -> Self {
        self.sequence_from = Some(from);
        self
    }

    /// Goes on without archived segments that cannot be read, and says so among the messages. For who passes these on.
    #[must_use]
    pub fn telling(mut self) -> Self {
        self.missing = Some(Arc::default());
        self
    }

    /// The scan for what is wanted, with these columns.
    pub fn scan(&self, wanted: &Wanted, columns: Vec<Column>, limit: Option<usize>) -> Scan {
        let mut filters = vec![to_filter(&wanted.search)];
        filters.extend(wanted.more.iter().map(crate::language::SearchExpr::filter));
        filters.extend(wanted.regexes.iter().cloned().map(Filter::Regex));
        filters.extend(wanted.filters.iter().cloned());
        let filter = if filters.len() == 1 { filters.remove(0) } else { Filter::And(filters) };
        let request = ScanRequest {
            filter,
            earliest: wanted.earliest,
            latest: wanted.latest,
            sequence_from: self.sequence_from.clone(),
            resolver: with_store_fields(self.resolver.clone()),
            columns,
            newest_first: wanted.ordered,
            limit,
        };
        let mut scan = Scan::plan(&self.snapshot, request).stopping(&self.stop);
        if let Some(memory) = &self.memory {
            // Given back with the scan.
            let reservation = MemoryConsumer::new("gathered").register(memory);
            scan = scan.within(Arc::new(move |bytes| reservation.try_grow(bytes).is_ok()));
        }
        let scan = match &self.missing {
            Some(missing) => scan.without_unreachable(missing.clone()),
            None => scan,
        };
        if self.tolerant { scan.tolerating_damage() } else { scan }
    }

    /// The columns to read, and whether the fields of the events are still to be found in their text.
    async fn columns(&self, wanted: &Wanted, limit: Option<usize>, messages: &Messages) -> Result<(Vec<Column>, bool), QueryError> {
        let required = &wanted.required;
        let mut names: Vec<String> = CORE.iter().filter(|name| required.contains(name)).map(|name| (*name).to_owned()).collect();
        names.extend(required.names.iter().filter(|name| !CORE.contains(&name.as_str())).cloned());
        let discover = required.is_open() && (limit.is_some_and(|limit| limit <= DISCOVERED_ROWS_MAX) || self.sequence_from.is_some());
        if required.is_open() && !discover {
            let scan = self.scan(wanted, Vec::new(), None);
            wanted.watched.set(scan.progress());
            let known = blocking(move || scan.field_names()).await?;
            let mut left_out = 0;
            for (name, _) in known {
                if !required.contains(&name) || names.contains(&name) {
                    continue;
                }
                if names.len() < SEARCH_COLUMNS_MAX {
                    names.push(name);
                } else {
                    left_out += 1;
                }
            }
            tell_left_out(left_out, messages);
        }
        Ok((names.iter().map(|name| Column::named(name)).collect(), discover))
    }
}

fn tell_left_out(fields: usize, messages: &Messages) {
    if fields > 0 {
        messages.truncated(format!(
            "the events have {fields} more fields than the {SEARCH_COLUMNS_MAX} that a result can show; name those that you want with `fields` or `table`"
        ));
    }
}

impl Source for StoredSource {
    fn scan_of(&self, wanted: &Wanted) -> Option<Scan> {
        Some(self.scan(wanted, Vec::new(), None))
    }

    fn indexes(&self) -> Vec<String> {
        let names: std::collections::BTreeSet<&str> = self.snapshot.segments.iter().map(|segment| &*segment.meta().index).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    fn parts(&self) -> Vec<Part> {
        let each = self.snapshot.segments.iter().filter(|segment| segment.meta().events > 0).map(|segment| {
            let meta = segment.meta();
            Part {
                id: meta.id.to_string(),
                index: meta.index.to_string(),
                state: match segment {
                    SegmentRef::Memory(_) => "hot",
                    _ if segment.is_archived() => "cold",
                    _ => "warm",
                },
                earliest: meta.min_time,
                latest: meta.max_time,
                events: meta.events,
                raw_bytes: meta.raw_bytes,
                stored_bytes: meta.stored_bytes,
                patterns: meta.patterns,
            }
        });
        each.collect()
    }

    fn open(&self, wanted: Wanted, messages: Messages) -> BoxFuture<'_, Result<Opened, QueryError>> {
        Box::pin(async move {
            if let Some(missing) = self.missing.clone() {
                messages.watch(move || missing.sentences());
            }
            let by_receipt = wanted.index_earliest > Timestamp::MIN || wanted.index_latest < Timestamp::MAX;
            // A filter after the scan needs more rows than come out of it.
            let limit = if by_receipt { None } else { wanted.limit };
            let (mut columns, discover) = self.columns(&wanted, limit, &messages).await?;
            let shown: Vec<String> = columns.iter().map(|column| column.name().to_owned()).collect();
            let mut extra = Vec::new();
            if wanted.ordered {
                extra.extend([Column::Time, Column::Sequence]);
            }
            if by_receipt {
                extra.push(Column::IndexTime);
            }
            if discover {
                extra.extend([Column::RawBytes, Column::Sourcetype]);
            }
            columns.extend(extra.into_iter().filter(|column| !shown.iter().any(|name| name == column.name())));
            let scan = self.scan(&wanted, columns.clone(), limit);
            wanted.watched.set(scan.progress());
            let side = Aside { source: self.clone(), wanted: wanted.clone(), rows: scan.progress() };
            let mut flow = scan_flow(scan, wanted.ordered);
            if by_receipt {
                flow = received_between(flow, wanted.index_earliest, wanted.index_latest);
            }
            if discover {
                flow = self.discover(flow, &wanted.required, &shown, &messages).await?;
            } else if columns.len() > shown.len() {
                flow = select("columns", flow, &shown)?;
            }
            let direct: Option<Arc<dyn Direct>> = if by_receipt || wanted.limit.is_some() {
                None
            } else {
                let rows = (!discover).then(|| (columns.clone(), shown.clone()));
                Some(Arc::new(ScanAnswers { side: side.clone(), groups: Vec::new(), rows }))
            };
            Ok(Opened { flow, data_range: Arc::new(move || side.scan().time_range()), direct })
        })
    }
}

impl StoredSource {
    /// Reads the rows and adds the fields that these events have.
    async fn discover(&self, flow: Flow, required: &Required, shown: &[String], messages: &Messages) -> Result<Flow, QueryError> {
        let (ordered, read) = (flow.ordered, flow.schema());
        let batches = flow.collect(Arc::default()).await?;
        let (resolver, required, shown, messages) = (self.resolver.clone(), required.clone(), shown.to_vec(), messages.clone());
        let found = tokio::task::spawn_blocking(move || with_fields(&*resolver, &read, &batches, &required, &shown, &messages)).await;
        let (schema, batches) = found.map_err(|_| QueryError::new("the search stopped unexpectedly"))??;
        Ok(Flow { ordered, ..Flow::of_batches(schema, batches, false) })
    }
}

type Shaped = (Arc<Schema>, Vec<RecordBatch>);

fn with_fields(
    resolver: &dyn FieldResolver,
    read: &Schema,
    batches: &[RecordBatch],
    required: &Required,
    shown: &[String],
    messages: &Messages,
) -> Result<Shaped, QueryError> {
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    let mut names: Vec<String> = Vec::new();
    let mut left_out = 0;
    let mut values: Vec<Vec<Vec<(usize, String)>>> = Vec::new();
    for batch in batches {
        let missing = || QueryError::new("a scan did not give the columns asked for");
        let raw = batch.column_by_name("_raw_bytes").and_then(|column| column.as_binary_opt::<i32>()).ok_or_else(missing)?;
        let sourcetypes = batch.column_by_name("sourcetype").and_then(|column| column.as_string_opt::<i32>()).ok_or_else(missing)?;
        let mut rows = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let mut cells = Vec::new();
            for (name, value) in resolver.fields_of_event(sourcetypes.value(row), raw.value(row)) {
                if !required.contains(&name) || shown.contains(&name) || CORE.contains(&name.as_str()) {
                    continue;
                }
                let place = match places.get(&name) {
                    Some(place) => *place,
                    None if shown.len() + names.len() < SEARCH_COLUMNS_MAX => {
                        places.insert(name.clone(), names.len());
                        names.push(name);
                        names.len() - 1
                    }
                    None => {
                        left_out += 1;
                        continue;
                    }
                };
                cells.push((place, value));
            }
            rows.push(cells);
        }
        values.push(rows);
    }
    if left_out > 0 {
        messages.truncated(format!(
            "some events have more fields than the {SEARCH_COLUMNS_MAX} that a result can show; name those that you want with `fields` or `table`"
        ));
    }
    let kept: Vec<usize> = shown.iter().filter_map(|name| read.index_of(name).ok()).collect();
    let mut fields: Vec<Field> = kept.iter().map(|at| read.field(*at).clone()).collect();
    fields.extend(names.iter().map(|name| Field::new(name, DataType::Utf8, true)));
    let schema = Arc::new(Schema::new(fields));
    let mut out = Vec::new();
    for (batch, rows) in batches.iter().zip(values) {
        let mut columns: Vec<Vec<Option<String>>> = vec![vec![None; rows.len()]; names.len()];
        for (row, cells) in rows.into_iter().enumerate() {
            for (place, value) in cells {
                columns[place][row].get_or_insert(value);
            }
        }
        let mut arrays: Vec<ArrayRef> = kept.iter().map(|at| batch.column(*at).clone()).collect();
        arrays.extend(columns.into_iter().map(|column| Arc::new(StringArray::from(column)) as ArrayRef));
        let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        out.push(RecordBatch::try_new_with_options(schema.clone(), arrays, &options)?);
    }
    Ok((schema, out))
}

/// Keeps the events that were received in a range of time.
fn received_between(flow: Flow, from: Timestamp, to: Timestamp) -> Flow {
    let schema = flow.schema();
    let work = transform(move |batch: RecordBatch| {
        let Some(column) = batch.column_by_name("_indextime") else { return Ok(batch) };
        let times = column.as_primitive::<TimestampNanosecondType>();
        let inside = |time: i64| time >= from.nanos() && (time < to.nanos() || to == Timestamp::MAX);
        let keep: BooleanArray = times.iter().map(|time| time.map(inside)).collect();
        Ok(filter_record_batch(&batch, &keep)?)
    });
    flow.map("received", schema, work)
}

/// What is asked of the matching events beside their rows. Each question is a scan of its own, planned when it is asked:
/// it must not count twice in the progress.
#[derive(Clone)]
struct Aside {
    source: StoredSource,
    wanted: Wanted,
    rows: Arc<ScanProgress>,
}

impl Aside {
    fn scan(&self) -> Scan {
        self.source.scan(&self.wanted, Vec::new(), None)
    }

    /// Asks instead of reading rows; where there is no answer, rows are read after all, and their progress counts.
    fn ask<T>(&self, question: impl FnOnce(&Scan) -> Result<Option<T>>) -> Result<Option<T>> {
        let scan = self.scan();
        self.wanted.watched.set(scan.progress());
        let answer = question(&scan)?;
        if answer.is_none() {
            self.wanted.watched.set(self.rows.clone());
        }
        Ok(answer)
    }
}

/// Answers of scans that build no rows.
struct ScanAnswers {
    side: Aside,
    /// Expressions whose named groups are fields; of two with one name the later one goes first.
    groups: Vec<Regex>,
    /// The columns of the rows: those that are read, and the names of those that are shown.
    rows: Option<(Vec<Column>, Vec<String>)>,
}

impl ScanAnswers {
    /// The field of a name; `None` where only rows have it.
    fn field(&self, name: &str) -> Option<CountField> {
        let mut with_group = self.groups.iter().filter(|regex| regex.capture_names().flatten().any(|group| group == name));
        match (with_group.next(), with_group.next()) {
            (Some(regex), None) if !CORE.contains(&name) => Some(CountField::Group(regex.clone(), name.to_owned())),
            (None, _) => match Column::named(name) {
                column @ (Column::Field(_) | Column::Index | Column::Host | Column::Source | Column::Sourcetype) => {
                    Some(CountField::Column(column))
                }
                _ => None,
            },
            // Where the later one finds nothing, what the earlier one found stays.
            _ => None,
        }
    }
}

impl Direct for ScanAnswers {
    fn count(&self) -> Result<Option<u64>> {
        self.side.ask(|scan| scan.count().map(Some))
    }

    fn spans(&self, span_nanos: i64, most: usize) -> Result<Option<Spans>> {
        self.side.ask(|scan| scan.spans(span_nanos, most))
    }

    fn count_by(&self, fields: &[String]) -> Result<Option<taffrail_store::scan::Counted>> {
        let Some(fields) = fields.iter().map(|name| self.field(name)).collect::<Option<Vec<_>>>() else { return Ok(None) };
        self.side.ask(|scan| scan.count_by(&fields))
    }

    fn sums_by(
        &self,
        span_nanos: Option<i64>,
        fields: &[String],
        numbers: &[String],
        collected: &[(String, Collector)],
    ) -> Result<Option<Summed>> {
        let field = |name: &String| self.field(name);
        let Some(fields) = fields.iter().map(field).collect::<Option<Vec<_>>>() else { return Ok(None) };
        let Some(numbers) = numbers.iter().map(field).collect::<Option<Vec<_>>>() else { return Ok(None) };
        let collected = collected.iter().map(|(name, make)| Some((self.field(name)?, make.clone())));
        let Some(collected) = collected.collect::<Option<Vec<_>>>() else { return Ok(None) };
        let fields = span_nanos.map(CountField::Span).into_iter().chain(fields).collect();
        let summing = Summing { fields, numbers, collected };
        self.side.ask(|scan| scan.sums_by(&summing, crate::columns::parse_number))
    }

    fn picked(&self, wish: &Wish) -> Result<Option<(Flow, u64)>> {
        let Some((columns, shown)) = self.rows.as_ref().filter(|_| self.groups.is_empty()) else { return Ok(None) };
        let pick = match wish {
            Wish::Newest(names) => names.iter().map(|name| self.field(name)).collect::<Option<Vec<_>>>().map(Pick::Newest),
            Wish::Extreme { field, greatest, rows } => {
                self.field(field).map(|field| Pick::Extreme { field, greatest: *greatest, rows: *rows })
            }
        };
        let Some(pick) = pick else { return Ok(None) };
        let scan = self.side.source.scan(&self.side.wanted, columns.clone(), None);
        self.side.wanted.watched.set(scan.progress());
        let Some(picked) = scan.pick(&pick, crate::columns::parse_number)? else {
            self.side.wanted.watched.set(self.side.rows.clone());
            return Ok(None);
        };
        let flow = shaped(Flow::of_batches(scan.schema(), picked.batches, false));
        let flow = select("columns", flow, shown).map_err(|error| Error::new(ErrorKind::Bug, error.to_string()))?;
        Ok(Some((flow, picked.events)))
    }

    fn runs(&self, field: &str, rules: RunRules) -> Result<Option<Runs>> {
        let Some(field) = self.field(field) else { return Ok(None) };
        self.side.ask(|scan| scan.runs(&field, rules))
    }

    fn with_groups(&self, regex: &Regex) -> Option<Arc<dyn Direct>> {
        let groups = self.groups.iter().chain([regex]).cloned().collect();
        Some(Arc::new(Self { side: self.side.clone(), groups, rows: None }))
    }
}
