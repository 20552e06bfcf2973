//! The shortest edit script by divide and conquer: from both ends at once, as far as equal lines carry, with one more
//! edit each round, until the two meet; then the same before and after the meeting point.
//!
//! Among equally short scripts it finds the one that GNU diff finds, as it tries diagonals in the same order.

use taffrail_base::{Result, Stop};

/// Rounds after which a search of two very different texts takes the best split so far instead of the shortest script:
/// a round costs about its own number of steps.
const ROUNDS_AT_LEAST: usize = 4_096;

/// The lines of one side that are searched.
#[derive(Debug, Default)]
pub struct Kept {
    /// What each line is.
    pub classes: Vec<u32>,
    /// Where it stands.
    pub places: Vec<usize>,
}

/// Part of both texts: lines `x.0..x.1` of the old and `y.0..y.1` of the new.
#[derive(Clone, Copy, Debug)]
struct Part {
    x: (isize, isize),
    y: (isize, isize),
    /// Whether the script has to be the shortest.
    shortest: bool,
}

/// Where a part is split, and whether each half has to be searched to the end.
struct Split {
    x: isize,
    y: isize,
    shortest: (bool, bool),
}

/// Marks the lines that are in no common subsequence of greatest length.
pub fn search(old: &Kept, new: &Kept, gone: &mut [bool], come: &mut [bool], stop: &Stop) -> Result<()> {
    let (width, height) = (old.classes.len() as isize, new.classes.len() as isize);
    let diagonals = (width + height + 3) as usize;
    let rounds_max = {
        let mut root = 1;
        let mut rest = diagonals;
        while rest > 0 {
            root *= 2;
            rest >>= 2;
        }
        root.max(ROUNDS_AT_LEAST)
    };
    let offset = height + 1;
    let mut tables = Tables {
        old: &old.classes,
        new: &new.classes,
        forward: Reach::new(diagonals, offset),
        backward: Reach::new(diagonals, offset),
        rounds_max,
    };
    // A stack of our own: the depth is not known beforehand, and the order of the parts does not matter.
    let mut parts = vec![Part { x: (0, width), y: (0, height), shortest: false }];
    while let Some(part) = parts.pop() {
        let part = tables.without_equal_ends(part);
        let ((x, x_end), (y, y_end)) = (part.x, part.y);
        if x == x_end {
            new.places[y as usize..y_end as usize].iter().for_each(|place| come[*place] = true);
        } else if y == y_end {
            old.places[x as usize..x_end as usize].iter().for_each(|place| gone[*place] = true);
        } else {
            let split = tables.split(part, stop)?;
            parts.push(Part { x: (x, split.x), y: (y, split.y), shortest: split.shortest.0 });
            parts.push(Part { x: (split.x, x_end), y: (split.y, y_end), shortest: split.shortest.1 });
        }
    }
    Ok(())
}

/// How far each diagonal (`x - y`) was followed.
struct Reach {
    x: Vec<isize>,
    offset: isize,
}

impl Reach {
    fn new(diagonals: usize, offset: isize) -> Self {
        Self { x: vec![0; diagonals], offset }
    }

    fn at(&self, diagonal: isize) -> isize {
        self.x[(diagonal + self.offset) as usize]
    }

    fn set(&mut self, diagonal: isize, x: isize) {
        self.x[(diagonal + self.offset) as usize] = x;
    }
}

/// The diagonals that a round tries: every second one of `low..=high`.
#[derive(Clone, Copy, Debug)]
struct Band {
    low: isize,
    high: isize,
}

impl Band {
    /// One diagonal wider on both sides, or narrower where the part ends; `outside` is what lies beyond.
    fn widen(&mut self, least: isize, most: isize, reach: &mut Reach, outside: isize) {
        if self.low > least {
            self.low -= 1;
            reach.set(self.low - 1, outside);
        } else {
            self.low += 1;
        }
        if self.high < most {
            self.high += 1;
            reach.set(self.high + 1, outside);
        } else {
            self.high -= 1;
        }
    }

    fn diagonals(self) -> impl Iterator<Item = isize> {
        (0..=(self.high - self.low).max(-1) / 2).map(move |step| self.high - 2 * step).filter(move |diagonal| *diagonal >= self.low)
    }

    fn holds(self, diagonal: isize) -> bool {
        (self.low..=self.high).contains(&diagonal)
    }
}

struct Tables<'a> {
    old: &'a [u32],
    new: &'a [u32],
    forward: Reach,
    backward: Reach,
    rounds_max: usize,
}

impl Tables<'_> {
    fn equal(&self, x: isize, y: isize) -> bool {
        self.old[x as usize] == self.new[y as usize]
    }

    fn without_equal_ends(&self, part: Part) -> Part {
        let ((mut x, mut x_end), (mut y, mut y_end)) = (part.x, part.y);
        while x < x_end && y < y_end && self.equal(x, y) {
            (x, y) = (x + 1, y + 1);
        }
        while x < x_end && y < y_end && self.equal(x_end - 1, y_end - 1) {
            (x_end, y_end) = (x_end - 1, y_end - 1);
        }
        Part { x: (x, x_end), y: (y, y_end), ..part }
    }

    /// Where the two searches meet. Both ends of the part differ.
    fn split(&mut self, part: Part, stop: &Stop) -> Result<Split> {
        let ((x_start, x_end), (y_start, y_end)) = (part.x, part.y);
        let (least, most) = (x_start - y_end, x_end - y_start);
        let (from, to) = (x_start - y_start, x_end - y_end);
        // Of two searches whose diagonals differ by an odd number the forward one is the first to meet the other.
        let odd = (from - to) % 2 != 0;
        let (mut ahead, mut behind) = (Band { low: from, high: from }, Band { low: to, high: to });
        self.forward.set(from, x_start);
        self.backward.set(to, x_end);
        let mut ticks = stop.every(64);
        for round in 1.. {
            ticks.tick()?;
            ahead.widen(least, most, &mut self.forward, -1);
            for diagonal in ahead.diagonals() {
                let (below, above) = (self.forward.at(diagonal - 1), self.forward.at(diagonal + 1));
                let mut x = if below < above { above } else { below + 1 };
                while x < x_end && x - diagonal < y_end && self.equal(x, x - diagonal) {
                    x += 1;
                }
                self.forward.set(diagonal, x);
                if odd && behind.holds(diagonal) && self.backward.at(diagonal) <= x {
                    return Ok(Split { x, y: x - diagonal, shortest: (true, true) });
                }
            }
            behind.widen(least, most, &mut self.backward, isize::MAX);
            for diagonal in behind.diagonals() {
                let (below, above) = (self.backward.at(diagonal - 1), self.backward.at(diagonal + 1));
                let mut x = if below < above { below } else { above - 1 };
                while x_start < x && y_start < x - diagonal && self.equal(x - 1, x - diagonal - 1) {
                    x -= 1;
                }
                self.backward.set(diagonal, x);
                if !odd && ahead.holds(diagonal) && x <= self.forward.at(diagonal) {
                    return Ok(Split { x, y: x - diagonal, shortest: (true, true) });
                }
            }
            if !part.shortest && round >= self.rounds_max {
                break;
            }
        }
        Ok(self.best_so_far(part, ahead, behind))
    }

    /// The end of the search that came further, counted in lines of both sides.
    fn best_so_far(&self, part: Part, ahead: Band, behind: Band) -> Split {
        let ((x_start, x_end), (y_start, y_end)) = (part.x, part.y);
        let mut far: (isize, isize) = (-1, 0);
        for diagonal in ahead.diagonals() {
            let x = self.forward.at(diagonal).min(x_end).min(y_end + diagonal);
            if far.0 < 2 * x - diagonal {
                far = (2 * x - diagonal, x);
            }
        }
        let mut near: (isize, isize) = (isize::MAX, 0);
        for diagonal in behind.diagonals() {
            let x = self.backward.at(diagonal).max(x_start).max(y_start + diagonal);
            if 2 * x - diagonal < near.0 {
                near = (2 * x - diagonal, x);
            }
        }
        if x_end + y_end - near.0 < far.0 - (x_start + y_start) {
            Split { x: far.1, y: far.0 - far.1, shortest: (true, false) }
        } else {
            Split { x: near.1, y: near.0 - near.1, shortest: (false, true) }
        }
    }
}
