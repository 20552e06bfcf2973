//! `convert`: values from one form to another: dates, durations, sizes, numbers with commas or units.

use super::columns_set::{Maker, is_list, list_field, set, text_field};
use super::words::{Wild, quote, quote_field};
use super::{Command, CommandInfo, Planned, Planner, Required, column_index};
use crate::columns::{Values, lists, number_text, parse_number};
use crate::exec::{Flow, hold};
use crate::language::{Args, QueryError, TimeFormat};
use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field};
use datafusion::error::Result as ExecResult;
use jiff::tz::TimeZone;
use std::fmt;
use std::sync::Arc;
use taffrail_event::Timestamp;

/// What `convert` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "convert",
    aliases: &[],
    syntax: "convert [timeformat=\"<format>\"] <function>(<field>) [AS <name>] [[,] <function>(<field>) [AS <name>]]...",
    summary: "Converts values: auto, ctime, mktime, dur2sec, mstime, memk, num, none, rmcomma, rmunit; what cannot be converted becomes null.",
    examples: &["* | convert timeformat=\"%H:%M\" ctime(_time) AS clock", "* | convert dur2sec(took) AS seconds memk(size) none(host)"],
    parse,
};

const FUNCTIONS: [&str; 10] = ["auto", "ctime", "mktime", "dur2sec", "mstime", "memk", "num", "none", "rmcomma", "rmunit"];

const TIME_FORMAT: &str = "%m/%d/%Y %H:%M:%S";

#[derive(Clone, Debug)]
struct Call {
    function: &'static str,
    field: String,
    name: Option<String>,
}

#[derive(Clone, Debug)]
struct Convert {
    time_format: String,
    calls: Vec<Call>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut convert = Convert { time_format: TIME_FORMAT.into(), calls: Vec::new() };
    while !args.at_end() {
        if let Some(option) = args.option(&["timeformat"])? {
            convert.time_format = option.value.text;
            continue;
        }
        let Some(word) = args.call() else { return Err(args.error("expected a conversion such as ctime(_time)")) };
        let function = word.one_of("the conversion", &FUNCTIONS)?;
        let field = args.field("a field name")?;
        args.expect_symbol(")")?;
        let mut name = None;
        if args.keyword("as") {
            let new = args.field("the new name")?;
            let (left, right) = (Wild::new(&field.name).stars(), Wild::new(&new.name).stars());
            if left != right {
                let error = QueryError::at(new.span, format!("{:?} has {left} `*` and {:?} has {right}", field.name, new.name));
                return Err(error.with_hint("both names need the same number of `*`"));
            }
            name = Some(new.name);
        }
        convert.calls.push(Call { function, field: field.name, name });
        args.symbol(",");
    }
    if convert.calls.is_empty() {
        return Err(args.error("expected a conversion such as ctime(_time)"));
    }
    Ok(Box::new(convert))
}

impl fmt::Display for Convert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("convert")?;
        if self.time_format != TIME_FORMAT {
            write!(f, " timeformat={}", quote(&self.time_format))?;
        }
        for (at, call) in self.calls.iter().enumerate() {
            write!(f, "{} {}({})", if at == 0 { "" } else { "," }, call.function, quote_field(&call.field))?;
            if let Some(name) = &call.name {
                write!(f, " AS {}", quote_field(name))?;
            }
        }
        Ok(())
    }
}

impl Command for Convert {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, mut needed: Required) -> Required {
        for call in self.calls.iter().rev() {
            match &call.name {
                Some(name) if name.contains('*') => return Required::all(),
                Some(name) if needed.contains(name) && *name != call.field => {
                    needed = needed.without([name.as_str()]).with([call.field.clone()]);
                }
                _ => {}
            }
        }
        needed
    }

    fn streaming(&self) -> bool {
        // Whether `auto` converts a field depends on all rows.
        self.calls.iter().all(|call| call.function != "auto")
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn keeps_rows(&self) -> bool {
        self.streaming()
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let work = self.conversions(&input);
        let clock = Clock { format: Arc::new(TimeFormat::new(&self.time_format)), now: planner.eval.now, tz: planner.eval.tz.clone() };
        if self.streaming() {
            return Ok(converted(input, work, &clock).into());
        }
        let context = planner.context.clone();
        Ok(Planned::Later(Box::pin(async move {
            let schema = input.schema();
            let mut sources: Vec<(usize, usize, bool)> = Vec::new();
            for (at, conversion) in work.iter().enumerate().filter(|(_, conversion)| conversion.function == "auto") {
                sources.extend(column_index(&schema, &conversion.field).map(|column| (at, column, true)));
            }
            let look = |batch: &RecordBatch| {
                for (_, column, fits) in sources.iter_mut().filter(|(.., fits)| *fits) {
                    let values = Values::of(batch.column(*column))?;
                    (0..batch.num_rows()).for_each(|row| values.each(row, |cell| *fits &= best(&cell.text()).is_some()));
                }
                Ok(())
            };
            let held = hold(input, &context, look).await?;
            let left: Vec<usize> = sources.iter().filter(|(.., fits)| !fits).map(|(at, ..)| *at).collect();
            // Left as it is; under its new name too where it has one.
            let work = work.into_iter().enumerate().filter_map(|(at, conversion)| match left.contains(&at) {
                true if conversion.name == conversion.field => None,
                true => Some(Conversion { function: "copy", ..conversion }),
                false => Some(conversion),
            });
            Ok(converted(held, work.collect(), &clock))
        })))
    }
}

/// One field to be converted.
#[derive(Clone, Debug)]
struct Conversion {
    function: &'static str,
    field: String,
    name: String,
}

/// What conversions of times need.
#[derive(Clone)]
struct Clock {
    format: Arc<TimeFormat>,
    now: Timestamp,
    tz: TimeZone,
}

impl Convert {
    /// The conversions with their wildcards resolved, without the fields that `none` leaves out.
    fn conversions(&self, input: &Flow) -> Vec<Conversion> {
        let columns = input.names();
        let none: Vec<Wild> = self.calls.iter().filter(|call| call.function == "none").map(|call| Wild::new(&call.field)).collect();
        let mut found = Vec::new();
        for call in self.calls.iter().filter(|call| call.function != "none") {
            let wild = Wild::new(&call.field);
            for field in columns.iter().filter(|column| wild.matches(column) && !none.iter().any(|none| none.matches(column))) {
                let name = call.name.as_ref().and_then(|name| wild.rename(field, name)).unwrap_or_else(|| field.clone());
                found.push(Conversion { function: call.function, field: field.clone(), name });
            }
        }
        found
    }
}

fn converted(mut input: Flow, work: Vec<Conversion>, clock: &Clock) -> Flow {
    for conversion in work {
        let schema = input.schema();
        let Some(at) = column_index(&schema, &conversion.field) else { continue };
        let source = schema.field(at);
        let function = conversion.function;
        let text = matches!(function, "ctime" | "rmcomma" | "rmunit");
        let field = match function {
            "copy" => source.clone().with_name(&conversion.name),
            _ if is_list(source) => list_field(&conversion.name),
            _ if text => text_field(&conversion.name, function != "ctime"),
            _ => Field::new(&conversion.name, DataType::Float64, true),
        };
        let (clock, list) = (clock.clone(), is_list(source));
        let maker: Maker = Arc::new(move |batch: &RecordBatch| column(batch.column(at), function, list, text, &clock));
        input = set("convert", input, vec![(field, maker)]);
    }
    input
}

fn column(column: &ArrayRef, function: &'static str, list: bool, text: bool, clock: &Clock) -> ExecResult<ArrayRef> {
    if function == "copy" {
        return Ok(column.clone());
    }
    let values = Values::of(column)?;
    let row = |row: usize| {
        let mut out = Vec::new();
        values.each(row, |cell| out.extend(value(&cell.text(), function, clock)));
        out
    };
    if list {
        let rows: Vec<Vec<String>> = (0..column.len()).map(row).collect();
        return Ok(lists(rows.iter().map(|values| Some(values.as_slice()))));
    }
    if text {
        return Ok(Arc::new((0..column.len()).map(|at| row(at).pop()).collect::<StringArray>()));
    }
    Ok(Arc::new((0..column.len()).map(|at| row(at).pop().and_then(|text| parse_number(&text))).collect::<Float64Array>()))
}

fn value(text: &str, function: &str, clock: &Clock) -> Option<String> {
    let number = match function {
        "ctime" => {
            let nanos = crate::columns::nanos_of_seconds(parse_number(text)?)?;
            return Some(clock.format.format(Timestamp(nanos), &clock.tz));
        }
        "rmcomma" => return Some(text.replace(',', "")),
        "rmunit" => return leading_number(text).map(str::to_owned),
        "mktime" => clock.format.parse(text, clock.now, &clock.tz).map(Timestamp::seconds_f64),
        "dur2sec" => duration(text),
        "mstime" => minutes(text),
        "memk" => kilobytes(text),
        _ => best(text),
    };
    number.map(number_text)
}

/// The number that a text is in any of the forms that there are.
fn best(text: &str) -> Option<f64> {
    let grouped = || text.contains(',').then(|| parse_number(&text.replace(',', ""))).flatten();
    parse_number(text).or_else(grouped).or_else(|| duration(text)).or_else(|| minutes(text)).or_else(|| kilobytes(text))
}

/// The number at the beginning of a text.
fn leading_number(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let sign = usize::from(text.starts_with(['-', '+']));
    let digits = text[sign..].find(|c: char| !c.is_ascii_digit() && c != '.').map_or(text.len(), |end| end + sign);
    parse_number(&text[..digits]).map(|_| &text[..digits])
}

/// Seconds of `[D+]HH:MM:SS`.
fn duration(text: &str) -> Option<f64> {
    let (days, clock) = text.trim().split_once('+').unwrap_or(("0", text.trim()));
    let parts: Vec<&str> = clock.split(':').collect();
    let [hours, minutes, seconds] = parts[..] else { return None };
    let whole = |text: &str| text.parse::<u32>().ok().map(f64::from);
    let seconds = parse_number(seconds).filter(|seconds| (0.0..60.0).contains(seconds))?;
    let minutes = whole(minutes).filter(|minutes| *minutes < 60.0)?;
    Some(whole(days)? * 86_400.0 + whole(hours)? * 3_600.0 + minutes * 60.0 + seconds)
}

/// Seconds of `[MM:]SS.SSS`.
fn minutes(text: &str) -> Option<f64> {
    let (minutes, seconds) = text.trim().split_once(':').unwrap_or(("0", text.trim()));
    let seconds = parse_number(seconds).filter(|seconds| *seconds >= 0.0)?;
    Some(f64::from(minutes.parse::<u32>().ok()?) * 60.0 + seconds)
}

/// Kilobytes of a size with `k`, `m` or `g`; kilobytes without.
fn kilobytes(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "k" | "kb" => 1.0,
        "m" | "mb" => 1024.0,
        "g" | "gb" => 1024.0 * 1024.0,
        _ => return None,
    };
    Some(parse_number(digits.trim_end())? * factor)
}
