//! The rows of jobs, for searches that go on with them (`loadjob`).

use super::{JobState, Jobs};
use crate::api::schema::ResultKind;
use std::sync::Arc;
use taffrail_query::knowledge::{KeptResults, KeptRows};

impl KeptResults for Jobs {
    fn rows(&self, id: &str) -> taffrail_base::Result<KeptRows> {
        let job = self.get(id)?;
        let now = job.answer(self);
        let warning = match (now.state, &now.error) {
            (JobState::Failed, Some(error)) => Some(format!("it failed, and these are its rows until then: {}", error.message)),
            (JobState::Failed, None) => Some("it failed, and these are its rows until then".to_owned()),
            (JobState::Cancelled, _) => Some("it was cancelled, and these are its rows until then".to_owned()),
            _ if now.truncated == Some(true) => Some("not all rows that it found are there".to_owned()),
            _ if now.exact == Some(false) => Some("its answer is not exact".to_owned()),
            _ => None,
        };
        Ok(KeptRows {
            columns: now.fields.into_iter().map(|field| field.name).collect(),
            table: now.kind != Some(ResultKind::Events),
            running: !now.state.is_over(),
            warning,
            read: Arc::new(move |from| job.spool.read(from, u64::MAX)),
        })
    }
}
