//! Ids that senders give their events, as the sink knows them: hashes, within the scope of an input, an index and a sender.
//!
//! Which protocols give one: `_bulk` (`_id`), journals (`__CURSOR`), CloudTrail (`eventID`), a Taffrail that routes to another, and Beats that are told
//! to (`@metadata._id`). HEC, Loki, OTLP, GELF, Datadog, syslog and RELP do not; what their senders send again is there twice.

use taffrail_event::{EventId, IdScope};

/// The scope that these parts name together.
pub fn scope(parts: &[&str]) -> IdScope {
    let mut hasher = blake3::Hasher::new();
    parts.iter().for_each(|part| put(&mut hasher, part.as_bytes()));
    IdScope(first(&hasher))
}

/// The id of the event with these bytes that is called by `parts` together.
pub fn id(scope: IdScope, parts: &[&[u8]], raw: &[u8]) -> EventId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&scope.0.to_le_bytes());
    parts.iter().for_each(|part| put(&mut hasher, part));
    EventId { scope, key: first(&hasher), content: content(raw) }
}

/// The hash of an event's bytes.
fn content(raw: &[u8]) -> u64 {
    u64::from_le_bytes(blake3::hash(raw).as_bytes()[..8].try_into().unwrap_or_default())
}

/// Its length goes before it, so that no two lists of parts are alike.
fn put(hasher: &mut blake3::Hasher, part: &[u8]) {
    hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
}

fn first(hasher: &blake3::Hasher) -> u64 {
    u64::from_le_bytes(hasher.finalize().as_bytes()[..8].try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_by_scope_parts_and_content() {
        let [one, two] = [scope(&["ab", "c"]), scope(&["a", "bc"])];
        assert_ne!(one, two);
        let ours = id(one, &[b"i", b"d"], b"text");
        assert_eq!(ours, id(one, &[b"i", b"d"], b"text"));
        for other in [id(two, &[b"i", b"d"], b"text"), id(one, &[b"id"], b"text"), id(one, &[b"i", b"e"], b"text")] {
            assert!(other.key != ours.key && other.content == ours.content);
        }
        let changed = id(one, &[b"i", b"d"], b"other");
        assert!(changed.key == ours.key && changed.content != ours.content);
    }
}
