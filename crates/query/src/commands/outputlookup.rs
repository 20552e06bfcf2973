//! `outputlookup`: writes the rows as a lookup.

use super::{Command, CommandInfo, Planned, Planner, Required, blocking};
use crate::columns::Values;
use crate::exec::Flow;
use crate::exec::combine::held;
use crate::knowledge::Table;
use crate::language::lexer::quoted;
use crate::language::{Args, QueryError, Span};
use arrow::array::{Array, RecordBatch};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use futures::StreamExt;
use rustc_hash::FxHashSet;
use std::fmt;
use taffrail_base::limits::LOOKUP_BYTES_MAX;

/// What `outputlookup` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "outputlookup",
    aliases: &[],
    syntax: "outputlookup [append=<bool>] [create_empty=<bool>] [override_if_empty=<bool>] [key_field=<field>] [max=<count>] <lookup>",
    summary: "Writes the fields of all rows, but those that begin with _, as a lookup, and passes the rows on.",
    examples: &[
        "* | stats max(_time) AS last BY user | outputlookup last_seen",
        "error | stats count BY host | outputlookup append=true key_field=host errors",
    ],
    parse,
};

#[derive(Clone, Debug)]
struct OutputLookup {
    append: bool,
    create_empty: bool,
    override_if_empty: bool,
    key: Option<String>,
    most: Option<usize>,
    name: String,
    span: Span,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let known = ["append", "create_empty", "override_if_empty", "key_field", "max", "createinapp", "output_format"];
    let (mut append, mut create_empty, mut override_if_empty, mut key, mut most, mut name) = (false, true, true, None, None, None);
    while !args.at_end() {
        if let Some(option) = args.option(&known)? {
            let value = &option.value;
            match option.name.as_str() {
                "append" => append = value.boolean("append")?,
                "create_empty" => create_empty = value.boolean("create_empty")?,
                "override_if_empty" => override_if_empty = value.boolean("override_if_empty")?,
                "key_field" => key = Some(value.text.clone()),
                "max" => most = Some(value.integer("max", 0)? as usize),
                // There is one folder and one format here.
                _ => {}
            }
        } else {
            let word = args.word("the name of a lookup")?;
            if name.is_some() {
                return Err(QueryError::at(word.span, format!("`{}` is not understood here", word.text)));
            }
            name = Some(word);
        }
    }
    let Some(name) = name else {
        return Err(args.error("outputlookup needs the name of a lookup").with_hint("write outputlookup <name>"));
    };
    Ok(Box::new(OutputLookup { append, create_empty, override_if_empty, key, most, name: name.text, span: name.span }))
}

impl fmt::Display for OutputLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outputlookup")?;
        let flags = [
            ("append", self.append, false),
            ("create_empty", self.create_empty, true),
            ("override_if_empty", self.override_if_empty, true),
        ];
        for (name, value, usual) in flags {
            if value != usual {
                write!(f, " {name}={value}")?;
            }
        }
        if let Some(key) = &self.key {
            write!(f, " key_field={}", quoted(key, '"'))?;
        }
        if let Some(most) = self.most {
            write!(f, " max={most}")?;
        }
        write!(f, " {}", quoted(&self.name, '"'))
    }
}

/// A table in the making, as CSV.
struct Sheet {
    names: Vec<String>,
    out: csv::Writer<Vec<u8>>,
    memory: MemoryReservation,
    rows: usize,
}

impl Sheet {
    fn new(names: Vec<String>, memory: MemoryReservation) -> Result<Self, QueryError> {
        let mut out = csv::Writer::from_writer(Vec::new());
        if !names.is_empty() {
            out.write_record(&names).map_err(failed)?;
        }
        Ok(Self { names, out, memory, rows: 0 })
    }

    fn add(&mut self, row: Vec<String>) -> Result<(), QueryError> {
        let bytes = row.iter().map(|cell| cell.len() + 3).sum::<usize>();
        self.memory.try_grow(bytes)?;
        if self.memory.size() as u64 > LOOKUP_BYTES_MAX {
            return Err(QueryError::new(format!("the lookup would have more than {LOOKUP_BYTES_MAX} bytes"))
                .with_hint("keep fewer rows or fields, or set max="));
        }
        self.rows += 1;
        self.out.write_record(&row).map_err(failed)
    }

    fn finish(self) -> Result<Vec<u8>, QueryError> {
        self.out.into_inner().map_err(failed)
    }
}

fn failed(error: impl fmt::Display) -> QueryError {
    QueryError::new(format!("the lookup cannot be written: {error}"))
}

impl OutputLookup {
    /// The rows of a flow as text, by the names of a sheet, at most as many as wanted.
    async fn rows(
        &self,
        flow: Flow,
        names: &[String],
        planner: &Planner,
        mut take: impl FnMut(Vec<String>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let mut batches = flow.stream(planner.context.clone())?;
        let mut left = self.most.unwrap_or(usize::MAX);
        while let Some(batch) = batches.next().await {
            let batch: RecordBatch = batch?;
            let mut columns = Vec::new();
            for name in names {
                columns.push(batch.column_by_name(name).map(Values::of).transpose()?);
            }
            for row in 0..batch.num_rows() {
                if left == 0 {
                    let most = self.most.unwrap_or(0);
                    planner.messages.truncated(format!("outputlookup wrote the first {most} rows only, as max={most} asks"));
                    return Ok(());
                }
                left -= 1;
                // Several values stand one below the other.
                take(columns.iter().map(|values| values.as_ref().map(|values| values.list(row).join("\n")).unwrap_or_default()).collect())?;
            }
        }
        Ok(())
    }

    /// Writes the lookup, and gives the rows on.
    async fn write(self, input: Flow, planner: Planner) -> Result<Flow, QueryError> {
        let rows = held(input.single(), &planner.context).await?;
        let (knowledge, name) = (planner.knowledge.clone(), self.name.clone());
        let (before, _) = blocking(move || Ok(knowledge.lookup_if_any(&name))).await??;
        let keep_before = self.append || self.key.is_some();
        let mut names: Vec<String> = before.as_ref().filter(|_| keep_before).map(Table::names).unwrap_or_default();
        for name in rows.names().into_iter().filter(|name| !name.starts_with('_')) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let memory = MemoryConsumer::new("outputlookup").register(planner.context.memory_pool());
        let mut sheet = Sheet::new(names.clone(), memory)?;
        let key = self.key.as_ref().map(|key| {
            names
                .iter()
                .position(|name| name == key)
                .ok_or_else(|| QueryError::new(format!("no row has the field {key}, by which the lookup is written")))
        });
        let key = key.transpose()?;
        let mut replaced = FxHashSet::default();
        if let Some(key) = key {
            // The rows that take the place of those with their key.
            self.rows(rows.clone(), &names, &planner, |row| {
                replaced.insert(row[key].clone());
                Ok(())
            })
            .await?;
        }
        if let (Some(table), true) = (&before, keep_before) {
            let columns: Vec<_> = names.iter().map(|name| table.column(name)).collect();
            let cell = |row: usize, at: usize| {
                columns[at].filter(|column| column.is_valid(row)).map(|column| column.value(row).to_owned()).unwrap_or_default()
            };
            for row in 0..table.rows() {
                if key.is_none_or(|key| !replaced.contains(&cell(row, key))) {
                    sheet.add((0..names.len()).map(|at| cell(row, at)).collect())?;
                }
            }
        }
        let kept = sheet.rows;
        self.rows(rows.clone(), &sheet.names.clone(), &planner, |row| sheet.add(row)).await?;
        let empty = sheet.rows == kept;
        let leave = empty
            && match &before {
                Some(_) => !self.override_if_empty || keep_before,
                None => !self.create_empty,
            };
        if !leave {
            let (knowledge, name, bytes) = (planner.knowledge.clone(), self.name.clone(), sheet.finish()?);
            blocking(move || Ok(knowledge.write_lookup(&name, &bytes))).await??;
        }
        Ok(rows)
    }
}

impl Command for OutputLookup {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        // What is written is what the rows have.
        if needed.is_open() { Required::all() } else { Required::all().without(["_*"]).with(needed.names) }
    }

    fn keeps_rows(&self) -> bool {
        false
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn writes(&self) -> bool {
        true
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let (this, planner, span) = (self.clone(), planner.clone(), self.span);
        Ok(Planned::Later(Box::pin(async move { this.write(input, planner).await.map_err(|error| error.or_at(span)) })))
    }
}
