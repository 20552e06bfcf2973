//! Every line in one group, and back; what splits and what does not.

use super::*;
use proptest::prelude::*;

fn grouped(lines: &[Vec<u8>], limits: GroupLimits) -> Vec<(String, Vec<u32>)> {
    let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    let mut found = Vec::new();
    let mut rebuilt = vec![None; lines.len()];
    let grouped = group(&lines, |row| row as u32 % 2, limits);
    for leaf in &grouped.leaves {
        let mut columns: Vec<Vec<&[u8]>> = vec![Vec::new(); leaf.pattern.slots()];
        grouped.each_row(leaf, |line, values| {
            columns.iter_mut().zip(values).for_each(|(column, (start, end))| column.push(&line[start as usize..end as usize]));
        });
        for (at, row) in leaf.rows.iter().enumerate() {
            let mut line = Vec::new();
            leaf.pattern.render(|slot| columns[slot][at], &mut line);
            assert!(rebuilt[*row as usize].replace(line).is_none(), "a row is in one group only");
            assert_eq!(leaf.class, row % 2);
        }
        assert_eq!(Pattern::from_key(&leaf.pattern.key()).as_ref(), Some(&leaf.pattern));
        found.push((leaf.pattern.to_string(), leaf.rows.to_vec()));
    }
    for (line, rebuilt) in lines.iter().zip(rebuilt) {
        assert_eq!(rebuilt.as_deref(), Some(*line));
    }
    found
}

#[test]
fn structure_splits_and_data_does_not() {
    let names = ["root", "alice", "bob"];
    let lines: Vec<Vec<u8>> = (0..400)
        .map(|i| {
            let what = if i % 4 < 2 { "opened" } else { "closed" };
            format!("sshd[{i}]: session {what} for user={} by (uid={i})", names[i % 3]).into_bytes()
        })
        .collect();
    let patterns: Vec<String> = grouped(&lines, GroupLimits::default()).into_iter().map(|(p, _)| p).collect();
    assert_eq!(patterns.len(), 4, "two words, two classes: {patterns:?}");
    assert!(patterns.contains(&"sshd[<*>]: session opened for user=<*> by (uid=<*>)".to_owned()), "{patterns:?}");
}

#[test]
fn the_version_of_a_syslog_header_is_structure() {
    let line = |i: usize| format!("<{}>1 2026-11-21T21:14:03Z web{} app {i} - - hello", 30 + i % 7, i % 5).into_bytes();
    let patterns = grouped(&(0..40).map(line).collect::<Vec<_>>(), GroupLimits::default());
    assert!(patterns.iter().all(|(pattern, _)| pattern == "<<*>>1 <time> <*> app <*> - - hello"), "{patterns:?}");
}

#[test]
fn only_the_first_line_of_several_is_split() {
    let long = "\n\tat x".repeat(40_000);
    let lines: Vec<Vec<u8>> = (0..40).map(|i| format!("job {i} failed{}", &long[..i * 1_000 * 6]).into_bytes()).collect();
    let patterns: Vec<String> = grouped(&lines, GroupLimits::default()).into_iter().map(|(pattern, _)| pattern).collect();
    assert!(patterns.iter().all(|pattern| pattern == "job <*> failed<raw>" || pattern == "job <*> failed"), "{patterns:?}");
    assert_eq!(patterns.len(), 3, "two classes, and the one without more lines: {patterns:?}");
}

#[test]
fn hostile_lines_are_bounded() {
    let lines: Vec<Vec<u8>> = (0..5_000u32).map(|i| format!("{:b}", i).replace('0', ":").into_bytes()).collect();
    let limits = GroupLimits { patterns_max: 8, ..GroupLimits::default() };
    assert!(grouped(&lines, limits).len() <= 8 + 2);
}

proptest! {
    #[test]
    fn any_lines_come_back(lines in prop::collection::vec("[a-c1:=\"\\\\ ,{}\n\u{0}\u{1}]{0,24}", 0..200), cap in 0usize..20) {
        let lines: Vec<Vec<u8>> = lines.into_iter().map(String::into_bytes).collect();
        grouped(&lines, GroupLimits { patterns_max: cap, tokens_max: 12, line_bytes_max: 20 });
    }
}
