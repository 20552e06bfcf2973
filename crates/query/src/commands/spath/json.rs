//! JSON as `spath` and `fromjson` see it: members in order, numbers as they are written, and of broken text what
//! stands before the break.

use super::path::{Index, Path};
use std::borrow::Cow;
use taffrail_base::limits::JSON_DEPTH_MAX;

/// A value and the text that it stands in.
#[derive(Debug)]
pub struct Json<'t> {
    /// As written.
    pub raw: &'t str,
    /// What it is.
    pub kind: Kind<'t>,
}

/// Kinds of values.
#[derive(Debug)]
pub enum Kind<'t> {
    /// Members in order.
    Object(Vec<(Cow<'t, str>, Json<'t>)>),
    /// Items in order.
    Array(Vec<Json<'t>>),
    /// The inside of quotes, escapes undone.
    Text(Cow<'t, str>),
    /// A number, a truth value, null, or a container too deep to be looked into: as written.
    Other,
}

impl<'t> Json<'t> {
    /// The object or array that the text begins with.
    pub fn read(text: &'t str) -> Option<Self> {
        let text = text.trim_start();
        if !text.starts_with(['{', '[']) {
            return None;
        }
        Reader { text, at: 0, broken: false }.value(0)
    }

    /// As the value of a field: text without its quotes, all else as written.
    pub fn value(&self) -> &str {
        match &self.kind {
            Kind::Text(text) => text,
            _ => self.raw,
        }
    }

    /// Gives every value below that is no container, with its path.
    pub fn flatten(&self, path: &mut String, each: &mut dyn FnMut(&str, &str)) {
        let outer = path.len();
        match &self.kind {
            Kind::Object(members) => {
                for (name, value) in members {
                    if outer > 0 {
                        path.push('.');
                    }
                    path.push_str(name);
                    value.flatten(path, each);
                    path.truncate(outer);
                }
            }
            Kind::Array(items) => {
                path.push_str("{}");
                items.iter().for_each(|item| item.flatten(path, each));
                path.truncate(outer);
            }
            _ => each(path, self.value()),
        }
    }

    /// Gives the values that a path leads to.
    pub fn find(&self, path: &Path, each: &mut dyn FnMut(&str)) {
        let mut found = vec![self];
        for step in &path.0 {
            let mut next = Vec::new();
            for value in found {
                match (&value.kind, &step.name) {
                    (_, None) => next.push(value),
                    (Kind::Object(members), Some(name)) => {
                        next.extend(members.iter().filter(|(known, _)| name == "*" || known == name).map(|(_, value)| value));
                    }
                    _ => {}
                }
            }
            for index in &step.indices {
                let item = |value: &'_ &Json<'t>| matches!(value.kind, Kind::Array(_));
                let arrays: Vec<&Json<'t>> = next.into_iter().filter(item).collect();
                next = Vec::new();
                for array in arrays {
                    let Kind::Array(items) = &array.kind else { continue };
                    match index {
                        Index::All => next.extend(items),
                        Index::At(at) => next.extend(items.get(*at)),
                        Index::Attribute(_) => {}
                    }
                }
            }
            found = next;
        }
        found.into_iter().for_each(|value| each(value.value()));
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    broken: bool,
}

impl<'t> Reader<'t> {
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text.as_bytes().get(self.at).copied()
    }

    fn value(&mut self, depth: usize) -> Option<Json<'t>> {
        let first = self.peek()?;
        let start = self.at;
        let kind = match first {
            b'{' | b'[' if depth >= JSON_DEPTH_MAX => self.stepped_over()?,
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => Kind::Text(self.string()?),
            _ => {
                let rest = &self.text[start..];
                let length = rest.find([',', '}', ']', ' ', '\t', '\r', '\n', ':', '"', '{', '[']).unwrap_or(rest.len());
                self.at += length;
                if length == 0 {
                    return None;
                }
                Kind::Other
            }
        };
        Some(Json { raw: &self.text[start..self.at], kind })
    }

    fn object(&mut self, depth: usize) -> Kind<'t> {
        let mut members = Vec::new();
        self.at += 1;
        while !self.broken && self.peek() == Some(b'"') {
            let Some(name) = self.string() else { break };
            if self.peek() != Some(b':') {
                break;
            }
            self.at += 1;
            let Some(value) = self.value(depth + 1) else { break };
            members.push((name, value));
            if self.broken || self.peek() != Some(b',') {
                break;
            }
            self.at += 1;
        }
        self.close(b'}');
        Kind::Object(members)
    }

    fn array(&mut self, depth: usize) -> Kind<'t> {
        let mut items = Vec::new();
        self.at += 1;
        while !self.broken && self.peek().is_some_and(|byte| byte != b']') {
            let Some(value) = self.value(depth + 1) else { break };
            items.push(value);
            if self.broken || self.peek() != Some(b',') {
                break;
            }
            self.at += 1;
        }
        self.close(b']');
        Kind::Array(items)
    }

    fn close(&mut self, bracket: u8) {
        if !self.broken && self.peek() == Some(bracket) {
            self.at += 1;
        } else {
            self.broken = true;
        }
    }

    /// A container whose inside is not looked at.
    fn stepped_over(&mut self) -> Option<Kind<'t>> {
        let mut open = 0usize;
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            match byte {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return Some(Kind::Other);
            }
        }
        self.broken = true;
        None
    }

    /// The string that begins here.
    fn string(&mut self) -> Option<Cow<'t, str>> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let (mut at, mut plain) = (start, true);
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => (at, plain) = (at + 2, false),
                Some(_) => at += 1,
                None => {
                    (self.at, self.broken) = (self.text.len(), true);
                    return None;
                }
            }
        }
        self.at = at + 1;
        let inside = &self.text[start..at];
        if plain {
            return Some(Cow::Borrowed(inside));
        }
        // What the escapes of JSON do not allow stays as it is written.
        Some(serde_json::from_str::<String>(&self.text[start - 1..=at]).map_or(Cow::Borrowed(inside), Cow::Owned))
    }
}
