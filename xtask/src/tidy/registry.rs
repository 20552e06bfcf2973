//! One command = one file + one line in the registry + one page of the manual.

use super::Finding;
use super::source::Tree;

/// A folder with one file per thing.
struct Registry {
    folder: &'static str,
    /// What a file that is a thing says of itself; files without it only help the others.
    mark: &'static str,
    /// The file in the folder that lists the things.
    list: &'static str,
    /// Where each thing has its page.
    manual: &'static str,
}

const REGISTRIES: &[Registry] =
    &[Registry { folder: "crates/query/src/commands/", mark: "const INFO", list: "mod.rs", manual: "docs/manual/commands/" }];

/// Looks at each registry.
pub fn check(tree: &Tree) -> Vec<Finding> {
    REGISTRIES.iter().flat_map(|registry| check_one(tree, registry)).collect()
}

fn check_one(tree: &Tree, registry: &Registry) -> Vec<Finding> {
    let Registry { folder, mark, list, manual } = registry;
    let list_text = tree.files.get(&format!("{folder}{list}")).map_or("", |file| file.text.as_str());
    let mut findings = Vec::new();
    for (name, file) in &tree.files {
        let Some(thing) = name.strip_prefix(folder).and_then(|file| file.strip_suffix(".rs")) else { continue };
        if thing.contains('/') || name.ends_with(list) || !file.text.contains(mark) {
            continue;
        }
        if !list_text.contains(&format!("{thing}::")) {
            let what = format!("{thing} is not registered, so nobody can call it");
            findings.push(Finding::new(name, 0, what, format!("add its line to {folder}{list}")));
        }
        if !tree.files.contains_key(&format!("{manual}{thing}.md")) {
            let what = format!("{thing} has no page in the manual");
            findings.push(Finding::new(name, 0, what, format!("write {manual}{thing}.md")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unregistered_commands_are_found() {
        let tree = Tree::of(&[
            ("crates/query/src/commands/mod.rs", "//! Commands.\nmod head;\nmod tail;\nmod words;\nconst ALL: &[C] = &[head::INFO];\n"),
            ("crates/query/src/commands/head.rs", "const INFO: C = 1;"),
            ("crates/query/src/commands/tail.rs", "const INFO: C = 2;"),
            ("crates/query/src/commands/words.rs", ""),
            ("docs/manual/commands/tail.md", ""),
        ]);
        let found: Vec<String> = check(&tree).into_iter().map(|finding| finding.what).collect();
        assert_eq!(found, ["head has no page in the manual", "tail is not registered, so nobody can call it"]);
    }
}
