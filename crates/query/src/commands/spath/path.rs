//! Paths into JSON and XML: `a.b{}.c`, `a{0}`, `a.*.b`, `a.b{@attribute}`.

/// The steps of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(pub Vec<Step>);

/// A name and what of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The name; `*` for any. None at the start of a path that begins with a bracket.
    pub name: Option<String>,
    /// Which items.
    pub indices: Vec<Index>,
}

/// What stands in the braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Index {
    /// `{}`.
    All,
    /// `{2}`.
    At(usize),
    /// `{@name}`.
    Attribute(String),
}

impl Path {
    /// The path as typed, or what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(['.', '{']).unwrap_or(rest.len());
            let (name, mut behind) = rest.split_at(end);
            let mut indices = Vec::new();
            while let Some(inside) = behind.strip_prefix('{') {
                let Some((index, after)) = inside.split_once('}') else { return Err("a { is not closed".to_owned()) };
                behind = after;
                indices.push(match index.strip_prefix('@') {
                    Some(attribute) if !attribute.is_empty() => Index::Attribute(attribute.to_owned()),
                    _ if index.is_empty() => Index::All,
                    _ => Index::At(index.parse().map_err(|_| format!("`{{{index}}}` is neither a number nor an @attribute"))?),
                });
            }
            if name.is_empty() && (indices.is_empty() || !steps.is_empty()) {
                return Err("a name is missing".to_owned());
            }
            steps.push(Step { name: (!name.is_empty()).then(|| name.to_owned()), indices });
            rest = match behind.strip_prefix('.') {
                Some("") => return Err("a name is missing after the last `.`".to_owned()),
                Some(after) => after,
                None if behind.is_empty() => "",
                None => return Err("a `.` is missing behind `}`".to_owned()),
            };
        }
        if steps.is_empty() { Err("it is empty".to_owned()) } else { Ok(Self(steps)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        let step = |name: &str, indices: Vec<Index>| Step { name: (!name.is_empty()).then(|| name.to_owned()), indices };
        assert_eq!(Path::parse("a.b"), Ok(Path(vec![step("a", vec![]), step("b", vec![])])));
        assert_eq!(Path::parse("{}.*{2}{}"), Ok(Path(vec![step("", vec![Index::All]), step("*", vec![Index::At(2), Index::All])])));
        assert_eq!(Path::parse("a{@id}"), Ok(Path(vec![step("a", vec![Index::Attribute("id".to_owned())])])));
        for wrong in ["", ".a", "a.", "a..b", "a{", "a{x}", "a{}b", "a.{}", "a{@}"] {
            assert!(Path::parse(wrong).is_err(), "{wrong}");
        }
    }
}
