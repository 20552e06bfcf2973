//! Brackets in the head of a line: what stands in them is one thing, however many words it has. `[main]` and `[IPC Server handler 3
//! on 9000]` are names of threads.

use super::rows::{Mark, Row, Token};

/// Groups of a line that are looked at.
const GROUPS_MAX: usize = 4;

/// Tokens before a group that belongs to a head.
const TOKENS_BEFORE_MAX: usize = 6;

/// Bytes of a group.
const GROUP_BYTES_MAX: usize = 200;

/// A bracket with what it closes: tokens from `first` to before `end`, bytes from `start` to `stop`.
#[derive(Clone, Copy, Debug)]
struct Group {
    first: usize,
    end: usize,
    start: usize,
    stop: usize,
}

/// Joins the tokens of the first, second ... bracket of all rows, where rows differ in how many there are.
pub(super) fn join_groups(rows: &mut [Row<'_>]) {
    for number in 0..GROUPS_MAX {
        let found: Vec<Option<Group>> = rows.iter().map(|row| group(row, number)).collect();
        let with = found.iter().flatten().count();
        if with * 10 < rows.len() * 9 {
            return;
        }
        let mut counts: Vec<usize> = found.iter().flatten().map(|group| group.end - group.first).collect();
        counts.sort_unstable();
        let usual = counts[counts.len() / 2];
        if counts.iter().filter(|count| **count == usual).count() * 20 >= with * 19 {
            continue;
        }
        let with_class =
            found.iter().zip(rows.iter()).filter(|(group, row)| group.is_none_or(|group| located(row, group).is_some())).count();
        let split = with_class * 10 >= rows.len() * 9;
        for (row, group) in rows.iter_mut().zip(found) {
            let Some(group) = group else { continue };
            let whole = vec![Token { start: group.start, end: group.stop, mark: Mark::Word }];
            let tokens = if split { located(row, group).unwrap_or(whole) } else { whole };
            row.tokens.splice(group.first..group.end, tokens);
        }
    }
}

/// The tokens of `thread:Class@line`, as log4j writes it with `%t:%C{1}@%L`.
fn located(row: &Row<'_>, group: Group) -> Option<Vec<Token>> {
    let text = &row.line[group.start..group.stop];
    let (before, line) = text.rsplit_once('@')?;
    let (thread, class) = before.rsplit_once(':')?;
    let fits = !thread.is_empty() && !class.is_empty() && !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
    let token = |start: usize, length: usize| Token { start, end: start + length, mark: Mark::Word };
    let start = group.start;
    fits.then(|| {
        let class_at = start + thread.len() + 1;
        vec![token(start, thread.len()), token(class_at, class.len()), token(class_at + class.len() + 1, line.len())]
    })
}

/// The bracket of a number among those that the head may have.
fn group(row: &Row<'_>, number: usize) -> Option<Group> {
    let bytes = row.line.as_bytes();
    let (mut at, mut seen) = (0, 0);
    while at < row.stop {
        let opens = bytes[at] == b'[' && (at == 0 || matches!(bytes[at - 1], b' ' | b'\t' | b']' | b'-'));
        if !opens {
            at += 1;
            continue;
        }
        let stop = closing(&bytes[..row.stop], at)?;
        let first = row.tokens.iter().position(|token| token.start > at)?;
        let end = row.tokens.iter().position(|token| token.start >= stop).unwrap_or(row.tokens.len());
        // A token that goes over the bracket is something else.
        let over = row.tokens.get(end.wrapping_sub(1)).is_some_and(|token| token.end > stop);
        if first > TOKENS_BEFORE_MAX + 3 * seen || over || first >= end {
            return None;
        }
        if seen == number {
            return Some(Group { first, end, start: at + 1, stop });
        }
        (seen, at) = (seen + 1, stop + 1);
    }
    None
}

/// Where the bracket is closed that opens at `at`, with others within it.
fn closing(bytes: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0;
    for (length, byte) in bytes[at..].iter().take(GROUP_BYTES_MAX).enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' if depth == 1 => return Some(at + length),
            b']' => depth -= 1,
            _ => {}
        }
    }
    None
}
