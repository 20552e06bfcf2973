//! The rows of one job on the disk: parts of some thousand rows, each a compressed stream of Arrow IPC that can be read by
//! itself. Removed with the last who holds it.

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use taffrail_base::{Error, ErrorKind, Result, Vfs, VfsFile, limits};

/// Room on the disk for the results of all jobs.
pub struct Room {
    used: AtomicU64,
    most: u64,
}

impl Room {
    /// So many bytes.
    pub fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { used: AtomicU64::new(0), most })
    }

    fn take(&self, bytes: u64) -> Result<()> {
        if self.used.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.most {
            return Ok(());
        }
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        Err(Error::new(ErrorKind::Limit, format!("the results of all jobs are larger than {} bytes, which is the limit", self.most))
            .with_hint("remove jobs that are not needed, ask for fewer rows, or raise jobs.max_size"))
    }
}

/// Where a part of the rows is.
#[derive(Clone, Copy, Debug)]
struct Part {
    first_row: u64,
    rows: u64,
    offset: u64,
    bytes: usize,
}

/// The rows of a job.
pub struct Spool {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    file: Box<dyn VfsFile>,
    parts: Mutex<Vec<Part>>,
    room: Arc<Room>,
}

impl Spool {
    /// No rows yet; the file must not exist.
    pub fn create(vfs: Arc<dyn Vfs>, path: PathBuf, room: Arc<Room>) -> Result<Self> {
        let file = vfs.create_new(&path).map_err(|e| Error::io(path.display(), e))?;
        Ok(Self { vfs, path, file, parts: Mutex::default(), room })
    }

    /// Adds rows; blocks while it writes. One writer at a time.
    pub fn append(&self, batch: &RecordBatch) -> Result<()> {
        let mut from = 0;
        while from < batch.num_rows() {
            let rows = limits::JOB_PART_ROWS.min(batch.num_rows() - from);
            self.part(&batch.slice(from, rows))?;
            from += rows;
        }
        Ok(())
    }

    fn part(&self, batch: &RecordBatch) -> Result<()> {
        let wrong = |e: arrow::error::ArrowError| Error::new(ErrorKind::Bug, format!("rows of a job cannot be written: {e}"));
        let mut plain = Vec::new();
        let mut writer = StreamWriter::try_new(&mut plain, &batch.schema()).map_err(wrong)?;
        writer.write(batch).and_then(|()| writer.finish()).map_err(wrong)?;
        drop(writer);
        let packed = zstd::bulk::compress(&plain, 1).map_err(|e| Error::io(self.path.display(), e))?;
        // Events go first: what is left for them is not taken for results.
        let free = self.vfs.available_bytes(&self.path).unwrap_or(u64::MAX);
        if free < 2 * limits::DISK_RESERVE_BYTES + packed.len() as u64 {
            return Err(
                Error::new(ErrorKind::Full, "the disk is too full for the results of a job").with_hint("make room, or ask for fewer rows")
            );
        }
        self.room.take(packed.len() as u64)?;
        let (first_row, offset) = self.end();
        if let Err(e) = self.file.write_all_at(&packed, offset) {
            self.room.used.fetch_sub(packed.len() as u64, Ordering::Relaxed);
            return Err(Error::io(self.path.display(), e));
        }
        self.parts.lock().push(Part { first_row, rows: batch.num_rows() as u64, offset, bytes: packed.len() });
        Ok(())
    }

    fn end(&self) -> (u64, u64) {
        self.parts.lock().last().map_or((0, 0), |part| (part.first_row + part.rows, part.offset + part.bytes as u64))
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.end().0
    }

    /// How many bytes they take.
    pub fn bytes(&self) -> u64 {
        self.end().1
    }

    /// Rows from number `from` on, as far as one part has them; nothing behind the last. Blocks while it reads.
    pub fn read(&self, from: u64, most: u64) -> Result<Option<RecordBatch>> {
        let found = {
            let parts = self.parts.lock();
            let at = parts.partition_point(|part| part.first_row + part.rows <= from);
            parts.get(at).copied()
        };
        let Some(part) = found.filter(|_| most > 0) else { return Ok(None) };
        let mut packed = vec![0; part.bytes];
        self.file.read_exact_at(&mut packed, part.offset).map_err(|e| Error::io(self.path.display(), e))?;
        let plain = zstd::stream::decode_all(&packed[..]).map_err(|e| Error::corrupt(self.path.display(), e))?;
        let mut reader = StreamReader::try_new(&plain[..], None).map_err(|e| Error::corrupt(self.path.display(), e))?;
        let batch = reader.next().ok_or_else(|| Error::corrupt(self.path.display(), "a part without rows"))?;
        let batch = batch.map_err(|e| Error::corrupt(self.path.display(), e))?;
        let skipped = (from - part.first_row) as usize;
        let rows = (batch.num_rows() - skipped).min(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(Some(batch.slice(skipped, rows)))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.room.used.fetch_sub(self.bytes(), Ordering::Relaxed);
        // What stays is removed at the next start.
        let _ = self.vfs.remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use taffrail_base::SimVfs;

    fn batch(from: i64, rows: i64) -> RecordBatch {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from_iter_values(from..from + rows))]).expect("fits")
    }

    fn spool(most: u64) -> (Arc<SimVfs>, Spool) {
        let vfs = Arc::new(SimVfs::new(1));
        vfs.create_dir_all(std::path::Path::new("/d")).expect("is made");
        let spool = Spool::create(vfs.clone(), "/d/x".into(), Room::new(most)).expect("is made");
        (vfs, spool)
    }

    #[test]
    fn pages_come_back_whatever_their_bounds() {
        let (vfs, spool) = spool(1 << 30);
        spool.append(&batch(0, 20_000)).expect("is written");
        spool.append(&batch(20_000, 5)).expect("is written");
        assert_eq!(spool.rows(), 20_005);
        for (from, most) in [(0, 10), (8_190, 5), (19_999, 10), (20_004, 1), (20_005, 1), (0, u64::MAX), (3, 0)] {
            let (mut at, mut found) = (from, Vec::new());
            while let Some(rows) = spool.read(at, most - (at - from)).expect("is read") {
                found.extend(rows.column(0).as_primitive::<Int64Type>().values().to_vec());
                at += rows.num_rows() as u64;
            }
            let end = (from as i64).saturating_add(i64::try_from(most).unwrap_or(i64::MAX)).min(20_005);
            assert_eq!(found, (from as i64..end).collect::<Vec<_>>(), "{from} {most}");
        }
        drop(spool);
        assert!(vfs.metadata(std::path::Path::new("/d/x")).is_err(), "the file goes with it");
    }

    #[test]
    fn what_does_not_fit_is_refused_and_what_goes_makes_room() {
        let (_, spool) = spool(2_000);
        let error = (0..100).find_map(|at| spool.append(&batch(at * 8_000, 8_000)).err()).expect("is too much");
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert!(spool.bytes() <= 2_000);
        let room = Arc::clone(&spool.room);
        drop(spool);
        assert_eq!(room.used.load(Ordering::Relaxed), 0);
    }
}
