//! How the events of a format begin and go on, as data: the table `[event]` of `packs/core/formats/*.toml`.

use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;
use std::sync::LazyLock;

/// What makes lines belong together; see docs/manual/formats.md.
#[derive(Debug)]
pub struct Rule {
    /// A time at the beginning of a line begins an event; where lines have one, those without go on.
    pub(super) time: bool,
    /// A line that matches begins an event, except below a line with a time.
    pub(super) begins: Option<Regex>,
    /// A line that begins with a blank goes on.
    pub(super) indented: bool,
    /// A line that matches goes on.
    pub(super) continues: Option<Regex>,
    /// A line that matches and stands behind an indented one goes on.
    pub(super) closes: Option<Regex>,
    /// An event ends where the brackets that it opened are closed.
    pub(super) brackets: bool,
}

/// Formats whose lines are events, whatever they look like.
const LINES: [&str; 5] = ["syslog", "access_common", "access_combined", "journald", "audit"];

impl Rule {
    /// The rule of a sourcetype; `None` where every line is an event. Sourcetypes that nobody described are text.
    pub fn of(sourcetype: &str) -> Option<&'static Self> {
        if LINES.contains(&sourcetype) {
            return None;
        }
        let find = |name: &str| built_in().iter().find(|file| file.sourcetypes.iter().any(|s| s == name)).map(|file| &file.rule);
        find(sourcetype).or_else(|| find("text"))
    }
}

/// The table as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EventText {
    time: bool,
    indented: bool,
    brackets: bool,
    begins: Vec<String>,
    continues: Vec<String>,
    closes: Vec<String>,
}

impl EventText {
    /// The rule, or what is wrong with it.
    pub(super) fn compile(&self) -> Result<Rule, String> {
        Ok(Rule {
            time: self.time,
            begins: any_of(&self.begins)?,
            indented: self.indented,
            continues: any_of(&self.continues)?,
            closes: any_of(&self.closes)?,
            brackets: self.brackets,
        })
    }
}

/// One expression for all of these, which have to match at the beginning of a line.
fn any_of(expressions: &[String]) -> Result<Option<Regex>, String> {
    if expressions.is_empty() {
        return Ok(None);
    }
    let text = format!("^(?:{})", expressions.join("|"));
    RegexBuilder::new(&text).unicode(false).build().map(Some).map_err(|error| error.to_string())
}

/// The rule of a file and the sourcetypes that it is for.
struct FileRule {
    sourcetypes: Vec<String>,
    rule: Rule,
}

/// The rules of the built-in files, made ready at first use.
fn built_in() -> &'static [FileRule] {
    static RULES: LazyLock<Vec<FileRule>> = LazyLock::new(|| {
        let files = crate::fields::built_in_events().filter_map(|(name, file)| Some((name, file.sourcetypes, file.event?)));
        let compiled = files.map(|(name, sourcetypes, event)| FileRule {
            sourcetypes,
            rule: event.compile().unwrap_or_else(|error| panic!("built-in format {name}: {error}")),
        });
        compiled.collect()
    });
    &RULES
}
