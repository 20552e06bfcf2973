//! Followed files.
pub(crate) mod binary;
use crate::input::{Context, Input, Running};
use serde::{Deserialize, Serialize};
use taffrail_base::{Error, ErrorKind, Result};
/// `[[input]] type = "file"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileSettings {
    /// Files.
    pub paths: Vec<String>,
    /// Excluded.
    pub exclude: Vec<String>,
}
impl Default for FileSettings {
    fn default() -> Self {
        Self { paths: vec![], exclude: vec![] }
    }
}
/// Files.
pub struct FileInput(FileSettings);
impl FileInput {
    /// Checks.
    pub fn new(settings: FileSettings) -> Result<Self> {
        Ok(Self(settings))
    }
}
impl Input for FileInput {
    fn kind(&self) -> &'static str {
        "file"
    }
    fn name(&self) -> String {
        "file".into()
    }
    fn start(&self, _: Context) -> Result<Running> {
        Err(Error::new(ErrorKind::Bug, "not yet"))
    }
}
