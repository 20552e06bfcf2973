//! `eventstats`: what `stats` computes, added to every row.

use super::stats::{check_names, expand_calls};
use super::{Command, CommandInfo, Planned, Planner, Required};
use crate::exec::aggregate::{How, aggregate_how};
use crate::exec::attach::attach;
use crate::exec::{Flow, hold};
use crate::functions::{Call, parse_calls, parse_groups, write_calls};
use crate::language::{Args, QueryError};
use std::fmt;

/// What `eventstats` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "eventstats",
    aliases: &[],
    syntax: "eventstats [allnum=<bool>] <function>(<field>) [AS <name>] [, ...] [BY <field> [, <field>]...]",
    summary: "Adds to every row what stats computes over its group, or over all rows. Rows without one of the BY fields pass unchanged.",
    examples: &["* | eventstats avg(bytes) AS mean BY host | where bytes>3*mean", "* | eventstats count AS total"],
    parse,
};

#[derive(Clone, Debug)]
struct Eventstats {
    calls: Vec<Call>,
    groups: Vec<String>,
    how: How,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut how = How::default();
    while let Some(option) = args.option(&["allnum"])? {
        how.all_numbers = option.value.boolean("allnum")?;
    }
    let calls = parse_calls(args, false)?;
    let groups = parse_groups(args, &[])?;
    args.finish()?;
    check_names(&calls, &groups)?;
    Ok(Box::new(Eventstats { calls, groups, how }))
}

/// What is needed of the input of a command that adds the columns of calls.
pub fn required_of_calls(needed: Required, calls: &[Call], groups: &[String]) -> Required {
    // A name with `*` says nothing about which columns it makes.
    let made = calls.iter().map(|call| call.name.as_str()).filter(|name| !name.contains('*'));
    needed.without(made).with(calls.iter().flat_map(Call::fields)).with(groups.iter().cloned())
}

impl fmt::Display for Eventstats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = if self.how.all_numbers { "eventstats allnum=true" } else { "eventstats" }.to_owned();
        write_calls(&mut out, &self.calls, &self.groups);
        f.write_str(&out)
    }
}

impl Command for Eventstats {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        required_of_calls(needed, &self.calls, &self.groups)
    }

    fn needs_order(&self) -> bool {
        self.calls.iter().any(|call| call.function.order)
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let calls = expand_calls(&self.calls, &self.groups, &input.names())?;
        let (groups, how, planner) = (self.groups.clone(), self.how, planner.clone());
        Ok(Planned::Later(Box::pin(async move {
            // Read once: what comes before may be costly, or chance.
            let rows = hold(input, &planner.context, |_| Ok(())).await?;
            let table = aggregate_how(rows.clone(), &groups, &calls, how, &planner)?;
            Ok(attach(rows, &groups, table, &planner.context).await?)
        })))
    }
}
