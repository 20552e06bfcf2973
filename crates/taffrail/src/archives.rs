//! The object stores that the settings name, handed to the store: who may ask them, and where they are. Variables of
//! the environment are read here.

use crate::settings::{ArchiveKnobs, Secret, Settings};
use std::collections::BTreeMap;
use std::sync::Arc;
use taffrail_archive::{Access, ObjectStores, VARIABLES};
use taffrail_base::Clock;
use taffrail_store::Archives;

/// What opens the object stores. Those that the settings no longer name are opened with what the environment says.
pub fn of(settings: &Settings, clock: &Arc<dyn Clock>) -> Archives {
    let known = settings.archives().map(|knobs| (knobs.address().to_owned(), access(knobs))).collect();
    let environment = VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect::<BTreeMap<_, _>>();
    Archives(Some(Arc::new(ObjectStores::new(known, environment, clock.clone()))))
}

fn access(knobs: &ArchiveKnobs) -> Access {
    let revealed = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.reveal().to_owned());
    Access {
        endpoint: knobs.endpoint.clone(),
        region: knobs.region.clone(),
        access_key: revealed(&knobs.access_key),
        secret_key: revealed(&knobs.secret_key),
        virtual_host: !knobs.path_style,
    }
}
