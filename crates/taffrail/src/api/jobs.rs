//! Jobs and the history of searches.

use super::body::{JsonBody, Params};
use super::error::{ApiError, ApiResult};
use super::schema::{ErrorAnswer, ResultKind, SearchBody};
use crate::app::App;
use crate::history::{self, HistoryEntry};
use crate::jobs::{self, Job, JobAnswer};
use crate::output::{self, Buffer, Form, Style};
use crate::searches::made_apart;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::Stream;
use serde::Deserialize;
use std::io;
use std::sync::Arc;
use utoipa::IntoParams;

/// Most entries of the history in one answer.
const HISTORY_MAX: u64 = 10_000;

/// Start a job: a search that runs by itself.
///
/// It waits for its place behind searches that somebody looks at. Its rows are kept on the disk and can be looked at while
/// it runs; they are removed some time after somebody last asked for the job, and when the server stops.
#[utoipa::path(post, path = "/api/v1/jobs", tag = "jobs", request_body = SearchBody, responses(
    (status = 200, description = "The job", body = JobAnswer),
    (status = 400, description = "The query or the body is wrong", body = ErrorAnswer),
    (status = 503, description = "There are too many jobs, or searches that wait", body = ErrorAnswer)
))]
pub async fn start(State(app): State<Arc<App>>, JsonBody(body): JsonBody<SearchBody>) -> ApiResult<Json<JobAnswer>> {
    let job = jobs::start(&app, body).await?;
    Ok(Json(job.answer(&app.jobs)))
}

/// Which jobs are there?
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", responses((status = 200, description = "The newest first", body = Vec<JobAnswer>)))]
pub async fn list(State(app): State<Arc<App>>) -> Json<Vec<JobAnswer>> {
    Json(app.jobs.list().iter().map(|job| job.answer(&app.jobs)).collect())
}

/// How far is a job?
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path, description = "Its name")), responses(
    (status = 200, description = "The job", body = JobAnswer),
    (status = 404, description = "There is none of this name", body = ErrorAnswer)
))]
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> ApiResult<Json<JobAnswer>> {
    Ok(Json(app.jobs.get(&id)?.answer(&app.jobs)))
}

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ResultParams {
    /// The number of the first row.
    #[serde(default)]
    offset: u64,
    /// How many rows at most; 0 means all that there are.
    #[serde(default = "hundred")]
    count: u64,
    /// The form.
    #[serde(default)]
    output: Form,
    /// Whether rows of an unfinished table are meant; not as `raw`, `arrow` or `parquet`.
    #[serde(default)]
    preview: bool,
}

fn hundred() -> u64 {
    100
}

/// The rows of a job.
///
/// Those that it has: while it runs, more may come. Asking keeps it.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/results", tag = "jobs", params(("id" = String, Path, description = "Its name"), ResultParams), responses(
    (status = 200, description = "The rows", body = String, content_type = "application/octet-stream"),
    (status = 400, description = "There are no such rows in this form", body = ErrorAnswer),
    (status = 404, description = "There is no job of this name", body = ErrorAnswer)
))]
pub async fn results(State(app): State<Arc<App>>, Path(id): Path<String>, Params(params): Params<ResultParams>) -> ApiResult<Response> {
    let job = app.jobs.get(&id)?;
    let answer = job.answer(&app.jobs);
    let form = params.output;
    if params.preview && (form.is_binary() || form == Form::Raw) {
        return Err(ApiError::invalid("rows of an unfinished table can be had as json, csv or table only"));
    }
    if form == Form::Raw && !answer.fields.is_empty() && answer.fields.iter().all(|field| field.name != "_raw") {
        return Err(
            ApiError::invalid("raw output needs events, and this job makes a table without _raw").with_hint("use another form of output")
        );
    }
    let headers = [(header::CONTENT_TYPE, form.media_type()), (header::CONTENT_DISPOSITION, form.disposition())];
    let body = Body::from_stream(made_apart(&app.search_threads.handle(), page(job, answer, params)));
    Ok((headers, body).into_response())
}

/// A page of results, written.
fn page(job: Arc<Job>, answer: JobAnswer, params: ResultParams) -> impl Stream<Item = io::Result<Bytes>> + Send {
    async_stream::try_stream! {
        let out = Buffer::default();
        let mut writer = output::writer(params.output, Style::default(), Box::new(out.clone()));
        writer.start(answer.kind.unwrap_or(ResultKind::Table), &answer.fields)?;
        let most = if params.count == 0 { u64::MAX } else { params.count };
        if params.preview {
            let rows = job.preview();
            let (from, most) = (usize::try_from(params.offset).unwrap_or(usize::MAX), usize::try_from(most).unwrap_or(usize::MAX));
            let rows: Vec<_> = rows.into_iter().skip(from).take(most).collect();
            writer.rows(&rows)?;
        } else {
            let mut given = 0;
            // The columns are known from the first part, whichever rows are asked for.
            if let Some(first) = job.spool.read(0, 1).map_err(io::Error::other)? {
                writer.schema(&first.schema())?;
            } else if params.output.is_binary() {
                writer.schema(&Arc::new(arrow::datatypes::Schema::empty()))?;
            }
            while let Some(rows) = job.spool.read(params.offset.saturating_add(given), most - given).map_err(io::Error::other)? {
                given += rows.num_rows() as u64;
                writer.batch(&rows)?;
                let bytes = out.take();
                if !bytes.is_empty() {
                    yield bytes;
                }
            }
        }
        writer.finish()?;
        yield out.take();
    }
}

/// End a job with what it has.
///
/// The rows found until then are its answer, marked `truncated`.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/finalize", tag = "jobs", params(("id" = String, Path, description = "Its name")), responses(
    (status = 200, description = "The job", body = JobAnswer),
    (status = 404, description = "There is none of this name", body = ErrorAnswer)
))]
pub async fn finalize(State(app): State<Arc<App>>, Path(id): Path<String>) -> ApiResult<Json<JobAnswer>> {
    let job = app.jobs.get(&id)?;
    job.enough.cancel();
    Ok(Json(job.answer(&app.jobs)))
}

/// Cancel a job and remove its results.
#[utoipa::path(delete, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path, description = "Its name")), responses(
    (status = 200, description = "The jobs that are left", body = Vec<JobAnswer>),
    (status = 404, description = "There is none of this name", body = ErrorAnswer)
))]
pub async fn remove(State(app): State<Arc<App>>, Path(id): Path<String>) -> ApiResult<Json<Vec<JobAnswer>>> {
    app.jobs.remove(&id)?;
    Ok(list(State(app)).await)
}

/// How much of the history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryParams {
    /// How many entries at most, 1 to 10,000.
    #[serde(default = "hundred")]
    count: u64,
}

/// Which searches ran?
///
/// The newest first. They are audit events: `index=_audit action=search_end` searches them.
#[utoipa::path(get, path = "/api/v1/history", tag = "jobs", params(HistoryParams), responses(
    (status = 200, description = "Searches that have ended", body = Vec<HistoryEntry>),
    (status = 400, description = "The parameters are wrong", body = ErrorAnswer)
))]
pub async fn history(State(app): State<Arc<App>>, Params(params): Params<HistoryParams>) -> ApiResult<Json<Vec<HistoryEntry>>> {
    if !(1..=HISTORY_MAX).contains(&params.count) {
        return Err(ApiError::invalid(format!("count is {}, and must be 1 to {HISTORY_MAX}", params.count)));
    }
    Ok(Json(history::newest(&app.engine, params.count).await?))
}
