//! Elasticsearch's `_bulk`: a line that says what to do, then a line with the document.
//!
//! `create` and `index` become events, each the bytes of its document. The name of the index, or that of the path, is
//! their source: it says what the shipper thinks they are, and is no index of ours. `update` and `delete` are refused one
//! by one, since events do not change.
//!
//! **Ids.** What has an `_id` is stored once within its `_index` and sender: `create` of an id that is there is refused, whatever is in it, as the
//! protocol has it. `index` of one that is there is nothing new where the document is the same, and another event where it is not: events do not change, so
//! the one before stays.

use super::{Intake, Place, invalid, utf8};
use crate::records::{Record, json};
use taffrail_base::Result;
use taffrail_event::Same;

/// What became of one action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// `create`, `index`, `update`, `delete`.
    pub action: String,
    /// The index that was named.
    pub index: String,
    /// The name that the sender gave the document, if it did.
    pub id: Option<String>,
    /// Why it was refused; `None`: it was taken.
    pub refused: Option<&'static str>,
    /// Where the event went that has an id.
    pub place: Option<Place>,
}

/// Takes the documents of a body. `index` is that of the path. An error takes nothing.
pub fn documents(body: &[u8], index: Option<&str>, intake: &mut Intake) -> Result<Vec<Item>> {
    let text = utf8(body)?;
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).enumerate();
    let mut items = Vec::new();
    let mut records = Vec::new();
    while let Some((number, line)) = lines.next() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let malformed = |what: &str| invalid(format!("line {}: {what}", number + 1));
        if !json::is_value(line) {
            return Err(malformed("Malformed action/metadata line, expected an object"));
        }
        let (action, detail) = json::members(line).next().ok_or_else(|| malformed("Malformed action/metadata line, no action"))?;
        let action = json::text(action).unwrap_or_default().into_owned();
        let named = |name| json::member(detail, name).and_then(json::scalar);
        let mut item = Item {
            index: named("_index").map_or_else(|| index.unwrap_or("bulk").to_owned(), std::borrow::Cow::into_owned),
            id: named("_id").map(std::borrow::Cow::into_owned),
            action,
            refused: None,
            place: None,
        };
        match item.action.as_str() {
            "create" | "index" => {
                let (_, document) = lines.next().ok_or_else(|| malformed("The action has no document behind it"))?;
                if json::is_value(document) && json::is_object(document.trim_ascii_start()) {
                    records.push((items.len(), Record { source: item.index.clone().into(), ..Record::json(document.as_bytes()) }));
                } else {
                    item.refused = Some("failed to parse: the document is no JSON object");
                }
            }
            "update" => {
                lines.next();
                item.refused = Some("events do not change: update is not taken");
            }
            "delete" => item.refused = Some("events do not change: delete is not taken"),
            other => return Err(malformed(&format!("Malformed action/metadata line, unknown action [{other}]"))),
        }
        items.push(item);
    }
    if items.is_empty() {
        return Err(invalid("request body is required"));
    }
    for (number, record) in &records {
        let item = &mut items[*number];
        match item.id.as_ref().filter(|id| !id.is_empty()) {
            Some(id) => {
                let same = if item.action == "create" { Same::Id } else { Same::IdAndContent };
                item.place = Some(intake.push_as(record, &[&item.index, id], same));
            }
            None => intake.push(record),
        }
    }
    Ok(items)
}
