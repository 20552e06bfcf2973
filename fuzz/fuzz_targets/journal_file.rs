#![no_main]
taffrail_fuzz::target!(journal_file);
