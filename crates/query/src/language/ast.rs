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
}

impl TimeBounds {
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

/// A query.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The text as typed, comments blanked out (same length, so that places stay true).
    pub text: Arc<str>,
    /// Which events; everything when a leading pipe makes the first command generate.
    pub search: SearchExpr,
    /// The time bounds of the base search.
    pub bounds: TimeBounds,
    /// Whether the query begins with a pipe and a command that is not `search`: that command must generate
    /// the rows itself.
    pub generating: bool,
    /// The commands after the base search, in order; `search` among them is a call like any other.
    pub commands: Vec<CommandCall>,
}

impl Pipeline {
    /// Parses `text`; `known` are the names of all commands (lower case), for checking and did-you-mean.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, QueryError> {
        let parts = lexer::split(text)?;
        let text: Arc<str> = parts.text.into();
        let (first, rest) = parts.spans.split_first().expect("a split text has at least one part");
        let mut bounds = TimeBounds::default();
        let mut rest = rest.iter().enumerate().peekable();
        let leading_pipe = text[first.start..first.end].trim().is_empty() && rest.peek().is_some();
        let mut generating = false;
        let mut base = *first;
        if leading_pipe {
            let (_, span) = rest.peek().expect("a leading pipe is followed by a part");
            match search_keyword_end(&text, **span) {
                Some(_) => base = *rest.next().expect("just seen").1,
                None => generating = true,
            }
        }
        let start = search_keyword_end(&text, base).unwrap_or(base.start);
        let search = search::parse(&text, start, base.end, Some(&mut bounds))?;
        let total = parts.spans.len() - 1;
        let mut commands = Vec::new();
        for (number, span) in rest {
            commands.push(command(&text, *span, number + 1 == total, known)?);
        }
        Ok(Self { text, search, bounds, generating, commands })
    }
}

/// The place after a leading word `search`; nothing when the part does not begin with it.
fn search_keyword_end(text: &str, span: Span) -> Option<usize> {
    let at = lexer::skip_blanks(text, span.start, span.end);
    let word = text.get(at..at + 6).filter(|word| at + 6 <= span.end && word.eq_ignore_ascii_case("search"))?;
    let next = text[at + word.len()..span.end].chars().next();
    // `search=x` compares a field of that name.
    next.is_none_or(|c| c.is_whitespace() || c == '(' || c == '"').then_some(at + word.len())
}

fn command(text: &Arc<str>, span: Span, last: bool, known: &[&str]) -> Result<CommandCall, QueryError> {
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
    Ok(CommandCall { name, span: place, args: Args::new(Arc::clone(text), end, span.end) })
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
