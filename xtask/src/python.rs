//! Environments of Python: packages from PyPI, in folders that outlive the clone. No product code, and no list of packages.

use crate::bench::measure;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The Python of an environment, which is made when it is not there.
pub fn environment(folder: &Path) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    if !python.is_file() {
        let folder = folder.to_str().context("a path is not UTF-8")?;
        measure::run("python3", &["-m", "venv", "--clear", folder])
            .context("python3 with its venv is needed (apt-get install python3-venv)")?;
    }
    Ok(python)
}

/// Installs what `words` name, as pip wants it.
pub fn install(python: &Path, words: &[&str]) -> Result<()> {
    let python = python.to_str().context("a path is not UTF-8")?;
    measure::run(python, &[&["-m", "pip", "install", "--quiet", "--disable-pip-version-check"], words].concat())?;
    Ok(())
}
