//! `inputlookup`: the rows of a lookup.

use super::search::keep;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, blocking};
use crate::eval::Expr;
use crate::exec::Flow;
use crate::exec::combine::{concat, streamed};
use crate::knowledge::Table;
use crate::language::lexer::quoted;
use crate::language::{Args, QueryError, SearchExpr, Span};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::SCAN_BATCH_ROWS;

/// What `inputlookup` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "inputlookup",
    aliases: &[],
    syntax: "inputlookup [append=<bool>] [start=<row>] [max=<count>] <lookup> [where <search>]",
    summary: "Gives the rows of a lookup; it begins a query, or with append=true adds them after the rows that are there.",
    examples: &["| inputlookup people", "* | stats count BY user | inputlookup append=true people where dept=sales"],
    parse,
};

#[derive(Clone, Debug)]
struct InputLookup {
    append: bool,
    start: usize,
    most: Option<usize>,
    name: String,
    span: Span,
    search: Option<SearchExpr>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let (mut append, mut start, mut most, mut name) = (false, 0, None, None);
    while !args.at_end() && !args.peek_keyword("where") {
        if let Some(option) = args.option(&["append", "strict", "start", "max"])? {
            let value = &option.value;
            match option.name.as_str() {
                "append" => append = value.boolean("append")?,
                "start" => start = value.integer("start", 0)? as usize,
                "max" => most = Some(value.integer("max", 0)? as usize),
                // A lookup that is not there is an error here either way.
                _ => drop(value.boolean("strict")?),
            }
        } else {
            let word = args.word("the name of a lookup")?;
            if name.is_some() {
                return Err(QueryError::at(word.span, format!("`{}` is not understood here", word.text))
                    .with_hint("write where before a condition"));
            }
            name = Some(word);
        }
    }
    let Some(name) = name else {
        return Err(args.error("inputlookup needs the name of a lookup").with_hint("write | inputlookup <name>"));
    };
    let search = args.keyword("where").then(|| args.search()).transpose()?;
    Ok(Box::new(InputLookup { append, start, most, name: name.text, span: name.span, search }))
}

impl fmt::Display for InputLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("inputlookup")?;
        if self.append {
            f.write_str(" append=true")?;
        }
        if self.start > 0 {
            write!(f, " start={}", self.start)?;
        }
        if let Some(most) = self.most {
            write!(f, " max={most}")?;
        }
        write!(f, " {}", quoted(&self.name, '"'))?;
        match &self.search {
            Some(search) => write!(f, " where {search}"),
            None => Ok(()),
        }
    }
}

/// The rows of a table, in batches of the usual size; its memory is reserved while they are read.
pub fn table_flow(table: Table) -> Flow {
    let schema = table.batch().schema();
    let (table, made) = (Arc::new(table), schema.clone());
    streamed("lookup", schema, true, move |context| {
        let memory = MemoryConsumer::new("lookup").register(context.memory_pool());
        memory.try_grow(table.bytes())?;
        let table = table.clone();
        let starts = (0..table.rows()).step_by(SCAN_BATCH_ROWS);
        let rows = futures::stream::iter(starts).map(move |at| {
            let _ = &memory;
            Ok(table.batch().slice(at, SCAN_BATCH_ROWS.min(table.rows() - at)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(made.clone(), rows)))
    })
}

impl Command for InputLookup {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Generating
    }

    fn required(&self, needed: Required) -> Required {
        needed
    }

    fn follows(&self) -> bool {
        self.append
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let (this, planner) = (self.clone(), planner.clone());
        Ok(Planned::Later(Box::pin(async move {
            let (knowledge, name) = (planner.knowledge.clone(), this.name.clone());
            let (table, _) = blocking(move || Ok(knowledge.lookup(&name))).await?.map_err(|error| error.or_at(this.span))?;
            let table = match (this.start, this.most) {
                (0, None) => table,
                (start, most) => table.part(start, most.unwrap_or(usize::MAX)),
            };
            let mut flow = table_flow(table);
            if let Some(search) = &this.search
                && let Planned::Flow(kept) = keep("where", &Expr::from_search(search.clone()), flow.clone(), &planner)?
            {
                flow = kept;
            }
            Ok(if this.append { concat("inputlookup", vec![input.single(), flow], true) } else { flow })
        })))
    }
}
