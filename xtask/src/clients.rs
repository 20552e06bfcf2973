//! `cargo xtask clients`: what others have written to send, from PyPI, for the tests that send with it.

use crate::workspace::{root, target};
use crate::{Arguments, python};
use anyhow::{Context, Result};
use std::path::PathBuf;

/// The variable by which the tests are told where the environment is.
pub const VARIABLE: &str = "TAFFRAIL_CLIENTS";

/// The command.
pub fn run(arguments: Arguments) -> Result<()> {
    arguments.finish()?;
    println!("export {VARIABLE}={}", environment()?.display());
    Ok(())
}

/// The folder of the environment; made when it is not there, or when other versions are wanted.
pub fn environment() -> Result<PathBuf> {
    let wanted = root().join("crates/taffrail/tests/it/clients/requirements.txt");
    let text = std::fs::read_to_string(&wanted).with_context(|| wanted.display().to_string())?;
    let folder = target()?.join("clients");
    // Written last: an environment with it is whole.
    let installed = folder.join("requirements.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|installed| installed == text) {
        return Ok(folder);
    }
    if folder.is_dir() {
        std::fs::remove_dir_all(&folder)?;
    }
    eprintln!("installing the clients that the tests send with");
    let python = python::environment(&folder)?;
    python::install(&python, &["--requirement", wanted.to_str().context("a path is not UTF-8")?])?;
    std::fs::write(installed, text)?;
    Ok(folder)
}
