//! `savedsearch`: the rows of a search that has a name.

use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::exec::Flow;
use crate::knowledge::substitute;
use crate::language::lexer::quoted;
use crate::language::{Args, QueryError, Span};
use crate::pipeline::Query;
use std::fmt;
use std::sync::Arc;

/// What `savedsearch` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "savedsearch",
    aliases: &[],
    syntax: "savedsearch <name> [<argument>=<value>]...",
    summary: "Runs a saved search; $argument$ in its text is replaced by the value. It begins a query.",
    examples: &["| savedsearch \"failed logins\"", "| savedsearch of_user user=root | stats count"],
    parse,
};

/// How errors of saved searches begin; one within another is told by the innermost.
const SAID: &str = "the saved search";

#[derive(Debug)]
struct Saved {
    name: String,
    span: Span,
    values: Vec<(String, String)>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let name = args.word("the name of a saved search")?;
    let mut values = Vec::new();
    while !args.at_end() {
        let key = args.word("an argument")?;
        args.expect_symbol("=")?;
        values.push((key.text, args.word("a value")?.text));
    }
    Ok(Box::new(Saved { name: name.text, span: name.span, values }))
}

impl fmt::Display for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "savedsearch {}", quoted(&self.name, '"'))?;
        self.values.iter().try_for_each(|(key, value)| write!(f, " {key}={}", quoted(value, '"')))
    }
}

impl Command for Saved {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Generating
    }

    fn writes(&self) -> bool {
        // What its commands do is known only when it has been read.
        true
    }

    fn plan(&self, _: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let name = self.name.clone();
        let span = self.span;
        // Its text was typed elsewhere, so that there is no place in this query to show.
        let wrong = move |error: QueryError| {
            let within = error.message.starts_with(SAID);
            let message = if within { error.message } else { format!("{SAID} {name}: {}", error.message) };
            QueryError { span: Some(span), message, ..error }
        };
        let text = planner.knowledge.saved_search(&self.name).map_err(|error| error.or_at(span))?.search;
        let text = substitute(&text, &self.values);
        let query = Query::parse_with(&text, &planner.knowledge, &planner.eval).map_err(&wrong)?;
        let flow = planner.nested(Arc::new(query), Required::all());
        Ok(Planned::Later(Box::pin(async move { flow.await.map_err(wrong) })))
    }
}
