//! The program: command line, server, page, and the wiring of everything else.
//!
//! - [`cli`]: one file per subcommand.
//! - [`settings`]: the settings file. - [`app`]: the parts of a running server.
//! - [`serve`]: starting, running and stopping the server.
//! - [`accounts`]: the watch over what inputs count. - [`hosts`]: who is heard, and who fell silent.
//! - [`api`]: the HTTP API, one file per group of routes; [`page`]: the embedded page.
//! - [`searches`]: where searches run, and what each may take; [`queue`]: which runs next; [`history`]: which ran.
//! - [`jobs`]: searches that run by themselves.
//! - [`routes`]: what a search finds is sent on.
//! - [`sealing`]: segments to the evidence log.
//! - [`export`]: events as files for other programs.
//! - [`output`]: results in every form.
//!
//! Only this crate prints, reads settings and the environment. Logic belongs to the crates below it.

pub mod accounts;
pub mod api;
pub mod app;
mod archives;
pub mod audit;
pub mod cli;
pub mod export;
pub mod history;
pub mod hosts;
pub mod jobs;
pub mod meters;
#[cfg(test)]
#[path = "../../collect/tests/it/mutator.rs"]
mod mutator;
pub mod output;
pub mod page;
pub mod queue;
pub mod routes;
pub mod sealing;
pub mod searches;
pub mod serve;
pub mod server_file;
pub mod settings;
pub mod timerange;
