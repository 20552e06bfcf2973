//! A data folder that this process holds while a command works on it.

use crate::app::{self, World};
use crate::sealing::Sealing;
use crate::settings::Settings;
use std::path::Path;
use std::sync::Arc;
use taffrail_base::Result;
use taffrail_store::Store;

/// The store of the folder, and what records its segments as evidence.
pub struct Held {
    /// The store.
    pub store: Arc<Store>,
    sealing: Sealing,
}

impl Held {
    /// Opens the folder. Kind `Busy` when another process holds it.
    pub fn open(world: &World, data: &Path) -> Result<Self> {
        let store = app::open_store(world, data.to_owned(), &Settings::default(), false)?;
        let sealing = Sealing::start(world, data, &store)?;
        Ok(Self { store, sealing })
    }

    /// Writes everything out and lets go.
    pub fn close(self) -> Result<()> {
        let closed = self.store.close();
        self.sealing.stop();
        closed
    }

    /// Works on the folder and lets go of it.
    pub fn with<T>(world: &World, data: &Path, work: impl FnOnce(&Store) -> Result<T>) -> Result<T> {
        let held = Self::open(world, data)?;
        let worked = work(&held.store);
        let closed = held.close();
        worked.and_then(|worked| closed.map(|()| worked))
    }
}
