//! `timechart`: aggregates over spans of time, each series a column.
//!
//! Parsing and the choice of spans are here; making the columns is in `pivot`.

mod pivot;
mod span;

pub use span::{Floor, auto_span, search_range, span_text};

use super::words::{quote, quote_field};
use super::{Command, CommandInfo, Planned, Planner, Required};
use crate::exec::Flow;
use crate::functions::{Call, write_calls};
use crate::language::{Args, BinSpan, QueryError, TimeSpan};
use std::fmt;

/// What `timechart` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "timechart",
    aliases: &[],
    syntax: "timechart [span=<time>] [bins=<count>] [minspan=<time>] [cont=<bool>] [fixedrange=<bool>] [limit=<count>] [useother=<bool>] [usenull=<bool>] <function>(<field>) [AS <name>] [, ...] [BY <field>]",
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
    continuous: bool,
    fixed_range: bool,
    limit: usize,
    smallest: bool,
    use_other: bool,
    use_null: bool,
    other: String,
    null: String,
    calls: Vec<Call>,
    split: Option<String>,
}

const OPTIONS: [&str; 12] =
    ["span", "bins", "minspan", "cont", "fixedrange", "partial", "limit", "useother", "usenull", "otherstr", "nullstr", "aligntime"];

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut chart = Timechart {
        span: None,
        bins: 100,
        min_span: None,
        continuous: true,
        fixed_range: true,
        limit: 10,
        smallest: false,
        use_other: true,
        use_null: true,
        other: "OTHER".into(),
        null: "NULL".into(),
        calls: Vec::new(),
        split: None,
    };
    while !args.at_end() {
        let span = args.next_span();
        if chart.option(args)? {
        } else if args.peek_keyword("by") {
            args.keyword("by");
            let field = args.field("a field after BY")?;
            if chart.split.is_some() || field.is_wildcard() {
                return Err(QueryError::at(field.span, "timechart splits by one field").with_hint("use `bin _time` and `stats` for more"));
            }
            chart.split = Some(field.name);
        } else if chart.split.is_some() {
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
    Ok(Box::new(chart))
}

impl Timechart {
    fn option(&mut self, args: &mut Args) -> Result<bool, QueryError> {
        let Some(option) = args.option(&OPTIONS)? else { return Ok(false) };
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
            "useother" => self.use_other = value.boolean("useother")?,
            "usenull" => self.use_null = value.boolean("usenull")?,
            "otherstr" => self.other = value.text.clone(),
            "nullstr" => self.null = value.text.clone(),
            "limit" => {
                let text = value.text.to_ascii_lowercase();
                let (smallest, digits) = match (text.strip_prefix("bottom"), text.strip_prefix("top")) {
                    (Some(digits), _) => (true, digits.to_owned()),
                    (_, Some(digits)) => (false, digits.to_owned()),
                    _ => (false, text.clone()),
                };
                let number = crate::language::Word { text: digits, ..value.clone() };
                (self.smallest, self.limit) = (smallest, number.integer("limit", 0)? as usize);
            }
            "aligntime" => {
                let error = QueryError::at(option.span, "timechart does not support aligntime yet");
                return Err(error.with_hint("spans are aligned to the clock: span=1h begins on the hour"));
            }
            _ => {
                value.boolean("partial")?;
            }
        }
        Ok(true)
    }
}

impl fmt::Display for Timechart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = |on: bool, default: bool| (on != default).then(|| on.to_string());
        let limit = format!("{}{}", if self.smallest { "bottom" } else { "" }, self.limit);
        let options = [
            ("span", self.span.map(span_text)),
            ("bins", (self.bins != 100).then(|| self.bins.to_string())),
            ("minspan", self.min_span.map(span_text)),
            ("cont", flag(self.continuous, true)),
            ("fixedrange", flag(self.fixed_range, true)),
            ("limit", (limit != "10").then_some(limit)),
            ("useother", flag(self.use_other, true)),
            ("usenull", flag(self.use_null, true)),
            ("otherstr", (self.other != "OTHER").then(|| quote(&self.other))),
            ("nullstr", (self.null != "NULL").then(|| quote(&self.null))),
        ];
        f.write_str("timechart")?;
        for (name, value) in options {
            if let Some(value) = value {
                write!(f, " {name}={value}")?;
            }
        }
        let mut out = String::new();
        write_calls(&mut out, &self.calls, &[]);
        f.write_str(&out)?;
        match &self.split {
            Some(split) => write!(f, " BY {}", quote_field(split)),
            None => Ok(()),
        }
    }
}

impl Command for Timechart {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, _: Required) -> Required {
        Required::of(self.calls.iter().flat_map(Call::fields)).with(self.split.clone()).with(["_time"])
    }

    fn needs_order(&self) -> bool {
        self.calls.iter().any(|call| call.function.order)
    }

    fn keeps_order(&self) -> bool {
        false
    }

    fn makes_table(&self) -> bool {
        true
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
        Ok(Planned::Later(Box::pin(async move { pivot::run(chart, input, planner).await })))
    }
}
