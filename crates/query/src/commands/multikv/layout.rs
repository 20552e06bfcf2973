//! Tables in text: where the header is, where columns begin and end. Nothing here knows rows of a search.

use taffrail_base::limits::EVENT_FIELDS_MAX;

/// Where the names of columns come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The last line of words before the first line with numbers.
    Found,
    /// The line of this number, counted from 1.
    Line(usize),
    /// Nowhere: columns are numbered.
    None,
}

/// A line of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line itself.
    pub text: String,
    /// Names of columns and what stands in them.
    pub cells: Vec<(String, String)>,
}

/// A column: its name and where it stands, in characters.
#[derive(Debug)]
struct Column {
    name: String,
    start: usize,
    end: usize,
}

/// Gives the lines of the tables in a text. With `many`, a blank line ends a table and another may follow.
pub fn tables(text: &str, header: Header, many: bool, each: &mut dyn FnMut(Line)) {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    if let Header::Line(number) = header {
        let filled = |line: &&str| !line.is_empty();
        let rows: Vec<&str> = lines.iter().skip(number).copied().filter(filled).collect();
        if let Some(head) = lines.get(number - 1) {
            table(Some(head), &rows, each);
        }
        return;
    }
    let blocks: Vec<Vec<&str>> = match many {
        true => lines.split(|line| line.is_empty()).map(<[&str]>::to_vec).collect(),
        false => vec![lines.into_iter().filter(|line| !line.is_empty()).collect()],
    };
    for block in blocks.iter().filter(|block| !block.is_empty()) {
        if header == Header::None {
            table(None, block, each);
            continue;
        }
        let is_words = |line: &&str| line.split_whitespace().nth(1).is_some() && !line.split_whitespace().any(is_number);
        let first_data = block.iter().position(|line| line.split_whitespace().any(is_number)).unwrap_or(block.len());
        let head = match first_data {
            // Words only: the first line names them.
            all if all == block.len() => block.iter().position(is_words),
            data => block[..data].iter().rposition(is_words),
        };
        if let Some(head) = head {
            table(Some(block[head]), &block[head + 1..], each);
        }
    }
}

/// Whether a word begins as a number does.
fn is_number(word: &str) -> bool {
    word.trim_start_matches(['-', '+', '(', '[', '.']).starts_with(|c: char| c.is_ascii_digit())
}

fn table(head: Option<&str>, rows: &[&str], each: &mut dyn FnMut(Line)) {
    let columns = match head {
        Some(head) => columns(head, rows),
        None => {
            let count = rows.iter().map(|row| row.split_whitespace().count()).max().unwrap_or(0).min(EVENT_FIELDS_MAX);
            (1..=count).map(|number| Column { name: format!("Column_{number}"), start: 0, end: 0 }).collect()
        }
    };
    for row in rows {
        let words: Vec<&str> = row.split_whitespace().collect();
        let cells = if words.len() < columns.len() && head.is_some() { by_place(row, &columns) } else { in_order(row, &words, &columns) };
        each(Line { text: (*row).to_owned(), cells });
    }
}

/// The columns that a header names. Where rows have fewer words than it, two of its words with one blank between them
/// are one name if all rows have something in that place, such as `Local Address`.
fn columns(head: &str, rows: &[&str]) -> Vec<Column> {
    let mut found: Vec<Column> = Vec::new();
    let words = head.split_whitespace().count();
    let fewer = rows.iter().any(|row| row.split_whitespace().nth(words.saturating_sub(1)).is_none());
    let places: Vec<char> = head.chars().collect();
    let mut at = 0;
    while at < places.len() && found.len() < EVENT_FIELDS_MAX {
        if places[at].is_whitespace() {
            at += 1;
            continue;
        }
        let start = at;
        while at < places.len() && !places[at].is_whitespace() {
            at += 1;
        }
        let name: String = places[start..at].iter().collect();
        let crossed = |row: &&str| row.chars().nth(start.wrapping_sub(1)).is_some_and(|c| !c.is_whitespace());
        match found.last_mut() {
            Some(before) if fewer && before.end + 1 == start && rows.iter().all(crossed) => {
                before.name = format!("{} {name}", before.name);
                before.end = at;
            }
            _ => found.push(Column { name, start, end: at }),
        }
    }
    let mut names: Vec<String> = Vec::new();
    for (number, column) in found.iter_mut().enumerate() {
        let mut name = cleaned(&column.name);
        if name.is_empty() || names.contains(&name) {
            name = format!("Column_{}", number + 1);
        }
        names.push(name.clone());
        column.name = name;
    }
    found
}

/// A name of letters, digits and `_`; `%` is `pct`.
fn cleaned(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '%' => out.push_str("pct"),
            c if c.is_alphanumeric() => out.push(c),
            _ => out.push('_'),
        }
    }
    out.trim_matches('_').to_owned()
}

/// A word for each column, what is left for the last.
fn in_order(row: &str, words: &[&str], columns: &[Column]) -> Vec<(String, String)> {
    let mut cells = Vec::new();
    let mut rest = row.trim_start();
    for (at, column) in columns.iter().enumerate() {
        let Some(word) = words.get(at) else { break };
        if at + 1 == columns.len() {
            cells.push((column.name.clone(), rest.trim_end().to_owned()));
        } else {
            cells.push((column.name.clone(), (*word).to_owned()));
            rest = rest[word.len()..].trim_start();
        }
    }
    cells
}

/// Each word in the column under whose name it stands, or that is nearest: some cells of the row are empty.
fn by_place(row: &str, columns: &[Column]) -> Vec<(String, String)> {
    let mut cells: Vec<Vec<String>> = vec![Vec::new(); columns.len()];
    let places: Vec<char> = row.chars().collect();
    let mut at = 0;
    while at < places.len() {
        if places[at].is_whitespace() {
            at += 1;
            continue;
        }
        let start = at;
        while at < places.len() && !places[at].is_whitespace() {
            at += 1;
        }
        // How far the word is from the column; below zero where they overlap.
        let gap = |column: &Column| column.start.max(start) as i64 - column.end.min(at) as i64;
        if let Some((nearest, _)) = columns.iter().enumerate().min_by_key(|(_, column)| gap(column)) {
            cells[nearest].push(places[start..at].iter().collect());
        }
    }
    columns.iter().zip(cells).filter(|(_, words)| !words.is_empty()).map(|(column, words)| (column.name.clone(), words.join(" "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, header: Header) -> Vec<String> {
        let mut out = Vec::new();
        tables(text, header, true, &mut |line| {
            out.push(line.cells.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "));
        });
        out
    }

    #[test]
    fn ps_and_top() {
        let ps = "  PID TTY          TIME CMD\n 1234 pts/0    00:00:00 bash\n 1300 pts/0    00:00:01 ps -ef now\n";
        assert_eq!(
            shown(ps, Header::Found),
            ["PID=1234 TTY=pts/0 TIME=00:00:00 CMD=bash", "PID=1300 TTY=pts/0 TIME=00:00:01 CMD=ps -ef now"]
        );
        let top = "top - 12:00:00 up 10 days\nTasks: 200 total\n\n  PID USER     %CPU COMMAND\n    1 root      0.3 init\n";
        assert_eq!(shown(top, Header::Found), ["PID=1 USER=root pctCPU=0.3 COMMAND=init"]);
    }

    #[test]
    fn names_of_two_words_and_empty_cells() {
        let netstat = "Active Internet connections (w/o servers)\n\
            Proto Recv-Q Send-Q Local Address           Foreign Address         State\n\
            tcp        0      0 10.0.0.1:22             10.0.0.9:5123           ESTABLISHED\n\
            udp        0      0 0.0.0.0:68              0.0.0.0:*\n";
        assert_eq!(
            shown(netstat, Header::Found),
            [
                "Proto=tcp Recv_Q=0 Send_Q=0 Local_Address=10.0.0.1:22 Foreign_Address=10.0.0.9:5123 State=ESTABLISHED",
                "Proto=udp Recv_Q=0 Send_Q=0 Local_Address=0.0.0.0:68 Foreign_Address=0.0.0.0:*",
            ]
        );
    }

    #[test]
    fn headers_told_and_none() {
        assert_eq!(shown("junk\nA B\n1 2\n\n3 4", Header::Line(2)), ["A=1 B=2", "A=3 B=4"]);
        assert_eq!(shown("a 1\nb 2 3", Header::None), ["Column_1=a Column_2=1", "Column_1=b Column_2=2 Column_3=3"]);
        assert_eq!(shown("A A ?\n1 2 3", Header::Found), ["A=1 Column_2=2 Column_3=3"]);
        assert_eq!(shown("name size\nü     klein", Header::Found), ["name=ü size=klein"]);
        assert!(shown("", Header::Found).is_empty() && shown("one", Header::Found).is_empty() && shown("x y", Header::Line(9)).is_empty());
    }
}
