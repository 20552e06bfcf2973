//! Tests of the query crate from outside: text files of queries with rows, and searches over a real store.
#![allow(clippy::disallowed_methods)] // Test files are read and written directly.

mod agree;
mod analysis;
mod cases;
mod corpus;
mod explain;
mod filters;
mod mmdb;
mod naive;
mod nested;
mod own_fields;
mod pool;
mod shaping;
mod sigma;
mod sql;
mod stored;
mod views;
