//! Finds the files below a folder, in the order of their names.

use rustc_hash::FxHashSet;
use std::path::{Path, PathBuf};
use taffrail_base::limits::FOLDER_DEPTH_MAX;
use taffrail_base::{FileIdentity, Vfs};

/// All regular files below `folder` with their sizes, sorted by path. Folders are visited once each, also
/// where links lead to them in circles. What cannot be listed is named in `problems`.
pub fn files(vfs: &dyn Vfs, folder: &Path, problems: &mut Vec<String>) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let mut seen = FxHashSet::default();
    visit(vfs, folder, 0, &mut seen, &mut found, problems);
    found
}

fn visit(
    vfs: &dyn Vfs,
    folder: &Path,
    depth: usize,
    seen: &mut FxHashSet<(FileIdentity, PathBuf)>,
    found: &mut Vec<(PathBuf, u64)>,
    problems: &mut Vec<String>,
) {
    let entries = match vfs.read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return problems.push(format!("{}: {error}", folder.display())),
    };
    for path in entries {
        // A link that leads nowhere, or a file that has just gone.
        let Ok(metadata) = vfs.metadata(&path) else { continue };
        if metadata.is_file {
            found.push((path, metadata.len));
        } else if metadata.is_dir && depth < FOLDER_DEPTH_MAX {
            // A folder's name is part of the key: simulated folders share one identity.
            let name = PathBuf::from(path.file_name().unwrap_or_default());
            if seen.insert((metadata.identity, name)) {
                visit(vfs, &path, depth + 1, seen, found, problems);
            }
        }
    }
}
