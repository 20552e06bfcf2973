//! Tries the layouts in turn, and makes rules of the one that fits.

use super::kind::Kind;
use super::layout::{self, Columns, Pairs};
use super::name::{Around, Named, name_of};
use super::rows::{Head, Row, Tail, join_groups};
use super::rules::{Draft, draft, quoted};
use super::sample::Sample;
use super::templates::{Part, head_template, templates};
use super::{Layout, Sure, Unlearnable};
use crate::TimeFinder;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use taffrail_base::limits::{FORMAT_COLUMNS_MAX, LEARN_RULES_MAX};
use taffrail_pattern::split::Splitter;

/// What is proposed, before it is tried out.
#[derive(Debug)]
pub(super) struct Proposed {
    pub layout: Layout,
    pub rules: Vec<Draft>,
    /// The events of which all is told that could be.
    pub covered: Vec<bool>,
    pub notes: Vec<String>,
    /// Events that show what is found without a rule.
    pub shown: Vec<usize>,
}

impl Proposed {
    fn new(layout: Layout, events: usize) -> Self {
        Self { layout, rules: Vec::new(), covered: vec![false; events], notes: Vec::new(), shown: Vec::new() }
    }
}

/// What is proposed for a sample.
pub(super) fn propose(sample: &Sample) -> Result<Proposed, Unlearnable> {
    let messages: Vec<&str> = sample.events.iter().map(|event| event.message()).collect();
    if let Some(found) = structured(&messages) {
        return Ok(found);
    }
    let lines: Vec<&str> = messages.iter().map(|message| first_line(message)).collect();
    if let Some(found) = layout::columns(&lines).filter(|columns| columns.count <= FORMAT_COLUMNS_MAX) {
        return Ok(columns(&lines, &found));
    }
    if let Some((found, has_head)) = layout::positions(&lines) {
        return Ok(positions(&lines, &found, has_head));
    }
    Ok(words(&messages, !sample.by_app()))
}

fn first_line(message: &str) -> &str {
    message.split('\n').next().unwrap_or_default().trim_end_matches('\r')
}

/// JSON and XML, whose fields are found without a rule.
fn structured(messages: &[&str]) -> Option<Proposed> {
    let json = |message: &&str| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(message.trim()).is_ok();
    let xml = |message: &&str| message.trim().starts_with('<') && message.trim().ends_with('>') && message.contains("</");
    let most = |test: &dyn Fn(&&str) -> bool| messages.iter().filter(|message| test(message)).count() * 10 >= messages.len() * 8;
    let (layout, test): (Layout, &dyn Fn(&&str) -> bool) = match () {
        () if most(&json) => (Layout::Json, &json),
        () if most(&xml) => (Layout::Xml, &xml),
        () => return None,
    };
    let mut found = Proposed::new(layout, messages.len());
    found.covered = messages.iter().map(test).collect();
    found.shown = (0..messages.len()).filter(|at| found.covered[*at]).collect();
    found.notes.push(format!("the fields of {} are found without a format; this one gives names of the normal model", layout.name()));
    Some(found)
}

fn columns(lines: &[&str], columns: &Columns) -> Proposed {
    let mut found = Proposed::new(Layout::Columns, lines.len());
    let cells: Vec<Vec<String>> = lines.iter().map(|line| layout::cells(line, columns.delimiter)).collect();
    let fits = |at: usize| !columns.apart[at] && cells[at].len() == columns.count;
    let kind = |column: usize| Kind::of_all((0..lines.len()).filter(|at| fits(*at)).map(|at| cells[at][column].as_str()));
    let named: Vec<Option<Named>> = match &columns.header {
        Some(header) => {
            let names = layout::header_names(header).into_iter().zip(header);
            names.map(|(name, said)| Some(Named::new(name, Sure::Named, format!("the head calls it `{said}`")))).collect()
        }
        None => names_by_kinds((0..columns.count).map(kind).collect()),
    };
    found.covered = (0..lines.len()).map(|at| columns.apart[at] || fits(at)).collect();
    let names: Vec<String> = named.iter().map(|named| quoted(named.as_ref().map_or("", |named| &named.name))).collect();
    let mut text = format!("keys = \"columns\"\ndelimiter = {}\nnames = [{}]\n", delimiter(columns.delimiter), names.join(", "));
    if !columns.comment.is_empty() {
        let _ = writeln!(text, "# The head and comments are no data.\ncomment = {}", quoted(&columns.comment));
    }
    let shown = (0..lines.len()).find(|at| fits(*at));
    let values = |at: usize| {
        let cells = named.iter().zip(&cells[at]);
        cells.filter_map(|(named, cell)| Some((named.as_ref()?.name.clone(), cell.clone()))).filter(|(_, cell)| !cell.is_empty()).collect()
    };
    found.shown = (0..lines.len()).filter(|at| fits(*at)).collect();
    found.rules.push(Draft { text, sample: shown.map(|at| (at, values(at))), named: named.into_iter().flatten().collect(), constant: 0 });
    found
}

fn delimiter(delimiter: char) -> String {
    if delimiter == '\t' { "\"\\t\"".to_owned() } else { format!("\"{delimiter}\"") }
}

/// Names for columns that have none, by what is in them. The first time is that of the event and needs none.
fn names_by_kinds(kinds: Vec<Kind>) -> Vec<Option<Named>> {
    let mut names: Vec<Option<Named>> = Vec::new();
    let count = kinds.len();
    let mut timed = false;
    for (at, kind) in kinds.into_iter().enumerate() {
        if kind == Kind::Time && !std::mem::replace(&mut timed, true) {
            names.push(None);
            continue;
        }
        let last = names.last().and_then(|named| named.as_ref().map(|named| named.name.clone()));
        let mut named = name_of(Around { before: "", after: "", kind, last: last.as_deref() }, at + 1);
        if kind == Kind::Text && at + 1 == count {
            named = Named::new("text", Sure::Guess, "it is the last column, of several words");
        }
        let taken = |name: &str| names.iter().flatten().any(|named| named.name == name);
        if named.name == "src" && taken("src") && !taken("dest") {
            named = Named::new("dest", Sure::Guess, "it is the second address");
        }
        if taken(&named.name) {
            named.name = format!("{}_{}", named.name, at + 1);
        }
        names.push(Some(named));
    }
    names
}

fn positions(lines: &[&str], columns: &[layout::Column], has_head: bool) -> Proposed {
    let mut found = Proposed::new(Layout::Positions, lines.len());
    let data = |at: usize| !(lines[at].trim().is_empty() || has_head && at == 0);
    let kinds =
        columns.iter().map(|column| Kind::of_all((0..lines.len()).filter(|at| data(*at)).map(|at| layout::cell_at(lines[at], column))));
    let named: Vec<Option<Named>> = match columns.iter().map(|column| column.header.clone()).collect::<Option<Vec<String>>>() {
        Some(header) => {
            let names = layout::header_names(&header).into_iter().zip(header);
            names.map(|(name, said)| Some(Named::new(name, Sure::Named, format!("the head calls it `{said}`")))).collect()
        }
        None => names_by_kinds(kinds.collect()),
    };
    let mut expressions = String::new();
    for (column, named) in columns.iter().zip(&named) {
        if let Some(named) = named {
            let _ = writeln!(expressions, "    {},", quoted(&layout::expression(column, &named.name)));
        }
    }
    let values = |at: usize| {
        let cells = named.iter().zip(columns).filter_map(|(named, column)| Some((named.as_ref()?, layout::cell_at(lines[at], column))));
        cells.filter(|(_, cell)| !cell.is_empty()).map(|(named, cell)| (named.name.clone(), cell.to_owned())).collect()
    };
    let shown = (0..lines.len()).find(|at| data(*at));
    found.covered = (0..lines.len()).map(|at| !lines[at].trim().is_empty()).collect();
    found.shown = (0..lines.len()).filter(|at| data(*at)).collect();
    found.rules.push(Draft {
        text: format!("regex = [\n{expressions}]\n"),
        sample: shown.map(|at| (at, values(at))),
        named: named.into_iter().flatten().collect(),
        constant: 0,
    });
    if has_head {
        found.notes.push("the head is an event like the others, with the names as values".to_owned());
    }
    found
}

/// Sentences and pairs, with a head before them.
fn words(messages: &[&str], with_groups: bool) -> Proposed {
    let (mut splitter, mut times) = (Splitter::default(), TimeFinder::default());
    let mut rows: Vec<Row<'_>> =
        messages.iter().enumerate().map(|(number, message)| Row::new(number, message, &mut splitter, &mut times)).collect();
    if with_groups {
        join_groups(&mut rows);
    }
    let narrow = Head::of(&rows, false);
    let rests: Vec<&str> = rows.iter().zip(&narrow.has).map(|(row, has)| rest_of(row, if *has { narrow.tokens } else { 0 })).collect();
    if let Some(pairs) = layout::pairs(&rests) {
        return of_pairs(&rows, &narrow, pairs);
    }
    let head = Head::of(&rows, true);
    let with_pairs = rows.iter().filter(|row| row.tail == Tail::Pairs).count();
    let layout = if with_pairs * 2 > rows.len() { Layout::Pairs } else { Layout::Prose };
    let mut found = Proposed::new(layout, messages.len());
    let mut left_out = 0;
    for template in templates(&rows, &head) {
        let drafted = draft(&rows, &template, head.tokens, false);
        let constant = drafted.is_none();
        if let Some(drafted) = drafted {
            if found.rules.len() >= LEARN_RULES_MAX {
                left_out += template.rows.len();
                continue;
            }
            found.rules.push(drafted);
        }
        // Text of which nothing varies is told by its words.
        let told = |row: &&usize| !constant || template.rows.len() == 1 || rows[**row].tail != Tail::More;
        template.rows.iter().filter(told).for_each(|row| found.covered[rows[*row].number] = true);
    }
    if left_out > 0 {
        found.notes.push(format!("{left_out} events are of messages beyond the {LEARN_RULES_MAX} most frequent, and have no rule"));
    }
    found.rules.sort_by_key(|draft| std::cmp::Reverse(draft.constant));
    finish(&rows, &head, messages, &mut found);
    found
}

/// The rules that all layouts with a head have: of JSON behind it, of exceptions below it, of the head itself.
fn finish(rows: &[Row<'_>], head: &Head, messages: &[&str], found: &mut Proposed) {
    if rows.iter().filter(|row| row.tail == Tail::Json).count() * 10 > rows.len() {
        found.rules.push(Draft { text: "# JSON behind the text.\nkeys = \"json\"\n".to_owned(), ..Draft::default() });
    }
    found.rules.extend(exception(messages));
    found.rules.extend(below(messages));
    if let Some(head) = head_template(rows, head) {
        found.rules.extend(draft(rows, &head, 0, true));
    }
    found.shown = rows.iter().map(|row| row.number).collect();
}

/// What stands behind the head of a row.
fn rest_of<'l>(row: &Row<'l>, head: usize) -> &'l str {
    let from = head.checked_sub(1).and_then(|last| row.tokens.get(last)).map_or(0, |token| token.end);
    row.line[from..].trim_start_matches([']', ')', '>', ':', '-', '|', ' '])
}

fn of_pairs(rows: &[Row<'_>], head: &Head, pairs: Pairs) -> Proposed {
    let mut found = Proposed::new(Layout::Pairs, rows.len());
    let keys = format!("keys = \"pairs\"\nequals = \"{}\"\nbetween = {}\n", pairs.equals, delimiter(pairs.between));
    let text = match head_template(rows, head) {
        Some(template) => {
            // As many words as the head has, and what closes it.
            let words: usize =
                template.parts.iter().map(|part| if let Part::Text { text, .. } = part { text.matches(' ').count() } else { 0 }).sum();
            let inner = template.parts.iter().filter_map(|part| if let Part::Place(place) = part { Some(place.token) } else { None });
            let blanks: usize = inner.map(|token| rows[template.rows[0]].text(token).matches(' ').count()).sum();
            let before = vec!["\\S+"; words + blanks + 1].join("[ \\t]+");
            found.rules.extend(draft(rows, &template, 0, true));
            format!("regex = {}\n{keys}", quoted(&format!("^{before}[\\]):|> -]+(?<_>.*)")))
        }
        None => keys,
    };
    found.rules.insert(0, Draft { text, ..Draft::default() });
    found.covered = rows.iter().map(|row| row.line.contains(pairs.equals)).collect();
    found.shown = rows.iter().map(|row| row.number).collect();
    found
}

/// Fields that a rule for the lines below takes.
const BELOW_MAX: usize = 50;

/// Lines below the first that have a name and a colon: `Reason: disk is full`.
fn below(messages: &[&str]) -> Option<Draft> {
    let pair = |line: &'_ str| -> Option<(String, String)> {
        let (key, value) = line.trim_start().trim_end_matches('\r').split_once(':')?;
        // `com.example.ReadError: closed` is no pair.
        let fits = layout::is_key(key) && !key.contains('.') && value.starts_with([' ', '\t']) && !value.trim().is_empty();
        fits.then(|| (key.to_owned(), value.trim_start().to_owned()))
    };
    let events: Vec<(usize, Vec<(String, String)>)> = messages
        .iter()
        .enumerate()
        .filter(|(_, message)| message.trim_end().contains('\n'))
        .map(|(at, message)| (at, message.split('\n').skip(1).filter_map(pair).collect()))
        .collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, pairs) in &events {
        let names: std::collections::BTreeSet<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
        names.into_iter().for_each(|key| *counts.entry(key).or_default() += 1);
    }
    let keys: Vec<&str> = counts.iter().filter(|(_, count)| **count * 2 >= events.len()).map(|(key, _)| *key).take(BELOW_MAX).collect();
    let names = layout::header_names(&keys.iter().map(|key| (*key).to_owned()).collect::<Vec<String>>());
    let mut text = "# Lines below the first.\nregex = [\n".to_owned();
    let mut named = Vec::new();
    for (key, name) in keys.iter().zip(&names) {
        let _ = writeln!(text, "    {},", quoted(&format!("\\n[ \\t]*{}:[ \\t]+(?<{name}>[^\\r\\n]+)", regex_syntax::escape(key))));
        named.push(Named::new(name.clone(), Sure::Named, format!("the text calls it `{key}`")));
    }
    let (at, pairs) = events.iter().find(|(_, pairs)| pairs.iter().any(|(key, _)| keys.contains(&key.as_str())))?;
    let mut values = BTreeMap::new();
    for (key, value) in pairs {
        if let Some(number) = keys.iter().position(|known| known == key) {
            values.entry(names[number].clone()).or_insert_with(|| value.clone());
        }
    }
    Some(Draft { text: text + "]\n", named, sample: Some((*at, values)), constant: 0 })
}

/// The name and the text of an exception below a line.
fn exception(messages: &[&str]) -> Option<Draft> {
    let of = |message: &str| {
        let line = message.split('\n').nth(1)?.trim_end();
        let (class, text) = line.split_once(": ").map_or((line, None), |(class, text)| (class, Some(text)));
        let is_class = ["Exception", "Error", "Throwable"].iter().any(|ending| class.ends_with(ending))
            && class.starts_with(|c: char| c.is_ascii_alphabetic())
            && class.chars().all(|c| c.is_ascii_alphanumeric() || "._$".contains(c));
        is_class.then(|| (class.to_owned(), text.map(str::to_owned)))
    };
    let (at, (class, text)) = messages.iter().enumerate().find_map(|(at, message)| Some((at, of(message)?)))?;
    let mut values = BTreeMap::from([("exception".to_owned(), class)]);
    values.extend(text.filter(|text| !text.is_empty()).map(|text| ("exception_text".to_owned(), text)));
    let named = |name: &str| Named::new(name, Sure::Likely, "it stands below the line, as an exception does");
    Some(Draft {
        text: "# The exception below the line.\nregex = '\\n(?<exception>[A-Za-z][A-Za-z0-9_.$]*(?:Exception|Error|Throwable))(?:: (?<exception_text>[^\\r\\n]+))?'\n".to_owned(),
        named: vec![named("exception"), named("exception_text")],
        sample: Some((at, values)),
        constant: 0,
    })
}
