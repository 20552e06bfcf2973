//! Tokens with classes for an editor; never fails, whatever is typed.

use super::ast::Pipeline;
use super::error::QueryError;
use super::lexer;
use crate::eval::parse_number;
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
pub fn check(text: &str, known: &[&str]) -> Check {
    let error = Pipeline::parse(text, known).err();
    let mut painter =
        Painter { text, known, at: 0, tokens: Vec::new(), mode: Mode::Search, around: Vec::new(), command_next: false, nested: false };
    painter.run();
    Check { tokens: painter.tokens, error }
}

/// How words are read: in a search, in an expression, or among the arguments of another command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Search,
    Expression,
    Arguments,
}

struct Painter<'a> {
    text: &'a str,
    known: &'a [&'a str],
    at: usize,
    tokens: Vec<Token>,
    mode: Mode,
    /// How words are read outside of the brackets that are open.
    around: Vec<Mode>,
    command_next: bool,
    /// Whether a bracket has just been opened: a search may follow without its name.
    nested: bool,
}

const KEYWORDS: &[&str] = &["by", "as", "over", "where", "with", "output", "outputnew"];
const OPERATORS: &[&str] = &["and", "or", "not", "xor", "in", "like"];
const TIME_NAMES: &[&str] = &["earliest", "latest", "_index_earliest", "_index_latest", "starttime", "endtime"];

impl Painter<'_> {
    fn push(&mut self, end: usize, class: TokenClass) {
        self.tokens.push(Token { start: self.at, end, class });
        self.at = end;
    }

    fn run(&mut self) {
        let first = lexer::skip_blanks(self.text, 0, self.text.len());
        let leading = lexer::run_end(self.text, first, self.text.len(), |c| c.is_alphanumeric() || c == '_');
        self.command_next = self.text[first..leading].eq_ignore_ascii_case("search") && !self.text[leading..].starts_with('=');
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            let c = rest.chars().next().expect("not at the end");
            let end = self.at + c.len_utf8();
            match c {
                _ if c.is_whitespace() => self.at = end,
                '`' => self.comment(),
                '|' => {
                    self.push(end, TokenClass::Pipe);
                    (self.command_next, self.nested) = (true, false);
                }
                '"' => self.quote(),
                '\'' if self.mode == Mode::Expression => self.quote(),
                '[' => {
                    self.around.push(self.mode);
                    self.push(end, TokenClass::Pipe);
                    (self.command_next, self.nested) = (true, true);
                }
                ']' => {
                    let around = self.around.pop();
                    self.push(end, if around.is_some() { TokenClass::Pipe } else { TokenClass::Error });
                    (self.mode, self.command_next, self.nested) = (around.unwrap_or(self.mode), false, false);
                }
                _ if self.command_next => self.command(),
                '(' | ')' | ',' => self.push(end, TokenClass::Operator),
                '=' | '<' | '>' => self.push(end, TokenClass::Operator),
                '!' if rest.starts_with("!=") => self.push(self.at + 2, TokenClass::Operator),
                '+' | '-' | '*' | '/' | '%' | '.' | '!' if self.mode == Mode::Expression && !starts_number(rest) => {
                    self.push(end, TokenClass::Operator)
                }
                _ => self.word(),
            }
        }
    }

    fn comment(&mut self) {
        let rest = &self.text[self.at..];
        match rest.strip_prefix("```").map(|inside| inside.find("```")) {
            Some(Some(length)) => self.push(self.at + length + 6, TokenClass::Comment),
            Some(None) => self.push(self.text.len(), TokenClass::Comment),
            None => match rest[1..].find('`') {
                Some(length) => {
                    self.command_next = false;
                    self.push(self.at + length + 2, TokenClass::Function);
                }
                None => self.push(self.at + 1, TokenClass::Error),
            },
        }
    }

    fn quote(&mut self) {
        let single = self.text.as_bytes()[self.at] == b'\'';
        let end = lexer::quote_end(self.text, self.at);
        let class = match end {
            None => TokenClass::Error,
            Some(_) if single => TokenClass::Field,
            Some(end) if self.mode == Mode::Search && self.compares(end) => TokenClass::Field,
            Some(_) => TokenClass::String,
        };
        self.push(end.unwrap_or(self.text.len()), class);
    }

    fn command(&mut self) {
        let end = lexer::run_end(self.text, self.at, self.text.len(), |c| c.is_alphanumeric() || c == '_');
        self.command_next = false;
        let name = self.text[self.at..end].to_lowercase();
        if std::mem::take(&mut self.nested) && name != "search" && !self.known.contains(&name.as_str()) {
            self.mode = Mode::Search;
            return;
        }
        self.mode = match name.as_str() {
            "search" => Mode::Search,
            "eval" | "where" => Mode::Expression,
            _ => Mode::Arguments,
        };
        if end == self.at {
            let end = self.at + self.text[self.at..].chars().next().map_or(0, char::len_utf8);
            return self.push(end, TokenClass::Error);
        }
        let class = if name == "search" || self.known.contains(&name.as_str()) { TokenClass::Command } else { TokenClass::Error };
        self.push(end, class);
    }

    /// Whether a comparison follows at `end`.
    fn compares(&self, end: usize) -> bool {
        let rest = self.text[end..].trim_start();
        rest.starts_with(['=', '<', '>']) || rest.starts_with("!=")
    }

    /// Whether the token before is a comparison sign.
    fn after_comparison(&self) -> bool {
        let signs =
            |token: &Token| token.class == TokenClass::Operator && matches!(&self.text[token.start..token.end], "=" | "<" | ">" | "!=");
        self.tokens.last().is_some_and(signs)
    }

    fn word(&mut self) {
        let value = self.mode != Mode::Expression && self.after_comparison();
        let (mode, text) = (self.mode, self.text);
        let inside = |c: char| match mode {
            Mode::Expression => c.is_alphanumeric() || c == '_',
            _ => {
                !c.is_whitespace()
                    && !matches!(c, '(' | ')' | '|' | '"' | '[' | ']' | '`')
                    && (mode == Mode::Search || c != ',')
                    && (value || !matches!(c, '=' | '<' | '>'))
            }
        };
        let mut end = lexer::run_end(text, self.at, text.len(), inside);
        if mode == Mode::Expression && starts_number(&text[self.at..]) {
            end = lexer::run_end(text, self.at, text.len(), |c| c.is_ascii_digit() || c == '.');
        }
        if !value && text[end..].starts_with('=') && text[self.at..end].ends_with('!') {
            end -= 1;
        }
        let end = end.max(self.at + text[self.at..].chars().next().map_or(1, char::len_utf8));
        let class = if value { self.value_class(end) } else { self.word_class(end) };
        self.push(end, class);
    }

    fn value_class(&self, end: usize) -> TokenClass {
        let value = &self.text[self.at..end];
        let name = self.tokens.iter().rev().nth(1).map(|token| self.text[token.start..token.end].to_lowercase());
        let timed = name.is_some_and(|name| TIME_NAMES.contains(&name.as_str()) || name == "span");
        if timed {
            TokenClass::Time
        } else if value.contains('*') {
            TokenClass::Wildcard
        } else if parse_number(value).is_some() {
            TokenClass::Number
        } else {
            TokenClass::String
        }
    }

    fn word_class(&self, end: usize) -> TokenClass {
        let word = &self.text[self.at..end];
        let lower = word.to_lowercase();
        if self.mode == Mode::Search {
            return match word {
                "AND" | "OR" | "NOT" | "IN" => TokenClass::Keyword,
                "TERM" | "CASE" if self.text[end..].starts_with('(') => TokenClass::Function,
                _ if self.compares(end) && TIME_NAMES.contains(&word) => TokenClass::Time,
                _ if self.compares(end) || self.text[end..].trim_start().starts_with("IN (") => TokenClass::Field,
                _ if word.contains('*') => TokenClass::Wildcard,
                _ => TokenClass::Term,
            };
        }
        if self.text[end..].starts_with('(') && !OPERATORS.contains(&lower.as_str()) {
            return TokenClass::Function;
        }
        if KEYWORDS.contains(&lower.as_str()) || (self.mode == Mode::Expression && OPERATORS.contains(&lower.as_str())) {
            return TokenClass::Keyword;
        }
        if parse_number(word).is_some() {
            return TokenClass::Number;
        }
        let option = self.mode == Mode::Arguments && self.text[end..].trim_start().starts_with('=');
        match option {
            true => TokenClass::Keyword,
            false if word.contains('*') => TokenClass::Wildcard,
            false if self.mode == Mode::Arguments && matches!(word, "+" | "-") => TokenClass::Operator,
            false => TokenClass::Field,
        }
    }
}

fn starts_number(text: &str) -> bool {
    let rest = text.strip_prefix('.').unwrap_or(text);
    rest.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["search", "stats", "eval", "where", "timechart"];

    fn classes(text: &str) -> String {
        let checked = check(text, KNOWN);
        let mut end = 0;
        for token in &checked.tokens {
            assert!(token.start >= end && token.end > token.start, "{text}: {token:?}");
            assert!(text[end..token.start].trim().is_empty(), "{text}: nothing but blanks between tokens");
            end = token.end;
        }
        assert!(text[end..].trim().is_empty());
        let draw =
            |token: &Token| format!("{}:{}", &text[token.start..token.end], serde_json::to_string(&token.class).unwrap().trim_matches('"'));
        checked.tokens.iter().map(draw).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn searches() {
        assert_eq!(
            classes("error user=root NOT fail* earliest=-1h \"a b\" | stats count by host"),
            "error:term user:field =:operator root:string NOT:keyword fail*:wildcard earliest:time =:operator -1h:time \"a b\":string \
             |:pipe stats:command count:field by:keyword host:field"
        );
        assert_eq!(classes("search status>=500"), "search:command status:field >:operator =:operator 500:number");
        assert_eq!(
            classes("a [search b | stats count] `m(1)` [c=d]"),
            "a:term [:pipe search:command b:term |:pipe stats:command count:field ]:pipe `m(1)`:function [:pipe c:field =:operator d:string ]:pipe"
        );
        assert_eq!(classes("a!=b"), "a:field !=:operator b:string");
    }

    #[test]
    fn expressions_and_options() {
        assert_eq!(
            classes("* | eval x=if(a>1.5, \"y\", 'b c') ```why``` | timechart span=1h avg(x)"),
            "*:wildcard |:pipe eval:command x:field =:operator if:function (:operator a:field >:operator 1.5:number ,:operator \"y\":string \
             ,:operator 'b c':field ):operator ```why```:comment |:pipe timechart:command span:keyword =:operator 1h:time avg:function \
             (:operator x:field ):operator"
        );
        assert_eq!(classes("| where NOT a=1"), "|:pipe where:command NOT:keyword a:field =:operator 1:number");
    }

    #[test]
    fn mistakes_are_marked_and_the_rest_stays() {
        assert_eq!(classes("a | statz \"x"), "a:term |:pipe statz:error \"x:error");
        assert!(check("a | statz b", KNOWN).error.unwrap().suggestions.contains(&"stats".to_owned()));
        assert!(check("a | stats count", KNOWN).error.is_none());
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[ -~ä`|\"'\\n]{0,60}") {
            classes(&text);
        }
    }
}
