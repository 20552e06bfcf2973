//! `xyseries`: rows become a table with a column for each value of a field; the reverse of `untable`.

use super::columns_set::{is_list, list_field, text_field};
use super::fields::select;
use super::transpose::distinct;
use super::untable::common_column;
use super::words::{quote, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::{DYNAMIC, Values};
use crate::exec::order::{Key, KeyKind, sort};
use crate::exec::{Flow, Make, Step, Transform, hold};
use crate::language::{Args, QueryError};
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result as ExecResult;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::CHART_SERIES_MAX;

/// What `xyseries` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "xyseries",
    aliases: &[],
    syntax: "xyseries [grouped=<bool>] <row field> <column field> <value field>... [sep=<text>] [format=<text>]",
    summary: "Makes a table: a row for each value of the first field, a column for each of the second, the values of the third in the cells.",
    examples: &["* | stats count BY host, status | xyseries host status count"],
    parse,
};

#[derive(Clone, Debug)]
struct XySeries {
    grouped: bool,
    x: String,
    y: String,
    data: Vec<String>,
    separator: String,
    format: Option<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let (mut grouped, mut separator, mut format, mut names) = (false, ": ".to_owned(), None, Vec::new());
    let place = args.next_span();
    while !args.at_end() {
        if let Some(option) = args.option(&["grouped", "sep", "format"])? {
            match option.name.as_str() {
                "grouped" => grouped = option.value.boolean("grouped")?,
                "sep" => separator = option.value.text,
                _ => format = Some(option.value.text),
            }
        } else {
            let field = args.field("a field name")?;
            if field.is_wildcard() {
                return Err(QueryError::at(field.span, "xyseries takes no wildcards").with_hint("name each field"));
            }
            names.push(field.name);
            args.symbol(",");
        }
    }
    if names.len() < 3 {
        let error = QueryError::at(place, format!("xyseries takes at least three fields, not {}", names.len()));
        return Err(error.with_hint("the field of the rows, that of the columns and that of the values: xyseries host status count"));
    }
    let data = names.split_off(2);
    let [x, y] = <[String; 2]>::try_from(names).expect("two are left");
    Ok(Box::new(XySeries { grouped, x, y, data, separator, format }))
}

impl fmt::Display for XySeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("xyseries")?;
        if self.grouped {
            f.write_str(" grouped=true")?;
        }
        write!(f, " {} {}", quote_field(&self.x), quote_field(&self.y))?;
        self.data.iter().try_for_each(|data| write!(f, " {}", quote_field(data)))?;
        if self.separator != ": " {
            write!(f, " sep={}", quote(&self.separator))?;
        }
        match &self.format {
            Some(format) => write!(f, " format={}", quote(format)),
            None => Ok(()),
        }
    }
}

impl XySeries {
    fn title(&self, data: &str, series: &str) -> String {
        match &self.format {
            Some(format) => format.replace("$AGG$", data).replace("$VAL$", series),
            None if self.data.len() == 1 => series.to_owned(),
            None => format!("{data}{}{series}", self.separator),
        }
    }
}

impl Command for XySeries {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Reporting
    }

    fn required(&self, _: Required) -> Required {
        Required::of([self.x.clone(), self.y.clone()]).with(self.data.iter().cloned())
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let (this, planner) = (self.clone(), planner.clone());
        Ok(Planned::Later(Box::pin(async move {
            let named: Vec<String> = [&this.x, &this.y].into_iter().chain(&this.data).cloned().collect();
            let input = select("columns", input.single(), &named)?;
            let schema = input.schema();
            let y = column_index(&schema, &this.y);
            let (mut series, mut left_out) = (BTreeSet::new(), false);
            let look = |batch: &RecordBatch| {
                let Some(y) = y else { return Ok(()) };
                let values = Values::of(batch.column(y))?;
                for name in (0..batch.num_rows()).filter_map(|row| values.text(row)) {
                    if series.len() < CHART_SERIES_MAX {
                        series.insert(name);
                    } else {
                        left_out |= !series.contains(&name);
                    }
                }
                Ok(())
            };
            let mut held = hold(input, &planner.context, look).await?;
            if left_out {
                let message = format!("xyseries makes columns of the first {CHART_SERIES_MAX} values of {} only", quote_field(&this.y));
                planner.messages.truncated(message);
            }
            if !this.grouped {
                // As text too: `1` and `1.0` are equal numbers and different rows.
                let by_value = Key::ascending(&this.x);
                let by_text = Key { kind: KeyKind::Text, ..by_value.clone() };
                held = sort(held, &[by_value, by_text], None)?;
            }
            Ok(this.pivot(Flow { table: true, ..held }, series))
        })))
    }
}

impl XySeries {
    fn pivot(&self, input: Flow, series: BTreeSet<String>) -> Flow {
        let schema = input.schema();
        let x = column_index(&schema, &self.x);
        let kept = x.map_or_else(|| text_field(&self.x, false), |at| schema.field(at).clone());
        let mut names = vec![self.x.clone()];
        let mut fields = vec![kept];
        let mut places = FxHashMap::default();
        let data: Vec<Option<usize>> = self.data.iter().map(|data| column_index(&schema, data)).collect();
        for (number, name) in self.data.iter().enumerate() {
            let source = data[number].map(|at| schema.field(at));
            for series in &series {
                let title = distinct(self.title(name, series), &mut names);
                places.insert((number, series.clone()), fields.len());
                fields.push(match source {
                    Some(field) if is_list(field) => list_field(&title),
                    Some(field) if matches!(field.data_type(), DataType::Float64 | DataType::Int64) => {
                        Field::new(&title, field.data_type().clone(), true)
                    }
                    Some(field) => text_field(&title, field.metadata().contains_key(DYNAMIC)),
                    None => text_field(&title, false),
                });
            }
        }
        let made = Arc::new(Schema::new(fields));
        let y = column_index(&schema, &self.y);
        let shape = Arc::new(Shape { x, y, data, places, schema: made.clone() });
        let make: Make = Arc::new(move |context| {
            let memory = MemoryConsumer::new("xyseries").register(context.memory_pool());
            Ok(Box::new(Pivot { shape: shape.clone(), waiting: Vec::new(), key: None, memory }))
        });
        input.map("xyseries", made, make)
    }
}

struct Shape {
    x: Option<usize>,
    y: Option<usize>,
    data: Vec<Option<usize>>,
    /// The column of a value field's number and a series.
    places: FxHashMap<(usize, String), usize>,
    schema: SchemaRef,
}

/// Puts rows with one x, which come one after the other, together. The rows of the last x wait for more.
struct Pivot {
    shape: Arc<Shape>,
    waiting: Vec<RecordBatch>,
    key: Option<String>,
    memory: MemoryReservation,
}

impl Transform for Pivot {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let (Some(x), Some(_)) = (self.shape.x, self.shape.y) else {
            return Ok(Step::Rows(RecordBatch::new_empty(self.shape.schema.clone())));
        };
        if batch.num_rows() == 0 {
            return Ok(Step::Rows(RecordBatch::new_empty(self.shape.schema.clone())));
        }
        let keys = Values::of(batch.column(x))?;
        let last = keys.text(batch.num_rows() - 1);
        // Where the rows of the last x begin: these may go on in the next batch.
        let mut open = batch.num_rows();
        while open > 0 && keys.text(open - 1) == last {
            open -= 1;
        }
        let mut done = Vec::new();
        if open > 0 || self.key != last {
            done = std::mem::take(&mut self.waiting);
            self.memory.free();
            if open > 0 {
                done.push(batch.slice(0, open));
            }
        }
        self.memory.try_grow(batch.get_array_memory_size())?;
        self.waiting.push(batch.slice(open, batch.num_rows() - open));
        self.key = last;
        Ok(Step::Rows(self.shape.rows(&done)?))
    }

    fn finish(&mut self) -> ExecResult<Option<RecordBatch>> {
        let rest = std::mem::take(&mut self.waiting);
        self.memory.free();
        Ok(Some(self.shape.rows(&rest)?))
    }
}

impl Shape {
    /// The rows of whole groups.
    fn rows(&self, batches: &[RecordBatch]) -> ExecResult<RecordBatch> {
        let (Some(x), Some(y), Some(first)) = (self.x, self.y, batches.first()) else {
            return Ok(RecordBatch::new_empty(self.schema.clone()));
        };
        let all = concat_batches(&first.schema(), batches)?;
        let (keys, series) = (Values::of(all.column(x))?, Values::of(all.column(y))?);
        // Of each group the first row, and of each cell the last row that has it.
        let (mut groups, mut before): (Vec<u32>, Option<String>) = (Vec::new(), None);
        let mut cells: Vec<FxHashMap<usize, u32>> = vec![FxHashMap::default(); self.schema.fields().len()];
        for row in 0..all.num_rows() {
            let (Some(key), Some(name)) = (keys.text(row), series.text(row)) else { continue };
            if before.as_ref() != Some(&key) {
                groups.push(row as u32);
                before = Some(key);
            }
            for number in 0..self.data.len() {
                if let Some(place) = self.places.get(&(number, name.clone())) {
                    cells[*place].insert(groups.len() - 1, row as u32);
                }
            }
        }
        let values = self.data.iter().map(|at| at.map(|at| Values::of(all.column(at))).transpose()).collect::<Result<Vec<_>, _>>()?;
        let mut columns = vec![take(all.column(x), &UInt32Array::from(groups.clone()), None)?];
        let mut number_of = vec![0; self.schema.fields().len()];
        self.places.iter().for_each(|((number, _), place)| number_of[*place] = *number);
        for place in 1..self.schema.fields().len() {
            let values = values[number_of[place]].as_ref();
            let cell = |group: usize| cells[place].get(&group).and_then(|row| values.map(|values| (values, *row as usize)));
            columns.push(common_column(self.schema.field(place).data_type(), (0..groups.len()).map(cell)));
        }
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}
