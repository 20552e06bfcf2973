//! Who may use whom. The one table of it; ARCHITECTURE.md draws it.

use super::Finding;
use serde_json::Value;

/// Each crate with the crates of ours that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("event", &["base"]),
    ("pattern", &["event", "base"]),
    ("format", &["pattern", "event", "base"]),
    ("collect", &["format", "event", "base"]),
    ("store", &["pattern", "event", "base"]),
    // Events and patterns in its tests only.
    ("archive", &["store", "pattern", "event", "base"]),
    ("evidence", &["base"]),
    ("query", &["store", "format", "pattern", "event", "base"]),
    ("detect", &["query", "pattern", "event", "base"]),
    ("taffrail", &["detect", "query", "archive", "store", "collect", "format", "evidence", "synth", "pattern", "event", "base"]),
    ("synth", &[]),
    ("xtask", &["synth"]),
];

/// Heavy crates from outside with the crates of ours that may name them.
const HEAVY: &[(&str, &[&str])] = &[
    ("datafusion", &["query", "detect", "taffrail"]),
    ("arrow", &["store", "query", "detect", "taffrail"]),
    ("sqlx", &["store", "collect", "taffrail"]),
    // In the tests of `archive` only.
    ("axum", &["taffrail", "archive"]),
    ("reqwest", &["taffrail", "collect"]),
    ("object_store", &["archive", "collect"]),
    ("clap", &["taffrail"]),
];

/// Holds the packages of `cargo metadata` against the tables.
pub fn check(metadata: &Value) -> Vec<Finding> {
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    let short = |package: &Value| plain(package["name"].as_str().unwrap_or_default()).to_owned();
    let own: Vec<String> = packages.iter().map(short).collect();
    let mut findings = Vec::new();
    for package in packages {
        let name = short(package);
        let path = manifest(package, metadata);
        let Some((_, may_use)) = MAY_USE.iter().find(|(known, _)| *known == name) else {
            findings.push(Finding::new(
                &path,
                0,
                format!("the crate {name} is not in the table"),
                "add it to MAY_USE in xtask/src/tidy/edges.rs",
            ));
            continue;
        };
        for dependency in package["dependencies"].as_array().map_or(&[][..], Vec::as_slice) {
            let used = dependency["name"].as_str().unwrap_or_default();
            let is_own = dependency["path"].is_string() && own.iter().any(|own| own == plain(used));
            if is_own && plain(used) != name && !may_use.contains(&plain(used)) {
                let allowed = if may_use.is_empty() { "nothing of ours".into() } else { may_use.join(", ") };
                let what = format!("{name} may not use {}; it may use {allowed}", plain(used));
                findings.push(Finding::new(&path, 0, what, "move the code to a crate that may, or hand a trait in from above"));
            }
            for (heavy, allowed) in HEAVY {
                let is_heavy = used == *heavy || used.strip_prefix(heavy).is_some_and(|rest| rest.starts_with('-'));
                if is_heavy && !is_own && !allowed.contains(&name.as_str()) {
                    let what = format!("{name} may not use {used}: only {} may", allowed.join(", "));
                    findings.push(Finding::new(&path, 0, what, "move the code there; the crates below stay light"));
                }
            }
        }
    }
    findings
}

/// The name of a crate of ours without the prefix.
fn plain(name: &str) -> &str {
    name.strip_prefix("taffrail-").unwrap_or(name)
}

/// The manifest's path from the root.
fn manifest(package: &Value, metadata: &Value) -> String {
    let path = package["manifest_path"].as_str().unwrap_or_default();
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    path.strip_prefix(root).unwrap_or(path).trim_start_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str, uses: &[(&str, bool)]) -> Value {
        let dependency = |(name, own): &(&str, bool)| json!({"name": name, "path": own.then_some("/x")});
        let uses: Vec<Value> = uses.iter().map(dependency).collect();
        json!({"name": name, "manifest_path": format!("/root/crates/{name}/Cargo.toml"), "dependencies": uses})
    }

    #[test]
    fn edges_against_the_table_are_found() {
        let metadata = json!({"workspace_root": "/root", "packages": [
            package("taffrail-base", &[]),
            package("taffrail-store", &[("taffrail-base", true), ("arrow", false)]),
            package("taffrail-evidence", &[("taffrail-base", true), ("taffrail-store", true)]),
            package("taffrail-collect", &[("datafusion-common", false), ("taffrail-store", true)]),
            package("taffrail-novel", &[]),
        ]});
        let found: Vec<String> = check(&metadata).into_iter().map(|finding| finding.what).collect();
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].starts_with("evidence may not use store"));
        assert!(found[1].starts_with("collect may not use datafusion-common"));
        assert!(found[2].starts_with("collect may not use store"));
        assert!(found[3].starts_with("the crate novel is not in the table"));
    }

    #[test]
    fn the_table_has_no_circle() {
        for (at, (name, uses)) in MAY_USE.iter().enumerate() {
            for used in *uses {
                let place = MAY_USE.iter().position(|(known, _)| known == used);
                assert!(place.is_some_and(|place| place < at), "{name} uses {used}, which does not stand above it");
            }
        }
    }
}
