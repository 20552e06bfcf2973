//! End to end, with the real program: bytes in, rows and HTTP answers out.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)] // tests use the disk and the clock directly

mod api;
mod archive;
mod clients;
mod corpus;
mod crash;
mod duplicates;
mod errors;
mod export;
mod formats;
mod fsck;
mod generate;
mod harness;
mod hostile;
mod import;
mod jobs;
mod kills;
mod lifecycle;
mod live;
mod malformed;
mod old_folders;
mod push;
mod roundtrip;
mod routes;
mod security;
mod sources;
mod sql;
mod zones;
