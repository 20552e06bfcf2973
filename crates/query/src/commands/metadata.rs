//! `metadata`: the hosts, sources or sourcetypes that there are, with their first and last events.

use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use crate::pipeline::Subsearch;
use std::fmt;
use std::sync::Arc;

/// What `metadata` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "metadata",
    aliases: &[],
    syntax: "metadata type=hosts|sources|sourcetypes [index=<name>]...",
    summary: "A row for each host, source or sourcetype: its first and last event, when the last one was received, and how many there are. It begins a query.",
    examples: &[
        "| metadata type=hosts | where lastTime < relative_time(now(), \"-1h\")",
        "| metadata type=sourcetypes index=main index=web",
    ],
    parse,
};

/// What is listed, and the field that tells it.
const KINDS: [(&str, &str); 3] = [("hosts", "host"), ("sources", "source"), ("sourcetypes", "sourcetype")];

#[derive(Debug)]
struct Metadata {
    kind: (&'static str, &'static str),
    indexes: Vec<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let (mut kind, mut indexes) = (None, Vec::new());
    while !args.at_end() {
        let Some(option) = args.option(&["type", "index", "splunk_server", "splunk_server_group", "datatype"])? else {
            return Err(args.error("expected an option").with_hint("the options are type and index"));
        };
        match option.name.as_str() {
            "type" => {
                let name = option.value.one_of("type", &KINDS.map(|(name, _)| name))?;
                kind = KINDS.into_iter().find(|(known, _)| *known == name);
            }
            "index" => indexes.push(option.value.text),
            // There is one server, and all it has are events.
            _ => {}
        }
        args.symbol(",");
    }
    let Some(kind) = kind else {
        return Err(args.error("metadata needs a type").with_hint("write type=hosts, type=sources or type=sourcetypes"));
    };
    Ok(Box::new(Metadata { kind, indexes }))
}

impl fmt::Display for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "metadata type={}", self.kind.0)?;
        self.indexes.iter().try_for_each(|index| write!(f, " index={}", super::words::quote(index)))
    }
}

impl Command for Metadata {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Generating
    }

    fn plan(&self, _: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let (kind, field) = self.kind;
        let indexes: Vec<String> = self.indexes.iter().map(|index| format!("index={}", super::words::quote(index))).collect();
        let text = format!(
            "({}) | stats min(_time) AS firstTime, max(_time) AS lastTime, max(_indextime) AS recentTime, count AS totalCount BY {field} \
             | eval type=\"{kind}\"",
            if indexes.is_empty() { "*".to_owned() } else { indexes.join(" OR ") }
        );
        let flow = planner.nested(Arc::new(Subsearch::search(&text)?), Required::all());
        Ok(Planned::Later(Box::pin(async move { Ok(Flow { table: true, ..flow.await? }) })))
    }
}
