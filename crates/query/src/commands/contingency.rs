//! `contingency`: how often the values of two fields come together, as a table.

use super::stands_for::table_of;
use super::words::{quote, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::columns::Values;
use crate::eval::format_number;
use crate::exec::Flow;
use crate::exec::aggregate::aggregate_unsorted;
use crate::functions::Call;
use crate::language::{Args, QueryError, Word};
use arrow::array::{ArrayRef, Int64Array, StringArray};
use datafusion::execution::memory_pool::MemoryConsumer;
use futures::TryStreamExt;
use rustc_hash::FxHashMap;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::CONTINGENCY_MAX;

/// What `contingency` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "contingency",
    aliases: &["counttable", "ctable"],
    syntax: "contingency [maxrows=<count>] [maxcols=<count>] [minrowcover=<0..1>] [mincolcover=<0..1>] [usetotal=<bool>] [totalstr=<text>] <field> <field>",
    summary: "A row for each value of the first field and a column for each of the second, with how many events have both; the most frequent first, with totals.",
    examples: &["* | contingency user status", "* | contingency maxcols=5 usetotal=false host sourcetype"],
    parse,
};

#[derive(Clone, Debug)]
struct Side {
    field: String,
    most: usize,
    /// The part of all events that is enough to be shown.
    cover: f64,
}

#[derive(Clone, Debug)]
struct Contingency {
    rows: Side,
    columns: Side,
    total: Option<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let side = || Side { field: String::new(), most: CONTINGENCY_MAX, cover: 1.0 };
    let (mut rows, mut columns, mut total, mut with_total) = (side(), side(), "TOTAL".to_owned(), true);
    let mut fields = Vec::new();
    let known = ["maxrows", "maxcols", "minrowcover", "mincolcover", "usetotal", "totalstr"];
    while !args.at_end() {
        let Some(option) = args.option(&known)? else {
            fields.push(args.field("a field name")?);
            args.symbol(",");
            continue;
        };
        let value = option.value;
        match option.name.as_str() {
            "maxrows" => rows.most = most("maxrows", &value)?,
            "maxcols" => columns.most = most("maxcols", &value)?,
            "minrowcover" => rows.cover = cover("minrowcover", &value)?,
            "mincolcover" => columns.cover = cover("mincolcover", &value)?,
            "usetotal" => with_total = value.boolean("usetotal")?,
            _ => total = value.text,
        }
    }
    match fields.as_slice() {
        [first, second] if first.name != second.name => {
            rows.field.clone_from(&first.name);
            columns.field.clone_from(&second.name);
        }
        [_, second] => return Err(QueryError::at(second.span, "contingency needs two different fields")),
        [_, _, third, ..] => return Err(QueryError::at(third.span, "contingency compares two fields, no more")),
        _ => return Err(args.error("contingency needs two fields").with_hint("write contingency user status")),
    }
    Ok(Box::new(Contingency { rows, columns, total: with_total.then_some(total) }))
}

fn most(name: &str, value: &Word) -> Result<usize, QueryError> {
    match value.integer(name, 0)? as usize {
        0 => Ok(CONTINGENCY_MAX),
        most if most > CONTINGENCY_MAX => Err(QueryError::at(value.span, format!("{name} is {CONTINGENCY_MAX} at most"))),
        most => Ok(most),
    }
}

fn cover(name: &str, value: &Word) -> Result<f64, QueryError> {
    let cover = value.number(name)?;
    if (0.0..=1.0).contains(&cover) { Ok(cover) } else { Err(QueryError::at(value.span, format!("{name} is a part of all, from 0 to 1"))) }
}

impl fmt::Display for Contingency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(INFO.name)?;
        for (side, most, cover) in [(&self.rows, "maxrows", "minrowcover"), (&self.columns, "maxcols", "mincolcover")] {
            if side.most != CONTINGENCY_MAX {
                write!(f, " {most}={}", side.most)?;
            }
            if side.cover < 1.0 {
                write!(f, " {cover}={}", format_number(side.cover))?;
            }
        }
        match &self.total {
            None => f.write_str(" usetotal=false")?,
            Some(total) if total != "TOTAL" => write!(f, " totalstr={}", quote(total))?,
            Some(_) => {}
        }
        write!(f, " {} {}", quote_field(&self.rows.field), quote_field(&self.columns.field))
    }
}

impl Side {
    /// The values that are shown, the most frequent first, and how many are not.
    fn shown(&self, counts: &FxHashMap<String, i64>) -> (Vec<String>, usize) {
        let mut all: Vec<(&String, i64)> = counts.iter().map(|(value, count)| (value, *count)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let enough = self.cover * all.iter().map(|(_, count)| *count).sum::<i64>() as f64;
        let mut shown = Vec::new();
        let mut covered = 0;
        for (value, count) in &all {
            if shown.len() >= self.most || covered as f64 >= enough {
                break;
            }
            covered += count;
            shown.push((*value).clone());
        }
        let left = all.len() - shown.len();
        (shown, left)
    }
}

impl Command for Contingency {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Reporting
    }

    fn required(&self, _: Required) -> Required {
        Required::of([self.rows.field.clone(), self.columns.field.clone()])
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn keeps_order(&self) -> bool {
        false
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let groups = [self.rows.field.clone(), self.columns.field.clone()];
        let counted = aggregate_unsorted(input, &groups, &[Call::count()], planner)?;
        let (this, planner) = (self.clone(), planner.clone());
        Ok(Planned::Later(Box::pin(async move { this.table(counted, &planner).await })))
    }
}

impl Contingency {
    async fn table(&self, counted: Flow, planner: &Planner) -> Result<Flow, QueryError> {
        let memory = MemoryConsumer::new(INFO.name).register(planner.context.memory_pool());
        let mut cells: FxHashMap<(String, String), i64> = FxHashMap::default();
        let (mut rows, mut columns) = (FxHashMap::default(), FxHashMap::default());
        let mut batches = counted.stream(planner.context.clone())?;
        while let Some(batch) = batches.try_next().await? {
            let values = batch.columns().iter().map(Values::of).collect::<Result<Vec<_>, _>>()?;
            for at in 0..batch.num_rows() {
                let (Some(row), Some(column)) = (values[0].text(at), values[1].text(at)) else { continue };
                let count = values[2].number(at).unwrap_or_default() as i64;
                memory.try_grow(2 * (row.len() + column.len()) + 128)?;
                *rows.entry(row.clone()).or_insert(0) += count;
                *columns.entry(column.clone()).or_insert(0) += count;
                cells.insert((row, column), count);
            }
        }
        let (shown_rows, left_rows) = self.rows.shown(&rows);
        let (shown_columns, left_columns) = self.columns.shown(&columns);
        for (left, side, option) in [(left_rows, &self.rows, "maxrows"), (left_columns, &self.columns, "maxcols")] {
            if left > 0 {
                let text = format!("contingency: {left} more values of {} are left out of the table, but not of its totals", side.field);
                planner.messages.truncated(format!("{text}; {option} and the cover say how many are shown"));
            }
        }
        let mut names = shown_rows.clone();
        names.extend(self.total.clone());
        let label: ArrayRef = Arc::new(StringArray::from_iter_values(&names));
        let mut table = vec![(self.rows.field.clone(), label)];
        for column in &shown_columns {
            let mut counts: Vec<i64> =
                shown_rows.iter().map(|row| cells.get(&(row.clone(), column.clone())).copied().unwrap_or_default()).collect();
            counts.extend(self.total.as_ref().map(|_| columns[column]));
            // A value that is named as the first column is, or as the totals are, cannot be a column of its own.
            let taken = |name: &String| *name == self.rows.field || self.total.as_ref() == Some(name);
            let name = if taken(column) { format!("{}: {column}", self.columns.field) } else { column.clone() };
            table.push((name, Arc::new(Int64Array::from(counts)) as ArrayRef));
        }
        if let Some(total) = &self.total {
            let mut counts: Vec<i64> = shown_rows.iter().map(|row| rows[row]).collect();
            counts.push(rows.values().sum());
            table.push((total.clone(), Arc::new(Int64Array::from(counts))));
        }
        if rows.is_empty() {
            return Ok(crate::source::Opened::nothing().flow);
        }
        table_of(table)
    }
}
