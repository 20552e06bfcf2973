//! Runs of events that share the value of a field and follow each other closely, from columns: no rows are built. Segments
//! are gone through from the newest on; events are held until no newer ones can come.

use super::coded::Rows;
use super::coder::{Coder, MISSING};
use super::filter::SegmentScan;
use super::plan::Scan;
use super::select::Selection;
use super::wanted::{CountField, Wanted, plan};
use crate::segment::Arrival;
use taffrail_base::{ErrorKind, Result};

/// When a run ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunRules {
    /// Where no event follows within so many nanoseconds.
    pub pause: Option<i64>,
    /// Where it would be longer than so many nanoseconds.
    pub span: Option<i64>,
    /// At so many events.
    pub most: Option<usize>,
}

/// A run of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRun {
    /// Which of the values its events have.
    pub value: u32,
    /// The time of its last event.
    pub newest: i64,
    /// The time of its first event.
    pub oldest: i64,
    /// How many events it has.
    pub events: u64,
    /// Whether a rule ended it, and not the last of the events.
    pub closed: bool,
}

/// The runs there are.
#[derive(Debug)]
pub struct Runs {
    /// In the order of their last events, the newest first.
    pub runs: Vec<EventRun>,
    /// The values.
    pub values: Vec<String>,
    /// How many events lack the field.
    pub without: u64,
    /// How many runs ended because they had enough events.
    pub full: u64,
}

/// An event: its time, its arrival number, and the code of its value.
type Event = (i64, u64, u32);

struct Gathered {
    coder: Coder,
    runs: Vec<EventRun>,
    /// By value: the number of the run that may go on.
    open: Vec<u32>,
    rules: RunRules,
    /// The time of the event looked at last: none is newer after it.
    last: i64,
    without: u64,
    full: u64,
}

impl Scan {
    /// The runs among the matching events; `None` where stored bytes are damaged (rows tell what they are without), and
    /// where there is no memory for what has to be held at once.
    pub fn runs(&self, field: &CountField, rules: RunRules) -> Result<Option<Runs>> {
        let wanted = Wanted::of(field);
        let mut gathered = Gathered::new(rules);
        let mut waiting: Vec<Event> = Vec::new();
        let mut held = 0;
        for (number, meta) in self.shared.metas.iter().enumerate() {
            // What comes is not newer than this segment's newest event.
            gathered.take(&mut waiting, meta.max_time.nanos());
            let mut all = |scan: &SegmentScan<'_>, selections: &[Selection]| {
                if selections.iter().all(|selection| *selection == Selection::None) {
                    return Ok(true);
                }
                // Once for all patterns.
                let arrival = scan.blocks.arrival()?;
                for (pattern, selection) in selections.iter().enumerate().filter(|(_, selection)| **selection != Selection::None) {
                    let rows = Rows::new(scan, pattern, selection);
                    gathered.events(scan, pattern, &rows, (&wanted, &arrival), &mut waiting)?;
                }
                let before = held;
                held = held.max(gathered.size() + waiting.capacity() * size_of::<Event>());
                Ok(self.shared.room.as_ref().is_none_or(|room| room(held - before)))
            };
            match self.shared.attempt(number, None, &mut all) {
                Err(error) if self.shared.tolerant && error.kind() == ErrorKind::Corrupt => return Ok(None),
                Err(error) => return Err(error),
                Ok(Some(false)) => return Ok(None),
                Ok(_) => {}
            }
        }
        gathered.take(&mut waiting, i64::MIN);
        Ok(Some(gathered.finish(waiting)))
    }
}

impl Gathered {
    fn new(rules: RunRules) -> Self {
        Self { coder: Coder::default(), runs: Vec::new(), open: Vec::new(), rules, last: i64::MAX, without: 0, full: 0 }
    }

    fn size(&self) -> usize {
        self.coder.size() + self.runs.capacity() * size_of::<EventRun>() + self.open.capacity() * 4
    }

    /// Appends the wanted events of a pattern.
    fn events(
        &mut self,
        scan: &SegmentScan<'_>,
        pattern: usize,
        rows: &Rows<'_, '_>,
        (wanted, arrival): (&Wanted, &Arrival),
        out: &mut Vec<Event>,
    ) -> Result<()> {
        let mut codes = Vec::with_capacity(rows.len());
        rows.codes(&plan(scan, pattern, wanted)?, &mut self.coder, &mut codes)?;
        let (times, numbers) = (scan.blocks.times()?, scan.blocks.rows()?);
        let numbers = &numbers[pattern];
        out.extend(codes.into_iter().enumerate().map(|(at, code)| {
            let row = numbers[rows.row(at)] as usize;
            let arrived = match arrival {
                Arrival::From(first) => first + row as u64,
                Arrival::Each(numbers) => numbers[row] as u64,
            };
            (times[row], arrived, code)
        }));
        Ok(())
    }

    /// Takes the events that are newer than those still to come, and leaves the others.
    fn take(&mut self, events: &mut Vec<Event>, to_come: i64) {
        // They mostly stand in their order.
        let follows = |one: &Event, next: &Event| one.0 < next.0 || (one.0 == next.0 && one.1 <= next.1);
        if !events.windows(2).all(|pair| follows(&pair[0], &pair[1])) {
            events.sort_unstable_by_key(|event| (event.0, event.1));
        }
        let left = events.partition_point(|event| event.0 <= to_come);
        self.follow(events.drain(left..).rev());
    }

    /// Takes events from the newest to the oldest.
    fn follow(&mut self, events: impl Iterator<Item = Event>) {
        self.open.resize(self.coder.len(), MISSING);
        for (time, _, code) in events {
            self.last = time;
            if code == MISSING {
                self.without += 1;
                continue;
            }
            let open = &mut self.open[code as usize];
            if let Some(run) = self.runs.get_mut(*open as usize)
                && self.rules.end(run, time)
            {
                run.closed = true;
                *open = MISSING;
            }
            if *open == MISSING {
                *open = self.runs.len() as u32;
                self.runs.push(EventRun { value: code, newest: time, oldest: time, events: 0, closed: false });
            }
            let run = &mut self.runs[*open as usize];
            run.oldest = time;
            run.events += 1;
            if self.rules.most.is_some_and(|most| run.events >= most as u64) {
                run.closed = true;
                self.full += 1;
                *open = MISSING;
            }
        }
    }

    fn finish(mut self, mut last: Vec<Event>) -> Runs {
        self.follow(last.drain(..).rev());
        // One is over once there are events so much older that it could not go on with them.
        for open in self.open.iter().filter(|open| **open != MISSING) {
            let run = &mut self.runs[*open as usize];
            run.closed = self.rules.end(run, self.last);
        }
        let values = (0..self.coder.len() as u32).map(|code| self.coder.get(code).to_owned()).collect();
        Runs { runs: self.runs, values, without: self.without, full: self.full }
    }
}

impl RunRules {
    /// Whether a run cannot go on with an event of this time or an older one.
    fn end(&self, run: &EventRun, time: i64) -> bool {
        let over = |from: i64, most: Option<i64>| most.is_some_and(|most| from.saturating_sub(time) > most);
        over(run.newest, self.span) || over(run.oldest, self.pause)
    }
}
