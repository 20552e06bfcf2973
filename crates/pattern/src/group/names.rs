//! What the slots of a pattern are called by the text around them, so that slots of different patterns can be
//! told to hold the same thing: the value of the same key, or the same place of the same header.

use crate::pattern::{Pattern, Piece, SlotKind};

/// What a slot is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SlotName {
    /// The value of a key: the path to it through enclosing keys, e.g. `user.name` of `{"user":{"name":..}}`.
    Key(Vec<u8>),
    /// All that stands before it in the pattern, spelled as in [`Pattern::key`].
    Prefix(Vec<u8>),
}

/// What the next value is the value of.
enum Pending {
    Nothing,
    /// A quoted string that may turn out to be a key.
    Maybe(Vec<u8>),
    /// The value of this key follows.
    Key(Vec<u8>),
}

/// Reads the text of a pattern, keeping track of keys and of what encloses them.
struct Reader {
    pending: Pending,
    /// Lengths of `path` outside of each enclosing object or array, and whether it is an array.
    open: Vec<(usize, bool)>,
    path: Vec<u8>,
    /// The word or string being read; `None` once a slot was in it.
    word: Option<Vec<u8>>,
    in_string: bool,
    escaped: bool,
}

impl Reader {
    fn text(&mut self, text: &[u8]) {
        for byte in text {
            if self.in_string {
                self.within_string(*byte);
            } else {
                self.outside(*byte);
            }
        }
    }

    fn within_string(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => {
                self.in_string = false;
                // The value of a key is no key.
                let is_value = matches!(self.pending, Pending::Key(_));
                let word = self.word.replace(Vec::new());
                self.pending = match word {
                    Some(word) if !is_value => Pending::Maybe(word),
                    _ => Pending::Nothing,
                };
                return;
            }
            _ => {}
        }
        if let Some(word) = &mut self.word {
            word.push(byte);
        }
    }

    fn outside(&mut self, byte: u8) {
        match byte {
            b'"' => {
                self.in_string = true;
                self.word = Some(Vec::new());
                return;
            }
            b':' => {
                if let Pending::Maybe(key) = std::mem::replace(&mut self.pending, Pending::Nothing) {
                    self.pending = Pending::Key(key);
                }
            }
            b'=' => {
                let word = self.word.take().filter(|word| !word.is_empty());
                self.pending = word.map_or(Pending::Nothing, Pending::Key);
            }
            b'{' | b'[' => {
                self.open.push((self.path.len(), byte == b'['));
                if let Pending::Key(key) = std::mem::replace(&mut self.pending, Pending::Nothing) {
                    self.path.extend_from_slice(&key);
                    self.path.push(b'.');
                }
            }
            b'}' | b']' => {
                if let Some((len, _)) = self.open.pop() {
                    self.path.truncate(len);
                }
                self.pending = Pending::Nothing;
            }
            b' ' => {}
            _ if crate::split::is_delimiter(byte) => self.pending = Pending::Nothing,
            _ => {}
        }
        match (&mut self.word, crate::split::is_delimiter(byte)) {
            (Some(word), false) => word.push(byte),
            (_, true) => self.word = Some(Vec::new()),
            (None, false) => {}
        }
    }

    /// The name of the slot that stands here.
    fn slot(&mut self, kind: SlotKind) -> Option<Vec<u8>> {
        self.word = None;
        let name = match &self.pending {
            Pending::Key(key) => Some([&self.path[..], key].concat()),
            // An element of an array that a key names; brackets around a process number name nothing.
            _ if self.open.last().is_some_and(|(_, array)| *array) && !self.path.is_empty() => Some([&self.path[..], b"[]"].concat()),
            _ => None,
        };
        if kind != SlotKind::Quoted {
            self.pending = Pending::Nothing;
        }
        name
    }
}

/// The name of each slot of a pattern; `None` for slots that only their own pattern has.
pub fn slot_names(pattern: &Pattern) -> Vec<SlotName> {
    let mut reader =
        Reader { pending: Pending::Nothing, open: Vec::new(), path: Vec::new(), word: Some(Vec::new()), in_string: false, escaped: false };
    let mut before: Vec<Piece> = Vec::new();
    let mut names = Vec::with_capacity(pattern.slots());
    for piece in pattern.pieces() {
        match piece {
            Piece::Text(text) => reader.text(text),
            Piece::Slot(kind) => {
                let prefix = || SlotName::Prefix(Pattern::new(before.iter().cloned()).key());
                names.push(reader.slot(*kind).map_or_else(prefix, SlotName::Key));
            }
        }
        before.push(piece.clone());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use SlotKind::{Quoted, Word};

    fn names(pieces: &[Result<&str, SlotKind>]) -> Vec<String> {
        let pieces = pieces.iter().map(|piece| match piece {
            Ok(text) => Piece::Text(text.as_bytes().to_vec()),
            Err(kind) => Piece::Slot(*kind),
        });
        let shown = |name| match name {
            SlotName::Key(key) => String::from_utf8(key).unwrap(),
            SlotName::Prefix(key) => format!("after {:?}", String::from_utf8(key).unwrap()),
        };
        slot_names(&Pattern::new(pieces)).into_iter().map(shown).collect()
    }

    #[test]
    fn keys_of_objects_with_their_path() {
        let line = [Ok("{\"a\":\""), Err(Quoted), Ok("\", \"b\": {\"c\":"), Err(Word), Ok(",\"d\":["), Err(Word), Ok(","), Err(Word)];
        assert_eq!(names(&line), ["a", "b.c", "b.d.[]", "b.d.[]"]);
        let line = [Ok("{\"a\":{\"b\":1},\"c\":\"x\",\"d\":"), Err(Word), Ok("}")];
        assert_eq!(names(&line), ["d"]);
    }

    #[test]
    fn keys_of_pairs() {
        let line = [Ok("user="), Err(Word), Ok(" msg=\""), Err(Quoted), Ok("\" level=info n="), Err(Word)];
        assert_eq!(names(&line), ["user", "msg", "n"]);
    }

    #[test]
    fn others_are_called_by_what_stands_before_them() {
        let line = [Ok("from "), Err(Word), Ok(" port "), Err(Word)];
        assert_eq!(names(&line), ["after \"from \"", "after \"from \\u{1}\\u{1} port \""]);
        assert_eq!(names(&[Ok("{\""), Err(Quoted), Ok("\":"), Err(Word)])[1], "after \"{\\\"\\u{1}\\u{2}\\\":\"");
    }
}
