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
mod pulls;
mod push;
mod roundtrip;
mod routes;
mod security;
mod sources;
mod sql;
mod zones;

/// What tests of other crates, of which some modules are used here, find there.
mod streams {
    pub mod tls {
        use std::path::{Path, PathBuf};

        /// A certificate or key of those tests.
        pub fn file(name: &str) -> PathBuf {
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../collect/tests/it/tls").join(name)
        }
    }
}
