//! Documents: no link leads nowhere, and every document is reached from one that people open first.

use super::Finding;
use super::source::Tree;
use std::collections::BTreeSet;

/// Where readers begin.
const ENTRANCES: &[&str] = &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/manual/index.md"];

/// A link of a document.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    line: usize,
    target: String,
}

/// Looks at every Markdown file.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let documents = || tree.files.iter().filter(|(name, _)| name.ends_with(".md"));
    let mut findings = Vec::new();
    for (name, file) in documents() {
        for link in links(&file.text) {
            if let Err(what) = resolve(tree, name, &link.target) {
                findings.push(Finding::new(name, link.line, what, "correct the link, or write what it promises"));
            }
        }
    }
    let reached = reached(tree);
    for (name, _) in documents().filter(|(name, _)| !reached.contains(name.as_str())) {
        let what = format!("nothing leads here from {}", ENTRANCES.join(", "));
        findings.push(Finding::new(name, 0, what, "link it from where its reader comes from, or remove it"));
    }
    findings
}

/// The documents that links lead to from the entrances. A link to a folder leads to all in it.
fn reached(tree: &Tree) -> BTreeSet<String> {
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<String> = ENTRANCES.iter().map(|name| (*name).to_owned()).collect();
    while let Some(name) = open.pop() {
        let Some(file) = tree.files.get(&name) else { continue };
        if !reached.insert(name.clone()) || !name.ends_with(".md") {
            continue;
        }
        for link in links(&file.text) {
            let Ok(Some(target)) = resolve(tree, &name, &link.target) else { continue };
            let folder = format!("{}/", target.trim_end_matches('/'));
            open.extend(tree.files.keys().filter(|file| file.starts_with(&folder)).cloned());
            open.push(target);
        }
    }
    reached
}

/// Where a link of `from` leads within the tree; nothing when it leads out of it. An error says what is wrong.
fn resolve(tree: &Tree, from: &str, target: &str) -> Result<Option<String>, String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return Ok(None);
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let path = if path.is_empty() {
        from.to_owned()
    } else {
        join(from, path).ok_or_else(|| format!("the link {target} leads out of the tree"))?
    };
    let folder = format!("{}/", path.trim_end_matches('/'));
    match tree.files.get(&path) {
        Some(file) => match anchor {
            Some(anchor) if path.ends_with(".md") && !headings(&file.text).contains(anchor) => {
                Err(format!("{path} has no heading #{anchor}"))
            }
            _ => Ok(Some(path)),
        },
        None if path.is_empty() || tree.files.keys().any(|file| file.starts_with(&folder)) => Ok(Some(path)),
        None => Err(format!("the link {target} leads nowhere")),
    }
}

/// A path relative to the file `from`, from the root.
fn join(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The lines of a document that are not code, with their numbers; code spans are blanked out.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut fence: Option<String> = None;
    text.lines().enumerate().filter_map(move |(at, line)| {
        let start = line.trim_start();
        let marks: String = start.chars().take_while(|c| matches!(c, '`' | '~')).collect();
        match &fence {
            Some(open) if start.starts_with(open.as_str()) && start.trim_end().chars().all(|c| open.starts_with(c)) => fence = None,
            Some(_) => {}
            None if marks.len() >= 3 => fence = Some(marks),
            None => {
                let outside = line.split('`').enumerate().map(|(part, text)| if part % 2 == 0 { text } else { "" });
                return Some((at + 1, outside.collect::<String>()));
            }
        }
        None
    })
}

/// The links of a document: `[text](target)`, `![text](target)` and `[name]: target`.
fn links(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (line, text) in prose(text) {
        let mut rest = text.as_str();
        while let Some(at) = rest.find("](") {
            rest = &rest[at + 2..];
            let Some(end) = rest.find(')') else { break };
            let target = rest[..end].split_whitespace().next().unwrap_or_default().trim_matches(['<', '>']);
            links.push(Link { line, target: target.to_owned() });
        }
        if let Some((name, target)) = text.split_once("]: ")
            && name.starts_with('[')
            && !target.trim().contains(' ')
        {
            links.push(Link { line, target: target.trim().to_owned() });
        }
    }
    links
}

/// The anchors of a document's headings, as code hosts make them.
fn headings(text: &str) -> BTreeSet<String> {
    // Not from `prose`: code in a heading is part of its anchor.
    let plain: BTreeSet<usize> = prose(text).map(|(line, _)| line).collect();
    let lines = text.lines().enumerate().filter(|(at, line)| plain.contains(&(at + 1)) && line.starts_with('#'));
    let slug = |title: &str| {
        let kept = title.trim().to_lowercase();
        kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    lines.map(|(_, line)| slug(line.trim_start_matches('#'))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<(String, usize)> {
        check(&Tree::of(files)).into_iter().map(|finding| (finding.path, finding.line)).collect()
    }

    #[test]
    fn good_links_are_fine() {
        let files = [
            (
                "README.md",
                "# A\n[b](docs/b.md#what-it-is) [c](./docs/) ![d](x.png) [e](https://example.com) [up](#a)\n```\n[no](link)\n```\n`[no](link)`\n",
            ),
            ("docs/b.md", "## What `it` is\n[back](../README.md)\n"),
            ("docs/c.md", ""),
            ("x.png", ""),
        ];
        assert_eq!(found(&files), []);
    }

    #[test]
    fn dead_links_and_lost_documents_are_found() {
        let files = [
            ("README.md", "# A\n\n[b](docs/b.md#nothing)\n[x](docs/x.md)\n[out](../../x)\n[ref]: gone.md\n"),
            ("docs/b.md", "## Something\n"),
            ("lost.md", "[one](other.md)\n"),
            ("other.md", ""),
        ];
        let expected =
            [("README.md", 3), ("README.md", 4), ("README.md", 5), ("README.md", 6), ("docs/b.md", 0), ("lost.md", 0), ("other.md", 0)];
        assert_eq!(found(&files), expected.map(|(path, line)| (path.to_owned(), line)));
    }
}
