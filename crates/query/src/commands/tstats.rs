//! `tstats`: aggregates over what events are filed under. It is `stats` over a search of its own; counts by index, host,
//! source and sourcetype, and counts over time, come from the store's figures, without rows.

use super::words::quote_field;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::exec::Flow;
use crate::functions::{Call, parse_groups, write_calls};
use crate::language::lexer::{self, quoted};
use crate::language::{Args, QueryError, Span, Word};
use crate::pipeline::Subsearch;
use std::fmt;
use std::sync::Arc;

/// What `tstats` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "tstats",
    aliases: &[],
    syntax: "tstats [fillnull_value=<text>] <function>(<field>) [AS <name>] [, ...] [WHERE <search>] [BY <field> [, <field>]... [span=<time>]]",
    summary: "Counts and other aggregates over a search of its own; rows without one of the BY fields are left out, unless fillnull_value. It begins a query.",
    examples: &["| tstats count WHERE index=main BY host", "| tstats count, max(_time) AS last WHERE index=* BY sourcetype, _time span=1h"],
    parse,
};

/// Options of stores of summaries: here the events themselves are asked, so that they change nothing.
const WITHOUT_EFFECT: [&str; 5] = ["local", "summariesonly", "allow_old_summaries", "chunk_size", "include_reduced_buckets"];

#[derive(Debug)]
struct Tstats {
    calls: Vec<Call>,
    /// The search as typed, which is parsed again with the commands behind it.
    search: String,
    groups: Vec<String>,
    span: Option<Word>,
    fill: Option<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut tstats = Tstats { calls: Vec::new(), search: "*".to_owned(), groups: Vec::new(), span: None, fill: None };
    let known: Vec<&str> = WITHOUT_EFFECT.into_iter().chain(["prestats", "append", "fillnull_value"]).collect();
    while let Some(option) = args.option(&known)? {
        match option.name.as_str() {
            "fillnull_value" => tstats.fill = Some(option.value.text),
            name @ ("prestats" | "append") if option.value.boolean(name)? => {
                let error = QueryError::at(option.value.span, format!("{name}=true is not available"));
                return Err(error.with_hint("leave it out: tstats gives whole results, which append can put together"));
            }
            _ => {}
        }
    }
    while !args.at_end() && !["from", "where", "by"].iter().any(|word| args.peek_keyword(word)) {
        tstats.calls.push(Call::parse(args)?);
        args.symbol(",");
    }
    if tstats.calls.is_empty() {
        return Err(args.error("expected a function such as count or max(_time)"));
    }
    if args.peek_keyword("from") {
        return Err(args.error("there are no data models").with_hint("say with WHERE which events are meant"));
    }
    let (rest, place) = args.rest();
    let by = keyword(&rest, "by").unwrap_or(rest.len());
    if let Some(search) = rest.get(..5).filter(|word| word.eq_ignore_ascii_case("where")).and(rest.get(5..by)) {
        let at = place.start + 5;
        crate::language::search::parse(search, 0, search.len(), None).map_err(|error| moved(error, at))?;
        tstats.search = search.trim().to_owned();
    } else if by > 0 && !rest.is_empty() {
        return Err(
            QueryError::at(place, format!("`{rest}` is not understood here")).with_hint("write WHERE before a search, BY before fields")
        );
    }
    let mut grouping = Args::new(Arc::from(&rest[by..]), 0, rest.len() - by);
    groups(&mut grouping, &mut tstats).map_err(|error| moved(error, place.start + by))?;
    Ok(Box::new(tstats))
}

fn groups(args: &mut Args, tstats: &mut Tstats) -> Result<(), QueryError> {
    tstats.groups = parse_groups(args, &["span"])?;
    if let Some(option) = args.option(&["span"])? {
        option.value.span_value("span")?;
        tstats.span = Some(option.value);
    }
    args.finish()?;
    match &tstats.span {
        Some(span) if !tstats.groups.iter().any(|group| group == "_time") => {
            Err(QueryError::at(span.span, "span needs _time among the BY fields").with_hint("write BY _time span=1h"))
        }
        _ => Ok(()),
    }
}

fn moved(error: QueryError, by: usize) -> QueryError {
    QueryError { span: error.span.map(|span| Span::new(span.start + by, span.end + by)), ..error }
}

/// Where a keyword stands outside of quotes.
fn keyword(text: &str, word: &str) -> Option<usize> {
    let mut at = 0;
    while at < text.len() {
        if text.as_bytes()[at] == b'"' {
            at = lexer::quote_end(text, at)?;
            continue;
        }
        let end = lexer::run_end(text, at, text.len(), |c| !c.is_whitespace() && c != '"');
        if text[at..end].eq_ignore_ascii_case(word) {
            return Some(at);
        }
        at = lexer::skip_blanks(text, end.max(at + 1), text.len());
    }
    None
}

impl fmt::Display for Tstats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tstats")?;
        if let Some(fill) = &self.fill {
            write!(f, " fillnull_value={}", quoted(fill, '"'))?;
        }
        let mut calls = String::new();
        write_calls(&mut calls, &self.calls, &[]);
        write!(f, "{calls} WHERE {}", self.search)?;
        let groups: Vec<String> = self.groups.iter().map(|group| quote_field(group)).collect();
        if !groups.is_empty() {
            write!(f, " BY {}", groups.join(", "))?;
        }
        self.span.iter().try_for_each(|span| write!(f, " span={}", span.text))
    }
}

impl Tstats {
    /// The search that it stands for.
    fn text(&self) -> String {
        let mut text = self.search.clone();
        if let Some(span) = &self.span {
            text.push_str(&format!(" | bin span={} _time", span.text));
        }
        if let Some(fill) = &self.fill {
            let groups: Vec<String> = self.groups.iter().filter(|group| *group != "_time").map(|group| quote_field(group)).collect();
            if !groups.is_empty() {
                text.push_str(&format!(" | fillnull value={} {}", quoted(fill, '"'), groups.join(" ")));
            }
        }
        text.push_str(" | stats");
        write_calls(&mut text, &self.calls, &self.groups);
        text
    }
}

impl Command for Tstats {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Generating
    }

    fn plan(&self, _: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let flow = planner.nested(Arc::new(Subsearch::search(&self.text())?), Required::all());
        Ok(Planned::Later(Box::pin(async move { Ok(Flow { table: true, ..flow.await? }) })))
    }
}
