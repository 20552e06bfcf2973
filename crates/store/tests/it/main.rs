//! The store from outside: what is acknowledged is there, once, in order, byte for byte, whatever happens.
#![allow(clippy::disallowed_methods)] // tempfile, std::fs, processes
#![allow(clippy::print_stdout)] // how many cuts, kills and runs there were

mod archive;
mod child;
mod damage;
mod faults;
mod fuzz;
mod garbage;
mod ids;
mod image;
mod kill;
mod ledger;
mod lifecycle;
mod odd;
mod plain;
mod points;
mod power;
mod reader;
mod samples;
mod states;
mod versions;
