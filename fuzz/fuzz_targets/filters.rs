#![no_main]
taffrail_fuzz::target!(filters);
