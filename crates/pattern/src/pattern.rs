//! A pattern: the constant text of events with slots where they vary.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::fmt;
use std::sync::{Arc, Weak};

/// What a slot may hold. A slot never holds more than its kind says: rules decided on the pattern rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SlotKind {
    /// A token: at least one byte, none of them a delimiter (see [`crate::split::is_delimiter`]).
    Word,
    /// The inside of a double-quoted string: anything, but no double quote that is not escaped by `\`.
    Quoted,
    /// A time in one of the layouts of [`crate::split::time`].
    Time,
    /// Any bytes. Only a pattern of one single raw slot has it: text without structure.
    Raw,
}

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// Constant bytes, delimiters and quotes included.
    Text(Vec<u8>),
    /// A place that varies; slots are numbered from 0 in order.
    Slot(SlotKind),
}

/// The identity of a pattern: XXH3-64 of its [`Pattern::key`]; compare keys before trusting equality.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PatternId(pub u64);

/// Patterns by identity; those that nobody holds are dropped when there are `sweep_at`.
struct Interned {
    patterns: Option<FxHashMap<PatternId, Weak<Pattern>>>,
    sweep_at: usize,
}

/// Constant text with slots.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    pieces: Vec<Piece>,
    slots: usize,
}

impl Pattern {
    /// A pattern of these pieces; neighbouring texts are joined and empty ones dropped.
    pub fn new(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let mut joined: Vec<Piece> = Vec::new();
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (_, Piece::Text(text)) if text.is_empty() => {}
                (Some(Piece::Text(before)), Piece::Text(text)) => before.extend_from_slice(&text),
                (_, piece) => joined.push(piece),
            }
        }
        let slots = joined.iter().filter(|p| matches!(p, Piece::Slot(_))).count();
        Self { pieces: joined, slots }
    }

    /// The pattern of text without structure: one raw slot.
    pub fn raw() -> Self {
        Self::new([Piece::Slot(SlotKind::Raw)])
    }

    /// Its pieces in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// How many slots it has.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Whether it is the pattern of text without structure.
    pub fn is_raw(&self) -> bool {
        matches!(self.pieces[..], [Piece::Slot(SlotKind::Raw)])
    }

    /// Bytes that spell the pattern without ambiguity: text as it is with 0x01 doubled by 0x01 0x00, and each
    /// slot as 0x01 and the kind's digit (1 word, 2 quoted, 3 time, 4 raw).
    pub fn key(&self) -> Vec<u8> {
        let mut key = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => {
                    for byte in text {
                        key.push(*byte);
                        if *byte == 1 {
                            key.push(0);
                        }
                    }
                }
                Piece::Slot(kind) => key.extend_from_slice(&[1, kind.code()]),
            }
        }
        key
    }

    /// The inverse of [`Pattern::key`]; `None` if the bytes are not a key.
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut text = Vec::new();
        let mut bytes = key.iter();
        while let Some(&byte) = bytes.next() {
            if byte != 1 {
                text.push(byte);
                continue;
            }
            match bytes.next()? {
                0 => text.push(1),
                code => {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                    pieces.push(Piece::Slot(SlotKind::from_code(*code)?));
                }
            }
        }
        pieces.push(Piece::Text(text));
        Some(Self::new(pieces))
    }

    /// The pattern of a key, the very same for all that ask while somebody holds it: segments share patterns, and
    /// what is decided on one is found again by its address.
    pub fn interned(key: &[u8]) -> Option<(PatternId, Arc<Self>)> {
        static KNOWN: Mutex<Interned> = Mutex::new(Interned { patterns: None, sweep_at: 4_096 });
        let id = PatternId(xxhash_rust::xxh3::xxh3_64(key));
        let mut known = KNOWN.lock();
        let Interned { patterns, sweep_at } = &mut *known;
        let patterns = patterns.get_or_insert_default();
        if let Some(pattern) = patterns.get(&id).and_then(Weak::upgrade)
            && pattern.key() == key
        {
            return Some((id, pattern));
        }
        let pattern = Arc::new(Self::from_key(key)?);
        if patterns.len() >= *sweep_at {
            patterns.retain(|_, pattern| pattern.strong_count() > 0);
            *sweep_at = 4_096.max(patterns.len() * 2);
        }
        patterns.insert(id, Arc::downgrade(&pattern));
        Some((id, pattern))
    }

    /// Its identity.
    pub fn id(&self) -> PatternId {
        PatternId(xxhash_rust::xxh3::xxh3_64(&self.key()))
    }

    /// The event's bytes, given the value of each slot.
    pub fn render<'a>(&self, mut value: impl FnMut(usize) -> &'a [u8], out: &mut Vec<u8>) {
        let mut slot = 0;
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Slot(_) => {
                    out.extend_from_slice(value(slot));
                    slot += 1;
                }
            }
        }
    }
}

impl SlotKind {
    /// The kind's digit in stored keys; never changes meaning.
    pub fn code(self) -> u8 {
        match self {
            Self::Word => 1,
            Self::Quoted => 2,
            Self::Time => 3,
            Self::Raw => 4,
        }
    }

    /// The kind of a digit.
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Word,
            2 => Self::Quoted,
            3 => Self::Time,
            4 => Self::Raw,
            _ => return None,
        })
    }
}

/// For people: text with `<*>` for words and quoted strings, `<time>` and `<raw>`.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => f.write_str(&String::from_utf8_lossy(text))?,
                Piece::Slot(SlotKind::Word | SlotKind::Quoted) => f.write_str("<*>")?,
                Piece::Slot(SlotKind::Time) => f.write_str("<time>")?,
                Piece::Slot(SlotKind::Raw) => f.write_str("<raw>")?,
            }
        }
        Ok(())
    }
}

/// Sixteen hexadecimal digits.
impl fmt::Display for PatternId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for PatternId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
