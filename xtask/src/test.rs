//! `cargo xtask test`: the steps in order, each with its time; the first failure ends it.

use crate::run::{cargo, command, run as execute};
use crate::workspace::{binary, root, which};
use crate::{Arguments, clients, tidy, web};
use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant};

/// A step: its name, what it is, and how it is done.
type Step = (&'static str, &'static str, fn() -> Result<()>);

const STEPS: &[Step] = &[
    ("format", "rustfmt", || execute(&mut cargo(&["fmt", "--all", "--check"]))),
    ("tidy", "the rules of the house", tidy::check),
    ("clippy", "clippy, warnings are errors", clippy),
    ("test", "unit and integration tests", tests),
    ("doc", "documentation examples", documentation),
    ("web", "the page: types, unit tests, build", web_checks),
    ("page", "the page in a browser", page),
];

/// Runs the steps that were asked for.
fn run_steps(skip_page: bool, only: Option<&str>) -> Result<()> {
    if let Some(name) = only
        && !STEPS.iter().any(|(step, ..)| *step == name)
    {
        let names: Vec<&str> = STEPS.iter().map(|(step, ..)| *step).collect();
        bail!("there is no step {name:?}; the steps are {}", names.join(", "));
    }
    let mut times: Vec<(&str, Duration)> = Vec::new();
    let mut failure = None;
    for (name, what, step) in STEPS {
        if only.is_some_and(|only| only != *name) || (skip_page && *name == "page") {
            continue;
        }
        println!("\n=== {name}: {what}");
        let start = Instant::now();
        let outcome = step();
        times.push((name, start.elapsed()));
        if let Err(error) = outcome {
            failure = Some(error.context(format!("step {name} failed (again with: cargo xtask test --only {name})")));
            break;
        }
    }
    println!("\n=== times");
    for (name, time) in &times {
        println!("{name:8} {:7.1} s", time.as_secs_f64());
    }
    println!("{:8} {:7.1} s", "all", times.iter().map(|(_, time)| time.as_secs_f64()).sum::<f64>());
    match failure {
        Some(error) => Err(error),
        None => {
            println!("all steps passed");
            Ok(())
        }
    }
}

/// The command.
pub fn run(mut arguments: Arguments) -> Result<()> {
    let skip_page = arguments.flag("--skip-page");
    let only = arguments.value("--only")?;
    arguments.finish()?;
    run_steps(skip_page, only.as_deref())
}

fn clippy() -> Result<()> {
    execute(&mut cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
}

fn tests() -> Result<()> {
    let mut runner = if which("cargo-nextest").is_some() {
        cargo(&["nextest", "run", "--workspace", "--no-fail-fast", "--status-level", "slow", "--final-status-level", "fail"])
    } else {
        println!("cargo-nextest is not here: using cargo test");
        cargo(&["test", "--workspace", "--all-targets", "--no-fail-fast", "--quiet"])
    };
    // Real logs lie beside the clone where there are any; tests that want them pass without.
    let corpus = root().join("../shared/corpus");
    if std::env::var_os("TAFFRAIL_CORPUS").is_none()
        && let Ok(corpus) = corpus.canonicalize()
    {
        runner.env("TAFFRAIL_CORPUS", corpus);
    }
    // So do clients of others; tests that send with them pass without, but not where everything is to be tested.
    if std::env::var_os(clients::VARIABLE).is_none() {
        match clients::environment() {
            Ok(folder) => _ = runner.env(clients::VARIABLE, folder),
            Err(error) => println!("without the clients from PyPI: {error:#}"),
        }
    }
    execute(&mut runner)
}

/// Examples in doc comments, and the commands of README.md as they stand there.
fn documentation() -> Result<()> {
    execute(&mut cargo(&["test", "--doc", "--workspace", "--quiet"]))?;
    program_built()?;
    let program = binary("dev")?;
    let programs = program.parent().context("the program stands in a folder")?;
    let path = std::env::var("PATH").unwrap_or_default();
    let readme = std::fs::read_to_string(root().join("README.md"))?;
    let folder = std::env::temp_dir().join(format!("taffrail-examples-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let outcome = examples(&readme).into_iter().try_for_each(|line| {
        let mut shell = command("sh", &["-c", line], &folder);
        execute(shell.env("PATH", format!("{}:{path}", programs.display())).stdout(std::process::Stdio::null()))
    });
    std::fs::remove_dir_all(&folder)?;
    outcome
}

/// The commands in the fenced blocks of a document that come to an end by themselves and need no server.
fn examples(text: &str) -> Vec<&str> {
    let blocks = text.split("```").skip(1).step_by(2);
    let commands =
        blocks.flat_map(str::lines).filter(|line| ["taffrail import ", "taffrail search "].iter().any(|start| line.starts_with(start)));
    commands.collect()
}

/// Sees to it that the program is built, exactly as the tests build it: naming the package alone would choose other
/// features of what it depends on, and compile all of that again.
fn program_built() -> Result<()> {
    execute(&mut cargo(&["test", "--quiet", "--workspace", "--no-run"]))
}

fn web_checks() -> Result<()> {
    web::install()?;
    for script in ["check", "test:unit", "build"] {
        web::script(script, &[])?;
    }
    Ok(())
}

fn page() -> Result<()> {
    let browser = web::chromium()?;
    web::install()?;
    if !root().join("web/dist/index.html").is_file() {
        web::script("build", &[])?;
    }
    program_built()?;
    let program = binary("dev")?.to_str().context("the target folder's path is not UTF-8")?.to_owned();
    let browser = browser.to_str().context("the browser's path is not UTF-8")?.to_owned();
    web::script("test:page", &[("TAFFRAIL_BIN", program), ("TAFFRAIL_CHROMIUM", browser)])
}

#[cfg(test)]
mod tests {
    use super::examples;

    #[test]
    fn examples_are_found_in_fences() {
        let text = "taffrail search no\n```\ntaffrail import --data x y   # why\ntaffrail serve\n```\ntaffrail search no\n```\ntaffrail search 'a'\n```\n";
        assert_eq!(examples(text), ["taffrail import --data x y   # why", "taffrail search 'a'"]);
    }
}
