#![no_main]
taffrail_fuzz::target!(segment_pages);
