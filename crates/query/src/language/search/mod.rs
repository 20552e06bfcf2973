//! The tree of a search expression: words, phrases, comparisons of fields, AND, OR, NOT.

mod filter;
mod parse;
mod print;
#[cfg(test)]
mod tests;
mod times;
mod value;

pub use filter::{default_indexes, is_whole_token, to_filter, with_store_fields};
pub use parse::parse;
pub use value::{Cidr, ValueMatcher, Wildcard};

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `=`
    Equal,
    /// `!=`: the field is there and differs.
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
}

/// The right side of a comparison; `*` in it is a wildcard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SearchValue {
    /// The text, without quotes.
    pub text: String,
    /// Whether case counts: `CASE(...)`.
    pub case_sensitive: bool,
}

/// Which events, or which rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SearchExpr {
    /// Everything: an empty search, or `*`.
    All,
    /// A word or phrase in `_raw`; `*` is a wildcard.
    Term {
        /// The text without quotes.
        text: String,
        /// `CASE(...)`.
        case_sensitive: bool,
        /// `TERM(...)`: one token between major breakers.
        whole: bool,
    },
    /// `field=value` and the like.
    Compare {
        /// The field.
        field: String,
        /// How.
        op: CompareOp,
        /// With what.
        value: SearchValue,
    },
    /// `field IN (a, b)`.
    In {
        /// The field.
        field: String,
        /// Any of these.
        values: Vec<SearchValue>,
    },
    /// All of these; two or more, none of them `And` or `All`.
    And(Vec<SearchExpr>),
    /// Any of these; two or more, none of them `Or` or `All`.
    Or(Vec<SearchExpr>),
    /// Not this.
    Not(Box<SearchExpr>),
}

impl SearchExpr {
    /// Parses a search expression on its own (no time bounds).
    pub fn parse(text: &str) -> Result<Self, super::QueryError> {
        let text = super::lexer::clean(text)?;
        if let Some(bracket) = super::lexer::split(&text, 0, text.len())?.brackets.first() {
            return Err(super::QueryError::at(*bracket, "a search in brackets cannot stand here")
                .with_hint("to look for a bracket, put the text in double quotes"));
        }
        parse(&text, 0, text.len(), None)
    }

    /// A term; nothing but `*` is everything.
    pub fn term(text: String, case_sensitive: bool, whole: bool) -> Self {
        if text.chars().all(|c| c == '*') { Self::All } else { Self::Term { text, case_sensitive, whole } }
    }

    /// All of `parts`, in the simplest form.
    pub fn and(parts: Vec<Self>) -> Self {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Self::All => {}
                Self::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => Self::All,
            1 => flat.remove(0),
            _ => Self::And(flat),
        }
    }

    /// Any of `parts` (at least one), in the simplest form.
    pub fn or(parts: Vec<Self>) -> Self {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Self::All => return Self::All,
                Self::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() == 1 { flat.remove(0) } else { Self::Or(flat) }
    }

    /// The same, with alternatives that compare one field with values made a list: long ones are quicker so.
    #[must_use]
    pub fn grouped(self) -> Self {
        let all = |parts: Vec<Self>| parts.into_iter().map(Self::grouped);
        let parts = match self {
            Self::Or(parts) => parts,
            Self::And(parts) => return Self::and(all(parts).collect()),
            Self::Not(inner) => return Self::Not(Box::new(inner.grouped())),
            other => return other,
        };
        let (mut rest, mut lists): (Vec<Self>, Vec<(String, Vec<SearchValue>)>) = (Vec::new(), Vec::new());
        for part in all(parts) {
            let (field, mut values) = match part {
                Self::Compare { field, op: CompareOp::Equal, value } => (field, vec![value]),
                Self::In { field, values } => (field, values),
                other => {
                    rest.push(other);
                    continue;
                }
            };
            match lists.iter_mut().find(|(known, _)| *known == field) {
                Some((_, list)) => list.append(&mut values),
                None => lists.push((field, values)),
            }
        }
        rest.extend(lists.into_iter().map(|(field, mut values)| match values.len() {
            1 => Self::Compare { field, op: CompareOp::Equal, value: values.remove(0) },
            _ => Self::In { field, values },
        }));
        Self::or(rest)
    }

    /// The fields that it compares, each once, in order; origin fields among them.
    pub fn fields(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.visit(true, &mut |part, _| {
            if let Self::Compare { field, .. } | Self::In { field, .. } = part
                && !found.contains(field)
            {
                found.push(field.clone());
            }
        });
        found
    }

    /// Whether the store can evaluate it; if not (it compares `_time`, say), it has to be asked of rows.
    pub fn is_scannable(&self) -> bool {
        !self.fields().iter().any(|field| filter::is_row_field(field))
    }

    /// Whether it looks for words in `_raw`.
    pub fn has_terms(&self) -> bool {
        let mut found = false;
        self.visit(true, &mut |part, _| found |= matches!(part, Self::Term { .. }));
        found
    }

    /// The words to mark in a page: terms and compared values that are not negated; may hold `*`.
    pub fn highlights(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut add = |text: &str| {
            if text.chars().any(|c| c != '*') && !found.iter().any(|known| known == text) {
                found.push(text.to_owned());
            }
        };
        self.visit(true, &mut |part, positive| match part {
            Self::Term { text, .. } if positive => add(text),
            Self::Compare { op: CompareOp::Equal, value, field } if positive && !is_origin(field) => add(&value.text),
            Self::In { values, field } if positive && !is_origin(field) => values.iter().for_each(|value| add(&value.text)),
            _ => {}
        });
        found
    }

    /// Where `severity` is compared with a number by size: that, and what compares the numbers. In syslog it is a name, and a name
    /// beside a number goes by its letters.
    pub fn severity_by_number(&self) -> Option<(Self, Self)> {
        use CompareOp::{Greater, GreaterEqual, Less, LessEqual};
        let mut found = None;
        self.visit(true, &mut |part, _| {
            if let Self::Compare { field, op: op @ (Less | LessEqual | Greater | GreaterEqual), value } = part
                && field == "severity"
                && crate::eval::parse_number(&value.text).is_some()
            {
                found = Some((part.clone(), Self::Compare { field: "severity_id".into(), op: *op, value: value.clone() }));
            }
        });
        found
    }

    /// Whether it says which index (not only which not).
    pub fn names_index(&self) -> bool {
        let mut found = false;
        self.visit(true, &mut |part, positive| match part {
            Self::Compare { field, op: CompareOp::Equal, .. } | Self::In { field, .. } if field == "index" => found |= positive,
            Self::Compare { field, op: CompareOp::NotEqual, .. } if field == "index" => found |= !positive,
            _ => {}
        });
        found
    }

    fn visit(&self, positive: bool, see: &mut impl FnMut(&Self, bool)) {
        see(self, positive);
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.visit(positive, see)),
            Self::Not(inner) => inner.visit(!positive, see),
            _ => {}
        }
    }
}

/// Whether the field is part of an event's origin, not of its text.
fn is_origin(field: &str) -> bool {
    matches!(field, "index" | "host" | "source" | "sourcetype")
}
