//! `chart`: aggregates as rows of one field and columns of another.

use super::bin::{self, Binning, Bins, Ranges};
use super::eval::with_field;
use super::series::{self, Axis, Kept, Pivot, SERIES, Series, Splitter};
use super::stats::{check_names, expand_calls};
use super::words::quote_field;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::{Values, number_text, parse_number, time_type};
use crate::exec::aggregate::{aggregate, aggregate_unsorted, sort_groups};
use crate::exec::{Flow, hold, transform};
use crate::functions::{Call, Method, sparkline, write_calls};
use crate::language::{Args, QueryError};
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, TimestampNanosecondArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema};
use rustc_hash::FxHashSet;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::TIME_BUCKETS_MAX;

/// What `chart` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "chart",
    aliases: &[],
    syntax: "chart [cont=<bool>] [limit=[top|bottom]<count>] [agg=<function>] [useother=<bool>] [usenull=<bool>] [otherstr=<text>] [nullstr=<text>] [sep=<text>] [format=<text>] <function>(<field>) [AS <name>] [, ...] [OVER <field> [<options of bin>]] [BY <field> [<options of bin>] [, <field> [<options of bin>]]] [WHERE <function> in|notin top|bottom<count> | WHERE <function> <comparison> <number>]",
    summary: "Aggregates with a row for each value of one field and a column for each of another: the largest 10, and OTHER.",
    examples: &[
        "* | chart count OVER host BY status",
        "* | chart avg(bytes) BY uri, host limit=5 useother=false",
        "* | chart count BY bytes span=1000",
    ],
    parse,
};

/// A field of a chart, and the ranges its values are put into.
#[derive(Clone, Debug)]
struct Place {
    field: String,
    binning: Option<Binning>,
}

#[derive(Clone, Debug)]
struct Chart {
    continuous: bool,
    calls: Vec<Call>,
    row: Option<Place>,
    split: Option<Binning>,
    series: Series,
}

/// Where the parser is: whose options come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Row,
    Split,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut chart = Chart { continuous: true, calls: Vec::new(), row: None, split: None, series: Series::default() };
    let mut last = Last::Nothing;
    let mut by = false;
    while !args.at_end() {
        let span = args.next_span();
        if chart.option(args, last)? || (!chart.calls.is_empty() && chart.series.condition(args)?) {
        } else if !by && chart.row.is_none() && args.keyword("over") {
            chart.row = Some(Place { field: field(args)?, binning: None });
            last = Last::Row;
        } else if !by && args.keyword("by") {
            by = true;
            last = chart.place(field(args)?);
        } else if by && chart.series.split.is_none() {
            args.symbol(",");
            last = chart.place(field(args)?);
        } else if by || chart.row.is_some() {
            let hint = "a chart has one field for its rows and one for its columns; stats takes more";
            return Err(QueryError::at(span, "this is not understood here").with_hint(hint));
        } else {
            let call = Call::parse(args)?;
            if matches!(call.function.method, Method::PerSpan(_)) {
                let hint = "use it in timechart, or divide a sum yourself with eval";
                return Err(QueryError::at(span, format!("{} needs the buckets of timechart", call.typed)).with_hint(hint));
            }
            chart.calls.push(call);
            args.symbol(",");
        }
    }
    if chart.calls.is_empty() {
        return Err(args.error("expected a function such as count or avg(field)"));
    }
    chart.series.check("chart")?;
    let groups: Vec<String> = chart.row.iter().map(|row| row.field.clone()).collect();
    if chart.row.as_ref().is_some_and(|row| chart.series.split.as_ref() == Some(&row.field)) {
        let error = QueryError::new(format!("{} cannot give both the rows and the columns", groups[0]));
        return Err(error.with_hint("name another field, or a copy made with eval"));
    }
    if chart.series.split.is_none() || chart.calls.len() > 1 {
        check_names(&chart.calls, if chart.series.split.is_none() { &groups } else { &[] })?;
    }
    Ok(Box::new(chart))
}

fn field(args: &mut Args) -> Result<String, QueryError> {
    super::accum::plain_field(args, "chart")
}

impl Chart {
    /// The next field after BY: the rows, or the columns where there are rows.
    fn place(&mut self, field: String) -> Last {
        if self.row.is_none() {
            self.row = Some(Place { field, binning: None });
            return Last::Row;
        }
        self.series.split = Some(field);
        Last::Split
    }

    fn option(&mut self, args: &mut Args, last: Last) -> Result<bool, QueryError> {
        let known: Vec<&str> = ["cont"].into_iter().chain(series::OPTIONS).chain(bin::OPTIONS).collect();
        let Some(option) = args.option(&known)? else { return Ok(false) };
        let Some(option) = self.series.option(option)? else { return Ok(true) };
        if option.name == "cont" {
            self.continuous = option.value.boolean("cont")?;
            return Ok(true);
        }
        let binning = match last {
            Last::Nothing => {
                let error = QueryError::at(
                    option.span,
                    format!("{} says how a field is put into ranges, so it stands after the field", option.name),
                );
                return Err(error.with_hint(format!("write chart count BY bytes {}={}", option.name, option.value.text)));
            }
            Last::Row => &mut self.row.as_mut().expect("its options come after it").binning,
            Last::Split => &mut self.split,
        };
        binning.get_or_insert_default().option(&option)?;
        Ok(true)
    }
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("chart")?;
        if !self.continuous {
            f.write_str(" cont=false")?;
        }
        for (name, value) in self.series.options() {
            write!(f, " {name}={value}")?;
        }
        let mut out = String::new();
        write_calls(&mut out, &self.calls, &[]);
        f.write_str(&out)?;
        if let Some(row) = &self.row {
            write!(f, " OVER {}", quote_field(&row.field))?;
            row.binning.as_ref().map_or(Ok(()), |binning| write!(f, "{binning}"))?;
        }
        if let Some(split) = &self.series.split {
            write!(f, " BY {}", quote_field(split))?;
            self.split.as_ref().map_or(Ok(()), |binning| write!(f, "{binning}"))?;
        }
        write!(f, "{}", self.series)
    }
}

impl Command for Chart {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Reporting
    }

    fn required(&self, _: Required) -> Required {
        let fields = self.row.iter().map(|row| row.field.clone()).chain(self.series.split.clone());
        Required::of(self.calls.iter().flat_map(Call::fields)).with(fields)
    }

    fn needs_order(&self) -> bool {
        self.calls.iter().any(|call| call.function.order)
    }

    fn keeps_order(&self) -> bool {
        false
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let groups: Vec<String> = self.row.iter().map(|row| row.field.clone()).chain(self.series.split.clone()).collect();
        let calls = expand_calls(&self.calls, &groups, &input.names())?;
        let binned = self.row.as_ref().is_some_and(|row| row.binning.is_some());
        let lines = sparkline::any(&calls);
        if self.series.split.is_none() && !binned && !lines {
            return Ok(aggregate(input, &groups, &calls, planner)?.into());
        }
        let (mut chart, planner) = (Self { calls, ..self.clone() }, planner.clone());
        Ok(Planned::Later(Box::pin(async move {
            sparkline::settle(&mut chart.calls, &planner).await?;
            if chart.series.split.is_none() && !binned {
                return aggregate(input, &groups, &chart.calls, &planner);
            }
            chart.run(input, &planner).await
        })))
    }
}

/// The rows with a field put into ranges, and which they are.
async fn binned(input: Flow, field: &str, binning: Option<&Binning>, planner: &Planner) -> Result<(Flow, Option<Bins>), QueryError> {
    let (Some(binning), Some(at)) = (binning, column_index(&input.schema(), field)) else { return Ok((input, None)) };
    let input = if binning.is_fixed() { input } else { hold(input, &planner.context, |_| Ok(())).await? };
    let Some(bins) = binning.settle(&input, at, planner).await? else { return Ok((input, None)) };
    Ok((bins.apply(input, at, field), Some(bins)))
}

impl Chart {
    async fn run(self, input: Flow, planner: &Planner) -> Result<Flow, QueryError> {
        let row = self.row.clone().expect("a chart with columns or ranges has a field of rows");
        let (input, bins) = binned(input, &row.field, row.binning.as_ref(), planner).await?;
        let split = self.series.split.clone().unwrap_or_default();
        let (input, _) = binned(input, &split, self.split.as_ref(), planner).await?;
        let mut groups = vec![row.field.clone()];
        groups.extend(self.series.split.as_ref().map(|_| SERIES.to_owned()));
        let run = |kept: Kept| {
            let flow = self.with_series(input.clone(), kept);
            sort_groups(aggregate_unsorted(flow, &groups, &self.calls, planner)?, &groups)
        };
        let mut keys = None;
        let axis = |batch: &RecordBatch| {
            let column = self.axis(batch.column(0), bins.as_ref())?;
            let axis = Axis::of(&column);
            keys = Some(column);
            axis
        };
        let pivot = Pivot::new(&self.series, &self.calls, run, axis, planner).await?;
        let keys = keys.expect("the axis is made once");
        let mut fields = vec![Field::new(&row.field, keys.data_type().clone(), true)];
        let mut columns = vec![keys];
        for (field, column) in pivot.columns {
            // A series may be called as the field of the rows is; it then keeps its name with a mark.
            let name = if *field.name() == row.field { format!("{} (series)", field.name()) } else { field.name().clone() };
            fields.push(field.with_name(name));
            columns.push(column);
        }
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(schema.clone(), columns)?;
        Ok(Flow::of_batches(schema, vec![batch], true))
    }

    /// The rows with the series each belongs to.
    fn with_series(&self, input: Flow, kept: Kept) -> Flow {
        let Some(splitter) = Splitter::new(&self.series, &input.schema(), kept) else { return input };
        let schema = with_field(&input.schema(), splitter.field());
        let made = schema.clone();
        let work = transform(move |batch: RecordBatch| {
            let mut columns = batch.columns().to_vec();
            columns.push(splitter.column(&batch)?);
            Ok(RecordBatch::try_new(made.clone(), columns)?)
        });
        input.map("series", schema, work)
    }

    /// The keys of the rows, each once, in order, with the ranges between that have nothing.
    fn axis(&self, sorted: &ArrayRef, bins: Option<&Bins>) -> Result<ArrayRef, QueryError> {
        let values = Values::of(sorted)?;
        if let (Values::Time(times), Some(Bins::Times(floor)), true) = (&values, bins, self.continuous) {
            let (first, last) = (times.iter().flatten().min(), times.iter().flatten().max());
            let starts = match first.zip(last) {
                Some((first, last)) => floor.all(first, last)?,
                None => Vec::new(),
            };
            debug_assert_eq!(*sorted.data_type(), time_type());
            return Ok(Arc::new(TimestampNanosecondArray::from(starts).with_timezone("UTC")));
        }
        // Numbers that are written in two ways sort as equal, so that a key may come again after another.
        let mut seen = FxHashSet::default();
        let firsts: Vec<u32> = (0..sorted.len()).filter(|row| seen.insert(values.text(*row))).map(|row| row as u32).collect();
        let keys = take(sorted, &UInt32Array::from(firsts), None)?;
        let Some(Bins::Numbers(ranges)) = bins else { return Ok(keys) };
        labels(&keys, *ranges, self.continuous)
    }
}

/// The lower bound of a range as [`Ranges::label`] writes it.
fn lower_bound(label: &str) -> Option<f64> {
    let sign = usize::from(label.starts_with('-'));
    let at = label[sign..].find('-')? + sign;
    parse_number(&label[at + 1..])?;
    parse_number(&label[..at])
}

/// Ranges in the order of their bounds, what is no range after them; with those between that have nothing.
fn labels(keys: &ArrayRef, ranges: Ranges, continuous: bool) -> Result<ArrayRef, QueryError> {
    let values = Values::of(keys)?;
    let mut found: Vec<(Option<f64>, String)> =
        (0..keys.len()).filter_map(|row| values.text(row)).map(|label| (lower_bound(&label), label)).collect();
    found.sort_by(|a, b| {
        let bound = |(low, _): &(Option<f64>, String)| low.unwrap_or(f64::INFINITY);
        bound(a).total_cmp(&bound(b)).then_with(|| a.1.cmp(&b.1))
    });
    let lows = || found.iter().filter_map(|(low, _)| *low);
    let bounds = (lows().next(), lows().next_back());
    if let (Ranges::Width(width), (Some(first), Some(last)), true) = (ranges, bounds, continuous) {
        let count = ((last - first) / width).round();
        if count >= TIME_BUCKETS_MAX as f64 {
            let error =
                QueryError::new(format!("a span of {} makes more than {TIME_BUCKETS_MAX} ranges of these values", number_text(width)));
            return Err(error.with_hint("use a longer span, or cont=false to leave out ranges without values"));
        }
        // From the middle of each range, so that rounding cannot reach its neighbour.
        let place = (first / width).round();
        let mut all: Vec<String> = (0..=count as usize).map(|at| ranges.label((place + at as f64 + 0.5) * width)).collect();
        all.extend(found.into_iter().filter(|(low, _)| low.is_none()).map(|(_, label)| label));
        return Ok(Arc::new(StringArray::from(all)));
    }
    Ok(Arc::new(found.into_iter().map(|(_, label)| Some(label)).collect::<StringArray>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_back() {
        for (number, low) in [(5.0, 0.0), (-5.0, -10.0), (15.0, 10.0), (-15.0, -20.0)] {
            assert_eq!(lower_bound(&Ranges::Width(10.0).label(number)), Some(low), "{number}");
        }
        assert_eq!(lower_bound("x-y"), None);
        assert_eq!(lower_bound("none"), None);
    }

    #[test]
    fn ranges_without_values_are_there() {
        let keys: ArrayRef = Arc::new(StringArray::from(vec!["100-200", "unknown", "400-500", "-100-0"]));
        let all = labels(&keys, Ranges::Width(100.0), true).unwrap();
        let text = |column: &ArrayRef| crate::columns::to_text(column).unwrap().iter().flatten().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(text(&all), ["-100-0", "0-100", "100-200", "200-300", "300-400", "400-500", "unknown"]);
        assert_eq!(text(&labels(&keys, Ranges::Width(100.0), false).unwrap()), ["-100-0", "100-200", "400-500", "unknown"]);
        assert!(labels(&keys, Ranges::Width(1e-9), true).is_err());
    }
}
