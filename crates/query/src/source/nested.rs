//! Searches within a search: run over the same source, with the time range of the request.

use super::{Opened, Part, Source, Watched};
use crate::commands::{Planner, Required};
use crate::engine::{Prepared, TimeRange, wanted};
use crate::exec::Flow;
use crate::exec::combine::first_of;
use crate::language::QueryError;
use crate::pipeline::Query;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::limits::{SUBSEARCH_DEPTH_MAX, SUBSEARCH_TEXT_BYTES_MAX, SUBSEARCH_TEXTS_MAX};

/// Runs searches within a search. Cheap to clone.
#[derive(Clone)]
pub struct Searches {
    source: Arc<dyn Source>,
    range: TimeRange,
    depth: usize,
    /// What searches in brackets stood for, by their text: within a search the same text is run once.
    texts: Arc<Mutex<FxHashMap<String, String>>>,
}

impl Searches {
    /// Searches over `source`; `range` is that of the request, whatever the text of the outer search says.
    pub fn new(source: Arc<dyn Source>, range: TimeRange) -> Self {
        Self { source, range, depth: 0, texts: Arc::default() }
    }

    /// The plan of a query; its places are those of the query around it.
    pub fn flow(&self, query: Arc<Query>, planner: &Planner, needed: Required) -> BoxFuture<'static, Result<Flow, QueryError>> {
        let (this, planner) = (self.clone(), planner.clone());
        Box::pin(async move { this.run(&query, planner, needed).await })
    }

    async fn run(self, query: &Query, mut planner: Planner, needed: Required) -> Result<Flow, QueryError> {
        if self.depth >= SUBSEARCH_DEPTH_MAX {
            return Err(QueryError::new(format!("searches within searches are nested more than {SUBSEARCH_DEPTH_MAX} deep"))
                .with_hint("a saved search may use itself"));
        }
        planner.direct = None;
        // How its fields are shown is nothing to the search around it.
        planner.shown = Arc::default();
        planner.searches = Some(Self { depth: self.depth + 1, ..self.clone() });
        let query = query.resolved(&planner).await?;
        let (mut wanted, range) = wanted(&query, self.range, &planner.eval).map_err(|error| query.place(error))?;
        // What could not be read for it is told at the end, as its progress is not that of the outer search.
        wanted.watched = Watched::default();
        let watched = wanted.watched.clone();
        planner.messages.watch(move || watched.unread());
        (planner.earliest, planner.latest) = (wanted.earliest, wanted.latest);
        let mut prepared =
            Prepared { query, wanted, planner, earliest: range.earliest, latest: range.latest, asked: self.range, sql: None };
        let opened = prepared.open_resolved(&*self.source, needed, None).await?;
        prepared.plan_values(&opened, &prepared.planner).await
    }
}

/// The handle of a search; there is none only while nothing has been opened yet.
impl Planner {
    /// The parts that all events are in.
    pub fn parts(&self) -> Result<Vec<Part>, QueryError> {
        let searches = self.searches.as_ref().ok_or_else(|| QueryError::new("there is nothing here whose parts could be told"))?;
        Ok(searches.source.parts())
    }

    /// What a search in brackets stood for when it was run before.
    pub fn remembered(&self, search: &str) -> Option<String> {
        self.searches.as_ref()?.texts.lock().get(search).cloned()
    }

    /// Remembers what a search in brackets stands for, as long as there is room.
    pub fn remember(&self, search: String, text: &str) {
        let Some(searches) = &self.searches else { return };
        let mut texts = searches.texts.lock();
        if texts.len() < SUBSEARCH_TEXTS_MAX && text.len() <= SUBSEARCH_TEXT_BYTES_MAX {
            texts.insert(search, text.to_owned());
        }
    }

    /// The plan of a search within this one.
    pub fn nested(&self, query: Arc<Query>, needed: Required) -> BoxFuture<'static, Result<Flow, QueryError>> {
        match &self.searches {
            Some(searches) => searches.flow(query, self, needed),
            None => Box::pin(async { Err(QueryError::new("a search in brackets cannot be run here")) }),
        }
    }

    /// The same, cut after so many rows or seconds where there is such a limit; it then says so.
    pub fn nested_within(
        &self,
        query: Arc<Query>,
        rows: Option<usize>,
        seconds: Option<u64>,
        what: &'static str,
    ) -> BoxFuture<'static, Result<Flow, QueryError>> {
        let flow = self.nested(query, Required::all());
        let messages = self.messages.clone();
        Box::pin(async move {
            // Much of a search may be run while it is planned, so that the time counts from here on.
            let limit = Duration::from_secs(seconds.unwrap_or(u64::from(u32::MAX)));
            match tokio::time::timeout(limit, flow).await {
                Ok(flow) => Ok(first_of(flow?, rows, seconds, what, messages)),
                Err(_) => {
                    messages
                        .truncated(format!("{what} took longer than {} seconds; it counts as having found nothing", seconds.unwrap_or(0)));
                    Ok(Opened::nothing().flow)
                }
            }
        })
    }
}
