//! What nobody should send: right inputs, changed by chance that is the same in every run. Unit tests of the crate have it as well.

/// Changes inputs of one kind.
pub struct Mutator {
    state: u64,
    /// Bytes that mean something to who reads them.
    signs: &'static [u8],
    /// What was changed last: pieces of it get into the next.
    before: Vec<u8>,
}

impl Mutator {
    pub fn new(signs: &'static [u8]) -> Self {
        Self { state: 88_172_645_463_325_252, signs, before: Vec::new() }
    }

    /// A number, one after the other (xorshift).
    pub fn next(&mut self) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state as usize
    }

    /// An input with one to four changes; never empty.
    pub fn change(&mut self, right: &[u8]) -> Vec<u8> {
        let mut bytes = right.to_vec();
        for _ in 0..1 + self.next() % 4 {
            self.once(&mut bytes);
        }
        right.clone_into(&mut self.before);
        if bytes.is_empty() {
            bytes.push(self.next() as u8);
        }
        bytes
    }

    /// Some of the bytes from a place on.
    fn piece(&mut self, of: &[u8]) -> Vec<u8> {
        if of.is_empty() {
            return Vec::new();
        }
        let from = self.next() % of.len();
        let len = 1 + self.next() % 16;
        of[from..of.len().min(from + len)].to_vec()
    }

    fn once(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let at = self.next() % bytes.len();
        match self.next() % 10 {
            0 | 1 => bytes[at] ^= 1 << (self.next() % 8),
            2 => bytes[at] = self.next() as u8,
            3 => bytes[at] = self.signs[self.next() % self.signs.len()],
            4 => bytes.insert(at, self.next() as u8),
            5 => drop(bytes.drain(at..bytes.len().min(at + 1 + at % 3))),
            // A part comes again, or one of the input before stands in between.
            6 => {
                let piece = self.piece(&bytes.clone());
                drop(bytes.splice(at..at, piece));
            }
            7 => {
                let piece = self.piece(&self.before.clone());
                drop(bytes.splice(at..at, piece));
            }
            // A length that is none.
            8 => {
                let number = [0u32, 1, 0x7fff_ffff, 0xffff_ffff, 0x0001_0000][self.next() % 5].to_be_bytes();
                let len = [1, 2, 4][self.next() % 3].min(bytes.len() - at);
                bytes[at..at + len].copy_from_slice(&number[..len]);
            }
            _ if self.next().is_multiple_of(4) => bytes.truncate(at),
            _ => bytes[at] = bytes[at].wrapping_add(1),
        }
    }
}
