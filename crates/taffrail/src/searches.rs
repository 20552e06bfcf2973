//! Searches of the server: where they run, what each may take, how each begins, waits for its place, and is remembered.
//!
//! They have threads of their own, which give way to whatever takes events in and to answering requests; what a search
//! does is the engine's.

use crate::api::error::{ApiError, ApiResult};
use crate::app::App;
use crate::queue::{Lane, Place, Waiting};
use crate::settings::Search;
use crate::timerange;
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use taffrail_base::{Error, ErrorKind, Result, limits};
use taffrail_event::Timestamp;
use taffrail_query::{QueryError, SearchLimits, SearchMessage};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The threads that searches run on.
pub struct SearchThreads(Option<Runtime>);

impl SearchThreads {
    /// Starts them. More than there are processors: a search that computes without a pause keeps one, not the others.
    pub fn start() -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(limits::SEARCHES_RUNNING_MAX + limits::SEARCHES_LONG_MAX)
            .thread_name("search")
            .thread_stack_size(limits::SEARCH_STACK_BYTES)
            .max_blocking_threads(limits::SEARCH_READERS_MAX)
            .on_thread_start(taffrail_base::yield_to_others)
            .enable_all()
            .build();
        Ok(Self(Some(runtime.map_err(|e| Error::io("threads for searches", e))?)))
    }

    /// Where work goes.
    pub fn handle(&self) -> Handle {
        self.0.as_ref().map(|runtime| runtime.handle().clone()).expect("is there until it is dropped")
    }
}

impl Drop for SearchThreads {
    fn drop(&mut self) {
        // Nobody waits for what still computes: the last ones who wanted it are gone.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// What a search may take: what it asks for, as far as the settings let it.
pub fn limits_of(settings: &Search, timeout: Option<f64>, max_memory: Option<u64>) -> ApiResult<SearchLimits> {
    let most = (settings.timeout_seconds > 0).then(|| Duration::from_secs(settings.timeout_seconds));
    let asked = match timeout {
        None => None,
        Some(seconds) if seconds > 0.0 && seconds <= 1e9 => Some(Duration::from_secs_f64(seconds)),
        Some(seconds) => return Err(ApiError::invalid(format!("timeout is {seconds}, and must be a number of seconds above 0"))),
    };
    if max_memory == Some(0) {
        return Err(ApiError::invalid("max_memory is 0, and must be a number of bytes above 0"));
    }
    let time = match (asked, most) {
        (Some(asked), Some(most)) => Some(asked.min(most)),
        (asked, most) => asked.or(most),
    };
    let asked = max_memory.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    Ok(SearchLimits { time, memory_bytes: Some(asked.min(settings.max_memory_bytes)) })
}

tokio::task_local! {
    /// Who calls, while a request is handled.
    static CALLER: Arc<str>;
}

/// Handles a request of `caller`.
pub async fn called_by<T>(caller: &str, work: impl Future<Output = T>) -> T {
    CALLER.scope(Arc::from(caller), work).await
}

/// Who calls; where it is not known, this machine.
pub fn caller() -> Arc<str> {
    CALLER.try_with(Arc::clone).unwrap_or_else(|_| Arc::from("local"))
}

/// What became of a search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Whoever asked went away, or it was cancelled.
    #[default]
    Cancelled,
    /// It has given all its rows.
    Done,
    /// It has given the rows that it found within its limits.
    Truncated,
    /// It failed.
    Failed,
    /// A limit ended it.
    Limit,
}

impl Outcome {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Done => "done",
            Self::Truncated => "truncated",
            Self::Failed => "failed",
            Self::Limit => "limit",
        }
    }
}

/// A search that runs or waits for its place; it counts among the running ones until dropped, and is remembered then.
pub struct Running {
    app: Arc<App>,
    waiting: Option<Waiting>,
    place: Option<Place>,
    about: serde_json::Value,
    /// Whether it is one that people look up again.
    remembered: bool,
    entered: u64,
    began: u64,
    ended: Mutex<Ended>,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, Default)]
struct Ended {
    outcome: Outcome,
    rows: u64,
    scanned: u64,
}

impl Running {
    /// Comes into the queue.
    pub fn enter(app: &Arc<App>, lane: Lane, action: &str, query: &str, earliest: Option<&str>, latest: Option<&str>) -> ApiResult<Self> {
        if query.len() > limits::QUERY_BYTES_MAX {
            return Err(ApiError::too_large(format!("the query is longer than {} bytes", limits::QUERY_BYTES_MAX)));
        }
        timerange::check(earliest, latest, Timestamp(app.clock.now_nanos()))?;
        if app.stopping.is_cancelled() {
            return Err(stopping().into());
        }
        let caller = caller();
        let waiting = app.queue.enter(&caller, lane)?;
        let about = json!({"kind": action, "query": query, "earliest": earliest, "latest": latest, "caller": &*caller});
        Ok(Self {
            app: Arc::clone(app),
            waiting: Some(waiting),
            place: None,
            about,
            remembered: !matches!(action, "timeline" | "fields" | "patterns"),
            entered: app.clock.monotonic_nanos(),
            began: 0,
            ended: Mutex::default(),
        })
    }

    /// Waits for a place, and records who searches for what.
    pub async fn begin(app: &Arc<App>, action: &str, query: &str, earliest: Option<&str>, latest: Option<&str>) -> ApiResult<Self> {
        let mut running = Self::enter(app, Lane::Interactive, action, query, earliest, latest)?;
        running.admitted().await?;
        Ok(running)
    }

    /// Waits for the place.
    pub async fn admitted(&mut self) -> Result<()> {
        let stop = self.app.stopping.clone();
        if let Some(waiting) = &mut self.waiting {
            tokio::select! {
                place = waiting.wait() => self.place = Some(place),
                () = stop.cancelled() => return Err(stopping()),
            }
        }
        self.admit().await;
        Ok(())
    }

    /// Waits for the place for so long; how many searches go first, if it has none then.
    pub async fn admitted_within(&mut self, time: Duration) -> Result<Option<usize>> {
        match tokio::time::timeout(time, self.admitted()).await {
            Ok(admitted) => admitted.map(|()| None),
            Err(_) => Ok(Some(self.waiting.as_ref().map_or(0, Waiting::ahead))),
        }
    }

    async fn admit(&mut self) {
        if self.waiting.take().is_none() {
            return;
        }
        let meters = &self.app.meters;
        meters.searches.fetch_add(1, Ordering::Relaxed);
        meters.searches_running.fetch_add(1, Ordering::Relaxed);
        self.began = self.app.clock.monotonic_nanos().max(1);
        let action = self.about["kind"].as_str().unwrap_or("search").to_owned();
        let mut about = self.about.clone();
        if let Some(about) = about.as_object_mut() {
            about.remove("kind");
        }
        self.app.audit.record(&action, about).await;
    }

    /// Resolves its `cancelled` when the server stops.
    pub fn stop(&self) -> CancellationToken {
        self.app.stopping.clone()
    }

    /// The server.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Notes that the search failed.
    pub fn failed(&self) {
        self.ended.lock().outcome = Outcome::Failed;
        self.app.meters.search_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes why the search failed.
    pub fn failed_by(&self, error: &QueryError) {
        self.failed();
        if error.limit {
            self.ended.lock().outcome = Outcome::Limit;
        }
    }

    /// Notes that the search has ended well.
    pub fn done(&self, rows: u64, scanned: u64, truncated: bool) {
        let outcome = if truncated { Outcome::Truncated } else { Outcome::Done };
        *self.ended.lock() = Ended { outcome, rows, scanned };
    }

    /// Notes what a message says of how the search went.
    pub fn told(&self, message: &SearchMessage) {
        match message {
            SearchMessage::Done { rows, scanned, truncated, .. } => self.done(*rows, *scanned, *truncated),
            SearchMessage::Error { error } => self.failed_by(error),
            _ => {}
        }
    }

    /// Passes a result on, noting a failure.
    pub fn noted<T, E: Into<ApiError>>(&self, result: std::result::Result<T, E>) -> ApiResult<T> {
        result.map_err(|error| {
            self.failed();
            error.into()
        })
    }

    /// Passes a result on, unless the server stops first.
    pub async fn unless_stopping<T, E: Into<ApiError>>(&self, work: impl Future<Output = std::result::Result<T, E>>) -> ApiResult<T> {
        tokio::select! {
            result = work => self.noted(result),
            () = self.app.stopping.cancelled() => Err(stopping().into()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.began == 0 {
            return;
        }
        self.app.meters.searches_running.fetch_sub(1, Ordering::Relaxed);
        if !self.remembered {
            return;
        }
        let millis = |from: u64, to: u64| to.saturating_sub(from) / 1_000_000;
        let mut about = self.about.take();
        if let Some(about) = about.as_object_mut() {
            let ended = *self.ended.lock();
            about.insert("outcome".into(), json!(ended.outcome.name()));
            about.insert("rows".into(), json!(ended.rows));
            about.insert("scanned".into(), json!(ended.scanned));
            about.insert("waited_ms".into(), json!(millis(self.entered, self.began)));
            about.insert("took_ms".into(), json!(millis(self.began, self.app.clock.monotonic_nanos())));
        }
        self.app.audit.note(crate::history::ACTION, about);
    }
}

/// The error of everything that a stopping server breaks off.
pub fn stopping() -> Error {
    Error::new(ErrorKind::Cancelled, "the server is stopping")
}

/// Passes a stream on whose items are made on the threads of searches.
pub fn made_apart<T: Send + 'static>(
    threads: &Handle,
    items: impl Stream<Item = T> + Send + 'static,
) -> impl Stream<Item = T> + Send + 'static {
    let (sender, mut receiver) = mpsc::channel(2);
    let work = async move {
        let mut items = Box::pin(items);
        while let Some(item) = items.next().await {
            if sender.send(item).await.is_err() {
                break;
            }
        }
    };
    let threads = threads.clone();
    async_stream::stream! {
        let task = threads.spawn(work);
        let _abort = AbortOnDrop(task.abort_handle());
        while let Some(item) = receiver.recv().await {
            yield item;
        }
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
