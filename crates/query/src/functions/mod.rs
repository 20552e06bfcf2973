//! The aggregation functions of `stats`, `timechart` and the like: one entry of [`FUNCTIONS`] each.
//!
//! DataFusion's own aggregates serve where they mean the same (counts, sums, averages, variances over numbers);
//! the others are accumulators over values of any type, wrapped by [`udaf`].

mod call;
mod numbers;
pub mod sparkline;
mod times;
mod udaf;
mod values;

pub use call::{Argument, Call, parse_calls, parse_groups, write_calls};
pub use numbers::sum as sum_values;
pub use udaf::{Accumulate, Answer, Maker, OwnAggregate, moment, scalar};
pub use values::counted as count_values;

use crate::columns::{DYNAMIC, list_type};
use crate::language::suggest;
use arrow::datatypes::{DataType, Field};
use datafusion::functions_aggregate as native;
use datafusion::logical_expr::AggregateUDF;
use std::sync::Arc;

/// Whether a function takes an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A field, an `eval(...)`, or nothing.
    Optional,
    /// A field or an `eval(...)`.
    One,
}

/// What a function gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// A whole number.
    Whole,
    /// A number.
    Number,
    /// One of the values of its argument.
    Value,
    /// One of the values, shown as a number where it is one.
    NumberOrText,
    /// A list of values.
    List,
}

/// How a function is computed.
#[derive(Clone, Copy)]
pub enum Method {
    /// Counts rows, values, or rows for which an `eval` is true.
    Count,
    /// By DataFusion over numbers; by the accumulator where a row has many.
    Native(fn() -> Arc<AggregateUDF>, fn(f64) -> Box<dyn Accumulate>),
    /// By DataFusion over the squares of numbers; by the accumulator where a row has many.
    NativeSquares(fn() -> Arc<AggregateUDF>, fn(f64) -> Box<dyn Accumulate>),
    /// By an accumulator here; the number is the parameter in the name (`perc95`).
    Own(fn(f64) -> Box<dyn Accumulate>),
    /// The sum, scaled to this many seconds by the width of the time bucket; in `timechart` only.
    PerSpan(f64),
    /// Another function in each span of time; in `stats` and `chart` only.
    Sparkline,
}

/// An aggregation function.
pub struct Function {
    /// Its name in lower case; a trailing `<N>` stands for a number in the name.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// How it is called.
    pub syntax: &'static str,
    /// What it gives, in one sentence.
    pub summary: &'static str,
    /// Its argument.
    pub takes: Takes,
    /// What it gives.
    pub gives: Gives,
    /// Whether the order of the rows matters; where times decide, which of those with one time comes first.
    pub order: bool,
    /// Whether it looks at `_time`.
    pub time: bool,
    /// Whether the sum of its values over groups is its value over all of them: `OTHER` is then a sum.
    pub additive: bool,
    /// How it is computed.
    pub method: Method,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const fn base(name: &'static str, syntax: &'static str, summary: &'static str, gives: Gives, method: Method) -> Function {
    Function { name, aliases: &[], syntax, summary, takes: Takes::One, gives, order: false, time: false, additive: false, method }
}

use Gives::{List, Number, NumberOrText, Value, Whole};
use Method::{Count, Native, NativeSquares, Own, PerSpan};

/// All functions.
#[rustfmt::skip]
pub static FUNCTIONS: &[Function] = &[
    Function { aliases: &["c"], takes: Takes::Optional, additive: true, ..base("count", "count | count(field) | count(eval(condition))", "Number of rows, of values of the field, or of rows for which the condition is true.", Whole, Count) },
    Function { aliases: &["distinct_count"], ..base("dc", "dc(field)", "Number of distinct values.", Whole, Own(values::distinct)) },
    base("estdc", "estdc(field)", "Number of distinct values, estimated within about 2 percent once there are many.", Whole, Own(values::estimated)),
    base("estdc_error", "estdc_error(field)", "Standard error of estdc, as a share of what it gives.", Number, Own(values::estimation_error)),
    Function { additive: true, ..base("sum", "sum(field)", "Sum of the numeric values.", Number, Native(native::sum::sum_udaf, numbers::sum)) },
    Function { additive: true, ..base("sumsq", "sumsq(field)", "Sum of the squares of the numeric values.", Number, NativeSquares(native::sum::sum_udaf, numbers::sum_of_squares)) },
    Function { aliases: &["mean"], ..base("avg", "avg(field)", "Average of the numeric values.", Number, Native(native::average::avg_udaf, numbers::average)) },
    base("min", "min(field)", "Smallest value: by number when all are numbers, else by text.", NumberOrText, Own(values::smallest)),
    base("max", "max(field)", "Largest value: by number when all are numbers, else by text.", NumberOrText, Own(values::largest)),
    base("range", "range(field)", "Largest minus smallest numeric value.", Number, Own(numbers::range)),
    base("median", "median(field)", "Middle of the numeric values, between two the mean of both.", Number, Own(numbers::median)),
    base("mode", "mode(field)", "Most frequent value; of several, the first by text.", Value, Own(values::mode)),
    base("stdev", "stdev(field)", "Standard deviation of a sample.", Number, Native(native::stddev::stddev_udaf, numbers::deviation_sample)),
    base("stdevp", "stdevp(field)", "Standard deviation of a population.", Number, Native(native::stddev::stddev_pop_udaf, numbers::deviation_population)),
    base("var", "var(field)", "Variance of a sample.", Number, Native(native::variance::var_samp_udaf, numbers::variance_sample)),
    base("varp", "varp(field)", "Variance of a population.", Number, Native(native::variance::var_pop_udaf, numbers::variance_population)),
    Function { aliases: &["p<N>"], ..base("perc<N>", "perc95(field)", "Value that N percent of the numeric values do not exceed; estimated beyond 50,000 values, with a message.", Number, Own(numbers::percentile)) },
    base("upperperc<N>", "upperperc95(field)", "As perc, the next value above where N percent falls between two.", Number, Own(numbers::upper_percentile)),
    base("exactperc<N>", "exactperc95(field)", "As perc, interpolated between neighbours and never estimated.", Number, Own(numbers::exact_percentile)),
    Function { order: true, ..base("first", "first(field)", "Value of the first row that has one, in the order of the rows: the newest event.", Value, Own(values::first)) },
    Function { order: true, ..base("last", "last(field)", "Value of the last row that has one, in the order of the rows: the oldest event.", Value, Own(values::last)) },
    Function { order: true, time: true, ..base("earliest", "earliest(field)", "Value with the earliest _time.", Value, Own(times::earliest)) },
    Function { order: true, time: true, ..base("latest", "latest(field)", "Value with the latest _time.", Value, Own(times::latest)) },
    Function { time: true, ..base("earliest_time", "earliest_time(field)", "Earliest _time of a row that has the field, in epoch seconds.", Number, Own(times::earliest_time)) },
    Function { time: true, ..base("latest_time", "latest_time(field)", "Latest _time of a row that has the field, in epoch seconds.", Number, Own(times::latest_time)) },
    Function { order: true, ..base("list", "list(field)", "Values in the order of the rows, at most 100.", List, Own(values::list)) },
    base("values", "values(field)", "Distinct values, sorted by text.", List, Own(values::distinct_values)),
    Function { order: true, time: true, ..base("rate", "rate(field)", "Growth of a counter per second: latest minus earliest value, by the time between.", Number, Own(times::rate)) },
    Function { time: true, ..base("sparkline", "sparkline(count, 1h)", "In stats and chart: what a function gives in each span of time, as a list to draw a line of.", List, Method::Sparkline) },
    Function { additive: true, ..base("per_second", "per_second(field)", "In timechart: sum per second of the bucket.", Number, PerSpan(1.0)) },
    Function { additive: true, ..base("per_minute", "per_minute(field)", "In timechart: sum per minute of the bucket.", Number, PerSpan(60.0)) },
    Function { additive: true, ..base("per_hour", "per_hour(field)", "In timechart: sum per hour of the bucket.", Number, PerSpan(3600.0)) },
    Function { additive: true, ..base("per_day", "per_day(field)", "In timechart: sum per day of the bucket.", Number, PerSpan(86_400.0)) },
];

impl Function {
    /// The function of a name in any case, and the number in the name where it takes one.
    pub fn find(name: &str) -> Option<(&'static Self, f64)> {
        let lower = name.to_ascii_lowercase();
        FUNCTIONS.iter().find_map(|function| {
            std::iter::once(&function.name).chain(function.aliases).find_map(|known| match known.strip_suffix("<N>") {
                None => (**known == lower).then_some((function, 0.0)),
                Some(prefix) => {
                    let number: f64 = lower.strip_prefix(prefix)?.parse().ok()?;
                    (0.0..=100.0).contains(&number).then_some((function, number))
                }
            })
        })
    }

    /// Names near to one that is not known.
    pub fn near(name: &str) -> Vec<String> {
        let names = FUNCTIONS.iter().flat_map(|f| std::iter::once(f.name).chain(f.aliases.iter().copied()));
        suggest::nearest(name, names.filter(|name| name.len() > 1 && !name.ends_with("<N>")))
    }

    /// The accumulator that computes it; `None` for what only `timechart` can.
    pub fn accumulator(&self) -> Option<fn(f64) -> Box<dyn Accumulate>> {
        match self.method {
            Method::Count => Some(values::counted),
            Method::Native(_, make) | Method::NativeSquares(_, make) | Method::Own(make) => Some(make),
            Method::PerSpan(_) | Method::Sparkline => None,
        }
    }

    /// The column that it gives for an argument of this type.
    pub fn output(&self, name: &str, argument: &DataType) -> Field {
        let numeric = matches!(argument, DataType::Float64 | DataType::Int64 | DataType::Timestamp(..));
        match self.gives {
            Gives::Whole => Field::new(name, DataType::Int64, true),
            Gives::Number => Field::new(name, DataType::Float64, true),
            Gives::List => Field::new(name, list_type(), true),
            Gives::Value | Gives::NumberOrText if numeric => Field::new(name, DataType::Float64, true),
            Gives::Value => Field::new(name, DataType::Utf8, true),
            Gives::NumberOrText => Field::new(name, DataType::Utf8, true).with_metadata([(DYNAMIC.to_owned(), "true".to_owned())].into()),
        }
    }
}
