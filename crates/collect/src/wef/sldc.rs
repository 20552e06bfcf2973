//! Expands SLDC (Streaming Lossless Data Compression, ECMA-321): what Windows packs the events in that it forwards. Pure.
//!
//! A stream is a row of symbols of any number of bits. Nine ones in a row, wherever a symbol may begin, and four bits behind
//! them say how it goes on: in scheme 1 (bytes, and pointers into the last 1,024 of them), in scheme 2 (bytes as they are), with
//! or without forgetting these 1,024, at the next multiple of 32 bits, or not at all. What Windows writes behind the end of
//! the record, the number of bytes that it comes to, is not looked at.

/// Bytes that pointers can reach.
const HISTORY_BYTES: usize = 1024;

/// Bits to whose multiples a stream is filled up with zeros where it is interrupted.
const PAD_BITS: usize = 32;

/// Why a stream was not expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is no SLDC, was changed, or ends too early.
    Damaged,
    /// It comes to more bytes than are allowed.
    TooLong,
}

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// Bytes and pointers.
    One,
    /// Bytes alone.
    Two,
}

/// The bits of a stream, highest first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// The next 24 bits, zeros behind the end, in the low part of the number.
    fn peek(&self) -> u32 {
        let byte = self.at / 8;
        let four = match self.bytes.get(byte..byte + 4) {
            Some(four) => [four[0], four[1], four[2], four[3]],
            None => std::array::from_fn(|n| self.bytes.get(byte + n).copied().unwrap_or(0)),
        };
        u32::from_be_bytes(four) << (self.at % 8) >> 8
    }

    fn left(&self) -> usize {
        self.bytes.len() * 8 - self.at
    }

    fn skip(&mut self, bits: usize) -> Result<(), Refused> {
        if bits > self.left() {
            return Err(Refused::Damaged);
        }
        self.at += bits;
        Ok(())
    }

    /// Takes up to 24 bits.
    fn take(&mut self, bits: usize) -> Result<usize, Refused> {
        let value = self.peek() >> (24 - bits);
        self.skip(bits)?;
        Ok(value as usize)
    }

    /// Goes on at the next multiple of 32 bits; a stream may end before it.
    fn align(&mut self) {
        self.at = self.at.next_multiple_of(PAD_BITS).min(self.bytes.len() * 8);
    }

    /// What the control symbol here says, if there is one.
    fn control(&self) -> Option<u32> {
        let symbol = self.peek() >> 11;
        (symbol >> 4 == 0x1ff).then_some(symbol & 0x0f)
    }
}

/// The bytes of a stream; at most `most`.
pub fn expand(packed: &[u8], most: usize) -> Result<Vec<u8>, Refused> {
    let mut bits = Bits { bytes: packed, at: 0 };
    let mut out = Vec::with_capacity(packed.len().saturating_mul(3).min(most));
    let mut scheme = None;
    // Where in `out` the history begins: pointers are places in a ring that began there.
    let mut since = 0;
    loop {
        if let Some(control) = bits.control() {
            bits.skip(13)?;
            match control {
                1 => scheme = Some(Scheme::One),
                2 => scheme = Some(Scheme::Two),
                5 => (scheme, since) = (Some(Scheme::One), out.len()),
                6 => (scheme, since) = (Some(Scheme::Two), out.len()),
                // A flush, and a mark between records: it goes on behind what fills it up.
                0 | 3 => {
                    bits.align();
                    if bits.left() == 0 {
                        return Ok(out);
                    }
                }
                // The end of a record: another one may follow, and if so begins with a control symbol.
                4 => {
                    bits.align();
                    if bits.control().is_none() {
                        return Ok(out);
                    }
                }
                15 => return Ok(out),
                _ => return Err(Refused::Damaged),
            }
            continue;
        }
        match scheme {
            None => return Err(Refused::Damaged),
            Some(Scheme::Two) => {
                let byte = bits.take(8)? as u8;
                // A byte of ones is told from a control symbol by a zero behind it.
                if byte == 0xff {
                    bits.skip(1)?;
                }
                out.push(byte);
            }
            Some(Scheme::One) if bits.take(1)? == 0 => out.push(bits.take(8)? as u8),
            Some(Scheme::One) => copy(&mut bits, &mut out, since, most)?,
        }
        if out.len() > most {
            return Err(Refused::TooLong);
        }
    }
}

/// Takes a pointer, its first bit is taken, and adds what it points at.
fn copy(bits: &mut Bits<'_>, out: &mut Vec<u8>, since: usize, most: usize) -> Result<(), Refused> {
    // As many ones as the power of two is, up to four; a zero ends fewer. Then what is to be added to that power.
    let ones = ((bits.peek() >> 20) as u8 | 0xf0).leading_ones() as usize - 4;
    let digits = if ones == 4 { 8 } else { ones + 1 };
    bits.skip(ones + usize::from(ones < 4))?;
    let count = (2 << ones) + bits.take(digits)?;
    let place = bits.take(10)?;
    if out.len() + count > most {
        return Err(Refused::TooLong);
    }
    for offset in 0..count {
        let written = out.len() - since;
        // The ring holds the newest byte of each place.
        let back = (written + HISTORY_BYTES - 1 - (place + offset) % HISTORY_BYTES) % HISTORY_BYTES;
        let at = written.checked_sub(back + 1).ok_or(Refused::Damaged)?;
        out.push(out[since + at]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits as they are written down, spaces aside, filled up with zeros to a whole byte.
    fn stream(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|byte| *byte != b' ').map(|byte| byte - b'0').collect();
        bits.chunks(8).map(|eight| eight.iter().enumerate().fold(0, |byte, (at, bit)| byte | bit << (7 - at))).collect()
    }

    const RESET_1: &str = "1111111110101";
    const RESET_2: &str = "1111111110110";
    const SCHEME_1: &str = "1111111110001";
    const SCHEME_2: &str = "1111111110010";
    const FLUSH: &str = "1111111110000";
    const END_OF_RECORD: &str = "1111111110100";
    const END: &str = "1111111111111";

    fn expanded(bits: &str) -> Result<Vec<u8>, Refused> {
        expand(&stream(bits), 100_000)
    }

    #[test]
    fn symbols_by_hand() {
        let text = |bits: String| String::from_utf8(expanded(&bits).unwrap()).unwrap();
        // A, B, and two bytes from place 0.
        assert_eq!(text(format!("{RESET_1} 001000001 001000010 1 0 0 0000000000 {END}")), "ABAB");
        // Three bytes from place 1 run into what they write.
        assert_eq!(text(format!("{RESET_1} 001000001 001000010 1 0 1 0000000001 {END}")), "ABBBB");
        // All lengths of the count: 4 + 3, 8 + 1, 16 + 15, 32 + 239.
        for (count, length) in [("10 11", 7), ("110 001", 9), ("1110 1111", 31), ("1111 11101111", 271), ("1111 00000000", 32)] {
            assert_eq!(text(format!("{RESET_1} 001000001 1 {count} 0000000000 {END_OF_RECORD}")), "A".repeat(length + 1), "{count}");
        }
        // Scheme 2, with a byte of ones; back to scheme 1 without forgetting; a flush fills up to 32 bits: 13 + 8 + 13 are 34.
        let padded = format!("{RESET_2} 01000001 {FLUSH} {} 01000010 {SCHEME_1} 1 0 0 0000000000 {END_OF_RECORD}", "0".repeat(30));
        assert_eq!(text(padded), "ABAB");
        assert_eq!(expanded(&format!("{RESET_2} 11111111 0 01000001 {SCHEME_2} 01000010 {END}")).unwrap(), [0xff, b'A', b'B']);
        // Two records, each begun anew, and the length that Windows puts behind.
        let one = format!("{RESET_1} 001000001 {END_OF_RECORD} {}", "0".repeat(29));
        assert_eq!(text(format!("{one} {one} 00000010 {}", "0".repeat(24))), "AA");
        assert_eq!(expanded(&format!("{RESET_1} {END}")).unwrap(), b"");
    }

    #[test]
    fn pointers_go_around_the_ring() {
        // 1,024 bytes in scheme 2, then three from the last place on, which reach what they write; three from the middle; and
        // three from the first place, which was written anew.
        let bytes: String = (0..1_024).map(|n| format!("{:08b} ", if n == 1_023 { b'z' } else { b'a' + (n % 20) as u8 })).collect();
        let pointers = "1 0 1 1111111111 1 0 1 0000001010 1 0 1 0000000000";
        let out = expanded(&format!("{RESET_2} {bytes} {SCHEME_1} {pointers} {END}")).unwrap();
        assert_eq!(&out[1_024..], b"zzzklmzzz");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for bits in [
            String::new(),
            "00000000".repeat(8),
            RESET_1.into(),
            format!("{RESET_1} 001000001"),
            format!("{RESET_1} 001000001 1 0 0 0000000001 {END}"),
            format!("{RESET_1} 001000001 {RESET_1} 1 0 0 0000000000 {END}"),
            format!("{RESET_1} 1111111110111"),
            "11111111".into(),
        ] {
            assert_eq!(expanded(&bits), Err(Refused::Damaged), "{bits}");
        }
        let much = format!("{RESET_1} 001000001 {} {END}", "1 1111 11101111 0000000000 ".repeat(1_000));
        assert_eq!(expand(&stream(&much), 271_001).unwrap().len(), 271_001);
        assert_eq!(expand(&stream(&much), 271_000), Err(Refused::TooLong));
        assert_eq!(expand(&stream(&format!("{RESET_2} 01000001 01000001 {END}")), 1), Err(Refused::TooLong));
    }
}
