//! Compared with the programs `diff` and `patch`, on random texts of several kinds.
#![allow(clippy::disallowed_methods)] // The programs read real files.

use super::*;
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use taffrail_base::{Randomness, SeededRandomness, Stop};

/// Whether the programs are there; says so where not.
fn programs() -> bool {
    let there = ["diff", "patch"].iter().all(|name| Command::new(name).arg("--version").output().is_ok());
    if !there {
        println!("NOT TESTED: diff or patch is missing (apt-get install diffutils patch)");
    }
    there
}

struct Chance(SeededRandomness);

impl Chance {
    fn below(&self, end: usize) -> usize {
        (self.0.next_u64() % end.max(1) as u64) as usize
    }
}

/// A text and a changed one: few different lines, so that much is equal by chance, or many; few changes or many; now
/// and then with CRLF or without the last newline.
fn pair(chance: &Chance) -> (String, String) {
    let length = [5, 30, 30, 200, 600][chance.below(5)];
    let words = [2, 3, 8, 50, 5_000][chance.below(5)];
    let changes = [1, 3, 10, 50, 200][chance.below(5)];
    let blanks = chance.below(3) == 0;
    let word = |chance: &Chance| match chance.below(4) {
        0 if blanks => String::new(),
        _ => format!("line {}", chance.below(words)),
    };
    let old: Vec<String> = (0..chance.below(length)).map(|_| word(chance)).collect();
    let mut new = old.clone();
    for _ in 0..1 + chance.below(changes) {
        let at = chance.below(new.len() + 1);
        match chance.below(5) {
            0 if at < new.len() => {
                new.remove(at);
            }
            1 => {
                let moved: Vec<String> = new.drain(at..(at + chance.below(6)).min(new.len())).collect();
                let to = chance.below(new.len() + 1);
                new.splice(to..to, moved);
            }
            2 => {
                let copied: Vec<String> = new[at..(at + chance.below(6)).min(new.len())].to_vec();
                new.splice(at..at, copied);
            }
            _ => new.insert(at, word(chance)),
        }
    }
    let text = |lines: &[String], chance: &Chance| {
        let end = if chance.below(20) == 0 { "\r\n" } else { "\n" };
        let mut text = lines.iter().map(|line| format!("{line}{end}")).collect::<String>();
        if chance.below(8) == 0 {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
        text
    };
    (text(&old, chance), text(&new, chance))
}

fn ours(style: Style, old: &str, new: &str) -> String {
    let (old, new) = (Split::exact(old), Split::exact(new));
    let (old_numbers, new_numbers) = number(&old, &new);
    render(style, &old, &new, &changes(&old_numbers, &new_numbers, &Stop::never()).expect("nothing stops it"))
}

/// The output of `diff` for all files of the folders `old` and `new`: bodies without headers, by name.
fn theirs(folder: &Path, option: &str) -> HashMap<String, String> {
    let mut diff = Command::new("diff");
    let output = diff.args([option, "-r", "old", "new"]).current_dir(folder).env("LC_ALL", "C").output().expect("diff runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let mut found = HashMap::new();
    for part in text.split_inclusive('\n').collect::<Vec<_>>().chunk_by(|_, line| !line.starts_with("diff ")) {
        let name = part[0].trim_end().rsplit('/').next().expect("a name").to_owned();
        found.insert(name, part[3..].concat());
    }
    found
}

/// Has `patch` change the folder `old` by the bodies.
fn patch(folder: &Path, marks: (&str, &str), bodies: &[(String, String)]) {
    let mut all = String::new();
    for (name, body) in bodies.iter().filter(|(_, body)| !body.is_empty()) {
        all.push_str(&format!("{} old/{name}\n{} old/{name}\n{body}", marks.0, marks.1));
    }
    std::fs::write(folder.join("change"), all).expect("written");
    let output = Command::new("patch").args(["--binary", "-s", "-p0", "-i", "change"]).current_dir(folder).output().expect("patch runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn write(folder: &Path, side: &str, texts: impl Iterator<Item = (String, String)>) {
    std::fs::create_dir_all(folder.join(side)).expect("a folder");
    texts.for_each(|(name, text)| std::fs::write(folder.join(side).join(name), text).expect("written"));
}

#[test]
fn a_thousand_random_pairs_are_as_by_gnu_diff_and_patch_turns_one_into_the_other() {
    if !programs() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let chance = Chance(SeededRandomness::new(4));
    let mut pairs: Vec<(String, String)> = Vec::new();
    while pairs.len() < 1_000 {
        pairs.push(pair(&chance));
        pairs.pop_if(|(old, new)| old == new);
    }
    let name = |at: usize| format!("{at:04}");
    let write_old = || write(folder, "old", pairs.iter().enumerate().map(|(at, (old, _))| (name(at), old.clone())));
    write(folder, "new", pairs.iter().enumerate().map(|(at, (_, new))| (name(at), new.clone())));
    for (style, option, marks) in [(Style::Unified, "-u", ("---", "+++")), (Style::Context, "-c", ("***", "---"))] {
        write_old();
        let expected = theirs(folder, option);
        let bodies: Vec<_> = pairs.iter().enumerate().map(|(at, (old, new))| (name(at), ours(style, old, new))).collect();
        for (name, body) in &bodies {
            assert_eq!(Some(body), expected.get(name), "{option} {name}");
        }
        patch(folder, marks, &bodies);
        for (at, (_, new)) in pairs.iter().enumerate() {
            // `patch` takes a file away that becomes empty.
            let patched = std::fs::read(folder.join("old").join(name(at))).unwrap_or_default();
            assert_eq!(patched, new.as_bytes(), "{option} {}", name(at));
        }
    }
}

#[test]
fn long_texts_with_nothing_in_order_are_as_by_gnu_diff() {
    if !programs() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let chance = Chance(SeededRandomness::new(5));
    let text = |words| (0..6_000).map(|_| format!("{}\n", chance.below(words))).collect::<String>();
    let pairs: Vec<_> = [40, 700, 20_000].into_iter().map(|words| (words.to_string(), text(words), text(words))).collect();
    write(folder.path(), "old", pairs.iter().map(|(name, old, _)| (name.clone(), old.clone())));
    write(folder.path(), "new", pairs.iter().map(|(name, _, new)| (name.clone(), new.clone())));
    let expected = theirs(folder.path(), "-u");
    for (name, old, new) in &pairs {
        assert!(ours(Style::Unified, old, new) == expected[name], "{name} words");
    }
}

#[test]
fn small_cases_by_hand() {
    let body = |old: &str, new: &str| ours(Style::Unified, old, new);
    assert_eq!(body("a\nb\nc\n", "a\nB\nc\n"), "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
    assert_eq!(body("", "a\n"), "@@ -0,0 +1 @@\n+a\n");
    assert_eq!(body("a\n", ""), "@@ -1 +0,0 @@\n-a\n");
    assert_eq!(body("a", "a\n"), "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n");
    // Of equal lines the last one counts as added.
    assert_eq!(body("x\nx\n", "x\nx\nx\n"), "@@ -1,2 +1,3 @@\n x\n x\n+x\n");
    assert_eq!(body("a\n", "a\n"), "");
}

#[test]
fn lines_are_cut_for_people_and_for_programs() {
    assert_eq!(Split::plain("a\r\nb").lines, ["a", "b"]);
    assert_eq!(Split::plain("a\r\nb\n"), Split::plain("a\nb"));
    assert_eq!(Split::exact("a\r\nb"), Split { lines: vec!["a\r", "b"], open: true });
    assert_eq!(Split::exact("\n"), Split { lines: vec![""], open: false });
    assert_eq!(Split::exact(""), Split { lines: Vec::new(), open: false });
}

#[test]
fn changes_a_few_lines_apart_share_a_hunk() {
    let old: Vec<u32> = (0..40).collect();
    let mut new = old.clone();
    // Six equal lines between two changes are context of both; seven are not.
    for at in [3, 10, 18] {
        new[at] += 100;
    }
    let found = changes(&old, &new, &Stop::never()).expect("nothing stops it");
    assert_eq!(found.len(), 3);
    assert_eq!(hunks(&found), [0..2, 2..3]);
}
