//! Where a command works: on a data folder directly, or through the server that holds it.

use super::client::Client;
use super::exit::{Exit, Failure, Outcome};
use crate::app::{World, require_folder};
use crate::server_file::ServerFile;
use std::path::PathBuf;

/// The address of a server started with defaults.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8514";

/// The options that name a data folder or a server.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    /// Data folder; through its server when one runs, directly when none does.
    #[arg(long, value_name = "DIR", env = "TAFFRAIL_DATA", conflicts_with = "url")]
    pub data: Option<PathBuf>,
    /// Address of a server, such as http://127.0.0.1:8514.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}

/// Where to work.
pub enum Target {
    /// Through a server.
    Server(Client),
    /// Directly on a data folder that no server holds.
    Folder(PathBuf),
}

impl Place {
    /// Finds out where to work.
    pub async fn resolve(&self, world: &World) -> Outcome<Target> {
        if let Some(url) = &self.url {
            return Ok(Target::Server(Client::connect(url).await?));
        }
        let Some(data) = &self.data else {
            return match Client::connect(DEFAULT_URL).await {
                Ok(client) => Ok(Target::Server(client)),
                Err(_) => Err(Failure::new(Exit::NotFound, format!("no server answers at {DEFAULT_URL}")).with_hint(
                    "name a data folder with --data DIR, a server with --url URL, or start one with `taffrail serve --data DIR`",
                )),
            };
        };
        require_folder(&*world.vfs, data)?;
        match server_of(world, data).await {
            Some(client) => Ok(Target::Server(client)),
            None => Ok(Target::Folder(data.clone())),
        }
    }

    /// A server; for what a folder alone cannot do.
    pub async fn server(&self, world: &World) -> Outcome<Client> {
        match self.resolve(world).await? {
            Target::Server(client) => Ok(client),
            Target::Folder(data) => Err(Failure::new(Exit::NotFound, format!("no server runs on {}", data.display()))
                .with_hint(format!("start one with `taffrail serve --data {}`", data.display()))),
        }
    }
}

/// The running server of a data folder. A `server.json` left behind by a crash names a server that does not
/// answer, or one of another instance: then there is none.
pub async fn server_of(world: &World, data: &std::path::Path) -> Option<Client> {
    let file = ServerFile::read(&*world.vfs, data)?;
    let client = Client::connect(&file.url).await.ok()?;
    (client.health.instance == file.instance).then_some(client)
}
