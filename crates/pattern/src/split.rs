//! Where the tokens of a line are.

/// Whether `byte` separates tokens. All of these are breakers of the search language too, so that a term
/// without breakers stands within one token.
pub fn is_delimiter(byte: u8) -> bool {
    matches!(
        byte,
        0..=32 | 127 | b'=' | b':' | b',' | b';' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>' | b'"' | b'\''
            | b'|' | b'&' | b'?' | b'!' | b'*' | b'+'
    )
}
