#![no_main]
taffrail_fuzz::target!(round_trip);
