//! The series of a chart: which values of a field get a column of their own, what the others become, and how the
//! columns are called. Shared by `chart` and `timechart`.
//!
//! Options and names are here; making the columns is in `pivot`.

mod pivot;

pub use pivot::{Axis, Kept, Pivot, SERIES, Splitter};

use super::words::{quote, quote_field};
use crate::functions::{Answer, Call, Function};
use crate::language::{Args, OptionArg, QueryError, Span, Word};
use std::fmt;

/// Which series a chart has.
#[derive(Clone, Debug)]
pub struct Series {
    /// The field whose values are the series.
    pub split: Option<String>,
    /// How many get a column; 10 unless told otherwise, 0 for all.
    limit: Option<usize>,
    /// Whether these are the ones with the lowest score.
    smallest: bool,
    /// How series are ranked.
    score: Score,
    /// What a series has to be like.
    filter: Option<Filter>,
    /// Whether the others have a column together.
    pub use_other: bool,
    /// Whether rows without the field have one.
    pub use_null: bool,
    /// The name of the column of the others.
    pub other: String,
    /// The name of the column of rows without the field.
    pub null: String,
    separator: String,
    format: Option<String>,
}

/// A function of the values of a series.
#[derive(Clone, Debug)]
struct Score {
    typed: String,
    function: &'static Function,
    parameter: f64,
}

impl PartialEq for Score {
    fn eq(&self, other: &Self) -> bool {
        self.typed == other.typed
    }
}

/// `WHERE sum in top5`, `WHERE max > 100`.
#[derive(Clone, Debug)]
struct Filter {
    score: Score,
    test: Test,
}

#[derive(Clone, Copy, Debug)]
enum Test {
    Among { within: bool, largest: bool, count: usize },
    Compare { sign: &'static str, number: f64 },
}

/// The options that say which series there are.
pub const OPTIONS: [&str; 8] = ["limit", "agg", "useother", "usenull", "otherstr", "nullstr", "sep", "format"];

impl Default for Series {
    fn default() -> Self {
        Self {
            split: None,
            limit: None,
            smallest: false,
            score: Score::sum(),
            filter: None,
            use_other: true,
            use_null: true,
            other: "OTHER".into(),
            null: "NULL".into(),
            separator: ": ".into(),
            format: None,
        }
    }
}

impl Score {
    fn sum() -> Self {
        let (function, parameter) = Function::find("sum").expect("sum is in the table");
        Self { typed: "sum".into(), function, parameter }
    }

    fn parse(word: &Word) -> Result<Self, QueryError> {
        let unknown = || {
            let error = QueryError::at(word.span, format!("there is no function {:?} here", word.text));
            error.with_hint("series are ranked by sum, avg, max, min, count and the like").with_suggestions(Function::near(&word.text))
        };
        let (function, parameter) = Function::find(&word.text).ok_or_else(unknown)?;
        if function.time || function.accumulator().is_none() {
            return Err(unknown());
        }
        Ok(Self { typed: word.text.to_ascii_lowercase(), function, parameter })
    }

    /// Over the values of a series; `counts` says that these are counts of rows, which `count` adds up.
    fn of(&self, values: &[f64], counts: bool) -> Option<f64> {
        let own = if counts && self.function.name == "count" { Self::sum() } else { self.clone() };
        let mut accumulator = own.function.accumulator()?(own.parameter);
        values.iter().for_each(|value| accumulator.add(crate::columns::Cell::Number(*value), None));
        match accumulator.answer() {
            Answer::Number(number) => Some(number),
            Answer::Text(text) => crate::columns::parse_number(&text),
            _ => None,
        }
    }
}

/// `top5`, `bottom3`, or a plain number.
fn ranked(word: &Word, name: &str) -> Result<(bool, usize), QueryError> {
    let text = word.text.to_ascii_lowercase();
    let (smallest, digits) = match (text.strip_prefix("bottom"), text.strip_prefix("top")) {
        (Some(digits), _) => (true, digits.to_owned()),
        (_, Some(digits)) => (false, digits.to_owned()),
        _ => (false, text.clone()),
    };
    let number = Word { text: digits, ..word.clone() };
    Ok((smallest, number.integer(name, 0)? as usize))
}

impl Series {
    /// Takes an option of [`OPTIONS`]; gives back any other.
    pub fn option(&mut self, option: OptionArg) -> Result<Option<OptionArg>, QueryError> {
        let value = &option.value;
        match option.name.as_str() {
            "limit" => {
                let (smallest, limit) = ranked(value, "limit")?;
                (self.smallest, self.limit) = (smallest, Some(limit));
            }
            "agg" => self.score = Score::parse(value)?,
            "useother" => self.use_other = value.boolean("useother")?,
            "usenull" => self.use_null = value.boolean("usenull")?,
            "otherstr" => self.other = value.text.clone(),
            "nullstr" => self.null = value.text.clone(),
            "sep" => self.separator = value.text.clone(),
            "format" => {
                if !value.text.contains("$VAL$") {
                    let error = QueryError::at(value.span, "all series would have one name");
                    return Err(error.with_hint("write format=\"$AGG$:$VAL$\": $VAL$ stands for the value, $AGG$ for the function"));
                }
                self.format = Some(value.text.clone());
            }
            _ => return Ok(Some(option)),
        }
        Ok(None)
    }

    /// Takes `WHERE ...`, if it comes next.
    pub fn condition(&mut self, args: &mut Args) -> Result<bool, QueryError> {
        if !args.keyword("where") {
            return Ok(false);
        }
        // `count>5` is one word to most; here the name ends where the comparison begins.
        let name: String = args.remaining().chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.')).collect();
        let start = args.next_span().start;
        args.symbol(&name);
        let score = Score::parse(&Word { span: Span::new(start, start + name.len()), quoted: false, text: name })?;
        let (not, within) = (args.keyword("notin"), args.keyword("in"));
        let test = if not || within {
            let word = args.word("top<count> or bottom<count>")?;
            let (smallest, count) = ranked(&word, "this")?;
            Test::Among { within, largest: !smallest, count }
        } else {
            let signs = ["<=", ">=", "!=", "==", "<", ">", "="];
            let Some(sign) = signs.into_iter().find(|sign| args.symbol(sign)) else {
                return Err(args.error("expected a comparison, or IN").with_hint("write WHERE sum in top5, or WHERE max > 100"));
            };
            let number = args.word("a number")?.number("this")?;
            Test::Compare { sign: if sign == "==" { "=" } else { sign }, number }
        };
        self.filter = Some(Filter { score, test });
        Ok(true)
    }

    /// Names that are asked for but make no sense without a field to split by.
    pub fn check(&self, command: &str) -> Result<(), QueryError> {
        if self.filter.is_some() && self.split.is_none() {
            let error = QueryError::new(format!("WHERE in {command} chooses among series, but there is no field to make them of"));
            return Err(error.with_hint("name a field after BY, or use the command `where` for rows"));
        }
        Ok(())
    }

    /// The options as typed.
    pub fn options(&self) -> Vec<(&'static str, String)> {
        let flag = |name, on: bool| (!on).then(|| (name, on.to_string()));
        let text = |name, text: &str, default: &str| (text != default).then(|| (name, quote(text)));
        let limit = self.limit.map(|limit| ("limit", format!("{}{limit}", if self.smallest { "bottom" } else { "" })));
        let score = (self.score.typed != "sum").then(|| ("agg", self.score.typed.clone()));
        let format = self.format.as_ref().map(|format| ("format", quote(format)));
        let all = [
            limit,
            score,
            flag("useother", self.use_other),
            flag("usenull", self.use_null),
            text("otherstr", &self.other, "OTHER"),
            text("nullstr", &self.null, "NULL"),
            text("sep", &self.separator, ": "),
            format,
        ];
        all.into_iter().flatten().collect()
    }

    /// The name of a column: the call, the series, or both.
    pub fn title(&self, calls: &[Call], call: &Call, series: &str) -> String {
        match (&self.split, calls.len(), &self.format) {
            (None, ..) => call.name.clone(),
            (Some(_), 1, _) => series.to_owned(),
            (Some(_), _, Some(format)) => format.replace("$AGG$", &call.name).replace("$VAL$", series),
            (Some(_), ..) => format!("{}{}{series}", call.name, self.separator),
        }
    }
}

/// Prints the condition and nothing where there is none.
impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Filter { score, test }) = &self.filter else { return Ok(()) };
        match test {
            Test::Among { within, largest, count } => {
                let (within, kind) = (if *within { "in" } else { "notin" }, if *largest { "top" } else { "bottom" });
                write!(f, " WHERE {} {within} {kind}{count}", quote_field(&score.typed))
            }
            Test::Compare { sign, number } => {
                write!(f, " WHERE {} {sign} {}", quote_field(&score.typed), crate::columns::number_text(*number))
            }
        }
    }
}
