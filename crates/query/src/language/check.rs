//! Tokens with classes for an editor; never fails, whatever is typed.

use super::error::QueryError;
use serde::{Deserialize, Serialize};

/// What a piece of the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenClass {
    /// The name of a command.
    Command,
    /// The name of a function.
    Function,
    /// The name of a field.
    Field,
    /// A comparison or arithmetic sign.
    Operator,
    /// AND, OR, NOT, BY, AS and the like.
    Keyword,
    /// Text in double quotes, or a value.
    String,
    /// A number.
    Number,
    /// A word that is looked for.
    Term,
    /// `|`
    Pipe,
    /// A word with `*`.
    Wildcard,
    /// A comment.
    Comment,
    /// A time or a span of time.
    Time,
    /// What is not understood.
    Error,
}

/// A piece of the text and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// What it is.
    pub class: TokenClass,
}

/// What an editor needs to know about a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The tokens in order; blanks lie between them.
    pub tokens: Vec<Token>,
    /// The first error.
    pub error: Option<QueryError>,
}

/// Classifies the text; `known` are the names of all commands. The error is that of the pipeline's parser;
/// the errors of commands' arguments are for the caller to add.
pub fn check(_text: &str, _known: &[&str]) -> Check {
    unimplemented!()
}
