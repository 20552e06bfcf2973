//! Lines whose layout says where a value ends: columns with a delimiter, pairs, fixed positions.

use super::kind::Kind;
use super::name::cleaned;

/// Columns with a delimiter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Columns {
    pub delimiter: char,
    pub count: usize,
    /// The names that a head gives, as it spells them.
    pub header: Option<Vec<String>>,
    /// What the lines begin with that have no columns.
    pub comment: String,
    /// The lines that have none: comments and the head.
    pub apart: Vec<bool>,
}

/// The cells of a line, by the rules of `keys = "columns"`.
pub(super) fn cells(line: &str, delimiter: char) -> Vec<String> {
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        if let Some(inside) = rest.strip_prefix('"')
            && let Some((cell, behind)) = quoted_cell(inside)
            && (behind.is_empty() || behind.starts_with(delimiter))
        {
            cells.push(cell);
            match behind.strip_prefix(delimiter) {
                Some(behind) => rest = behind,
                None => return cells,
            }
            continue;
        }
        match rest.split_once(delimiter) {
            Some((cell, behind)) => {
                cells.push(cell.trim().to_owned());
                rest = behind;
            }
            None => {
                cells.push(rest.trim().to_owned());
                return cells;
            }
        }
    }
}

fn quoted_cell(inside: &str) -> Option<(String, &str)> {
    let mut from = 0;
    loop {
        let at = from + inside[from..].find('"')?;
        if !inside[at + 1..].starts_with('"') {
            return Some((inside[..at].replace("\"\"", "\""), &inside[at + 1..]));
        }
        from = at + 2;
    }
}

/// Whether a text may be the name of a column.
fn is_name(cell: &str) -> bool {
    cell.len() <= 48
        && cell.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && cell.chars().all(|c| c.is_ascii_alphanumeric() || " _-.()/%#".contains(c))
        && cell.split_whitespace().count() <= 4
}

/// The columns of lines, if nearly all have as many.
pub(super) fn columns(lines: &[&str]) -> Option<Columns> {
    let with = |delimiter: char| {
        let found = of_delimiter(lines, delimiter)?;
        Some((found.count * usize::from(found.header.is_some()) + found.count, found))
    };
    let all = ['\t', '|', ';', ','].into_iter().filter_map(with);
    all.max_by_key(|(worth, _)| *worth).map(|(_, columns)| columns)
}

fn of_delimiter(lines: &[&str], delimiter: char) -> Option<Columns> {
    let comment: Vec<bool> = lines.iter().map(|line| line.starts_with('#')).collect();
    let rows: Vec<Vec<String>> = lines.iter().map(|line| cells(line, delimiter)).collect();
    let body = || rows.iter().zip(&comment).filter(|(_, comment)| !**comment).map(|(row, _)| row);
    let all = body().count();
    let least = if delimiter == ',' { 4 } else { 3 };
    let mut counts: Vec<usize> = body().map(Vec::len).collect();
    counts.sort_unstable();
    let count = *counts.get(counts.len() / 2)?;
    let same = counts.iter().filter(|other| **other == count).count();
    if all < 2 || count < least || same * 10 < all * 9 {
        return None;
    }
    let fit: Vec<&Vec<String>> = body().filter(|row| row.len() == count).collect();
    let cells_of = || fit.iter().flat_map(|row| row.iter()).filter(|cell| !cell.is_empty());
    let pairs = cells_of().filter(|cell| cell.split_once('=').is_some_and(|(name, _)| is_name(name))).count();
    let prose = cells_of().filter(|cell| cell.split_whitespace().count() > 4).count();
    let filled = cells_of().count().max(1);
    // Cells that are pairs are pairs, and commas between long texts are those of sentences.
    if pairs * 2 > filled || (matches!(delimiter, ',' | ';') && prose * 3 > filled) || (delimiter == ',' && prose * 8 > filled) {
        return None;
    }
    let telling = (0..count).any(|column| !matches!(Kind::of_all(fit.iter().map(|row| row[column].as_str())), Kind::Word | Kind::Text));
    if matches!(delimiter, ',' | ';') && !telling {
        return None;
    }
    let (header, head_line) = header(lines, &rows, &comment, count, delimiter);
    let mut apart = comment.clone();
    let mut text = if comment.iter().any(|comment| *comment) { "#".to_owned() } else { String::new() };
    if let Some(line) = head_line {
        apart[line] = true;
        if !comment[line] && text.is_empty() {
            text = head_of(lines[line], delimiter);
        }
    }
    for (at, row) in rows.iter().enumerate() {
        apart[at] |= header.as_ref().is_some_and(|header| row == header);
    }
    Some(Columns { delimiter, count, header, comment: text, apart })
}

/// What the head begins with, and no other line.
fn head_of(line: &str, delimiter: char) -> String {
    let at = line.match_indices(delimiter).nth(1).map_or(line.len(), |(at, _)| at);
    line[..at].to_owned()
}

/// The names of the columns: those of a comment, or of a first line that looks like names where the others do not.
fn header(lines: &[&str], rows: &[Vec<String>], comment: &[bool], count: usize, delimiter: char) -> (Option<Vec<String>>, Option<usize>) {
    for (at, line) in lines.iter().enumerate().filter(|(at, _)| comment[*at]) {
        let text = line.trim_start_matches('#').trim_start();
        let text = text.strip_prefix("Fields:").or_else(|| text.strip_prefix("fields:")).unwrap_or(text);
        let named = cells(text.trim_start_matches([' ', delimiter]), delimiter);
        if named.len() == count && named.iter().all(|name| is_name(name)) {
            return (Some(named), Some(at));
        }
    }
    let Some(first) = rows.iter().position(|row| !row.iter().all(String::is_empty)).filter(|at| !comment[*at]) else { return (None, None) };
    let names = &rows[first];
    let body: Vec<&Vec<String>> =
        rows.iter().zip(comment).skip(first + 1).filter(|(row, comment)| !**comment && row.len() == count).map(|(row, _)| row).collect();
    let mut known = names.clone();
    known.sort_unstable();
    known.dedup();
    let plausible = names.len() == count && known.len() == count && names.iter().all(|name| is_name(name));
    let telling = |column: usize| {
        let kind = Kind::of_all(body.iter().map(|row| row[column].as_str()));
        Kind::of(&names[column]) != kind && !matches!(kind, Kind::Word | Kind::Text)
    };
    let unseen = |column: usize| !body.iter().any(|row| row[column] == names[column]);
    if plausible && !body.is_empty() && (0..count).any(telling) && (0..count).all(unseen) {
        return (Some(names.clone()), Some(first));
    }
    (None, None)
}

/// Pairs with other characters between them than those that are read without a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pairs {
    pub equals: char,
    pub between: char,
}

/// How messages are made of `name: value` pairs, if nearly all are.
pub(super) fn pairs(messages: &[&str]) -> Option<Pairs> {
    let fits = |pairs: Pairs| {
        let good = messages.iter().filter(|message| {
            let cells: Vec<&str> = message.split(pairs.between).filter(|cell| !cell.trim().is_empty()).collect();
            let named = cells
                .iter()
                .filter(|cell| cell.split_once(pairs.equals).is_some_and(|(name, value)| is_key(name) && !value.trim().is_empty()));
            cells.len() >= 2 && named.count() == cells.len()
        });
        messages.len() >= 2 && good.count() * 10 >= messages.len() * 8
    };
    let blanks = |pairs: Pairs| {
        let values =
            messages.iter().flat_map(|message| message.split(pairs.between)).filter_map(|cell| Some(cell.split_once(pairs.equals)?.1));
        values.clone().filter(|value| value.trim().contains(' ') && !value.trim().starts_with(['"', '\''])).count() > 0
    };
    let all = [';', ',', '|', '\t'].into_iter().flat_map(|between| [':', '='].into_iter().map(move |equals| Pairs { equals, between }));
    // `a=b, c=d` needs no format, unless values have blanks.
    all.filter(|pairs| fits(*pairs)).find(|pairs| pairs.equals == ':' || blanks(*pairs))
}

pub(super) fn is_key(text: &str) -> bool {
    let text = text.trim().trim_matches('"');
    text.len() <= 40
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " _-.".contains(c))
        && text.split_whitespace().count() <= 3
}

/// A column at a fixed position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// The first byte, and that of the next column.
    pub start: usize,
    pub end: Option<usize>,
    /// Whether values stand at its end.
    pub right: bool,
    /// What a head says above it.
    pub header: Option<String>,
}

/// Bytes of a line that are looked at for columns.
const WIDTH_MAX: usize = 512;

/// The columns of lines that stand at fixed positions: blanks above each other, and cells padded with blanks.
pub(super) fn positions(lines: &[&str]) -> Option<(Vec<Column>, bool)> {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).filter(|line| !line.is_empty()).collect();
    if lines.len() < 5 || !lines.iter().all(|line| line.is_ascii()) {
        return None;
    }
    let width = lines.iter().map(|line| line.len()).max()?.min(WIDTH_MAX);
    let is_blank = |line: &str, at: usize| line.as_bytes().get(at).is_none_or(|byte| *byte == b' ');
    // A line in fifty may be cut off or say something else.
    let blank: Vec<bool> =
        (0..width).map(|at| lines.iter().filter(|line| !is_blank(line, at)).count() * 50 <= lines.len().min(49)).collect();
    let starts: Vec<usize> = (0..width).filter(|at| !blank[*at] && (*at == 0 || blank[*at - 1])).collect();
    if starts.len() < 4 || starts[0] != 0 {
        return None;
    }
    // What is behind the last column's beginning is free text: with much of it the columns are only a head.
    let last = *starts.last()?;
    let mut lengths: Vec<usize> = lines.iter().map(|line| line.len()).collect();
    lengths.sort_unstable();
    if last * 2 < lengths[lengths.len() / 2] {
        return None;
    }
    // Where cells are padded there are two blanks before the next, not only behind a level.
    let padded = |start: &&usize| lines.iter().filter(|line| line.get(**start - 2..**start) == Some("  ")).count() * 10 >= lines.len();
    let padded = starts.iter().filter(|start| **start > 1).filter(padded).count();
    // Words behind two blanks begin or end where columns do.
    let (mut aligned, mut all) = (0, 0);
    for line in &lines {
        for (at, _) in line.match_indices("  ").filter(|(at, _)| !is_blank(line, at + 2)) {
            let end = line[at + 2..].find("  ").map_or(line.len(), |found| at + 2 + found);
            all += 1;
            aligned += usize::from(starts.contains(&(at + 2)) || blank.get(end).is_none_or(|blank| *blank));
        }
    }
    if padded < 2 || padded * 2 < starts.len() - 1 || aligned * 10 < all * 9 {
        return None;
    }
    let starts = joined(&lines, starts);
    let mut columns: Vec<Column> = starts
        .iter()
        .enumerate()
        .map(|(at, start)| {
            let end = starts.get(at + 1).copied();
            let text = (*start..end.unwrap_or(width)).rev().find(|at| !blank[*at]).unwrap_or(*start) + 1;
            let filled =
                lines.iter().skip(1).filter(|line| line.get(*start..text.min(line.len())).is_some_and(|cell| !cell.trim().is_empty()));
            let left = filled.clone().filter(|line| !is_blank(line, *start)).count();
            let right = filled.clone().filter(|line| !is_blank(line, text - 1)).count();
            Column { start: *start, end, right: end.is_some() && right > left, header: None }
        })
        .collect();
    let head = lines[0];
    let names: Vec<&str> = columns.iter().map(|column| cell_at(head, column)).collect();
    let kinds = |column: &Column| Kind::of_all(lines.iter().skip(1).map(|line| cell_at(line, column)));
    let has_head = names.iter().all(|name| is_name(name)) && columns.iter().any(|column| !matches!(kinds(column), Kind::Word | Kind::Text));
    if has_head {
        for (column, name) in columns.iter_mut().zip(names) {
            column.header = Some(name.to_owned());
        }
    }
    Some((columns, has_head))
}

/// Columns without those that go on with the words of the one before, or with its time.
fn joined(lines: &[&str], starts: Vec<usize>) -> Vec<usize> {
    let byte = |line: &str, at: usize| line.as_bytes().get(at).copied().unwrap_or(b' ');
    let mut kept: Vec<usize> = Vec::new();
    for (number, start) in starts.iter().copied().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(usize::MAX);
        let filled: Vec<&&str> =
            lines.iter().filter(|line| line.get(start..end.min(line.len())).is_some_and(|cell| !cell.trim().is_empty())).collect();
        // Only where the words before go up to it, and not always there.
        let goes_on = start > 1 && filled.iter().all(|line| byte(line, start) != b' ' && byte(line, start - 2) != b' ');
        let of_time = kept.last().is_some_and(|before| {
            let spans = |line: &&&&str| {
                taffrail_pattern::split::time::len_at(&line.as_bytes()[(*before).min(line.len())..])
                    .is_some_and(|length| before + length > start)
            };
            !filled.is_empty() && filled.iter().filter(spans).count() * 10 >= filled.len() * 9
        });
        if number == 0 || !(of_time || (goes_on && filled.len() * 10 < lines.len() * 9)) {
            kept.push(start);
        }
    }
    kept
}

/// What stands at a column.
pub(super) fn cell_at<'l>(line: &'l str, column: &Column) -> &'l str {
    let end = column.end.unwrap_or(line.len()).min(line.len());
    line.get(column.start.min(end)..end).unwrap_or_default().trim()
}

/// The expression of a column.
pub(super) fn expression(column: &Column, name: &str) -> String {
    let before = if column.start == 0 { "^".to_owned() } else { format!("^.{{{}}}", column.start) };
    match column.end {
        None => format!("{before}(?<{name}>[^ ](?:.*[^ ])?)"),
        Some(end) if column.right => {
            let width = end - column.start;
            format!("{before} {{0,{}}}(?<{name}>[^ ]+)(?: |$)", width.saturating_sub(1))
        }
        Some(end) => {
            let width = end - column.start;
            format!("{before}(?<{name}>[^ ](?:.{{0,{}}}[^ ])?)", width.saturating_sub(2))
        }
    }
}

/// Names for cells that a head names, none twice.
pub(super) fn header_names(header: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for cell in header {
        let base = cleaned(cell);
        let mut name = base.clone();
        for more in 2.. {
            if !names.contains(&name) {
                break;
            }
            name = format!("{base}_{more}");
        }
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_with_and_without_a_head() {
        let lines = ["time|user|from|bytes", "2026-11-21 21:14:03|bob|10.1.2.3|77", "2026-11-21 21:14:04|eve||5"];
        let found = columns(&lines).expect("columns");
        assert_eq!((found.delimiter, found.count, found.comment.as_str()), ('|', 4, "time|user"));
        assert_eq!(found.header.as_deref(), Some(&["time", "user", "from", "bytes"].map(str::to_owned)[..]));
        assert_eq!(found.apart, [true, false, false]);
        let found = columns(&["1;a;10.1.2.3", "2;b;10.1.2.4", "3;c;10.1.2.5"]).expect("columns");
        assert_eq!((found.delimiter, found.header), (';', None));
        let found = columns(&["# id\tname\tsize", "1\ta\t7", "2\tb\t8"]).expect("columns");
        assert_eq!((found.comment.as_str(), found.header.map(|header| header.join(","))), ("#", Some("id,name,size".to_owned())));
        assert_eq!(columns(&["a=1|b=2|c=3", "a=1|b=2|c=3"]), None);
        assert_eq!(columns(&["Well, he said, that is, of course, true", "No, she said, it is, of course, not"]), None);
        assert_eq!(cells("a,\"b, \"\"c\"\"\",d", ','), ["a", "b, \"c\"", "d"]);
    }

    #[test]
    fn pairs_that_need_a_format() {
        let found = pairs(&["User: bob; Reason: bad password; Host: web1", "User: eve; Reason: none; Host: web2"]);
        assert_eq!(found, Some(Pairs { equals: ':', between: ';' }));
        assert_eq!(pairs(&["a=1, b=2", "a=1, b=3"]), None);
        assert_eq!(pairs(&["name=a b, role=c d", "name=e f, role=g"]), Some(Pairs { equals: '=', between: ',' }));
        assert_eq!(pairs(&["it went wrong: too bad", "so: what"]), None);
    }

    #[test]
    fn fixed_positions() {
        let lines = [
            "USER         PID  COMMAND   STATE",
            "root           1  init      running",
            "bob        23077  bash      sleeping",
            "postgres     812  postgres  running",
            "www-data     813  nginx     idle",
            "www-data     900            gone",
        ];
        let (columns, head) = positions(&lines).expect("columns");
        assert!(head);
        let shown: Vec<(usize, bool, &str)> =
            columns.iter().map(|column| (column.start, column.right, column.header.as_deref().unwrap_or_default())).collect();
        assert_eq!(shown, [(0, false, "USER"), (11, true, "PID"), (18, false, "COMMAND"), (28, false, "STATE")]);
        assert_eq!(positions(&["a b", "c d", "e f", "g h", "i j"]), None);
    }
}
