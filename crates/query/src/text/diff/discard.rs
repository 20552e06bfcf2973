//! Leaves lines out of the search: those that stand on one side only have to change whatever the search finds, and
//! those that stand nearly everywhere (blank lines, closing braces) lead it astray where all around them changes.

use super::search::Kept;

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is searched.
    Keep,
    /// It has no equal on the other side: a change.
    Drop,
    /// It has very many: a change where its surroundings are.
    Maybe,
}

/// The lines of both sides to search; those left out are marked as changes.
pub fn discard(old: &[u32], new: &[u32], gone: &mut [bool], come: &mut [bool]) -> (Kept, Kept) {
    let classes = old.iter().chain(new).max().map_or(0, |most| *most as usize + 1);
    let count = |lines: &[u32]| {
        let mut counts = vec![0usize; classes];
        lines.iter().for_each(|class| counts[*class as usize] += 1);
        counts
    };
    let (old_counts, new_counts) = (count(old), count(new));
    (keep(old, &new_counts, gone), keep(new, &old_counts, come))
}

fn keep(lines: &[u32], others: &[usize], marks: &mut [bool]) -> Kept {
    let many = many(lines.len());
    let fate = |class: &u32| match others[*class as usize] {
        0 => Fate::Drop,
        count if count > many => Fate::Maybe,
        _ => Fate::Keep,
    };
    let mut fates: Vec<Fate> = lines.iter().map(fate).collect();
    settle(&mut fates);
    let mut kept = Kept::default();
    for (at, fate) in fates.iter().enumerate() {
        if *fate == Fate::Keep {
            kept.classes.push(lines[at]);
            kept.places.push(at);
        } else {
            marks[at] = true;
        }
    }
    kept
}

/// From how many equals on the other side on a line says little about where it belongs: it grows with the root of the
/// length.
fn many(lines: usize) -> usize {
    let mut many = 5;
    let mut rest = (lines / 64) >> 2;
    while rest > 0 {
        many *= 2;
        rest >>= 2;
    }
    many
}

/// Decides about the lines that may go: only within a run of lines that go, that begins and ends with a sure one.
fn settle(fates: &mut [Fate]) {
    let mut at = 0;
    while at < fates.len() {
        match fates[at] {
            Fate::Keep => at += 1,
            Fate::Maybe => {
                fates[at] = Fate::Keep;
                at += 1;
            }
            Fate::Drop => {
                let mut end = at + fates[at..].iter().take_while(|fate| **fate != Fate::Keep).count();
                let past = end;
                while fates[end - 1] == Fate::Maybe {
                    end -= 1;
                    fates[end] = Fate::Keep;
                }
                settle_run(&mut fates[at..end]);
                at = past;
            }
        }
    }
}

fn settle_run(run: &mut [Fate]) {
    let unsure = run.iter().filter(|fate| **fate == Fate::Maybe).count();
    if unsure * 4 > run.len() {
        run.iter_mut().for_each(keep_unsure);
        return;
    }
    // Several in a row, about the root of the run's length, are a part of their own.
    let mut most = 1;
    let mut rest = (run.len() >> 2) >> 2;
    while rest > 0 {
        most *= 2;
        rest >>= 2;
    }
    most += 1;
    let mut at = 0;
    while at < run.len() {
        let length = run[at..].iter().take_while(|fate| **fate == Fate::Maybe).count();
        if length >= most {
            run[at..at + length].iter_mut().for_each(keep_unsure);
        }
        at += length.max(1);
    }
    keep_near_edge(run.iter_mut());
    keep_near_edge(run.iter_mut().rev());
}

fn keep_unsure(fate: &mut Fate) {
    if *fate == Fate::Maybe {
        *fate = Fate::Keep;
    }
}

/// Near the edge of a run, up to three sure lines in a row or the first sure one from the ninth on, nothing unsure goes.
fn keep_near_edge<'a>(run: impl Iterator<Item = &'a mut Fate>) {
    let mut sure = 0;
    for (at, fate) in run.enumerate() {
        match fate {
            Fate::Drop if at >= 8 => return,
            Fate::Drop => sure += 1,
            _ => {
                *fate = Fate::Keep;
                sure = 0;
            }
        }
        if sure == 3 {
            return;
        }
    }
}
