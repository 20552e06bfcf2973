//! `cargo xtask tidy`: the rules of the house that no compiler knows. Each check is a function of the tree that
//! returns findings; a finding says where, what, and the way out.

mod documents;
mod edges;
mod functions;
mod lengths;
mod library;
mod locks;
mod modules;
mod registry;
pub mod source;
mod words;

use crate::{Arguments, workspace};
use anyhow::{Result, bail};
use source::Tree;
use std::fmt;

/// Something against a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// The file, relative to the root.
    path: String,
    /// The line, from 1; 0 when it is about the whole file.
    line: usize,
    /// What is wrong.
    what: String,
    /// What to do about it.
    way_out: String,
}

impl Finding {
    fn new(path: impl Into<String>, line: usize, what: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { path: path.into(), line, what: what.into(), way_out: way_out.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}\n    way out: {}", self.what, self.way_out)
    }
}

/// The command.
pub fn run(mut arguments: Arguments) -> Result<()> {
    let ratchet = arguments.flag("--ratchet");
    arguments.finish()?;
    if ratchet {
        return functions::lower_ratchet(&Tree::read(&workspace::root())?);
    }
    check()
}

/// All checks; fails when there are findings.
pub fn check() -> Result<()> {
    let tree = Tree::read(&workspace::root())?;
    let mut findings = edges::check(&workspace::metadata()?);
    findings.extend(lengths::check(&tree));
    findings.extend(functions::check(&tree)?);
    findings.extend(modules::check(&tree));
    findings.extend(library::check(&tree));
    findings.extend(registry::check(&tree));
    findings.extend(documents::check(&tree));
    findings.extend(locks::check(&tree));
    findings.extend(words::check(&tree));
    if !crate::docs::is_current(&tree) {
        findings.push(Finding::new("docs/manual/commands.md", 0, "the list of commands is not up to date", "cargo xtask docs"));
    }
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("tidy: {} files, nothing to say", tree.files.len());
            Ok(())
        }
        count => bail!("tidy: {count} findings"),
    }
}
