//! From a [`SearchExpr`] to what the store evaluates.

use super::{SearchExpr, SearchValue, ValueMatcher, Wildcard};
use std::sync::Arc;
use taffrail_pattern::text::is_major_breaker;
use taffrail_pattern::{FieldPlan, FieldResolver, Guarded, Held, Pattern, Term};
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
    ValueTestOf(ValueTest::new(passes))
}

/// The test of a comparison: of text, and of numbers where these tell the same.
fn compare(matcher: ValueMatcher) -> ValueTestOf {
    let numbers = matcher.numbers();
    ValueTestOf(ValueTest::new(move |value| matcher.matches_option(value)).with_numbers(numbers))
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
            Self::Term { text, case_sensitive, whole } => {
                let term = Filter::Term(Term { case_sensitive: *case_sensitive, ..Term::wildcard(text) });
                if *whole { Filter::And(vec![term, whole_token(text)]) } else { term }
            }
            Self::Compare { field, op: super::CompareOp::Equal, value } if field == "index" => index_filter(vec![value.clone()]),
            Self::In { field, values } if field == "index" => index_filter(values.clone()),
            Self::Compare { field, op, value } => compare(ValueMatcher::new(*op, value)).on(field),
            Self::In { field, values } => compare(ValueMatcher::any_of(values)).on(field),
            Self::And(parts) => Filter::And(parts.iter().map(Self::filter).collect()),
            Self::Or(parts) => Filter::Or(parts.iter().map(Self::filter).collect()),
            Self::Not(inner) => match inner.filter() {
                Filter::All => Filter::Nothing,
                other => Filter::Not(Box::new(other)),
            },
        }
    }
}

/// `TERM(...)`: the events that have it between major breakers, among those that have it between any.
fn whole_token(text: &str) -> Filter {
    let text = text.to_owned();
    test(move |raw| raw.is_some_and(|raw| is_whole_token(&text, raw))).on("_raw")
}

/// Whether `raw` has a token, from one major breaker to the next, that matches `text`.
pub fn is_whole_token(text: &str, raw: &str) -> bool {
    let wanted = Wildcard::new(text, false);
    // A text with breakers of its own is a run of tokens, and only its ends are bounded.
    if text.bytes().any(|byte| is_major_breaker(byte) && byte != b'*') {
        let (raw, text) = (raw.to_lowercase(), text.to_lowercase());
        let outside = |at: Option<&u8>| at.is_none_or(|byte| is_major_breaker(*byte));
        return raw.match_indices(&text).any(|(at, found)| {
            outside(at.checked_sub(1).map(|before| &raw.as_bytes()[before])) && outside(raw.as_bytes().get(at + found.len()))
        });
    }
    raw.split(|c: char| u8::try_from(c).is_ok_and(|byte| byte.is_ascii() && is_major_breaker(byte))).any(|token| wanted.matches(token))
}

/// Fields of the store itself that a base search can compare, which no format knows: `_raw` and `_pattern`.
struct WithStoreFields(Arc<dyn FieldResolver>);

/// A resolver that also knows the fields `_raw` and `_pattern`; for filters that [`SearchExpr::filter`] made.
pub fn with_store_fields(resolver: Arc<dyn FieldResolver>) -> Arc<dyn FieldResolver> {
    Arc::new(WithStoreFields(resolver))
}

impl FieldResolver for WithStoreFields {
    fn resolve(&self, sourcetype: &str, pattern: &Pattern, held: &[Held], field: &str) -> FieldPlan {
        match field {
            "_raw" => FieldPlan::PerEvent(Arc::new(|raw| Some(String::from_utf8_lossy(raw).into_owned())), None),
            "_pattern" => FieldPlan::Constant(pattern.id().to_string().into()),
            _ => self.0.resolve(sourcetype, pattern, held, field),
        }
    }

    fn guarded(&self, sourcetype: &str, pattern: &Pattern, held: &[Held], field: &str) -> Option<Guarded> {
        self.0.guarded(sourcetype, pattern, held, field)
    }

    fn fields(&self, sourcetype: &str, pattern: &Pattern, held: &[Held]) -> Vec<(String, FieldPlan)> {
        self.0.fields(sourcetype, pattern, held)
    }

    fn fields_vary(&self, sourcetype: &str, pattern: &Pattern, held: &[Held]) -> bool {
        self.0.fields_vary(sourcetype, pattern, held)
    }

    fn fields_guarded(&self, sourcetype: &str, pattern: &Pattern, held: &[Held]) -> Option<Guarded<Vec<(String, FieldPlan)>>> {
        self.0.fields_guarded(sourcetype, pattern, held)
    }

    fn fields_of_event(&self, sourcetype: &str, raw: &[u8]) -> Vec<(String, String)> {
        self.0.fields_of_event(sourcetype, raw)
    }
}

/// Fields of the store that only rows have: a scan cannot compare them.
pub(super) fn is_row_field(field: &str) -> bool {
    matches!(field, "_time" | "_indextime" | "_sequence" | "_problems" | "_raw_bytes")
}

fn index_filter(values: Vec<SearchValue>) -> Filter {
    test(move |name| name.is_some_and(|name| index_matches(&values, name))).origin(OriginField::Index)
}
