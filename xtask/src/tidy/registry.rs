//! One command = one file + one line in the registry + one page of the manual.

use super::Finding;
use super::source::Tree;

/// Folders with one file per thing, the files that may hold the registry's line, and the folder of the manual's
/// pages where each has one.
const REGISTRIES: &[(&str, &[&str], Option<&str>)] =
    &[("crates/query/src/commands/", &["mod.rs", "registry.rs"], Some("docs/manual/commands/"))];

/// Files of such a folder that are not a thing of their own.
const NOT_A_THING: &[&str] = &["mod", "registry", "tests", "common", "shared"];

/// Looks at each registry.
pub fn check(tree: &Tree) -> Vec<Finding> {
    REGISTRIES.iter().flat_map(|(folder, registries, manual)| check_one(tree, folder, registries, *manual)).collect()
}

fn check_one(tree: &Tree, folder: &str, registries: &[&str], manual: Option<&str>) -> Vec<Finding> {
    let texts: Vec<&str> =
        registries.iter().filter_map(|file| tree.files.get(&format!("{folder}{file}"))).map(|file| file.text.as_str()).collect();
    let mut findings = Vec::new();
    for name in tree.files.keys() {
        let Some(thing) = name.strip_prefix(folder).and_then(|file| file.strip_suffix(".rs")) else { continue };
        if thing.contains('/') || NOT_A_THING.contains(&thing) {
            continue;
        }
        let is_listed = texts.iter().any(|text| text.contains(&format!("{thing}::")));
        if !is_listed {
            let what = format!("{thing} is not registered, so nobody can call it");
            findings.push(Finding::new(name, 0, what, format!("add its line to {folder}{}", registries[0])));
        }
        if let Some(manual) = manual
            && !tree.files.contains_key(&format!("{manual}{thing}.md"))
        {
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
            ("crates/query/src/commands/mod.rs", "//! Commands.\nmod head;\nmod tail;\nconst ALL: &[C] = &[head::COMMAND];\n"),
            ("crates/query/src/commands/head.rs", ""),
            ("crates/query/src/commands/tail.rs", ""),
            ("docs/manual/commands/tail.md", ""),
        ]);
        let found: Vec<String> = check(&tree).into_iter().map(|finding| finding.what).collect();
        assert_eq!(found, ["head has no page in the manual", "tail is not registered, so nobody can call it"]);
    }
}
