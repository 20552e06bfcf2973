//! Proposes a format for lines that nobody described: which lines belong together, where time is, which fields there are
//! and what they are called. A pure function from lines to the text of a format file, which loads and whose samples pass.
//!
//! What is proposed is for a person to read and correct: a name that the text itself does not give is marked as a guess,
//! and how many of the lines are told is said. Nothing is learnt by the program itself.

mod groups;
mod kind;
mod layout;
mod lines;
mod name;
mod propose;
mod rows;
mod rules;
mod sample;
mod templates;
mod write;

use name::cleaned;
use sample::Sample;
use taffrail_base::limits::LEARN_FIELDS_MAX;

/// How a field got its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sure {
    /// The text calls it so.
    Named,
    /// The words around it or its looks leave little doubt.
    Likely,
    /// It may well be something else.
    Guess,
}

impl Sure {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Likely => "likely",
            Self::Guess => "guess",
        }
    }
}

/// How lines are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// JSON objects.
    Json,
    /// XML.
    Xml,
    /// Columns with a delimiter.
    Columns,
    /// Columns at fixed positions.
    Positions,
    /// Names with their values.
    Pairs,
    /// Sentences.
    Prose,
}

impl Layout {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Xml => "xml",
            Self::Columns => "columns",
            Self::Positions => "positions",
            Self::Pairs => "pairs",
            Self::Prose => "prose",
        }
    }
}

/// A field that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// The kind of its values.
    pub kind: &'static str,
    /// Some of its values, each once.
    pub examples: Vec<String>,
    /// In how many events it is.
    pub events: usize,
    /// How sure the name is.
    pub sure: Sure,
    /// Why it is called so.
    pub why: String,
}

/// Where events have their time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeFound {
    /// How it is written.
    pub example: String,
    /// In how many events it is.
    pub events: usize,
    /// Whether all of them begin with it.
    pub at_start: bool,
    /// Whether the year or the zone has to be assumed.
    pub inferred: bool,
}

/// A format that is proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The name of the file, without `.toml`, and of the sourcetype where there is a new one.
    pub name: String,
    /// The text of the file.
    pub file: String,
    /// The sourcetype that the lines have by themselves.
    pub detected: &'static str,
    /// How the lines are built.
    pub layout: Layout,
    /// The lines that were looked at.
    pub lines: usize,
    /// The events that they make.
    pub events: usize,
    /// The events of which the proposal tells all that it could.
    pub covered: usize,
    /// The time, where there is one.
    pub time: Option<TimeFound>,
    /// The fields, those of most events first.
    pub fields: Vec<Field>,
    /// What else has to be said.
    pub notes: Vec<String>,
}

/// Why nothing is proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlearnable {
    /// What is wrong.
    pub message: String,
    /// What to do instead.
    pub hint: &'static str,
}

impl std::fmt::Display for Unlearnable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.message, self.hint)
    }
}

impl Unlearnable {
    fn new(message: impl Into<String>, hint: &'static str) -> Self {
        Self { message: message.into(), hint }
    }
}

/// The name of a file that may be wished for, as it can be.
fn file_name(wished: &str) -> String {
    let name = cleaned(wished.trim_end_matches(".toml").trim_end_matches(".log"));
    let name: String = name.chars().take(60).collect();
    if name == "field" { "learnt".to_owned() } else { name.trim_start_matches("field_").to_owned() }
}

/// Proposes a format for lines; `name` is what it shall be called.
pub fn learn(name: &str, bytes: &[u8]) -> Result<Proposal, Unlearnable> {
    let sample = Sample::of(bytes)?;
    let mut proposed = propose::propose(&sample)?;
    let name = file_name(name);
    let written = write::write(&name, &sample, &mut proposed)?;
    let mut notes = sample.notes.clone();
    notes.extend(proposed.notes);
    let mut fields = written.fields;
    if fields.len() > LEARN_FIELDS_MAX {
        notes.push(format!("{} more fields, each in few events, are not listed", fields.len() - LEARN_FIELDS_MAX));
        fields.truncate(LEARN_FIELDS_MAX);
    }
    Ok(Proposal {
        name,
        file: written.text,
        detected: sample.sourcetype,
        layout: proposed.layout,
        lines: sample.lines,
        events: sample.events.len(),
        covered: written.covered,
        time: sample.time,
        fields,
        notes,
    })
}

#[cfg(test)]
mod tests;
