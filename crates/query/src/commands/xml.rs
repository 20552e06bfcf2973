//! XML as `spath`, `xmlkv` and `xpath` see it: elements, attributes and text. Of broken text, what stands before the
//! break. Declared entities are not looked up, so that no text grows.

use super::spath::path::{Index, Path};
use taffrail_base::limits::JSON_DEPTH_MAX;

/// The elements of a text, in the order in which they begin.
#[derive(Debug)]
pub struct Document<'t> {
    text: &'t str,
    /// The elements; those that are in no other have no parent.
    pub elements: Vec<Element<'t>>,
}

/// An element.
#[derive(Debug)]
pub struct Element<'t> {
    /// The name as written, with its prefix.
    pub name: &'t str,
    /// The element that it is in.
    pub parent: Option<usize>,
    /// Names and values in order.
    pub attributes: Vec<(&'t str, String)>,
    /// What is in it, in order.
    pub children: Vec<Child>,
    start: usize,
    end: usize,
}

/// A part of an element's inside.
#[derive(Debug)]
pub enum Child {
    /// An element, by its number.
    Element(usize),
    /// Text.
    Text(String),
}

impl Element<'_> {
    /// The name without its prefix.
    pub fn local(&self) -> &str {
        self.name.rsplit(':').next().unwrap_or(self.name)
    }

    /// Whether a name typed by somebody means this element: with or without prefix; `*` means any.
    pub fn is(&self, name: &str) -> bool {
        name == "*" || self.name == name || self.local() == name
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// Its own text, without blanks around; `None` where there is none.
    pub fn own_text(&self) -> Option<String> {
        let text: String =
            self.children.iter().filter_map(|child| if let Child::Text(text) = child { Some(text.as_str()) } else { None }).collect();
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The elements in it.
    pub fn elements(&self) -> impl Iterator<Item = usize> + '_ {
        self.children.iter().filter_map(|child| if let Child::Element(at) = child { Some(*at) } else { None })
    }
}

/// Where the XML in a text begins: at a `<` before a letter, `?` or `!`, not at the `<13>` of syslog.
pub fn start(text: &str) -> Option<usize> {
    text.match_indices('<').map(|(at, _)| at).find(|at| {
        let next = text[at + 1..].chars().next();
        next.is_some_and(|c| c.is_alphabetic() || matches!(c, '?' | '!' | '_'))
    })
}

impl<'t> Document<'t> {
    /// The XML in a text.
    pub fn read(text: &'t str) -> Self {
        let mut document = Self { text, elements: Vec::new() };
        if let Some(start) = start(text) {
            let mut open = Vec::new();
            let _ = document.fill(start, &mut open);
            // What is never closed ends with the text.
            for at in open.into_iter().flatten() {
                let element: &mut Element<'t> = &mut document.elements[at];
                element.end = text.len();
            }
        }
        document
    }

    /// Reads on from `at`; ends, with nothing, where the text is no XML any more. `open` holds the elements that are
    /// open, without a number where they are too deep to be kept.
    fn fill(&mut self, mut at: usize, open: &mut Vec<Option<usize>>) -> Option<()> {
        let text = self.text;
        while at < text.len() {
            let rest = &text[at..];
            let behind = |mark: &str| rest.find(mark).map(|end| at + end + mark.len());
            if !rest.starts_with('<') {
                let end = rest.find('<').unwrap_or(rest.len());
                self.add_text(open, unescape(&rest[..end]));
                at += end;
            } else if rest.starts_with("<!--") {
                at = behind("-->")?;
            } else if let Some(inside) = rest.strip_prefix("<![CDATA[") {
                let end = behind("]]>")?;
                self.add_text(open, inside[..end - at - 12].to_owned());
                at = end;
            } else if rest.starts_with("<?") {
                at = behind("?>")?;
            } else if rest.starts_with("<!") {
                at = behind(">")?;
            } else if let Some(name) = rest.strip_prefix("</") {
                let end = behind(">")?;
                let name = name[..end - at - 3].trim();
                let place = open.iter().rposition(|open| open.is_none_or(|open| self.elements[open].name == name))?;
                for closed in open.drain(place..).flatten() {
                    self.elements[closed].end = at;
                }
                at = end;
                if open.is_empty() && start(&text[at..]).is_none() {
                    return Some(());
                }
            } else {
                at = self.element(at, open)?;
            }
        }
        Some(())
    }

    fn add_text(&mut self, open: &[Option<usize>], text: String) {
        if let Some(Some(at)) = open.last() {
            self.elements[*at].children.push(Child::Text(text));
        }
    }

    /// Reads a tag that opens; where its inside begins.
    fn element(&mut self, at: usize, open: &mut Vec<Option<usize>>) -> Option<usize> {
        let text = self.text;
        let name_end = at + 1 + text[at + 1..].find(|c: char| c.is_whitespace() || matches!(c, '>' | '/'))?;
        let mut attributes = Vec::new();
        let mut place = name_end;
        let closed = loop {
            let rest = text[place..].trim_start();
            place = text.len() - rest.len();
            if rest.starts_with("/>") {
                place += 2;
                break true;
            }
            if rest.starts_with('>') {
                place += 1;
                break false;
            }
            let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/'))?;
            let value = rest[end..].trim_start().strip_prefix('=')?.trim_start();
            let mark = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let length = value[1..].find(mark)?;
            attributes.push((&rest[..end], unescape(&value[1..=length])));
            place = text.len() - value.len() + length + 2;
        };
        if open.len() >= JSON_DEPTH_MAX {
            if !closed {
                open.push(None);
            }
            return Some(place);
        }
        let number = self.elements.len();
        let parent = open.last().copied().flatten();
        if let Some(parent) = parent {
            self.elements[parent].children.push(Child::Element(number));
        }
        self.elements.push(Element { name: &text[at + 1..name_end], parent, attributes, children: Vec::new(), start: place, end: place });
        if !closed {
            open.push(Some(number));
        }
        Some(place)
    }

    /// The outermost elements.
    pub fn roots(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.elements.len()).filter(|at| self.elements[*at].parent.is_none())
    }

    /// All text below an element.
    pub fn all_text(&self, at: usize) -> String {
        let mut out = String::new();
        self.collect_text(at, &mut out);
        out.trim().to_owned()
    }

    fn collect_text(&self, at: usize, out: &mut String) {
        for child in &self.elements[at].children {
            match child {
                Child::Text(text) => out.push_str(text),
                Child::Element(inner) => self.collect_text(*inner, out),
            }
        }
    }

    /// What an element holds: its text, or its inside as written where it has elements.
    fn value(&self, at: usize) -> String {
        let element = &self.elements[at];
        if element.elements().next().is_some() {
            self.text[element.start..element.end].trim().to_owned()
        } else {
            element.own_text().unwrap_or_default()
        }
    }

    /// Gives every text and attribute, with its path.
    pub fn flatten(&self, each: &mut dyn FnMut(&str, &str)) {
        let mut paths: Vec<String> = Vec::with_capacity(self.elements.len());
        for element in &self.elements {
            let path = element.parent.map_or_else(|| element.name.to_owned(), |parent| format!("{}.{}", paths[parent], element.name));
            for (name, value) in element.attributes.iter().filter(|(name, _)| !is_declaration(name)) {
                each(&format!("{path}{{@{name}}}"), value);
            }
            if let Some(text) = element.own_text() {
                each(&path, &text);
            }
            paths.push(path);
        }
    }

    /// Gives the values that a path leads to; `{1}` is the first of its name.
    pub fn find(&self, path: &Path, each: &mut dyn FnMut(&str)) {
        let mut found: Vec<usize> = Vec::new();
        for (depth, step) in path.0.iter().enumerate() {
            let named = |at: &usize| step.name.as_ref().is_some_and(|name| self.elements[*at].is(name));
            let sides: Vec<Vec<usize>> = match depth {
                0 => vec![self.roots().filter(named).collect()],
                _ => found.iter().map(|parent| self.elements[*parent].elements().filter(named).collect()).collect(),
            };
            let position = step.indices.iter().find_map(|index| if let Index::At(at) = index { Some(*at) } else { None });
            found = match position {
                Some(position) => sides.iter().filter_map(|side| side.get(position.checked_sub(1)?).copied()).collect(),
                None => sides.concat(),
            };
            if let Some(Index::Attribute(name)) = step.indices.last() {
                found.iter().filter_map(|at| self.elements[*at].attribute(name)).for_each(&mut *each);
                return;
            }
        }
        found.into_iter().for_each(|at| each(&self.value(at)));
    }
}

/// Whether an attribute declares a namespace.
pub fn is_declaration(attribute: &str) -> bool {
    attribute == "xmlns" || attribute.starts_with("xmlns:")
}

/// Text with the five entities of XML and numbers of characters replaced.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let name = rest[1..].split(';').next().unwrap_or_default();
        let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        let found = match name {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => match name.strip_prefix('#') {
                Some(digits) => digits.strip_prefix(['x', 'X']).map_or_else(|| number(digits, 10), |hex| number(hex, 16)),
                None => None,
            },
        };
        match found.filter(|_| rest.len() > name.len() + 1) {
            Some(c) => {
                out.push(c);
                rest = &rest[name.len() + 2..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(text: &str) -> String {
        let mut out = Vec::new();
        Document::read(text).flatten(&mut |name, value| out.push(format!("{name}={value}")));
        out.join(" | ")
    }

    #[test]
    fn elements_attributes_and_text() {
        assert_eq!(flat("<a x='1'><b>t &lt; &#65;</b><b/><c y=\"2\"/></a>"), "a{@x}=1 | a.b=t < A | a.c{@y}=2");
        assert_eq!(flat("<?xml version='1.0'?><!-- <z>no</z> --><a><![CDATA[<raw>]]></a>"), "a=<raw>");
        assert_eq!(flat("<13>Oct 1 host app: <a>x</a> <b>y</b> rest"), "a=x | b=y");
        assert_eq!(flat("<a><p:b xmlns:p='u'>1</p:b></a>"), "a.p:b=1");
        assert_eq!(flat("no xml & nothing"), "");
    }

    #[test]
    fn of_broken_text_what_stands_before() {
        assert_eq!(flat("<a><b>1</b><c>2"), "a.b=1 | a.c=2");
        assert_eq!(flat("<a><b>1</b></x></a><c>2</c>"), "a.b=1");
        assert_eq!(flat("<a x=1><b>1</b></a>"), "");
        assert_eq!(flat("<a>&unknown; &"), "a=&unknown; &");
        assert_eq!(flat("<"), "");
        for text in ["<a", "<a x", "<a x=", "<a x='", "<!--", "<![CDATA[", "</a>", "<a></", "<é>ü</é>"] {
            flat(text);
        }
    }

    #[test]
    fn deep_elements_are_stepped_over() {
        let text = format!("{}x{}<after>1</after>", "<a>".repeat(100_000), "</a>".repeat(100_000));
        let document = Document::read(&text);
        assert_eq!(document.elements.len(), JSON_DEPTH_MAX + 1);
        assert_eq!(document.elements[JSON_DEPTH_MAX].name, "after");
    }
}
