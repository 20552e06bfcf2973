//! Configurations in a form in which only what matters differs: keys in order, nothing that says nothing.

use crate::commands::xml::{Child, Document};
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
    /// nginx and its like: directives of a block sorted by their names, comments and blanks left out.
    Nginx,
    /// XML: attributes sorted, an element a line, comments and blanks between elements left out.
    Xml,
}

impl Normal {
    /// All of them by name.
    pub const NAMES: [&'static str; 5] = ["json", "ini", "ios", "nginx", "xml"];

    /// The one of a name of [`Self::NAMES`].
    pub fn named(name: &str) -> Option<Self> {
        let place = Self::NAMES.iter().position(|known| *known == name)?;
        Some([Self::Json, Self::Ini, Self::Ios, Self::Nginx, Self::Xml][place])
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
            Self::Nginx => nginx(text),
            Self::Xml => xml(text),
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

/// Directives of nginx that are carried out one after the other: their order counts.
const IN_ORDER: [&str; 7] = ["if", "rewrite", "set", "return", "break", "allow", "deny"];

/// A directive, with those in its block where it has one.
struct Directive {
    words: String,
    block: Option<Vec<Directive>>,
}

fn nginx(text: &str) -> Option<Vec<String>> {
    // The blocks that are open, the outermost first, each with the directive that it belongs to.
    let mut open: Vec<(String, Vec<Directive>)> = vec![(String::new(), Vec::new())];
    let mut words: Vec<String> = Vec::new();
    for token in nginx_tokens(text) {
        match token.as_str() {
            ";" => open.last_mut()?.1.push(Directive { words: std::mem::take(&mut words).join(" "), block: None }),
            "{" if open.len() <= taffrail_base::limits::JSON_DEPTH_MAX => open.push((std::mem::take(&mut words).join(" "), Vec::new())),
            "}" if open.len() > 1 && words.is_empty() => {
                let (words, block) = open.pop()?;
                open.last_mut()?.1.push(Directive { words, block: Some(block) });
            }
            "{" | "}" => return None,
            _ => words.push(token),
        }
    }
    let (_, all) = open.pop().filter(|_| open.is_empty() && words.is_empty())?;
    let mut out = Vec::new();
    write_directives(&mut out, all, 0);
    Some(out)
}

/// Words as they stand, quotes included, and the signs `;`, `{` and `}`.
fn nginx_tokens(text: &str) -> Vec<String> {
    let (mut tokens, mut word, mut chars) = (Vec::new(), String::new(), text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            // `${name}` is part of a word.
            '{' if word.ends_with('$') => {
                word.push(c);
                word.extend(std::iter::from_fn(|| chars.next_if(|c| *c != '}')));
                word.extend(chars.next());
            }
            '#' if word.is_empty() => while chars.next_if(|c| *c != '\n').is_some() {},
            '"' | '\'' if word.is_empty() => {
                word.push(c);
                while let Some(inside) = chars.next() {
                    word.push(inside);
                    if inside == '\\' {
                        word.extend(chars.next());
                    } else if inside == c {
                        break;
                    }
                }
            }
            ';' | '{' | '}' => {
                tokens.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                tokens.push(c.to_string());
            }
            c if c.is_whitespace() => tokens.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            c => word.push(c),
        }
    }
    tokens.extend((!word.is_empty()).then_some(word));
    tokens
}

fn write_directives(out: &mut Vec<String>, mut directives: Vec<Directive>, depth: usize) {
    directives.sort_by_cached_key(|directive| {
        let name = directive.words.split(' ').next().unwrap_or_default();
        if IN_ORDER.contains(&name) { "if".to_owned() } else { name.to_owned() }
    });
    let indent = "  ".repeat(depth);
    for directive in directives {
        match directive.block {
            None => out.push(format!("{indent}{};", directive.words)),
            Some(block) => {
                out.push(format!("{indent}{} {{", directive.words));
                write_directives(out, block, depth + 1);
                out.push(format!("{indent}}}"));
            }
        }
    }
}

fn xml(text: &str) -> Option<Vec<String>> {
    let document = Document::read(text);
    let roots: Vec<usize> = (0..document.elements.len()).filter(|at| document.elements[*at].parent.is_none()).collect();
    let mut out = Vec::new();
    roots.iter().for_each(|root| write_element(&mut out, &document, *root, 0));
    (!out.is_empty()).then_some(out)
}

fn write_element(out: &mut Vec<String>, document: &Document<'_>, at: usize, depth: usize) {
    let element = &document.elements[at];
    let indent = "  ".repeat(depth);
    let mut attributes: Vec<String> = element.attributes.iter().map(|(name, value)| format!(" {name}={value:?}")).collect();
    attributes.sort_unstable();
    let tag = format!("{indent}<{}{}", element.name, attributes.concat());
    if element.elements().next().is_none() {
        out.push(match element.own_text() {
            Some(text) => format!("{tag}>{}</{}>", text.split_whitespace().collect::<Vec<_>>().join(" "), element.name),
            None => format!("{tag}/>"),
        });
        return;
    }
    out.push(format!("{tag}>"));
    for child in &element.children {
        match child {
            Child::Element(inner) => write_element(out, document, *inner, depth + 1),
            Child::Text(text) => {
                let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
                out.extend((!words.is_empty()).then(|| format!("{indent}  {words}")));
            }
        }
    }
    out.push(format!("{indent}</{}>", element.name));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_of_nginx() {
        let one = "user www; # no\nhttp {\n  server { listen 80;\n    server_name a   b; location / { set $x \"a;{ b\"; deny all; allow 10.0.0.1; } }\n}\n";
        let found = [
            "http {",
            "  server {",
            "    listen 80;",
            "    location / {",
            "      set $x \"a;{ b\";",
            "      deny all;",
            "      allow 10.0.0.1;",
            "    }",
            "    server_name a b;",
            "  }",
            "}",
            "user www;",
        ];
        assert_eq!(nginx(one).unwrap(), found);
        let two = "http { server { server_name a b;\nlisten 80; location / { set $x \"a;{ b\"; deny all; allow 10.0.0.1; } } }\nuser www;";
        assert_eq!(nginx(two), nginx(one));
        assert_ne!(nginx("deny all; allow a;"), nginx("allow a; deny all;"));
        assert_eq!(nginx("set $a ${b}c;").unwrap(), ["set $a ${b}c;"]);
        assert_eq!(nginx("http {"), None);
        assert_eq!(nginx("}"), None);
        assert_eq!(nginx("no end"), None);
    }

    #[test]
    fn xml_without_the_order_of_attributes() {
        let one = "<?xml version='1.0'?><!-- no --><a y='2' x='1'><b> t\n u </b><c/>x <d k='v'>w</d></a>";
        let found = ["<a x=\"1\" y=\"2\">", "  <b>t u</b>", "  <c/>", "  x", "  <d k=\"v\">w</d>", "</a>"];
        assert_eq!(xml(one).unwrap(), found);
        assert_eq!(xml("<a x=\"1\"  y=\"2\">\n<b>t u</b><c></c> x<d k=\"v\">w</d>\n</a>").unwrap(), found);
        assert_eq!(xml("no markup"), None);
    }

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
