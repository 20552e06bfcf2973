//! What a thread can ask of the system.

/// How much less urgent a background thread is: the system's scale ends at 19.
const NICE: i32 = 10;

/// Makes the calling thread give way to others when the processors are busy. Where the system does not let it, it
/// stays as it is.
pub fn yield_to_others() {
    // On Linux this is a property of the thread, not of the process.
    let _ = rustix::process::setpriority_process(None, NICE);
}

/// How many threads the machine runs side by side; at least one.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
