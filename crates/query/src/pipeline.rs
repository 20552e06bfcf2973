//! A query with its commands parsed, and the plan made of it.

use crate::commands::{self, Command, Planned, Planner, Required};
use crate::eval::EvalContext;
use crate::exec::Flow;
use crate::knowledge::{FieldKnowledge, Knowledge};
use crate::language::ast::is_search_keyword;
use crate::language::{Grammar, Pipeline, Place, QueryError, SearchExpr, Span, Spliced, TimeBounds, lexer, macros};
use jiff::tz::TimeZone;
use regex::Regex;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::{QUERY_BYTES_MAX, QUERY_COMMANDS_MAX, QUERY_SEARCHES_MAX, SUBSEARCH_DEPTH_MAX};
use taffrail_event::Timestamp;

/// A query, ready to be planned. Displaying it gives text that parses to the same query.
#[derive(Clone, Debug)]
pub struct Query {
    /// The text, macros expanded and comments blanked out; of a nested search, that of the whole query.
    pub text: Arc<str>,
    /// Which events; none where the first command makes rows.
    pub search: SearchExpr,
    /// Time bounds in the text.
    pub bounds: TimeBounds,
    /// The commands, with their places in the text.
    pub commands: Vec<(Arc<dyn Command>, Span)>,
    /// Whether the first command makes rows, so that nothing is read from the store.
    pub generating: bool,
    /// What is in brackets and stands for text, with its place, brackets included. Until it is known, what is around
    /// it is parsed with `0` in its place.
    subsearches: Vec<(Span, Query)>,
    /// The part of the text that is this query.
    span: Span,
    place: Place,
    depth: usize,
    /// How many of the commands in the text count, where not all do.
    kept: Option<usize>,
    /// How the text came to be, the last step last; for the places of errors.
    origins: Vec<Arc<Spliced>>,
}

/// A search in brackets among the arguments of a command.
#[derive(Clone, Debug)]
pub struct Subsearch {
    /// What is to be run.
    pub query: Arc<Query>,
    /// Its place, without the brackets.
    pub span: Span,
}

impl Subsearch {
    /// Parses a part of `text`, which has no comments, with `depth` brackets around it.
    pub fn parse(text: &Arc<str>, span: Span, place: Place, depth: usize) -> Result<Self, QueryError> {
        Ok(Self { query: Arc::new(Query::within(text, span, place, depth)?), span })
    }

    /// A search that a command stands for.
    pub fn search(text: &str) -> Result<Query, QueryError> {
        let text: Arc<str> = text.into();
        Query::within(&text, Span::new(0, text.len()), Place::Whole, 1)
    }

    /// Commands that stand for themselves, such as what `foreach` makes of its template.
    pub fn commands(text: &str) -> Result<Query, QueryError> {
        let text: Arc<str> = text.into();
        Query::within(&text, Span::new(0, text.len()), Place::Commands, 1)
    }
}

impl fmt::Display for Subsearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.query.place == Place::Nested && !self.query.generating && self.query.subsearches.is_empty();
        write!(f, "[ {}{} ]", if named { "search " } else { "" }, self.query)
    }
}

impl Query {
    /// Parses the text and the arguments of every command; there are no macros.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        Self::parse_with(text, &Knowledge::none(), &EvalContext::new(Timestamp(0), TimeZone::UTC))
    }

    /// Parses the text, its macros expanded, and the arguments of every command.
    pub fn parse_with(text: &str, knowledge: &Knowledge, context: &EvalContext) -> Result<Self, QueryError> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(QueryError::new(format!("the query is longer than {QUERY_BYTES_MAX} bytes")));
        }
        let Some(expanded) = macros::expand(text, knowledge, context)? else { return Self::of_text(text) };
        let mut query = Self::of_text(&expanded.text).map_err(|error| expanded.place(error))?;
        query.origins.push(Arc::new(expanded));
        Ok(query)
    }

    fn of_text(text: &str) -> Result<Self, QueryError> {
        let text: Arc<str> = lexer::clean(text)?.into();
        Self::within(&text, Span::new(0, text.len()), Place::Whole, 0)
    }

    fn within(text: &Arc<str>, span: Span, place: Place, depth: usize) -> Result<Self, QueryError> {
        if depth > SUBSEARCH_DEPTH_MAX {
            return Err(QueryError::at(span, format!("searches in brackets are nested more than {SUBSEARCH_DEPTH_MAX} deep"))
                .with_hint("write it with fewer brackets, or store a part as a lookup"));
        }
        if depth == 0 {
            check_size(text)?;
        }
        let known = commands::names();
        let generates = |name: &str| commands::find(name).is_some_and(|info| commands::GENERATING.contains(&info.name));
        let takes_pipelines = |name: &str| commands::TAKE_PIPELINES.contains(&name);
        let pipeline = Pipeline::within(text, span, place, depth, &Grammar { known: &known, takes_pipelines, generates })?;
        let mut parsed: Vec<(Arc<dyn Command>, Span)> = Vec::new();
        for call in pipeline.commands {
            let Some(info) = commands::find(&call.name) else {
                return Err(QueryError::at(call.span, format!("there is no command {:?}", call.name)));
            };
            let mut args = call.args;
            let command = (info.parse)(&mut args).map_err(|error| error.or_at(call.span))?;
            check_place(&*command, call.span, pipeline.generating && parsed.is_empty())?;
            parsed.push((Arc::from(command), call.span));
        }
        let inside = |bracket: &Span| Span::new(bracket.start + 1, bracket.end - 1);
        let nested = pipeline.brackets.iter().map(|bracket| Ok((*bracket, Self::within(text, inside(bracket), Place::Nested, depth + 1)?)));
        Ok(Self {
            text: Arc::clone(text),
            // Nothing is read for a search whose first command makes rows, whoever opens it.
            search: if pipeline.generating { SearchExpr::Not(Box::new(SearchExpr::All)) } else { pipeline.search },
            bounds: pipeline.bounds,
            commands: parsed,
            generating: pipeline.generating,
            subsearches: nested.collect::<Result<_, QueryError>>()?,
            span,
            place,
            depth,
            kept: None,
            origins: Vec::new(),
        })
    }

    /// The query with text in place of its searches in brackets, which are run for that, and with event types and
    /// saved searches looked up.
    pub async fn resolved(&self, planner: &Planner) -> Result<Self, QueryError> {
        let mut query = self.clone();
        if !self.subsearches.is_empty() {
            let mut parts = Vec::new();
            for (span, nested) in &self.subsearches {
                let search = nested.to_string();
                let known = planner.remembered(&search).filter(|_| !nested.writes());
                let text = match known {
                    Some(text) => text,
                    None => {
                        let text = commands::format::text_of(nested, planner).await.map_err(|error| error.or_at(*span))?;
                        planner.remember(search, &text);
                        text
                    }
                };
                parts.push((*span, text));
            }
            let spliced = Spliced::new(&self.text, parts);
            let span = Span::new(self.span.start, self.span.end + spliced.text.len() - self.text.len());
            query = Self::within(&Arc::from(spliced.text.as_str()), span, self.place, self.depth).map_err(|error| spliced.place(error))?;
            query.origins.clone_from(&self.origins);
            query.origins.push(Arc::new(spliced));
            if let Some(count) = self.kept {
                query = query.first_commands(count);
            }
        }
        query.informed(&planner.knowledge)
    }

    /// The query with its event types and saved searches looked up.
    pub fn informed(mut self, knowledge: &Knowledge) -> Result<Self, QueryError> {
        self.search = knowledge.resolve(&self.search)?.grouped();
        for (command, span) in &mut self.commands {
            if let Some(known) = command.informed(knowledge).map_err(|error| error.or_at(*span))? {
                *command = known;
            }
        }
        Ok(self)
    }

    /// The query with the first of its commands only.
    fn first_commands(&self, count: usize) -> Self {
        Self { commands: self.commands[..count].to_vec(), kept: Some(count), ..self.clone() }
    }

    /// How its rows become text, where its last command says so, and the query without that command.
    pub fn wording(&self) -> Option<(&commands::format::Wording, Self)> {
        let (last, _) = self.commands.last()?;
        Some((last.wording()?, self.first_commands(self.commands.len() - 1)))
    }

    /// The error with its place in the text as typed.
    pub fn place(&self, error: QueryError) -> QueryError {
        self.origins.iter().rev().fold(error, |error, step| step.place(error))
    }

    /// Whether all of its commands work row by row.
    pub fn is_streaming(&self) -> bool {
        self.commands.iter().all(|(command, _)| command.streaming())
    }

    /// The first search in brackets that stands for text, with its place.
    pub fn first_bracket(&self) -> Option<Span> {
        self.subsearches.first().map(|(span, _)| *span)
    }

    /// Whether it may be run over a part of the data, for preliminary rows: it changes nothing, and costs no more.
    pub fn can_preview(&self) -> bool {
        !self.writes() && !self.generating && self.subsearches.is_empty()
    }

    /// Whether running it changes anything.
    pub fn writes(&self) -> bool {
        self.commands.iter().any(|(command, _)| command.writes())
    }

    /// The searches that directly follow the base search: the store can evaluate them with it.
    pub fn leading_searches(&self) -> impl Iterator<Item = &SearchExpr> {
        self.commands[..self.leading()].iter().filter_map(|(command, _)| command.as_search())
    }

    /// How many commands at the beginning the store can evaluate with the base search.
    fn leading(&self) -> usize {
        let whole = |command: &dyn Command| command.as_search().is_some() || command.text_filter().is_some_and(|text| text.complete);
        self.commands.iter().take_while(|(command, _)| whole(&**command)).count()
    }

    /// How many of the leading commands ask nothing of fields that are computed or looked up.
    pub(crate) fn leading_unconcerned(&self, fields: &FieldKnowledge) -> usize {
        let asks = |command: &dyn Command| command.as_search().is_some_and(|search| fields.concerns(search));
        self.commands[..self.leading()].iter().take_while(|(command, _)| !asks(&**command)).count()
    }

    /// The expressions that the text of events has to match: those of the commands that the store evaluates, and of
    /// the one after them, which looks at the rest of its conditions itself.
    pub fn leading_regexes(&self) -> Vec<Regex> {
        let filters = self.commands.iter().take(self.leading() + 1).filter_map(|(command, _)| command.text_filter());
        filters.flat_map(|filter| filter.regexes.iter().cloned()).collect()
    }

    /// The commands that are left when the store has evaluated the leading searches.
    pub fn rest(&self) -> &[(Arc<dyn Command>, Span)] {
        &self.commands[self.leading()..]
    }

    /// Whether the outcome is a table.
    pub fn is_table(&self) -> bool {
        self.commands.iter().any(|(command, _)| command.makes_table())
    }

    /// The commands at the beginning that work row by row.
    pub fn streaming_part(&self) -> Self {
        let count = self.commands.iter().take_while(|(command, _)| command.streaming()).count();
        self.first_commands(count)
    }

    /// The first command that does not work row by row, with its place.
    pub fn first_blocking(&self) -> Option<(&'static str, Span)> {
        let blocking = self.commands.iter().find(|(command, _)| !command.streaming());
        blocking.map(|(command, span)| (command.name(), *span))
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.subsearches.is_empty() {
            // What is around the brackets is known as text only.
            let nested = |(span, query): &(Span, Self)| (*span, Subsearch { query: Arc::new(query.clone()), span: *span }.to_string());
            let spliced = Spliced::new(&self.text, self.subsearches.iter().map(nested));
            let end = self.span.end + spliced.text.len() - self.text.len();
            return f.write_str(spliced.text[self.span.start..end].trim());
        }
        let mut before = "";
        if !self.generating && self.place != Place::Commands {
            for (name, bound) in self.bounds.named() {
                if let Some(bound) = bound {
                    write!(f, "{name}={} ", commands::words::quote(&bound.text))?;
                }
            }
            let search = self.search.to_string();
            // A search for this very word; behind bounds, and in brackets, it is not taken for the command.
            let taken = self.place == Place::Whole && self.bounds.is_empty() && is_search_keyword(&search);
            write!(f, "{}{search}", if taken { "search " } else { "" })?;
            before = " | ";
        } else if self.generating {
            before = "| ";
        }
        for (command, _) in &self.commands {
            write!(f, "{before}{command}")?;
            before = " | ";
        }
        Ok(())
    }
}

/// Refuses more commands and searches in brackets than can be run at once.
fn check_size(text: &str) -> Result<(), QueryError> {
    let (mut pipes, mut brackets, mut at) = (0, 0, 0);
    while at < text.len() {
        match text.as_bytes()[at] {
            // An open quote is reported where the text is cut into its parts.
            b'"' => at = lexer::quote_end(text, at).unwrap_or(text.len()),
            sign => {
                pipes += usize::from(sign == b'|');
                brackets += usize::from(sign == b'[');
                at += 1;
            }
        }
        let here = Span::new(at - 1, at);
        if pipes > QUERY_COMMANDS_MAX {
            let error = QueryError::at(here, format!("the query has more than {QUERY_COMMANDS_MAX} commands, which is the limit"));
            return Err(error.with_hint("put expressions together into one `eval` and conditions into one `where`, or keep a part of the result with `outputlookup`"));
        }
        if brackets > QUERY_SEARCHES_MAX {
            let error =
                QueryError::at(here, format!("the query has more than {QUERY_SEARCHES_MAX} searches in brackets, which is the limit"));
            return Err(error.with_hint("write one search with OR for several, or keep a part of the result with `outputlookup`"));
        }
    }
    Ok(())
}

/// Whether a command may stand here.
fn check_place(command: &dyn Command, span: Span, first: bool) -> Result<(), QueryError> {
    let name = command.name();
    if first && !command.generates() {
        let error = QueryError::at(span, format!("{name} needs events to work on, so it cannot begin a query"));
        return Err(error.with_hint(format!("write a search before it: * | {name}")));
    }
    if !first && !command.follows() {
        let error = QueryError::at(span, format!("{name} makes rows of its own, so it has to begin a query"));
        return Err(error.with_hint(format!("begin with it: | {name} ...; or add its rows: | append [ | {name} ... ]")));
    }
    Ok(())
}

/// The fields that `commands` need from their input when `needed` are wanted in the end.
pub fn required(commands: &[(Arc<dyn Command>, Span)], needed: Required) -> Required {
    commands.iter().rev().fold(needed, |needed, (command, _)| command.required(needed))
}

/// Whether the order of the events decides the outcome.
pub fn needs_order(commands: &[(Arc<dyn Command>, Span)]) -> bool {
    for (command, _) in commands {
        if command.needs_order() {
            return true;
        }
        if !command.keeps_order() {
            return false;
        }
    }
    true
}

/// How many rows are needed at most of what comes in; `limit` is how many are wanted in the end.
pub fn rows_needed(commands: &[(Arc<dyn Command>, Span)], limit: Option<usize>) -> Option<usize> {
    for (command, _) in commands {
        if let Some(rows) = command.rows_needed() {
            return Some(rows);
        }
        if !command.keeps_rows() {
            return None;
        }
    }
    limit
}

/// Continues `input` by all commands, of whose outcome `planner.needed` is wanted; those whose columns depend on rows
/// are run on the way.
pub async fn plan(mut input: Flow, commands: &[(Arc<dyn Command>, Span)], planner: &Planner) -> Result<Flow, QueryError> {
    let mut planner = planner.clone();
    let mut needed = vec![planner.needed.clone()];
    for (command, _) in commands.iter().skip(1).rev() {
        needed.push(command.required(needed[needed.len() - 1].clone()));
    }
    for (at, (command, span)) in commands.iter().enumerate() {
        planner.needed = needed.pop().unwrap_or_else(Required::all);
        planner.ordered = needs_order(&commands[at + 1..]);
        planner.offered = Arc::default();
        let planned = command.plan(input, &planner).map_err(|error| error.or_at(*span))?;
        input = match planned {
            Planned::Flow(flow) => flow,
            Planned::Later(work) => work.await.map_err(|error| error.or_at(*span))?,
        };
        // What the store can count is what the first command gets; seldom also what it gives.
        let offered = planner.offered.lock().take();
        planner.direct = offered.or_else(|| planner.direct.as_ref().and_then(|direct| command.direct(direct)));
    }
    Ok(input)
}
