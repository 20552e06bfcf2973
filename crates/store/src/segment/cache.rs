//! Unpacked blocks of all segments of a store, so that what is read again and again is read, checked and unpacked
//! once. Bounded in bytes; what was not asked for lately goes first.

use super::Block;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use taffrail_base::Ulid;
use taffrail_base::limits::BLOCK_CACHE_BYTES;

/// A segment and the number of a block in it.
type Key = (Ulid, u32);

/// Bounded memory of unpacked blocks.
#[derive(Debug)]
pub struct BlockCache {
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    places: FxHashMap<Key, usize>,
    /// In no order; a hand goes round and takes what was not asked for since it last came by.
    kept: Vec<Kept>,
    hand: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    key: Key,
    block: Arc<Block>,
    asked: bool,
}

impl Default for BlockCache {
    fn default() -> Self {
        Self::new(BLOCK_CACHE_BYTES)
    }
}

impl BlockCache {
    /// An empty cache of at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, inner: Mutex::default() }
    }

    /// A block, if it is here.
    pub fn get(&self, segment: Ulid, block: u32) -> Option<Arc<Block>> {
        let mut inner = self.inner.lock();
        let at = *inner.places.get(&(segment, block))?;
        let kept = &mut inner.kept[at];
        kept.asked = true;
        Some(kept.block.clone())
    }

    /// Keeps a block. One that would take most of the room is not kept.
    pub fn put(&self, segment: Ulid, number: u32, block: &Arc<Block>) {
        let (key, bytes) = ((segment, number), block.len());
        if bytes > self.bytes_max / 4 {
            return;
        }
        let mut inner = self.inner.lock();
        if inner.places.contains_key(&key) {
            return;
        }
        while inner.bytes + bytes > self.bytes_max {
            inner.drop_one();
        }
        let at = inner.kept.len();
        inner.places.insert(key, at);
        inner.kept.push(Kept { key, block: block.clone(), asked: false });
        inner.bytes += bytes;
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.inner.lock().bytes
    }
}

impl Inner {
    fn drop_one(&mut self) {
        loop {
            if self.hand >= self.kept.len() {
                self.hand = 0;
            }
            let Some(kept) = self.kept.get_mut(self.hand) else {
                self.bytes = 0;
                return;
            };
            if !std::mem::take(&mut kept.asked) {
                break;
            }
            self.hand += 1;
        }
        let gone = self.kept.swap_remove(self.hand);
        self.bytes -= gone.block.len();
        self.places.remove(&gone.key);
        if let Some(moved) = self.kept.get(self.hand) {
            self.places.insert(moved.key, self.hand);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_asked_for_within_its_bound() {
        let cache = BlockCache::new(1_000);
        let block = |bytes: usize| Arc::new(Block::new(vec![7; bytes], "test"));
        for number in 0..20 {
            cache.put(Ulid(1), number, &block(100));
            assert!(cache.get(Ulid(1), 0).is_some(), "asked for all the time");
            assert!(cache.bytes() <= 1_000);
        }
        assert!(cache.get(Ulid(1), 1).is_none());
        assert!(cache.get(Ulid(2), 0).is_none(), "another segment's");
        cache.put(Ulid(1), 99, &block(900));
        assert!(cache.get(Ulid(1), 99).is_none(), "too large to be kept");
    }
}
