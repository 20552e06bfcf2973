//! `appendpipe`: what further commands make of the rows, after the rows.

use super::{Command, CommandInfo, Planned, Planner, Required};
use crate::exec::Flow;
use crate::exec::combine::{concat, held};
use crate::language::{Args, QueryError};
use crate::pipeline::{Subsearch, plan};
use std::fmt;

/// What `appendpipe` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "appendpipe",
    aliases: &[],
    syntax: "appendpipe [run_in_preview=<bool>] [ <commands> ]",
    summary: "Adds what the commands in brackets make of the rows that are there, such as their totals, after these rows.",
    examples: &["* | stats count BY host | appendpipe [ stats sum(count) AS count | eval host=\"all\" ]"],
    parse,
};

#[derive(Debug)]
struct AppendPipe {
    commands: Subsearch,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    while let Some(option) = args.option(&["run_in_preview"])? {
        // Previews are made of the same commands here; there is nothing to choose.
        option.value.boolean("run_in_preview")?;
    }
    let commands = args.subpipeline()?.ok_or_else(|| args.error("expected commands in brackets").with_hint("write [ stats count ]"))?;
    args.finish()?;
    Ok(Box::new(AppendPipe { commands }))
}

impl fmt::Display for AppendPipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "appendpipe {}", self.commands)
    }
}

impl Command for AppendPipe {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn writes(&self) -> bool {
        self.commands.query.writes()
    }

    fn required(&self, needed: Required) -> Required {
        // Both the rows and what is made of them are seen.
        let inner = crate::pipeline::required(&self.commands.query.commands, needed.clone());
        if needed.is_open() || inner.is_open() { Required::all() } else { needed.with(inner.names) }
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let (query, mut planner) = (self.commands.query.clone(), planner.clone());
        planner.direct = None;
        Ok(Planned::Later(Box::pin(async move {
            let rows = held(input.single(), &planner.context).await?;
            let query = query.resolved(&planner).await?;
            let made = plan(rows.clone(), &query.commands, &planner).await.map_err(|error| query.place(error))?;
            let table = rows.table;
            Ok(concat("appendpipe", vec![rows, made.single()], table))
        })))
    }
}
