//! A catalog in one small file that is rewritten and renamed, for simulated file systems: the same contract
//! as the real one, with every step a call that can fail.

use super::{Archived, Catalog, CatalogChange, CatalogState, Hold, Removal};
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
    state: Mutex<(CatalogState, Vec<Removal>)>,
}

impl SimCatalog {
    /// Opens the catalog in `folder`, empty if there is none.
    pub fn open(vfs: Arc<dyn Vfs>, folder: &Path) -> Result<Self> {
        let path = folder.join("catalog.sim");
        let state = match vfs.read(&path) {
            Ok(bytes) => decode(&bytes).ok_or_else(|| Error::corrupt(path.display(), "not a simulated catalog"))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Default::default(),
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
        Ok(self.state.lock().0.clone())
    }

    fn commit(&self, change: &CatalogChange) -> Result<()> {
        let mut state = self.state.lock();
        let (mut next, mut removals) = state.clone();
        next.apply(change);
        let new = || change.archived.iter().map(|(removal, _)| removal).chain(&change.removed);
        removals.retain(|known: &Removal| new().all(|new| new.id != known.id));
        removals.extend(new().cloned());
        self.write(&encode(&next, &removals)).map_err(|e| Error::io("the simulated catalog", e))?;
        *state = (next, removals);
        Ok(())
    }

    fn removals(&self) -> Result<Vec<Removal>> {
        Ok(self.state.lock().1.clone())
    }
}

fn encode(state: &CatalogState, removals: &[Removal]) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, state.segments.len() as u64);
    for meta in state.segments.values() {
        put_bytes(&mut out, &meta.id.0.to_le_bytes());
        put_bytes(&mut out, meta.index.as_bytes());
        for number in [meta.events, meta.raw_bytes, meta.stored_bytes, meta.patterns, meta.first_sequence, meta.end_sequence] {
            put_number(&mut out, number);
        }
        put_signed(&mut out, meta.min_time.nanos());
        put_signed(&mut out, meta.max_time.nanos());
        put_bytes(&mut out, &meta.summary);
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
    put_number(&mut out, state.holds.len() as u64);
    for (name, hold) in &state.holds {
        [name, hold.index.as_deref().unwrap_or_default(), &hold.reason].iter().for_each(|text| put_bytes(&mut out, text.as_bytes()));
        [hold.earliest, hold.latest, hold.since].iter().for_each(|time| put_signed(&mut out, time.nanos()));
    }
    put_number(&mut out, state.archived.len() as u64);
    for (id, archived) in &state.archived {
        let parts = [&id.0.to_le_bytes()[..], archived.url.as_bytes(), archived.key.as_bytes(), &archived.blake3];
        parts.iter().for_each(|bytes| put_bytes(&mut out, bytes));
        put_signed(&mut out, archived.at.nanos());
    }
    put_number(&mut out, removals.len() as u64);
    for removal in removals {
        let root = removal.root.as_ref().map_or(&[][..], |root| root);
        let parts = [&removal.id.0.to_le_bytes()[..], removal.index.as_bytes(), removal.rule.as_bytes(), root];
        parts.iter().for_each(|bytes| put_bytes(&mut out, bytes));
        [removal.events, removal.stored_bytes].iter().for_each(|number| put_number(&mut out, *number));
        [removal.min_time, removal.max_time, removal.at].iter().for_each(|time| put_signed(&mut out, time.nanos()));
    }
    out
}

fn decode(bytes: &[u8]) -> Option<(CatalogState, Vec<Removal>)> {
    let mut reader = Reader::new(bytes);
    let mut state = CatalogState::default();
    for _ in 0..reader.count()? {
        let meta = SegmentMeta {
            id: id(&mut reader)?,
            index: reader.text()?.into(),
            events: reader.number()?,
            raw_bytes: reader.number()?,
            stored_bytes: reader.number()?,
            patterns: reader.number()?,
            first_sequence: reader.number()?,
            end_sequence: reader.number()?,
            min_time: Timestamp(reader.signed()?),
            max_time: Timestamp(reader.signed()?),
            summary: reader.bytes()?.into(),
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
    for _ in 0..reader.count()? {
        let (name, index, reason) = (reader.text()?.to_owned(), reader.text()?, reader.text()?.to_owned());
        let index = (!index.is_empty()).then(|| index.into());
        let [earliest, latest, since] = times(&mut reader)?;
        state.holds.insert(name, Hold { index, earliest, latest, reason, since });
    }
    for _ in 0..reader.count()? {
        let (id, url, key) = (id(&mut reader)?, reader.text()?.into(), reader.text()?.into());
        let blake3 = reader.bytes()?.try_into().ok()?;
        state.archived.insert(id, Archived { url, key, blake3, at: Timestamp(reader.signed()?) });
    }
    let mut removals = Vec::new();
    for _ in 0..reader.count()? {
        let (id, index, rule) = (id(&mut reader)?, reader.text()?.into(), reader.text()?.to_owned());
        let root = reader.bytes()?.try_into().ok();
        let (events, stored_bytes) = (reader.number()?, reader.number()?);
        let [min_time, max_time, at] = times(&mut reader)?;
        removals.push(Removal { id, index, events, stored_bytes, min_time, max_time, rule, at, root });
    }
    reader.is_done().then_some((state, removals))
}

fn id(reader: &mut Reader<'_>) -> Option<Ulid> {
    Some(Ulid(u128::from_le_bytes(reader.bytes()?.try_into().ok()?)))
}

fn times(reader: &mut Reader<'_>) -> Option<[Timestamp; 3]> {
    Some([Timestamp(reader.signed()?), Timestamp(reader.signed()?), Timestamp(reader.signed()?)])
}
