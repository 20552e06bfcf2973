//! The definitions that are text: macros, saved searches and event types.

use super::Knowledge;
use crate::language::search::Wildcard;
use crate::language::{CompareOp, QueryError, SearchExpr, SearchValue, lexer};
use serde::{Deserialize, Serialize};
use taffrail_base::limits::SUBSEARCH_DEPTH_MAX;

/// Text that stands for a name in backticks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Macro {
    /// The text; `$name$` stands for an argument.
    pub definition: String,
    /// The names of the arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// An expression that has to be true of the arguments, or to give no text.
    #[serde(default)]
    pub validation: Option<String>,
    /// What is said when it is not.
    #[serde(default)]
    pub errormsg: Option<String>,
    /// Whether the text is an expression whose value is the text.
    #[serde(default)]
    pub iseval: bool,
    /// For people.
    #[serde(default)]
    pub description: String,
}

/// A search with a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedSearch {
    /// The search; `$name$` stands for an argument of `savedsearch`.
    pub search: String,
    /// For people.
    #[serde(default)]
    pub description: String,
}

/// A name for the events that a search finds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventType {
    /// The search, without commands.
    pub search: String,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// For people.
    #[serde(default)]
    pub description: String,
}

/// An event type, its search parsed.
#[derive(Clone, Debug)]
pub struct TypeSearch {
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// The events that are of it.
    pub search: SearchExpr,
}

/// See [`Knowledge::type_searches`].
pub(super) fn type_searches(knowledge: &Knowledge) -> Result<Vec<TypeSearch>, QueryError> {
    let each = knowledge.event_types()?.into_iter().map(|(name, defined)| {
        let parsed = words(&defined.search).map_err(|error| QueryError::new(format!("the event type {name:?}: {}", error.message)))?;
        let search = resolve(knowledge, &parsed, 1)?.grouped();
        Ok(TypeSearch { name, tags: defined.tags, search })
    });
    let mut found = each.collect::<Result<Vec<_>, QueryError>>()?;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// `text` with `$name$` replaced by the value of each name; other `$` stay.
pub fn substitute(text: &str, values: &[(String, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let found = values.iter().find(|(name, _)| rest[1..].strip_prefix(name.as_str()).is_some_and(|after| after.starts_with('$')));
        match found {
            Some((name, value)) => {
                out.push_str(value);
                rest = &rest[name.len() + 2..];
            }
            None => {
                out.push('$');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// See [`Knowledge::resolve`].
pub(super) fn resolve(knowledge: &Knowledge, search: &SearchExpr, depth: usize) -> Result<SearchExpr, QueryError> {
    if depth > SUBSEARCH_DEPTH_MAX {
        return Err(QueryError::new("event types or saved searches refer to each other in a circle"));
    }
    let all = |parts: &[SearchExpr]| parts.iter().map(|part| resolve(knowledge, part, depth)).collect::<Result<Vec<_>, _>>();
    Ok(match search {
        SearchExpr::And(parts) => SearchExpr::and(all(parts)?),
        SearchExpr::Or(parts) => SearchExpr::or(all(parts)?),
        SearchExpr::Not(inner) => SearchExpr::Not(Box::new(resolve(knowledge, inner, depth)?)),
        SearchExpr::Compare { field, op: CompareOp::Equal, value } => named(knowledge, search, field, std::slice::from_ref(value), depth)?,
        // As everywhere: different, and there.
        SearchExpr::Compare { field, op: CompareOp::NotEqual, value } if is_named(field) && field != "savedsearch" => {
            let equal = SearchExpr::Compare { field: field.clone(), op: CompareOp::Equal, value: value.clone() };
            match named(knowledge, &equal, field, std::slice::from_ref(value), depth)? {
                same if same == equal => search.clone(),
                found => SearchExpr::Not(Box::new(found)),
            }
        }
        SearchExpr::In { field, values } => named(knowledge, search, field, values, depth)?,
        other => other.clone(),
    })
}

fn is_named(field: &str) -> bool {
    matches!(field, "eventtype" | "tag" | "savedsearch") || field.starts_with("tag::")
}

/// What a comparison of `eventtype`, `tag` or `savedsearch` stands for: the comparison itself, as events may have a
/// field of that name, or the searches that it names.
fn named(knowledge: &Knowledge, plain: &SearchExpr, field: &str, values: &[SearchValue], depth: usize) -> Result<SearchExpr, QueryError> {
    if !is_named(field) {
        return Ok(plain.clone());
    }
    if field == "savedsearch" {
        let searches = values.iter().map(|value| {
            let text = knowledge.saved_search(&value.text)?.search;
            let parsed = words(&text).map_err(|error| {
                QueryError::new(format!("the saved search {:?} cannot stand within a search: {}", value.text, error.message))
                    .with_hint(format!("use its rows instead: [ | savedsearch {} ]", lexer::quoted(&value.text, '"')))
            })?;
            resolve(knowledge, &parsed, depth + 1)
        });
        return Ok(SearchExpr::or(searches.collect::<Result<_, _>>()?));
    }
    let wanted: Vec<Wildcard> = values.iter().map(|value| Wildcard::new(&value.text, value.case_sensitive)).collect();
    let matches = |name: &str| wanted.iter().any(|wanted| wanted.matches(name));
    let mut found = vec![plain.clone()];
    for (name, event_type) in knowledge.event_types()? {
        let meant = if field == "eventtype" { matches(&name) } else { event_type.tags.iter().any(|tag| matches(tag)) };
        if meant {
            let parsed =
                words(&event_type.search).map_err(|error| QueryError::new(format!("the event type {name:?}: {}", error.message)))?;
            found.push(resolve(knowledge, &parsed, depth + 1)?);
        }
    }
    Ok(SearchExpr::or(found))
}

/// The text of a definition as a search, with or without the word `search` before it.
fn words(text: &str) -> Result<SearchExpr, QueryError> {
    let text = text.trim();
    if lexer::split(text, 0, text.len())?.spans.len() > 1 {
        return Err(QueryError::new("it has commands"));
    }
    SearchExpr::parse(text.strip_prefix("search ").unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_stand_in_dollars() {
        let values = [("a".to_owned(), "1$b$".to_owned()), ("b".to_owned(), "2".to_owned())];
        assert_eq!(substitute("x=$a$ y=$b$ z=$c$ $a $", &values), "x=1$b$ y=2 z=$c$ $a $");
        assert_eq!(substitute("$a$a$", &values), "1$b$a$");
    }
}
