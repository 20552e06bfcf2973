//! `trendline`: moving averages.

use super::accum::plain_field;
use super::eval::{with_column, with_field};
use super::words::quote_field;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::to_numbers;
use crate::exec::{Flow, Make, Step, Transform};
use crate::language::{Args, QueryError};
use arrow::array::{Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::error::Result as ExecResult;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::WINDOW_ROWS_MAX;

/// What `trendline` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "trendline",
    aliases: &[],
    syntax: "trendline sma|ema|wma<period>(<field>) [AS <name>] [...]",
    summary: "Moving averages over the last <period> rows: simple, exponential or weighted by nearness; rows before there are so many have none.",
    examples: &[
        "* | timechart span=1m avg(bytes) AS mean | trendline sma5(mean) AS smooth",
        "* | sort 0 _time | trendline ema10(bytes) wma3(bytes)",
    ],
    parse,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weighting {
    Simple,
    Exponential,
    Weighted,
}

impl Weighting {
    fn name(self) -> &'static str {
        match self {
            Self::Simple => "sma",
            Self::Exponential => "ema",
            Self::Weighted => "wma",
        }
    }
}

#[derive(Clone, Debug)]
struct Trend {
    kind: Weighting,
    period: usize,
    field: String,
    alias: Option<String>,
}

impl Trend {
    fn target(&self) -> String {
        self.alias.clone().unwrap_or_else(|| format!("{}{}({})", self.kind.name(), self.period, self.field))
    }
}

#[derive(Debug)]
struct Trendline(Vec<Trend>);

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut trends: Vec<Trend> = Vec::new();
    while !args.at_end() {
        let span = args.next_span();
        let unknown = || QueryError::at(span, "expected a moving average").with_hint("write sma5(field), ema10(field) or wma3(field)");
        let word = args.call().ok_or_else(unknown)?;
        let lower = word.text.to_ascii_lowercase();
        let kinds = [Weighting::Simple, Weighting::Exponential, Weighting::Weighted];
        let kind = kinds.into_iter().find(|kind| lower.starts_with(kind.name())).ok_or_else(unknown)?;
        let period: usize = lower[3..].parse().map_err(|_| unknown())?;
        if !(2..=WINDOW_ROWS_MAX).contains(&period) {
            return Err(QueryError::at(word.span, format!("the period is 2 to {WINDOW_ROWS_MAX} rows, not {period}")));
        }
        let field = plain_field(args, "trendline")?;
        args.expect_symbol(")")?;
        let alias = if args.keyword("as") { Some(plain_field(args, "trendline")?) } else { None };
        let trend = Trend { kind, period, field, alias };
        if trends.iter().any(|other| other.target() == trend.target()) {
            let error = QueryError::at(word.span, format!("two columns would have the name {:?}", trend.target()));
            return Err(error.with_hint("give one of them another name with AS"));
        }
        trends.push(trend);
        args.symbol(",");
    }
    if trends.is_empty() {
        return Err(args.error("expected a moving average").with_hint("write sma5(field), ema10(field) or wma3(field)"));
    }
    Ok(Box::new(Trendline(trends)))
}

impl fmt::Display for Trendline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("trendline")?;
        for trend in &self.0 {
            write!(f, " {}{}({})", trend.kind.name(), trend.period, quote_field(&trend.field))?;
            if let Some(alias) = &trend.alias {
                write!(f, " AS {}", quote_field(alias))?;
            }
        }
        Ok(())
    }
}

impl Command for Trendline {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Running
    }

    fn required(&self, needed: Required) -> Required {
        let targets: Vec<String> = self.0.iter().map(Trend::target).collect();
        needed.without(targets.iter().map(String::as_str)).with(self.0.iter().map(|trend| trend.field.clone()))
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let input = input.single();
        let source = input.schema();
        let mut schema = source.clone();
        let mut steps = Vec::new();
        for trend in &self.0 {
            schema = with_field(&schema, Field::new(trend.target(), DataType::Float64, true));
            steps.push((trend.clone(), column_index(&source, &trend.field), schema.clone()));
        }
        let make: Make = Arc::new(move |_| {
            let averages = steps.iter().map(|(trend, at, schema)| Average {
                kind: trend.kind,
                period: trend.period,
                at: *at,
                name: trend.target(),
                schema: schema.clone(),
                last: VecDeque::new(),
                sums: (0.0, 0.0),
                since: 0,
                before: None,
            });
            Ok(Box::new(Averages(averages.collect())))
        });
        Ok(input.map("trendline", schema, make).into())
    }
}

struct Averages(Vec<Average>);

struct Average {
    kind: Weighting,
    period: usize,
    at: Option<usize>,
    name: String,
    schema: SchemaRef,
    last: VecDeque<f64>,
    /// The sums of the last numbers, plain and weighted.
    sums: (f64, f64),
    /// Rows since the sums were added up, not carried on.
    since: usize,
    before: Option<f64>,
}

impl Average {
    /// The average at a row with this number; `None` as long as there are too few rows.
    fn next(&mut self, number: f64) -> Option<f64> {
        let period = self.period as f64;
        if let (Weighting::Exponential, Some(before)) = (self.kind, self.before) {
            let share = 2.0 / (period + 1.0);
            self.before = Some(share * number + (1.0 - share) * before);
            return self.before;
        }
        self.slide(number);
        if self.last.len() < self.period {
            return None;
        }
        if self.kind == Weighting::Exponential {
            // It starts from the mean of the first rows.
            self.before = Some(self.sums.0 / period);
            self.last.clear();
            return self.before;
        }
        Some(if self.kind == Weighting::Weighted { self.sums.1 / (period * (period + 1.0) / 2.0) } else { self.sums.0 / period })
    }

    /// Takes a number, and lets go of the oldest where there are more than the period.
    fn slide(&mut self, number: f64) {
        self.last.push_back(number);
        self.since += 1;
        if self.last.len() > self.period {
            let gone = self.last.pop_front().unwrap_or(0.0);
            // Every weight falls by one, so that the oldest has none.
            self.sums.1 += self.period as f64 * number - self.sums.0;
            self.sums.0 += number - gone;
        } else {
            self.sums.0 += number;
            self.sums.1 += self.last.len() as f64 * number;
        }
        if self.since >= self.period {
            // What is carried on drifts by the last bits of a float.
            self.since = 0;
            self.sums.0 = self.last.iter().sum();
            self.sums.1 = self.last.iter().enumerate().map(|(at, number)| (at as f64 + 1.0) * number).sum();
        }
    }
}

impl Transform for Averages {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        // All read the fields as they came, also where one of them is replaced.
        let columns = self.0.iter().map(|average| match average.at {
            Some(at) => Ok(to_numbers(batch.column(at))?),
            None => Ok(Float64Array::new_null(batch.num_rows())),
        });
        let columns = columns.collect::<ExecResult<Vec<_>>>()?;
        let mut out = batch;
        for (average, numbers) in self.0.iter_mut().zip(columns) {
            let values: Float64Array = numbers.iter().map(|number| average.next(number?)).collect::<Vec<_>>().into();
            out = with_column(&out, &average.schema, &average.name, Arc::new(values))?;
        }
        Ok(Step::Rows(out))
    }
}
