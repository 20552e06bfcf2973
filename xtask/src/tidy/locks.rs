//! Lock files name no mirror: the one of one workplace does not exist at the next.

use super::Finding;
use super::source::Tree;

/// The start of every `source` in Cargo.lock.
const CARGO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Looks at both kinds of lock file.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, file) in &tree.files {
        let (key, allowed, way_out) = match name.rsplit('/').next() {
            Some("Cargo.lock") => ("source = \"", CARGO, "resolve again without a source replacement: cargo update -w"),
            // Where packages come from is npm's own setting; with `omit-lockfile-registry-resolved` no address is written.
            Some("package-lock.json") => ("\"resolved\": \"", "file:", "npm install --package-lock-only, with web/.npmrc in place"),
            _ => continue,
        };
        for (at, line) in file.text.lines().enumerate() {
            let Some(value) = line.trim_start().strip_prefix(key) else { continue };
            if !value.starts_with(allowed) {
                let address = value.split('"').next().unwrap_or_default();
                findings.push(Finding::new(name, at + 1, format!("the lock names another registry: {address}"), way_out));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_found() {
        let tree = Tree::of(&[
            ("Cargo.lock", "source = \"registry+https://github.com/rust-lang/crates.io-index\"\nsource = \"git+https://example.com/x\"\n"),
            ("web/package-lock.json", "  \"resolved\": \"file:../a\",\n  \"resolved\": \"https://npm.example.com/b\",\n"),
        ]);
        let found: Vec<(String, usize)> = check(&tree).into_iter().map(|finding| (finding.path, finding.line)).collect();
        assert_eq!(found, [("Cargo.lock".to_owned(), 2), ("web/package-lock.json".to_owned(), 2)]);
    }
}
