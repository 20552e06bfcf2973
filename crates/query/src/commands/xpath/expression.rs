//! The part of XPath 1.0 that is of use on events: paths of elements, attributes and text, with conditions.

use crate::commands::xml::{Child, Document};
use rustc_hash::FxHashSet;

/// A path from the document on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    /// `//`: at any depth below.
    deep: bool,
    test: Test,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Element(String),
    Attribute(String),
    Text,
    Here,
    Parent,
}

/// Any of these, each all of these.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition(Vec<Vec<Term>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    Position(usize),
    Last,
    Exists(Operand),
    Equal(Operand, String),
    Differs(Operand, String),
    Contains(Operand, String),
    StartsWith(Operand, String),
    Not(Box<Term>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operand {
    Attribute(String),
    Child(String),
    Text,
    Here,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node<'d> {
    Document,
    Element(usize),
    Value(&'d str),
}

impl XPath {
    /// The expression as typed, or what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { rest: text.trim() };
        let mut steps = Vec::new();
        let mut deep = reader.take("//");
        if !deep {
            reader.take("/");
        }
        loop {
            steps.push(reader.step(deep)?);
            if reader.rest.is_empty() {
                return Ok(Self(steps));
            }
            deep = reader.take("//");
            if !deep && !reader.take("/") {
                return Err(format!("`{}` is not understood", reader.rest));
            }
            if matches!(steps.last(), Some(Step { test: Test::Attribute(_) | Test::Text, .. })) {
                return Err("nothing can follow an attribute or a text".to_owned());
            }
        }
    }

    /// Gives the values that it leads to, in the order of the text.
    pub fn find(&self, document: &Document<'_>, each: &mut dyn FnMut(&str)) {
        let mut found = vec![Node::Document];
        for step in &self.0 {
            let mut next = Vec::new();
            let mut seen = FxHashSet::default();
            let starts = if step.deep { and_below(document, &found) } else { found };
            for start in starts {
                let side = step.side(document, start);
                let count = side.len();
                let kept = side.into_iter().enumerate().filter(|(at, node)| step.holds(document, *node, at + 1, count));
                next.extend(kept.map(|(_, node)| node).filter(|node| !matches!(node, Node::Element(at) if !seen.insert(*at))));
            }
            found = next;
        }
        for node in found {
            match node {
                Node::Value(value) => each(value.trim()),
                Node::Element(at) => each(&document.all_text(at)),
                Node::Document => document.roots().for_each(|at| each(&document.all_text(at))),
            }
        }
    }
}

/// These nodes and all elements below them, each once, in the order of the text: one pass, as elements follow those
/// that they are in.
fn and_below<'d>(document: &Document<'_>, found: &[Node<'d>]) -> Vec<Node<'d>> {
    let all = found.contains(&Node::Document);
    let mut out: Vec<Node<'d>> = found.iter().copied().filter(|node| !matches!(node, Node::Element(_))).collect();
    let chosen: FxHashSet<usize> = found.iter().filter_map(|node| if let Node::Element(at) = node { Some(*at) } else { None }).collect();
    let mut inside = vec![false; document.elements.len()];
    for (at, element) in document.elements.iter().enumerate() {
        inside[at] = all || chosen.contains(&at) || element.parent.is_some_and(|parent| inside[parent]);
        if inside[at] {
            out.push(Node::Element(at));
        }
    }
    out
}

impl Step {
    /// What the step leads to from one node, before its conditions.
    fn side<'d>(&self, document: &'d Document<'_>, from: Node<'d>) -> Vec<Node<'d>> {
        let element = match from {
            Node::Element(at) => Some(&document.elements[at]),
            _ => None,
        };
        match &self.test {
            Test::Here => vec![from],
            Test::Parent => element.map(|element| element.parent.map_or(Node::Document, Node::Element)).into_iter().collect(),
            Test::Element(name) => {
                let children: Vec<usize> = match (from, element) {
                    (Node::Document, _) => document.roots().collect(),
                    (_, Some(element)) => element.elements().collect(),
                    _ => Vec::new(),
                };
                children.into_iter().filter(|at| document.elements[*at].is(name)).map(Node::Element).collect()
            }
            Test::Attribute(name) => {
                let attributes = element.into_iter().flat_map(|element| &element.attributes);
                attributes.filter(|(known, _)| name == "*" || known == name).map(|(_, value)| Node::Value(value)).collect()
            }
            Test::Text => {
                let children = element.into_iter().flat_map(|element| &element.children);
                let text = |child: &'d Child| if let Child::Text(text) = child { Some(text.as_str()) } else { None };
                children.filter_map(text).filter(|text| !text.trim().is_empty()).map(Node::Value).collect()
            }
        }
    }

    fn holds(&self, document: &Document<'_>, node: Node<'_>, position: usize, count: usize) -> bool {
        self.conditions
            .iter()
            .all(|Condition(any)| any.iter().any(|all| all.iter().all(|term| term.holds(document, node, position, count))))
    }
}

impl Term {
    fn holds(&self, document: &Document<'_>, node: Node<'_>, position: usize, count: usize) -> bool {
        match self {
            Self::Position(wanted) => position == *wanted,
            Self::Last => position == count,
            Self::Exists(operand) => !operand.values(document, node).is_empty(),
            Self::Equal(operand, text) => operand.values(document, node).iter().any(|value| value == text),
            Self::Differs(operand, text) => operand.values(document, node).iter().any(|value| value != text),
            Self::Contains(operand, text) => operand.values(document, node).iter().any(|value| value.contains(text)),
            Self::StartsWith(operand, text) => operand.values(document, node).iter().any(|value| value.starts_with(text)),
            Self::Not(term) => !term.holds(document, node, position, count),
        }
    }
}

impl Operand {
    fn values(&self, document: &Document<'_>, node: Node<'_>) -> Vec<String> {
        let Node::Element(at) = node else {
            return if let (Node::Value(value), Self::Here) = (node, self) { vec![value.to_owned()] } else { Vec::new() };
        };
        let element = &document.elements[at];
        match self {
            Self::Attribute(name) => {
                element.attributes.iter().filter(|(known, _)| name == "*" || known == name).map(|(_, value)| value.clone()).collect()
            }
            Self::Child(name) => element.elements().filter(|at| document.elements[*at].is(name)).map(|at| document.all_text(at)).collect(),
            Self::Text => element.own_text().into_iter().collect(),
            Self::Here => vec![document.all_text(at)],
        }
    }
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn take(&mut self, mark: &str) -> bool {
        self.rest = self.rest.trim_start();
        let Some(rest) = self.rest.strip_prefix(mark) else { return false };
        self.rest = rest;
        true
    }

    fn name(&mut self) -> Result<String, String> {
        self.rest = self.rest.trim_start();
        if self.take("*") {
            return Ok("*".to_owned());
        }
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'))).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() {
            return Err(if rest.is_empty() {
                "it ends where a name is expected".to_owned()
            } else {
                format!("a name is expected at `{rest}`")
            });
        }
        if name.contains("::") {
            return Err(format!("axes such as `{name}` are not supported"));
        }
        self.rest = rest;
        Ok(name.to_owned())
    }

    fn step(&mut self, deep: bool) -> Result<Step, String> {
        let test = if self.take("..") {
            Test::Parent
        } else if self.take(".") {
            Test::Here
        } else if self.take("@") {
            Test::Attribute(self.name()?)
        } else {
            let name = self.name()?;
            match name.as_str() {
                "text" if self.take("()") => Test::Text,
                _ if self.rest.starts_with('(') => return Err(format!("the function {name}() is not supported here")),
                _ => Test::Element(name),
            }
        };
        let mut conditions = Vec::new();
        while self.take("[") {
            let mut any = vec![vec![self.term()?]];
            loop {
                if self.take("]") {
                    break;
                } else if self.take("and ") {
                    let term = self.term()?;
                    any.last_mut().expect("never empty").push(term);
                } else if self.take("or ") {
                    any.push(vec![self.term()?]);
                } else if self.rest.is_empty() {
                    return Err("a [ is not closed".to_owned());
                } else {
                    return Err(format!("`{}` is not understood", self.rest));
                }
            }
            conditions.push(Condition(any));
        }
        Ok(Step { deep, test, conditions })
    }

    fn term(&mut self) -> Result<Term, String> {
        self.rest = self.rest.trim_start();
        let digits = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        if digits > 0 {
            let position = self.rest[..digits].parse().map_err(|_| "a position is too large".to_owned())?;
            self.rest = &self.rest[digits..];
            return Ok(Term::Position(position));
        }
        if self.take("last()") {
            return Ok(Term::Last);
        }
        if self.take("not(") {
            let term = self.term()?;
            return if self.take(")") { Ok(Term::Not(Box::new(term))) } else { Err("a ( is not closed".to_owned()) };
        }
        for (mark, make) in [
            ("contains(", Term::Contains as fn(Operand, String) -> Term),
            ("starts-with(", Term::StartsWith as fn(Operand, String) -> Term),
        ] {
            if self.take(mark) {
                let operand = self.operand()?;
                if !self.take(",") {
                    return Err(format!("{mark}...) needs a text after a comma"));
                }
                let text = self.literal()?;
                return if self.take(")") { Ok(make(operand, text)) } else { Err("a ( is not closed".to_owned()) };
            }
        }
        let operand = self.operand()?;
        if self.take("!=") {
            return Ok(Term::Differs(operand, self.literal()?));
        }
        if self.take("=") {
            return Ok(Term::Equal(operand, self.literal()?));
        }
        Ok(Term::Exists(operand))
    }

    fn operand(&mut self) -> Result<Operand, String> {
        if self.take("@") {
            return Ok(Operand::Attribute(self.name()?));
        }
        if self.take("text()") {
            return Ok(Operand::Text);
        }
        if self.take(".") {
            return Ok(Operand::Here);
        }
        let name = self.name()?;
        if self.rest.starts_with('(') { Err(format!("the function {name}() is not supported")) } else { Ok(Operand::Child(name)) }
    }

    fn literal(&mut self) -> Result<String, String> {
        self.rest = self.rest.trim_start();
        if let Some(mark) = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"')) {
            let inside = &self.rest[1..];
            let Some(end) = inside.find(mark) else { return Err("a text is not closed".to_owned()) };
            let text = inside[..end].to_owned();
            self.rest = &inside[end + 1..];
            return Ok(text);
        }
        let end = self.rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-'))).unwrap_or(self.rest.len());
        if end == 0 {
            return Err("a text in quotes or a number is expected".to_owned());
        }
        let text = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = "<a><b id='1'>x<c>y</c></b><b id='2'>z</b><p:d xmlns:p='u'><b>deep</b></p:d></a>";

    fn found(expression: &str) -> String {
        let mut out = Vec::new();
        XPath::parse(expression).unwrap().find(&Document::read(XML), &mut |value| out.push(value.to_owned()));
        out.join(",")
    }

    #[test]
    fn paths_lead_to_values() {
        for (expression, values) in [
            ("/a/b", "xy,z"),
            ("a/b", "xy,z"),
            ("//b", "xy,z,deep"),
            ("/b", ""),
            ("//b/@id", "1,2"),
            ("//@id", "1,2"),
            ("//b[@id='2']", "z"),
            ("//b[@id=\"2\" or @id='1']/@id", "1,2"),
            ("//b[c='y' and @id!='2']/text()", "x"),
            ("/a/b[2]", "z"),
            ("/a/b[last()]", "z"),
            ("/a/*[3]/b", "deep"),
            ("//d/b", "deep"),
            ("//b[not(@id)]", "deep"),
            ("//b[contains(., 'ee')]", "deep"),
            ("//c/../@id", "1"),
            ("//b[starts-with(@id, '1')]/c", "y"),
            ("//b[@id=2]", "z"),
            ("/a//b[.='deep']", "deep"),
            ("/", ""),
        ] {
            match XPath::parse(expression) {
                Ok(_) => assert_eq!(found(expression), values, "{expression}"),
                Err(_) => assert_eq!(expression, "/"),
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for wrong in ["", "//", "/a[", "/a[@", "/a[1", "/a b", "count(//a)", "child::a", "/a/@b/c", "/a[b='x]", "/a[b=]", "/a[sum(b)=1]"] {
            assert!(XPath::parse(wrong).is_err(), "{wrong}");
        }
    }
}
