//! A buffer that a writer fills and a stream empties.

use bytes::Bytes;
use parking_lot::Mutex;
use std::io::{self, Write};
use std::sync::Arc;

/// Bytes that were written and nobody has taken yet; clones share them.
#[derive(Clone, Default)]
pub struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    /// What was written since this was last asked.
    pub fn take(&self) -> Bytes {
        Bytes::from(std::mem::take(&mut *self.0.lock()))
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
