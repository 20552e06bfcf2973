//! Reads compressed files as if they were plain: the kind is told from the first bytes, never from the name.
//! Streams only; nothing here holds a whole file.

use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use taffrail_base::VfsFile;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Packing {
    /// Not at all.
    Plain,
    /// RFC 1952, one or more members.
    Gzip,
    /// RFC 8878, one or more frames.
    Zstd,
    /// The .xz container, one or more streams.
    Xz,
    /// bzip2, one or more streams.
    Bzip2,
}

/// Bytes that [`Packing::of`] wants to see.
pub const MAGIC_BYTES: usize = 10;

impl Packing {
    /// Tells the kind from the first [`MAGIC_BYTES`] bytes.
    pub fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame, as parallel compressors write first.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => Self::Bzip2,
            _ => Self::Plain,
        }
    }
}

/// Reads an open file from a place on, and counts the bytes that it took from it.
#[derive(Debug)]
pub struct FileReader {
    file: Arc<dyn VfsFile>,
    offset: u64,
    taken: Arc<AtomicU64>,
}

impl FileReader {
    /// A reader that starts at `offset` and adds every byte read to `taken`.
    pub fn new(file: Arc<dyn VfsFile>, offset: u64, taken: Arc<AtomicU64>) -> Self {
        Self { file, offset, taken }
    }
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buffer, self.offset)?;
        self.offset += n as u64;
        self.taken.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// The plain bytes of `reader`, which begins with `head` (already taken from it).
pub fn unpack(packing: Packing, head: Vec<u8>, reader: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let whole = Cursor::new(head).chain(reader);
    if packing == Packing::Plain {
        return Ok(Box::new(whole));
    }
    let packed = io::BufReader::with_capacity(IO_BYTES, whole);
    Ok(match packing {
        Packing::Gzip | Packing::Plain => Steady::boxed(flate2::bufread::MultiGzDecoder::new(packed)),
        Packing::Zstd => Steady::boxed(zstd::stream::read::Decoder::with_buffer(packed)?),
        Packing::Xz => Steady::boxed(liblzma::bufread::XzDecoder::new_multi_decoder(packed)),
        Packing::Bzip2 => Steady::boxed(bzip2::bufread::MultiBzDecoder::new(packed)),
    })
}

/// Asks a decompressor for the same number of bytes every time. How far it comes before damage depends on that;
/// and a damaged file must give the same content whenever it is read.
struct Steady<R> {
    inner: R,
    buffer: Vec<u8>,
    at: usize,
    len: usize,
}

impl<R: Read + Send + 'static> Steady<R> {
    fn boxed(inner: R) -> Box<dyn Read + Send> {
        Box::new(Self { inner, buffer: vec![0; STEADY_BYTES], at: 0, len: 0 })
    }
}

impl<R: Read> Read for Steady<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.len {
            self.len = 0;
            self.at = 0;
            self.len = self.inner.read(&mut self.buffer)?;
        }
        let n = out.len().min(self.len - self.at);
        out[..n].copy_from_slice(&self.buffer[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// Decompressed bytes asked for at once.
const STEADY_BYTES: usize = 16 * 1024;

/// Compressed bytes read at once.
const IO_BYTES: usize = 128 * 1024;

/// Opens an unpacking reader over a file from its beginning.
pub fn open(file: Arc<dyn VfsFile>, taken: Arc<AtomicU64>) -> io::Result<(Packing, Box<dyn Read + Send>)> {
    let mut head = vec![0; MAGIC_BYTES];
    let n = read_full(&mut FileReader::new(Arc::clone(&file), 0, Arc::default()), &mut head)?;
    let packing = Packing::of(&head[..n]);
    Ok((packing, unpack(packing, Vec::new(), FileReader::new(file, 0, taken))?))
}

/// Fills `buffer` as far as the stream goes; fewer bytes mean its end.
pub fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match reader.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}
