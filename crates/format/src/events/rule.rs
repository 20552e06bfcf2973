//! How the events of a format begin and go on, as data: the table `[event]` of format files, of those that are built in
//! and of those that people write.

use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;
use std::sync::{Arc, LazyLock};
use taffrail_base::limits::EVENT_EXPRESSION_BYTES_MAX;
use toml::Spanned;

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
    /// A line that matches and stands behind an indented one goes on; without `time` it is the last of its event.
    pub(super) closes: Option<Regex>,
    /// An event ends where the brackets that it opened are closed.
    pub(super) brackets: bool,
    /// Every line is an event.
    each_line: bool,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        let flags = |rule: &Self| (rule.time, rule.indented, rule.brackets, rule.each_line);
        let texts = |rule: &Self| [&rule.begins, &rule.continues, &rule.closes].map(|one| one.as_ref().map(|one| one.as_str().to_owned()));
        flags(self) == flags(other) && texts(self) == texts(other)
    }
}

/// Formats whose lines are events, whatever they look like.
const LINES: [&str; 5] = ["syslog", "access_common", "access_combined", "journald", "audit"];

impl Rule {
    /// The built-in rule of a sourcetype; `None` where every line is an event. Sourcetypes that nobody described are text.
    pub fn of(sourcetype: &str) -> Option<Arc<Self>> {
        if LINES.contains(&sourcetype) {
            return None;
        }
        let find =
            |name: &str| built_in().iter().find(|file| file.sourcetypes.iter().any(|s| s == name)).map(|file| Arc::clone(&file.rule));
        find(sourcetype).or_else(|| find("text"))
    }

    /// Whether every line is an event.
    pub(crate) fn is_each_line(&self) -> bool {
        self.each_line
    }

    /// Whether nothing but `closes` says where events end: then what comes behind one begins the next.
    pub(super) fn only_closes(&self) -> bool {
        self.begins.is_none() && self.closes.is_some() && self.continues.is_none() && !self.indented
    }
}

/// The table as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EventText {
    time: bool,
    indented: bool,
    brackets: bool,
    each_line: bool,
    begins: Vec<Spanned<String>>,
    continues: Vec<Spanned<String>>,
    closes: Vec<Spanned<String>>,
}

/// What is wrong with a table, and at which byte of the file if it is one of its expressions.
pub(crate) type Wrong = (Option<usize>, String);

impl EventText {
    /// The rule, or what is wrong with it.
    pub(crate) fn compile(&self) -> Result<Rule, Wrong> {
        let rule = Rule {
            time: self.time,
            begins: any_of("begins", &self.begins)?,
            indented: self.indented,
            continues: any_of("continues", &self.continues)?,
            closes: any_of("closes", &self.closes)?,
            brackets: self.brackets,
            each_line: self.each_line,
        };
        let by_lines = rule.time || rule.indented || rule.begins.is_some() || rule.continues.is_some() || rule.closes.is_some();
        match (rule.each_line, rule.brackets, by_lines) {
            (false, false, false) => {
                let message = "[event] says nothing: write `time = true`, `begins`, `continues`, `closes`, `indented = true`, `brackets = true`, \
                               or `each_line = true` where every line is an event";
                Err((None, message.to_owned()))
            }
            (true, true, _) | (true, _, true) => {
                Err((None, "[event]: `each_line = true` leaves nothing else to say; leave it or the other keys out".to_owned()))
            }
            (_, true, true) => Err((None, "[event]: `brackets = true` goes by brackets alone; leave it or the other keys out".to_owned())),
            _ => Ok(rule),
        }
    }
}

/// One expression for all of these, which have to match at the beginning of a line.
fn any_of(key: &str, expressions: &[Spanned<String>]) -> Result<Option<Regex>, Wrong> {
    let build = |text: &str| RegexBuilder::new(text).unicode(false).size_limit(EVENT_EXPRESSION_BYTES_MAX).build();
    for spanned in expressions {
        let (text, at) = (spanned.get_ref(), Some(spanned.span().start));
        let one = build(&format!("^(?:{text})")).map_err(|error| {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            (
                at,
                format!(
                    "[event] {key}: {text:?} is no regular expression ({reason}); write a `\\` before characters that are meant as they are"
                ),
            )
        })?;
        if [&b""[..], b"x", b"7", b" ", b"[", b"\xff"].iter().all(|line| one.is_match(line)) {
            return Err((at, format!("[event] {key}: {text:?} matches every line; write what only such lines begin with")));
        }
    }
    if expressions.is_empty() {
        return Ok(None);
    }
    let all: Vec<&str> = expressions.iter().map(|text| text.get_ref().as_str()).collect();
    let all = build(&format!("^(?:{})", all.join("|")));
    all.map(Some).map_err(|_| {
        let at = expressions.first().map(|text| text.span().start);
        (at, format!("[event] {key}: these expressions are too large together; write fewer or shorter ones"))
    })
}

/// The rule of a file and the sourcetypes that it is for.
#[derive(Clone, Debug)]
struct FileRule {
    sourcetypes: Vec<String>,
    rule: Arc<Rule>,
}

/// The rules of the built-in files, made ready at first use.
fn built_in() -> &'static [FileRule] {
    static RULES: LazyLock<Vec<FileRule>> = LazyLock::new(|| {
        let files = crate::fields::built_in_events().filter_map(|(name, file)| Some((name, file.sourcetypes, file.event?)));
        let compiled = files.map(|(name, sourcetypes, event)| FileRule {
            sourcetypes,
            rule: Arc::new(event.into_inner().compile().unwrap_or_else(|(_, error)| panic!("built-in format {name}: {error}"))),
        });
        compiled.collect()
    });
    &RULES
}
