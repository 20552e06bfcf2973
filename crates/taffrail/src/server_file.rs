//! `server.json` in the data folder: where the server that holds the folder can be reached. Written when the
//! server is ready, removed when it stops; one left behind by a crash is told by nobody answering under that
//! instance.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use taffrail_base::{Error, Result, Vfs};

/// The name of the file within the data folder.
pub const NAME: &str = "server.json";

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFile {
    /// Its process.
    pub pid: u32,
    /// Which run it is: `/api/v1/health` gives the same, so that another server at a reused address is not
    /// mistaken for this one.
    pub instance: String,
    /// Where its HTTP API is, without a slash at the end.
    pub url: String,
    /// Its syslog listener over UDP.
    pub syslog_udp: Option<String>,
    /// Its syslog listener over TCP.
    pub syslog_tcp: Option<String>,
    /// Every input that listens.
    #[serde(default)]
    pub listeners: Vec<Listening>,
    /// Its version.
    pub version: String,
}

/// An input that listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// Its type as in the settings.
    pub input: String,
    /// Where.
    pub address: String,
}

impl ServerFile {
    /// What the data folder's file says; `None` when there is none or it cannot be read as one.
    pub fn read(vfs: &dyn Vfs, data: &Path) -> Option<Self> {
        serde_json::from_slice(&vfs.read(&data.join(NAME)).ok()?).ok()
    }

    /// Writes it, replacing an older one.
    pub fn write(&self, vfs: &dyn Vfs, data: &Path) -> Result<()> {
        let path = data.join(NAME);
        let temporary = data.join("server.json.tmp");
        let bytes = serde_json::to_vec_pretty(self).map_err(|e| Error::new(taffrail_base::ErrorKind::Bug, e.to_string()))?;
        let write = || {
            match vfs.remove_file(&temporary) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            let file = vfs.create_new(&temporary)?;
            file.write_all_at(&bytes, 0)?;
            file.sync_data()?;
            vfs.rename(&temporary, &path)
        };
        write().map_err(|e| Error::io(path.display(), e))
    }

    /// Removes it, if it is still this server's.
    pub fn remove(&self, vfs: &dyn Vfs, data: &Path) {
        if Self::read(vfs, data).is_some_and(|found| found.instance == self.instance) {
            // A file that stays is told stale by its instance.
            let _ = vfs.remove_file(&data.join(NAME));
        }
    }

    /// The path of the file of a data folder.
    pub fn path(data: &Path) -> PathBuf {
        data.join(NAME)
    }
}
