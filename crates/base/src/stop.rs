//! Ending long work: one flag and one deadline that every loop of a piece of work can ask for little. Asking never
//! blocks; whoever asks decides where it can end.

use crate::{Clock, Error, ErrorKind, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Tells work that it is to end: because nobody wants it any more, or because its time is over. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Stop(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    cancelled: AtomicBool,
    /// By the monotonic clock; `u64::MAX` while the time has not begun.
    deadline: AtomicU64,
    limit: Option<Duration>,
    clock: Arc<dyn Clock>,
}

/// Why work has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nobody wants it any more.
    Cancelled,
    /// It had this much time.
    TimeOver(Duration),
}

impl Stop {
    /// One that never stops anything.
    pub fn never() -> Self {
        Self(None)
    }

    /// One for a piece of work that may take `limit`, from [`Stop::begin`] on.
    pub fn new(clock: Arc<dyn Clock>, limit: Option<Duration>) -> Self {
        Self(Some(Arc::new(Inner { cancelled: AtomicBool::new(false), deadline: AtomicU64::new(u64::MAX), limit, clock })))
    }

    /// The work begins: its time runs. Only the first call counts.
    pub fn begin(&self) {
        let Some(inner) = &self.0 else { return };
        let Some(limit) = inner.limit else { return };
        let deadline = inner.clock.monotonic_nanos().saturating_add(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
        let _ = inner.deadline.compare_exchange(u64::MAX, deadline, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Nobody wants the work any more.
    pub fn cancel(&self) {
        if let Some(inner) = &self.0 {
            inner.cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// Why the work has to end, if it has to.
    pub fn reason(&self) -> Option<Reason> {
        let inner = self.0.as_ref()?;
        if inner.cancelled.load(Ordering::Relaxed) {
            return Some(Reason::Cancelled);
        }
        let limit = inner.limit?;
        (inner.clock.monotonic_nanos() >= inner.deadline.load(Ordering::Relaxed)).then_some(Reason::TimeOver(limit))
    }

    /// How long the work may go on; nothing where there is no limit or it has not begun.
    pub fn time_left(&self) -> Option<Duration> {
        let inner = self.0.as_ref()?;
        let deadline = inner.deadline.load(Ordering::Relaxed);
        (deadline != u64::MAX).then(|| Duration::from_nanos(deadline.saturating_sub(inner.clock.monotonic_nanos())))
    }

    /// An error if the work has to end.
    pub fn check(&self) -> Result<()> {
        match self.reason() {
            None => Ok(()),
            Some(Reason::Cancelled) => Err(Error::new(ErrorKind::Cancelled, "the search was cancelled")),
            Some(Reason::TimeOver(limit)) => Err(Error::new(
                ErrorKind::Limit,
                format!("the search was ended after {} seconds, which is its time limit", limit.as_secs_f64()),
            )
            .with_hint("narrow the time range or the search, ask for a longer `timeout`, or raise search.timeout_seconds")),
        }
    }

    /// For loops of small steps: asks once in so many.
    pub fn every(&self, steps: u32) -> Ticks {
        Ticks { stop: self.clone(), steps, left: steps }
    }

    /// Cancels when dropped.
    pub fn on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.clone())
    }
}

/// Asks a [`Stop`] once in so many steps.
#[derive(Clone, Debug)]
pub struct Ticks {
    stop: Stop,
    steps: u32,
    left: u32,
}

impl Ticks {
    /// One more step; an error if the work has to end.
    pub fn tick(&mut self) -> Result<()> {
        self.left -= 1;
        if self.left > 0 {
            return Ok(());
        }
        self.left = self.steps;
        self.stop.check()
    }
}

/// Cancels its [`Stop`] when dropped.
#[derive(Debug)]
pub struct CancelOnDrop(Stop);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ManualClock;

    #[test]
    fn time_runs_from_the_beginning_of_the_work() {
        let clock = Arc::new(ManualClock::at(0));
        let stop = Stop::new(clock.clone(), Some(Duration::from_secs(2)));
        clock.advance(Duration::from_secs(60));
        assert_eq!((stop.reason(), stop.time_left()), (None, None));
        stop.begin();
        clock.advance(Duration::from_millis(1_500));
        stop.begin();
        assert_eq!(stop.time_left(), Some(Duration::from_millis(500)));
        stop.check().expect("is within its time");
        clock.advance(Duration::from_millis(500));
        let error = stop.clone().check().expect_err("is over");
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert!(error.message().contains("after 2 seconds"), "{error}");
    }

    #[test]
    fn cancelling_reaches_every_clone_and_ticks() {
        let stop = Stop::new(Arc::new(ManualClock::at(0)), None);
        let mut ticks = stop.every(3);
        drop(stop.clone().on_drop());
        assert_eq!(stop.check().expect_err("is cancelled").kind(), ErrorKind::Cancelled);
        assert!(ticks.tick().is_ok() && ticks.tick().is_ok() && ticks.tick().is_err());
        Stop::never().cancel();
        assert_eq!(Stop::never().reason(), None);
    }
}
