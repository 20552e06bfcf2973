//! The work of a job: waits for its place, runs the search, and keeps what it gives.

use super::{Job, JobAnswer, JobMessage, JobProgress, JobState};
use crate::api::error::{ApiError, ApiResult, of_running_search};
use crate::api::export::columns;
use crate::api::schema::{SearchBody, Severity};
use crate::app::App;
use crate::queue::Lane;
use crate::searches::{Running, limits_of, stopping};
use futures::{Stream, StreamExt};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use taffrail_query::{QueryError, SearchMessage, SearchRequest, Update};

/// How often a job that waits looks how many go first.
const LOOKED_EVERY: Duration = Duration::from_secs(1);

/// Starts a job; what is wrong with the query is said at once.
pub async fn start(app: &Arc<App>, body: SearchBody) -> ApiResult<Arc<Job>> {
    let limits = limits_of(&app.settings.search, body.timeout, body.max_memory)?;
    let running = Running::enter(app, Lane::Background, "job", &body.query, body.earliest.as_deref(), body.latest.as_deref())?;
    let answer = JobAnswer {
        query: body.query.clone(),
        earliest: body.earliest.clone(),
        latest: body.latest.clone(),
        timeout: limits.time.map(|time| time.as_secs_f64()),
        max_memory: limits.memory_bytes.map(|bytes| bytes as u64),
        ..JobAnswer::default()
    };
    let request = SearchRequest { preview: true, ..SearchRequest::from(body) };
    let updates = running.noted(app.engine.for_one(limits).updates(request, false).await)?;
    let jobs = Arc::clone(&app.jobs);
    let job = crate::serve::blocking(move || jobs.add(answer)).await?;
    let work = work(Arc::clone(app), Arc::clone(&job), running, updates);
    app.search_threads.handle().spawn(work);
    Ok(job)
}

/// How the work ended, where nothing went wrong.
enum Ended {
    Done,
    Enough,
    Cancelled,
}

async fn work(app: Arc<App>, job: Arc<Job>, mut running: Running, updates: impl Stream<Item = Update> + Send + Unpin) {
    let outcome = tokio::select! {
        outcome = run(&job, &mut running, updates) => outcome,
        () = job.cancelled.cancelled() => Ok(Ended::Cancelled),
        () = app.stopping.cancelled() => Err(of_running_search(QueryError::from(&stopping()))),
    };
    job.change(|now| {
        now.ahead = None;
        now.state = match outcome {
            Ok(Ended::Done) => JobState::Done,
            Ok(Ended::Enough) => {
                now.truncated = Some(true);
                JobState::Done
            }
            Ok(Ended::Cancelled) => JobState::Cancelled,
            Err(error) => {
                now.error = Some(error);
                JobState::Failed
            }
        };
    });
    job.preview.lock().clear();
    job.touch(app.clock.now_nanos());
    job.over.store(true, Ordering::Relaxed);
}

async fn run(
    job: &Arc<Job>,
    running: &mut Running,
    mut updates: impl Stream<Item = Update> + Send + Unpin,
) -> Result<Ended, crate::api::schema::ErrorDetail> {
    loop {
        match running.admitted_within(LOOKED_EVERY).await {
            Ok(None) => break,
            Ok(ahead) => job.change(|now| now.ahead = ahead.map(|ahead| ahead as u64)),
            Err(error) => return Err(ApiError::from(error).detail().clone()),
        }
    }
    job.change(|now| (now.state, now.ahead) = (JobState::Running, None));
    loop {
        let update = tokio::select! {
            update = updates.next() => update,
            () = job.enough.cancelled() => {
                running.done(job.spool.rows(), job.now.lock().progress.events_scanned, true);
                let text = "the search was ended before it was complete: the answer is what was found until then".to_owned();
                job.tell(JobMessage { severity: Severity::Warn, text });
                return Ok(Ended::Enough);
            }
        };
        match update {
            Some(Update::Rows(_, batch)) => {
                job.preview.lock().clear();
                job.spool.append(&batch).map_err(|error| {
                    running.failed();
                    ApiError::from(error).detail().clone()
                })?;
            }
            Some(Update::Message(message)) => {
                running.told(&message);
                match message {
                    SearchMessage::Error { error } => return Err(of_running_search(error)),
                    SearchMessage::Done { exact, truncated, .. } => {
                        job.change(|now| (now.exact, now.truncated) = (Some(exact), Some(truncated)));
                        return Ok(Ended::Done);
                    }
                    message => keep(job, message),
                }
            }
            Some(Update::Schema(_)) => {}
            None => return Err(of_running_search(QueryError::new("the search ended early"))),
        }
    }
}

/// Notes what a message says.
fn keep(job: &Job, message: SearchMessage) {
    match message {
        SearchMessage::Start { kind, fields, .. } => job.change(|now| {
            let (kind, fields) = columns(kind, &fields);
            (now.kind, now.fields) = (Some(kind), fields);
        }),
        SearchMessage::Progress { segments_done, segments_total, events_scanned, events_matched, bytes_read, elapsed_ms } => {
            let progress = JobProgress { segments_done, segments_total, events_scanned, events_matched, bytes_read, elapsed_ms };
            job.change(|now| now.progress = progress);
        }
        SearchMessage::Rows { preview: true, rows, .. } => *job.preview.lock() = rows,
        SearchMessage::Message { severity, text } => {
            let severity = match severity {
                taffrail_query::Severity::Info => Severity::Info,
                taffrail_query::Severity::Warn => Severity::Warn,
                taffrail_query::Severity::Error => Severity::Error,
            };
            job.tell(JobMessage { severity, text });
        }
        SearchMessage::Rows { .. } | SearchMessage::Done { .. } | SearchMessage::Error { .. } => {}
    }
}
