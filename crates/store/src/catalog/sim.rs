//! A catalog in one small file that is rewritten and renamed, for simulated file systems: the same contract
//! as the real one, with every step a call that can fail.

use super::{Catalog, CatalogChange, CatalogState};
use crate::codec::{Reader, put_bytes, put_number, put_signed};
use crate::segment::SegmentMeta;
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::{Error, Result, Ulid, Vfs};
use taffrail_event::Timestamp;

/// A catalog for simulation.
pub struct SimCatalog {
    vfs: Arc<dyn Vfs>,
    folder: PathBuf,
    state: Mutex<CatalogState>,
}

impl SimCatalog {
    /// Opens the catalog in `folder`, empty if there is none.
    pub fn open(vfs: Arc<dyn Vfs>, folder: &Path) -> Result<Self> {
        let path = folder.join("catalog.sim");
        let state = match vfs.read(&path) {
            Ok(bytes) => decode(&bytes).ok_or_else(|| Error::corrupt(path.display(), "not a simulated catalog"))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => CatalogState::default(),
            Err(e) => return Err(Error::io(path.display(), e)),
        };
        Ok(Self { vfs, folder: folder.to_owned(), state: Mutex::new(state) })
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let (unfinished, path) = (self.folder.join("catalog.tmp"), self.folder.join("catalog.sim"));
        match self.vfs.remove_file(&unfinished) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let file = self.vfs.create_new(&unfinished)?;
        file.write_all_at(bytes, 0)?;
        file.sync_data()?;
        self.vfs.rename(&unfinished, &path)?;
        self.vfs.sync_dir(&self.folder)
    }
}

impl Catalog for SimCatalog {
    fn load(&self) -> Result<CatalogState> {
        Ok(self.state.lock().clone())
    }

    fn commit(&self, change: &CatalogChange) -> Result<()> {
        let mut state = self.state.lock();
        let mut next = state.clone();
        next.apply(change);
        self.write(&encode(&next)).map_err(|e| Error::io("the simulated catalog", e))?;
        *state = next;
        Ok(())
    }
}

fn encode(state: &CatalogState) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, state.segments.len() as u64);
    for meta in state.segments.values() {
        put_bytes(&mut out, &meta.id.0.to_le_bytes());
        put_bytes(&mut out, meta.index.as_bytes());
        for number in [meta.events, meta.raw_bytes, meta.stored_bytes, meta.patterns, meta.first_sequence] {
            put_number(&mut out, number);
        }
        put_signed(&mut out, meta.min_time.nanos());
        put_signed(&mut out, meta.max_time.nanos());
    }
    put_number(&mut out, state.next_sequences.len() as u64);
    for (index, next) in &state.next_sequences {
        put_bytes(&mut out, index.as_bytes());
        put_number(&mut out, *next);
    }
    put_number(&mut out, state.positions.len() as u64);
    for (key, value) in &state.positions {
        put_bytes(&mut out, key.as_bytes());
        put_bytes(&mut out, value);
    }
    put_number(&mut out, state.positions_sequence);
    put_number(&mut out, state.covered_sequence);
    out
}

fn decode(bytes: &[u8]) -> Option<CatalogState> {
    let mut reader = Reader::new(bytes);
    let mut state = CatalogState::default();
    for _ in 0..reader.count()? {
        let meta = SegmentMeta {
            id: Ulid(u128::from_le_bytes(reader.bytes()?.try_into().ok()?)),
            index: reader.text()?.into(),
            events: reader.number()?,
            raw_bytes: reader.number()?,
            stored_bytes: reader.number()?,
            patterns: reader.number()?,
            first_sequence: reader.number()?,
            min_time: Timestamp(reader.signed()?),
            max_time: Timestamp(reader.signed()?),
        };
        state.segments.insert(meta.id, meta);
    }
    for _ in 0..reader.count()? {
        state.next_sequences.insert(reader.text()?.into(), reader.number()?);
    }
    for _ in 0..reader.count()? {
        state.positions.insert(reader.text()?.to_owned(), reader.bytes()?.to_owned());
    }
    state.positions_sequence = reader.number()?;
    state.covered_sequence = reader.number()?;
    reader.is_done().then_some(state)
}
