//! `multikv`: the rows of a table that stands in an event's text, as `ps`, `top` or `netstat` print it.

mod layout;

use super::columns_set::text_field;
use super::eval::with_field;
use super::words::quote_field;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::Values;
use crate::exec::{Flow, HIDDEN, Make, Step, Transform, hold};
use crate::language::{Args, QueryError};
use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::error::Result as ExecResult;
use layout::{Header, Line, tables};
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::SEARCH_COLUMNS_MAX;

/// What `multikv` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "multikv",
    aliases: &[],
    syntax: "multikv [copyattrs=<bool>] [rmorig=<bool>] [multitable=<bool>] [forceheader=<line> | noheader=<bool>] [fields <field>...] [filter <word>...]",
    summary: "Makes a row of each line of a table in an event's text, such as that of ps, with fields named by its header.",
    examples: &["sourcetype=ps | multikv | stats max(pctCPU) BY COMMAND", "sourcetype=netstat | multikv fields Proto State filter LISTEN"],
    parse,
};

#[derive(Clone, Debug)]
struct MultiKv {
    copy: bool,
    drop_original: bool,
    many_tables: bool,
    header: Header,
    fields: Vec<String>,
    filter: Vec<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut multi =
        MultiKv { copy: true, drop_original: true, many_tables: true, header: Header::Found, fields: Vec::new(), filter: Vec::new() };
    while !args.at_end() {
        if args.keyword("fields") {
            multi.fields = words(args, "a field name after `fields`")?;
        } else if args.keyword("filter") {
            multi.filter = words(args, "a word after `filter`")?;
        } else if let Some(option) = args.option(&["copyattrs", "rmorig", "multitable", "forceheader", "noheader"])? {
            let value = option.value;
            match option.name.as_str() {
                "copyattrs" => multi.copy = value.boolean("copyattrs")?,
                "rmorig" => multi.drop_original = value.boolean("rmorig")?,
                "multitable" => multi.many_tables = value.boolean("multitable")?,
                "forceheader" => multi.header = Header::Line(value.integer("forceheader", 1)? as usize),
                _ => {
                    if value.boolean("noheader")? {
                        multi.header = Header::None;
                    }
                }
            }
        } else {
            return Err(args.error("expected an option, `fields` or `filter`"));
        }
    }
    Ok(Box::new(multi))
}

/// The words up to the next option or keyword.
fn words(args: &mut Args, what: &str) -> Result<Vec<String>, QueryError> {
    let mut found = Vec::new();
    loop {
        let mut ahead = args.clone();
        let stop = args.at_end() || args.peek_keyword("fields") || args.peek_keyword("filter");
        if stop || (ahead.word(what).is_ok_and(|word| !word.quoted) && ahead.symbol("=")) {
            break;
        }
        found.push(args.word(what)?.text);
        args.symbol(",");
    }
    if found.is_empty() { Err(args.error(format!("expected {what}"))) } else { Ok(found) }
}

impl fmt::Display for MultiKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("multikv")?;
        for (name, on) in [("copyattrs", self.copy), ("rmorig", self.drop_original), ("multitable", self.many_tables)] {
            if !on {
                write!(f, " {name}=false")?;
            }
        }
        match self.header {
            Header::Found => {}
            Header::Line(line) => write!(f, " forceheader={line}")?,
            Header::None => f.write_str(" noheader=true")?,
        }
        for (name, words) in [("fields", &self.fields), ("filter", &self.filter)] {
            if !words.is_empty() {
                let words: Vec<String> = words.iter().map(|word| quote_field(word)).collect();
                write!(f, " {name} {}", words.join(" "))?;
            }
        }
        Ok(())
    }
}

impl Command for MultiKv {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Selecting
    }

    fn required(&self, needed: Required) -> Required {
        needed.with(["_raw"])
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let schema = input.schema();
        let Some(raw) = column_index(&schema, "_raw") else { return Ok(input.into()) };
        let needed = planner.needed.clone();
        let wanted = |name: &str| needed.contains(name) && !name.starts_with(['_', '\u{1}']);
        if !needed.is_open() {
            let names = needed.names.iter().filter(|name| wanted(name)).cloned().collect();
            return Ok(self.continued(input, raw, names).into());
        }
        let (this, planner) = (self.clone(), planner.clone());
        Ok(Planned::Later(Box::pin(async move {
            let wanted = |name: &str| planner.needed.contains(name) && !name.starts_with(['_', '\u{1}']);
            let (mut names, mut left_out): (Vec<String>, bool) = (Vec::new(), false);
            let look = |batch: &RecordBatch| {
                let values = Values::of(batch.column(raw))?;
                for text in (0..batch.num_rows()).filter_map(|row| values.text(row)) {
                    this.lines(&text, &mut |line| {
                        for (name, _) in line.cells.iter().filter(|(name, _)| wanted(name)) {
                            if names.len() + schema.fields().len() >= SEARCH_COLUMNS_MAX {
                                left_out |= !names.contains(name);
                            } else if !names.contains(name) {
                                names.push(name.clone());
                            }
                        }
                    });
                }
                Ok(())
            };
            let held = hold(input, &planner.context, look).await?;
            if left_out {
                planner.messages.truncated(format!(
                    "multikv found more fields than the {SEARCH_COLUMNS_MAX} that a result can show; name those that you want with `fields`"
                ));
            }
            Ok(this.continued(held, raw, names))
        })))
    }
}

impl MultiKv {
    /// The lines of the tables in a text that the filter lets through, with the fields that are asked for.
    fn lines(&self, text: &str, each: &mut dyn FnMut(Line)) {
        tables(text, self.header, self.many_tables, &mut |mut line: Line| {
            let lower = line.text.to_lowercase();
            if !self.filter.is_empty() && !self.filter.iter().any(|word| lower.contains(&word.to_lowercase())) {
                return;
            }
            if !self.fields.is_empty() {
                line.cells.retain(|(name, _)| self.fields.contains(name));
            }
            each(line);
        });
    }

    fn continued(&self, input: Flow, raw: usize, names: Vec<String>) -> Flow {
        let before = input.schema();
        let mut schema = before.clone();
        let mut places = Vec::new();
        for name in names {
            schema = with_field(&schema, text_field(&name, false));
            places.extend(column_index(&schema, &name).map(|at| (name, at)));
        }
        let work = Rows { settings: self.clone(), raw, places, width: before.fields().len(), schema: schema.clone() };
        let work = Arc::new(work);
        let make: Make = Arc::new(move |_| Ok(Box::new(Split(work.clone()))));
        input.map("multikv", schema, make)
    }
}

struct Rows {
    settings: MultiKv,
    raw: usize,
    places: Vec<(String, usize)>,
    width: usize,
    schema: SchemaRef,
}

struct Split(Arc<Rows>);

impl Transform for Split {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let work = self.0.clone();
        // An event at a time: each may be a long table.
        let parts = (0..batch.num_rows()).map(move |row| work.of_event(&batch.slice(row, 1)));
        Ok(Step::Parts(Box::new(parts)))
    }
}

impl Rows {
    fn of_event(&self, event: &RecordBatch) -> ExecResult<RecordBatch> {
        let mut lines = Vec::new();
        let mut has_table = false;
        if let Some(text) = Values::of(event.column(self.raw))?.text(0) {
            tables(&text, self.settings.header, self.settings.many_tables, &mut |_| has_table = true);
            self.settings.lines(&text, &mut |line| lines.push(line));
        }
        // An event without a table stays as it is.
        let original = usize::from(!has_table || !self.settings.drop_original);
        let rows = original + lines.len();
        let all = UInt32Array::from(vec![0; rows]);
        let first_only: UInt32Array = (0..rows).map(|row| (row < original).then_some(0)).collect();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for (at, field) in self.schema.fields().iter().enumerate() {
            let texts = |of_line: &dyn Fn(&Line) -> Option<String>, of_event: Option<String>| -> ArrayRef {
                let lines = lines.iter().map(of_line);
                Arc::new(std::iter::repeat_n(of_event, original).chain(lines).collect::<StringArray>())
            };
            let before = (at < self.width).then(|| event.column(at));
            let kept = |name: &str| self.settings.copy || name == "_time" || name.starts_with(HIDDEN);
            columns.push(if let Some((name, _)) = self.places.iter().find(|(_, place)| *place == at) {
                let old = before.map(Values::of).transpose()?.and_then(|values| values.text(0));
                let cell = |line: &Line| line.cells.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
                texts(&|line| cell(line).or_else(|| old.clone().filter(|_| self.settings.copy)), old.clone())
            } else if at == self.raw && *field.data_type() == DataType::Utf8 {
                texts(&|line| Some(line.text.clone()), Values::of(event.column(at))?.text(0))
            } else {
                match before {
                    Some(column) if kept(field.name()) => take(column, &all, None)?,
                    Some(column) => take(column, &first_only, None)?,
                    None => new_null_array(field.data_type(), rows),
                }
            });
        }
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}
