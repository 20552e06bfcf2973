//! Messages that say the same with other values: one template each. The constant text is what makes a rule, and what
//! names its places.

use super::Sure;
use super::kind::Kind;
use super::name::{Around, Named, USER_WORDS, WEAK_WORDS, name_of};
use super::rows::{Head, Mark, Row, squeezed};
use rustc_hash::FxHashMap;
use taffrail_pattern::{Pattern, Piece, SlotKind, mine};

/// Rows of one message.
#[derive(Debug)]
pub(super) struct Template {
    /// The rows, by their place.
    pub rows: Vec<usize>,
    /// Whether they begin with the head.
    pub headed: bool,
    pub parts: Vec<Part>,
}

/// A part of a template.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// Constant text; `loose`: its runs of blanks are of some length.
    Text { text: String, loose: bool },
    /// What varies.
    Place(Place),
}

/// A place that varies.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The number of the token.
    pub token: usize,
    pub mark: Mark,
    pub kind: Kind,
    /// `None`: a time, or something of which there is nothing to say.
    pub named: Option<Named>,
}

/// The templates of rows, those of the most rows first.
pub(super) fn templates(rows: &[Row<'_>], head: &Head) -> Vec<Template> {
    let mut groups = first_groups(rows, head);
    groups = merged_weakly(rows, head, groups);
    groups = merged_widely(rows, head, groups);
    let names = head_names(rows, head);
    let mut all: Vec<Template> = groups
        .into_iter()
        .map(|members| {
            let headed = head.has[members[0]];
            let parts = parts(rows, head, &members, headed, &names);
            Template { rows: members, headed, parts }
        })
        .collect();
    all.sort_by_key(|template| (std::cmp::Reverse(template.rows.len()), template.rows[0]));
    all
}

/// The head alone, as a template of all rows that have it.
pub(super) fn head_template(rows: &[Row<'_>], head: &Head) -> Option<Template> {
    let members: Vec<usize> = (0..rows.len()).filter(|row| head.has[*row]).collect();
    if head.tokens == 0 || members.is_empty() {
        return None;
    }
    let names = head_names(rows, head);
    let mut parts = Vec::new();
    for at in 0..head.tokens {
        push_gap(rows, &members, at, &mut parts);
        parts.push(part(rows, &members, at, true, &names));
    }
    // What closes the last bracket, and the colon behind a component.
    let behind: Vec<&str> = members.iter().map(|row| rows[*row].gap(head.tokens)).collect();
    let closing = |gap: &str| gap.chars().take_while(|c| !c.is_ascii_whitespace() && !"([{<\"'".contains(*c)).collect::<String>();
    let first = closing(behind[0]);
    if behind.iter().all(|gap| closing(gap) == first) && !first.is_empty() {
        parts.push(Part::Text { text: first, loose: false });
    }
    Some(Template { rows: members, headed: true, parts: joined(parts) })
}

/// Whether a word names itself or says how it went: then it is no value, whatever stands before it.
fn is_speech(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    word.len() < 2
        || word.ends_with("ed")
        || word.ends_with("ing")
        || USER_WORDS.contains(&word.as_str())
        || WEAK_WORDS.contains(&word.as_str())
        || [
            "name",
            "id",
            "in",
            "out",
            "is",
            "was",
            "has",
            "not",
            "with",
            "the",
            "a",
            "an",
            "and",
            "session",
            "password",
            "does",
            "successful",
            "failure",
        ]
        .contains(&word.as_str())
}

/// Whether a token is data by its looks or by the word before it.
fn is_data(row: &Row<'_>, at: usize, weak: bool) -> bool {
    let (text, token) = (row.text(at), row.tokens[at]);
    if token.mark != Mark::Word || text.bytes().any(|byte| byte.is_ascii_digit()) || row.gap(at).ends_with('=') {
        return true;
    }
    if !matches!(Kind::of(text), Kind::Word | Kind::Flag) {
        return true;
    }
    let before = at.checked_sub(1).map(|before| row.text(before).to_ascii_lowercase()).filter(|_| row.gap(at).trim().len() <= 1);
    let named = |words: &[&str]| before.as_deref().is_some_and(|before| words.contains(&before)) && !is_speech(text);
    named(&USER_WORDS) || (weak && named(&WEAK_WORDS))
}

fn key(row: &Row<'_>, from: usize, weak: bool) -> String {
    let mut key = String::new();
    for at in from..row.tokens.len() {
        key.push_str(&squeezed(row.gap(at)));
        match is_data(row, at, weak) {
            true => key.push('\u{1}'),
            false => key.push_str(row.text(at)),
        }
    }
    key + &squeezed(row.gap(row.tokens.len())) + &format!("\u{2}{:?}", row.tail)
}

fn grouped<K: std::hash::Hash + Eq>(all: impl Iterator<Item = (K, Vec<usize>)>) -> Vec<Vec<usize>> {
    let mut known: FxHashMap<K, usize> = FxHashMap::default();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (key, members) in all {
        let at = *known.entry(key).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[at].extend(members);
    }
    groups.iter_mut().for_each(|members| members.sort_unstable());
    groups
}

fn from(head: &Head, row: usize) -> usize {
    if head.has[row] { head.tokens } else { 0 }
}

fn first_groups(rows: &[Row<'_>], head: &Head) -> Vec<Vec<usize>> {
    grouped(rows.iter().enumerate().map(|(at, row)| ((head.has[at], key(row, from(head, at), false)), vec![at])))
}

/// `connection from web1` and `connection from web2` are one.
fn merged_weakly(rows: &[Row<'_>], head: &Head, groups: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    grouped(groups.into_iter().map(|members| {
        let first = members[0];
        ((head.has[first], key(&rows[first], from(head, first), true)), members)
    }))
}

/// Patterns that differ in many words at one place are one, as in lists of patterns.
fn merged_widely(rows: &[Row<'_>], head: &Head, groups: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    let pattern = |members: &Vec<usize>| {
        let (row, mut pieces) = (&rows[members[0]], Vec::new());
        let from = from(head, members[0]);
        for at in from..row.tokens.len() {
            pieces.push(Piece::Text(squeezed(row.gap(at)).into_bytes()));
            let varies = members.iter().any(|other| rows[*other].text(at) != row.text(at));
            pieces.push(match varies || is_data(row, at, false) {
                true => Piece::Slot(SlotKind::Word),
                false => Piece::Text(row.text(at).as_bytes().to_vec()),
            });
        }
        pieces.push(Piece::Text(squeezed(row.gap(row.tokens.len())).into_bytes()));
        Pattern::new(pieces)
    };
    let patterns: Vec<Pattern> = groups.iter().map(pattern).collect();
    let (target, _) = mine::merge(&patterns.iter().collect::<Vec<_>>());
    let numbered = groups.into_iter().zip(target).map(|(members, target)| {
        let first = members[0];
        let row = &rows[first];
        ((target, head.has[first], row.tokens.len(), format!("{:?}", row.tail)), members)
    });
    grouped(numbered)
}

fn push_gap(rows: &[Row<'_>], members: &[usize], at: usize, parts: &mut Vec<Part>) {
    let first = rows[members[0]].gap(at);
    let loose = members.iter().any(|row| rows[*row].gap(at) != first);
    parts.push(Part::Text { text: if loose { squeezed(first) } else { first.to_owned() }, loose });
}

/// Joins texts that stand beside each other.
fn joined(parts: Vec<Part>) -> Vec<Part> {
    let mut out: Vec<Part> = Vec::new();
    for part in parts {
        match (out.last_mut(), part) {
            (_, Part::Text { text, .. }) if text.is_empty() => {}
            (Some(Part::Text { text: before, loose: was }), Part::Text { text, loose }) => {
                before.push_str(&text);
                *was |= loose;
            }
            (_, part) => out.push(part),
        }
    }
    out
}

fn part(rows: &[Row<'_>], members: &[usize], at: usize, in_head: bool, names: &[Option<Named>]) -> Part {
    let first = rows[members[0]].text(at);
    let varies = members.iter().any(|row| rows[*row].text(at) != first);
    let kind = Kind::of_all(members.iter().map(|row| rows[*row].text(at)));
    let mark = rows[members[0]].tokens[at].mark;
    let figure = !matches!(kind, Kind::Word | Kind::Text | Kind::Flag);
    let digits = first.bytes().any(|byte| byte.is_ascii_digit());
    let empty = members.iter().any(|row| rows[*row].text(at).is_empty());
    let data = match in_head {
        true => figure || digits || names.get(at).is_some_and(Option::is_some),
        false => {
            figure
                || (members.len() < 3 && mark != Mark::Word)
                || (members.len() == 1 && digits)
                || (is_data(&rows[members[0]], at, false) && mark == Mark::Word && !digits)
        }
    };
    if mark == Mark::Time || varies || data || empty {
        Part::Place(Place { token: at, mark, kind, named: names.get(at).cloned().flatten() })
    } else {
        Part::Text { text: first.to_owned(), loose: false }
    }
}

fn parts(rows: &[Row<'_>], head: &Head, members: &[usize], headed: bool, names: &[Option<Named>]) -> Vec<Part> {
    let (tokens, in_head) = (rows[members[0]].tokens.len(), if headed { head.tokens } else { 0 });
    // Blanks that pad a level in some rows may do so in all.
    let all: Vec<usize> = (0..rows.len()).filter(|row| headed && head.has[*row]).collect();
    let mut parts = Vec::new();
    for at in 0..tokens {
        push_gap(rows, if at < in_head { &all } else { members }, at, &mut parts);
        parts.push(if at < in_head { part(rows, members, at, true, names) } else { part(rows, members, at, false, &[]) });
    }
    push_gap(rows, members, tokens, &mut parts);
    let mut parts = joined(parts);
    if let Some(Part::Text { text, .. }) = parts.last_mut() {
        text.truncate(text.trim_end().len());
    }
    parts = joined(parts);
    give_names(in_head, &mut parts);
    parts
}

/// Names the places of the message; no two have the same name.
fn give_names(in_head: usize, parts: &mut [Part]) {
    let text_of = |part: Option<&Part>| match part {
        Some(Part::Text { text, .. }) => text.clone(),
        _ => String::new(),
    };
    let mut taken: Vec<String> = Vec::new();
    let mut last: Option<String> = None;
    let mut number = 1;
    for at in 0..parts.len() {
        let (before, after) = (at.checked_sub(1).map(|before| text_of(parts.get(before))).unwrap_or_default(), text_of(parts.get(at + 1)));
        let Part::Place(place) = &mut parts[at] else { continue };
        if place.token >= in_head && place.mark != Mark::Time {
            let before = if place.token == in_head { before.trim_start_matches([']', ')', ':', ' ', '-', '|']).to_owned() } else { before };
            let around = Around { before: &before, after: &after, kind: place.kind, last: last.as_deref() };
            let mut named = name_of(around, number);
            number += usize::from(named.name.ends_with(&format!("_{number}")));
            if named.name == "src" && taken.contains(&named.name) && !taken.iter().any(|name| name == "dest") {
                named = Named::new("dest", Sure::Guess, "it is the second address");
            }
            place.named = Some(named);
        }
        if let Some(named) = &mut place.named {
            let base = named.name.clone();
            for more in 2.. {
                if !taken.contains(&named.name) {
                    break;
                }
                named.name = format!("{base}_{more}");
            }
            taken.push(named.name.clone());
            last = Some(named.name.clone());
        }
    }
}

/// The names of the head's places, the same for all templates.
fn head_names(rows: &[Row<'_>], head: &Head) -> Vec<Option<Named>> {
    let members: Vec<usize> = (0..rows.len()).filter(|row| head.has[*row]).collect();
    let Some(first) = members.first().map(|row| &rows[*row]) else { return Vec::new() };
    let mut taken: Vec<String> = Vec::new();
    let mut names = Vec::new();
    for at in 0..head.tokens {
        let varies = members.iter().any(|row| rows[*row].text(at) != first.text(at));
        let kind = Kind::of_all(members.iter().map(|row| rows[*row].text(at)));
        let digits = first.text(at).bytes().any(|byte| byte.is_ascii_digit());
        let (before, after) = (first.gap(at), first.gap(at + 1));
        let mut named = match first.tokens[at].mark {
            Mark::Time => None,
            _ if !(varies || digits || matches!(kind, Kind::Level)) => None,
            _ => head_name(before, after, kind, first.text(at), at).map(|named| beside(named, &taken)),
        };
        if let Some(named) = &mut named {
            if taken.contains(&named.name) {
                named.name = format!("{}_{}", named.name, at + 1);
            }
            taken.push(named.name.clone());
        }
        names.push(named);
    }
    names
}

/// Another name for what comes a second time in a head.
fn beside(named: Named, taken: &[String]) -> Named {
    match named.name.as_str() {
        // Android and many others write the process and its thread.
        "pid" if taken.iter().any(|name| name == "pid") => Named::new("tid", Sure::Guess, "a second number before the message"),
        _ => named,
    }
}

fn head_name(before: &str, after: &str, kind: Kind, value: &str, at: usize) -> Option<Named> {
    let likely = |name: &str, why: &str| Some(Named::new(name, Sure::Likely, why));
    let guess = |name: &str, why: &str| Some(Named::new(name, Sure::Guess, why));
    let bracketed = before.ends_with(['[', '(', '<']);
    let dotted = value.contains('.') && value.starts_with(|c: char| c.is_ascii_alphabetic());
    match kind {
        Kind::Level => likely("level", "its values are levels"),
        Kind::Number if before.ends_with('[') && after.starts_with("]:") => likely("pid", "a number in brackets before a colon"),
        Kind::Number if before.ends_with('@') => likely("line", "a number behind an `@`, as lines of code are given"),
        Kind::Number if bracketed => guess("pid", "a number in brackets"),
        Kind::Number if at < 4 => guess("pid", "a number before the message"),
        Kind::Word | Kind::Host if after.starts_with('[') => likely("program", "it stands before a number in brackets"),
        Kind::Word | Kind::Host if after.starts_with('@') && before.ends_with(':') => {
            likely("component", "it stands before an `@` and a line")
        }
        Kind::Word | Kind::Host if dotted => guess("logger", "it is a name with dots before the message"),
        Kind::Word | Kind::Text if bracketed => guess("thread", "it is a word in brackets before the message"),
        Kind::Word | Kind::Host if after.starts_with(':') => likely("component", "it stands before a colon and the message"),
        Kind::Word | Kind::Host => guess(if at <= 1 { "host_name" } else { "component" }, "it is a word before the message"),
        _ => Some(name_of(Around { before, after, kind, last: None }, at + 1)),
    }
}
