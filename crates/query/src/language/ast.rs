//! The tree of a whole query: the base search, its time bounds, and the calls of commands.

use super::args::Args;
use super::error::QueryError;
use super::search::SearchExpr;
use super::span::Span;
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
    pub fn parse(_text: &str, _known: &[&str]) -> Result<Self, QueryError> {
        unimplemented!()
    }
}
