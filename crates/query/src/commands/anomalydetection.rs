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
use crate::language::{Args, QueryError};
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
enum Method {
    /// By the product of how frequent each value is.
    Histogram,
    /// By each value on its own: its distance from the mean, or how rare it is.
    Score,
    /// As `outlier`.
    Quartiles,
}

/// What is done with what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Filter,
    Annotate,
    Summary,
    Transform,
    Remove,
}

const METHODS: [&str; 3] = ["histogram", "zscore", "iqr"];
const ACTIONS: [&str; 5] = ["filter", "annotate", "summary", "transform", "remove"];

/// `anomalydetection` with its arguments.
#[derive(Clone, Debug)]
struct Detection {
    method: Method,
    action: Action,
    threshold: Option<f64>,
    cutoff: bool,
    fields: Vec<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut this = Detection { method: Method::Histogram, action: Action::Filter, threshold: None, cutoff: true, fields: Vec::new() };
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
                    let threshold = value.number("pthresh")?;
                    if threshold <= 0.0 || threshold > 1.0 {
                        let error = QueryError::at(value.span, "pthresh is a probability above 0 and at most 1");
                        return Err(error.with_hint("the lower, the fewer rows: 0.01 is usual"));
                    }
                    this.threshold = Some(threshold);
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

impl Detection {
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
        INFO.name
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
