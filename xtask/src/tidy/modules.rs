//! Modules: each says what it is for, each is reached, and tests stand in one program per crate. A file that
//! no `mod` names is code, or a test, that nobody runs.

use super::Finding;
use super::source::{Rust, Tree, is_test_file};
use std::collections::BTreeSet;
use syn::Item;

/// Looks at every Rust file.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut reached = BTreeSet::new();
    for (name, _, rust) in tree.rust() {
        let folder = module_folder(name);
        collect(&rust.syntax.items, &folder, name, &mut reached);
    }
    let mut findings = Vec::new();
    for (name, file, rust) in tree.rust() {
        if !is_root(name) && !reached.contains(name) {
            findings.push(unreached(name));
        }
        let first = file.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        if !first.starts_with("//!") && (!is_test_file(name) || name.ends_with("tests/it/main.rs")) {
            findings.push(Finding::new(
                name,
                1,
                "the file does not say what it is for",
                "begin with `//! what it is for, and what it must not do`",
            ));
        }
        findings.extend(undocumented(name, rust));
    }
    findings
}

fn unreached(name: &str) -> Finding {
    match name.split_once("/tests/") {
        Some((_, rest)) if !rest.contains('/') => Finding::new(
            name,
            0,
            "a second test program of the crate: each one links everything again",
            "move it into tests/it/ and list it in tests/it/main.rs",
        ),
        Some(_) => Finding::new(name, 0, "the test file is not listed, so it never runs", "add `mod ...;` to tests/it/main.rs"),
        None => Finding::new(name, 0, "no `mod` names this file, so it is not compiled", "name it in the module above, or remove it"),
    }
}

/// Public modules of a crate's root whose file is elsewhere are documented there; inline ones need a sentence.
fn undocumented(name: &str, rust: &Rust) -> Vec<Finding> {
    let inline = |item: &Item| match item {
        Item::Mod(module) if module.content.is_some() && matches!(module.vis, syn::Visibility::Public(_)) => {
            let documented = module.attrs.iter().any(|attribute| attribute.path().is_ident("doc"));
            (!documented).then(|| (module.ident.to_string(), module.ident.span().start().line))
        }
        _ => None,
    };
    let found = rust.syntax.items.iter().filter_map(inline);
    found
        .map(|(module, line)| {
            Finding::new(name, line, format!("the public module {module} does not say what it is for"), "add `/// ...` above it")
        })
        .collect()
}

/// Whether Cargo itself starts at this file.
fn is_root(name: &str) -> bool {
    let mut parts = name.rsplit('/');
    let (file, folder) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    matches!((folder, file), ("src", "lib.rs" | "main.rs") | ("it", "main.rs") | ("bin" | "benches" | "examples" | "fuzz_targets", _))
        || file == "build.rs"
}

/// The folder in which the files of a file's modules stand.
fn module_folder(name: &str) -> String {
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    let is_own = is_root(name) || file == "mod.rs";
    if is_own { folder.to_owned() } else { format!("{folder}/{}", file.trim_end_matches(".rs")) }
}

/// Notes the files that `mod x;` items may mean.
fn collect(items: &[Item], folder: &str, file: &str, reached: &mut BTreeSet<String>) {
    for item in items {
        let Item::Mod(module) = item else { continue };
        let name = module.ident.to_string();
        let name = name.trim_start_matches("r#");
        match &module.content {
            Some((_, items)) => collect(items, &format!("{folder}/{name}"), file, reached),
            None => {
                reached.insert(format!("{folder}/{name}.rs"));
                reached.insert(format!("{folder}/{name}/mod.rs"));
                if let Some(path) = path_attribute(&module.attrs) {
                    let beside = file.rsplit_once('/').map_or("", |(folder, _)| folder);
                    reached.insert(format!("{beside}/{path}"));
                }
            }
        }
    }
}

/// The value of `#[path = "..."]`.
fn path_attribute(attributes: &[syn::Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.path().is_ident("path"))?;
    match &attribute.meta.require_name_value().ok()?.value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<(String, String)> {
        check(&Tree::of(files)).into_iter().map(|finding| (finding.path, finding.what)).collect()
    }

    #[test]
    fn reached_files_are_fine() {
        let files = [
            ("crates/a/src/lib.rs", "//! A.\nmod b;\nmod c { mod d; }\n#[path = \"odd.rs\"]\nmod e;\n#[cfg(test)]\nmod tests;\n"),
            ("crates/a/src/b.rs", "//! B.\nmod f;\n"),
            ("crates/a/src/b/f.rs", "//! F.\n"),
            ("crates/a/src/c/d.rs", "//! D.\n"),
            ("crates/a/src/odd.rs", "//! Odd.\n"),
            ("crates/a/src/tests.rs", "\n"),
            ("crates/a/tests/it/main.rs", "//! Tests.\nmod one;\n"),
            ("crates/a/tests/it/one.rs", "\n"),
        ];
        assert_eq!(found(&files), []);
    }

    #[test]
    fn forgotten_files_are_found() {
        let files = [
            ("crates/a/src/lib.rs", "pub mod inline {}\n"),
            ("crates/a/src/lost.rs", "//! Lost.\n"),
            ("crates/a/tests/it/main.rs", "//! Tests.\n"),
            ("crates/a/tests/it/lost.rs", ""),
            ("crates/a/tests/second.rs", ""),
        ];
        let found: Vec<String> = found(&files).into_iter().map(|(path, what)| format!("{path}: {what}")).collect();
        assert_eq!(found.len(), 5, "{found:#?}");
        assert!(found[0].contains("does not say what it is for") && found[1].contains("inline"));
        assert!(found[2].contains("no `mod` names") && found[3].contains("never runs") && found[4].contains("second test program"));
    }
}
