//! Tests of the evidence crate through its public functions.
#![allow(clippy::disallowed_methods)] // tests use temporary folders and damage files by hand

mod log;
mod merkle;
mod note;
mod removal;
mod verify;
