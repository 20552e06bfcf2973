//! Library crates neither print, nor prompt, nor read the environment, nor end the process: only the binary does.

use super::Finding;
use super::source::{Tree, is_test_file};

/// What a library may not say, and what to do instead.
const NOT_IN_LIBRARIES: &[(&str, &str)] = &[
    ("std::env::", "take it as a parameter; the binary reads the environment"),
    ("env::var", "take it as a parameter; the binary reads the environment"),
    ("process::exit", "return an error; the binary ends the process"),
    ("println!", "return it, or emit a `tracing` event; the binary prints"),
    ("eprint!", "return it, or emit a `tracing` event; the binary prints"),
    ("tracing_subscriber", "only the binary decides where traces go"),
];

/// Looks at the code of the library crates.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, file, rust) in tree.rust() {
        let is_library =
            name.starts_with("crates/") && !name.starts_with("crates/taffrail/") && name.contains("/src/") && !is_test_file(name);
        if !is_library {
            continue;
        }
        for (number, line) in file.text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
            if rust.is_test_line(number) || line.trim_start().starts_with("//") {
                continue;
            }
            // `env!` and `option_env!` are read when compiling, which is another matter.
            if let Some((word, way_out)) = NOT_IN_LIBRARIES.iter().find(|(word, _)| line.contains(word)) {
                findings.push(Finding::new(name, number, format!("a library crate says {word:?}"), *way_out));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_stay_quiet() {
        let text = "//! std::env::var in words is fine.\nfn f() { println!(); }\n#[cfg(test)]\nmod tests { fn g() { println!(); } }\n";
        let found =
            check(&Tree::of(&[("crates/store/src/lib.rs", text), ("crates/taffrail/src/main.rs", text), ("xtask/src/main.rs", text)]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].path.as_str(), found[0].line), ("crates/store/src/lib.rs", 2));
    }
}
