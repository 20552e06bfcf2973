//! `predict`: what a chart would go on like, with bounds.
//!
//! Parsing is here, the rows in `rows`, the mathematics in [`crate::series`].

mod rows;

use super::words::quote_field;
use super::{Command, CommandInfo, Planned, Planner, Required, column_index};
use crate::exec::Flow;
use crate::language::{Args, QueryError, Span};
use std::fmt;
use taffrail_base::limits::{PREDICT_FUTURE_MAX, PREDICT_PERIOD_MAX};

/// What `predict` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "predict",
    aliases: &[],
    syntax: "predict <field> [AS <name>] [<field> [AS <name>]]... [algorithm=LLP5|LL|LLT|LLP|LLB|BiLL] [future_timespan=<count>] [holdback=<count>] [period=<count>] [correlate=<field>] [suppress=<field>] [lower<percent>=<name>] [upper<percent>=<name>]",
    summary: "Predicts the values of a chart from those before them, and of rows to come, with the bounds of 95 percent.",
    examples: &[
        "error | timechart span=1h count | predict count",
        "* | timechart span=1d sum(bytes) AS sent | predict sent AS expected algorithm=LLT future_timespan=14 holdback=7 lower90=low upper90=high",
    ],
    parse,
};

/// How values are predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    /// Level.
    Level,
    /// Level and trend.
    Trend,
    /// Level and season.
    Season,
    /// Trend and season, weighted by how well they do.
    TrendAndSeason,
    /// One series told by another.
    Told,
    /// Two series together.
    Together,
}

impl Algorithm {
    const NAMES: [&'static str; 6] = ["LL", "LLT", "LLP", "LLP5", "LLB", "BiLL"];
    const ALL: [Self; 6] = [Self::Level, Self::Trend, Self::Season, Self::TrendAndSeason, Self::Told, Self::Together];

    fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// A bound of the prediction.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    upper: bool,
    percent: u32,
    /// The column; one is made of the prediction's name where none is given.
    name: Option<String>,
}

/// `predict` with its arguments.
#[derive(Clone, Debug)]
struct Predict {
    fields: Vec<(String, Option<String>)>,
    algorithm: Algorithm,
    future: usize,
    holdback: usize,
    period: Option<usize>,
    correlate: Option<String>,
    suppress: Option<String>,
    bounds: Vec<Bound>,
}

const OPTIONS: [&str; 6] = ["algorithm", "future_timespan", "holdback", "period", "correlate", "suppress"];

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut this = Predict {
        fields: Vec::new(),
        algorithm: Algorithm::TrendAndSeason,
        future: 5,
        holdback: 0,
        period: None,
        correlate: None,
        suppress: None,
        bounds: Vec::new(),
    };
    let mut algorithm_place = None;
    while !args.at_end() {
        if let Some(bound) = bound(args)? {
            this.bounds.retain(|known| known.upper != bound.upper);
            this.bounds.push(bound);
        } else if let Some(option) = args.option(&OPTIONS)? {
            let value = option.value;
            match option.name.as_str() {
                "algorithm" => {
                    let name = value.one_of("algorithm", &Algorithm::NAMES)?;
                    let place = Algorithm::NAMES.iter().position(|known| *known == name);
                    this.algorithm = place.map_or(Algorithm::TrendAndSeason, |place| Algorithm::ALL[place]);
                    algorithm_place = Some(value.span);
                }
                "future_timespan" => {
                    this.future = value.integer("future_timespan", 0)? as usize;
                    if this.future > PREDICT_FUTURE_MAX {
                        return Err(QueryError::at(value.span, format!("future_timespan is at most {PREDICT_FUTURE_MAX}")));
                    }
                }
                "holdback" => this.holdback = value.integer("holdback", 0)? as usize,
                "period" => {
                    let period = value.integer("period", 2)? as usize;
                    if period > PREDICT_PERIOD_MAX {
                        let error = QueryError::at(value.span, format!("period is at most {PREDICT_PERIOD_MAX}"));
                        return Err(error.with_hint("use a longer span in timechart: fewer points then make a season"));
                    }
                    this.period = Some(period);
                }
                "correlate" => this.correlate = Some(value.text),
                _ => this.suppress = Some(value.text),
            }
        } else {
            let field = args.field("a field name")?;
            if field.is_wildcard() {
                return Err(QueryError::at(field.span, "predict takes no wildcards").with_hint("name each field"));
            }
            let alias = if args.keyword("as") { Some(args.field("a name after AS")?.name) } else { None };
            this.fields.push((field.name, alias));
            args.symbol(",");
        }
    }
    if this.fields.is_empty() {
        return Err(args.error("expected a field to predict"));
    }
    for upper in [true, false] {
        if !this.bounds.iter().any(|bound| bound.upper == upper) {
            this.bounds.push(Bound { upper, percent: 95, name: None });
        }
    }
    this.bounds.sort_by_key(|bound| bound.upper);
    this.check(algorithm_place)?;
    Ok(Box::new(this))
}

/// `lower95=name` or `upper95=name`, if one comes next.
fn bound(args: &mut Args) -> Result<Option<Bound>, QueryError> {
    let rest = args.remaining();
    let word = &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len())];
    let lower = word.to_ascii_lowercase();
    let (upper, digits) = match (lower.strip_prefix("upper"), lower.strip_prefix("lower")) {
        (Some(digits), _) => (true, digits),
        (_, Some(digits)) => (false, digits),
        _ => return Ok(None),
    };
    let (Ok(percent), true) = (digits.parse::<u32>(), rest[word.len()..].trim_start().starts_with('=')) else { return Ok(None) };
    let span = args.next_span();
    if !(1..100).contains(&percent) {
        return Err(QueryError::at(span, "the percent of a bound lies between 1 and 99").with_hint("write for example upper95=high"));
    }
    args.word("a bound")?;
    args.expect_symbol("=")?;
    let name = args.field("the name of a column")?.name;
    Ok(Some(Bound { upper, percent, name: Some(name) }))
}

impl Predict {
    /// Fails where the fields do not fit the algorithm.
    fn check(&self, place: Option<Span>) -> Result<(), QueryError> {
        let count = self.fields.len();
        let problem = match self.algorithm {
            Algorithm::Told if self.correlate.is_none() => Some(("LLB predicts a field from another", "name the other: correlate=<field>")),
            Algorithm::Together if count != 2 => Some(("BiLL predicts two fields together", "name two fields: predict a b algorithm=BiLL")),
            _ if count > 1 && self.bounds.iter().any(|bound| bound.name.is_some()) => {
                Some(("bounds can be named for one field only", "leave the names out, or predict one field at a time"))
            }
            _ => None,
        };
        match problem {
            None => Ok(()),
            Some((what, hint)) => {
                let error = QueryError::new(what).with_hint(hint);
                Err(match place {
                    Some(place) => error.or_at(place),
                    None => error,
                })
            }
        }
    }

    /// The name of a field's prediction.
    fn prediction(&self, which: usize) -> String {
        let (field, alias) = &self.fields[which];
        alias.clone().unwrap_or_else(|| format!("prediction({field})"))
    }

    /// The names of the columns made for a field, its prediction first.
    fn made(&self, which: usize) -> Vec<String> {
        let prediction = self.prediction(which);
        let bounds = self.bounds.iter().map(|bound| {
            let side = if bound.upper { "upper" } else { "lower" };
            bound.name.clone().unwrap_or_else(|| format!("{side}{}({prediction})", bound.percent))
        });
        let bounds: Vec<String> = bounds.collect();
        std::iter::once(prediction).chain(bounds).collect()
    }
}

impl fmt::Display for Predict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("predict")?;
        for (field, alias) in &self.fields {
            write!(f, " {}", quote_field(field))?;
            if let Some(alias) = alias {
                write!(f, " AS {}", quote_field(alias))?;
            }
        }
        for (name, value) in [
            ("algorithm", (self.algorithm != Algorithm::TrendAndSeason).then(|| self.algorithm.name().to_owned())),
            ("future_timespan", (self.future != 5).then(|| self.future.to_string())),
            ("holdback", (self.holdback != 0).then(|| self.holdback.to_string())),
            ("period", self.period.map(|period| period.to_string())),
            ("correlate", self.correlate.as_deref().map(quote_field)),
            ("suppress", self.suppress.as_deref().map(quote_field)),
        ] {
            if let Some(value) = value {
                write!(f, " {name}={value}")?;
            }
        }
        for bound in &self.bounds {
            if let Some(name) = &bound.name {
                write!(f, " {}{}={}", if bound.upper { "upper" } else { "lower" }, bound.percent, quote_field(name))?;
            }
        }
        Ok(())
    }
}

impl Command for Predict {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        let made: Vec<String> = (0..self.fields.len()).flat_map(|which| self.made(which)).collect();
        let needed = needed.without(made.iter().map(String::as_str)).with(self.fields.iter().map(|(field, _)| field.clone()));
        needed.with(self.correlate.clone()).with(["_time"])
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        if column_index(&input.schema(), "_time").is_none() {
            let error = QueryError::new("predict needs _time, which a command before it has removed");
            return Err(error.with_hint("put it behind timechart: * | timechart count | predict count"));
        }
        let (this, planner) = (self.clone(), planner.clone());
        Ok(Planned::Later(Box::pin(async move { rows::run(this, input, planner).await })))
    }
}
