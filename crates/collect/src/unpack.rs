//! Reads compressed files, Windows event logs and containers of events as if they were plain: the kind is told from
//! the first bytes, never from the name. Streams only; nothing here holds a whole file.

use crate::cloudtrail::{self, RecordsReader};
use crate::event_xml::{self, EventXmlReader};
use crate::evtx::{self, EvtxReader};
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
    /// A Windows event log.
    Evtx,
    /// Windows events within a document of XML.
    EventXml,
    /// Records of CloudTrail within one JSON object.
    Records,
}

/// Bytes that [`Packing::of`] wants to see.
const MAGIC_BYTES: usize = 10;

impl Packing {
    /// Tells the kind from the first [`MAGIC_BYTES`] bytes; whether it is a container of text takes more of them.
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame, as parallel compressors write first.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => Self::Bzip2,
            _ if head.starts_with(evtx::MAGIC) => Self::Evtx,
            _ if event_xml::may_be(head) => Self::EventXml,
            _ if cloudtrail::may_be(head) => Self::Records,
            _ => Self::Plain,
        }
    }

    /// Whether nothing has to be decompressed to look into it.
    fn is_container(self) -> bool {
        matches!(self, Self::Plain | Self::Evtx | Self::EventXml | Self::Records)
    }

    /// The kind of a stream, and what of its beginning was taken to know it. What failed meanwhile is the last.
    fn of_stream(reader: &mut impl Read) -> (Self, Vec<u8>, Option<io::Error>) {
        let mut head = Vec::new();
        let mut error = reader.take(MAGIC_BYTES as u64).read_to_end(&mut head).err();
        let mut packing = Self::of(&head);
        let wanted = match packing {
            Self::EventXml => event_xml::HEAD_BYTES,
            Self::Records => cloudtrail::HEAD_BYTES,
            _ => return (packing, head, error),
        };
        if error.is_none() {
            error = reader.take((wanted - head.len()) as u64).read_to_end(&mut head).err();
        }
        let is_container = if packing == Self::Records { cloudtrail::is_container(&head) } else { event_xml::is_container(&head) };
        if !is_container {
            packing = Self::Plain;
        }
        (packing, head, error)
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

/// How a stream is packed, and its plain bytes.
pub fn unpack(reader: impl Read + Send + 'static) -> io::Result<(Packing, Box<dyn Read + Send>)> {
    unpack_through(reader, |stream| stream).map(|(packing, _, stream)| (packing, stream))
}

/// The same; what is decompressed, and not yet taken apart, is read through what `through` makes of it. Tells also which container
/// was taken apart, which may stand in what was compressed.
pub fn unpack_through(
    mut reader: impl Read + Send + 'static,
    through: impl FnOnce(Box<dyn Read + Send>) -> Box<dyn Read + Send>,
) -> io::Result<(Packing, Packing, Box<dyn Read + Send>)> {
    let (packing, head, error) = Packing::of_stream(&mut reader);
    if let Some(error) = error {
        return Err(error);
    }
    let whole = Cursor::new(head).chain(reader);
    if packing.is_container() {
        return Ok((packing, packing, open_container(packing, through(Box::new(whole)))));
    }
    let mut stream = through(decompress(packing, io::BufReader::with_capacity(IO_BYTES, whole))?);
    // What is in there may be a container. Damage that is met here is met by whoever reads, in its place.
    let (within, head, error) = Packing::of_stream(&mut stream);
    let rest: Box<dyn Read + Send> = match error {
        Some(error) => Box::new(Failing(Some(error))),
        None => stream,
    };
    Ok((packing, within, open_container(within, Cursor::new(head).chain(rest))))
}

/// The bytes of a stream as they are without compression, containers left whole.
pub fn decompressed(mut reader: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let (packing, head, error) = Packing::of_stream(&mut reader);
    if let Some(error) = error {
        return Err(error);
    }
    let whole = Cursor::new(head).chain(reader);
    if packing.is_container() {
        return Ok(Box::new(whole));
    }
    decompress(packing, io::BufReader::with_capacity(IO_BYTES, whole))
}

fn open_container(packing: Packing, whole: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    match packing {
        Packing::Evtx => Box::new(EvtxReader::new(whole)),
        Packing::EventXml => Box::new(EventXmlReader::new(whole)),
        Packing::Records => Box::new(RecordsReader::new(whole)),
        // Nothing is unpacked twice.
        _ => Box::new(whole),
    }
}

fn decompress(packing: Packing, packed: impl io::BufRead + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    Ok(match packing {
        Packing::Gzip => Steady::boxed(flate2::bufread::MultiGzDecoder::new(packed)),
        Packing::Zstd => Steady::boxed(zstd::stream::read::Decoder::with_buffer(packed)?),
        Packing::Xz => Steady::boxed(liblzma::bufread::XzDecoder::new_multi_decoder(packed)),
        Packing::Bzip2 => Steady::boxed(bzip2::bufread::MultiBzDecoder::new(packed)),
        _ => Box::new(packed),
    })
}

/// Gives an error that was met before.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.take().unwrap_or_else(|| io::ErrorKind::InvalidData.into()))
    }
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
    unpack(FileReader::new(file, 0, taken))
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

/// Takes up to `len` bytes after those in `buffer`. With an error come the bytes that were there before it.
pub fn read_up_to(reader: &mut impl Read, len: usize, buffer: &mut Vec<u8>) -> (usize, Option<io::Error>) {
    let before = buffer.len();
    let error = reader.take(len as u64).read_to_end(buffer).err();
    (buffer.len() - before, error)
}
