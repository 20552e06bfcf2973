//! Keeps what format files of one's own say of the lines of events as it is in the folder `knowledge/formats`: searches read the files
//! when they need them, inputs have no such moment.

use super::blocking;
use crate::app::App;
use std::sync::Arc;
use std::time::Duration;

/// Time between two looks at the folder: a person who has saved a file does not wait longer.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Looks again and again, until the server stops. What is wrong with a file is told by searches.
pub(super) async fn watch(app: Arc<App>) {
    loop {
        tokio::select! { () = tokio::time::sleep(LOOK_EVERY) => {}, () = app.stopping.cancelled() => return }
        let looking = Arc::clone(&app);
        let looked = blocking(move || {
            let fields = looking.knowledge.fields();
            // A file that is being written may be wrong for a moment.
            looking.rules.set(&fields.files, !fields.problems.is_empty());
            Ok(())
        });
        if let Err(error) = looked.await {
            tracing::warn!(%error, "the format files could not be looked at");
        }
    }
}
