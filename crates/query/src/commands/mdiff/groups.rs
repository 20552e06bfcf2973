//! Hosts gathered by what they have, then each group compared with the baseline.

use super::{Baseline, INFO, Mdiff};
use crate::columns::{Values, lists};
use crate::commands::{Planner, blocking, column_index};
use crate::exec::{Flow, stop_of};
use crate::language::QueryError;
use crate::messages::Severity;
use crate::text::diff::{Change, Split, Style, changes, hunks, number, render};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use futures::TryStreamExt;
use rustc_hash::{FxHashMap, FxHashSet};
use std::borrow::Cow;
use std::sync::Arc;
use taffrail_base::Stop;
use taffrail_base::limits::DIFF_LINE_BYTES;

/// A text as it is compared: what counts of each line, and how the line reads.
#[derive(Debug, Default, PartialEq, Eq)]
struct Text {
    keys: Vec<String>,
    /// The lines as they read, where something of them does not count; else empty, and the keys are the lines.
    shown: Vec<String>,
}

impl Text {
    fn shown(&self) -> Split<'_> {
        let lines = if self.shown.is_empty() { &self.keys } else { &self.shown };
        Split { lines: lines.iter().map(String::as_str).collect(), open: false }
    }

    fn keys(&self) -> Split<'_> {
        Split { lines: self.keys.iter().map(String::as_str).collect(), open: false }
    }

    fn bytes(&self) -> usize {
        self.keys.iter().chain(&self.shown).map(|line| line.len() + DIFF_LINE_BYTES).sum()
    }
}

/// Hosts that have the same.
#[derive(Debug)]
struct Group {
    text: Text,
    hosts: Vec<String>,
}

/// What was left out, to be said in the end.
#[derive(Debug, Default)]
struct LeftOut {
    without_host: usize,
    without_attribute: usize,
    repeated: usize,
    cut: usize,
    other_form: usize,
}

struct Gather {
    settings: Mdiff,
    groups: Vec<Group>,
    /// Groups by the hash of what counts; those that share one are looked at.
    known: FxHashMap<u64, Vec<usize>>,
    hosts: FxHashSet<String>,
    left_out: LeftOut,
    memory: MemoryReservation,
}

/// The rows of the command.
pub async fn run(settings: Mdiff, input: Flow, planner: Planner) -> Result<Flow, QueryError> {
    let schema = input.schema();
    let places = [column_index(&schema, &settings.by), column_index(&schema, &settings.attribute)];
    let mut gather = Gather {
        settings,
        groups: Vec::new(),
        known: FxHashMap::default(),
        hosts: FxHashSet::default(),
        left_out: LeftOut::default(),
        memory: MemoryConsumer::new(INFO.name).register(planner.context.memory_pool()),
    };
    let mut batches = input.stream(planner.context.clone())?;
    while let Some(batch) = batches.try_next().await? {
        if let [Some(host), Some(attribute)] = places {
            gather.push(&Values::of(batch.column(host))?, &Values::of(batch.column(attribute))?, batch.num_rows())?;
        } else if places[0].is_none() {
            gather.left_out.without_host += batch.num_rows();
        } else {
            gather.left_out.without_attribute += batch.num_rows();
        }
    }
    blocking(move || Ok(gather.finish(&planner))).await?
}

impl Gather {
    fn push(&mut self, hosts: &Values, attributes: &Values, rows: usize) -> Result<(), QueryError> {
        for row in 0..rows {
            let Some(host) = hosts.text(row) else {
                self.left_out.without_host += 1;
                continue;
            };
            if self.hosts.contains(&host) {
                self.left_out.repeated += 1;
                continue;
            }
            let values = attributes.list(row);
            if values.is_empty() {
                self.left_out.without_attribute += 1;
                continue;
            }
            self.memory.try_grow(2 * (host.len() + size_of::<String>()))?;
            self.hosts.insert(host.clone());
            let text = self.text(&values.join("\n"));
            let group = match self.find(&text) {
                Some(group) => group,
                None => self.add(text)?,
            };
            self.groups[group].hosts.push(host);
        }
        Ok(())
    }

    /// A value as it is compared.
    fn text(&mut self, value: &str) -> Text {
        let max = self.settings.max_bytes;
        let mut value = Cow::Borrowed(value);
        if max > 0 && value.len() > max {
            let mut end = max;
            while !value.is_char_boundary(end) {
                end -= 1;
            }
            value = Cow::Owned(value[..end].to_owned());
            self.left_out.cut += 1;
        }
        let normal = self.settings.normal.map(|normal| normal.lines(&value));
        if let Some(None) = normal {
            self.left_out.other_form += 1;
        }
        let lines = normal.flatten().unwrap_or_else(|| value.lines().map(str::to_owned).collect());
        if self.settings.ignore.is_empty() {
            return Text { keys: lines, shown: Vec::new() };
        }
        let mut text = Text::default();
        for line in lines {
            let key = self.settings.ignore.iter().fold(Cow::Borrowed(line.as_str()), |key, regex| match regex.replace_all(&key, "") {
                Cow::Borrowed(_) => key,
                Cow::Owned(shorter) => Cow::Owned(shorter),
            });
            // A line of which nothing is left does not count at all.
            if key.trim().is_empty() && key.len() < line.len() {
                continue;
            }
            text.keys.push(key.into_owned());
            text.shown.push(line);
        }
        text
    }

    fn find(&self, text: &Text) -> Option<usize> {
        let groups = self.known.get(&hash(text))?;
        groups.iter().copied().find(|group| self.groups[*group].text.keys == text.keys)
    }

    fn add(&mut self, text: Text) -> Result<usize, QueryError> {
        self.memory.try_grow(text.bytes() + size_of::<Group>())?;
        let group = self.groups.len();
        self.known.entry(hash(&text)).or_default().push(group);
        self.groups.push(Group { text, hosts: Vec::new() });
        Ok(group)
    }

    fn finish(mut self, planner: &Planner) -> Result<Flow, QueryError> {
        let golden = match &self.settings.baseline {
            Baseline::Golden(text) => Some(text.clone()),
            _ => None,
        };
        let baseline = match (golden, &self.settings.baseline) {
            (Some(text), _) => {
                let text = self.text(&text);
                match self.find(&text) {
                    Some(group) => Some(group),
                    None => Some(self.add(text)?),
                }
            }
            (None, Baseline::First) => (!self.groups.is_empty()).then_some(0),
            // Of groups of one size the first seen.
            (None, _) => (0..self.groups.len()).rev().max_by_key(|group| self.groups[*group].hosts.len()),
        };
        let Some(baseline) = baseline else {
            self.tell(planner, 0, 0);
            return answer(0, Vec::new());
        };
        let mut deviating: Vec<usize> = (0..self.groups.len()).filter(|group| *group != baseline).collect();
        deviating.sort_by_key(|group| std::cmp::Reverse(self.groups[*group].hosts.len()));
        self.tell(planner, self.groups[baseline].hosts.len(), deviating.len());
        // Comparing two texts needs their lines as numbers, and the tables of the search.
        let largest = self.groups.iter().map(|group| group.text.bytes()).max().unwrap_or(0);
        self.memory.try_grow(2 * largest)?;
        let (mut found, stop) = (Vec::new(), stop_of(&planner.context));
        for group in deviating {
            let changed = self.compare(baseline, group, &stop)?;
            self.memory.try_grow(changed.0.len())?;
            found.push((std::mem::take(&mut self.groups[group].hosts), changed.0, changed.1));
        }
        answer(self.groups[baseline].hosts.len(), found)
    }

    fn compare(&self, baseline: usize, group: usize, stop: &Stop) -> Result<(String, Vec<Change>), QueryError> {
        let (old, new) = (&self.groups[baseline].text, &self.groups[group].text);
        let (old_numbers, new_numbers) = number(&old.keys(), &new.keys());
        let changes = changes(&old_numbers, &new_numbers, stop).map_err(|error| QueryError::from(&error))?;
        let mut text = render(Style::Unified, &old.shown(), &new.shown(), &changes);
        text.pop();
        Ok((text, changes))
    }

    fn tell(&self, planner: &Planner, alike: usize, deviating: usize) {
        let (by, attribute) = (&self.settings.by, &self.settings.attribute);
        let all: usize = self.hosts.len();
        if deviating == 0 && all > 0 {
            planner.messages.add(Severity::Info, format!("no deviation: {alike} of {all} values of {by} are as the baseline"));
        }
        let left = &self.left_out;
        for (severity, count, what) in [
            (Severity::Warn, left.without_host, format!("rows have no {by} and are left out; BY names another field")),
            (Severity::Warn, left.without_attribute, format!("rows have no {attribute} and are left out; attribute= names another field")),
            (Severity::Info, left.repeated, format!("further rows of the same {by} are not compared: the first of each is")),
            (
                Severity::Warn,
                left.other_form,
                "texts cannot be read in the form asked for by normalize and are compared as they are".to_owned(),
            ),
        ] {
            if count > 0 {
                planner.messages.add(severity, format!("mdiff: {count} {what}"));
            }
        }
        if left.cut > 0 {
            let max = self.settings.max_bytes;
            planner.messages.inexact(format!("mdiff looks at the first {max} bytes of {} longer texts; maxlen=0 at all", left.cut));
        }
    }
}

fn hash(text: &Text) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = rustc_hash::FxHasher::default();
    text.keys.hash(&mut hasher);
    hasher.finish()
}

/// Hosts that are alike, their text, and how it differs from the baseline.
type Deviant = (Vec<String>, String, Vec<Change>);

fn answer(baseline: usize, found: Vec<Deviant>) -> Result<Flow, QueryError> {
    let counts = |count: &dyn Fn(&Deviant) -> usize| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(found.iter().map(|row| count(row) as i64)))
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("count", counts(&|row| row.0.len())),
        ("hosts", lists(found.iter().map(|row| Some(row.0.as_slice())))),
        ("baseline_count", counts(&|_| baseline)),
        ("diff_added", counts(&|row| row.2.iter().map(|change| change.new.len()).sum())),
        ("diff_removed", counts(&|row| row.2.iter().map(|change| change.old.len()).sum())),
        ("diff_changed_hunks", counts(&|row| hunks(&row.2).len())),
        ("diff", Arc::new(StringArray::from_iter_values(found.iter().map(|row| row.1.as_str())))),
    ];
    let fields: Vec<Field> = columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    debug_assert!(fields.iter().all(|field| *field.data_type() != DataType::Null));
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(_, column)| column).collect())?;
    Ok(Flow::of_batches(schema, vec![batch], true))
}
