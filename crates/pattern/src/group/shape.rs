//! What the positions of a shape are, from the delimiters around them.

use crate::pattern::SlotKind;
use crate::split::{SHAPE_LINES, SHAPE_QUOTED, SHAPE_TIME, SHAPE_WORD};

/// What a position of a shape is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Before `=`, or quoted before `:`: a name, structure whatever it looks like.
    Key,
    /// After `=`, or quoted after `:`: data.
    Value,
    /// Anything else.
    Plain,
}

/// Kind and role of each position of a shape.
pub fn roles(shape: &[u8]) -> Vec<(SlotKind, Role)> {
    let mut roles = Vec::new();
    for (at, byte) in shape.iter().enumerate() {
        let (kind, before, after) = match *byte {
            SHAPE_WORD => (SlotKind::Word, at.checked_sub(1), at + 1),
            SHAPE_QUOTED => (SlotKind::Quoted, at.checked_sub(2), at + 2),
            SHAPE_TIME => (SlotKind::Time, at.checked_sub(1), at + 1),
            SHAPE_LINES => {
                roles.push((SlotKind::Raw, Role::Value));
                continue;
            }
            _ => continue,
        };
        let before = before.and_then(|at| shape.get(at)).copied();
        let after = shape.get(after).copied();
        let role = match (kind, before, after) {
            (SlotKind::Word, _, Some(b'=')) | (SlotKind::Quoted, _, Some(b':' | b'=')) => Role::Key,
            (_, Some(b'='), _) | (SlotKind::Quoted, Some(b':'), _) => Role::Value,
            _ => Role::Plain,
        };
        roles.push((kind, role));
    }
    // `<38>1 `: the version of a syslog header decides what every later position means.
    if shape.starts_with(&[b'<', SHAPE_WORD, b'>', SHAPE_WORD, b' ']) {
        roles[1].1 = Role::Key;
    }
    roles
}
