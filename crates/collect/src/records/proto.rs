//! Reads protocol buffers: fields one after the other, as they stand. What a message means is the business of who asks.

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A number of variable length.
    Number(u64),
    /// Eight bytes.
    Eight(u64),
    /// Four bytes.
    Four(u32),
    /// A text, bytes or a message.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Its bytes; none of numbers.
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Value::Bytes(bytes) => bytes,
            _ => b"",
        }
    }

    /// Its bytes; an error if a number stands in their place.
    pub fn message(self) -> Result<&'a [u8], Damaged> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(Damaged),
        }
    }

    /// Its number; 0 of bytes.
    pub fn number(self) -> u64 {
        match self {
            Value::Number(number) | Value::Eight(number) => number,
            Value::Four(number) => u64::from(number),
            Value::Bytes(_) => 0,
        }
    }
}

/// The fields of a message with their numbers. After something that is none it gives an error and ends.
pub struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// The fields of a message.
pub fn fields(bytes: &[u8]) -> Fields<'_> {
    Fields { bytes, at: 0 }
}

/// A number of variable length at a place, and where it ends.
pub fn varint(bytes: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(at)?;
        at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((number, at));
        }
    }
    None
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let (key, at) = varint(self.bytes, self.at)?;
        let rest = self.bytes.get(at..)?;
        let (value, end) = match key & 7 {
            0 => varint(self.bytes, at).map(|(number, end)| (Value::Number(number), end))?,
            1 => (Value::Eight(u64::from_le_bytes(*rest.first_chunk()?)), at + 8),
            2 => {
                let (length, start) = varint(self.bytes, at)?;
                let end = start.checked_add(usize::try_from(length).ok()?)?;
                (Value::Bytes(self.bytes.get(start..end)?), end)
            }
            5 => (Value::Four(u32::from_le_bytes(*rest.first_chunk()?)), at + 4),
            _ => return None,
        };
        self.at = end;
        Some((key >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let field = self.field().filter(|(number, _)| *number > 0);
        if field.is_none() {
            self.at = self.bytes.len();
        }
        Some(field.ok_or(Damaged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_field_and_damage() {
        let all: Vec<_> = fields(b"\x08\x96\x01\x12\x02hi\x1d\x01\0\0\0\x21\x02\0\0\0\0\0\0\0").collect();
        assert_eq!(all, [Ok((1, Value::Number(150))), Ok((2, Value::Bytes(b"hi"))), Ok((3, Value::Four(1))), Ok((4, Value::Eight(2)))]);
        for damaged in [&b"\x08"[..], b"\x12\x05hi", b"\x0b", b"\x00\x01", b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x1d\x01"]
        {
            assert_eq!(fields(damaged).collect::<Vec<_>>(), [Err(Damaged)], "{damaged:?}");
        }
    }
}
