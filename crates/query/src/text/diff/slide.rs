//! Moves changes. Where the line before a run of changes equals the run's last line, the run can as well stand one
//! line earlier, and so on: runs that touch then become one, and a run stands as late as it can, or beside a change
//! of the other side.

/// A side's marks with a line that never changes before and after, so that no walk leaves them.
struct Marks<'a>(&'a [bool]);

impl Marks<'_> {
    fn get(&self, at: isize) -> bool {
        usize::try_from(at).ok().and_then(|at| self.0.get(at)).copied().unwrap_or(false)
    }
}

/// Moves the runs of `marks` over `lines`; `other` are the marks of the other side.
pub fn slide(lines: &[u32], marks: &mut [bool], other: &[bool]) {
    let other = Marks(other);
    let end = lines.len();
    // `here` walks this side, `there` the place of the other side that corresponds to it.
    let (mut here, mut there) = (0usize, 0isize);
    loop {
        while here < end && !marks[here] {
            there = after_run(&other, there) + 1;
            here += 1;
        }
        if here == end {
            return;
        }
        let mut run = Run { start: here, end: here, there };
        while run.end < end && marks[run.end] {
            run.end += 1;
        }
        run.there = after_run(&other, run.there);
        run.settle(lines, marks, &other);
        (here, there) = (run.end, run.there);
    }
}

fn after_run(other: &Marks<'_>, mut at: isize) -> isize {
    while other.get(at) {
        at += 1;
    }
    at
}

struct Run {
    start: usize,
    end: usize,
    there: isize,
}

impl Run {
    fn settle(&mut self, lines: &[u32], marks: &mut [bool], other: &Marks<'_>) {
        // Where the run would end beside a change of the other side; past the end where it nowhere does.
        let mut beside;
        loop {
            let length = self.end - self.start;
            while self.start > 0 && lines[self.start - 1] == lines[self.end - 1] {
                self.back(marks, other);
            }
            beside = if other.get(self.there - 1) { self.end } else { lines.len() };
            while self.end < lines.len() && lines[self.start] == lines[self.end] {
                (marks[self.start], marks[self.end]) = (false, true);
                self.start += 1;
                self.end += 1;
                while self.end < lines.len() && marks[self.end] {
                    self.end += 1;
                }
                self.there += 1;
                if other.get(self.there) {
                    self.there = after_run(other, self.there);
                    beside = self.end;
                }
            }
            // A run that took in another may be movable again.
            if self.end - self.start == length {
                break;
            }
        }
        while beside < self.end {
            self.back(marks, other);
        }
    }

    /// One line earlier, together with the run that it then touches.
    fn back(&mut self, marks: &mut [bool], other: &Marks<'_>) {
        self.start -= 1;
        self.end -= 1;
        (marks[self.start], marks[self.end]) = (true, false);
        while self.start > 0 && marks[self.start - 1] {
            self.start -= 1;
        }
        self.there -= 1;
        while other.get(self.there) {
            self.there -= 1;
        }
    }
}
