//! Makes one row of the rows of a transaction, which come one after the other, newest first.

use super::assign::{NUMBER, STATUS, time_of};
use super::open::Status;
use super::{Lists, Transaction};
use crate::columns::{Values, list_type, lists, time_type};
use crate::commands::column_index;
use crate::exec::{Flow, HIDDEN, Make, Step, Transform};
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit};
use datafusion::error::Result as ExecResult;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use std::sync::Arc;

/// What becomes of a column.
#[derive(Clone, Debug)]
pub enum Kind {
    /// The time of the first event.
    Time,
    /// The texts of the events.
    Raw,
    /// Each value once, sorted.
    Each,
    /// A value of each event, in their order.
    All,
}

/// The columns of the transactions, and of which columns of their events the first ones are made, and how.
pub fn schema(settings: &Transaction, given: &SchemaRef) -> (SchemaRef, Vec<(usize, Kind)>) {
    let made = settings.made();
    let mut columns = Vec::new();
    let mut fields = Vec::new();
    for (at, field) in given.fields().iter().enumerate() {
        let name = field.name();
        if name.starts_with(HIDDEN) || made.contains(&name.as_str()) || *field.data_type() == DataType::Binary {
            continue;
        }
        let is_list = match &settings.lists {
            Lists::None => false,
            Lists::All => true,
            Lists::Some(names) => names.contains(name),
        };
        let (kind, data) = match field.data_type() {
            _ if name == "_raw" => (Kind::Raw, if settings.raw_list { list_type() } else { DataType::Utf8 }),
            _ if name == "_time" => (Kind::Time, time_type()),
            DataType::Timestamp(TimeUnit::Nanosecond, _) if name.starts_with('_') => (Kind::Time, time_type()),
            _ if is_list => (Kind::All, list_type()),
            _ => (Kind::Each, list_type()),
        };
        columns.push((at, kind));
        fields.push(Field::new(name, data, true));
    }
    fields.push(Field::new("duration", DataType::Float64, true));
    fields.extend(made[1..].iter().map(|name| Field::new(*name, DataType::Int64, true)));
    (Arc::new(Schema::new(fields)), columns)
}

/// The transactions as rows.
pub fn flow(settings: &Transaction, input: Flow) -> Flow {
    let given = input.schema();
    let (schema, columns) = schema(settings, &given);
    let place = |name: &str| column_index(&given, name);
    let matched = settings.fields.iter().filter_map(|field| place(field)).collect();
    let work = Work {
        settings: settings.clone(),
        schema: schema.clone(),
        columns,
        matched,
        time: place("_time"),
        raw: place("_raw"),
        number: place(NUMBER).unwrap_or_default(),
        status: place(STATUS).unwrap_or_default(),
    };
    let work = Arc::new(work);
    let make: Make = Arc::new(move |context| {
        let memory = MemoryConsumer::new("transaction rows").register(context.memory_pool());
        Ok(Box::new(Assemble { work: work.clone(), waiting: Vec::new(), number: None, memory }))
    });
    input.map("transactions", schema, make)
}

struct Work {
    settings: Transaction,
    schema: SchemaRef,
    columns: Vec<(usize, Kind)>,
    /// The columns of the transaction's fields.
    matched: Vec<usize>,
    time: Option<usize>,
    raw: Option<usize>,
    number: usize,
    status: usize,
}

struct Assemble {
    work: Arc<Work>,
    /// The rows of the transaction that may go on in the next batch.
    waiting: Vec<RecordBatch>,
    number: Option<i64>,
    memory: MemoryReservation,
}

impl Transform for Assemble {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let numbers = batch.column(self.work.number).as_primitive::<Int64Type>();
        let same = |row: usize| self.number == Some(numbers.value(row));
        let rows = batch.num_rows();
        if rows > 0 && same(0) && same(rows - 1) {
            self.wait(batch)?;
            return Ok(Step::Rows(RecordBatch::new_empty(self.work.schema.clone())));
        }
        let schema = batch.schema();
        self.waiting.push(batch);
        let batch = concat_batches(&schema, &std::mem::take(&mut self.waiting))?;
        let numbers = batch.column(self.work.number).as_primitive::<Int64Type>().values();
        let mut start = 0;
        let mut groups: Vec<(usize, usize)> = Vec::new();
        for group in numbers.chunk_by(|a, b| a == b) {
            groups.push((start, start + group.len()));
            start += group.len();
        }
        self.memory.free();
        // The last one may go on in the next batch.
        if let Some((start, end)) = groups.pop() {
            self.number = numbers.last().copied();
            self.wait(batch.slice(start, end - start))?;
        }
        Ok(Step::Rows(self.work.rows(&batch, &groups)?))
    }

    fn finish(&mut self) -> ExecResult<Option<RecordBatch>> {
        let Some(first) = self.waiting.first() else { return Ok(None) };
        let whole = concat_batches(&first.schema(), &self.waiting)?;
        Ok(Some(self.work.rows(&whole, &[(0, whole.num_rows())])?))
    }
}

impl Assemble {
    fn wait(&mut self, batch: RecordBatch) -> ExecResult<()> {
        self.memory.try_grow(batch.get_array_memory_size())?;
        self.waiting.push(batch);
        Ok(())
    }
}

impl Work {
    /// A row for each group of rows; the first row of each says what became of it.
    fn rows(&self, batch: &RecordBatch, groups: &[(usize, usize)]) -> ExecResult<RecordBatch> {
        let statuses = batch.column(self.status).as_primitive::<Int64Type>();
        let kept = |status: i64| self.settings.keep_evicted || status != Status::Evicted as i64;
        let mut rows: Vec<(i64, Vec<usize>)> = Vec::new();
        for (start, end) in groups {
            let status = statuses.value(*start);
            if statuses.is_valid(*start) && kept(status) && start + 1 < *end {
                // Oldest first.
                rows.push((status, (start + 1..*end).rev().collect()));
            }
        }
        let mut columns: Vec<ArrayRef> = Vec::new();
        for (at, kind) in &self.columns {
            columns.push(self.column(batch.column(*at), kind, &rows)?);
        }
        let count = |value: &dyn Fn(i64, &[usize]) -> Option<i64>| -> ArrayRef {
            Arc::new(rows.iter().map(|(status, events)| value(*status, events)).collect::<Int64Array>())
        };
        columns.push(self.durations(batch, &rows)?);
        columns.push(count(&|_, events| Some(events.len() as i64)));
        columns.push(count(&|status, _| Some(i64::from(status == Status::Closed as i64))));
        let matched = self.matched.iter().map(|at| batch.column(*at));
        let matched: Vec<&ArrayRef> = matched.collect();
        let sum = |events: &[usize]| matched.iter().map(|column| events.iter().filter(|row| column.is_valid(**row)).count()).sum::<usize>();
        columns.push(count(&|_, events| Some(sum(events) as i64)));
        let raw = self.raw.map(|at| Values::of(batch.column(at))).transpose()?;
        let lines = |row: &usize| raw.as_ref().and_then(|raw| raw.text(*row)).map_or(1, |text| text.lines().count().max(1));
        columns.push(count(&|_, events| Some(events.iter().map(lines).sum::<usize>() as i64)));
        if self.settings.keep_orphans {
            columns.push(count(&|status, _| (status == Status::Orphan as i64).then_some(1)));
        }
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    fn column(&self, column: &ArrayRef, kind: &Kind, rows: &[(i64, Vec<usize>)]) -> ExecResult<ArrayRef> {
        let values = Values::of(column)?;
        let texts = |events: &Vec<usize>| events.iter().flat_map(|row| values.list(*row)).collect::<Vec<String>>();
        Ok(match kind {
            Kind::Time => {
                let earliest = rows.iter().map(|(_, events)| events.iter().filter_map(|row| time_of(&values, *row)).min());
                Arc::new(earliest.collect::<TimestampNanosecondArray>().with_timezone("UTC"))
            }
            Kind::Raw if self.settings.raw_list => list_column(rows.iter().map(|(_, events)| texts(events))),
            Kind::Raw => {
                let delimiter = self.settings.delimiter.as_deref().unwrap_or("\n");
                let joined = rows.iter().map(|(_, events)| texts(events)).map(|texts| (!texts.is_empty()).then(|| texts.join(delimiter)));
                Arc::new(joined.collect::<StringArray>())
            }
            Kind::Each => list_column(rows.iter().map(|(_, events)| {
                let mut texts = texts(events);
                texts.sort_unstable();
                texts.dedup();
                texts
            })),
            Kind::All => list_column(rows.iter().map(|(_, events)| {
                let mut all = Vec::new();
                let mut any = false;
                for row in events {
                    let before = all.len();
                    all.extend(values.list(*row));
                    any |= all.len() > before;
                    if all.len() == before {
                        all.push(self.settings.null.clone());
                    }
                }
                if any { all } else { Vec::new() }
            })),
        })
    }

    fn durations(&self, batch: &RecordBatch, rows: &[(i64, Vec<usize>)]) -> ExecResult<ArrayRef> {
        let times = self.time.map(|at| Values::of(batch.column(at))).transpose()?;
        let length = |events: &Vec<usize>| {
            let times = times.as_ref()?;
            let known = || events.iter().filter_map(|row| time_of(times, *row));
            Some(known().max()?.saturating_sub(known().min()?) as f64 / 1e9)
        };
        Ok(Arc::new(rows.iter().map(|(_, events)| length(events)).collect::<Float64Array>()))
    }
}

fn list_column(rows: impl Iterator<Item = Vec<String>>) -> ArrayRef {
    let rows: Vec<Vec<String>> = rows.collect();
    lists(rows.iter().map(|row| Some(row.as_slice())))
}
