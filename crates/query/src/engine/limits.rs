//! One search on its own: its part of the memory, its time, and what ends it.

use super::Engine;
use super::memory::Share;
use super::task_context;
use crate::language::QueryError;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::Stop;
use tokio::task::JoinHandle;

/// What one search may take; `None` is no bound of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchLimits {
    /// How long it may run.
    pub time: Option<Duration>,
    /// How much of the memory of searches it may use, in bytes.
    pub memory_bytes: Option<usize>,
}

impl Engine {
    /// An engine for one search: whatever is run through it shares these limits, and ends with it.
    pub fn for_one(&self, limits: SearchLimits) -> Self {
        let stop = Stop::new(self.clock.clone(), limits.time);
        let whole = self.context.runtime_env();
        let mut runtime = RuntimeEnvBuilder::from_runtime_env(&whole);
        let mut memory_bytes = self.memory_bytes;
        if let Some(limit) = limits.memory_bytes.filter(|limit| *limit < self.memory_bytes) {
            memory_bytes = limit;
            let share: Arc<dyn MemoryPool> = Arc::new(Share::new(limit, whole.memory_pool.clone()));
            runtime = runtime.with_memory_pool(share);
        }
        let context = task_context(runtime.build_arc().unwrap_or(whole), memory_bytes, &stop);
        Self { context, stop, single: true, ..self.clone() }
    }

    /// This engine if it is for one search, else one without limits.
    pub(crate) fn single(&self) -> Self {
        if self.single { self.clone() } else { self.for_one(SearchLimits::default()) }
    }

    /// Where work of searches runs from now on, instead of where it is asked for.
    #[must_use]
    pub fn on(self, runtime: tokio::runtime::Handle) -> Self {
        Self { runtime: Some(runtime), ..self }
    }

    /// Runs work that gives one answer, where the work of searches runs; it ends when nobody waits for it any more.
    pub(crate) async fn apart<T, W>(&self, work: impl FnOnce(Self) -> W) -> Result<T, QueryError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, QueryError>> + Send + 'static,
    {
        let engine = self.single();
        let _cancel = engine.stop.on_drop();
        engine.stop.begin();
        let mut task = AbortOnDrop(engine.spawn(work(engine.clone())));
        let ended = async { (&mut task.0).await.unwrap_or_else(|_| Err(stopped())) };
        match engine.stop.time_left() {
            None => ended.await,
            // What computes without looking up is not waited for.
            Some(left) => match tokio::time::timeout(left + GRACE, ended).await {
                Ok(outcome) => outcome,
                Err(_) => Err(engine.stop.check().err().map_or_else(stopped, |error| QueryError::from(&error))),
            },
        }
    }

    /// Starts work where the work of searches runs.
    pub(crate) fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        match &self.runtime {
            Some(runtime) => runtime.spawn(work),
            None => tokio::spawn(work),
        }
    }
}

/// How much longer than its time a search may take before its answer is no longer waited for.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Aborts a task when dropped: nobody waits for it any more.
pub(crate) struct AbortOnDrop<T>(pub tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The error of work that ended without a last word: it must have panicked.
pub(crate) fn stopped() -> QueryError {
    QueryError::new("the search stopped unexpectedly").with_hint("this is a bug; please report it")
}
