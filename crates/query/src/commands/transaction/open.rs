//! The transactions that are open while events are read from the newest to the oldest, and which of them an event
//! joins. Of each only what decides is kept: values, times, counts. Knows no rows.

use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// What becomes of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// A condition or a limit closed it.
    Closed = 1,
    /// It is whole, but nothing closed it.
    Ended = 2,
    /// It lacks its start or end, or had to make room.
    Evicted = 3,
    /// An event that is in no transaction.
    Orphan = 4,
}

/// The values of an event's fields, in the order of the transaction's fields; none where one is missing.
pub type Values = Vec<Vec<String>>;

/// An open transaction.
#[derive(Debug)]
pub struct Open {
    values: Values,
    /// Its number of events.
    pub events: usize,
    newest: i64,
    oldest: i64,
    /// Whether its first event is known.
    pub has_start: bool,
    /// Whether its last event is known.
    pub has_end: bool,
    touched: u64,
}

impl Open {
    /// About how much memory it takes.
    fn bytes(&self) -> usize {
        let values: usize = self.values.iter().flatten().map(|value| 2 * value.len() + 160).sum();
        values + size_of::<Self>() + 24 * self.values.len() + 100
    }

    fn lacks_fields(&self) -> bool {
        self.values.iter().any(Vec::is_empty)
    }

    /// How many fields it shares with an event; `None` where one differs.
    fn shared(&self, event: &Values) -> Option<usize> {
        let mut shared = 0;
        for (own, other) in self.values.iter().zip(event).filter(|(own, other)| !own.is_empty() && !other.is_empty()) {
            if !other.iter().any(|value| own.contains(value)) {
                return None;
            }
            shared += 1;
        }
        Some(shared)
    }
}

/// Entries of a queue up to which what is past may stay in it, however few are open.
const QUEUE_MIN: usize = 1_024;

/// All open transactions, by number: the higher, the later opened.
#[derive(Debug, Default)]
pub struct OpenSet {
    all: FxHashMap<u64, Open>,
    /// All numbers in the order of opening, and some of closed ones.
    order: VecDeque<u64>,
    /// By field: the transactions that have a value, in the order of opening.
    by_value: Vec<FxHashMap<String, Vec<u64>>>,
    /// Every touch of an open transaction with its number, and some that are past.
    touched: VecDeque<(u64, u64)>,
    touches: u64,
    lacking: usize,
    /// Events in open transactions.
    pub events: usize,
    /// About how much memory they take.
    pub bytes: usize,
}

impl OpenSet {
    /// How many are open.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// One of them.
    pub fn get(&self, number: u64) -> Option<&Open> {
        self.all.get(&number)
    }

    /// One of them, to be marked.
    pub fn get_mut(&mut self, number: u64) -> Option<&mut Open> {
        self.all.get_mut(&number)
    }

    /// The one that was opened last.
    pub fn latest(&mut self) -> Option<u64> {
        while self.order.back().is_some_and(|number| !self.all.contains_key(number)) {
            self.order.pop_back();
        }
        self.order.back().copied()
    }

    /// The one that was opened first.
    fn first(&mut self) -> Option<(u64, &Open)> {
        while self.order.front().is_some_and(|number| !self.all.contains_key(number)) {
            self.order.pop_front();
        }
        let number = *self.order.front()?;
        Some((number, self.all.get(&number)?))
    }

    /// The one that no event joined for the longest time.
    pub fn stalest(&mut self) -> Option<u64> {
        loop {
            let (touch, number) = *self.touched.front()?;
            if self.all.get(&number).is_some_and(|open| open.touched == touch) {
                return Some(number);
            }
            self.touched.pop_front();
        }
    }

    /// Forgets what is past in the queues, so that they grow with what is open only.
    fn tidy(&mut self) {
        let most = self.all.len() * 2 + QUEUE_MIN;
        let all = &self.all;
        if self.order.len() > most {
            self.order.retain(|number| all.contains_key(number));
        }
        if self.touched.len() > most {
            self.touched.retain(|(touch, number)| all.get(number).is_some_and(|open| open.touched == *touch));
        }
    }

    /// One that an event at `time` is too far from, if there is one.
    pub fn expired(&mut self, time: i64, span: Option<i64>, pause: Option<i64>) -> Option<u64> {
        if let (Some(span), Some((number, open))) = (span, self.first())
            && open.newest.saturating_sub(time) > span
        {
            return Some(number);
        }
        let (pause, number) = (pause?, self.stalest()?);
        (self.all.get(&number)?.oldest.saturating_sub(time) > pause).then_some(number)
    }

    /// The transaction that an event joins: none of its values differs, and it shares the most fields, at least one
    /// when `connected`; of equal ones the one opened last.
    pub fn find(&mut self, event: &Values, connected: bool) -> Option<u64> {
        if event.is_empty() {
            return self.latest();
        }
        let present = event.iter().filter(|values| !values.is_empty()).count();
        let by_value = &self.by_value;
        let sets = |field: usize| event[field].iter().filter_map(move |value| by_value.get(field)?.get(value));
        let mut fields: Vec<usize> = (0..event.len()).filter(|field| !event[*field].is_empty()).collect();
        if self.lacking == 0 {
            // All have all fields: what fits has a value of each field of the event, so the rarest is enough.
            if fields.len() > 1 {
                fields.sort_by_key(|field| sets(*field).map(Vec::len).sum::<usize>());
                fields.truncate(1);
            }
        }
        let mut best: Option<(usize, u64)> = None;
        for set in fields.into_iter().flat_map(sets) {
            for number in set.iter().rev() {
                if let Some(shared) = self.all.get(number).and_then(|open| open.shared(event)) {
                    best = best.max(Some((shared, *number)));
                    if shared == present {
                        break;
                    }
                }
            }
        }
        best.map(|(_, number)| number).or_else(|| self.unconnected(event, connected))
    }

    /// One that shares no field but differs in none: only one without any value where it has to be connected.
    fn unconnected(&self, event: &Values, connected: bool) -> Option<u64> {
        if self.lacking == 0 {
            return None;
        }
        let fits = |open: &Open| match connected {
            true => open.values.iter().all(Vec::is_empty),
            false => open.shared(event) == Some(0),
        };
        self.order.iter().rev().find(|number| self.all.get(number).is_some_and(fits)).copied()
    }

    /// Opens one.
    pub fn open(&mut self, number: u64, fields: usize, time: i64) {
        let open =
            Open { values: vec![Vec::new(); fields], events: 0, newest: time, oldest: time, has_start: false, has_end: false, touched: 0 };
        self.bytes += open.bytes();
        self.lacking += usize::from(open.lacks_fields());
        self.by_value.resize_with(fields, FxHashMap::default);
        self.all.insert(number, open);
        self.order.push_back(number);
        self.tidy();
    }

    /// Adds an event to one.
    pub fn join(&mut self, number: u64, event: &Values, time: i64) {
        let Some(open) = self.all.get_mut(&number) else { return };
        let fresh = |field: usize, value: &String, open: &Open| !open.values[field].contains(value);
        if event.iter().enumerate().any(|(field, values)| values.iter().any(|value| fresh(field, value, open))) {
            self.bytes -= open.bytes();
            self.lacking -= usize::from(open.lacks_fields());
            for (field, values) in event.iter().enumerate() {
                for value in values {
                    if fresh(field, value, open) {
                        let numbers = self.by_value[field].entry(value.clone()).or_default();
                        numbers.insert(numbers.partition_point(|known| *known < number), number);
                        open.values[field].push(value.clone());
                    }
                }
            }
            self.bytes += open.bytes();
            self.lacking += usize::from(open.lacks_fields());
        }
        open.events += 1;
        self.events += 1;
        open.oldest = open.oldest.min(time);
        open.newest = open.newest.max(time);
        self.touches += 1;
        open.touched = self.touches;
        self.touched.push_back((self.touches, number));
        self.tidy();
    }

    /// Takes one out.
    pub fn close(&mut self, number: u64) -> Option<Open> {
        let open = self.all.remove(&number)?;
        self.bytes -= open.bytes();
        self.lacking -= usize::from(open.lacks_fields());
        self.events -= open.events;
        for (field, values) in open.values.iter().enumerate() {
            for value in values {
                if let Some(numbers) = self.by_value[field].get_mut(value) {
                    numbers.retain(|known| *known != number);
                    if numbers.is_empty() {
                        self.by_value[field].remove(value);
                    }
                }
            }
        }
        Some(open)
    }
}
