//! Which files the settings mean: folders with all below them, and patterns with `*`, `?`, `[...]`, `{...}`, `**`.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use rustc_hash::FxHashMap;
use std::path::{Path, PathBuf};
use taffrail_base::limits::FOLDER_DEPTH_MAX;
use taffrail_base::{Error, ErrorKind, Metadata, Result, Vfs};

/// One of the paths of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The part without patterns: where to look.
    pub folder: PathBuf,
    /// Whether to look in folders below as well.
    pub deep: bool,
    /// How many folders below at most.
    depth: usize,
}

/// Finds the files that the settings mean.
#[derive(Debug)]
pub struct Discovery {
    roots: Vec<Root>,
    included: GlobSet,
    excluded: GlobSet,
}

/// A file that was found.
pub type Found = (PathBuf, Metadata);

impl Discovery {
    /// Checks the patterns.
    pub fn new(paths: &[String], exclude: &[String]) -> Result<Self> {
        let mut included = GlobSetBuilder::new();
        let mut excluded = GlobSetBuilder::new();
        let mut roots = Vec::new();
        for path in paths {
            let path = path.trim_end_matches('/');
            let literal: PathBuf =
                Path::new(path).components().take_while(|part| !has_pattern(&part.as_os_str().to_string_lossy())).collect();
            let below = Path::new(path).components().count() - literal.components().count();
            let deep = path.contains("**");
            roots.push(Root {
                folder: literal,
                deep: deep || below == 0,
                depth: if deep || below == 0 { FOLDER_DEPTH_MAX } else { below },
            });
            let escaped = if below == 0 { globset::escape(path) } else { path.to_owned() };
            add(&mut included, &escaped)?;
            if below == 0 {
                // It may be a folder: then everything in it.
                add(&mut included, &format!("{escaped}/**"))?;
            }
        }
        for pattern in exclude {
            add(&mut excluded, pattern)?;
        }
        let build = |set: &GlobSetBuilder| set.build().map_err(|error| Error::new(ErrorKind::Invalid, error.to_string()));
        Ok(Self { roots, included: build(&included)?, excluded: build(&excluded)? })
    }

    /// Where changes can be expected.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// All regular files that are meant now, sorted by path; a file that is found twice is there twice.
    pub fn find(&self, vfs: &dyn Vfs) -> Vec<Found> {
        let mut found = Vec::new();
        let mut seen = FxHashMap::default();
        for root in &self.roots {
            self.visit(vfs, &root.folder, root.depth, &mut seen, &mut found);
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        found
    }

    fn visit(&self, vfs: &dyn Vfs, path: &Path, depth: usize, seen: &mut FxHashMap<PathBuf, usize>, found: &mut Vec<Found>) {
        // Again only where another root goes deeper.
        let before = seen.get(path).copied();
        if self.excluded.is_match(path) || before.is_some_and(|before| before >= depth) {
            return;
        }
        seen.insert(path.to_owned(), depth);
        // What is not there, or has just gone, is not found.
        let Ok(metadata) = vfs.metadata(path) else { return };
        if metadata.is_file {
            if before.is_none() && self.included.is_match(path) {
                found.push((path.to_owned(), metadata));
            }
        } else if metadata.is_dir && depth > 0 {
            for entry in vfs.read_dir(path).unwrap_or_default() {
                self.visit(vfs, &entry, depth - 1, seen, found);
            }
        }
    }
}

fn has_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

fn add(set: &mut GlobSetBuilder, pattern: &str) -> Result<()> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    let glob = glob.map_err(|error| {
        Error::new(ErrorKind::Invalid, format!("{pattern:?} is not a path or pattern: {error}"))
            .with_hint("patterns use * ? [a-z] {a,b} within a name and ** for any folders")
    })?;
    set.add(glob);
    Ok(())
}
