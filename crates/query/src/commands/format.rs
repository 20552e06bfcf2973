//! `format`: the rows as the text of a search; what a search in brackets stands for.

use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::columns::{Values, parse_number};
use crate::exec::combine::first_of;
use crate::exec::{Flow, Make, Step, Transform};
use crate::language::lexer::{self, quoted};
use crate::language::{Args, QueryError};
use crate::pipeline::Query;
use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result as ExecResult;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use futures::StreamExt;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::{SUBSEARCH_BYTES_MAX, SUBSEARCH_ROWS_MAX, SUBSEARCH_SECONDS_MAX};

/// What `format` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "format",
    aliases: &[],
    syntax: "format [mvsep=<text>] [maxresults=<count>] [quote=<bool>] [emptystr=<text>] [<row begin> <column begin> <column separator> <column end> <row separator> <row end>]",
    summary: "Makes one row of all rows: its field `search` is the text of a search for their values. A search in brackets ends with it by itself.",
    examples: &[
        "error | stats count BY host | fields host | format",
        "* | head 3 | fields host, source | format \"(\" \"[\" \"&&\" \"]\" \"||\" \")\"",
    ],
    parse,
};

/// How rows become the text of a search.
#[derive(Clone, Debug, PartialEq)]
pub enum Wording {
    /// `( ( a="1" AND b="2" ) OR ( a="3" ) )`
    Format(Format),
    /// `(a="1") OR (a="3")`, of the first rows.
    Return(super::r#return::Return),
}

/// The options of `format`.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    mvsep: String,
    /// `None` where nothing is said.
    maxresults: Option<usize>,
    quote: bool,
    empty: String,
    /// Row begin, column begin, column separator, column end, row separator, row end.
    signs: [String; 6],
}

impl Default for Format {
    fn default() -> Self {
        let signs = DEFAULT_SIGNS.map(str::to_owned);
        Self { mvsep: "OR".to_owned(), maxresults: None, quote: true, empty: "NOT ()".to_owned(), signs }
    }
}

const DEFAULT_SIGNS: [&str; 6] = ["(", "(", "AND", ")", "OR", ")"];

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut format = Format::default();
    let mut signs = Vec::new();
    while !args.at_end() {
        if let Some(option) = args.option(&["mvsep", "maxresults", "quote", "emptystr"])? {
            match option.name.as_str() {
                "mvsep" => format.mvsep = option.value.text,
                "maxresults" => format.maxresults = Some(option.value.integer("maxresults", 0)? as usize),
                "quote" => format.quote = option.value.boolean("quote")?,
                _ => format.empty = option.value.text,
            }
        } else {
            signs.push(args.string("a sign in double quotes")?.text);
        }
    }
    match <[String; 6]>::try_from(signs) {
        Ok(signs) => format.signs = signs,
        Err(signs) if signs.is_empty() => {}
        Err(signs) => {
            let error = args.error(format!("format takes six signs or none, not {}", signs.len()));
            return Err(error.with_hint("name them all: \"(\" \"(\" \"AND\" \")\" \"OR\" \")\""));
        }
    }
    Ok(Box::new(FormatCommand(Wording::Format(format))))
}

/// `format` or `return` as a command.
#[derive(Debug)]
pub struct FormatCommand(pub Wording);

impl fmt::Display for FormatCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = match &self.0 {
            Wording::Return(returned) => return write!(f, "{returned}"),
            Wording::Format(format) => format,
        };
        let plain = Format::default();
        f.write_str("format")?;
        if format.mvsep != plain.mvsep {
            write!(f, " mvsep={}", quoted(&format.mvsep, '"'))?;
        }
        if let Some(rows) = format.maxresults {
            write!(f, " maxresults={rows}")?;
        }
        if !format.quote {
            f.write_str(" quote=false")?;
        }
        if format.empty != plain.empty {
            write!(f, " emptystr={}", quoted(&format.empty, '"'))?;
        }
        if format.signs != plain.signs {
            format.signs.iter().try_for_each(|sign| write!(f, " {}", quoted(sign, '"')))?;
        }
        Ok(())
    }
}

impl Command for FormatCommand {
    fn name(&self) -> &'static str {
        match self.0 {
            Wording::Format(_) => INFO.name,
            Wording::Return(_) => super::r#return::INFO.name,
        }
    }

    fn kind(&self) -> Kind {
        Kind::Reporting
    }

    fn required(&self, _: Required) -> Required {
        self.0.required()
    }

    fn rows_needed(&self) -> Option<usize> {
        match &self.0 {
            Wording::Return(returned) => Some(returned.rows),
            Wording::Format(_) => None,
        }
    }

    fn wording(&self) -> Option<&Wording> {
        Some(&self.0)
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let input = self.0.limited(input, planner, None);
        let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("search", DataType::Utf8, true)]));
        let (wording, made) = (self.0.clone(), schema.clone());
        let make: Make = Arc::new(move |context| {
            let memory = MemoryConsumer::new("format").register(context.memory_pool());
            Ok(Box::new(Collect { writing: Writing::new(wording.clone()), schema: made.clone(), memory }))
        });
        Ok(Flow { table: true, ..input.single() }.map("format", schema, make).into())
    }
}

struct Collect {
    writing: Writing,
    schema: SchemaRef,
    memory: MemoryReservation,
}

impl Transform for Collect {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        self.writing.push(&batch)?;
        self.memory.try_resize(self.writing.out.len())?;
        Ok(Step::Rows(RecordBatch::new_empty(self.schema.clone())))
    }

    fn finish(&mut self) -> ExecResult<Option<RecordBatch>> {
        let text = self.writing.finish();
        Ok(Some(RecordBatch::try_new(self.schema.clone(), vec![Arc::new(StringArray::from(vec![text]))])?))
    }
}

impl Wording {
    fn required(&self) -> Required {
        match self {
            Self::Format(_) => Required::all().without(["_*"]),
            Self::Return(returned) => Required::of(returned.fields()),
        }
    }

    /// The rows that are used, with a word when there are more.
    fn limited(&self, input: Flow, planner: &Planner, seconds: Option<u64>) -> Flow {
        let rows = match self {
            Self::Format(format) => format.maxresults.filter(|rows| *rows > 0),
            Self::Return(returned) => return super::head::first_rows(input, returned.rows),
        };
        first_of(input, rows, seconds, "format", planner.messages.clone())
    }
}

/// The text that rows become.
struct Writing {
    wording: Wording,
    out: String,
    rows: usize,
}

impl Writing {
    fn new(wording: Wording) -> Self {
        Self { wording, out: String::new(), rows: 0 }
    }

    fn push(&mut self, batch: &RecordBatch) -> ExecResult<()> {
        let schema = batch.schema();
        let mut columns = Vec::new();
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            columns.push((field.name().as_str(), Values::of(column)?));
        }
        for row in 0..batch.num_rows() {
            let text = match &self.wording {
                Wording::Format(format) => format.row(&columns, row),
                Wording::Return(returned) => returned.row(&columns, row),
            };
            let Some(text) = text else { continue };
            let between = match &self.wording {
                _ if self.rows == 0 => "",
                Wording::Format(format) => &format.signs[4],
                Wording::Return(_) => "OR",
            };
            for piece in [between, &text] {
                add(&mut self.out, piece);
            }
            self.rows += 1;
        }
        Ok(())
    }

    fn finish(&mut self) -> String {
        let rows = std::mem::take(&mut self.out);
        match &self.wording {
            Wording::Format(format) if self.rows == 0 => format.empty.clone(),
            Wording::Return(_) if self.rows == 0 => "NOT ()".to_owned(),
            Wording::Format(format) => [&format.signs[0], &rows, &format.signs[5]].iter().fold(String::new(), |mut out, piece| {
                add(&mut out, piece);
                out
            }),
            Wording::Return(_) => rows,
        }
    }
}

fn add(out: &mut String, piece: &str) {
    if !out.is_empty() && !piece.is_empty() {
        out.push(' ');
    }
    out.push_str(piece);
}

impl Format {
    /// The text of a row; nothing when it has no values.
    fn row(&self, columns: &[(&str, Values)], row: usize) -> Option<String> {
        let mut out = String::new();
        for (name, values) in columns.iter().filter(|(name, _)| !name.starts_with('_')) {
            let text = |value: &String| if self.quote { comparison(name, value) } else { format!("{name}={value}") };
            // What is in `search` or `query` is text of a search already.
            let raw = matches!(*name, "search" | "query");
            let list = values.list(row);
            let pieces: Vec<String> = if raw { list } else { list.iter().map(text).collect() };
            let piece = match pieces.len() {
                0 => continue,
                1 => pieces.concat(),
                _ => format!("( {} )", pieces.join(&format!(" {} ", self.mvsep))),
            };
            if !out.is_empty() {
                add(&mut out, &self.signs[2]);
            }
            add(&mut out, &piece);
        }
        if out.is_empty() {
            return None;
        }
        let mut whole = self.signs[1].clone();
        add(&mut whole, &out);
        add(&mut whole, &self.signs[3]);
        Some(whole)
    }
}

/// `name="value"`.
pub fn comparison(name: &str, value: &str) -> String {
    format!("{}={}", super::words::quote_field(name), quoted(value, '"'))
}

/// A value that stands alone: a number as it is, all else in quotes.
pub fn literal(value: &str) -> String {
    let plain = parse_number(value).is_some() && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain { value.to_owned() } else { quoted(value, '"') }
}

/// The text that a search in brackets stands for: it is run, at most for a minute, and at most 10,000 rows are used
/// unless its `format` says otherwise.
pub async fn text_of(query: &Query, planner: &Planner) -> Result<String, QueryError> {
    let (wording, query) = match query.wording() {
        Some((wording, query)) => (wording.clone(), query),
        None => (Wording::Format(Format::default()), query.clone()),
    };
    let seconds = Some(SUBSEARCH_SECONDS_MAX);
    let flow = planner.nested(Arc::new(query), wording.required());
    let flow = match tokio::time::timeout(std::time::Duration::from_secs(SUBSEARCH_SECONDS_MAX), flow).await {
        Ok(flow) => flow?,
        Err(_) => {
            let what =
                format!("the search in brackets took longer than {SUBSEARCH_SECONDS_MAX} seconds; it counts as having found nothing");
            planner.messages.truncated(what);
            return Ok(Writing::new(wording).finish());
        }
    };
    let flow = match &wording {
        Wording::Format(format) => {
            let rows = Some(format.maxresults.unwrap_or(SUBSEARCH_ROWS_MAX)).filter(|rows| *rows > 0);
            first_of(flow, rows, seconds, "the search in brackets", planner.messages.clone())
        }
        Wording::Return(_) => {
            first_of(wording.limited(flow, planner, None), None, seconds, "the search in brackets", planner.messages.clone())
        }
    };
    let mut writing = Writing::new(wording);
    let mut batches = flow.stream(planner.context.clone())?;
    while let Some(batch) = batches.next().await {
        writing.push(&batch?)?;
        if writing.out.len() > SUBSEARCH_BYTES_MAX {
            return Err(QueryError::new(format!("the search in brackets gives more than {SUBSEARCH_BYTES_MAX} bytes of text"))
                .with_hint("keep fewer fields with `fields`, fewer rows with `head`, or use join or a lookup"));
        }
    }
    let text = writing.finish();
    let parts = lexer::clean(&text).and_then(|text| lexer::split(&text, 0, text.len()));
    if !parts.is_ok_and(|parts| parts.spans.len() == 1 && parts.brackets.is_empty()) {
        return Err(QueryError::new("the search in brackets gives text with a pipe, a bracket or an open quote in it")
            .with_hint("its field `search` or `query` stands in the query as it is: it may only hold the text of a search"));
    }
    Ok(text)
}
