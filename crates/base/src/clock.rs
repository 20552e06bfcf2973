//! The clock. `SystemClock` is the one place in the project that reads the machine's time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A source of time. Both readings are in nanoseconds.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Wall-clock time: nanoseconds since 1970-01-01T00:00:00Z. May step, also backwards.
    fn now_nanos(&self) -> i64;
    /// A reading that never goes back, for measuring durations only; its zero means nothing.
    fn monotonic_nanos(&self) -> u64;
    /// Blocks the calling thread for `duration`; a simulated clock advances instead.
    fn sleep(&self, duration: Duration);
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic reading starts now.
    #[allow(clippy::disallowed_methods)] // the one place that may
    pub fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place that may
    fn now_nanos(&self) -> i64 {
        match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX),
        }
    }

    fn monotonic_nanos(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    #[allow(clippy::disallowed_methods)] // the one place that may
    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// A clock that moves only when told to; for tests and simulation.
#[derive(Debug)]
pub struct ManualClock {
    nanos: AtomicI64,
    start: i64,
}

impl ManualClock {
    /// A clock that reads `nanos` (since the epoch) until it is advanced.
    pub fn at(nanos: i64) -> Self {
        Self { nanos: AtomicI64::new(nanos), start: nanos }
    }

    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        self.nanos.fetch_add(nanos, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_nanos(&self) -> i64 {
        self.nanos.load(Ordering::SeqCst)
    }

    fn monotonic_nanos(&self) -> u64 {
        u64::try_from(self.now_nanos().saturating_sub(self.start)).unwrap_or(0)
    }

    fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}
