//! `mdiff`: one text of many hosts compared with a baseline; hosts that deviate alike are one group.
//!
//! Parsing is here; gathering and comparing in `groups`.

mod groups;

use super::words::{quote, quote_field};
use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::exec::Flow;
use crate::language::{Args, QueryError, Word};
use crate::text::normal::Normal;
use regex::Regex;
use std::fmt;
use taffrail_base::limits::DIFF_BYTES_DEFAULT;

/// What `mdiff` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "mdiff",
    aliases: &[],
    syntax: "mdiff [baseline=mode|first|\"<text>\"] [attribute=<field>] [ignore=\"<regex>\"]... [normalize=json|ini|ios|nginx|xml] [maxlen=<bytes>] [BY <field>]",
    summary: "Compares one text of many hosts with a baseline: a row for each group of hosts that deviate in the same way, with the difference.",
    examples: &[
        "sourcetype=config | mdiff",
        "sourcetype=running_config | mdiff baseline=first ignore=\"^! Last configuration change.*\" normalize=ios BY device",
    ],
    parse,
};

/// What all are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Baseline {
    /// What most hosts have.
    Mode,
    /// What the first row has.
    First,
    /// This text.
    Golden(String),
}

/// `mdiff` with its arguments.
#[derive(Clone, Debug)]
struct Mdiff {
    baseline: Baseline,
    attribute: String,
    by: String,
    ignore: Vec<Regex>,
    normal: Option<Normal>,
    max_bytes: usize,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut mdiff = Mdiff {
        baseline: Baseline::Mode,
        attribute: "_raw".to_owned(),
        by: "host".to_owned(),
        ignore: Vec::new(),
        normal: None,
        max_bytes: DIFF_BYTES_DEFAULT,
    };
    while !args.at_end() {
        if args.keyword("by") {
            let field = args.field("a field after BY")?;
            if field.is_wildcard() {
                return Err(QueryError::at(field.span, "mdiff tells hosts apart by one field").with_hint("name it in full"));
            }
            mdiff.by = field.name;
            continue;
        }
        let Some(option) = args.option(&["baseline", "attribute", "ignore", "normalize", "maxlen"])? else {
            return Err(args.error("expected an option such as attribute=_raw, or BY and a field"));
        };
        let value = option.value;
        match option.name.as_str() {
            "baseline" => mdiff.baseline = baseline(value)?,
            "attribute" => mdiff.attribute = value.text,
            "ignore" => mdiff.ignore.push(regex(&value)?),
            "normalize" => mdiff.normal = Normal::named(value.one_of("normalize", &Normal::NAMES)?),
            _ => mdiff.max_bytes = value.integer("maxlen", 0)? as usize,
        }
    }
    Ok(Box::new(mdiff))
}

fn baseline(value: Word) -> Result<Baseline, QueryError> {
    if value.quoted {
        return Ok(Baseline::Golden(value.text));
    }
    match value.one_of("baseline", &["mode", "first"]) {
        Ok("first") => Ok(Baseline::First),
        Ok(_) => Ok(Baseline::Mode),
        Err(error) => Err(error.with_hint("put a text to compare with in double quotes")),
    }
}

fn regex(value: &Word) -> Result<Regex, QueryError> {
    Regex::new(&value.text).map_err(|error| {
        let detail = error.to_string();
        let last = detail.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        QueryError::at(value.span, format!("the regular expression is not valid: {last}"))
    })
}

impl fmt::Display for Mdiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mdiff")?;
        match &self.baseline {
            Baseline::Mode => {}
            Baseline::First => f.write_str(" baseline=first")?,
            Baseline::Golden(text) => write!(f, " baseline={}", quote(text))?,
        }
        if self.attribute != "_raw" {
            write!(f, " attribute={}", quote_field(&self.attribute))?;
        }
        for regex in &self.ignore {
            write!(f, " ignore={}", quote(regex.as_str()))?;
        }
        if let Some(normal) = self.normal {
            write!(f, " normalize={}", normal.name())?;
        }
        if self.max_bytes != DIFF_BYTES_DEFAULT {
            write!(f, " maxlen={}", self.max_bytes)?;
        }
        if self.by != "host" {
            write!(f, " BY {}", quote_field(&self.by))?;
        }
        Ok(())
    }
}

impl Command for Mdiff {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Reporting
    }

    fn required(&self, _: Required) -> Required {
        Required::of([self.attribute.as_str(), self.by.as_str()])
    }

    fn keeps_order(&self) -> bool {
        false
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let (this, planner) = (self.clone(), planner.clone());
        Ok(Planned::Later(Box::pin(async move { groups::run(this, input, planner).await })))
    }
}
