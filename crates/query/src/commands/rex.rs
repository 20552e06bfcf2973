//! `rex`: fields from a regular expression's named groups, or text replaced as `sed` does.

use super::eval::{with_column, with_field};
use super::regexes::compile;
use super::words::{quote, quote_field};
use super::{Command, CommandInfo, Direct, Kind, Planned, Planner, Required, column_index};
use crate::columns::{Values, list_type, lists};
use crate::exec::{Flow, transform};
use crate::language::{Args, QueryError, Span};
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::error::Result as ExecResult;
use regex::{Captures, Regex};
use std::fmt;
use std::sync::Arc;

/// What `rex` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "rex",
    aliases: &[],
    syntax: "rex [field=<field>] [max_match=<count>] [offset_field=<name>] \"<regular expression with (?<name>...)>\" | rex [field=<field>] mode=sed \"s/<regex>/<text>/g\"",
    summary: "Makes fields of the named groups of a regular expression; where nothing matches, fields stay as they were.",
    examples: &["sshd | rex \"user (?<account>[^ ]+) from (?<src>[0-9.]+)\"", "* | rex field=uri mode=sed \"s/[0-9]+/N/g\""],
    parse,
};

#[derive(Debug)]
struct Rex {
    field: String,
    text: String,
    max_match: usize,
    offset_field: Option<String>,
    sed: Option<Sed>,
    regex: Option<Regex>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut rex = Rex { field: "_raw".into(), text: String::new(), max_match: 1, offset_field: None, sed: None, regex: None };
    let (mut sed, mut place) = (false, None);
    while !args.at_end() {
        // The expression may hold `=`, so what is quoted is never an option.
        if args.remaining().starts_with('"') {
            let word = args.string("a regular expression in double quotes")?;
            rex.text = word.text;
            place = Some(word.span);
        } else if let Some(option) = args.option(&["field", "max_match", "offset_field", "mode"])? {
            match option.name.as_str() {
                "field" => rex.field = option.value.text,
                "max_match" => rex.max_match = option.value.integer("max_match", 0)? as usize,
                "offset_field" => rex.offset_field = Some(option.value.text),
                _ => sed = option.value.one_of("mode", &["sed"])? == "sed",
            }
        } else {
            return Err(args.error("expected a regular expression in double quotes"));
        }
    }
    let Some(place) = place else { return Err(args.error("expected a regular expression in double quotes")) };
    if sed {
        rex.sed = Some(Sed::parse(&rex.text, place)?);
    } else {
        let regex = compile(&rex.text, false, place)?;
        if regex.capture_names().flatten().next().is_none() {
            let error = QueryError::at(place, "the regular expression has no named group, so it would make no field");
            return Err(error.with_hint("name what you want: (?<user>[^ ]+)"));
        }
        rex.regex = Some(regex);
    }
    Ok(Box::new(rex))
}

impl fmt::Display for Rex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rex field={}", quote_field(&self.field))?;
        if self.max_match != 1 {
            write!(f, " max_match={}", self.max_match)?;
        }
        if let Some(offset) = &self.offset_field {
            write!(f, " offset_field={}", quote_field(offset))?;
        }
        if self.sed.is_some() {
            f.write_str(" mode=sed")?;
        }
        write!(f, " {}", quote(&self.text))
    }
}

impl Rex {
    fn outputs(&self) -> Vec<String> {
        let names = self.regex.iter().flat_map(|regex| regex.capture_names().flatten().map(str::to_owned));
        names.chain(self.offset_field.clone()).collect()
    }
}

impl Command for Rex {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        // What a group makes is not taken away: where nothing matches, the field stays as it was.
        needed.with([self.field.clone()])
    }

    fn direct(&self, input: &Arc<dyn Direct>) -> Option<Arc<dyn Direct>> {
        let plain = self.field == "_raw" && self.max_match == 1 && self.offset_field.is_none();
        self.regex.as_ref().filter(|_| plain).and_then(|regex| input.with_groups(regex))
    }

    fn plan(&self, input: Flow, _: &Planner) -> Result<Planned, QueryError> {
        let mut schema = input.schema();
        let Some(source) = column_index(&schema, &self.field) else {
            // A field that is nowhere matches nothing.
            return Ok(input.into());
        };
        if let Some(sed) = self.sed.clone() {
            schema = with_field(&schema, Field::new(&self.field, list_or_text(schema.field(source)), true));
            let (name, made) = (self.field.clone(), schema.clone());
            let work = transform(move |batch: RecordBatch| {
                let column = sed.column(batch.column(source))?;
                Ok(with_column(&batch, &made, &name, column)?)
            });
            return Ok(input.map("rex", schema, work).into());
        }
        let Some(regex) = self.regex.clone() else { return Ok(input.into()) };
        let many = self.max_match != 1;
        let mut targets = Vec::new();
        for name in self.outputs() {
            let before = column_index(&schema, &name).map(|at| schema.field(at).data_type().clone());
            let list = many || matches!(before, Some(DataType::List(_)));
            schema = with_field(&schema, Field::new(&name, if list { list_type() } else { DataType::Utf8 }, true));
            targets.push((name, list));
        }
        let work = Extract { regex, source, limit: self.max_match, targets, offsets: self.offset_field.clone(), schema: schema.clone() };
        Ok(input.map("rex", schema, transform(move |batch| work.apply(batch))).into())
    }
}

fn list_or_text(field: &Field) -> DataType {
    if matches!(field.data_type(), DataType::List(_)) { list_type() } else { DataType::Utf8 }
}

struct Extract {
    regex: Regex,
    source: usize,
    limit: usize,
    targets: Vec<(String, bool)>,
    offsets: Option<String>,
    schema: SchemaRef,
}

impl Extract {
    fn apply(&self, mut batch: RecordBatch) -> ExecResult<RecordBatch> {
        let values = Values::of(batch.column(self.source))?;
        let rows = batch.num_rows();
        let mut found: Vec<Vec<Vec<String>>> = vec![vec![Vec::new(); rows]; self.targets.len()];
        let limit = if self.limit == 0 { usize::MAX } else { self.limit };
        let keep_offsets = self.offsets.is_some();
        for row in 0..rows {
            let mut left = limit;
            values.each(row, |cell| {
                let text = cell.text();
                for captures in self.regex.captures_iter(&text).take(left) {
                    left -= 1;
                    self.take(&captures, row, keep_offsets, &mut found);
                }
            });
        }
        for ((name, list), rows) in self.targets.iter().zip(found) {
            let before = column_index(&batch.schema(), name).map(|at| Values::of(batch.column(at))).transpose()?;
            let column = column_of(&rows, *list, before.as_ref());
            // The schema grows column by column up to the one planned.
            let kind = column.data_type().clone();
            let schema = with_field(&batch.schema(), Field::new(name, kind, true));
            batch = with_column(&batch, &schema, name, column)?;
        }
        Ok(RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec())?)
    }

    fn take(&self, captures: &Captures<'_>, row: usize, keep_offsets: bool, found: &mut [Vec<Vec<String>>]) {
        let mut offsets = Vec::new();
        for (at, (name, _)) in self.targets.iter().enumerate() {
            if let Some(group) = captures.name(name) {
                found[at][row].push(group.as_str().to_owned());
                if keep_offsets && !group.is_empty() {
                    offsets.push(format!("{name}={}-{}", group.start(), group.end() - 1));
                }
            }
        }
        if keep_offsets && let Some(last) = found.last_mut() {
            last[row].push(offsets.join("&"));
        }
    }
}

/// The values found; where there are none, those of before.
fn column_of(rows: &[Vec<String>], list: bool, before: Option<&Values>) -> ArrayRef {
    let old = |row: usize| before.map(|values| values.list(row)).unwrap_or_default();
    let filled: Vec<Vec<String>> =
        rows.iter().enumerate().map(|(row, values)| if values.is_empty() { old(row) } else { values.clone() }).collect();
    if list {
        return lists(filled.iter().map(|values| Some(values.as_slice())));
    }
    Arc::new(filled.into_iter().map(|values| values.into_iter().next()).collect::<StringArray>())
}

/// A replacement as `sed` writes it: `s/regex/text/flags` or `y/abc/xyz/`.
#[derive(Clone, Debug)]
enum Sed {
    Replace { regex: Regex, text: String, all: bool, which: usize },
    Characters(Vec<(char, char)>),
}

impl Sed {
    fn parse(text: &str, place: Span) -> Result<Self, QueryError> {
        let wrong = |message: &str| QueryError::at(place, message.to_owned()).with_hint("write s/regex/text/g or y/abc/xyz/");
        let mut chars = text.chars();
        let (Some(kind), Some(mark)) = (chars.next(), chars.next()) else { return Err(wrong("the sed expression is too short")) };
        let mut parts = vec![String::new()];
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some(next) if next == mark => parts.last_mut().expect("never empty").push(mark),
                    Some(next) => parts.last_mut().expect("never empty").extend(['\\', next]),
                    None => parts.last_mut().expect("never empty").push('\\'),
                },
                c if c == mark => parts.push(String::new()),
                c => parts.last_mut().expect("never empty").push(c),
            }
        }
        let [from, to, flags] = &parts[..] else { return Err(wrong("a sed expression has three marks")) };
        match kind {
            's' => {
                let digits: String = flags.chars().filter(char::is_ascii_digit).collect();
                if let Some(odd) = flags.chars().find(|c| !c.is_ascii_digit() && !matches!(c, 'g' | 'i' | 'I')) {
                    return Err(wrong(&format!("sed knows no flag {odd:?}")));
                }
                let regex = compile(from, flags.contains(['i', 'I']), place)?;
                let which = digits.parse().unwrap_or(1).max(1);
                Ok(Self::Replace { regex, text: to.clone(), all: flags.contains('g'), which })
            }
            'y' if from.chars().count() == to.chars().count() => Ok(Self::Characters(from.chars().zip(to.chars()).collect())),
            'y' => Err(wrong("y/// needs as many characters on both sides")),
            _ => Err(wrong("a sed expression begins with s or y")),
        }
    }

    fn apply(&self, text: &str) -> String {
        match self {
            Self::Characters(pairs) => {
                let change = |c| pairs.iter().find(|(from, _)| *from == c).map_or(c, |(_, to)| *to);
                text.chars().map(change).collect()
            }
            Self::Replace { regex, text: replacement, all, which } => {
                let mut seen = 0;
                let replace = |captures: &Captures<'_>| {
                    seen += 1;
                    if seen == *which || (*all && seen > *which) { expand(replacement, captures) } else { captures[0].to_owned() }
                };
                regex.replace_all(text, replace).into_owned()
            }
        }
    }

    fn column(&self, column: &ArrayRef) -> ExecResult<ArrayRef> {
        let values = Values::of(column)?;
        let changed = (0..column.len()).map(|row| values.list(row).iter().map(|text| self.apply(text)).collect::<Vec<_>>());
        if matches!(column.data_type(), DataType::List(_)) {
            let changed: Vec<Vec<String>> = changed.collect();
            return Ok(lists(changed.iter().map(|row| Some(row.as_slice()))));
        }
        Ok(Arc::new(changed.map(|row| row.into_iter().next()).collect::<StringArray>()))
    }
}

/// The replacement's text with `\1` and so on replaced by the groups, and `\n`, `\t` by what they stand for.
fn expand(text: &str, captures: &Captures<'_>) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some(digit) if digit.is_ascii_digit() => {
                let group = captures.get(digit.to_digit(10).unwrap_or(0) as usize);
                out.push_str(group.map_or("", |group| group.as_str()));
            }
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    out
}
