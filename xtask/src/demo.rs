//! `cargo xtask demo`: builds the page and the program, then becomes the server over this machine's own logs.

use crate::run::{cargo, command, run as execute};
use crate::workspace::{binary, root};
use crate::{Arguments, web};
use anyhow::{Context, Result};

/// The command.
pub fn run(mut arguments: Arguments) -> Result<()> {
    let port = arguments.value("--port")?.unwrap_or_else(|| "8514".into());
    let port: u16 = port.parse().with_context(|| format!("--port {port:?} is not a port"))?;
    let data = arguments.value("--data")?.unwrap_or_else(|| "demo-data".into());
    let no_build = arguments.flag("--no-build");
    arguments.finish()?;
    if !no_build {
        println!("1/2  the page");
        web::install()?;
        web::script("build", &[])?;
        println!("2/2  the program (the first time takes minutes)");
        execute(&mut cargo(&["build", "--profile", "demo", "--package", "taffrail"]))?;
    }
    let program = binary("demo")?;
    let program = program.to_str().context("the target folder's path is not UTF-8")?;
    let address = format!("127.0.0.1:{port}");
    println!("\nTaffrail opens http://{address} and collects this machine's own logs into {data}; Ctrl-C ends it\n");
    become_program(command(program, &["serve", "--data", &data, "--http", &address, "--this-machine", "--live"], &root()))
}

/// Hands this process over, so that signals reach the server and nobody else: cargo has done the same with us.
#[cfg(unix)]
fn become_program(mut command: std::process::Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(error).with_context(|| format!("{} cannot be started", command.get_program().display()))
}

#[cfg(not(unix))]
fn become_program(mut command: std::process::Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{} cannot be started", command.get_program().display()))?;
    anyhow::ensure!(status.success(), "the server ended with {status}");
    Ok(())
}
