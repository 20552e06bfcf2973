//! The memory of one search: a part of what all searches share, with a bound of its own.

use datafusion::common::DataFusionError;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation, human_readable_size};
use std::fmt;
use std::sync::Arc;

/// A pool within a pool: what is taken from it is taken from the shared one too. Operators that can spill share each of
/// them fairly.
#[derive(Debug)]
pub struct Share {
    own: FairSpillPool,
    limit: usize,
    shared: Arc<dyn MemoryPool>,
}

impl Share {
    /// At most `limit` bytes of `shared`.
    pub fn new(limit: usize, shared: Arc<dyn MemoryPool>) -> Self {
        Self { own: FairSpillPool::new(limit), limit, shared }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "share of {}", human_readable_size(self.limit))
    }
}

impl MemoryPool for Share {
    fn name(&self) -> &str {
        "share"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.own.register(consumer);
        self.shared.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.own.unregister(consumer);
        self.shared.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.own.grow(reservation, additional);
        self.shared.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.own.shrink(reservation, shrink);
        self.shared.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.own.try_grow(reservation, additional).map_err(|_| {
            DataFusionError::ResourcesExhausted(format!(
                "one search may use {} (`max_memory` of the request, search.max_memory_bytes of the server), and {} asked for {} more than its {}",
                human_readable_size(self.limit),
                reservation.consumer().name(),
                human_readable_size(additional),
                human_readable_size(reservation.size()),
            ))
        })?;
        self.shared.try_grow(reservation, additional).inspect_err(|_| self.own.shrink(reservation, additional))
    }

    fn reserved(&self) -> usize {
        self.own.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        match self.shared.memory_limit() {
            MemoryLimit::Finite(bytes) => MemoryLimit::Finite(self.limit.min(bytes)),
            _ => MemoryLimit::Finite(self.limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_bound_by_its_own_limit_and_by_what_is_left() {
        let shared: Arc<dyn MemoryPool> = Arc::new(FairSpillPool::new(1_000));
        let (one, two): (Arc<dyn MemoryPool>, Arc<dyn MemoryPool>) =
            (Arc::new(Share::new(600, shared.clone())), Arc::new(Share::new(600, shared.clone())));
        let first = MemoryConsumer::new("first").register(&one);
        first.try_grow(500).expect("is within both");
        let error = first.try_grow(200).expect_err("is beyond its own").to_string();
        assert!(error.contains("max_memory") && error.contains("first"), "{error}");
        assert_eq!((one.reserved(), shared.reserved()), (500, 500));
        let second = MemoryConsumer::new("second").register(&two);
        second.try_grow(550).expect_err("is beyond what is shared");
        second.try_grow(500).expect("is what is left");
        assert_eq!((two.reserved(), shared.reserved()), (500, 1_000));
        drop((first, second));
        assert_eq!((one.reserved(), two.reserved(), shared.reserved()), (0, 0, 0));
    }
}
