//! From a [`SearchExpr`] to what the store evaluates.

use super::{SearchExpr, SearchValue, ValueMatcher, Wildcard};
use std::sync::Arc;
use taffrail_pattern::Term;
use taffrail_store::{Filter, OriginField, ValueTest};

/// The filter for a base search: [`SearchExpr::filter`], and where the search names no index, only indexes
/// whose name does not begin with `_`.
pub fn to_filter(search: &SearchExpr) -> Filter {
    let filter = search.filter();
    if search.names_index() {
        return filter;
    }
    match filter {
        Filter::All => default_indexes(),
        Filter::And(mut parts) => {
            parts.insert(0, default_indexes());
            Filter::And(parts)
        }
        other => Filter::And(vec![default_indexes(), other]),
    }
}

/// The indexes that a search without `index=` looks into: those whose name does not begin with `_`.
pub fn default_indexes() -> Filter {
    test(|value| value.is_some_and(|name| !name.starts_with('_'))).origin(OriginField::Index)
}

fn test(passes: impl Fn(Option<&str>) -> bool + Send + Sync + 'static) -> ValueTestOf {
    ValueTestOf(ValueTest(Arc::new(passes)))
}

struct ValueTestOf(ValueTest);

impl ValueTestOf {
    fn origin(self, field: OriginField) -> Filter {
        Filter::Origin(field, self.0)
    }

    fn on(self, field: &str) -> Filter {
        match field {
            "host" => self.origin(OriginField::Host),
            "source" => self.origin(OriginField::Source),
            "sourcetype" => self.origin(OriginField::Sourcetype),
            "index" => self.origin(OriginField::Index),
            other => Filter::Field(other.to_owned(), self.0),
        }
    }
}

/// The name of an index against a value: a value that begins with `*` does not reach names with `_` first.
fn index_matches(values: &[SearchValue], name: &str) -> bool {
    values.iter().any(|value| {
        let internal = name.starts_with('_') && !value.text.starts_with('_');
        !internal && Wildcard::new(&value.text, value.case_sensitive).matches(name)
    })
}

impl SearchExpr {
    /// The filter for the store, without the rule for unnamed indexes.
    pub fn filter(&self) -> Filter {
        match self {
            Self::All => Filter::All,
            // BUG: TERM(...) is bounded by any breaker like a plain word; the store's terms know no other kind yet.
            Self::Term { text, case_sensitive, .. } => Filter::Term(Term { case_sensitive: *case_sensitive, ..Term::wildcard(text) }),
            Self::Compare { field, op: super::CompareOp::Equal, value } if field == "index" => index_filter(vec![value.clone()]),
            Self::In { field, values } if field == "index" => index_filter(values.clone()),
            Self::Compare { field, op, value } => {
                let matcher = ValueMatcher::new(*op, value);
                test(move |value| matcher.matches_option(value)).on(field)
            }
            Self::In { field, values } => {
                let matcher = ValueMatcher::any_of(values);
                test(move |value| matcher.matches_option(value)).on(field)
            }
            Self::And(parts) => Filter::And(parts.iter().map(Self::filter).collect()),
            Self::Or(parts) => Filter::Or(parts.iter().map(Self::filter).collect()),
            Self::Not(inner) => match inner.filter() {
                Filter::All => Filter::Nothing,
                other => Filter::Not(Box::new(other)),
            },
        }
    }
}

fn index_filter(values: Vec<SearchValue>) -> Filter {
    test(move |name| name.is_some_and(|name| index_matches(&values, name))).origin(OriginField::Index)
}
