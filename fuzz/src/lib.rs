//! What all fuzz targets share: an allocator that ends the run when an input takes more memory than it may, and the
//! macro that makes a target of a function of [`taffrail_store::fuzzing`].

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that one input may take at once.
const BYTES_MAX: usize = 64 << 20;

/// The system's allocator, counting.
pub struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static BEFORE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        if held.saturating_sub(BEFORE.load(Ordering::Relaxed)) > BYTES_MAX {
            // An abort is what the fuzzer takes for a find.
            std::process::abort();
        }
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// From here on an input's memory is counted.
pub fn begin() {
    BEFORE.store(HELD.load(Ordering::Relaxed), Ordering::Relaxed);
}

pub use {libfuzzer_sys, taffrail_store};

/// A fuzz target of a function of `taffrail_store::fuzzing`.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| {
            $crate::begin();
            $crate::taffrail_store::fuzzing::$name(data);
        });
    };
}
