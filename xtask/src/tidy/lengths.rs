//! Lengths of files: a stop at 1,200 lines, tests apart.

use super::Finding;
use super::source::{File, Tree, is_test_file};

/// Lines that a file of code may have.
const LINES_MAX: usize = 1_200;

/// Holds every file of code against the limit.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let is_code = |name: &str| [".rs", ".ts", ".svelte"].iter().any(|end| name.ends_with(end));
    let mut findings = Vec::new();
    for (name, file) in tree.files.iter().filter(|(name, _)| is_code(name) && !is_test_file(name)) {
        let lines = code_lines(file);
        if lines > LINES_MAX {
            let what = format!("{lines} lines without tests, {LINES_MAX} are the limit");
            findings.push(Finding::new(name, 0, what, "split off a room of its own: a module with one purpose"));
        }
    }
    findings
}

/// Lines of a file without its test modules.
fn code_lines(file: &File) -> usize {
    let all = file.text.lines().count();
    let tests = file.rust.as_ref().map_or(0, |rust| (1..=all).filter(|line| rust.is_test_line(*line)).count());
    all - tests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_do_not_count() {
        let code = "fn f() {}\n".repeat(1_200);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "fn g() {}\n".repeat(500));
        let files = [("a.rs", format!("{code}{tests}")), ("b.rs", format!("{code}fn h() {{}}\n")), ("tests/c.rs", code.repeat(2))];
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let found = check(&Tree::of(&files));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].path, "b.rs");
    }
}
