//! `anomalousvalue`: values that are rare, or far from the others, each field on its own. It is `anomalydetection` by
//! scores, with the limits of what is judged given.

use super::anomalydetection::{Action, Detection, SCORE_THRESHOLD, Support, probability};
use super::words::quote_field;
use super::{Command, CommandInfo, Planned, Planner, Required};
use crate::eval::format_number;
use crate::exec::Flow;
use crate::language::{Args, QueryError, Word};
use std::fmt;

/// What `anomalousvalue` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "anomalousvalue",
    aliases: &[],
    syntax: "anomalousvalue [action=filter|annotate|summary] [pthresh=<0..1>] [minsupcount=<rows>] [minsupfreq=<0..1>] [maxanofreq=<0..1>] [minnormfreq=<0..1>] [<field> [, <field>]...]",
    summary: "Keeps rows with a value that is improbable in its field: a number far from the mean, a rare text. The probability is in Anomaly_Score_Num(field) or Anomaly_Score_Cat(field).",
    examples: &["* | anomalousvalue bytes, status", "* | anomalousvalue action=annotate pthresh=0.02 minsupcount=20 duration"],
    parse,
};

const ACTIONS: [&str; 3] = ["filter", "annotate", "summary"];

#[derive(Clone, Debug)]
struct AnomalousValue {
    action: &'static str,
    threshold: f64,
    support: Support,
    fields: Vec<String>,
}

fn share(name: &str, value: &Word) -> Result<f64, QueryError> {
    let share = value.number(name)?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(QueryError::at(value.span, format!("{name} is a part of all, from 0 to 1"))) }
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut this = AnomalousValue { action: ACTIONS[0], threshold: SCORE_THRESHOLD, support: Support::default(), fields: Vec::new() };
    let known = ["action", "pthresh", "minsupcount", "minsupfreq", "maxanofreq", "minnormfreq"];
    while !args.at_end() {
        let Some(option) = args.option(&known)? else {
            this.fields.push(args.field("a field name")?.name);
            args.symbol(",");
            continue;
        };
        let value = &option.value;
        match option.name.as_str() {
            "action" => {
                let name = value.one_of("action", &ACTIONS)?;
                this.action = ACTIONS.into_iter().find(|known| *known == name).unwrap_or(ACTIONS[0]);
            }
            "pthresh" => this.threshold = probability(value)?,
            "minsupcount" => this.support.rows = value.integer("minsupcount", 0)?,
            "minsupfreq" => this.support.share = share("minsupfreq", value)?,
            "maxanofreq" => this.support.anomalous = share("maxanofreq", value)?,
            _ => this.support.normal = share("minnormfreq", value)?,
        }
    }
    Ok(Box::new(this))
}

impl AnomalousValue {
    fn detection(&self) -> Detection {
        let action = match self.action {
            "annotate" => Action::Annotate,
            "summary" => Action::Summary,
            _ => Action::Filter,
        };
        Detection::of_values(INFO.name, action, self.threshold, self.support, self.fields.clone())
    }
}

impl fmt::Display for AnomalousValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(INFO.name)?;
        if self.action != ACTIONS[0] {
            write!(f, " action={}", self.action)?;
        }
        let (usual, support) = (Support::default(), self.support);
        let numbers = [
            ("pthresh", self.threshold, SCORE_THRESHOLD),
            ("minsupcount", support.rows as f64, usual.rows as f64),
            ("minsupfreq", support.share, usual.share),
            ("maxanofreq", support.anomalous, usual.anomalous),
            ("minnormfreq", support.normal, usual.normal),
        ];
        for (name, value, _) in numbers.into_iter().filter(|(_, value, usual)| value != usual) {
            write!(f, " {name}={}", format_number(value))?;
        }
        for (at, field) in self.fields.iter().enumerate() {
            write!(f, "{} {}", if at == 0 { "" } else { "," }, quote_field(field))?;
        }
        Ok(())
    }
}

impl Command for AnomalousValue {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        self.detection().required(needed)
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn makes_table(&self) -> bool {
        self.detection().makes_table()
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        self.detection().plan(input, planner)
    }
}
