//! `set`: the rows of one search, of another, of both, compared as a whole.

use super::append::expect_search;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required};
use crate::columns::Values;
use crate::exec::combine::{common_schema, concat, fit, held};
use crate::exec::{Flow, Make, Step, Transform, transform};
use crate::language::{Args, QueryError};
use crate::pipeline::Subsearch;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::error::Result as ExecResult;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use futures::StreamExt;
use rustc_hash::{FxHashMap, FxHashSet};
use std::fmt;
use std::sync::Arc;

/// What `set` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "set",
    aliases: &[],
    syntax: "set union|diff|intersect [ <search> ] [ <search> ]",
    summary: "Rows of either search, of only one of them, or of both, each once; rows are the same when all fields but those with _ are.",
    examples: &["| set diff [ search error | fields host ] [ search login | fields host ]"],
    parse,
};

const KINDS: [&str; 3] = ["union", "diff", "intersect"];

#[derive(Debug)]
struct Set {
    kind: &'static str,
    searches: [Subsearch; 2],
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let kind = args.word("union, diff or intersect")?.one_of("the kind of set", &KINDS)?;
    let searches = [expect_search(args)?, expect_search(args)?];
    args.finish()?;
    Ok(Box::new(Set { kind, searches }))
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "set {} {} {}", self.kind, self.searches[0], self.searches[1])
    }
}

/// The rows of a batch as text that is the same for rows with the same fields and values.
fn keys(batch: &RecordBatch) -> ExecResult<Vec<Vec<u8>>> {
    let schema = batch.schema();
    let mut keys = vec![Vec::new(); batch.num_rows()];
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let values = Values::of(column)?;
        for (row, key) in keys.iter_mut().enumerate() {
            let mut any = false;
            values.each(row, |cell| {
                if !std::mem::replace(&mut any, true) {
                    key.extend_from_slice(field.name().as_bytes());
                }
                key.push(0x1f);
                key.extend_from_slice(cell.text().as_bytes());
            });
            if any {
                key.push(0x1e);
            }
        }
    }
    Ok(keys)
}

/// In which of the two searches each row is: bit 0 and bit 1.
async fn memberships(
    flows: &[Flow; 2],
    schema: &SchemaRef,
    planner: &Planner,
) -> Result<(FxHashMap<Vec<u8>, u8>, MemoryReservation), QueryError> {
    let memory = MemoryConsumer::new("set").register(planner.context.memory_pool());
    let mut known: FxHashMap<Vec<u8>, u8> = FxHashMap::default();
    for (bit, flow) in flows.iter().enumerate() {
        let mut batches = flow.clone().stream(planner.context.clone())?;
        while let Some(batch) = batches.next().await {
            for key in keys(&fit(&batch?, schema)?)? {
                memory.try_grow(key.len() + 64)?;
                *known.entry(key).or_insert(0) |= 1 << bit;
            }
        }
    }
    Ok((known, memory))
}

struct Wanted {
    known: Arc<(FxHashMap<Vec<u8>, u8>, MemoryReservation)>,
    kind: &'static str,
    given: FxHashSet<Vec<u8>>,
    memory: MemoryReservation,
}

impl Transform for Wanted {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let mut keep = Vec::with_capacity(batch.num_rows());
        for key in keys(&batch)? {
            let members = self.known.0.get(&key).copied().unwrap_or(0);
            let wanted = match self.kind {
                "union" => true,
                "diff" => members == 1 || members == 2,
                _ => members == 3,
            };
            let fresh = wanted && !self.given.contains(&key);
            if fresh {
                self.memory.try_grow(key.len() + 64)?;
                self.given.insert(key);
            }
            keep.push(fresh);
        }
        Ok(Step::Rows(filter_record_batch(&batch, &BooleanArray::from(keep))?))
    }
}

impl Command for Set {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Generating
    }

    fn plan(&self, _: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let needed = || Required::all().without(["_*"]);
        let [first, second] = &self.searches;
        let (first, second) = (planner.nested(first.query.clone(), needed()), planner.nested(second.query.clone(), needed()));
        let (kind, planner) = (self.kind, planner.clone());
        Ok(Planned::Later(Box::pin(async move {
            let context = &planner.context;
            let flows = [held(first.await?.single(), context).await?, held(second.await?.single(), context).await?];
            let all = common_schema(&[flows[0].schema(), flows[1].schema()]);
            let shown = all.fields().iter().filter(|field| !field.name().starts_with('_')).cloned().collect::<Vec<_>>();
            let schema: SchemaRef = Arc::new(Schema::new(shown));
            let known = Arc::new(memberships(&flows, &schema, &planner).await?);
            let wanted = schema.clone();
            let rows = concat("set", flows.to_vec(), true).map(
                "fields",
                schema.clone(),
                transform(move |batch: RecordBatch| Ok(fit(&batch, &wanted)?)),
            );
            let make: Make = Arc::new(move |context| {
                let memory = MemoryConsumer::new("set").register(context.memory_pool());
                Ok(Box::new(Wanted { known: known.clone(), kind, given: FxHashSet::default(), memory }))
            });
            Ok(rows.map("set", schema, make))
        })))
    }
}
