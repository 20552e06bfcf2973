//! From a [`SearchExpr`] back to text that parses to the same tree.

use super::{CompareOp, SearchExpr, SearchValue};
use crate::language::lexer::quoted;
use std::fmt;

impl CompareOp {
    /// The sign as typed.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }
}

/// Whether the text needs no quotes, whatever stands beside it.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '*' | '/' | '@'))
        && !matches!(text, "AND" | "OR" | "NOT" | "IN")
}

fn word(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text, '"') }
}

/// Names of time bounds are quoted so that they stay fields.
fn name(text: &str) -> String {
    if super::parse::is_time_word(text) { quoted(text, '"') } else { word(text) }
}

impl fmt::Display for SearchValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.case_sensitive { write!(f, "CASE({})", quoted(&self.text, '"')) } else { f.write_str(&word(&self.text)) }
    }
}

impl fmt::Display for SearchExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Term { text, whole: true, .. } => write!(f, "TERM({})", quoted(text, '"')),
            Self::Term { text, case_sensitive: true, .. } => write!(f, "CASE({})", quoted(text, '"')),
            Self::Term { text, .. } => f.write_str(&word(text)),
            Self::Compare { field, op, value } => write!(f, "{}{}{value}", name(field), op.sign()),
            Self::In { field, values } => {
                let values: Vec<String> = values.iter().map(SearchValue::to_string).collect();
                write!(f, "{} IN ({})", name(field), values.join(", "))
            }
            Self::And(parts) => join(f, parts, " "),
            Self::Or(parts) => join(f, parts, " OR "),
            Self::Not(inner) => match &**inner {
                Self::And(_) | Self::Or(_) => write!(f, "NOT ({inner})"),
                _ => write!(f, "NOT {inner}"),
            },
        }
    }
}

fn join(f: &mut fmt::Formatter<'_>, parts: &[SearchExpr], between: &str) -> fmt::Result {
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            f.write_str(between)?;
        }
        // OR binds tighter, so only an AND inside an OR needs parentheses.
        match part {
            SearchExpr::And(_) => write!(f, "({part})")?,
            _ => write!(f, "{part}")?,
        }
    }
    Ok(())
}
