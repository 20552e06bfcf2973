//! `timechart`: aggregates over spans of time, each series a column.
//!
//! Parsing is here; choosing spans is in `span`, what makes the table in `run`.

mod run;
mod span;

pub use span::{Align, Floor, auto_span, search_range, span_text};

use super::series::{self, Series};
use super::words::quote_field;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::exec::Flow;
use crate::functions::{Call, write_calls};
use crate::language::{Args, BinSpan, QueryError, TimeSpan};
use std::fmt;

/// What `timechart` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "timechart",
    aliases: &[],
    syntax: "timechart [span=<time>] [bins=<count>] [minspan=<time>] [aligntime=earliest|latest|<time>] [cont=<bool>] [fixedrange=<bool>] [partial=<bool>] [limit=[top|bottom]<count>] [agg=<function>] [useother=<bool>] [usenull=<bool>] [otherstr=<text>] [nullstr=<text>] [sep=<text>] [format=<text>] <function>(<field>) [AS <name>] [, ...] [BY <field> [WHERE <function> in|notin top|bottom<count> | WHERE <function> <comparison> <number>]]",
    summary: "Aggregates over spans of time, empty ones included; BY makes a column of each value, the largest 10 and OTHER.",
    examples: &["error | timechart count", "* | timechart span=1h avg(bytes) BY host limit=5"],
    parse,
};

/// `timechart` with its arguments.
#[derive(Clone, Debug)]
pub struct Timechart {
    span: Option<TimeSpan>,
    bins: usize,
    min_span: Option<TimeSpan>,
    align: Option<Align>,
    continuous: bool,
    fixed_range: bool,
    partial: bool,
    series: Series,
    calls: Vec<Call>,
}

const OPTIONS: [&str; 7] = ["span", "bins", "minspan", "aligntime", "cont", "fixedrange", "partial"];

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut chart = Timechart {
        span: None,
        bins: 100,
        min_span: None,
        align: None,
        continuous: true,
        fixed_range: true,
        partial: true,
        series: Series::default(),
        calls: Vec::new(),
    };
    while !args.at_end() {
        let span = args.next_span();
        if chart.option(args)? || (!chart.calls.is_empty() && chart.series.condition(args)?) {
        } else if args.peek_keyword("by") {
            args.keyword("by");
            let field = args.field("a field after BY")?;
            if chart.series.split.is_some() || field.is_wildcard() {
                return Err(QueryError::at(field.span, "timechart splits by one field").with_hint("use `bin _time` and `stats` for more"));
            }
            chart.series.split = Some(field.name);
        } else if chart.series.split.is_some() {
            let hint = "use `bin _time` and `stats` for more fields";
            return Err(QueryError::at(span, "timechart splits by one field").with_hint(hint));
        } else {
            chart.calls.push(Call::parse(args)?);
            args.symbol(",");
        }
    }
    if chart.calls.is_empty() {
        return Err(args.error("expected a function such as count or avg(field)"));
    }
    super::stats::check_names(&chart.calls, &["_time".to_owned()])?;
    chart.series.check("timechart")?;
    Ok(Box::new(chart))
}

impl Timechart {
    fn option(&mut self, args: &mut Args) -> Result<bool, QueryError> {
        let known: Vec<&str> = OPTIONS.into_iter().chain(series::OPTIONS).collect();
        let Some(option) = args.option(&known)? else { return Ok(false) };
        let Some(option) = self.series.option(option)? else { return Ok(true) };
        let time = |span: BinSpan| match span {
            BinSpan::Time(span) => Ok(span),
            _ => Err(QueryError::at(option.value.span, "this needs a span of time").with_hint("write for example 5m, 1h or 1d")),
        };
        let value = &option.value;
        match option.name.as_str() {
            "span" if value.text.eq_ignore_ascii_case("auto") => self.span = None,
            "span" => self.span = Some(time(value.span_value("span")?)?),
            "minspan" => self.min_span = Some(time(value.span_value("minspan")?)?),
            "bins" => self.bins = value.integer("bins", 1)? as usize,
            "cont" => self.continuous = value.boolean("cont")?,
            "fixedrange" => self.fixed_range = value.boolean("fixedrange")?,
            "partial" => self.partial = value.boolean("partial")?,
            _ => self.align = Some(Align::parse(value)?),
        }
        Ok(true)
    }
}

impl fmt::Display for Timechart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = |on: bool, default: bool| (on != default).then(|| on.to_string());
        let options = [
            ("span", self.span.map(span_text)),
            ("bins", (self.bins != 100).then(|| self.bins.to_string())),
            ("minspan", self.min_span.map(span_text)),
            ("aligntime", self.align.as_ref().map(Align::text)),
            ("cont", flag(self.continuous, true)),
            ("fixedrange", flag(self.fixed_range, true)),
            ("partial", flag(self.partial, true)),
        ];
        f.write_str("timechart")?;
        for (name, value) in options {
            if let Some(value) = value {
                write!(f, " {name}={value}")?;
            }
        }
        for (name, value) in self.series.options() {
            write!(f, " {name}={value}")?;
        }
        let mut out = String::new();
        write_calls(&mut out, &self.calls, &[]);
        f.write_str(&out)?;
        match &self.series.split {
            Some(split) => write!(f, " BY {}{}", quote_field(split), self.series),
            None => Ok(()),
        }
    }
}

impl Command for Timechart {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Reporting
    }

    fn required(&self, _: Required) -> Required {
        Required::of(self.calls.iter().flat_map(Call::fields)).with(self.series.split.clone()).with(["_time"])
    }

    fn needs_order(&self) -> bool {
        self.calls.iter().any(|call| call.function.order)
    }

    fn keeps_order(&self) -> bool {
        false
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        if super::column_index(&input.schema(), "_time").is_none() {
            let error = QueryError::new("timechart needs _time, which a command before it has removed");
            return Err(error.with_hint("keep _time: add it to `table`, or to BY in `stats`"));
        }
        let columns = input.names();
        let mut chart = self.clone();
        chart.calls = self.calls.iter().flat_map(|call| call.expand(&columns)).collect();
        super::stats::some_calls(&chart.calls)?;
        let planner = planner.clone();
        Ok(Planned::Later(Box::pin(async move { run::run(chart, input, planner).await })))
    }
}
