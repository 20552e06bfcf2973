//! Regular expressions in arguments: compiled by the engine that takes linear time, with errors that say what to do.

use crate::language::{QueryError, Span};
use regex::{Regex, RegexBuilder};

/// The expression, or what is wrong with it; it stands at `place`.
pub fn compile(text: &str, any_case: bool, place: Span) -> Result<Regex, QueryError> {
    RegexBuilder::new(text).case_insensitive(any_case).build().map_err(|error| {
        let detail = error.to_string();
        let last = detail.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let query_error = QueryError::at(place, format!("the regular expression is not valid: {last}"));
        if ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|look| text.contains(look)) {
            return query_error.with_hint("looking ahead or behind is not supported, so that no expression can take for ever");
        }
        query_error
    })
}
