//! Formats: a proposal for lines that nobody described. Nothing is stored, neither the lines nor the proposal.

use super::body::{Params, whole};
use super::error::{ApiError, ApiResult};
use super::schema::{ErrorAnswer, LearnAnswer, LearnField, LearnTime};
use crate::app::App;
use crate::serve::blocking;
use axum::Json;
use axum::extract::{Request, State};
use serde::Deserialize;
use std::sync::Arc;
use taffrail_base::{Error, ErrorKind, limits};
use taffrail_format::learn::{Proposal, learn as proposal_of};

/// What the format shall be called.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LearnParams {
    /// The name of the file and of the sourcetype; `learnt` unless given.
    #[param(example = "shop")]
    name: Option<String>,
}

/// Propose a format for lines that nobody described.
///
/// About a hundred lines are enough, of at most 8 MiB. The answer is the text of a format file that loads and whose
/// samples pass, and a table of what was found; nothing is stored.
#[utoipa::path(post, path = "/api/v1/formats/learn", tag = "language", params(LearnParams),
    request_body(content = String, content_type = "text/plain", description = "Lines of a log", example = json!("2026-11-21 21:14:03 order 17 of bob paid\n2026-11-21 21:14:04 order 18 of eve paid\n")),
    responses(
        (status = 200, description = "A format to read and to correct", body = LearnAnswer),
        (status = 400, description = "There is nothing to learn: no lines, no text, or lines that are known", body = ErrorAnswer),
        (status = 413, description = "More than is learnt from", body = ErrorAnswer)
    ))]
pub async fn learn(State(app): State<Arc<App>>, Params(params): Params<LearnParams>, request: Request) -> ApiResult<Json<LearnAnswer>> {
    let _permit = app.bodies.acquire().await.map_err(|_| Error::new(ErrorKind::Cancelled, "the server is stopping"))?;
    let lines = whole(request, limits::LEARN_BYTES_MAX).await?;
    let name = params.name.unwrap_or_else(|| "learnt".to_owned());
    let found = blocking(move || Ok(proposal_of(&name, &lines))).await?;
    let found = found.map_err(|error| ApiError::invalid(error.message).with_hint(error.hint))?;
    Ok(Json(answer(found)))
}

fn answer(found: Proposal) -> LearnAnswer {
    let fields = found.fields.into_iter().map(|field| LearnField {
        name: field.name,
        kind: field.kind.to_owned(),
        examples: field.examples,
        events: field.events as u64,
        sure: field.sure.name().to_owned(),
        why: field.why,
    });
    LearnAnswer {
        name: found.name,
        file: found.file,
        detected: found.detected.to_owned(),
        layout: found.layout.name().to_owned(),
        lines: found.lines as u64,
        events: found.events as u64,
        covered: found.covered as u64,
        time: found.time.map(|time| LearnTime {
            example: time.example,
            events: time.events as u64,
            at_start: time.at_start,
            inferred: time.inferred,
        }),
        fields: fields.collect(),
        notes: found.notes,
    }
}
