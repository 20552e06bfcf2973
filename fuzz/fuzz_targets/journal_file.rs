//! Fuzzes: journal file. What it calls is in the store's `fuzzing` module; this file names it only.
#![no_main]
taffrail_fuzz::target!(journal_file);
