//! Gives every event the number of its transaction, and every transaction a row of its own that says what became of it.

use super::Transaction;
use super::open::{Open, OpenSet, Status, Values as EventValues};
use crate::columns::{Cell, Values, missing, nanos_of_seconds};
use crate::commands::{Planner, column_index};
use crate::eval::Compiled;
use crate::exec::{Flow, HIDDEN, Make, Step, Transform, external, stop_of};
use crate::language::QueryError;
use crate::messages::{Messages, Severity};
use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, new_null_array};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result as ExecResult;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use std::sync::Arc;
use taffrail_base::stop::Ticks;

/// The column with the number of the transaction.
pub const NUMBER: &str = "\u{1}transaction";
/// The column with what became of it, in a row that comes before its events and has nothing else.
pub const STATUS: &str = "\u{1}status";

/// Rows that say what became of transactions are given when there are so many.
const STATUSES_WAITING_MAX: usize = 8_192;

/// The events with their numbers, and the rows of the transactions.
pub fn flow(settings: &Transaction, input: Flow, planner: &Planner) -> Result<Flow, QueryError> {
    debug_assert!(NUMBER.starts_with(HIDDEN) && STATUS.starts_with(HIDDEN));
    let schema = input.schema();
    let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    fields.push(Field::new(NUMBER, DataType::Int64, true));
    fields.push(Field::new(STATUS, DataType::Int64, true));
    let made: SchemaRef = Arc::new(Schema::new(fields));
    let compile = |condition: &Option<super::Condition>| condition.as_ref().map(|c| c.compile(&schema, &planner.eval)).transpose();
    let (starts, ends) = (compile(&settings.starts)?, compile(&settings.ends)?);
    let places: Vec<Option<usize>> = settings.fields.iter().map(|field| column_index(&schema, field)).collect();
    let time = column_index(&schema, "_time");
    let (settings, messages, shape) = (settings.clone(), planner.messages.clone(), made.clone());
    let make: Make = Arc::new(move |context| {
        Ok(Box::new(Assign {
            settings: settings.clone(),
            schema: shape.clone(),
            time,
            places: places.clone(),
            starts: starts.clone(),
            ends: ends.clone(),
            open: OpenSet::default(),
            next: 0,
            statuses: Vec::new(),
            before: i64::MAX,
            told: Told::default(),
            messages: messages.clone(),
            memory: MemoryConsumer::new("transaction").register(context.memory_pool()),
            ticks: stop_of(context).every(64),
        }))
    });
    Ok(input.map("transaction", made, make))
}

/// What has to be said in the end.
#[derive(Debug, Default)]
struct Told {
    incomplete: usize,
    for_room: usize,
    orphans: usize,
    full: usize,
    out_of_order: usize,
}

struct Assign {
    settings: Transaction,
    schema: SchemaRef,
    time: Option<usize>,
    places: Vec<Option<usize>>,
    starts: Option<Compiled>,
    ends: Option<Compiled>,
    open: OpenSet,
    next: u64,
    statuses: Vec<(u64, Status)>,
    before: i64,
    told: Told,
    messages: Messages,
    memory: MemoryReservation,
    ticks: Ticks,
}

impl Transform for Assign {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let rows = batch.num_rows();
        let column = |at: &Option<usize>| at.map_or_else(|| missing(rows), |at| batch.column(at).clone());
        let times = Values::of(&column(&self.time))?;
        let fields = self.places.iter().map(|at| Values::of(&column(at))).collect::<Result<Vec<_>, _>>()?;
        let flags = |condition: &Option<Compiled>| condition.as_ref().map(|condition| condition.evaluate_predicate(&batch));
        let (starts, ends) = (flags(&self.starts), flags(&self.ends));
        let is = |flags: &Option<BooleanArray>, row: usize| flags.as_ref().is_some_and(|flags| flags.is_valid(row) && flags.value(row));
        let mut numbers: Vec<Option<i64>> = Vec::with_capacity(rows);
        // Lists and texts are used again: most rows need no memory of their own.
        let mut event = Event { time: None, values: vec![Vec::new(); fields.len()], starts: false, ends: false };
        for row in 0..rows {
            self.ticks.tick().map_err(external)?;
            event.time = time_of(&times, row);
            fields.iter().zip(&mut event.values).for_each(|(values, list)| fill(values, row, list));
            (event.starts, event.ends) = (is(&starts, row), is(&ends, row));
            numbers.push(self.number(&event).map(|number| number as i64));
        }
        self.memory.try_resize(self.open.bytes + self.statuses.len() * size_of::<(u64, Status)>())?;
        let keep: BooleanArray = numbers.iter().map(|number| Some(number.is_some())).collect();
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(Int64Array::from(numbers)));
        columns.push(new_null_array(&DataType::Int64, rows));
        let mut out = filter_record_batch(&RecordBatch::try_new(self.schema.clone(), columns)?, &keep)?;
        if self.statuses.len() >= STATUSES_WAITING_MAX {
            let statuses = self.status_rows()?;
            out = concat_batches(&self.schema, &[out, statuses])?;
        }
        Ok(Step::Rows(out))
    }

    fn finish(&mut self) -> ExecResult<Option<RecordBatch>> {
        while let Some(number) = self.open.latest() {
            self.close(number, false);
        }
        self.tell();
        Ok(Some(self.status_rows()?))
    }
}

struct Event {
    time: Option<i64>,
    values: EventValues,
    starts: bool,
    ends: bool,
}

/// The values of a row in a list that is there already.
fn fill(values: &Values, row: usize, list: &mut Vec<String>) {
    let mut count = 0;
    values.each(row, |cell| {
        if count == list.len() {
            list.push(String::new());
        }
        list[count].clear();
        match cell {
            Cell::Text(text) => list[count].push_str(text),
            cell => list[count].push_str(&cell.text()),
        }
        count += 1;
    });
    list.truncate(count);
}

/// The time of a row in nanoseconds, where it has one.
pub fn time_of(times: &Values, row: usize) -> Option<i64> {
    let mut found = None;
    times.each(row, |cell| {
        found = match cell {
            Cell::Time(nanos) => Some(nanos),
            other => other.number().and_then(nanos_of_seconds),
        };
    });
    found
}

/// Says how many events are in no transaction, and how many transactions had to end.
pub fn tell_counts(settings: &Transaction, orphans: usize, full: usize, messages: &Messages) {
    if orphans > 0 && !settings.keep_orphans {
        let text = format!("transaction: {orphans} events have none of its fields and are left out; keeporphans=true keeps them");
        messages.add(Severity::Info, text);
    }
    if full > 0 {
        let most = settings.max_events.unwrap_or_default();
        let text = format!("transaction: {full} transactions were closed at {most} events; maxevents=-1 lets them grow");
        messages.add(Severity::Warn, text);
    }
}

impl Assign {
    /// The number of the event's transaction; none where it is in none and such events are not wanted.
    fn number(&mut self, event: &Event) -> Option<u64> {
        let Some(time) = event.time else { return self.orphan() };
        self.told.out_of_order += usize::from(time > self.before);
        self.before = time;
        while let Some(number) = self.open.expired(time, self.settings.max_span, self.settings.max_pause) {
            self.close(number, true);
        }
        let has_fields = self.settings.fields.is_empty() || event.values.iter().any(|values| !values.is_empty());
        let unconnected_end = !self.settings.unify_ends && (event.starts || event.ends);
        if !has_fields && !unconnected_end {
            return self.orphan();
        }
        let found = if has_fields { self.open.find(&event.values, self.settings.connected) } else { self.open.latest() };
        let found = found.filter(|number| !self.is_cut_off(*number, event));
        let number = found.unwrap_or_else(|| {
            self.next += 1;
            self.open.open(self.next, self.settings.fields.len(), time);
            self.next
        });
        self.open.join(number, &event.values, time);
        let full = self.open.get(number).is_some_and(|open| self.settings.max_events == Some(open.events));
        let mut done = full;
        if let Some(open) = self.open.get_mut(number) {
            // Of an event that is both, the end is seen first: time runs backwards.
            let is_end = event.ends && found.is_none();
            open.has_end |= is_end;
            open.has_start |= event.starts && !is_end;
            done |= open.has_start;
        }
        if done {
            self.told.full += usize::from(full);
            self.close(number, true);
        }
        self.make_room();
        Some(number)
    }

    /// Whether the event is the end of a transaction of its own, before the one found; that one is closed then.
    fn is_cut_off(&mut self, number: u64, event: &Event) -> bool {
        let begins_found = event.starts && self.open.get(number).is_some_and(|open| open.has_end);
        if !event.ends || begins_found {
            return false;
        }
        self.close(number, true);
        true
    }

    fn orphan(&mut self) -> Option<u64> {
        self.told.orphans += 1;
        self.settings.keep_orphans.then(|| {
            self.next += 1;
            self.statuses.push((self.next, Status::Orphan));
            self.next
        })
    }

    /// Closes a transaction; `condition` says whether anything but the end of the events does.
    fn close(&mut self, number: u64, condition: bool) {
        let Some(open) = self.open.close(number) else { return };
        let status = if !self.is_whole(&open) {
            self.told.incomplete += 1;
            Status::Evicted
        } else if condition || self.settings.has_conditions() {
            Status::Closed
        } else {
            Status::Ended
        };
        self.statuses.push((number, status));
    }

    fn is_whole(&self, open: &Open) -> bool {
        (open.has_start || self.settings.starts.is_none()) && (open.has_end || self.settings.ends.is_none())
    }

    /// Evicts while there are more than the options allow.
    fn make_room(&mut self) {
        let over = |open: &OpenSet, settings: &Transaction| {
            settings.max_open.is_some_and(|most| open.len() > most) || settings.max_open_events.is_some_and(|most| open.events > most)
        };
        while over(&self.open, &self.settings)
            && let Some(number) = self.open.stalest()
        {
            self.open.close(number);
            self.statuses.push((number, Status::Evicted));
            self.told.for_room += 1;
        }
    }

    /// The rows of the transactions that are no longer open.
    fn status_rows(&mut self) -> ExecResult<RecordBatch> {
        let statuses = std::mem::take(&mut self.statuses);
        let last = self.schema.fields().len() - 2;
        let mut columns: Vec<ArrayRef> =
            self.schema.fields()[..last].iter().map(|field| new_null_array(field.data_type(), statuses.len())).collect();
        columns.push(Arc::new(Int64Array::from_iter_values(statuses.iter().map(|(number, _)| *number as i64))));
        columns.push(Arc::new(Int64Array::from_iter_values(statuses.iter().map(|(_, status)| *status as i64))));
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    fn tell(&self) {
        let told = &self.told;
        let kept = self.settings.keep_evicted;
        if told.for_room > 0 {
            let text = format!(
                "transaction: {} transactions were evicted before they were whole, to stay within maxopentxn or maxopenevents",
                told.for_room
            );
            if kept {
                self.messages.inexact(format!("{text}; they have closed_txn=0"));
            } else {
                self.messages.truncated(format!("{text}; keepevicted=true keeps them"));
            }
        }
        if told.incomplete > 0 && !kept {
            let text =
                format!("transaction: {} groups of events without start or end are left out; keepevicted=true keeps them", told.incomplete);
            self.messages.add(Severity::Info, text);
        }
        tell_counts(&self.settings, told.orphans, told.full, &self.messages);
        if told.out_of_order > 0 {
            let text = "transaction: the events do not come newest first, so they may be put together wrongly; `sort 0 -_time` before it puts them in order";
            self.messages.inexact(text);
        }
    }
}
