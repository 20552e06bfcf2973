//! A file that only takes room. Removing events needs a little room itself, for the commit that says so; where
//! somebody else filled the disk to the last byte, this file makes it.

use super::Shared;
use std::io;
use std::path::PathBuf;
use taffrail_base::limits::BALLAST_BYTES;

impl Shared {
    fn ballast(&self) -> PathBuf {
        self.dir.join("ballast")
    }

    /// Gives up the room if there is hardly any other.
    pub(super) fn drop_ballast(&self) {
        if self.vfs.available_bytes(&self.dir).is_ok_and(|free| free < BALLAST_BYTES) {
            // Where it is gone already there is nothing to give up.
            let _ = self.vfs.remove_file(&self.ballast());
        }
    }

    /// Takes the room again once there is enough. Where no room is kept free, none is taken either.
    pub(super) fn keep_ballast(&self) {
        let reserve = self.settings.reserve_bytes;
        let path = self.ballast();
        if reserve == 0 || self.vfs.metadata(&path).is_ok() {
            return;
        }
        let enough = self.vfs.available_bytes(&self.dir).is_ok_and(|free| free >= reserve.saturating_add(2 * BALLAST_BYTES));
        if !enough {
            return;
        }
        let write = || -> io::Result<()> {
            let file = self.vfs.create_new(&path)?;
            file.write_all_at(&vec![0; BALLAST_BYTES as usize], 0)?;
            file.sync_data()
        };
        if write().is_err() {
            let _ = self.vfs.remove_file(&path);
        }
    }
}
