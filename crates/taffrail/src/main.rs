//! The program `taffrail`. Everything is in the library, so that tests reach it.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How the allocator gives memory back. By itself it keeps what was freed for a second and more, which for ingest is as much
/// again as is in use: segments are built in large buffers that live for moments. Set before the first allocation; the
/// environment (`MIMALLOC_...`) still comes first.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
mod give_back {
    use std::ffi::{c_int, c_long};

    /// Of `mi_option_t` in mimalloc 3: whether arenas are committed as a whole; milliseconds until freed memory goes back.
    const ARENA_EAGER_COMMIT: c_int = 4;
    const PURGE_DELAY: c_int = 15;

    // Part of the mimalloc that is linked; its binding is behind a feature that rebuilds it.
    unsafe extern "C" {
        fn mi_option_set_default(option: c_int, value: c_long);
    }

    extern "C" fn set() {
        // Safe: the function only writes a table of its own, and nothing else runs yet.
        unsafe {
            mi_option_set_default(ARENA_EAGER_COMMIT, 0);
            mi_option_set_default(PURGE_DELAY, 200);
        }
    }

    // Safe: the loader calls what this section holds once before `main`, as functions without arguments that it needs.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static SET: extern "C" fn() = set;
}

fn main() -> std::process::ExitCode {
    taffrail::cli::run()
}
