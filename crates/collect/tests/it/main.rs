//! Inputs from outside: bytes in at a file, a socket or a stream; events and positions out at a recording sink.
#![allow(clippy::disallowed_methods)] // tests make the files that inputs read
#![allow(clippy::print_stdout)] // and say what they skip or measure

mod batches;
mod chance;
mod command;
mod files;
mod http;
mod import;
mod inputs;
mod journald;
mod kafka;
mod malformed;
mod multiline;
mod mutator;
mod netflow;
mod outputs;
mod push;
mod rotation;
mod s3;
mod senders;
mod sftp;
mod sink;
mod snmp;
mod sql;
mod streams;
mod syslog;
mod wef;
mod windows;
mod zones;
