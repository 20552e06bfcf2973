//! What no store can make small: random words, base64 and bytes. A store must not make them larger either.

use anyhow::Result;
use std::io::Write;
use taffrail_synth::random::Random;

/// A kind of noise.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// Lines of words out of twenty thousand, in any order.
    Words,
    /// Lines of 76 letters and digits, as mail has them.
    Base64,
    /// Any bytes; a line feed comes now and then.
    Bytes,
}

impl Noise {
    pub const ALL: [Self; 3] = [Self::Words, Self::Base64, Self::Bytes];

    pub fn name(self) -> &'static str {
        match self {
            Self::Words => "random words",
            Self::Base64 => "base64",
            Self::Bytes => "random bytes",
        }
    }

    /// Writes about so many bytes; always the same ones.
    pub fn write(self, bytes: u64, out: &mut impl Write) -> Result<()> {
        let mut random = Random::new(2);
        let words = vocabulary(&mut random);
        let (mut left, mut line) = (bytes, Vec::new());
        while left > 0 {
            line.clear();
            match self {
                Self::Words => {
                    for _ in 0..random.between(4, 20) {
                        line.extend_from_slice(&words[random.below(words.len() as u64) as usize]);
                        line.push(b' ');
                    }
                    line.pop();
                    line.push(b'\n');
                }
                Self::Base64 => {
                    line.extend((0..76).map(|_| BASE64[random.below(64) as usize]));
                    line.push(b'\n');
                }
                Self::Bytes => line.extend((0..4_096).flat_map(|_| random.draw().to_le_bytes())),
            }
            out.write_all(&line)?;
            left = left.saturating_sub(line.len() as u64);
        }
        Ok(())
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn vocabulary(random: &mut Random) -> Vec<Vec<u8>> {
    (0..20_000).map(|_| (0..random.between(3, 10)).map(|_| b'a' + random.below(26) as u8).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::Noise;

    #[test]
    fn noise_is_long_enough_and_always_the_same() {
        for noise in Noise::ALL {
            let make = || {
                let mut out = Vec::new();
                noise.write(100_000, &mut out).unwrap();
                out
            };
            let bytes = make();
            assert!((100_000..140_000).contains(&bytes.len()) && bytes == make(), "{}", noise.name());
        }
    }
}
