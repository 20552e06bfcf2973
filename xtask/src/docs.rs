//! `cargo xtask docs`: the generated parts of the manual.

use crate::Arguments;
use anyhow::Result;

/// The command.
pub fn run(mut arguments: Arguments) -> Result<()> {
    let _check = arguments.flag("--check");
    arguments.finish()
}
