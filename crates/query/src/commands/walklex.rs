//! `walklex`: the words that events are found by, and in how many events each is.
//!
//! A word is counted once per event. Equal ones are counted and sorted by DataFusion, which spills both.

use super::stands_for::of_indexes;
use super::words::quote;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::Values;
use crate::exec::aggregate::aggregate_unsorted;
use crate::exec::order::{Key, KeyKind, sort};
use crate::exec::{Flow, transform};
use crate::functions::Call;
use crate::language::search::Wildcard;
use crate::language::{Args, QueryError};
use crate::pipeline::Subsearch;
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result as ExecResult;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use taffrail_pattern::text::{is_major_breaker, tokens};

/// What `walklex` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "walklex",
    aliases: &[],
    syntax: "walklex [type=all|field|fieldvalue|term] [prefix=<text>|pattern=<text with *>] [index=<name>]...",
    summary: "The words that events are found by, and in how many events of the time range each is: whole words and their parts as terms, host, source and sourcetype as fields. It begins a query.",
    examples: &["| walklex type=term prefix=err index=main | sort -count", "| walklex type=fieldvalue pattern=\"host::*\""],
    parse,
};

/// What events are filed under.
const FILED: [&str; 3] = ["host", "source", "sourcetype"];
const TYPES: [&str; 4] = ["all", "field", "fieldvalue", "term"];

#[derive(Clone, Debug)]
struct WalkLex {
    kind: &'static str,
    /// In lower case, as terms are.
    pattern: Option<(bool, String)>,
    indexes: Vec<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut this = WalkLex { kind: "all", pattern: None, indexes: Vec::new() };
    while !args.at_end() {
        let Some(option) = args.option(&["type", "prefix", "pattern", "index", "splunk_server", "splunk_server_group"])? else {
            return Err(args.error("expected an option").with_hint("the options are type, prefix, pattern and index"));
        };
        let value = &option.value;
        match option.name.as_str() {
            "type" => {
                let name = value.one_of("type", &TYPES)?;
                this.kind = TYPES.into_iter().find(|known| *known == name).unwrap_or(TYPES[0]);
            }
            name @ ("prefix" | "pattern") => {
                if this.pattern.is_some() {
                    return Err(QueryError::at(option.span, "prefix and pattern say the same thing, so that only one can be there")
                        .with_hint("pattern=\"err*\" is prefix=err"));
                }
                if name == "prefix" && value.text.contains('*') {
                    return Err(QueryError::at(value.span, "a prefix has no wildcards").with_hint("use pattern= for them"));
                }
                this.pattern = Some((name == "prefix", value.text.to_lowercase()));
            }
            "index" => this.indexes.push(value.text.clone()),
            // There is one server.
            _ => {}
        }
        args.symbol(",");
    }
    Ok(Box::new(this))
}

impl fmt::Display for WalkLex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "walklex type={}", self.kind)?;
        if let Some((prefix, text)) = &self.pattern {
            write!(f, " {}={}", if *prefix { "prefix" } else { "pattern" }, quote(text))?;
        }
        self.indexes.iter().try_for_each(|index| write!(f, " index={}", quote(index)))
    }
}

impl WalkLex {
    /// The search for the events that can have such words.
    fn text(&self) -> String {
        let mut text = of_indexes(&self.indexes);
        let word = |c: char| c.is_ascii_alphanumeric() || c == '*';
        if let (Some((prefix, pattern)), "term") = (&self.pattern, self.kind)
            && pattern.chars().all(word)
            && !pattern.is_empty()
        {
            // Events without such a term need not be read.
            text.push_str(&format!(" {}", quote(&format!("{pattern}{}", if *prefix { "*" } else { "" }))));
        }
        text
    }

    fn wanted(&self) -> Option<Wildcard> {
        let (prefix, pattern) = self.pattern.as_ref()?;
        Some(Wildcard::new(&if *prefix { format!("{pattern}*") } else { pattern.clone() }, true))
    }
}

impl Command for WalkLex {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Generating
    }

    fn plan(&self, _: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let (this, planner) = (self.clone(), planner.clone());
        let query = Arc::new(Subsearch::search(&self.text())?);
        let needed = Required::of(FILED).with(["index", "_raw"]);
        Ok(Planned::Later(Box::pin(async move {
            let events = planner.nested(query, needed).await?;
            let given = events.schema();
            let schema: SchemaRef = Arc::new(Schema::new(["term", "index"].map(|name| Field::new(name, DataType::Utf8, true)).to_vec()));
            let (made, wanted, kind) = (schema.clone(), this.wanted(), this.kind);
            let work = transform(move |batch: RecordBatch| words_of(&batch, &given, kind, wanted.as_ref(), &made));
            let words = Flow { ordered: false, table: true, ..events.map(INFO.name, schema, work) };
            let groups = ["term".to_owned(), "index".to_owned()];
            let counted = aggregate_unsorted(words, &groups, &[Call::count()], &planner)?;
            let key = |name: &str| Key { field: name.to_owned(), kind: KeyKind::Text, descending: false };
            Ok(Flow { table: true, ..sort(counted, &[key("term"), key("index")], None)? })
        })))
    }
}

/// A row for each word of each event.
fn words_of(batch: &RecordBatch, given: &SchemaRef, kind: &str, wanted: Option<&Wildcard>, schema: &SchemaRef) -> ExecResult<RecordBatch> {
    let column = |name: &str| column_index(given, name).map(|at| Values::of(batch.column(at))).transpose();
    let (indexes, raws) = (column("index")?, column("_raw")?);
    let filed = FILED.into_iter().map(|name| Ok((name, column(name)?))).collect::<ExecResult<Vec<_>>>()?;
    let all = |of: &str| kind == "all" || kind == of;
    let (mut terms, mut places) = (Vec::new(), Vec::new());
    for row in 0..batch.num_rows() {
        let mut words: BTreeSet<String> = BTreeSet::new();
        for (name, values) in &filed {
            let Some(value) = values.as_ref().and_then(|values| values.text(row)) else { continue };
            if all("field") {
                words.insert((*name).to_owned());
            }
            if all("fieldvalue") {
                words.insert(format!("{name}::{}", value.to_lowercase()));
            }
        }
        if let Some(raw) = raws.as_ref().filter(|_| all("term")).and_then(|raws| raws.text(row)) {
            let raw = raw.to_lowercase();
            for whole in raw.as_bytes().split(|byte| is_major_breaker(*byte)).filter(|whole| !whole.is_empty()) {
                let parts = std::iter::once(whole).chain(tokens(whole));
                words.extend(parts.map(|part| String::from_utf8_lossy(part).into_owned()));
            }
        }
        let index = indexes.as_ref().and_then(|indexes| indexes.text(row)).unwrap_or_else(|| "main".to_owned());
        for word in words {
            if wanted.is_none_or(|wanted| wanted.matches(&word)) {
                terms.push(word);
                places.push(index.clone());
            }
        }
    }
    let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(terms)), Arc::new(StringArray::from(places))];
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}
