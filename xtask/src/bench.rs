//! bench
use crate::Arguments;
use anyhow::Result;
pub fn run(arguments: Arguments) -> Result<()> { arguments.finish() }
