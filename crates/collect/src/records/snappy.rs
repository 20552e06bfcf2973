//! Unpacks snappy's block format, which Prometheus-style protocols wrap their messages in.

/// The plain bytes, at most `most`; `None` when they would be more, or the bytes are no such block.
pub fn unpack(packed: &[u8], most: usize) -> Option<Vec<u8>> {
    let (length, mut at) = super::proto::varint(packed, 0)?;
    let length = usize::try_from(length).ok().filter(|length| *length <= most)?;
    // A copy makes 64 bytes of 2 or 3: what is claimed beyond that is not worth an allocation.
    let mut plain = Vec::with_capacity(length.min(packed.len().saturating_mul(32)));
    while at < packed.len() {
        let tag = packed[at];
        at += 1;
        let (run, offset) = match tag & 3 {
            0 => {
                let mut run = usize::from(tag >> 2) + 1;
                if run > 60 {
                    let bytes = run - 60;
                    run = usize::try_from(little_endian(packed.get(at..at + bytes)?)).ok()? + 1;
                    at += bytes;
                }
                plain.extend_from_slice(packed.get(at..at.checked_add(run)?)?);
                at += run;
                (0, 0)
            }
            1 => {
                let low = *packed.get(at)?;
                at += 1;
                (usize::from(tag >> 2 & 7) + 4, usize::from(tag >> 5) << 8 | usize::from(low))
            }
            kind => {
                let bytes = if kind == 2 { 2 } else { 4 };
                let offset = little_endian(packed.get(at..at + bytes)?);
                at += bytes;
                (usize::from(tag >> 2) + 1, usize::try_from(offset).ok()?)
            }
        };
        if run > 0 {
            let start = plain.len().checked_sub(offset).filter(|_| offset > 0)?;
            // What is copied may be what is being written: byte by byte, then.
            for from in start..start + run {
                plain.push(plain[from]);
            }
        }
        if plain.len() > length {
            return None;
        }
    }
    (plain.len() == length).then_some(plain)
}

fn little_endian(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_copies() {
        assert_eq!(unpack(b"\x05\x10hello", 5).as_deref(), Some(&b"hello"[..]));
        // "ab", then a copy of 10 bytes from 2 back (which overlaps itself), in all three widths of offsets.
        let plain = b"ababababab".as_slice();
        for copy in [&[0x01 | 4 << 2, 2][..], &[0x02 | 7 << 2, 2, 0], &[0x03 | 7 << 2, 2, 0, 0, 0]] {
            assert_eq!(unpack(&[&[10, 1 << 2, b'a', b'b'], copy].concat(), 100).as_deref(), Some(plain));
        }
        let long = vec![b'x'; 300];
        assert_eq!(unpack(&[&[0xac, 2, 61 << 2, 43, 1][..], &long].concat(), 300), Some(long));
        assert_eq!(unpack(b"\0", 0).as_deref(), Some(&b""[..]));
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [
            &b""[..],
            b"\x05\x10hell",
            b"\x04\x10hello",
            b"\x06\x10hello",
            b"\x04\x01\x01",
            b"\xff\xff\xff\xff\xff",
            b"\x04\x0e\0\0",
            b"\x01\xf0",
        ] {
            assert_eq!(unpack(bytes, 1000), None, "{bytes:?}");
        }
        assert_eq!(unpack(b"\x05\x10hello", 4), None, "is more than wanted");
    }
}
