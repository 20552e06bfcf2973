//! What the slots of a pattern hold, as far as it is known: which bytes stand in the values, and how long these are.
//!
//! A pattern alone says that a slot is a word, a quoted string or a time. A segment has seen the values, and keeps for each
//! column the classes of their bytes. So `<*>` that only ever held digits is a number, and cannot be the name of a user.

use crate::SlotKind;
use crate::split::is_delimiter;

/// The class of each byte. Part of the stored format: letters without case, digits and most signs have one of their own.
const CLASS: [u8; 256] = {
    let mut table = [63u8; 256];
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        table[byte] = match b {
            b'a'..=b'z' => b - b'a',
            b'A'..=b'Z' => b - b'A',
            b'0'..=b'9' => 26 + b - b'0',
            b' ' => 36,
            b'.' => 37,
            b'-' => 38,
            b'/' => 39,
            b':' => 40,
            b'_' => 41,
            b'=' => 42,
            b'%' => 43,
            b'@' => 44,
            b'\\' => 45,
            b'$' => 46,
            b'#' => 47,
            b',' => 48,
            b';' => 49,
            b'(' | b')' => 50,
            b'[' | b']' => 51,
            b'{' | b'}' => 52,
            b'"' | b'\'' => 53,
            b'?' | b'&' => 54,
            b'+' | b'*' => 55,
            b'<' | b'>' | b'|' | b'!' => 56,
            _ => 57,
        };
        byte += 1;
    }
    table
};

/// The mask of all bytes that are not ASCII.
pub const NOT_ASCII: u64 = 1 << 63;

/// The mask of `0`-`9`.
pub const DIGITS: u64 = 0x3ff << 26;

/// The mask of hexadecimal digits.
pub const HEX_DIGITS: u64 = DIGITS | 0x3f;

/// The classes of the bytes of `text`, letters without case. Part of the stored format.
pub fn mask(text: &[u8]) -> u64 {
    text.iter().fold(0, |mask, byte| mask | 1 << CLASS[*byte as usize])
}

/// The bytes of each class, which no two classes share.
const BYTES: [Bytes; 64] = {
    let mut classes = [Bytes([0; 4]); 64];
    let mut byte = 0;
    while byte < 256 {
        classes[CLASS[byte] as usize].0[byte / 64] |= 1 << (byte % 64);
        byte += 1;
    }
    classes
};

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bytes(pub [u64; 4]);

impl Bytes {
    /// The bytes for which `test` holds.
    pub fn of(test: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::default();
        (0..=255).filter(|byte| test(*byte)).for_each(|byte| set.add(byte));
        set
    }

    /// Adds a byte.
    pub const fn add(&mut self, byte: u8) {
        self.0[byte as usize / 64] |= 1 << (byte % 64);
    }

    /// Whether a byte is in the set.
    #[inline]
    pub const fn has(&self, byte: u8) -> bool {
        self.0[byte as usize / 64] >> (byte % 64) & 1 == 1
    }

    /// The bytes of both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] & other.0[at]))
    }

    /// Whether a byte is in both.
    #[inline]
    pub fn meets(&self, other: &Self) -> bool {
        (0..4).any(|at| self.0[at] & other.0[at] != 0)
    }

    /// Whether all of these are in the other.
    #[inline]
    pub fn within(&self, other: &Self) -> bool {
        (0..4).all(|at| self.0[at] & !other.0[at] == 0)
    }

    /// The bytes, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u8> {
        let words = self.0.iter().enumerate().filter(|(_, bits)| **bits != 0);
        words.flat_map(|(word, bits)| (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| (word * 64 + bit) as u8))
    }
}

/// What the values of a slot hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// The classes of their bytes, see [`mask`].
    pub mask: u64,
    /// Bytes of the longest.
    pub len_max: u32,
    /// One of the values: what it decides holds for the others that a test of the plan passes.
    pub sample: Option<Box<[u8]>>,
}

impl Held {
    /// Nothing is known.
    pub const ANYTHING: Self = Self { mask: u64::MAX, len_max: u32::MAX, sample: None };

    /// What a value holds.
    pub fn of(value: &[u8]) -> Self {
        Self { mask: mask(value), len_max: u32::try_from(value.len()).unwrap_or(u32::MAX), sample: Some(value.into()) }
    }

    /// What this and another hold.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { mask: self.mask | other.mask, len_max: self.len_max.max(other.len_max), sample: self.sample.or(other.sample) }
    }

    /// The same in broad terms, so that most segments say the same of a slot: what is decided for one holds for all of them.
    #[must_use]
    pub fn broad(&self, kind: SlotKind) -> Self {
        let delimiters = BROAD_DELIMITERS & u64::from(kind == SlotKind::Quoted).wrapping_neg();
        let groups = [0x3f, 0x3ff_ffff & !0x3f, DIGITS, delimiters];
        let mask = groups.iter().fold(self.mask, |mask, group| if mask & group != 0 { mask | group } else { mask });
        let lengths = [1, 2, 3, 4, 5, 8, 15, 32, 64];
        let len_max = lengths.into_iter().find(|len| self.len_max <= *len).unwrap_or(u32::MAX);
        Self { mask, len_max, sample: self.sample.clone() }
    }

    /// The bytes that a slot of this kind may hold.
    pub fn bytes(&self, kind: SlotKind) -> Bytes {
        let classes = BYTES.iter().enumerate().filter(|(class, _)| self.mask >> class & 1 == 1);
        let bytes = classes.fold(Bytes::default(), |set, (_, class)| Bytes(std::array::from_fn(|at| set.0[at] | class.0[at])));
        match kind {
            SlotKind::Word => bytes.and(&Bytes::of(|byte| !is_delimiter(byte))),
            SlotKind::Time | SlotKind::Quoted | SlotKind::Raw => bytes,
        }
    }
}

/// What stands between words, but for the blank: in quoted strings one is as good as another.
const BROAD_DELIMITERS: u64 = 1 << 40 | 1 << 42 | 0x1ff << 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_within_what_is_said() {
        for (value, kind) in [("10.0.0.1", SlotKind::Word), ("Bob_x", SlotKind::Word), ("a b=\"c\u{e9}", SlotKind::Quoted)] {
            let held = Held::of(value.as_bytes());
            for held in [held.clone(), held.broad(kind), held.or(Held::of(b"1")), Held::ANYTHING] {
                let bytes = held.bytes(kind);
                assert!(value.bytes().all(|byte| bytes.has(byte)), "{value}");
                assert!(value.len() <= held.len_max as usize);
            }
        }
    }

    #[test]
    fn digits_are_no_letters() {
        let held = Held::of(b"443").broad(SlotKind::Word);
        assert_eq!(held.bytes(SlotKind::Word), Bytes::of(|byte| byte.is_ascii_digit()));
        assert_eq!(held.len_max, 3);
        assert!(!Held::of(b"0a").broad(SlotKind::Word).bytes(SlotKind::Word).has(b'g'));
    }
}
