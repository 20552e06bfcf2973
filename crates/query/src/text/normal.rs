//! Configurations in a form in which only what matters differs: keys in order, nothing that says nothing.

use serde_json::Value;
use std::fmt::Write;

/// How configurations are written before they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normal {
    /// JSON: keys sorted, one value a line.
    Json,
    /// Sections and `key=value`: both sorted, comments and blank lines left out.
    Ini,
    /// Cisco IOS and its like: blocks sorted by their first two words, comments and what the device adds left out.
    Ios,
}

impl Normal {
    /// All of them by name.
    pub const NAMES: [&'static str; 3] = ["json", "ini", "ios"];

    /// The one of a name of [`Self::NAMES`].
    pub fn named(name: &str) -> Option<Self> {
        let place = Self::NAMES.iter().position(|known| *known == name)?;
        Some([Self::Json, Self::Ini, Self::Ios][place])
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The lines of a text in this form; `None` where the text is of another kind.
    pub fn lines(self, text: &str) -> Option<Vec<String>> {
        match self {
            Self::Json => {
                let value: Value = serde_json::from_str(text).ok()?;
                let mut out = Vec::new();
                json(&mut out, String::new(), &value, 0);
                Some(out)
            }
            Self::Ini => Some(ini(text)),
            Self::Ios => Some(ios(text)),
        }
    }
}

/// One value a line, without commas: a key more then changes one line only.
fn json(out: &mut Vec<String>, mut start: String, value: &Value, depth: usize) {
    let inner = "  ".repeat(depth + 1);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            out.push(start + "{");
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            for (key, value) in sorted {
                json(out, format!("{inner}{}: ", Value::from(key.as_str())), value, depth + 1);
            }
            out.push("  ".repeat(depth) + "}");
        }
        Value::Array(items) if !items.is_empty() => {
            out.push(start + "[");
            items.iter().for_each(|item| json(out, inner.clone(), item, depth + 1));
            out.push("  ".repeat(depth) + "]");
        }
        other => {
            let _ = write!(start, "{other}");
            out.push(start);
        }
    }
}

fn ini(text: &str) -> Vec<String> {
    let mut sections: Vec<(String, Vec<(String, String)>)> = vec![(String::new(), Vec::new())];
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let name = name.trim();
            // A section that comes twice is one.
            let at = sections.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                sections.push((name.to_owned(), Vec::new()));
                sections.len() - 1
            });
            let section = sections.remove(at);
            sections.push(section);
            continue;
        }
        let Some((_, keys)) = sections.last_mut() else { continue };
        let indented = line.starts_with([' ', '\t']);
        match (trimmed.split_once('='), keys.last_mut()) {
            (Some((key, value)), _) => keys.push((key.trim().to_owned(), format!("{}={}", key.trim(), value.trim()))),
            // An indented line without a key goes on with the one before.
            (None, Some((_, before))) if indented => {
                let _ = write!(before, " {trimmed}");
            }
            (None, _) => keys.push((trimmed.to_owned(), trimmed.to_owned())),
        }
    }
    sections.sort_by(|a, b| a.0.cmp(&b.0));
    let mut out = Vec::new();
    for (name, mut keys) in sections {
        if !name.is_empty() {
            out.push(format!("[{name}]"));
        }
        // Of a key that comes twice the order counts.
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        out.extend(keys.into_iter().map(|(_, line)| line));
    }
    out
}

/// Lines that devices add themselves.
const IOS_NOISE: [&str; 4] = ["Building configuration", "Current configuration", "ntp clock-period", "Using "];

fn ios(text: &str) -> Vec<String> {
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    for line in text.lines() {
        let line = line.trim_end();
        let noise = IOS_NOISE.iter().any(|noise| line.starts_with(noise));
        if line.is_empty() || line.trim_start().starts_with('!') || noise {
            continue;
        }
        match blocks.last_mut() {
            Some(block) if line.starts_with(' ') => block.push(line),
            _ => blocks.push(vec![line]),
        }
    }
    // The order of lines that begin alike (those of an access list) counts: the sort keeps it.
    let key = |block: &Vec<&str>| block[0].split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
    blocks.sort_by_key(key);
    blocks.concat().into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_without_the_order_of_keys() {
        let lines = |text: &str| Normal::Json.lines(text).map(|lines| lines.join("\n"));
        assert_eq!(lines(r#"{"b":[1,{"y":2,"x":null}],"a":{}}"#), lines(r#"{ "a": {}, "b": [1, {"x": null, "y": 2}] }"#));
        assert_eq!(
            lines(r#"{"b":[1,{"x":"q"}],"a":{}}"#).as_deref(),
            Some("{\n  \"a\": {}\n  \"b\": [\n    1\n    {\n      \"x\": \"q\"\n    }\n  ]\n}")
        );
        assert_ne!(lines("[1,2]"), lines("[2,1]"));
        assert_eq!(lines("{"), None);
    }

    #[test]
    fn sections_and_keys_in_order() {
        let text = "top = 1\n; no\n[b]\nk: v\nlist = a\n   b\n[a]\nz=1\n# no\ny = 2\ny = 1\n[b]\nmore=1\n";
        assert_eq!(ini(text), ["top=1", "[a]", "y=2", "y=1", "z=1", "[b]", "k: v", "list=a b", "more=1"]);
        assert_eq!(ini("[core]\n\tbare = false\n"), ["[core]", "bare=false"]);
        assert_eq!(ini(""), Vec::<String>::new());
    }

    #[test]
    fn blocks_of_a_router() {
        let text = "Building configuration...\n\nCurrent configuration : 12 bytes\n!\n! Last configuration change at 1\nhostname r1\n\
                    interface Gi0/2\n no ip address\n!\ninterface Gi0/1\n ip address 10.0.0.1 255.0.0.0\n\
                    access-list 10 permit any\naccess-list 10 deny any\nend\n";
        let found = [
            "access-list 10 permit any",
            "access-list 10 deny any",
            "end",
            "hostname r1",
            "interface Gi0/1",
            " ip address 10.0.0.1 255.0.0.0",
            "interface Gi0/2",
            " no ip address",
        ];
        assert_eq!(ios(text), found);
    }
}
