//! `anomalydetection`: rows whose values are improbable.
//!
//! Parsing is here, what is known of the fields in `profile`, and how rows are judged by it in `judge`.

mod judge;
mod profile;

use super::outlier::Outlier;
use super::words::quote_field;
use super::{Command, CommandInfo, Planned, Planner, Required};
use crate::eval::format_number;
use crate::exec::Flow;
use crate::language::{Args, QueryError, Word};
use std::fmt;

/// What `anomalydetection` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "anomalydetection",
    aliases: &[],
    syntax: "anomalydetection [method=histogram|zscore|iqr] [action=filter|annotate|summary|transform|remove] [pthresh=<0..1>] [cutoff=<bool>] [<field> [, <field>]...]",
    summary: "Finds rows whose values are improbable: rare, or far from the others.",
    examples: &["* | anomalydetection user, status, bytes", "* | anomalydetection method=zscore action=annotate pthresh=0.001 duration"],
    parse,
};

/// How rows are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// By the product of how frequent each value is.
    Histogram,
    /// By each value on its own: its distance from the mean, or how rare it is.
    Score,
    /// As `outlier`.
    Quartiles,
}

/// What is done with what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Filter,
    Annotate,
    Summary,
    Transform,
    Remove,
}

const METHODS: [&str; 3] = ["histogram", "zscore", "iqr"];
const ACTIONS: [&str; 5] = ["filter", "annotate", "summary", "transform", "remove"];

/// Which fields are judged on their own, by how much is known of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Support {
    /// In how many rows it has to be.
    pub rows: i64,
    /// In what part of all rows.
    pub share: f64,
    /// Of what part of its values no more may be anomalies: else it says nothing.
    pub anomalous: f64,
    /// What part of its values have to be none.
    pub normal: f64,
}

impl Default for Support {
    fn default() -> Self {
        Self { rows: 100, share: 0.05, anomalous: 0.05, normal: 0.01 }
    }
}

/// The probability below which a value on its own is an anomaly.
pub(super) const SCORE_THRESHOLD: f64 = 0.01;

/// `anomalydetection` with its arguments.
#[derive(Clone, Debug)]
pub(super) struct Detection {
    /// The command that it is, for what is told.
    name: &'static str,
    method: Method,
    action: Action,
    threshold: Option<f64>,
    cutoff: bool,
    support: Support,
    fields: Vec<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut this = Detection::new(INFO.name, Method::Histogram);
    let mut action = None;
    while !args.at_end() {
        if let Some(option) = args.option(&["method", "action", "pthresh", "cutoff"])? {
            let value = option.value;
            match option.name.as_str() {
                "method" => {
                    this.method = match value.one_of("method", &METHODS)? {
                        "zscore" => Method::Score,
                        "iqr" => Method::Quartiles,
                        _ => Method::Histogram,
                    }
                }
                "action" => action = Some((value.one_of("action", &ACTIONS)?, value.span)),
                "pthresh" => {
                    this.threshold = Some(probability(&value)?);
                }
                _ => this.cutoff = value.boolean("cutoff")?,
            }
        } else {
            this.fields.push(args.field("a field name")?.name);
            args.symbol(",");
        }
    }
    let quartiles = this.method == Method::Quartiles;
    let (name, span) = match action {
        Some((name, span)) => (name, Some(span)),
        None => (if quartiles { "transform" } else { "filter" }, None),
    };
    this.action = match name {
        "annotate" => Action::Annotate,
        "summary" => Action::Summary,
        "transform" => Action::Transform,
        "remove" => Action::Remove,
        _ => Action::Filter,
    };
    let fits = matches!(this.action, Action::Transform | Action::Remove) == quartiles;
    match (fits, span) {
        (false, Some(span)) => {
            let error = QueryError::at(span, format!("method={} has no action {name}", METHODS[this.method as usize]));
            Err(error.with_hint(if quartiles { "use action=transform or action=remove" } else { "use action=filter, annotate or summary" }))
        }
        _ => Ok(Box::new(this)),
    }
}

/// A threshold of probabilities.
pub(super) fn probability(value: &Word) -> Result<f64, QueryError> {
    let threshold = value.number("pthresh")?;
    if threshold <= 0.0 || threshold > 1.0 {
        let error = QueryError::at(value.span, "pthresh is a probability above 0 and at most 1");
        return Err(error.with_hint("the lower, the fewer rows: 0.01 is usual"));
    }
    Ok(threshold)
}

impl Detection {
    fn new(name: &'static str, method: Method) -> Self {
        Self { name, method, action: Action::Filter, threshold: None, cutoff: true, support: Support::default(), fields: Vec::new() }
    }

    /// Values judged one by one.
    pub(super) fn of_values(name: &'static str, action: Action, threshold: f64, support: Support, fields: Vec<String>) -> Self {
        Self { action, threshold: Some(threshold), support, fields, ..Self::new(name, Method::Score) }
    }

    fn outlier(&self) -> Outlier {
        Outlier::of_fields(self.action == Action::Remove, self.fields.clone())
    }

    /// The fields that it adds.
    fn made(&self) -> &'static [&'static str] {
        match self.method {
            Method::Histogram => &["log_event_prob", "max_freq", "probable_cause", "probable_cause_freq"],
            _ => &[],
        }
    }
}

impl fmt::Display for Detection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anomalydetection")?;
        if self.method != Method::Histogram {
            write!(f, " method={}", METHODS[self.method as usize])?;
        }
        if self.action != Action::Filter {
            write!(f, " action={}", ACTIONS[self.action as usize])?;
        }
        if let Some(threshold) = self.threshold {
            write!(f, " pthresh={}", format_number(threshold))?;
        }
        if !self.cutoff {
            f.write_str(" cutoff=false")?;
        }
        for (at, field) in self.fields.iter().enumerate() {
            write!(f, "{} {}", if at == 0 { "" } else { "," }, quote_field(field))?;
        }
        Ok(())
    }
}

impl Command for Detection {
    fn name(&self) -> &'static str {
        self.name
    }

    fn required(&self, needed: Required) -> Required {
        if self.fields.is_empty() {
            return Required::all();
        }
        if self.action == Action::Summary {
            return Required::of(self.fields.iter().cloned());
        }
        needed.without(self.made().iter().copied()).with(self.fields.iter().cloned())
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn makes_table(&self) -> bool {
        self.action == Action::Summary
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        if self.method == Method::Quartiles {
            return self.outlier().plan(input, planner);
        }
        let (this, planner) = (self.clone(), planner.clone());
        Ok(Planned::Later(Box::pin(async move { judge::run(this, input, planner).await })))
    }
}
