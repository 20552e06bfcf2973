//! The encoding of SNMP and of certificates: tag, length, value. Reading never goes beyond what is there; writing is from the inside out.

/// Tags.
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const ADDRESS: u8 = 0x40;
pub(crate) const COUNTER32: u8 = 0x41;
pub(crate) const GAUGE32: u8 = 0x42;
pub(crate) const TICKS: u8 = 0x43;
pub(crate) const OPAQUE: u8 = 0x44;
pub(crate) const COUNTER64: u8 = 0x46;

/// A part of a message, read from the front.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    all: &'a [u8],
    at: usize,
    end: usize,
}

/// One value with its tag, and where in the message its bytes are.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    pub tag: u8,
    pub bytes: &'a [u8],
    pub start: usize,
    all: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(all: &'a [u8]) -> Self {
        Self { all, at: 0, end: all.len() }
    }

    pub fn is_empty(&self) -> bool {
        self.at >= self.end
    }

    /// Takes the next value.
    pub fn next(&mut self) -> Option<Value<'a>> {
        let tag = self.byte()?;
        let len = match self.byte()? {
            short @ 0..=0x7f => usize::from(short),
            long @ 0x81..=0x84 => {
                let mut len = 0usize;
                for _ in 0..long & 0x0f {
                    len = len << 8 | usize::from(self.byte()?);
                }
                len
            }
            _ => return None,
        };
        let start = self.at;
        let end = start.checked_add(len).filter(|end| *end <= self.end)?;
        self.at = end;
        Some(Value { tag, bytes: &self.all[start..end], start, all: self.all })
    }

    /// Takes the next value, which must be of this kind.
    pub fn expect(&mut self, tag: u8) -> Option<Value<'a>> {
        self.next().filter(|value| value.tag == tag)
    }

    /// Takes a number that is not negative.
    pub fn number(&mut self) -> Option<u32> {
        u32::try_from(self.expect(INTEGER)?.integer()?).ok()
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.all.get(self.at).filter(|_| self.at < self.end)?;
        self.at += 1;
        Some(byte)
    }
}

impl<'a> Value<'a> {
    /// What is in it.
    pub fn reader(&self) -> Reader<'a> {
        Reader { all: self.all, at: self.start, end: self.start + self.bytes.len() }
    }

    /// As a number with a sign.
    pub fn integer(&self) -> Option<i64> {
        let first = *self.bytes.first()?;
        let fill = if first & 0x80 == 0 { 0 } else { -1 };
        (self.bytes.len() <= 8).then(|| self.bytes.iter().fold(fill, |number, byte| number << 8 | i64::from(*byte)))
    }

    /// As a number without one; a zero in front is for the sign only.
    pub fn unsigned(&self) -> Option<u64> {
        let bytes = self.bytes.strip_prefix(&[0]).unwrap_or(self.bytes);
        (bytes.len() <= 8 && !self.bytes.is_empty()).then(|| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// As the name of an object.
    pub fn oid(&self) -> Option<String> {
        let mut text = String::new();
        let mut number = 0u64;
        let mut first = true;
        for byte in self.bytes {
            number = number.checked_shl(7).filter(|_| number < 1 << 56)? | u64::from(byte & 0x7f);
            if byte & 0x80 != 0 {
                continue;
            }
            if std::mem::take(&mut first) {
                let top = (number / 40).min(2);
                text = format!("{top}.{}", number - top * 40);
            } else {
                text.push('.');
                text.push_str(&number.to_string());
            }
            number = 0;
        }
        (!first && self.bytes.last()? & 0x80 == 0).then_some(text)
    }
}

/// A value as it is sent.
pub(crate) fn value(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len();
    let mut out = vec![tag];
    match len {
        0..=0x7f => out.push(len as u8),
        0x80..=0xff => out.extend([0x81, len as u8]),
        _ => {
            let len = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
            out.push(0x84);
            out.extend(len);
        }
    }
    out.extend_from_slice(bytes);
    out
}

/// Values one behind the other, within one.
pub(crate) fn sequence(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    value(tag, &parts.concat())
}

/// A number as it is sent.
pub(crate) fn integer(number: u32) -> Vec<u8> {
    let bytes = [&[0][..], &number.to_be_bytes()].concat();
    let zeros = bytes.windows(2).take_while(|pair| pair[0] == 0 && pair[1] & 0x80 == 0).count();
    value(INTEGER, &bytes[zeros..])
}
