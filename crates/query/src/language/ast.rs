//! The tree of a whole query: the base search, its time bounds, and the calls of commands.

use super::args::Args;
use super::error::QueryError;
use super::lexer;
use super::search::{self, SearchExpr};
use super::span::Span;
use super::suggest::nearest;
use jiff::tz::TimeZone;
use std::sync::Arc;
use taffrail_event::Timestamp;

/// A time as typed, e.g. `-24h@h`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeText {
    /// The text without quotes.
    pub text: String,
    /// Where it stands in the query.
    pub span: Span,
}

impl TimeText {
    /// The point in time it means; the error names its place in the query.
    pub fn resolve(&self, now: Timestamp, tz: &TimeZone) -> Result<Timestamp, QueryError> {
        super::time::resolve(&self.text, now, tz).map_err(|error| QueryError { span: Some(self.span), ..error })
    }
}

/// The time bounds in the text of a query; they go before those that came with the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeBounds {
    /// `earliest=`: events at or after it.
    pub earliest: Option<TimeText>,
    /// `latest=`: events before it.
    pub latest: Option<TimeText>,
    /// `_index_earliest=`: received at or after it.
    pub index_earliest: Option<TimeText>,
    /// `_index_latest=`: received before it.
    pub index_latest: Option<TimeText>,
    /// `now=`: what the others count from.
    pub now: Option<TimeText>,
}

impl TimeBounds {
    /// Each with its name.
    pub fn named(&self) -> [(&'static str, &Option<TimeText>); 5] {
        [
            ("now", &self.now),
            ("earliest", &self.earliest),
            ("latest", &self.latest),
            ("_index_earliest", &self.index_earliest),
            ("_index_latest", &self.index_latest),
        ]
    }

    /// Whether the text has no time bound.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One command of the pipeline; its file parses the arguments.
#[derive(Clone, Debug)]
pub struct CommandCall {
    /// Its name, in lower case.
    pub name: String,
    /// Where the name stands.
    pub span: Span,
    /// Its arguments, not yet parsed.
    pub args: Args,
}

/// The words that the parser of pipelines has to know.
#[derive(Clone, Copy, Debug)]
pub struct Grammar<'a> {
    /// The names of all commands, in lower case.
    pub known: &'a [&'a str],
    /// Whether a command reads the `[ ... ]` among its arguments itself; elsewhere they stand for text.
    pub takes_pipelines: fn(&str) -> bool,
    /// Whether a command makes rows of its own.
    pub generates: fn(&str) -> bool,
}

/// Where a pipeline stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is the whole query.
    Whole,
    /// In brackets, as a search of its own.
    Nested,
    /// In brackets, to go on with the rows there are: it has no base search.
    Commands,
}

/// A query.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Which events; everything when a leading pipe makes the first command generate.
    pub search: SearchExpr,
    /// The time bounds of the base search.
    pub bounds: TimeBounds,
    /// Whether the query begins with a pipe and a command that is not `search`: that command must generate
    /// the rows itself.
    pub generating: bool,
    /// The commands after the base search, in order; `search` among them is a call like any other.
    pub commands: Vec<CommandCall>,
    /// The `[ ... ]` that stand for text, brackets included; what holds them was parsed with `0` in their place.
    pub brackets: Vec<Span>,
}

impl Pipeline {
    /// Parses `text`; `known` are the names of all commands (lower case), for checking and did-you-mean.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, QueryError> {
        let text: Arc<str> = lexer::clean(text)?.into();
        let grammar = Grammar { known, takes_pipelines: |_| false, generates: |_| false };
        Self::within(&text, Span::new(0, text.len()), Place::Whole, 0, &grammar)
    }

    /// Parses a part of `text`, which has no comments; `depth` brackets are around it.
    pub fn within(text: &Arc<str>, span: Span, place: Place, depth: usize, grammar: &Grammar<'_>) -> Result<Self, QueryError> {
        let parts = lexer::split(text, span.start, span.end)?;
        let word = |span: &Span| first_word(text, *span).to_lowercase();
        let pipelines = |part: &Span| (grammar.takes_pipelines)(&word(part));
        let outside = |bracket: &&Span| {
            let part = parts.spans.iter().position(|part| part.start <= bracket.start && bracket.end <= part.end).unwrap_or(0);
            let starts_with_command = part > 0 || place == Place::Commands || generates(text, parts.spans[0], place, grammar);
            !(starts_with_command && pipelines(&parts.spans[part]))
        };
        let brackets: Vec<Span> = parts.brackets.iter().filter(outside).copied().collect();
        let masked = masked(text, &brackets);
        let (first, rest) = parts.spans.split_first().expect("a split text has at least one part");
        let mut bounds = TimeBounds::default();
        let mut rest = rest.iter().enumerate().peekable();
        let empty_first = text[first.start..first.end].trim().is_empty() && rest.peek().is_some();
        let last = parts.spans.len() - 1;
        let mut commands = Vec::new();
        let (mut generating, mut base) = (false, *first);
        if place == Place::Commands {
            if !empty_first {
                commands.push(command(&masked, *first, last == 0, depth, grammar.known)?);
            }
            base = Span::new(first.start, first.start);
        } else if generates(text, *first, place, grammar) {
            commands.push(command(&masked, *first, last == 0, depth, grammar.known)?);
            generating = true;
        } else if empty_first {
            let (_, span) = rest.peek().expect("a leading pipe is followed by a part");
            match search_keyword_end(text, **span) {
                Some(_) => base = *rest.next().expect("just seen").1,
                None => generating = true,
            }
        }
        let search = match generating || place == Place::Commands {
            true => SearchExpr::All,
            false => {
                let start = search_keyword_end(text, base).unwrap_or(base.start);
                search::parse(&masked, start, base.end, Some(&mut bounds))?
            }
        };
        for (number, span) in rest {
            commands.push(command(&masked, *span, number + 1 == last, depth, grammar.known)?);
        }
        Ok(Self { search, bounds, generating, commands, brackets })
    }
}

/// Whether a search in brackets begins with a command that makes rows, without a pipe before it.
fn generates(text: &str, first: Span, place: Place, grammar: &Grammar<'_>) -> bool {
    let word = first_word(text, first);
    let after = lexer::skip_blanks(text, first.start, first.end) + word.len();
    place == Place::Nested && !text[after..first.end].trim_start().starts_with('=') && (grammar.generates)(&word.to_lowercase())
}

/// The word that a part begins with.
fn first_word(text: &str, span: Span) -> &str {
    let at = lexer::skip_blanks(text, span.start, span.end);
    &text[at..lexer::run_end(text, at, span.end, |c| c.is_alphanumeric() || c == '_')]
}

/// `text` with a `0` and blanks in place of each of `brackets`: what is around them can then be parsed, before the
/// text that they stand for is known.
fn masked(text: &Arc<str>, brackets: &[Span]) -> Arc<str> {
    if brackets.is_empty() {
        return Arc::clone(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for bracket in brackets {
        out.push_str(&text[at..bracket.start]);
        out.push('0');
        out.extend(std::iter::repeat_n(' ', bracket.end - bracket.start - 1));
        at = bracket.end;
    }
    out.push_str(&text[at..]);
    out.into()
}

/// Whether a text begins with the word `search` as the name of the command.
pub fn is_search_keyword(text: &str) -> bool {
    search_keyword_end(text, Span::new(0, text.len())).is_some()
}

/// The place after a leading word `search`; nothing when the part does not begin with it.
fn search_keyword_end(text: &str, span: Span) -> Option<usize> {
    let at = lexer::skip_blanks(text, span.start, span.end);
    let word = text.get(at..at + 6).filter(|word| at + 6 <= span.end && word.eq_ignore_ascii_case("search"))?;
    let next = text[at + word.len()..span.end].chars().next();
    // `search=x` compares a field of that name.
    next.is_none_or(|c| c.is_whitespace() || c == '(' || c == '"').then_some(at + word.len())
}

fn command(text: &Arc<str>, span: Span, last: bool, depth: usize, known: &[&str]) -> Result<CommandCall, QueryError> {
    let at = lexer::skip_blanks(text, span.start, span.end);
    if at == span.end {
        // The place of the pipe before it.
        let place = Span::new(span.start.saturating_sub(1), span.start);
        let what = if last { "after this pipe" } else { "between the pipes" };
        return Err(QueryError::at(place, format!("a command is missing {what}")).with_hint("take the pipe away, or name a command"));
    }
    let end = lexer::run_end(text, at, span.end, |c| c.is_alphanumeric() || c == '_');
    let place = Span::new(at, end.max(at + text[at..].chars().next().map_or(0, char::len_utf8)));
    if end == at {
        return Err(
            QueryError::at(place, "a command must begin with its name").with_hint("to look for a pipe, put the text in double quotes")
        );
    }
    let name = text[at..end].to_lowercase();
    if !known.contains(&name.as_str()) {
        let names = nearest(&name, known.iter().copied());
        let error = QueryError::at(place, format!("unknown command `{}`", &text[at..end])).with_suggestions(names);
        return Err(if error.hint.is_some() { error } else { error.with_hint(format!("the commands are: {}", known.join(", "))) });
    }
    Ok(CommandCall { name, span: place, args: Args::new(Arc::clone(text), end, span.end).within(depth) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["search", "stats", "sort", "where", "eval", "makeresults"];

    fn parse(text: &str) -> Pipeline {
        Pipeline::parse(text, KNOWN).unwrap_or_else(|error| panic!("{}", error.render(text)))
    }

    fn shape(text: &str) -> String {
        let pipeline = parse(text);
        let commands: Vec<String> = pipeline.commands.iter().map(|call| format!("{}({})", call.name, call.args.clone().rest().0)).collect();
        format!("{} | {}", pipeline.search, commands.join(" "))
    }

    #[test]
    fn base_search_with_and_without_its_name() {
        assert_eq!(shape("error | stats count"), "error | stats(count)");
        assert_eq!(shape("search error|STATS count"), "error | stats(count)");
        assert_eq!(shape("| search error | stats count"), "error | stats(count)");
        assert_eq!(shape("search | search x"), "* | search(x)");
        assert_eq!(shape("search=5"), "search=5 | ");
        assert_eq!(shape("searching"), "searching | ");
        assert_eq!(shape(""), "* | ");
    }

    #[test]
    fn a_leading_pipe_generates() {
        let pipeline = parse("| makeresults | eval x=1");
        assert!(pipeline.generating);
        assert_eq!(pipeline.commands.len(), 2);
        assert!(!parse("| search a").generating);
    }

    #[test]
    fn newlines_and_blank_lines_between_pipes() {
        assert_eq!(shape("a=1\n\n| stats count as n by b\n\n| search n >= 10"), "a=1 | stats(count as n by b) search(n >= 10)");
    }

    #[test]
    fn errors_name_the_place_and_the_way_out() {
        let error = Pipeline::parse("error | statz count", KNOWN).unwrap_err();
        assert_eq!(error.span, Some(Span::new(8, 13)));
        assert_eq!(error.suggestions, ["stats"]);
        let error = Pipeline::parse("error | | stats count", KNOWN).unwrap_err();
        assert!(error.message.contains("between"));
        let error = Pipeline::parse("error |", KNOWN).unwrap_err();
        assert_eq!((error.message.as_str(), error.span), ("a command is missing after this pipe", Some(Span::new(6, 7))));
        assert!(Pipeline::parse("a | =b", KNOWN).is_err());
        assert!(Pipeline::parse("|", KNOWN).is_err());
    }

    #[test]
    fn time_bounds_are_taken_out() {
        let pipeline = parse("earliest=-24h@h latest=now error");
        assert_eq!(pipeline.search.to_string(), "error");
        assert_eq!(pipeline.bounds.earliest, Some(TimeText { text: "-24h@h".into(), span: Span::new(9, 15) }));
        assert_eq!(pipeline.bounds.latest.unwrap().text, "now");
        assert!(parse("error").bounds.is_empty());
    }
}
