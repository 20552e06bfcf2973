//! Packs by SLDC (ECMA-321), as Windows does: from the standard, for tests alone. Bytes that find no
//! pointer for long are written in scheme 2.

use std::collections::HashMap;

/// Bits, highest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: usize,
}

impl Bits {
    fn put(&mut self, value: usize, bits: usize) {
        for bit in (0..bits).rev() {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= ((value >> bit & 1) as u8) << (7 - self.used % 8);
            self.used += 1;
        }
    }

    fn control(&mut self, symbol: usize) {
        self.put(0x1ff0 | symbol, 13);
    }

    fn pad(&mut self) {
        while !self.used.is_multiple_of(32) {
            self.put(0, 1);
        }
    }
}

const FLUSH: usize = 0;
const SCHEME_1: usize = 1;
const SCHEME_2: usize = 2;
const END_OF_RECORD: usize = 4;
const RESET_1: usize = 5;

/// Where each pair of bytes stands, and how often a string is looked for.
#[derive(Default)]
struct Places(HashMap<[u8; 2], Vec<usize>>);

const TRIES: usize = 32;

impl Places {
    fn note(&mut self, bytes: &[u8], at: usize) {
        if let Some(pair) = bytes[at..].first_chunk() {
            self.0.entry(*pair).or_default().push(at);
        }
    }

    /// The longest string within the last 1,024 bytes that goes on like what is at `at`: where, and how long. It may run into
    /// itself.
    fn longest(&self, bytes: &[u8], at: usize) -> (usize, usize) {
        let known = bytes[at..].first_chunk().and_then(|pair| self.0.get(pair));
        let near = known.into_iter().flatten().rev().take(TRIES).take_while(|start| *start + 1_024 >= at);
        let length = |start: usize| (0..271.min(bytes.len() - at)).take_while(|n| bytes[start + n] == bytes[at + n]).count();
        near.map(|start| (*start, length(*start))).max_by_key(|(_, length)| *length).unwrap_or_default()
    }
}

/// One record, and behind it what Windows puts there: how many bytes it comes to.
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.control(RESET_1);
    let mut places = Places::default();
    let (mut at, mut noted, mut plain, mut second) = (0, 0, 0, false);
    while at < bytes.len() {
        (noted..at).for_each(|before| places.note(bytes, before));
        noted = at;
        if at % 5_000 == 4_999 {
            bits.control(FLUSH);
            bits.pad();
            bits.control(if second { SCHEME_2 } else { SCHEME_1 });
        }
        let (start, length) = places.longest(bytes, at);
        plain = if length < 2 { plain + 1 } else { 0 };
        if second != (plain > 20) {
            second = plain > 20;
            bits.control(if second { SCHEME_2 } else { SCHEME_1 });
        }
        if length >= 2 {
            bits.put(1, 1);
            match length {
                2..4 => bits.put(length - 2, 2),
                4..8 => bits.put(0b1000 | (length - 4), 4),
                8..16 => bits.put(0b11_0000 | (length - 8), 6),
                16..32 => bits.put(0b1110_0000 | (length - 16), 8),
                _ => bits.put(0b1111_0000_0000 | (length - 32), 12),
            }
            bits.put(start % 1_024, 10);
            at += length;
            continue;
        }
        match (second, bytes[at]) {
            (false, byte) => bits.put(usize::from(byte), 9),
            (true, 0xff) => bits.put(0x1fe, 9),
            (true, byte) => bits.put(usize::from(byte), 8),
        }
        at += 1;
    }
    bits.control(END_OF_RECORD);
    bits.pad();
    bits.bytes.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    bits.bytes
}
