//! `from`: the rows of something that has a name: a lookup, a saved search, an index.

use super::stands_for::searched;
use super::words::quote;
use super::{Command, CommandInfo, Kind, Planned, Planner};
use crate::exec::Flow;
use crate::language::{Args, QueryError};
use std::fmt;

/// What `from` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "from",
    aliases: &[],
    syntax: "from lookup:<name>|savedsearch:<name>|index:<name>",
    summary: "The rows of a lookup, of a saved search or of an index. It begins a query.",
    examples: &["| from lookup:people | where dept=\"sales\"", "| from savedsearch:\"failed logins\" | stats count BY user"],
    parse,
};

const KINDS: [&str; 3] = ["lookup", "savedsearch", "index"];

#[derive(Debug)]
struct From {
    kind: &'static str,
    name: String,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let word = args.word("what the rows are of, such as lookup:people")?;
    let Some((kind, name)) = word.text.split_once(':') else {
        let error = QueryError::at(word.span, format!("`{}` does not say what it is the name of", word.text));
        return Err(error.with_hint("write lookup:, savedsearch: or index: before it"));
    };
    if kind.eq_ignore_ascii_case("datamodel") {
        return Err(QueryError::at(word.span, "there are no data models")
            .with_hint("save the search that makes these rows, and write savedsearch: and its name"));
    }
    let kind = if kind.eq_ignore_ascii_case("inputlookup") { "lookup" } else { kind };
    let kind = crate::language::Word { text: kind.to_owned(), ..word.clone() }.one_of("what is before the colon", &KINDS)?;
    let kind = KINDS.into_iter().find(|known| *known == kind).unwrap_or(KINDS[0]);
    let name = if name.is_empty() && !args.at_end() { args.word("a name")?.text } else { name.trim_matches('"').to_owned() };
    if name.is_empty() {
        return Err(QueryError::at(word.span, format!("the name of the {kind} is missing")).with_hint(format!("write {kind}:<name>")));
    }
    args.finish()?;
    Ok(Box::new(From { kind, name }))
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {}:{}", self.kind, quote(&self.name))
    }
}

impl Command for From {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Generating
    }

    fn makes_table(&self) -> bool {
        self.kind != "index"
    }

    fn writes(&self) -> bool {
        // What the commands of a saved search do is known only when it has been read.
        self.kind == "savedsearch"
    }

    fn plan(&self, _: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let name = quote(&self.name);
        let text = match self.kind {
            "lookup" => format!("| inputlookup {name}"),
            "savedsearch" => format!("| savedsearch {name}"),
            _ => format!("search index={name}"),
        };
        let planned = searched(&text, None, INFO.name, planner)?;
        let table = self.makes_table();
        Ok(match planned {
            Planned::Later(work) => Planned::Later(Box::pin(async move { Ok(Flow { table, ..work.await? }) })),
            planned => planned,
        })
    }
}
