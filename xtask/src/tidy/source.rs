//! The tree as the checks see it: every text file once, Rust files parsed.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use syn::spanned::Spanned;

/// The text files of the tree by their path from the root, parts joined by `/`.
pub struct Tree {
    pub files: BTreeMap<String, File>,
}

/// A file.
pub struct File {
    pub text: String,
    pub rust: Option<Rust>,
}

/// What a Rust file says.
pub struct Rust {
    pub syntax: syn::File,
    /// The lines of its test modules.
    test_lines: Vec<RangeInclusive<usize>>,
}

impl Tree {
    /// Reads the tree below `root`. Files that are not UTF-8 are left out.
    pub fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for path in crate::workspace::files(root)? {
            let name = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            files.insert(name.clone(), File::parse(&name, text)?);
        }
        Ok(Self { files })
    }

    /// A tree of these files, for tests.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let parse = |(name, text): &(&str, &str)| ((*name).to_owned(), File::parse(name, (*text).to_owned()).unwrap());
        Self { files: files.iter().map(parse).collect() }
    }

    /// The Rust files with their names.
    pub fn rust(&self) -> impl Iterator<Item = (&str, &File, &Rust)> {
        self.files.iter().filter_map(|(name, file)| Some((name.as_str(), file, file.rust.as_ref()?)))
    }
}

impl File {
    fn parse(name: &str, text: String) -> Result<Self> {
        let rust = if name.ends_with(".rs") { Some(Rust::parse(name, &text)?) } else { None };
        Ok(Self { text, rust })
    }
}

impl Rust {
    fn parse(name: &str, text: &str) -> Result<Self> {
        let syntax = syn::parse_file(text).with_context(|| format!("{name} cannot be parsed"))?;
        let tests = syntax.items.iter().filter(|item| matches!(item, syn::Item::Mod(module) if is_test(&module.attrs)));
        let test_lines = tests.map(|item| item.span().start().line..=item.span().end().line).collect();
        Ok(Self { syntax, test_lines })
    }

    /// Whether a line belongs to a test module.
    pub fn is_test_line(&self, line: usize) -> bool {
        self.test_lines.iter().any(|lines| lines.contains(&line))
    }
}

/// Whether the attributes make something a test: `#[test]`, `#[cfg(test)]`, `#[tokio::test]`.
pub fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        let last = path.segments.last().is_some_and(|segment| segment.ident == "test");
        let condition = || attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string().contains("test"));
        last || (path.is_ident("cfg") && condition())
    })
}

/// Whether a file holds only tests.
pub fn is_test_file(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    let folder = |folder: &str| name.starts_with(&format!("{folder}/")) || name.contains(&format!("/{folder}/"));
    folder("tests") || folder("e2e") || file == "tests.rs" || file.contains(".test.") || file.contains(".spec.")
}
