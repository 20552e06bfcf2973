//! Saved searches: the files in `knowledge/searches` of the data folder.

use super::body::JsonBody;
use super::error::{ApiError, ApiResult};
use super::schema::ErrorAnswer;
use crate::app::App;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use taffrail_query::QueryError;
use taffrail_query::knowledge::SavedSearch;
use utoipa::ToSchema;

/// A search to save.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"search": "search user=$user$ login | stats count by host", "description": "Where somebody logs in"}))]
pub struct SavedBody {
    /// The query; `$name$` stands for an argument of the command `savedsearch`.
    pub search: String,
    /// For people.
    #[serde(default)]
    pub description: String,
}

/// A saved search.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SavedAnswer {
    /// Its name.
    pub name: String,
    /// The query.
    pub search: String,
    /// For people.
    pub description: String,
}

fn answer((name, saved): (String, SavedSearch)) -> SavedAnswer {
    SavedAnswer { name, search: saved.search, description: saved.description }
}

/// Which searches are saved?
#[utoipa::path(get, path = "/api/v1/saved", tag = "jobs", responses((status = 200, description = "By name", body = Vec<SavedAnswer>)))]
pub async fn list(State(app): State<Arc<App>>) -> ApiResult<Json<Vec<SavedAnswer>>> {
    let saved = on_disk(&app, |app| app.knowledge.saved_searches()).await?;
    Ok(Json(saved.into_iter().map(answer).collect()))
}

/// A saved search.
#[utoipa::path(get, path = "/api/v1/saved/{name}", tag = "jobs", params(("name" = String, Path, description = "Its name")), responses(
    (status = 200, description = "The search", body = SavedAnswer),
    (status = 404, description = "There is none of this name", body = ErrorAnswer)
))]
pub async fn show(State(app): State<Arc<App>>, Path(name): Path<String>) -> ApiResult<Json<SavedAnswer>> {
    let wanted = name.clone();
    let saved = on_disk(&app, move |app| app.knowledge.saved_search(&wanted)).await.map_err(missing)?;
    Ok(Json(answer((name, saved))))
}

/// Save a search, in place of one of that name.
///
/// It is parsed first, unless it has arguments.
#[utoipa::path(put, path = "/api/v1/saved/{name}", tag = "jobs", params(("name" = String, Path, description = "Its name")), request_body = SavedBody, responses(
    (status = 200, description = "The search", body = SavedAnswer),
    (status = 400, description = "The query or the name is wrong", body = ErrorAnswer)
))]
pub async fn save(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<SavedBody>,
) -> ApiResult<Json<SavedAnswer>> {
    let saved = SavedSearch { search: body.search, description: body.description };
    if !saved.search.contains('$')
        && let Some(error) = app.engine.check(&saved.search).error
    {
        return Err(error.into());
    }
    app.audit.record("save_search", json!({"name": name, "search": saved.search})).await;
    let (to, what) = (name.clone(), saved.clone());
    on_disk(&app, move |app| app.knowledge.save_search(&to, &what)).await?;
    Ok(Json(answer((name, saved))))
}

/// Remove a saved search.
#[utoipa::path(delete, path = "/api/v1/saved/{name}", tag = "jobs", params(("name" = String, Path, description = "Its name")), responses(
    (status = 200, description = "Those that are left", body = Vec<SavedAnswer>),
    (status = 404, description = "There is none of this name", body = ErrorAnswer)
))]
pub async fn remove(State(app): State<Arc<App>>, Path(name): Path<String>) -> ApiResult<Json<Vec<SavedAnswer>>> {
    app.audit.record("remove_search", json!({"name": name})).await;
    on_disk(&app, move |app| app.knowledge.remove_search(&name)).await.map_err(missing)?;
    list(State(app)).await
}

async fn on_disk<T: Send + 'static>(app: &Arc<App>, work: impl FnOnce(&App) -> Result<T, QueryError> + Send + 'static) -> ApiResult<T> {
    let app = Arc::clone(app);
    let worked = tokio::task::spawn_blocking(move || work(&app)).await;
    Ok(worked.map_err(|_| QueryError::new("the work stopped unexpectedly").with_hint("this is a bug; please report it"))??)
}

/// What is not there is said so by its status.
fn missing(error: ApiError) -> ApiError {
    let detail = error.detail().clone();
    if !detail.message.starts_with("there is no saved search") {
        return error;
    }
    let not_found = ApiError::new(StatusCode::NOT_FOUND, "not_found", detail.message);
    if let Some(hint) = detail.hint { not_found.with_hint(hint) } else { not_found }
}
