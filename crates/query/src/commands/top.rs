//! `top`: the most frequent values, with count and percent. `rare` is the same the other way round.

use super::words::{quote, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::columns::{Values, to_text};
use crate::exec::aggregate::aggregate_unsorted;
use crate::exec::order::{Key, KeyKind, sort};
use crate::exec::{Flow, Make, Step, Transform, transform};
use crate::functions::{Call, parse_groups};
use crate::language::{Args, QueryError};
use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result as ExecResult;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::fmt;
use std::sync::Arc;

/// What `top` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "top",
    aliases: &[],
    syntax: "top [<count>] [limit=<count>] [showcount=<bool>] [showperc=<bool>] [countfield=<name>] [percentfield=<name>] [useother=<bool>] [otherstr=<text>] <field> [, <field>]... [BY <field>...]",
    summary: "The most frequent values (10 unless told otherwise, 0 for all), with count and percent.",
    examples: &["* | top host", "* | top 3 uri BY status"],
    parse: |args| parse(args, false),
};

#[derive(Clone, Debug)]
struct Top {
    rare: bool,
    limit: usize,
    fields: Vec<String>,
    groups: Vec<String>,
    show_count: bool,
    show_percent: bool,
    count_field: String,
    percent_field: String,
    use_other: bool,
    other: String,
}

const OPTIONS: [&str; 7] = ["limit", "showcount", "showperc", "countfield", "percentfield", "useother", "otherstr"];

/// Parses the arguments of `top` or `rare`.
pub fn parse(args: &mut Args, rare: bool) -> Result<Box<dyn Command>, QueryError> {
    let mut top = Top {
        rare,
        limit: 10,
        fields: Vec::new(),
        groups: Vec::new(),
        show_count: true,
        show_percent: true,
        count_field: "count".into(),
        percent_field: "percent".into(),
        use_other: false,
        other: "OTHER".into(),
    };
    while !args.at_end() {
        if let Some(option) = args.option(&OPTIONS)? {
            match option.name.as_str() {
                "limit" => top.limit = option.value.integer("limit", 0)? as usize,
                "showcount" => top.show_count = option.value.boolean("showcount")?,
                "showperc" => top.show_percent = option.value.boolean("showperc")?,
                "countfield" => top.count_field = option.value.text,
                "percentfield" => top.percent_field = option.value.text,
                "useother" => top.use_other = option.value.boolean("useother")?,
                _ => top.other = option.value.text,
            }
        } else if let (true, Some((count, span))) = (top.fields.is_empty(), args.integer()) {
            top.limit = usize::try_from(count).map_err(|_| QueryError::at(span, "the number of rows cannot be negative"))?;
        } else if args.peek_keyword("by") {
            top.groups = parse_groups(args, &[])?;
        } else {
            let field = args.field("a field name")?;
            if field.is_wildcard() {
                return Err(QueryError::at(field.span, "wildcards cannot be counted").with_hint("name each field"));
            }
            top.fields.push(field.name);
            args.symbol(",");
        }
    }
    if top.fields.is_empty() {
        return Err(args.error("expected a field name"));
    }
    let mut names: Vec<&String> = top.groups.iter().chain(&top.fields).collect();
    names.extend([&top.count_field, &top.percent_field]);
    if let Some((_, twice)) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        let error = QueryError::new(format!("two columns would have the name {twice:?}"));
        return Err(error.with_hint("name others with countfield= and percentfield="));
    }
    Ok(Box::new(top))
}

impl fmt::Display for Top {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} limit={}", self.name(), self.limit)?;
        for (name, on, default) in
            [("showcount", self.show_count, true), ("showperc", self.show_percent, true), ("useother", self.use_other, false)]
        {
            if on != default {
                write!(f, " {name}={on}")?;
            }
        }
        for (name, text, default) in [
            ("countfield", &self.count_field, "count"),
            ("percentfield", &self.percent_field, "percent"),
            ("otherstr", &self.other, "OTHER"),
        ] {
            if text != default {
                write!(f, " {name}={}", quote(text))?;
            }
        }
        let list = |names: &[String]| names.iter().map(|name| quote_field(name)).collect::<Vec<_>>().join(", ");
        write!(f, " {}", list(&self.fields))?;
        if self.groups.is_empty() { Ok(()) } else { write!(f, " BY {}", list(&self.groups)) }
    }
}

impl Command for Top {
    fn name(&self) -> &'static str {
        if self.rare { "rare" } else { "top" }
    }

    fn kind(&self) -> Kind {
        Kind::Reporting
    }

    fn required(&self, _: Required) -> Required {
        Required::of(self.fields.iter().chain(&self.groups).cloned())
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn keeps_order(&self) -> bool {
        false
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let all: Vec<String> = self.groups.iter().chain(&self.fields).cloned().collect();
        let count = [Call { name: COUNT.into(), ..Call::count() }];
        let Some(direct) = planner.direct.clone() else {
            return Ok(self.shares(aggregate_unsorted(input, &all, &count, planner)?.single())?.into());
        };
        let (this, planner) = (self.clone(), planner.clone());
        Ok(Planned::Later(Box::pin(async move {
            match super::counted(Some(direct), &all, COUNT).await? {
                Some(counted) => this.shares(counted),
                None => this.shares(aggregate_unsorted(input, &all, &count, &planner)?.single()),
            }
        })))
    }
}

impl Top {
    /// The most frequent, or the rarest, of what was counted.
    fn shares(&self, counted: Flow) -> Result<Flow, QueryError> {
        let counted = self.as_text(counted);
        let totals: Arc<Mutex<FxHashMap<String, i64>>> = Arc::default();
        let groups = self.groups.len();
        let make: Make = {
            let totals = totals.clone();
            Arc::new(move |_| {
                totals.lock().clear();
                Ok(Box::new(Total { groups, totals: totals.clone() }))
            })
        };
        let schema = counted.schema();
        let counted = counted.map("totals", schema.clone(), make);
        let mut keys: Vec<Key> = self.groups.iter().map(Key::group).collect();
        keys.push(Key { field: COUNT.into(), kind: KeyKind::Number, descending: !self.rare });
        keys.extend(self.fields.iter().map(Key::group));
        // Within groups the limit is known only row by row; and one more row tells whether there are others.
        let fetch = (self.groups.is_empty() && self.limit > 0).then_some(self.limit);
        let sorted = sort(counted, &keys, fetch)?;
        let shape = self.shape(&schema);
        let (settings, made) = (self.clone(), shape.clone());
        let make: Make = Arc::new(move |_| {
            let shape = made.clone();
            Ok(Box::new(Shares { settings: settings.clone(), shape, totals: totals.clone(), group: None, rows: 0, shown: 0, sample: None }))
        });
        Ok(sorted.map("shares", shape, make))
    }
}

/// The column of counts on the way, whatever it is called in the end.
const COUNT: &str = "\u{1}count";

impl Top {
    /// With OTHER among the values, these are text.
    fn as_text(&self, flow: Flow) -> Flow {
        if !self.use_other {
            return flow;
        }
        let groups = self.groups.len();
        let schema = flow.schema();
        let last = schema.fields().len() - 1;
        let fields = schema.fields().iter().enumerate().map(|(at, field)| {
            if (groups..last).contains(&at) { Field::new(field.name(), DataType::Utf8, true) } else { field.as_ref().clone() }
        });
        let shape: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let made = shape.clone();
        let work = transform(move |batch: RecordBatch| {
            let mut columns = batch.columns().to_vec();
            for column in &mut columns[groups..last] {
                *column = Arc::new(to_text(column)?);
            }
            Ok(RecordBatch::try_new(made.clone(), columns)?)
        });
        flow.map("text", shape, work)
    }

    fn shape(&self, counted: &SchemaRef) -> SchemaRef {
        let last = counted.fields().len() - 1;
        let mut fields: Vec<Field> = counted.fields()[..last].iter().map(|field| field.as_ref().clone()).collect();
        if self.show_count {
            fields.push(Field::new(&self.count_field, DataType::Int64, true));
        }
        if self.show_percent {
            fields.push(Field::new(&self.percent_field, DataType::Utf8, true));
        }
        Arc::new(Schema::new(fields))
    }
}

/// The group of each row, as one text.
fn group_keys(batch: &RecordBatch, groups: usize) -> ExecResult<Vec<String>> {
    let values = batch.columns()[..groups].iter().map(Values::of).collect::<Result<Vec<_>, _>>()?;
    let key = |row| values.iter().map(|value| value.text(row).unwrap_or_default()).collect::<Vec<_>>().join("\u{1f}");
    Ok((0..batch.num_rows()).map(key).collect())
}

fn counts(batch: &RecordBatch) -> Int64Array {
    let last = batch.column(batch.num_columns() - 1);
    last.as_any().downcast_ref::<Int64Array>().expect("counts are whole numbers").clone()
}

/// Adds up the counts of each group on their way to the sort.
struct Total {
    groups: usize,
    totals: Arc<Mutex<FxHashMap<String, i64>>>,
}

impl Transform for Total {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let mut totals = self.totals.lock();
        for (key, count) in group_keys(&batch, self.groups)?.into_iter().zip(counts(&batch).iter()) {
            *totals.entry(key).or_insert(0) += count.unwrap_or(0);
        }
        drop(totals);
        Ok(Step::Rows(batch))
    }
}

/// Keeps the first rows of each group, with their share of its total.
struct Shares {
    settings: Top,
    shape: SchemaRef,
    totals: Arc<Mutex<FxHashMap<String, i64>>>,
    group: Option<String>,
    rows: usize,
    shown: i64,
    sample: Option<RecordBatch>,
}

impl Shares {
    fn rows(&self, values: Vec<ArrayRef>, counts: &[i64], total: i64) -> ExecResult<RecordBatch> {
        let mut columns = values;
        if self.settings.show_count {
            columns.push(Arc::new(Int64Array::from(counts.to_vec())));
        }
        if self.settings.show_percent {
            let percent = counts.iter().map(|count| format!("{:.6}", *count as f64 * 100.0 / total.max(1) as f64));
            columns.push(Arc::new(StringArray::from_iter_values(percent)));
        }
        Ok(RecordBatch::try_new(self.shape.clone(), columns)?)
    }

    fn total(&self) -> i64 {
        self.group.as_ref().and_then(|group| self.totals.lock().get(group).copied()).unwrap_or(0)
    }

    /// The row for what was left out of the group that ends.
    fn other(&mut self) -> ExecResult<Option<RecordBatch>> {
        let total = self.total();
        let (Some(sample), true) = (&self.sample, self.settings.use_other && total > self.shown) else { return Ok(None) };
        let groups = self.settings.groups.len();
        let mut values: Vec<ArrayRef> = sample.columns()[..groups].to_vec();
        values.extend(self.settings.fields.iter().map(|_| Arc::new(StringArray::from(vec![self.settings.other.clone()])) as ArrayRef));
        self.rows(values, &[total - self.shown], total).map(Some)
    }
}

impl Transform for Shares {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let keys = group_keys(&batch, self.settings.groups.len())?;
        let counts = counts(&batch);
        let limit = if self.settings.limit == 0 { usize::MAX } else { self.settings.limit };
        let mut out = Vec::new();
        let mut row = 0;
        while row < keys.len() {
            if self.group.as_ref() != Some(&keys[row]) {
                out.extend(self.other()?);
                (self.group, self.rows, self.shown) = (Some(keys[row].clone()), 0, 0);
                self.sample = Some(batch.slice(row, 1));
            }
            let run = keys[row..].iter().take_while(|key| **key == keys[row]).count();
            let taken = run.min(limit - self.rows);
            if taken > 0 {
                let part = batch.slice(row, taken);
                let numbers: Vec<i64> = (row..row + taken).map(|at| counts.value(at)).collect();
                self.shown += numbers.iter().sum::<i64>();
                self.rows += taken;
                out.push(self.rows(part.columns()[..part.num_columns() - 1].to_vec(), &numbers, self.total())?);
            }
            row += run;
        }
        Ok(Step::Rows(concat_batches(&self.shape, &out)?))
    }

    fn finish(&mut self) -> ExecResult<Option<RecordBatch>> {
        self.other()
    }
}
