//! JSON as it stands: members and elements as pieces of the text that they came in, so that what is stored is what was
//! sent, to the last digit and the last duplicate key. And putting pieces together again.

use rustc_hash::FxHashSet;
use serde::de::IgnoredAny;
use std::borrow::Cow;

/// The values that stand one behind the other in `text`, with or without white space between them, and where it stops
/// being JSON: at its end if all of it is.
pub fn values(text: &str) -> (Vec<&str>, usize) {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let (mut all, mut at) = (Vec::new(), 0);
    while let Some(Ok(IgnoredAny)) = stream.next() {
        let end = stream.byte_offset();
        all.push(text[at..end].trim_ascii());
        at = end;
    }
    let rest = text[at..].trim_ascii_start();
    (all, text.len() - rest.len())
}

/// Whether `text` is one JSON value.
pub fn is_value(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The members of an object that is known to be JSON, keys in their quotes; none of anything else.
pub fn members(object: &str) -> Members<'_> {
    Members(Items::of(object, b'{'))
}

/// The elements of an array that is known to be JSON; none of anything else.
pub fn elements(array: &str) -> impl Iterator<Item = &str> {
    let mut items = Items::of(array, b'[');
    std::iter::from_fn(move || items.value())
}

/// The last member of that name.
pub fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    members(object).filter(|(key, _)| text(key).is_some_and(|key| key == name)).last().map(|(_, value)| value)
}

/// The text of a string; `None` for anything else.
pub fn text(value: &str) -> Option<Cow<'_, str>> {
    let inside = value.strip_prefix('"')?.strip_suffix('"')?;
    if !inside.contains('\\') {
        return Some(Cow::Borrowed(inside));
    }
    serde_json::from_str::<String>(value).ok().map(Cow::Owned)
}

/// The text of a string, number or truth value; `None` for anything else.
pub fn scalar(value: &str) -> Option<Cow<'_, str>> {
    match value.as_bytes().first()? {
        b'"' => text(value),
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(value)),
    }
}

/// Whether it is an object.
pub fn is_object(value: &str) -> bool {
    value.starts_with('{')
}

/// Goes through the members of an object.
pub struct Members<'a>(Items<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.value()?, self.0.value()?))
    }
}

/// What stands between the brackets, one value after the other.
struct Items<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Items<'a> {
    fn of(text: &'a str, open: u8) -> Self {
        let text = text.trim_ascii();
        Self { text, at: if text.as_bytes().first() == Some(&open) { 1 } else { text.len() } }
    }

    fn value(&mut self) -> Option<&'a str> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b',' | b':' | b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        let start = self.at;
        match bytes.get(start)? {
            b'}' | b']' => return None,
            b'"' => self.string(),
            b'{' | b'[' => self.nested(),
            _ => {
                while !matches!(bytes.get(self.at), None | Some(b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n')) {
                    self.at += 1;
                }
            }
        }
        self.text.get(start..self.at)
    }

    fn string(&mut self) {
        let bytes = self.text.as_bytes();
        self.at += 1;
        while let Some(byte) = bytes.get(self.at) {
            self.at += if *byte == b'\\' { 2 } else { 1 };
            if *byte == b'"' {
                break;
            }
        }
    }

    fn nested(&mut self) {
        let mut depth = 0;
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            match byte {
                b'"' => {
                    self.string();
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                break;
            }
        }
    }
}

/// An object being put together. Pieces of JSON are taken as they are; a key that is there already is not added again
/// but under a name of its own, so that nothing is lost.
#[derive(Debug, Default)]
pub struct Object {
    bytes: Vec<u8>,
    keys: FxHashSet<String>,
}

impl Object {
    /// Adds a member whose value is JSON.
    pub fn json(&mut self, key: &str, value: &str) {
        let mut name = Cow::Borrowed(key);
        let mut number = 2;
        while self.keys.contains(&*name) {
            name = Cow::Owned(format!("{key}_{number}"));
            // A few in order; of thousands, what is free is found at once.
            number = if number < 10 { number + 1 } else { number.max(self.keys.len()) + 1 };
        }
        self.bytes.push(if self.bytes.is_empty() { b'{' } else { b',' });
        write_string(&mut self.bytes, &name);
        self.bytes.push(b':');
        self.bytes.extend_from_slice(value.as_bytes());
        self.keys.insert(name.into_owned());
    }

    /// Adds a member whose value is text.
    pub fn text(&mut self, key: &str, value: &str) {
        let mut string = Vec::with_capacity(value.len() + 2);
        write_string(&mut string, value);
        self.json(key, &String::from_utf8_lossy(&string));
    }

    /// Adds all members of an object.
    pub fn all(&mut self, object: &str) {
        for (key, value) in members(object) {
            if let Some(key) = text(key) {
                self.json(&key, value);
            }
        }
    }

    /// Whether it has this member.
    pub fn has(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// The object.
    pub fn finish(mut self) -> Vec<u8> {
        if self.bytes.is_empty() {
            self.bytes.push(b'{');
        }
        self.bytes.push(b'}');
        self.bytes
    }
}

fn write_string(bytes: &mut Vec<u8>, text: &str) {
    // Writing a string into memory does not fail.
    let _ = serde_json::to_writer(bytes, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_as_they_stand() {
        let (all, end) = values("{\"a\":1}{\"b\":2}\n [3] ");
        assert_eq!((all, end), (vec!["{\"a\":1}", "{\"b\":2}", "[3]"], 20));
        assert_eq!(values("{\"a\":1} {\"b\""), (vec!["{\"a\":1}"], 8));
        assert_eq!(values(""), (vec![], 0));
        let object = r#" { "a" : 1.50, "b\"":"x,}\\" , "c":{"d":[1,{"e":"]"}]},"a":null,"f":true} "#;
        let all: Vec<_> = members(object).collect();
        assert_eq!(
            all,
            [("\"a\"", "1.50"), (r#""b\"""#, r#""x,}\\""#), ("\"c\"", r#"{"d":[1,{"e":"]"}]}"#), ("\"a\"", "null"), ("\"f\"", "true")]
        );
        assert_eq!((member(object, "a"), member(object, "b\""), member(object, "z")), (Some("null"), Some(r#""x,}\\""#), None));
        assert_eq!(elements(" [1, [2,3] ,\"]\",{}]").collect::<Vec<_>>(), ["1", "[2,3]", "\"]\"", "{}"]);
        assert_eq!(elements("{}").count() + members("[]").count() + elements("[]").count() + members("{}").count(), 0);
        assert_eq!((text(r#""a\u00e9\n""#).as_deref(), scalar("12").as_deref(), scalar("null")), (Some("aé\n"), Some("12"), None));
    }

    #[test]
    fn objects_keep_everything() {
        let mut object = Object::default();
        object.text("message", "a \"quote\"\n");
        object.all(r#"{"n":1.0,"message":[],"n":2}"#);
        assert_eq!(object.finish(), br#"{"message":"a \"quote\"\n","n":1.0,"message_2":[],"n_2":2}"#);
        assert_eq!(Object::default().finish(), b"{}");
    }
}
