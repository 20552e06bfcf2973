//! Words that must not be in the tree: marks of unfinished merges, paths of the machine the tree lies on, the
//! address of the registry that this machine happens to use.

use super::Finding;
use super::source::Tree;

/// Looks at every text file.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut words: Vec<(String, &str)> = Vec::new();
    // Put together here, so that this file does not hold the words itself.
    words.extend(["<", ">"].map(|mark| (mark.repeat(7) + " ", "finish the merge")));
    words.push((["FIX", "ME"].concat(), "do it, or write what is known as `BUG: ...` where it lives"));
    words.extend(machine().into_iter().map(|word| (word, "write it relative to the root, or leave it out")));
    find(tree, &words)
}

/// What only this machine knows: where the tree lies, where cargo builds, which registry npm asks.
fn machine() -> Vec<String> {
    let root = crate::workspace::root();
    let mut words = vec![root.display().to_string()];
    // What lies beside the tree, unless the tree lies where innocent text speaks of too.
    let beside = root.parent().map(|folder| format!("{}/", folder.display()));
    let common = ["/", "//", "/home/", "/opt/", "/root/", "/srv/", "/tmp/", "/usr/src/", "/var/tmp/"];
    words.extend(beside.filter(|folder| !common.contains(&folder.as_str())));
    words.extend(std::env::var("CARGO_TARGET_DIR").ok());
    for name in ["npm_config_registry", "NPM_CONFIG_REGISTRY", "CARGO_REGISTRIES_CRATES_IO_INDEX", "PIP_INDEX_URL"] {
        let host = std::env::var(name).ok().and_then(|address| Some(address.split('/').nth(2)?.to_owned()));
        words.extend(host);
    }
    // A short word such as `/src` stands in innocent text too.
    words.retain(|word| word.matches('/').count() >= 2 || word.contains('.'));
    words
}

fn find(tree: &Tree, words: &[(String, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, file) in &tree.files {
        for (at, line) in file.text.lines().enumerate() {
            for (word, way_out) in words.iter().filter(|(word, _)| stands_in(line, word)) {
                findings.push(Finding::new(name, at + 1, format!("{word:?} must not be in the tree"), *way_out));
            }
        }
    }
    findings
}

/// Whether the word stands in the line, not as the start of a longer name.
fn stands_in(line: &str, word: &str) -> bool {
    let goes_on = |at: usize| line[at + word.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-');
    let begins = |at: usize| line[..at].ends_with(|c: char| c.is_alphanumeric());
    line.match_indices(word).any(|(at, _)| !begins(at) && (word.ends_with([' ', '/']) || !goes_on(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_as_words() {
        let words = [("/home/me/tree".to_owned(), "leave it out"), ("/place/".to_owned(), "leave it out"), ("==> ".to_owned(), "merge")];
        let tree = Tree::of(&[("a.md", "see /home/me/tree/x\nsee /home/me/trees\n==> ours\n/place/x\n"), ("b.md", "the workplace/x\n")]);
        let found: Vec<(String, usize)> = find(&tree, &words).into_iter().map(|finding| (finding.path, finding.line)).collect();
        assert_eq!(found, [("a.md".to_owned(), 1), ("a.md".to_owned(), 3), ("a.md".to_owned(), 4)]);
    }

    #[test]
    fn this_file_is_clean() {
        let tree = Tree::of(&[("words.rs", include_str!("words.rs"))]);
        assert_eq!(check(&tree), []);
    }
}
